# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run works on a site at a time, and the next one learns whose run that is.

A run pays several visits to the host. During each that changes something it holds a lock of the kernel
(C(exclusive_visit)), which nobody can forget to give back. From the first visit to the last it has its name in a record
(C(DeployLock)).
A run that is cut off leaves its record behind, which expires when the run has given no sign of life for a while.
The record is in /run, so that a reboot clears it, and its signs of life are counted from the boot: the clock of a host
may be set while a run is under way, or be wrong.
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

__all__ = ["Busy", "DeployLock", "Holder", "exclusive_visit"]

POLL_S = 0.2
VISIT_S = 900
"""How long the last visit of a run that was cut off may go on; it ends by itself."""


class Busy(Exception):
    """Another run works on the site; `holder` is whose, where that is known."""

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
        return f"{self.operator} on {self.node} since {when(self.since)}"


def when(seconds: float) -> str:
    """Write a time as people do, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def uptime() -> float:
    """Give the seconds since the host was booted."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@contextmanager
def _kernel_lock(path: Path, patience_s: float = 0) -> Iterator[bool]:
    """Try for so long to take the lock of a file that only root can open; give whether it was free."""
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
    """The record of one site."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.path = host.RUN / f"pitcrew-{self.root.name}.lock"
        self.visit_lock = self.root / ".lock"

    @property
    def holder(self) -> Holder | None:
        """Whose run has the site, or had it and was cut off."""
        with suppress(OSError, ValueError, TypeError):
            return Holder(**json.loads(self.path.read_text(encoding="utf-8")))
        return None

    def take(self, holder: Holder, expires_s: float, break_it: bool = False, gone: str | None = None) -> Holder | None:
        """Write the holder down; give the one whose run was cut off, if there was one.

        Raises Busy where another run has the site and may still be alive: not that of the process which was found gone.
        """
        with self._record() as file:
            before = self._read(file)
            # Others may have found the same process gone: the record may be that of a run which lives by now.
            if before and not break_it and before.process != gone:
                idle_s = max(0, uptime() - os.fstat(file.fileno()).st_mtime)
                if idle_s < expires_s or self._at_work():
                    left = max(0, expires_s - idle_s)
                    raise Busy(
                        f"{self.root.name} is being deployed by {before}; wait until that run has ended. "
                        f"If it was cut off, its lock expires in {left:.0f} s, or break it now with "
                        "-e site_lock_break=true",
                        before,
                    )
            self._write(file, json.dumps(asdict(holder)))
        self.sign()
        return before

    def free(self, token: str) -> bool:
        """Take the record of the run with this token away; give whether it still was that run's.

        The token stays: a connection that breaks may make ssh send the visit that has done this once more.
        """
        with self._record() as file:
            holder = self._read(file)
            if holder is None or holder.token != token:
                return False
            self._write(file, json.dumps({"freed": token}))
        return True

    def check(self, token: str | None) -> None:
        """Raise Busy where another run than that of the token has taken the site over, even if it has ended since."""
        if token is None or not self.path.exists():  # A reboot has cleared it.
            return
        holder = self.holder
        if holder is None and self._freed == token:
            return
        if holder is None or holder.token != token:
            whom = holder or "another one, which has ended since"
            raise Busy(f"The lock of this run was taken over by {whom}; deploy again", holder)

    def sign(self) -> None:
        """Show that the run is alive."""
        with suppress(OSError):
            os.utime(self.path, (uptime(), uptime()))

    @property
    def _freed(self) -> str | None:
        """The token of the run that has given the site back, if none has taken it since."""
        with suppress(OSError, ValueError, KeyError):
            token: str = json.loads(self.path.read_text(encoding="utf-8"))["freed"]
            return token
        return None

    def _at_work(self) -> bool:
        """Whether a visit is under way, however long it takes already."""
        if not self.root.is_dir():
            return False
        with _kernel_lock(self.visit_lock) as was_free:
            return not was_free

    @contextmanager
    def _record(self) -> Iterator[Any]:
        # The file stays, empty: one that is removed and made again could be locked twice.
        with open(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

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
    """Hold the site for one visit, by a lock that only root can take and that ends with the process.

    With the token of the run that has the site, wait for the last visit of one that was cut off. Raises Busy where
    another visit is under way, or where another run than that of the token has the site.
    """
    record = DeployLock(root)
    record.check(token)
    with _kernel_lock(record.visit_lock, VISIT_S if token else 0) as was_free:
        if not was_free:
            whose = f", that of {record.holder}" if record.holder else ""
            raise Busy(f"Another run works on the site in {root}{whose}; wait until it has ended, then deploy again")
        record.check(token)
        record.sign()
        try:
            yield
        finally:
            record.sign()
