# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel knows of a slot: its control group, version 1 or 2, and its processes.

Values that a kernel or a version does not have are missing from the results.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Group", "Kernel", "Waits", "Worker"]

NO_LIMIT = 1 << 60
"""Control groups of version 1 express that there is no limit as the largest multiple of their page size."""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Group:
    """A control group. In version 2 its files are in one directory, in version 1 in one for each controller."""

    root: Path
    name: str

    def numbers(self, names: Iterable[str]) -> int | None:
        """Return the number in the first of these files that exists; None if none does, or if it says C(max)."""
        for name in names:
            if (text := _text(self.root / name.format(self.name.strip("/")))) is not None:
                return int(text) if text.strip().isdigit() else None
        return None

    def field(self, names: Iterable[str], key: str) -> int | None:
        """Return the number beside a key in the first of these files that exists."""
        for name in names:
            if (text := _text(self.root / name.format(self.name.strip("/")))) is not None:
                found = re.search(rf"^{key} (\d+)$", text, re.MULTILINE)
                return int(found.group(1)) if found else None
        return None

    @property
    def memory(self) -> dict[str, float]:
        """Memory in use and its limits, in bytes, and how many processes were killed for lack of it."""
        v1, v2 = "memory/{}/memory.", "{}/memory."
        limit = self.numbers([f"{v2}max", f"{v1}limit_in_bytes"])
        found = {
            "memory_bytes": self.numbers([f"{v2}current", f"{v1}usage_in_bytes"]),
            # Version 1 has no such limit, whatever the unit says.
            "memory_high_bytes": self.numbers([f"{v2}high"]),
            "memory_max_bytes": limit if limit is None or limit < NO_LIMIT else None,
            "oom_kills": self.field([f"{v2}events", f"{v1}oom_control"], "oom_kill"),
        }
        return {name: value for name, value in found.items() if value is not None}

    @property
    def cpu_s(self) -> float | None:
        """CPU time of all processes that were ever in it."""
        if (microseconds := self.field(["{}/cpu.stat"], "usage_usec")) is not None:
            return microseconds / 1e6
        nanoseconds = self.numbers(["cpuacct/{}/cpuacct.usage"])
        return None if nanoseconds is None else nanoseconds / 1e9

    @property
    def processes(self) -> list[int]:
        """The process ids in it."""
        for directory in ("{}", "systemd/{}", "unified/{}", "memory/{}"):
            text = _text(self.root / directory.format(self.name.strip("/")) / "cgroup.procs")
            if text is not None:
                return [int(line) for line in text.split()]
        return []


@dataclass(frozen=True)
class Worker:
    """A child of a server's main process. Memory is in bytes, missing if the process has just ended."""

    pid: int
    started: int
    """In ticks since the boot."""
    memory: dict[str, int]


@dataclass
class Waits:
    """How long threads have waited, added up: threads end, and the sum must not fall when they do."""

    total_s: float = 0.0
    seen_ns: dict[int, int] = field(default_factory=dict)

    def add(self, waited_ns: dict[int, int]) -> float:
        """Add what threads, by their ids, have waited since the last time, and return the sum in seconds."""
        for thread, now in waited_ns.items():
            before = self.seen_ns.get(thread, 0)
            # An id that another thread has taken over begins anew.
            self.total_s += (now - before if now >= before else now) / 1e9
        self.seen_ns = waited_ns
        return self.total_s


class Kernel:
    """The files of /proc and /sys; tests have them elsewhere."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.proc = root / "proc"
        self.cgroups = root / "sys/fs/cgroup"

    def group(self, name: str) -> Group:
        """The control group of that name, as systemd reports it."""
        return Group(self.cgroups, name)

    def workers(self, main_pid: int) -> list[Worker]:
        """The children of the main process, the oldest first."""
        children = _text(self.proc / f"{main_pid}/task/{main_pid}/children") or ""
        found = [Worker(pid, self._started(pid), self._memory(pid)) for pid in map(int, children.split())]
        return sorted(found, key=lambda worker: (worker.started, worker.pid))

    def cpu_s(self, pids: Iterable[int], main_pid: int) -> float:
        """CPU time of the processes, and of those that have ended and whom the main process waited for."""
        fields = {pid: self._stat(pid) for pid in pids}
        ticks = sum(int(stat[11]) + int(stat[12]) for stat in fields.values() if stat)
        ended = fields.get(main_pid)
        return (ticks + (int(ended[13]) + int(ended[14]) if ended else 0)) / TICKS_PER_S

    def waited_ns(self, pids: Iterable[int]) -> dict[int, int]:
        """How long each thread of the processes was ready to run and had no CPU; empty if the kernel does not count."""
        found = {}
        for pid in pids:
            try:
                threads = os.listdir(self.proc / f"{pid}/task")
            except OSError:  # It has just ended.
                continue
            for thread in threads:
                words = (_text(self.proc / f"{pid}/task/{thread}/schedstat") or "").split()
                if len(words) == 3:
                    found[int(thread)] = int(words[1])
        return found

    def is_locked(self, file: Path) -> bool:
        """Whether a process holds a lock on the file; taking the lock to find out would keep it from others."""
        try:
            number = file.stat().st_ino
        except OSError:
            return False
        locks = _text(self.proc / "locks") or ""
        return re.search(rf"FLOCK +ADVISORY +WRITE +\d+ +\w+:\w+:{number} ", locks) is not None

    def _started(self, pid: int) -> int:
        stat = self._stat(pid)
        return int(stat[19]) if stat else 0

    def _stat(self, pid: int) -> list[str]:
        """The fields of /proc/PID/stat after the name, which may contain anything; the first is the third of all."""
        return (_text(self.proc / f"{pid}/stat") or "").rpartition(")")[2].split()

    def _memory(self, pid: int) -> dict[str, int]:
        text = _text(self.proc / f"{pid}/smaps_rollup") or ""
        sizes = {name: 1024 * int(size) for name, size in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}
        if "Pss" not in sizes:
            return {}
        return {"pss": sizes["Pss"], "private": sizes.get("Private_Clean", 0) + sizes.get("Private_Dirty", 0)}


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
