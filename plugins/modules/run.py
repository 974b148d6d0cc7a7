#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run
short_description: Run one command in the live release of a site
version_added: 0.1.0
description:
  - Runs a command once, in the project's directory of the release that is live, as the site's user, with the site's
    environment and secrets, and in a transient unit of systemd with O(properties).
  - It is run as it is, with no shell. Nothing answers questions, so what needs a terminal is refused; the message has
    the line to type on the host instead.
  - It takes no lock. If a deploy switches to another release meanwhile, the command ends with the code that it began
    with, which stays on disk for that long. If this run of Ansible is cut off, the command is stopped.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  action:
    description: Prints what the command has written as it is, and a refusal as text, on the control node.
    support: full
  check_mode:
    description: Refuses what it would refuse, and runs nothing.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  name:
    description: The site's name, which its user has, too.
    type: str
    required: true
  root:
    description: The site's directory on the host, for example C(/srv/shop).
    type: path
    required: true
  command:
    description:
      - The command, for example C(manage.py check), C(python manage.py check) or C(celery -A shop inspect active).
      - Where the project has no C(manage.py), C(python -m django) takes its place.
    type: str
    required: true
  project:
    description: The directory of C(manage.py), relative to the source.
    type: str
    default: ""
  python:
    description: A Python on the host that waits for the command.
    type: path
    default: /usr/bin/python3
  timeout:
    description: How many seconds the command may take.
    type: int
    default: 3600
  properties:
    description: Properties of the unit, those of a unit of the site among them, such as C(ProtectSystem=strict).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Create an administrator, whose password is in the site's secrets
  pitcrew.django.run:
    name: shop
    root: /srv/shop
    command: manage.py createsuperuser --no-input --username=anna --email=anna@example.com
"""

RETURN = r"""
output:
  description: What the command has written to its standard output and to its standard error, in this order.
  returned: success, except in check mode
  type: str
release:
  description: The release that it ran in.
  returned: success
  type: str
  sample: 3f2a9c1d04ab-1f3e2c
seconds:
  description: How long it took.
  returned: success, except in check mode
  type: float
  sample: 1.2
status:
  description: The exit status of a command that failed; null if it was killed, or did not begin.
  returned: failure of the command
  type: int
  sample: 1
"""

import os
import shlex
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils import build_runner
from ansible_collections.pitcrew.django.plugins.module_utils.command_words import target_of, why_a_terminal
from ansible_collections.pitcrew.django.plugins.module_utils.django_process import source_of
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.journal import Refusal, message
from ansible_collections.pitcrew.django.plugins.module_utils.output import ending, excerpt
from ansible_collections.pitcrew.django.plugins.module_utils.releases import Release, line_to_type
from ansible_collections.pitcrew.django.plugins.module_utils.transient_unit import Outcome, run_in_unit

LONGEST_COMMAND = 60
"""How many characters of a command are part of a message."""


class Command:
    """One command, in the release that is live when it begins."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        site = HostedSite(params["name"], params["root"])
        live = site.live
        if live is None or live.release is None:
            raise Refusal("site_command: no release is live on this host; deploy one")
        self.release: Release = site.releases.named(live.release)
        # Of the slot itself, and not of the live link: all three are of one release, whatever is switched meanwhile.
        self.environment = [live.path / "environment", live.path / "secrets"]
        self.directory = self.release.app / params["project"]
        given = params["command"]
        self.shown = given if len(given) <= LONGEST_COMMAND else f"{given[:LONGEST_COMMAND]}..."
        try:
            self.words = self.in_full(shlex.split(given))
        except ValueError as error:
            raise Refusal(f"site_command: {self.shown!r} has an error in its quotes ({error})") from None

    def in_full(self, words: list[str]) -> list[str]:
        """Return the words with the Python of the release before manage.py."""
        if not words:
            raise Refusal("site_command: there is no command; set it with -e site_command='manage.py check'")
        target = target_of(words)
        if target.kind != "django" or target.script not in ("manage.py", "./manage.py"):
            return words
        script = ["manage.py"] if (self.directory / "manage.py").exists() else ["-m", "django"]
        return ["python", *script, *([target.name] if target.name else []), *target.arguments]

    def require_no_terminal(self) -> None:
        """Raise Refusal with the line to type on the host if the command needs a terminal."""
        if why := why_a_terminal(self.words):
            files = [file for file in self.environment if file.exists()]
            program = shlex.join([self.in_venv(self.words[0]), *self.words[1:]])
            asks = "add --no-input, or " if "questions" in why else ""
            raise Refusal(
                f"site_command: {self.shown} {why}; {asks}run it on the host in this way",
                line_to_type(self.params["name"], self.directory, files, program),
            )

    def in_venv(self, program: str) -> str:
        """Return the path of a program of the release, and any other one as it is."""
        path = self.release.venv / "bin" / program
        return str(path) if "/" not in program and path.exists() else program

    def run(self) -> tuple[str, float]:
        """Run it; return what it has written, and how many seconds it took.

        Raises Failed.
        """
        user, timeout = self.params["name"], self.params["timeout"]
        properties = [
            f"User={user}",
            f"Group={user}",
            f"WorkingDirectory={self.directory}",
            *(f"EnvironmentFile={file}" for file in self.environment),
            f"RuntimeMaxSec={timeout}",
            "TimeoutStopSec=5",
            *self.params["properties"],
        ]
        job = {"program": source_of(build_runner), "entry": "execute", "words": self.words}
        begun = time.monotonic()
        unit = f"{user}-run-{os.getpid()}"
        found = run_in_unit(unit, f"{user}: {self.shown}", self.params["python"], properties, job)
        if not (found.succeeded and found.result in ("", "success")):
            raise Failed(f"site_command: {self.shown} {self.reason(found)}", found)
        return found.output, round(time.monotonic() - begun, 1)

    def reason(self, found: Outcome) -> str:
        """How the command failed, and the cure if there is one."""
        if found.error.startswith(f"{self.words[0]}: "):
            where = Path(self.release.id) / "venv/bin"
            return f"cannot be run: {found.error.partition(': ')[2]}; it is neither in {where} nor on the host's PATH"
        if found.error:
            return f"cannot be run: {found.error}"
        if found.result == "timeout":
            return f"did not end within {self.params['timeout']} s (site_command_timeout)"
        if found.result == "oom-kill":
            return "was killed for lack of memory"
        return ending(found.status) if found.status is not None else "was cut off"


class Failed(Refusal):
    """The command failed; the message has how, and the end of what it wrote."""

    def __init__(self, sentence: str, found: Outcome) -> None:
        written = excerpt(found.output)
        super().__init__(sentence, *([written] if written else []))
        self.status = found.status


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "command": {"type": "str", "required": True},
            "project": {"type": "str", "default": ""},
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "timeout": {"type": "int", "default": 3600},
            "properties": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        command = Command(module.params)
        command.require_no_terminal()
        if module.check_mode:
            module.exit_json(changed=True, release=command.release.id)
        output, seconds = command.run()
    except Failed as failure:
        module.fail_json(msg=message(failure), status=failure.status)
    except (Refusal, OSError) as error:
        module.fail_json(msg=message(error))
    module.exit_json(changed=True, release=command.release.id, output=output, seconds=seconds)


if __name__ == "__main__":
    main()
