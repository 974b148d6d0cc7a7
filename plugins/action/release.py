# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.pitcrew.django.plugins.action.refuse import RefusingAction

INLINE = 1 << 20
"""The largest archive to pass in the module's arguments, in bytes; a separate transfer takes three more visits."""


class ActionModule(RefusingAction):
    """Transfer the archive to the host, build the release there, and set facts about what the host then has."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        arguments = self._task.args.copy()
        archive = Path(arguments["archive"])
        if not self._task.check_mode and archive.stat().st_size <= INLINE:
            arguments["content"] = base64.b64encode(archive.read_bytes()).decode()
        elif not self._task.check_mode:
            self._make_tmp_path()
            remote = self._connection._shell.join_path(self._connection._shell.tmpdir, "source.tar.gz")
            arguments["archive"] = self._transfer_file(arguments["archive"], remote)
        returned = self._execute_module("pitcrew.django.release", module_args=arguments, task_vars=task_vars)
        if self._connection._shell.tmpdir:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        result.update(self.passed(returned, task_vars))
        if not self._task.check_mode and not result.get("failed"):
            result["ansible_facts"] = self.facts(result.pop("facts", ""), arguments, task_vars)
        return result

    def facts(self, text: str, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Read the facts that the build returned; if a secret was masked in them, gather them again from the host."""
        try:
            found: dict[str, Any] = json.loads(base64.b64decode(text, validate=True))
        except ValueError:
            site = {
                "name": arguments["user"],
                "root": str(Path(arguments["path"]).parents[1]),
                "files": arguments.get("files", []),
                "python": arguments.get("python"),
            }
            returned = self._execute_module("pitcrew.django.site_facts", module_args=site, task_vars=task_vars)
            if returned.get("failed"):
                raise AnsibleActionFail(returned["msg"]) from None
            found = returned["ansible_facts"]
        return found
