# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a new release in one Django process, run by the release's own Python as the site's user.

Starting Django takes longer than most of its commands. So one process reads from the settings what the deploy has to
know, then checks, collects the static files, migrates and runs the commands of the release, in this order: steps that
can fail without leaving a trace come before those that change the database.

The project's own manage.py starts Django, and the stages take the place of its command (manage_script).

The job arrives as JSON on standard input. The report goes as JSON to the file descriptor that the job names: one line
at each stage, so that even a process that is killed has reported how far it got. The last line counts.
"""

from __future__ import annotations

import functools
import importlib.machinery
import io
import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.backup import BackupError, backup
from ansible_collections.pitcrew.django.plugins.module_utils.exceptions import in_words, traceback_of
from ansible_collections.pitcrew.django.plugins.module_utils.manage_script import ManageScript
from ansible_collections.pitcrew.django.plugins.module_utils.migrations import (
    MigrationRefused,
    compare,
    guarded,
    migrate,
    pending,
    without_migration,
)
from ansible_collections.pitcrew.django.plugins.module_utils.missing_tables import lacks_tables
from ansible_collections.pitcrew.django.plugins.module_utils.process_commands import judge_process_commands
from ansible_collections.pitcrew.django.plugins.module_utils.project_modules import (
    missing_application,
    missing_settings,
    placeholder,
)
from ansible_collections.pitcrew.django.plugins.module_utils.release_commands import (
    Command,
    CommandFailed,
    commands_of,
    judge_commands,
    run_commands,
)
from ansible_collections.pitcrew.django.plugins.module_utils.settings_judgement import (
    Findings,
    advise_health_path,
    judge_settings,
    link_shared,
    settings_module,
)
from ansible_collections.pitcrew.django.plugins.module_utils.static_files import collect
from ansible_collections.pitcrew.django.plugins.module_utils.web_process import Loading

# Only the server itself provides them.
MODULES_OF_SERVERS = ("uwsgi", "uwsgidecorators")


class SettingsRefused(Exception):
    """The project would not work in production with its settings; the report has the complaints."""


class Report(Findings):
    """What is known so far: the current stage, and everything that is wrong with the project."""

    def __init__(self, handle: int) -> None:
        super().__init__(
            stage="start",
            error=None,
            where="",
            checks="",
            migrations=[],
            demands=[],
            recorded=None,
            backup=None,
            database="",
            migrated=False,
            ran=[],
            command=None,
            written="",
        )
        self.file = os.fdopen(handle, "w", encoding="utf-8")

    def enter(self, stage: str) -> None:
        """Enter a stage, and write that down."""
        self["stage"] = stage
        self.write()

    def write(self) -> None:
        """Write the whole report as one line."""
        self.file.write(json.dumps(self) + "\n")
        self.file.flush()


def check(report: Report) -> list[str]:
    """Run C(manage.py check --deploy): its errors become complaints; C(checks) of the report is what it writes.

    Return what could not be judged, since tables that it needs are missing; everything else is judged.
    """
    from django.core import checks
    from django.core.management import call_command
    from django.core.management.base import SystemCheckError

    written, untold = io.StringIO(), []
    with _without_tables(checks, untold):
        try:
            try:
                call_command("check", deploy=True, stdout=written, stderr=written)
            finally:
                sys.stdout.write(written.getvalue())
            report["checks"] = written.getvalue()
        except SystemCheckError:
            for found in checks.run_checks(include_deployment_checks=True):
                if found.is_serious() and not found.is_silenced():
                    report.complain(f"manage.py check --deploy: {' '.join(str(found).split())}")
        except Exception as error:
            if lacks_tables(error):
                untold.append(in_words(error))
            elif not report["complaints"]:
                raise
            else:
                sys.stderr.write(traceback_of(error))
                report.complain(f"manage.py check --deploy failed: {in_words(error)}")
    return untold


@contextmanager
def _without_tables(checks: Any, untold: list[str]) -> Iterator[None]:
    """Have each check that fails for a missing table find nothing, and note that; the others run as ever."""
    registry = getattr(getattr(checks, "registry", None), "registry", None)
    if registry is None:
        yield
        return

    def tolerant(check: Any) -> Any:
        @functools.wraps(check)
        def run(*args: Any, **options: Any) -> Any:
            try:
                return list(check(*args, **options))
            except Exception as error:
                if not lacks_tables(error):
                    raise
                untold.append(in_words(error))
                return []

        return run

    before = registry.registered_checks, registry.deployment_checks
    registry.registered_checks, registry.deployment_checks = (type(some)(map(tolerant, some)) for some in before)
    try:
        yield
    finally:
        registry.registered_checks, registry.deployment_checks = before


def migrate_guarded(job: dict[str, Any], report: Report) -> None:
    """Migrate the database, after a backup if one is wanted and there is something to lose."""
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder

    if connection.vendor == "unknown":
        return  # A site without a database has Django's dummy backend, which does nothing.

    def stage(name: str) -> None:
        if (
            name == "migrate"
            and job["backup"]
            and pending(connection)
            and MigrationRecorder(connection).applied_migrations()
        ):
            report.enter("backup")
            directory = Path(job["home"]) / "backups"
            report["backup"] = str(backup(connection, directory, Path(job["release"]).name, job["backups_kept"]))
        report.enter(name)

    report["migrations"] = migrate(connection, job, stage, report)


def is_empty(job: dict[str, Any]) -> bool:
    """Whether the default database has no tables of the project, and no migration has been applied to it."""
    from django.apps import apps
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder

    if connection.vendor == "unknown" or MigrationRecorder(connection).applied_migrations():
        return False
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    return not tables.intersection(connection.introspection.table_names())


def set_up(report: Report) -> None:
    """Load the settings, then the applications."""
    import django
    from django import conf

    report.enter("settings")
    with suppress(AttributeError):  # The next stage raises it again.
        conf.settings.INSTALLED_APPS  # noqa: B018
    report.enter("apps")
    django.setup()


def set_up_project(job: dict[str, Any], report: Report) -> None:
    """The same for a release that is to be judged: a module that does not exist is a complaint with those that do.

    So is a directory of log files that does not exist. It is then made as the cure would, to find what else is wrong.
    """
    module = settings_module()
    while True:
        try:
            set_up(report)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if not (module == missing or module.startswith(f"{missing}.")) or not missing:
                raise
            sentence, inventory = missing_settings(module, missing, Path(job["release"]).resolve())
            report.complain(sentence, **inventory)
            raise SettingsRefused from error
        except ValueError as error:
            cause = error.__cause__
            file = Path(str(cause.filename)) if isinstance(cause, FileNotFoundError) and cause.filename else None
            if file is None or not file.is_relative_to(Path.cwd()) or file.parent.exists():
                raise
            name = f"{file.parent.relative_to(Path.cwd())}/"
            report.complain(
                f"LOGGING: {str(file)!r} is in a directory that the source does not have, inside the release, where "
                f"the site cannot write. Write to stderr (logging.StreamHandler), which the journal keeps, or set "
                f"site_shared_paths: [{name}]",
                site_shared_paths=[name],
            )
            link_shared(Path.cwd(), Path(job["home"]), [name], report)
        else:
            return


def judge_application(
    job: dict[str, Any], report: Report, script: ManageScript | None, waiting: Loading | None
) -> None:
    """Complain if the processes that serve cannot load the application: they do not run manage.py."""
    if script is None or waiting is None:
        return
    added = script.added
    if added:
        answer = waiting.ask(job["boot_timeout"])
    else:
        waiting.dismiss()
        with suppress(Exception):  # The fork must not use them, too.
            from django.db import connections

            connections.close_all()
        answer = Loading(job["application"]).ask(job["boot_timeout"])
    if answer is None:
        return  # The slot's start will tell.
    release, application = Path(job["release"]).resolve(), job["application"]
    if not answer["error"]:
        _judge_environment(report, script, answer["environment"], application)
    elif answer["untold"] or answer["missing"] in MODULES_OF_SERVERS:
        return
    elif answer["missing"] and _is_found(answer["missing"], added.path):
        known = [entry for entry in os.environ.get("PYTHONPATH", "").split(":") if entry]
        entries = [Path(entry) for entry in [*known, *added.path] if Path(entry) != release / "overrides"]
        places = ":".join(dict.fromkeys(placeholder(entry, release, script.project) for entry in entries))
        new = ", ".join(placeholder(Path(entry), release, script.project) for entry in added.path)
        report.complain(
            f"{script.name} adds {new} to sys.path, and the processes of the site do not run it: {answer['error']}. "
            f'Set site_environment: {{PYTHONPATH: "{places}"}}',
            site_environment={"PYTHONPATH": places},
        )
    elif answer["missing"] and f"{application}.".replace(":", ".").startswith(f"{answer['missing']}."):
        why = f"no module {answer['missing']!r}"
        sentence, inventory = missing_application(application, why, release, job)
        report.complain(sentence, **inventory)
    elif answer["attribute"]:
        module, _colon, name = application.partition(":")
        why = f"{module} has no {name or 'application'}"
        sentence, inventory = missing_application(application, why, release, job)
        report.complain(sentence, **inventory)
    elif added.variables and (answer["variable"] in added.variables or not answer["missing"]):
        names = [answer["variable"]] if answer["variable"] in added.variables else sorted(added.variables)
        them = "it" if len(names) == 1 else "them"
        sys.stderr.write(answer["traceback"])
        report.complain(
            f"{script.name} sets {', '.join(names)}, and the processes of the site do not run it: loading "
            f"{application!r} fails with {answer['error']}. Set {them} in site_environment, or in site_secrets if "
            f"nobody may see {them}",
            site_secrets=dict.fromkeys(names, "..."),
        )
    elif answer["missing"] or answer["error"].startswith(("ImportError", "SyntaxError")):
        sys.stderr.write(answer["traceback"])
        cure = (
            f". If {answer['missing']} is not part of the project, add the package that has it to the project's list "
            "or to site_python_packages"
        )
        report.complain(
            f"site_{job.get('interface', 'wsgi')}_application: {application!r} cannot be loaded: {answer['error']}"
            + (cure if answer["missing"] else "")
        )


def _is_found(module: str, path: tuple[str, ...]) -> bool:
    return importlib.machinery.PathFinder.find_spec(module.partition(".")[0], list(path)) is not None


def _judge_environment(report: Report, script: ManageScript, environment: dict[str, str], application: str) -> None:
    """Compare the environment in which the application was loaded with that of manage.py, and with the site's."""
    wanted, chosen = os.environ.get("DJANGO_SETTINGS_MODULE"), environment.get("DJANGO_SETTINGS_MODULE")
    if chosen != wanted:
        module = application.partition(":")[0]
        own = os.environ.get("SITE_SETTINGS_MODULE")
        cure = f"use os.environ.setdefault in {module}" + ("" if own else f", or set site_settings_module: {chosen}")
        report.complain(
            f"{module} sets DJANGO_SETTINGS_MODULE to {chosen!r}, so the processes of the site would not use "
            f"{own or wanted!r}"
            + (" with site_settings and site_secret_settings over it" if own else "")
            + f": {cure}",
            **({} if own else {"site_settings_module": chosen}),
        )
    alone = [name for name, value in script.added.variables.items() if environment.get(name) != value]
    if alone:
        them = "it" if len(alone) == 1 else "them"
        report.warn(
            f"{script.name} sets {', '.join(sorted(alone))}, and the processes of the site do not run it. If they need "
            f"{them}, set {them} in site_environment, or in site_secrets if nobody may see {them}"
        )


