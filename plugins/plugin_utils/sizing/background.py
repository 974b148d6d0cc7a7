# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the background processes of a site take of its memory, CPUs and database connections (docs/sizing.md, 3.9)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Final

from .inputs import Inputs, Load
from .queueing import ROUNDING

__all__ = [
    "Background",
    "PlannedBackground",
    "PlannedProcess",
    "Unit",
    "background_of",
    "command_mb",
    "most_of",
    "planned",
]

CHOSEN_PART: Final = 1 / 3
"""What all processes may take of the site's memory and database connections, as far as the plan chooses concurrency."""
SUPERVISOR_MB: Final = 20
"""A process that supervises others and has not loaded the application: 13 MB were measured for Dramatiq's."""

HIGH: Final = (1.1, 2.0)
MOST: Final = (1.3, 2.5)
"""How far above its memory a unit is throttled, and is stopped: if that was set, and if it was assumed."""
LEAST_TASKS: Final = 256
"""Commands may start programs, and libraries start a thread for each CPU."""
WEB_WEIGHT: Final = 100
"""systemd's default, which the unit of a slot has."""


@dataclass(frozen=True)
class PlannedProcess:
    """What one unit of a process gets; sizes are in MB."""

    count: int
    single: bool
    concurrency: int
    threads: int
    memory_mb: float
    memory_high_mb: int
    memory_max_mb: int
    tasks_max: int
    cpu_weight: int
    database_connections: int


@dataclass(frozen=True)
class PlannedBackground:
    """What one generation of all processes takes; `cpu_share` is of the site's CPUs, while requests want them, too.

    `command_mb` is what a command that runs beside them, once, may take at most.
    """

    memory_mb: float
    cpu_share: float
    database_connections: int
    command_mb: int


@dataclass(frozen=True)
class Unit:
    """One unit of a process, for a chosen concurrency."""

    load: Load
    concurrency: int
    inputs: Inputs

    @property
    def attendants(self) -> int:
        """Processes beside those of the tasks that have loaded the application."""
        return 0 if self.load.runs_alone and self.concurrency == 1 else self.load.attendants

    @property
    def processes(self) -> int:
        """All its processes."""
        if self.load.kind == "pool":
            return self.attendants + self.concurrency * self.load.processes_per_slot
        return 1 + self.concurrency if self.load.kind == "separate" else 1

    @cached_property
    def memory_mb(self) -> float:
        """Memory, as set or from what a web worker takes: each copy grows like one."""
        if self.load.memory_mb is not None:
            return self.load.memory_mb
        inputs, slots = self.inputs, self.concurrency
        shared, unique, growth = inputs.worker_shared_mb, inputs.worker_unique_mb, inputs.growth_mb
        if self.load.kind == "pool":
            return shared + self.processes * unique + slots * growth
        if self.load.kind == "separate":
            more = (self.load.threads - 1) * inputs.thread_mb
            return SUPERVISOR_MB + slots * (shared + unique + growth + more)
        threads = slots * inputs.thread_mb if self.load.kind == "threads" else 0.0
        return shared + unique + growth + threads

    @property
    def connections(self) -> int:
        """Database connections: one for each task at a time and each database, unless they are set."""
        if self.load.database_connections is not None:
            return self.load.database_connections
        tasks = self.concurrency * (self.load.threads if self.load.kind == "separate" else 1)
        return tasks * self.inputs.db_aliases + self.load.attendant_connections

    @property
    def tasks(self) -> int:
        """Threads of all its processes, with two helpers of each."""
        threads = self.load.threads if self.load.kind == "separate" else 1
        more = self.concurrency if self.load.kind == "threads" else 0
        return self.processes * (threads + 3) + more


