# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible_collections.pitcrew.django.plugins.action.refuse import RefusingAction
from ansible_collections.pitcrew.django.plugins.plugin_utils.source import SourceError, pack
from ansible_collections.pitcrew.django.plugins.plugin_utils.text import wrapped

PREFIX = "[WARNING]: "
"""What Ansible begins a warning with; it does not fold the rest."""


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
                "pythons": {"type": "dict", "default": {}},
                "servers": {"type": "dict", "default": {}},
                "installer": {"type": "str", "choices": ["uv", "pip"], "default": "uv"},
                "cache": {"type": "path", "required": True},
            },
            mutually_exclusive=[("git_url", "directory", "package")],
            required_one_of=[("git_url", "directory", "package")],
        )
        try:
            packed = asdict(pack(**arguments))
        except SourceError as error:
            raise self.refused(str(error), task_vars) from None
        for warning in packed.pop("warnings"):
            self._display.warning(wrapped(warning, PREFIX).removeprefix(PREFIX))
        return {**result, "changed": False, **packed}