def build(
    job: dict[str, Any], report: Report, script: ManageScript | None = None, waiting: Loading | None = None
) -> None:
    """Go through the stages of a new release; the report always names the current one."""

    def enter(stage: str, *words: str) -> None:
        report.enter(stage)
        if script is not None and words:
            script.enter(*words)

    import django.core.management  # noqa: F401  (not installed: the stage is still "start")

    report.enter("settings")
    link_shared(Path.cwd(), Path(job["home"]), job["shared"], report)
    set_up_project(job, report)
    from django.conf import settings

    report.enter("settings")
    report["description"] = judge_settings(settings, job, report)
    # A database in a file belongs to this host; one host migrates a shared one.
    own = all(database.get("ENGINE", "").endswith("sqlite3") for database in settings.DATABASES.values())
    here = own or job["migrates_shared_database"]
    migrates = job["migrate"] and here
    commands = commands_of(job) if here else []
    if commands:
        judge_commands(commands, report.complain)
    judge_process_commands(job.get("process_commands", []), report.complain)
    judge_application(job, report, script, waiting)
    usable = not report["complaints"]
    if usable:
        enter("check", "check", "--deploy")
    untold = check(report)
    if untold and not job["migrate"]:
        report.complain(
            f"manage.py check --deploy needs tables that the database does not have: {untold[0]}. Migrate the "
            "database, or set site_migrate: true"
        )
    if not usable:
        advise_health_path(job["health_path"], settings, report)
    if report["complaints"]:
        raise SettingsRefused
    with suppress(Exception):  # It only warns: what is wrong with the migrations, the next stages report.
        report["description"]["unmigrated"] = without_migration(Path(job["release"]) / "app")
    if report["description"].pop("collects"):
        enter("collectstatic", "collectstatic", "--no-input")
        root = Path(settings.STATIC_ROOT).absolute() if settings.STATIC_ROOT else None
        mark, taken = collect(root, job.get("collected", {}), job.get("packages_digest"))
        report["description"]["collected"] = mark
        if taken:
            sys.stdout.write("Static files are those of an earlier release, collected from the same files.\n")
    report["description"]["migrated"] = migrates
    first_due = job.get("first_due", False)
    if migrates:
        if job.get("first_commands") and not job.get("first_noted") and is_empty(job):
            # The host has to note it first: once the database is migrated, nobody can tell.
            report["stage"] = "empty"
            return
        if script is not None:
            script.enter("migrate", "--no-input")
        migrate_guarded(job, report)
        report["migrated"] = True
        if untold:
            enter("check", "check", "--deploy")
            check(report)
            if report["complaints"]:
                raise SettingsRefused
    run_due([command for command in commands if first_due or command.why != "first"], job, report, script)
    report["stage"] = "done"


