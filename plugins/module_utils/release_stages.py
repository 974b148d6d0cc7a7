# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Django's stages of a release: its settings, checks, static files, migrations and commands."""

from __future__ import annotations

import hashlib
import pwd
import re
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.build_error import BuildError
from ansible_collections.pitcrew.django.plugins.module_utils.commands_record import CommandsRecord, parsed
from ansible_collections.pitcrew.django.plugins.module_utils.cures import start_cures
from ansible_collections.pitcrew.django.plugins.module_utils.demands import Demands
from ansible_collections.pitcrew.django.plugins.module_utils.django_process import Django
from ansible_collections.pitcrew.django.plugins.module_utils.migrations import warning_of_changes
from ansible_collections.pitcrew.django.plugins.module_utils.packages import installed_version
from ansible_collections.pitcrew.django.plugins.module_utils.public_paths import public_path_complaints
from ansible_collections.pitcrew.django.plugins.module_utils.release_packages import ReleasePackages
from ansible_collections.pitcrew.django.plugins.module_utils.releases import Release, Releases

__all__ = ["ReleaseStages"]

STAGES = {
    "script": "manage.py ended its process, or replaced it, before it started Django",
    "start": "Django cannot be imported",
    "settings": "the settings cannot be loaded",
    "apps": "django.setup() failed",
    "refused": "the project is not ready for production",
    "check": "manage.py check --deploy failed",
    "collectstatic": "manage.py collectstatic failed",
    "plan": "its migrations cannot run",
    "backup": "the database cannot be backed up",
    "migrate": "manage.py migrate failed",
    "command": "a command of the release failed",
}

