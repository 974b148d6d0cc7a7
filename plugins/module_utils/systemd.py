# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few queries and orders that a switch sends to systemd, through its own command-line tools."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.pitcrew.django.plugins.module_utils import host

__all__ = ["Systemd", "Unit"]

LINES_READ = 2000
STATE = ("ActiveState", "MainPID", "NRestarts", "InvocationID")
# systemd's own identifier of its message (sd-messages.h): the kernel has killed a process of a unit for lack of memory.
OUT_OF_MEMORY = "fe6faa94e7774663a0da52717891d8ef"
# If systemd or the kernel killed the process, its exit status does not show why.
ENDS = {"timeout": "timeout", "oom-kill": "killed for lack of memory"}

# AnsibleModule.run_command, or anything that takes an argument list and returns (exit code, stdout, stderr).
Run = Callable[[list[str]], "tuple[int, str, str]"]


@dataclass(frozen=True)
class Unit:
    """What systemd knows about a unit at one moment."""

    name: str
    active: str
    main_pid: int
    restarts: int
    invocation: str

    @classmethod
    def of(cls, name: str, found: Mapping[str, str]) -> Unit:
        """Return the state of a unit from the properties STATE; one that does not exist is inactive."""
        return cls(
            name=name,
            active=found.get("ActiveState") or "inactive",
            main_pid=int(found.get("MainPID") or 0),
            restarts=int(found.get("NRestarts") or 0),
            invocation=found.get("InvocationID", ""),
        )

    @property
    def running(self) -> bool:
        """Whether systemd considers its main process running, whatever the health of the application."""
        return self.active == "active"

    @property
    def stopped(self) -> bool:
        """Whether none of its processes runs or is about to start."""
        return self.active in ("inactive", "failed")

    @property
    def ending(self) -> bool:
        """Whether it has stopped, or is stopping and finishes the requests it has accepted."""
        return self.stopped or self.active == "deactivating"

    @property
    def processes(self) -> list[int]:
        """The server's worker processes: the children of the main process."""
        try:
            text = Path(f"/proc/{self.main_pid}/task/{self.main_pid}/children").read_text(encoding="ascii")
        except OSError:
            return []
        return [int(pid) for pid in text.split()]