def run_due(commands: list[Command], job: dict[str, Any], report: Report, script: ManageScript | None) -> None:
    """Run commands of the release, each as manage.py would, with the guard that migrations have."""
    if not commands:
        return
    from django.db import connection

    def enter(command: Command) -> None:
        report["command"] = {"text": command.text, "variable": command.variable}
        report.enter("command")
        if script is not None:
            script.enter(*command.words)

    report["command"] = {"text": commands[0].text, "variable": commands[0].variable}
    report.enter("command")
    with guarded(connection, job):
        run_commands(commands, enter, report)


def compare_migrations(
    job: dict[str, Any], report: Report, script: ManageScript | None = None, waiting: Loading | None = None
) -> None:
    """Compare the migrations of the release with the database."""
    from django.db import connection

    set_up(report)
    report.enter("plan")
    found = compare(connection)
    report |= {"unknown": found.unknown, "pending": found.pending, "stage": "done"}


JOBS = {"build": build, "compare": compare_migrations}


def place_in_project(error: BaseException) -> str:
    """The file of the project in which an exception was raised, relative to it; empty if it was in none."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        files.append(error.filename)
    own = [file for file in files if Path(file).is_absolute() and Path(file).is_relative_to(Path.cwd())]
    return str(Path(own[-1]).relative_to(Path.cwd())) if own else ""


def do(job: dict[str, Any], report: Report, script: ManageScript, waiting: Loading | None) -> None:
    """Do the job and write the report, whatever happens."""
    report.enter("start")
    chosen = script.settle()
    if chosen:
        report.warn(
            f"{script.name} sets DJANGO_SETTINGS_MODULE to {chosen!r}, whatever the environment says; the deploy uses "
            f"{settings_module()!r} (site_settings_module). Use os.environ.setdefault there"
        )
    try:
        JOBS[job["do"]](job, report, script, waiting)
    except SettingsRefused:
        report["stage"] = "refused"
    except (MigrationRefused, BackupError) as refusal:
        if refusal.__cause__ is not None:
            sys.stderr.write(traceback_of(refusal.__cause__))
        report["error"] = str(refusal)
        report["database"] = getattr(refusal, "database", "")
    except CommandFailed as failure:
        if failure.__cause__ is not None:
            sys.stderr.write(traceback_of(failure.__cause__))
        report["error"], report["written"] = str(failure), failure.written
    except BaseException as error:  # SystemExit too: a settings module may end the process
        sys.stderr.write(traceback_of(error))
        report["error"] = in_words(error)
        report["where"] = place_in_project(error)
    report.write()


def main() -> None:
    """Have manage.py start Django, do the job in place of its command, and write the report, whatever happens."""
    job = json.load(sys.stdin)
    report = Report(job["report"])
    script = ManageScript(Path.cwd())
    judged = job["do"] == "build" and job.get("application")
    waiting = Loading(job["application"]) if judged else None
    report.enter("script")
    missed = script.run(lambda: do(job, report, script, waiting))
    if not script.reached:
        if missed:
            report.warn(
                f"{script.name} does not start Django: {missed}. The deploy has started it without, and nobody can run "
                "its commands on the host. Correct it"
            )
        do(job, report, script, waiting)
    if waiting is not None:
        waiting.dismiss()


if __name__ == "__main__":
    main()