# The part of Django's report between its heading and an empty line.
WARNINGS = re.compile(r"^WARNINGS:\n(.+?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)

# One of them: the object that it is about, its name, and its first sentence; others follow, and a hint.
WARNING = re.compile(r"^(?:\?|(\S.*?)): \(([\w.]+)\) (.+?)(?:\.\s|\.?$)", re.MULTILINE)

# The parameters that are passed to the Django process.
JOB = (
    "domains",
    "shared",
    "collectstatic",
    "migrate",
    "migrates_shared_database",
    "allow_destructive",
    "lock_timeout",
    "statement_timeout",
    "backup",
    "backups_kept",
    "allow_insecure",
    "allow_lossy",
    "health_path",
    "middleware",
    "application",
    "application_guessed",
    "process_commands",
    "interface",
    "boot_timeout",
    "workers",
    "packages_digest",
)


class ReleaseStages:
    """The stages of one release. C(live) is the release that serves, if there is one.

    It has C(changed_database) if it is refused after that.
    """

    def __init__(
        self,
        module: AnsibleModule,
        releases: Releases,
        release: Release,
        account: pwd.struct_passwd,
        packages: ReleasePackages,
        live: str | None,
    ) -> None:
        self.module = module
        self.params = module.params
        self.releases = releases
        self.release = release
        self.account = account
        self.packages = packages
        self.live = live
        self.demands = Demands(release.path.parents[1])
        self.commands = CommandsRecord(release.path.parents[1])
        self.changed_database = False

    def run(self, variables: dict[str, str], **other: Any) -> tuple[dict[str, Any], str]:
        """Run the stages as the site's user; return the report and everything that was written meanwhile.

        Raises BuildError with the stage, the reason, and what was written.
        """
        django = Django(
            self.module.run_command,
            self.account,
            self.params["python"],
            self.release.path,
            self.params["project"],
            self.params["home"],
        )
        job = {name: self.params[name] for name in JOB}
        job |= self.commands.due(*(parsed(self.params[name]) for name in ("first_commands", "commands")))
        recorded = [entry["migration"] for entry in self.demands.recorded()]
        job |= {"recorded": recorded, "collected": self.collected(), **other}
        report, output = django.run({"do": "build", **job}, variables)
        applied = [{**demand, "backup": report["backup"]} for demand in report.get("demands", [])]
        self.demands.record(self.release.id, applied, report.get("recorded"))
        self.commands.note(report.get("ran", []), complete=report["stage"] == "done" and job["first_due"])
        stage, complaints = report["stage"], report.get("complaints", [])
        if stage == "empty":
            # Before the first change of the database, since afterwards nobody can tell that it was empty.
            self.commands.owe_first()
            again, more = self.run(variables, **{**other, "shared": [], "collectstatic": False, "first_noted": True})
            found = {**report["description"], "migrated": again["description"]["migrated"]}
            warnings = list(dict.fromkeys([*report["warnings"], *again["warnings"]]))
            return {**again, "description": found, "warnings": warnings}, output + more
        if report["error"] is None and not complaints:
            return report, output
        if stage == "start" and self.packages.filled:
            self.packages.filled.remove()  # Whatever is wrong with it, the next attempt creates another.
        cures = []
        if stage in ("start", "settings", "apps", "check", "plan"):
            cures = start_cures(f"{output}\n{report['error']}", self.params["user"])
            # If manage.py does not start Django, that may be the cause.
            cures += [warning for warning in report.get("warnings", []) if "does not start Django" in warning]
        if stage in ("migrate", "command") or report.get("migrated"):
            cures += self.what_is_done(report)
        where = f" in {report['where']}" if stage == "apps" and report.get("where") else ""
        reason = f"{STAGES[stage]}{where}: {report['error']}" if report["error"] else STAGES[stage]
        if stage == "command" and report["error"]:
            command = report["command"]
            reason = f"{command['variable']}: manage.py {command['text']} failed: {report['error']}"
            output = report.get("written") or output
        if report.get("checks"):
            output = output.replace(report["checks"], "")  # Warnings, which are not the cause.
        if stage == "refused" and "Traceback" not in output:
            output = ""
        raise BuildError(reason, output, [*cures, *complaints], report.get("inventory"))

    def what_is_done(self, report: dict[str, Any]) -> list[str]:
        """Say what a release that is refused has already done to the database, and that the site keeps running."""
        self.changed_database = True
        names, failed = report["migrations"], report["stage"] == "command"
        if report.get("migrated"):
            verb = "is" if len(names) == 1 else "are"
            done = [f"{', '.join(names)} {verb} applied" if names else "there were no migrations to apply"]
        else:  # Without site_migrate, a command is the first to change anything.
            done = [] if failed else [report["database"] or "migrations may have been applied to the database"]
        if ran := [one["command"] for one in report.get("ran", [])]:
            done.append(f"{', '.join(ran)} {'has' if len(ran) == 1 else 'have'} run")
        if failed:
            done.append("what the command has changed stays, and it will run again")
        # Not if the live release can no longer add rows: the message begins with that.
        same = "" if self.demands.unmet_by(self.live) else "The site keeps running as before; "
        before = [f"The database from before is {report['backup']}."] if report["backup"] else []
        return [f"{same}{'; '.join(done)}.", *before]

    def collected(self) -> dict[str, str]:
        """The directories of static files of other releases, by the fingerprint of what they were collected from."""
        found = {}
        for release in self.releases:
            record = (release.recorded if release.complete else None) or {}
            static = record.get("public", {}).get(record.get("static"))
            if record.get("collected") and static and Path(static).resolve().is_relative_to(release.path.resolve()):
                found[str(record["collected"])] = static
        return found

    def described(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return the parts of a description that root can vouch for, since it comes from the site's own code.

        Raises ValueError with the cure.
        """
        public = {str(path): str(directory) for path, directory in found["public"].items()}
        allowed = [path.resolve() for path in (self.release.path, Path(self.params["home"]))]
        complaints = public_path_complaints(public, allowed)
        if complaints:
            raise ValueError("\n".join(complaints))
        return {
            "public": public,
            **{name: found[name] if found[name] in [*public] else None for name in ("static", "media")},
            "migrated": found["migrated"] is True,
            "unmigrated": [str(label) for label in found.get("unmigrated", [])],
            "collected": str(found.get("collected", "")),
            "server": self.params["server"],
            "interface": self.params["interface"],
            # A range in the project's list leaves these to the installer.
            "server_version": installed_version(self.release.venv, self.params["server_package"]),
            "prometheus_client": installed_version(self.release.venv, "prometheus_client"),
            # A release with the same needs no packages.
            "packages": self.params["packages_digest"] or "",
        }

    def warn(self, description: dict[str, Any], checks: str) -> None:
        """Warn of changes without a migration, and of what the checks find, unless they found that in the live release.

        What they find is recorded in the description, as a checksum.
        """
        if unmigrated := description["unmigrated"]:
            self.module.warn(warning_of_changes(unmigrated))
        warnings = shortened(checks)
        description["checks"] = hashlib.sha256(warnings.encode()).hexdigest()[:12] if warnings else ""
        serves = self.releases.named(self.live).recorded if self.live else None
        if warnings and (serves or {}).get("checks") != description["checks"]:
            self.module.warn(f"manage.py check --deploy:\n{warnings}")


def shortened(checks: str) -> str:
    """Return the warnings of C(manage.py check --deploy), a line for each; empty if there are none."""
    found = WARNINGS.search(checks)
    if not found:
        return ""
    warnings = WARNING.findall(found[1])
    lines = [f"{name}: {sentence}{f' ({about})' if about else ''}" for about, name, sentence in warnings]
    return "\n".join(lines) or found[1]
