# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the project's own tools build in a release (site_build), each step in its sandbox."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils import build_runner
from ansible_collections.pitcrew.django.plugins.module_utils.build_cures import node_cures, step_cures
from ansible_collections.pitcrew.django.plugins.module_utils.build_error import BuildError
from ansible_collections.pitcrew.django.plugins.module_utils.build_steps import PRESETS, Sandbox
from ansible_collections.pitcrew.django.plugins.module_utils.cures import install_cures
from ansible_collections.pitcrew.django.plugins.module_utils.django_process import PATH, source_of
from ansible_collections.pitcrew.django.plugins.module_utils.environment_file import environment_values
from ansible_collections.pitcrew.django.plugins.module_utils.node import install_node
from ansible_collections.pitcrew.django.plugins.module_utils.output import ending
from ansible_collections.pitcrew.django.plugins.module_utils.packages import Installer
from ansible_collections.pitcrew.django.plugins.module_utils.releases import Release
from ansible_collections.pitcrew.django.plugins.module_utils.tools import Toolbox, ToolError
from ansible_collections.pitcrew.django.plugins.module_utils.transient_unit import Outcome

__all__ = ["ReleaseSteps"]

LONGEST_COMMAND = 60
"""How many characters of a command are part of a message."""


class ReleaseSteps:
    """The steps of one release; C(notes) are what a person should know of them."""

    def __init__(self, module: AnsibleModule, release: Release, installer: Installer, toolbox: Toolbox) -> None:
        self.module = module
        self.params = module.params
        self.release = release
        self.installer = installer
        self.toolbox = toolbox
        self.notes: list[str] = []

    def run(self, variables: dict[str, str]) -> None:
        """Build what the project's own tools build, each step in its sandbox.

        Raises BuildError with what the step wrote.
        """
        node = self.ensure_node()
        sandbox = Sandbox(
            user=self.params["user"],
            unit=f"{self.params['user']}-build",
            python=self.params["python"],
            release=self.release.path,
            project=self.params["project"],
            home=Path(self.params["home"]),
            program=source_of(build_runner),
        )
        unconfined: dict[str, None] = {}
        for number, step in enumerate(self.params["steps"]):
            name = f"site_build[{number}]: {step['preset'] or shortened_line(step['command'])}"
            outcome = sandbox.run(
                step, self.step_environment(step, node, variables, name), self.params["collectstatic"]
            )
            unconfined.update(dict.fromkeys(outcome.unconfined))
            self.notes += [f"{name}: {outcome.note}."] if outcome.note else []
            if not (outcome.succeeded and outcome.result in ("", "success")):
                raise BuildError(f"{name}: {reason_of(outcome, step)}", outcome.output, self.cures_of(outcome, step))
        if unconfined:
            self.module.warn(
                f"site_build: systemd could not give the steps {', '.join(unconfined)}, as in some containers. They "
                f"ran without, as the user {self.params['user']}"
            )

    def ensure_node(self) -> str:
        """Return the directory of Node, installed once per version for all sites of the host; empty for the host's."""
        version = self.params["node_version"]
        if not version:
            return ""
        try:
            return str(install_node(self.toolbox, version))
        except ToolError as error:
            cures = node_cures(version, str(error)) or install_cures(str(error))
            raise BuildError(f"site_node_version: installing Node {version} failed", str(error), cures) from None

    def step_environment(self, step: dict[str, Any], node: str, variables: dict[str, str], name: str) -> dict[str, str]:
        """Return the environment of a step: that of the site, with what fetching packages takes if it has a network.

        What strangers have written gets no secrets; nothing of a build is logged where the site logs.
        """
        preset = PRESETS.get(step["preset"])
        if preset and not preset.django:
            found = environment_values(self.params["environment"], "site_environment")
        else:
            found = without_logging(variables, self.release.overrides)
        if step["network"]:
            bundle = self.params["ca_bundle"]
            trust = ("NODE_EXTRA_CA_CERTS", "npm_config_cafile", "SSL_CERT_FILE") if bundle else ()
            found = {**self.installer.proxies, **dict.fromkeys(trust, bundle), **found}
        # The step has places of its own for what programs keep; those of the site are read-only for it.
        found = {key: value for key, value in found.items() if not re.match(r"(HOME|TMPDIR|XDG_\w+)$", key)}
        quiet = dict.fromkeys(("npm_config_audit", "npm_config_fund", "npm_config_update_notifier"), "false")
        found = {"NO_COLOR": "1", "npm_config_progress": "false", **quiet, "PATH": PATH, **found}
        found["PATH"] = ":".join(filter(None, [node, found["PATH"]]))
        return {**found, **environment_values(step["environment"], f"{name}.environment")}

    def cures_of(self, outcome: Outcome, step: dict[str, Any]) -> list[str]:
        """Return what to do about a step that failed."""
        if outcome.cure:
            return [f"{outcome.cure[0].upper()}{outcome.cure[1:]}"]
        if outcome.result == "timeout":
            return ["Set its timeout, in seconds, if it needs longer"]
        if ran_out_of_memory(outcome):
            return ["Set its memory, such as 75%, if the host has that to spare beside the live release"]
        return step_cures(outcome.output, step["network"], self.params["user"])


def shortened_line(command: str) -> str:
    """Return the first part of a command of the shell, or its beginning."""
    first = re.split(r"[;&|\n]", command.strip())[0].strip()[:LONGEST_COMMAND]
    return first if first == command.strip() else f"{first}..."


def without_logging(variables: Mapping[str, str], overrides: Path) -> dict[str, str]:
    """Return an environment in which Django leaves logging alone: a step cannot write to the site's log files."""
    settings = {**json.loads(variables.get("SITE_OVERRIDES", "{}")), "LOGGING_CONFIG": None}
    module = variables.get("SITE_SETTINGS_MODULE", variables.get("DJANGO_SETTINGS_MODULE", ""))
    paths = dict.fromkeys([str(overrides), *variables.get("PYTHONPATH", "").split(":")])
    return {
        **variables,
        "DJANGO_SETTINGS_MODULE": "site_overrides",
        "PYTHONPATH": ":".join(filter(None, paths)),
        "SITE_OVERRIDES": json.dumps(settings),
        "SITE_SETTINGS_MODULE": module,
    }


def ran_out_of_memory(outcome: Outcome) -> bool:
    """Whether the step was killed for lack of memory: systemd says so with version 2 of control groups."""
    killed = outcome.status in (-signal.SIGKILL, 128 + signal.SIGKILL) or "signal SIGKILL" in outcome.output
    return outcome.result == "oom-kill" or (killed and not outcome.succeeded)


def reason_of(outcome: Outcome, step: Mapping[str, Any]) -> str:
    """Tell why a step failed."""
    if outcome.error:
        return outcome.error
    if outcome.result == "timeout":
        return f"it did not end within {step['timeout']} seconds (timeout)"
    if ran_out_of_memory(outcome):
        return f"it was killed, since it needs more memory than {step['memory']} (memory)"
    what = outcome.runs if step["preset"] and outcome.runs else "it"
    return f"{what} {'was cut off' if outcome.status is None else ending(outcome.status)}"
