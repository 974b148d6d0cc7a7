# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.pitcrew.django.plugins.action.refuse import ModuleAction
from ansible_collections.pitcrew.django.plugins.action.report import is_read_by_a_program


class ActionModule(ModuleAction):
    """Run the module; print what the command has written as it is, and a refusal as text."""

    module = "pitcrew.django.run"

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        output = str(result.get("output") or "").strip("\n")
        if output and not is_read_by_a_program() and not self._task.no_log:
            self._display.display(f"{output}\n\n")
        return result
