# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase


def is_read_by_a_program() -> bool:
    """Whether the stdout callback writes JSON, among which no other line may stand, or nothing at all."""
    name = constants.DEFAULT_STDOUT_CALLBACK.rpartition(".")[2]
    return "json" in name or name == "null"


class ActionModule(ActionBase):
    """Print text as it is: Ansible's display is above every callback, which could only quote or fold it."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(argument_spec={"text": {"type": "str", "required": True}})
        text = arguments["text"].strip("\n")
        if is_read_by_a_program() or self._task.no_log:
            return {**result, "changed": False, "text": text.split("\n")}
        self._display.display(f"{text}\n\n")
        return {**result, "changed": False}
