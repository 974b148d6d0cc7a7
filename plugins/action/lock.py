# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import getpass
import os
import platform
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.action.refuse import RefusingAction

PROC = Path("/proc")


def operator() -> str:
    """Who started this run; an account without a name, as in a container, is identified by its number."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def identity(pid: int) -> str:
    """An identity of a process that is unique across machines and containers; empty if it cannot be read."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = os.readlink(PROC / "self/ns/pid")
        # The 22nd field, counted after the name, is the start time.
        started = (PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return ""
    return f"{boot} {namespace} {pid} {started}"


def is_gone(process: str) -> bool:
    """Whether it was a process of this machine or container that no longer exists."""
    here = identity(os.getpid()).split()[:2]
    where, pid = process.split()[:2], process.split()[2:3]
    if not pid or where != here:
        return False
    try:
        os.kill(int(pid[0]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # It belongs to another user, and /proc may hide it.
        pass
    return identity(int(pid[0])) not in ("", process)


class ActionModule(RefusingAction):
    """Add who takes the lock, and take over the lock of a run that has died on this control node."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        arguments = self._task.args.copy()
        # Each task runs in a process of its own, whose parent is the run.
        arguments.update(
            operator=arguments.get("operator") or operator(), node=platform.node(), process=identity(os.getppid())
        )
        returned = self._execute_module("pitcrew.django.lock", module_args=arguments, task_vars=task_vars)
        process = (returned.get("holder") or {}).get("process", "")
        if is_gone(process):
            # Not by force: another run may have found the same, and may hold the lock by now.
            arguments["gone"] = process
            returned = self._execute_module("pitcrew.django.lock", module_args=arguments, task_vars=task_vars)
        return {**result, **self.passed(returned, task_vars)}
