# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The build of one release, from its archive to a directory that nobody changes any more."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.build_error import BuildError
from ansible_collections.pitcrew.django.plugins.module_utils.demands import ways_back, what_stays
from ansible_collections.pitcrew.django.plugins.module_utils.django_process import PATH
from ansible_collections.pitcrew.django.plugins.module_utils.environment_file import environment_values
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.release_packages import ReleasePackages
from ansible_collections.pitcrew.django.plugins.module_utils.release_source import ReleaseSource
from ansible_collections.pitcrew.django.plugins.module_utils.release_stages import ReleaseStages
from ansible_collections.pitcrew.django.plugins.module_utils.release_steps import ReleaseSteps
from ansible_collections.pitcrew.django.plugins.module_utils.releases import Release, Releases
from ansible_collections.pitcrew.django.plugins.module_utils.timing import timed

__all__ = ["attempt"]


class Build:
    """The build of one release: its source, its packages, the project's own steps, and Django's stages."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params = module.params
        path = Path(self.params["path"])
        releases = Releases(path.parents[1])
        live = HostedSite(self.params["user"], str(path.parents[1])).live
        self.live = live.release if live else None
        self.release = Release(path)
        self.account = pwd.getpwnam(self.params["user"])
        self.source = ReleaseSource(module, self.release, self.account)
        self.packages = ReleasePackages(module, releases, self.release, self.account)
        self.steps = ReleaseSteps(module, self.release, self.packages.installer, self.packages.toolbox)
        self.stages = ReleaseStages(module, releases, self.release, self.account, self.packages, self.live)
        self.seconds: dict[str, float] = {}

    def build(self, finished: dict[str, Any] | None) -> dict[str, Any]:
        """Do the whole build, or for a finished release only what was left to another host: the migrations.

        Raises BuildError, ValueError, OSError or RecursionError with the reason it cannot be done.
        """
        variables = {
            **environment_values(self.params["environment"], "site_environment"),
            **environment_values(self.params["secrets"], "site_secrets"),
        }
        # No variable of this session reaches a command: a release is checked in the environment that it will run in.
        os.environ.clear()
        os.environ["PATH"] = PATH
        if finished is not None:
            report, output = self.stages.run(variables, shared=[], collectstatic=False)
            description = {**finished, "migrated": True}
        else:
            with timed(self.seconds, "packages"):
                self.source.unpack()
                self.source.add_files()
                self.packages.install()
            if self.params["steps"]:
                with timed(self.seconds, "build"):
                    self.steps.run(variables)
            with timed(self.seconds, "django"):
                report, output = self.stages.run(variables)
            description = self.stages.described(report["description"])
            self.release.seal(self.account.pw_gid)
        for warning in report["warnings"]:
            self.module.warn(warning)
        if finished is None:
            self.stages.warn(description, report["checks"])
        self.release.finish(json.dumps(description) + "\n")
        return {
            "changed": True,
            "release": self.release.id,
            "description": description,
            "migrations": report["migrations"],
            "commands": report["ran"],
            "backup": report["backup"],
            "notes": [*self.source.notes, *self.steps.notes],
            "output": output,
            "seconds": self.seconds,
        }


def attempt(module: AnsibleModule, finished: dict[str, Any] | None) -> dict[str, Any]:
    """Build the release, or leave nothing of it behind and fail with the reason."""
    build = Build(module)
    try:
        return build.build(finished)
    except (BuildError, ValueError, OSError, RecursionError) as error:
        kept, params = "", module.params
        unmet = build.stages.demands.unmet_by(build.live)
        back = ways_back(entry for entry in unmet if build.release.id in entry["known_by"])
        if finished is None and (params["keep_refused"] or back):
            kept = build.release.set_aside(
                params["user"], params["project"], params["environment"], bool(params["secrets"]), back
            )
        elif finished is None:
            build.release.remove()
        reason = str(error) if isinstance(error, BuildError) else f"{error}."
        output = error.output if isinstance(error, BuildError) else ""
        state = "" if build.stages.changed_database else ", the site is unchanged"
        message = f"Release {build.release.id} is refused{state}: {reason}"
        if unmet:
            stays = what_stays(unmet, f"release {build.live}, which keeps serving,")
            message = f"Release {build.release.id} is refused, and {stays}.\nThe cause: {reason}"
        module.fail_json(msg="\n\n".join(filter(None, [message, kept, output])))
