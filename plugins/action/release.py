# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Bring the archive to the host and build the release there, in one visit."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        arguments = self._task.args.copy()
        if not self._task.check_mode:
            remote = self._connection._shell.join_path(self._connection._shell.tmpdir, "source.tar.gz")
            arguments["archive"] = self._transfer_file(arguments["archive"], remote)
        result.update(self._execute_module("pitcrew.django.release", module_args=arguments, task_vars=task_vars))
        self._remove_tmp_path(self._connection._shell.tmpdir)
        return result