class Systemd:
    """systemctl, journalctl and ss, under names for what they are used for."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def show(self, unit: str) -> Unit:
        """Return the state of a unit; one that does not exist is inactive."""
        return Unit.of(unit, self.properties(unit, *STATE))

    def show_all(self, units: Iterable[str]) -> dict[str, Unit]:
        """Return the states of several units by their names, asked at once."""
        wanted = list(units)
        found = self.properties_of(wanted, *STATE)
        return {unit: Unit.of(unit, found.get(unit, {})) for unit in wanted}

    def computes(self, unit: Unit) -> bool:
        """Whether the unit's main process wants the CPU or a disk just now, as one does that still imports its code."""
        try:
            stat = (host.PROC / str(unit.main_pid) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        # The name before the state is the program's own, and may have anything in it.
        return stat.rpartition(")")[2].split()[:1] in (["R"], ["D"])

    def properties(self, unit: str, *names: str) -> dict[str, str]:
        """Return properties of a unit by their names; those that systemd does not know are empty."""
        _rc, out, _err = self._run(["systemctl", "show", f"--property={','.join(names)}", unit])
        found = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        return {name: found.get(name, "") for name in names}

    def properties_of(self, units: Iterable[str], *names: str) -> dict[str, dict[str, str]]:
        """Return properties of several units by their names, asked at once; empty if systemd does not answer."""
        wanted = list(units)
        if not wanted:  # systemctl would show its own properties.
            return {}
        rc, out, _err = self._run(["systemctl", "show", f"--property={','.join(('Id', *names))}", *wanted])
        blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in out.split("\n\n")]
        return {
            found["Id"]: {name: found.get(name, "") for name in names} for found in blocks if "Id" in found and not rc
        }

    def next_elapses(self, timers: Iterable[str]) -> dict[str, float]:
        """Return when timers start their units next, in seconds since the epoch, without those that do not."""
        wanted = list(timers)
        if not wanted:
            return {}
        # Times are printed for people, in the zone of whoever asks.
        ask = ["env", "TZ=UTC", "LC_ALL=C", "systemctl", "show", "--property=Id,NextElapseUSecRealtime", *wanted]
        _rc, out, _err = self._run(ask)
        found = {}
        for block in out.split("\n\n"):
            shown = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            with suppress(KeyError, ValueError):
                parsed = time.strptime(shown["NextElapseUSecRealtime"], "%a %Y-%m-%d %H:%M:%S UTC")
                found[shown["Id"]] = float(calendar.timegm(parsed))
        return found

    def outdated(self, unit: str) -> bool:
        """Whether the unit on disk has changed since systemd loaded it."""
        return self.properties(unit, "NeedDaemonReload")["NeedDaemonReload"] == "yes"

    def order(self, *words: str) -> str | None:
        """Give systemctl an order; return its error message, or None."""
        rc, out, err = self._run(["systemctl", *words])
        return None if rc == 0 else (err or out).strip()

    def how_it_ended(self, unit: str) -> str:
        """How the main process of the unit ended, in words; empty if systemd does not know of an end."""
        found = self.properties(unit, "Result", "ExecMainCode", "ExecMainStatus")
        if found["Result"] in ENDS:
            return ENDS[found["Result"]]
        # The codes are those of waitid: exited, killed, killed with a core dump.
        words = {"1": "status", "2": "killed by signal", "3": "killed by signal"}.get(found["ExecMainCode"])
        return f"{words} {found['ExecMainStatus']}" if words else ""

    def killed_for_memory(self, unit: str, since: float) -> int:
        """How many processes of the unit the kernel has killed for lack of memory since a time, as systemd has noticed.

        It does so with version 2 of control groups only. The unit's group has its own count, but only until the main
        process ends.
        """
        found = self._read_journal(f"--unit={unit}", f"--since=@{int(since)}", f"MESSAGE_ID={OUT_OF_MEMORY}")
        return len(found.splitlines())

    def journal(self, unit: str, since: float | None = None) -> str:
        """What the unit has written since a time, in seconds since the epoch, or else in its latest run."""
        # On a busy host, its latest output may not have reached the journal yet.
        self._run(["journalctl", "--sync"])
        invocation = self.show(unit).invocation
        latest = f"_SYSTEMD_INVOCATION_ID={invocation}" if invocation else f"--unit={unit}"
        written = self._read_journal(f"--unit={unit}", f"--since=@{int(since)}") if since is not None else ""
        # Nothing since then: the clock was set meanwhile.
        return written or self._read_journal(latest, f"--lines={LINES_READ}")

    def _read_journal(self, *which: str) -> str:
        _rc, out, _err = self._run(["journalctl", *which, "--output=cat", "--no-pager", "--quiet"])
        return out.rstrip()

    def under_way(self, socket: Path) -> int:
        """How many requests have a connection to the socket: those accepted, and those still in its backlog."""
        return sum(waiting if state == "LISTEN" else 1 for state, waiting in self._connections(socket))

    def waiting(self, socket: Path) -> int:
        """How many connections are still in the backlog of the socket."""
        return sum(waiting for state, waiting in self._connections(socket) if state == "LISTEN")

    def _connections(self, socket: Path) -> Iterator[tuple[str, int]]:
        _rc, out, _err = self._run(["ss", "--unix", "--all", "--no-header", "--numeric"])
        for line in out.splitlines():
            if re.search(rf"\s{re.escape(str(socket))}\s", line):
                _netid, state, waiting, _rest = line.split(maxsplit=3)
                yield state, int(waiting)

    def listen_queues(self) -> dict[str, tuple[int, int]]:
        """How many connections wait at each unix socket of the host, and how many can, by the socket's path."""
        _rc, out, _err = self._run(["ss", "--unix", "--listening", "--no-header", "--numeric"])
        rows = [line.split() for line in out.splitlines()]
        return {row[4]: (int(row[2]), int(row[3])) for row in rows if len(row) > 4 and row[1] == "LISTEN"}
