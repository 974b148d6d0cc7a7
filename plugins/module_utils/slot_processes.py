# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The background processes of a site, such as workers and schedulers. They belong to its slots, and to the switch.

Each unit of a process exists once in each slot, with the release, the environment and the secrets of the slot.

=========================================  =======================================================================
/etc/systemd/system/shop-rq@blue.service   the first unit of the process C(rq) in a slot
/etc/systemd/system/shop-rq-2@blue.service its second
/srv/shop/slots/blue/processes             the names of the slot's units, which start at boot if the slot is live
=========================================  =======================================================================

The units of the candidate start before it goes live: an old worker that gets a task it does not know may throw it away.
Those of the old slot stop when it has gone live. They finish what they have, with the code they began with,
for as long as their drain allows. Only then can their slot be used again.

What may exist only once (C(single)) ends in the old slot before it starts in the candidate.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils import host
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text, write_file
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import UNIT_OF, HostedSite, Slot
from ansible_collections.pitcrew.django.plugins.module_utils.journal import Refusal, of_unit, with_exception
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd, Unit

__all__ = ["PROCESS_SPEC", "DownError", "ProcessUnit", "SlotProcesses", "predicate"]

PROCESS_SPEC = {
    "prefix": {"type": "str", "required": True},
    "text": {"type": "str", "required": True},
    "single": {"type": "bool", "default": False},
    "startsecs": {"type": "int", "default": 5},
    "drain": {"type": "int", "default": 600},
}

POLL_S = 0.2


class DownError(Refusal):
    """Processes did not stay up; the message names each of them, with how it ended."""


@dataclass(frozen=True)
class ProcessUnit:
    """One unit of a process, in any slot.

    C(prefix) is its name without the slot, C(startsecs) for how many seconds it has to stay up before its slot goes
    live, and C(drain) how many it may take to finish what it has.
    """

    prefix: str
    single: bool = False
    startsecs: int = 5
    drain: int = 600

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> ProcessUnit:
        """Read it from an option of a module, or from what was recorded."""
        return cls(**{field.name: found[field.name] for field in fields(cls) if field.name in found})

    def name_in(self, slot: Slot) -> str:
        """The name of the unit in a slot."""
        return f"{self.prefix}@{slot.name}.service"


Units = dict[str, ProcessUnit]
"""Units of one slot, by their names there."""


