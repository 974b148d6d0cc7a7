"""A systemd that is played, for tests of what gives it orders.

It has the methods of module_utils/systemd.py, reads real unit files, and knows a unit that it holds only as it was when
it was loaded, as the real one does. molecule/deploy/tests/test_systemd.py puts the same questions to both.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Unit

__all__ = ["FakeSystemd", "Process"]


@dataclass
class Process:
    """How the process of a unit behaves once systemd starts it.

    Where it ends before it is ready, C(complaint) is the answer to the order to start. Otherwise C(active) and
    C(restarts) are what becomes of the unit: with Restart=always, systemd starts one that ends again and again.
    C(ended) is how the process ended.

    A process may end by itself that many seconds after its start (C(stays_up)); systemd then waits to start it again.
    Told to stop, it may take its time (C(finishes), in seconds), as it may to import its code (C(imports)).
    """

    complaint: str | None = None
    active: str = "active"
    restarts: int = 0
    ended: str = ""
    stays_up: float | None = None
    finishes: float = 0
    imports: float = 0


class FakeSystemd:
    """Stand in for Systemd: orders, and what there is to see of units.

    Every order is done at once, but for processes that take their time to stop.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # The units that it holds, by their texts: those that run or failed, and those that others refer to.
        self.loaded: dict[str, str] = {}
        self.referred_to: set[str] = set()
        self.units: dict[str, Unit] = {}
        # When units were started, and when those that stop will have stopped.
        self.started: dict[str, float] = {}
        self.ends: dict[str, float] = {}

    def process(self, unit: str) -> Process:
        """Tell how the process of the unit behaves."""
        raise NotImplementedError

    def now(self) -> float:
        """Tell the time in seconds."""
        return time.monotonic()

    def wait_until(self, moment: float) -> None:
        """Let the time pass."""
        time.sleep(max(0.0, moment - self.now()))

    def state(self, unit: str, active: str, restarts: int = 0) -> None:
        """Set what `show` returns."""
        self.units[unit] = Unit(unit, active, 0, restarts, "")

    # The methods of Systemd

    def show(self, unit: str) -> Unit:
        """Tell the state of a unit."""
        found = self.units.get(unit, Unit(unit, "inactive", 0, 0, ""))
        if found.active == "deactivating" and self.ends.get(unit, self.now() + 1) <= self.now():
            self.has_stopped(unit)
        elif found.running and unit in self.started:
            lasts = self.process(unit).stays_up
            if lasts is not None and self.now() >= self.started[unit] + lasts:
                self.state(unit, "activating")
        return self.units.get(unit, found)

    def show_all(self, units: Iterable[str]) -> dict[str, Unit]:
        """Tell the states of several units."""
        return {unit: self.show(unit) for unit in units}

    def computes(self, unit: Unit) -> bool:
        """Tell whether the process of a unit still imports its code."""
        return unit.running and self.now() < self.started[unit.name] + self.process(unit.name).imports

    def how_it_ended(self, unit: str) -> str:
        """Tell how the process of a unit ended, unless it has been started again since."""
        process, found = self.process(unit), self.show(unit)
        return "" if process.stays_up is not None and found.running else process.ended

    def outdated(self, unit: str) -> bool:
        """Tell whether a unit is held as it is no more."""
        text = self._text(unit)
        return self.loaded.get(unit, text) != text

    def order(self, *words: str) -> str | None:
        """Do as systemctl does."""
        verb, *units = [word for word in words if word != "--no-block"]
        if verb == "daemon-reload":
            held = self.loaded.keys() | self.referred_to
            self.loaded.clear()
            for unit in held:
                self.load(unit)
            return None
        orders = {"start": self.start, "stop": self.stop, "reset-failed": self.reset_failed}
        orders |= {"enable": self.enable, "disable": self.disable}
        complaints = [complaint for unit in units if (complaint := orders[verb](unit)) is not None]
        if verb == "stop" and "--no-block" not in words:
            for unit in units:
                self.wait_until(self.ends.get(unit, 0))
                self.show(unit)
        return "\n".join(complaints) or None

    # What the orders do

    def load(self, unit: str) -> None:
        """Read the unit, unless it is held."""
        if unit not in self.loaded and (text := self._text(unit)) is not None:
            self.loaded[unit] = text

    def unload(self, unit: str) -> None:
        """Let go of a unit that is not in use."""
        if unit not in self.referred_to:
            self.loaded.pop(unit, None)

    def start(self, unit: str) -> str | None:
        """Start the unit; one that has failed too often is not started until that is forgotten."""
        self.load(unit)
        if unit not in self.loaded:
            return f"Unit {unit} not found."
        if self.show(unit).active == "failed":
            return "Start request repeated too quickly."
        if self.show(unit).active == "deactivating":  # The start waits for the end.
            self.wait_until(self.ends.get(unit, 0))
        if self.show(unit).running:
            return None
        process = self.process(unit)
        # While it waits to start it again, systemd does only that, and counts it.
        restarts = process.restarts + (self.show(unit).active == "activating")
        self.started[unit] = self.now()
        self.state(unit, "activating" if process.complaint else process.active, restarts)
        return process.complaint

    def stop(self, unit: str) -> None:
        """Begin to stop the unit. A second order does not make it quicker."""
        found = self.show(unit)
        if found.active == "deactivating" and unit in self.ends:
            return
        takes = self.process(unit).finishes if found.running else 0
        if takes:
            self.state(unit, "deactivating")
            self.ends[unit] = self.now() + takes
        else:
            self.has_stopped(unit)

    def has_stopped(self, unit: str) -> None:
        """Come to the end of a stop."""
        self.state(unit, "inactive")
        self.ends.pop(unit, None)
        self.unload(unit)

    def reset_failed(self, unit: str) -> None:
        """Forget that it failed."""
        if self.show(unit).active == "failed":
            self.state(unit, "inactive")
            self.unload(unit)

    def enable(self, unit: str) -> str | None:
        """Have it started at boot."""
        if (text := self._text(unit)) is None:
            return f"Unit file {unit} does not exist."
        wanted = re.search(r"^WantedBy=(.+)$", text, re.MULTILINE)
        link = self.directory / f"{wanted[1] if wanted else 'multi-user.target'}.wants" / unit
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(self.directory / unit)
        return None

    def disable(self, unit: str) -> None:
        """Have it started at boot no more."""
        for link in self.directory.glob(f"*.wants/{unit}"):
            link.unlink()

    def _text(self, unit: str) -> str | None:
        file = self.directory / unit
        return file.read_text() if file.exists() else None
