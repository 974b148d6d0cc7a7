"""A systemd that is played, for tests of what gives it orders.

It has the methods of module_utils/systemd.py, reads real unit files, and knows a unit that it holds only as it was when
it was loaded, as the real one does. molecule/deploy/tests/test_systemd.py puts the same questions to both.
"""

from __future__ import annotations

import re
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
    """

    complaint: str | None = None
    active: str = "active"
    restarts: int = 0
    ended: str = ""


class FakeSystemd:
    """Stand in for Systemd: orders, and what there is to see of units. Every order is done at once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # The units that it holds, by their texts: those that run or failed, and those that others refer to.
        self.loaded: dict[str, str] = {}
        self.referred_to: set[str] = set()
        self.units: dict[str, Unit] = {}

    def process(self, unit: str) -> Process:
        """Tell how the process of the unit behaves."""
        raise NotImplementedError

    def state(self, unit: str, active: str, restarts: int = 0) -> None:
        """Set what `show` returns."""
        self.units[unit] = Unit(unit, active, 0, restarts, "")

    # The methods of Systemd

    def show(self, unit: str) -> Unit:
        """Tell the state of a unit."""
        return self.units.get(unit, Unit(unit, "inactive", 0, 0, ""))

    def how_it_ended(self, unit: str) -> str:
        """Tell how the process of a unit ended."""
        return self.process(unit).ended

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
        [unit] = units
        orders = {"start": self.start, "stop": self.stop, "reset-failed": self.reset_failed}
        orders |= {"enable": self.enable, "disable": self.disable}
        return orders[verb](unit)

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
        process = self.process(unit)
        self.state(unit, "activating" if process.complaint else process.active, process.restarts)
        return process.complaint

    def stop(self, unit: str) -> None:
        """Stop the unit."""
        self.state(unit, "inactive")
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