class SlotProcesses:
    """The background processes of one site in both of its slots."""

    def __init__(self, site: HostedSite, systemd: Systemd, wanted: Iterable[Mapping[str, Any]] = ()) -> None:
        self.site = site
        self.systemd = systemd
        options = list(wanted)
        self.wanted = [ProcessUnit.of(option) for option in options]
        self.texts = {f"{UNIT_OF}{option['prefix']}": option["text"] for option in options}
        # Units of the live slot that this run has stopped.
        self.stopped: list[str] = []

    def process(self, unit: ProcessUnit) -> str:
        """The name that the inventory has for the process of a unit: without a dash, which would begin a number."""
        return unit.prefix[len(self.site.name) + 1 :].partition("-")[0]

    # What there is

    def of(self, slot: Slot | None) -> Units:
        """The units of a slot: those recorded, and any others whose file is on the host.

        A run may have been cut off between a unit's file and its record.
        """
        if slot is None:
            return {}
        recorded = [ProcessUnit.of(found) for found in slot.processes]
        units = {unit.name_in(slot): unit for unit in recorded}
        # A site that is called shop-two has units with such names, too.
        mark = f"EnvironmentFile={slot.path.parent}/%i/environment\n"
        for file in sorted(host.UNITS.glob(f"{self.site.name}-*@{slot.name}.service")):
            if file.name not in units and mark in (read_text(file) or ""):
                units[file.name] = ProcessUnit(file.name.partition("@")[0])
        return units

    def down(self, slot: Slot | None) -> list[str]:
        """The units of the slot that do not run."""
        return [name for name, unit in self._states(slot).items() if not unit.running]

    def not_stopped(self, slot: Slot | None) -> list[str]:
        """The units of the slot that run, or are finishing what they have."""
        return [name for name, unit in self._states(slot).items() if not unit.stopped]

    def not_stopping(self, slot: Slot | None) -> list[str]:
        """The units of the slot that run, and are not finishing what they have."""
        return [name for name, unit in self._states(slot).items() if not unit.ending]

    def _states(self, slot: Slot | None) -> dict[str, Unit]:
        units = self.of(slot)
        return self.systemd.show_all(units) if units else {}

    def settled(self, live: Slot, idle: Slot) -> bool:
        """Whether all units of the live slot run, and those of the other one have stopped or are stopping."""
        return not self.down(live) and not self.not_stopping(idle)

    def no_longer_wanted(self, live: Slot) -> list[str]:
        """The units of the live slot that nobody wants any more, as names of the slot's own files."""
        return [name for unit in live.processes if (name := f"{UNIT_OF}{unit['prefix']}") not in self.texts]

    def longest_start_s(self, slot: Slot, old: Slot) -> int:
        """How long it takes to see that all of a slot stay up, with those that may exist only once after the others."""
        first, last = self._order(self.of(slot), self.of(old))
        return sum(max((unit.startsecs for unit in units.values()), default=0) for units in (first, last))

    # Files

    def write(self, slot: Slot) -> bool:
        """Write the units that differ, remove those no longer wanted, and list the wanted ones for the start at boot.

        No unit of the slot may run. Return whether systemd has to read units again.
        """
        wanted = {unit.name_in(slot): self.texts[f"{UNIT_OF}{unit.prefix}"] for unit in self.wanted}
        gone = [name for name in self.of(slot) if name not in wanted]
        for name in gone:
            (host.UNITS / name).unlink(missing_ok=True)
        changed = [name for name, text in wanted.items() if read_text(host.UNITS / name) != text]
        for name in changed:
            write_file(host.UNITS / name, wanted[name], 0o644)
        if wanted:
            write_file(slot.path / "processes", "".join(f"{name}\n" for name in wanted), 0o644)
        return bool(changed) or any(map(self.systemd.outdated, wanted))

    def record(self) -> list[dict[str, Any]]:
        """What the record of the slot has of the wanted units."""
        return [asdict(unit) for unit in self.wanted]

    def remove(self, slot: Slot) -> None:
        """Remove the units of a slot, which have stopped."""
        for name in self.of(slot):
            (host.UNITS / name).unlink(missing_ok=True)

    # Start and stop

    def bring_up(self, slot: Slot, old: Slot | None, longest_s: float) -> None:
        """Start the units of a slot, and see that they stay up.

        Those that may exist only once start after the others, and end in the old slot before. C(longest_s) is how long
        a start may take on a busy host. Raises DownError if one does not stay up.
        """
        units, before = self.of(slot), self.of(old)
        first, last = self._order(units, before)
        self._start(first, first, longest_s)
        if last:
            self.stop(name for name, unit in before.items() if unit.prefix in self._singles(units, before))
            self._start(last, units, longest_s)

    def settle(self, live: Slot, idle: Slot) -> None:
        """Start the units of the live slot that do not run, and stop those of the other slot without waiting for it.

        Raises DownError if one does not stay up; systemd keeps starting it.
        """
        self.request_stop(idle)
        down = self.down(live)
        if not down:
            return
        units, others = self.of(live), self.of(idle)
        self._stop(name for name, unit in others.items() if unit.prefix in self._singles(units, others))
        # One that systemd waits to start again would be started by that, and look as if it had ended since.
        self._stop(down)
        missing = {name: units[name] for name in down}
        self._start(missing, missing)

    def restore(self, live: Slot | None, candidate: Slot, all_of_it: bool, after_all: bool) -> None:
        """Wait for the end of a refused candidate's units, and start again what this run has stopped in the live slot.

        With C(all_of_it), start every unit of the live slot that does not run: an earlier run may have been cut off.
        With C(after_all), start them only after the last unit of the candidate has ended, since both do not fit.
        """
        units, before = self.of(candidate), self.of(live)
        singles = self._singles(units, before)
        self._stop(name for name, unit in units.items() if after_all or unit.prefix in singles)
        if again := [name for name in self.down(live) if all_of_it or name in self.stopped]:
            self.systemd.order("reset-failed", *again)
            self.systemd.order("start", *again)
        self._stop(units)

    def stop(self, names: Iterable[str]) -> None:
        """Stop units of the live slot, wait for their end, and remember that this run has done so."""
        self.stopped += self._stop(names)

    def request_stop(self, slot: Slot | None) -> None:
        """Stop the units of a slot without waiting for it: they may take long to finish what they have."""
        if names := self.not_stopping(slot):
            self.systemd.order("stop", "--no-block", *names)

    def _stop(self, names: Iterable[str]) -> list[str]:
        """Stop units, and wait for their end; systemd kills one that takes longer than its drain."""
        known = list(names)
        running = [name for name, unit in self.systemd.show_all(known).items() if not unit.stopped]
        if running:
            self.systemd.order("stop", *running)
        if known:
            self.systemd.order("reset-failed", *known)
        return running

    def _start(self, units: Units, watched: Units, longest_s: float = 0) -> None:
        """Start units at once, and see that they and the others stay up.

        On a busy host, where all of them import their code at once, one that is going to fail does so late. So time in
        which a unit computes does not count, unless it goes on for C(longest_s).
        """
        if not units:
            return
        began = time.time()
        self.systemd.order("reset-failed", *units)
        complaint = self.systemd.order("start", *units) or ""
        started = time.monotonic()
        ended: dict[str, str] = {}
        rested = dict.fromkeys(units, 0.0)
        longest = max([longest_s, *(unit.startsecs for unit in units.values())])
        before = started
        while True:
            now = time.monotonic()
            states = self.systemd.show_all(watched)
            for name in units:
                rested[name] += 0 if self.systemd.computes(states[name]) else now - before
            before = now
            is_over = now - started >= longest or all(rested[name] >= unit.startsecs for name, unit in units.items())
            for name, state in states.items():
                # systemd calls it activating while it waits to restart it.
                if name not in ended and (not state.running or state.restarts):
                    ended[name] = self.systemd.how_it_ended(name)
            if is_over or units.keys() <= ended.keys():
                break
            time.sleep(POLL_S)
        if ended:
            raise self._down({name: watched[name] for name in watched if name in ended}, ended, complaint, began)

    def _down(self, units: Units, ended: Mapping[str, str], complaint: str, since: float) -> DownError:
        """The error for units that did not stay up: one sentence and one journal for each process."""
        first: dict[str, str] = {}
        for name, unit in units.items():
            first.setdefault(self.process(unit), name)
        sentences, journals = [], []
        for process, name in first.items():
            journal = self.systemd.journal(name, since)
            sentences.append(with_exception(_sentence(process, name, ended[name], complaint), journal))
            journals.append(of_unit(name, journal))
        return DownError(".\n".join(sentences), *journals)

    @staticmethod
    def _singles(*slots: Units) -> Collection[str]:
        """The prefixes of units that may exist only once, according to the record of either slot."""
        return {unit.prefix for units in slots for unit in units.values() if unit.single}

    def _order(self, units: Units, before: Units) -> tuple[Units, Units]:
        """Divide units into those that start first, and those that wait for the end of others."""
        singles = self._singles(units, before)
        first = {name: unit for name, unit in units.items() if unit.prefix not in singles}
        return first, {name: unit for name, unit in units.items() if unit.prefix in singles}


def _sentence(process: str, name: str, ended: str, complaint: str) -> str:
    """What happened to a unit, and what to do about it."""
    instance, variable = name[: -len(".service")], f"site_processes.{process}"
    if not ended and complaint:
        return f"{instance} does not start: {' '.join(complaint.split()).rstrip('.')}; correct {variable}"
    cures = {
        "status 0": f"the command of {variable} has to run until it is stopped",
        "status 127": f"correct {variable}: its command is not in the release, nor on the host",
        "killed for lack of memory": f"raise {variable}.memory_mb",
        "killed by signal 9": f"raise {variable}.memory_mb, if it was for lack of memory",
    }
    cure = cures.get(ended, f"correct {variable}, or start what it needs")
    return f"{instance} {predicate(ended)} soon after its start; {cure}"


def predicate(ended: str) -> str:
    """Write how a unit ended, as Systemd.how_it_ended returns it, as a predicate."""
    if not ended:
        return "exited"
    return f"was {ended}" if ended.startswith("killed") else f"exited with {ended}"