@dataclass(frozen=True)
class Background:
    """All processes of a site, each with a chosen concurrency."""

    units: tuple[Unit, ...]

    @property
    def as_chosen(self) -> tuple[Load, ...] | None:
        """The processes as inputs, with the concurrency that was chosen; None if there are none."""
        return tuple(replace(unit.load, concurrency=unit.concurrency) for unit in self.units) or None

    @cached_property
    def memory_mb(self) -> float:
        """Memory of one generation."""
        return self.memory_during(1)

    def memory_during(self, overlap: float) -> float:
        """Memory while so many generations exist side by side; what may exist once only does."""
        return sum(_times(unit.load, overlap) * unit.memory_mb for unit in self.units)

    def connections_during(self, overlap: float) -> int:
        """Database connections while so many generations exist side by side."""
        return math.ceil(sum(_times(unit.load, overlap) * unit.connections for unit in self.units))


def _times(load: Load, overlap: float) -> float:
    return load.count * (1 if load.single else overlap)


def most_of(inputs: Inputs, cpus: float) -> Background:
    """Give each process that has no concurrency the highest that the plan may choose: the whole CPUs of the site."""
    return _with(inputs, max(1, math.floor(cpus + ROUNDING)))


def background_of(inputs: Inputs, cpus: float, memory_mb: float, connections: float) -> Background:
    """Choose the concurrency of each process that has none: the highest with which all take a third at most.

    That is of the memory and of the host's database connections, during a deploy.
    """
    low, high, overlap = 1, max(1, math.floor(cpus + ROUNDING)), inputs.reload_overlap
    while low < high:
        middle = (low + high + 1) // 2
        background = _with(inputs, middle)
        fits_memory = background.memory_during(overlap) <= CHOSEN_PART * memory_mb
        if fits_memory and background.connections_during(overlap) <= CHOSEN_PART * connections:
            low = middle
        else:
            high = middle - 1
    return _with(inputs, low)


def _with(inputs: Inputs, concurrency: int) -> Background:
    loads = inputs.processes or ()
    return Background(tuple(Unit(load, load.concurrency or _chosen(load, concurrency), inputs) for load in loads))


def _chosen(load: Load, concurrency: int) -> int:
    return 1 if load.kind == "one" else concurrency


def planned(
    inputs: Inputs, background: Background, cpu_share: float, high_mb: float, most_mb: float
) -> tuple[dict[str, PlannedProcess], PlannedBackground]:
    """Set the limits of each unit; a runaway may take no more of the host than `high_mb` and `most_mb`."""
    weight = WEB_WEIGHT * cpu_share / (1 - cpu_share)
    tasks = sum(unit.load.count * unit.concurrency for unit in background.units)
    processes = {
        unit.load.name: PlannedProcess(
            count=unit.load.count,
            single=unit.load.single,
            concurrency=unit.concurrency,
            threads=unit.load.threads,
            memory_mb=round(unit.memory_mb, 1),
            memory_high_mb=math.floor(min(_limit(unit, HIGH), high_mb)),
            memory_max_mb=math.floor(min(_limit(unit, MOST), most_mb)),
            tasks_max=max(LEAST_TASKS, math.ceil(1.5 * unit.tasks) + 16),
            cpu_weight=max(1, round(weight * unit.concurrency / tasks)),
            database_connections=unit.connections,
        )
        for unit in background.units
    }
    whole = PlannedBackground(
        memory_mb=round(background.memory_mb, 1),
        cpu_share=cpu_share if processes else 0.0,
        database_connections=background.connections_during(1),
        command_mb=command_mb(asdict(inputs)),
    )
    return processes, whole


def command_mb(inputs: Mapping[str, Any]) -> int:
    """What a command may take at most, in MB: it loads the application once, and how it grows is not known."""
    _known, assumed = MOST
    one_mb: float = inputs["worker_shared_mb"] + inputs["worker_unique_mb"] + inputs["growth_mb"]
    return math.floor(assumed * one_mb)


def _limit(unit: Unit, factors: tuple[float, float]) -> float:
    known, assumed = factors
    return unit.memory_mb * (assumed if unit.load.memory_mb is None else known)
