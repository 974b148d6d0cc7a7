# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.pitcrew.django.plugins.action.refuse import RefusingAction
from ansible_collections.pitcrew.django.plugins.plugin_utils.source import SourceError, pack
from ansible_collections.pitcrew.django.plugins.plugin_utils.text import wrapped

PYTHON = "/usr/bin/python3"
PREFIX = "[WARNING]: "
"""What Ansible begins a warning with; it does not fold the rest."""


def pythons(variables: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the Python of each host of the play, as its facts have it, for the version that the source requires.

    One that the deploy is about to install is known by its name.
    """
    found = {}
    for host in variables.get("ansible_play_hosts_all", ()):
        try:
            known = variables["hostvars"][host]
            facts = (known.get("ansible_facts") or {}).get("pitcrew_site") or {}
            path = known.get("site_python", PYTHON)
            name = re.search(r"python(\d+\.\d+)\Z", str(path))
            found[host] = {"path": path, "version": facts.get("python") or (f"{name[1]}.99" if name else "")}
        except AnsibleError:  # Its variables are judged where they are used.
            continue
    return found


class ActionModule(RefusingAction):
    """Pack the source on the control node, without a connection to the host."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            argument_spec={
                "git_url": {"type": "str"},
                "git_ref": {"type": "str", "default": "HEAD"},
                "directory": {"type": "path"},
                "package": {"type": "str"},
                "project": {"type": "str", "default": ""},
                "modules": {"type": "dict", "default": {}},
                "guessed": {"type": "list", "elements": "str", "default": []},
                "requirements": {"type": "list", "elements": "str", "default": []},
                "extras": {"type": "list", "elements": "str", "default": []},
                "groups": {"type": "list", "elements": "str", "default": []},
                "python_packages": {"type": "list", "elements": "str", "default": []},
                "files": {"type": "list", "elements": "str", "default": []},
                "servers": {"type": "dict", "default": {}},
                "installer": {"type": "str", "choices": ["uv", "pip"], "default": "uv"},
                "cache": {"type": "path", "required": True},
            },
            mutually_exclusive=[("git_url", "directory", "package")],
            required_one_of=[("git_url", "directory", "package")],
        )
        try:
            packed = asdict(pack(**arguments, pythons=pythons(task_vars or {})))
        except SourceError as error:
            raise self.refused(str(error), task_vars) from None
        for warning in packed.pop("warnings"):
            self._display.warning(wrapped(warning, PREFIX).removeprefix(PREFIX))
        return {**result, "changed": False, **packed}
