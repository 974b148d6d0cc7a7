# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only one run works on a site at a time; a second one is refused, and shown who runs the first.

A run consists of several visits to the host, each of them one module. During each visit that changes something it holds
a kernel lock (C(exclusive_visit)), which is released when the process ends. From the first visit to the last, a record
(C(DeployLock)) names the run.

A run that is cut off leaves its record behind, which expires when the run has given no sign of life for a while. The
record is in /run, so that a reboot clears it. Signs of life are timed since boot, because the clock of a host may be
wrong, or be set during a run.

How a run ended outlives it in the site's directory (C(LastRun)). Of a run that was cut off, the next one records that.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils import host
from ansible_collections.pitcrew.django.plugins.module_utils.last_run import LastRun

__all__ = ["Busy", "DeployLock", "Holder", "exclusive_visit"]

POLL_S = 0.2
VISIT_S = 900
"""How long to wait for the last visit of a run that was cut off, which ends by itself."""


class Busy(Exception):
    """Another run is working on the site; `holder` identifies it, if that is known."""

    def __init__(self, message: str, holder: Holder | None = None) -> None:
        super().__init__(message)
        self.holder = holder


@dataclass(frozen=True)
class Holder:
    """Whose run it is: who started it, on which control node, as which process there, and when (epoch seconds)."""

    operator: str
    node: str
    process: str
    since: float
    token: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)

    def __str__(self) -> str:
        return f"{self.by} since {when(self.since)}"

    @property
    def by(self) -> str:
        """Who started the run, and where."""
        return f"{self.operator} on {self.node}"


def when(seconds: float) -> str:
    """Format a time for people to read, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def uptime() -> float:
    """Return the seconds since the host was booted."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@contextmanager
def _kernel_lock(path: Path, patience_s: float = 0) -> Iterator[bool]:
    """Try for that long to lock a file that only root can open; yield whether it was free."""
    deadline = time.monotonic() + patience_s
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "w") as file:
        while not (free := _flock(file)) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        yield free


def _flock(file: Any) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class DeployLock:
    """The record of the run that works on a site."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.path = host.RUN / f"pitcrew-{self.root.name}.lock"
        self.visit_lock = self.root / ".lock"

    @property
    def holder(self) -> Holder | None:
        """The run that holds the site, or that held it and was cut off."""
        with suppress(OSError, ValueError, TypeError):
            return Holder(**json.loads(self.path.read_text(encoding="utf-8")))
        return None

    def take(self, holder: Holder, expires_s: float, break_it: bool = False, gone: str | None = None) -> Holder | None:
        """Record the holder; return the previous one if its run was cut off.

        Raises Busy if another run holds the site and may still be alive. The process C(gone) is known not to be.
        """
        with self._record() as file:
            before, idle_s = self._read(file), self._idle_s(file)
            # Others may have found the same process gone: by now the record may belong to a run that is alive.
            is_doubtful = before and not break_it and before.process != gone
            if is_doubtful and (idle_s < expires_s or self._at_work()):
                left = max(0, expires_s - idle_s)
                raise Busy(
                    f"{self.root.name} is being deployed by {before}; wait until that run has ended. "
                    f"If it was cut off, its lock expires in {left:.0f} s, or break it now with "
                    "-e site_lock_break=true",
                    before,
                )
            self._write(file, json.dumps(asdict(holder)))
        self.sign()
        if before:
            LastRun(before.by, before.since, time.time() - idle_s, succeeded=False).write(self.root)
        return before

    def free(self, token: str, succeeded: bool) -> bool:
        """Remove the record of the run with this token, and record how it ended; return whether it still held the lock.

        The token stays: if the connection breaks, ssh may send the visit that has done this once more.
        """
        with self._record() as file:
            holder = self._read(file)
            if holder is None or holder.token != token:
                return False
            self._write(file, json.dumps({"freed": token}))
        LastRun(holder.by, holder.since, time.time(), succeeded).write(self.root)
        return True

    @property
    def silent_s(self) -> float | None:
        """For how many seconds the run that holds the site has given no sign of life; None if no run holds it."""
        with suppress(OSError), open(self.path, encoding="utf-8") as file:
            return self._idle_s(file) if self._read(file) else None
        return None

    def check(self, token: str | None) -> None:
        """Raise Busy if a run without this token has taken over the site, even if it has ended since."""
        if token is None or not self.path.exists():  # A reboot has cleared the record.
            return
        holder = self.holder
        if holder is None and self._freed == token:
            return
        if holder is None or holder.token != token:
            whom = holder or "another one, which has ended since"
            raise Busy(f"The lock of this run was taken over by {whom}; deploy again", holder)

    def sign(self) -> None:
        """Give a sign of life of the run."""
        with suppress(OSError):
            os.utime(self.path, (uptime(), uptime()))

    @property
    def _freed(self) -> str | None:
        """The token of the run that released the lock, if no other has taken it since."""
        with suppress(OSError, ValueError, KeyError):
            token: str = json.loads(self.path.read_text(encoding="utf-8"))["freed"]
            return token
        return None

    def _at_work(self) -> bool:
        """Whether a visit is in progress, however long it has taken already."""
        if not self.root.is_dir():
            return False
        with _kernel_lock(self.visit_lock) as was_free:
            return not was_free

    @contextmanager
    def _record(self) -> Iterator[Any]:
        # The file remains, empty: if it were removed and created again, two runs could lock it.
        with open(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    @staticmethod
    def _idle_s(file: Any) -> float:
        return max(0.0, uptime() - os.fstat(file.fileno()).st_mtime)

    @staticmethod
    def _read(file: Any) -> Holder | None:
        with suppress(ValueError, TypeError):
            return Holder(**json.loads(file.read()))
        return None

    @staticmethod
    def _write(file: Any, text: str) -> None:
        file.seek(0)
        file.truncate()
        file.write(text)


@contextmanager
def exclusive_visit(root: str | Path, token: str | None = None) -> Iterator[None]:
    """Lock the site for one visit. Only root can take this lock, and it ends with the process.

    With the token of the run that holds the site, wait for the last visit of a run that was cut off. Raises Busy if
    another visit is in progress, or if a run without this token holds the site.
    """
    record = DeployLock(root)
    record.check(token)
    with _kernel_lock(record.visit_lock, VISIT_S if token else 0) as was_free:
        if not was_free:
            whose = f", that of {record.holder}" if record.holder else ""
            raise Busy(
                f"Another run is working on the site in {root}{whose}; wait until it has ended, then deploy again"
            )
        record.check(token)
        record.sign()
        try:
            yield
        finally:
            record.sign()
