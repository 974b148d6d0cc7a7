# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

INLINE = 1 << 20
"""What a module's arguments can hold, in bytes: a transfer of its own takes three more visits."""


class ActionModule(ActionBase):
    """Bring the archive to the host and build the release there."""

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
        result.update(self._execute_module("pitcrew.django.release", module_args=arguments, task_vars=task_vars))
        if self._connection._shell.tmpdir:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result
