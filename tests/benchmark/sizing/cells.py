"""Which layouts are measured: the plan, the rules of thumb, and contenders around the plan; and how many fit."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.choice import choose
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import Host, Inputs
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.policies import RULES
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.queueing import Layout
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.site import Site

__all__ = [
    "LEVELS",
    "Cell",
    "Level",
    "allot",
    "contenders",
    "first_rate",
    "fixed_cells",
    "predicted_rps",
    "screened",
    "shuffled",
    "site_of",
    "spread",
]

MEMORY_MB = 65_536
"""Memory for the plan: enough for all layouts, so that memory decides nothing here. They really take much less."""

THREADS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
GTHREAD_DEFAULT_CONNECTIONS = 1000
WORTH_A_LOOK = 0.8
"""A contender that cannot serve this part of what the best can is not measured further."""


@dataclass(frozen=True, order=True)
class Cell:
    """A server and its size. `connections` are gunicorn's worker_connections, 0 for as many as threads."""

    server: str
    processes: int
    threads: int
    connections: int = 0

    @property
    def slots(self) -> int:
        """Requests that it serves at a time."""
        return self.processes * self.threads

    @property
    def name(self) -> str:
        """As in "gthread 4x2"."""
        kind = self.server if self.server == "uwsgi" else "sync" if self.threads == 1 else "gthread"
        return f"{kind} {self.processes}x{self.threads}" + (f", {self.connections}" if self.connections else "")

    @classmethod
    def of(cls, server: str, layout: Layout) -> Cell:
        """Take over a layout of the model."""
        return cls(server, layout.processes, layout.threads)


@dataclass(frozen=True)
class Level:
    """How thoroughly a study is made: contenders, and repeats of all that is left of them after two."""

    contenders: int
    repeats: int


# The first is the least that says anything: two repeats to choose the best by, a third to score it.
LEVELS = (Level(2, 3), Level(3, 3), Level(4, 3), Level(4, 4), Level(6, 4), Level(6, 5), Level(8, 5), Level(10, 6))


def site_of(cpus: float, inputs: Mapping[str, float], server: str = "gunicorn") -> Site:
    """Put what was measured of a mix on a host, as a user of the filter would."""
    return Site(Host(cpus=cpus, memory_mb=MEMORY_MB), Inputs.of({**inputs, "server": server}))


def predicted_rps(cpus: float, inputs: Mapping[str, float], cell: Cell) -> float:
    """Ask the model, as it is today, for the rate within the goal."""
    site = site_of(cpus, inputs)
    return site.system(Layout(cell.processes, cell.threads)).rps_within(site.slo_p99_ms)


def fixed_cells(cpus: float, inputs: Mapping[str, float], uwsgi: bool) -> dict[str, Cell]:
    """Give what every study has, by name. The rules of thumb are not clipped: they do not know a limit."""
    cores = max(1, math.ceil(cpus))

    def rule(name: str) -> Cell:
        return Cell.of("gunicorn", RULES[name].layout(cores, MEMORY_MB))

    threads = rule("two_n_plus_one_threads_4")
    cells = {
        "plan": Cell.of("gunicorn", choose(site_of(cpus, inputs)).layout),
        "two_n_plus_one": rule("two_n_plus_one"),
        "two_n_plus_one_threads_4": replace(threads, connections=GTHREAD_DEFAULT_CONNECTIONS),
        "one_worker": rule("one_worker"),
    }
    if uwsgi:
        cells["uwsgi"] = Cell.of("uwsgi", choose(site_of(cpus, inputs, "uwsgi")).layout)
    return cells


def contenders(site: Site) -> list[Cell]:
    """Give the allowed layouts of the grid, from half of the slots wanted to two and a half times as many."""
    wanted, cpus = site.wanted_slots, site.cpus
    counts = {1, wanted, *(math.ceil(part * cpus) for part in (1, 1.5, 2, 3, 4)), math.floor(2 * cpus + 1)}
    least = 0.5 * min(wanted, site.db_slots(site.inputs.reload_overlap))
    found = set()
    for processes in counts:
        for threads in THREADS:
            layout = Layout(processes, threads)
            if least <= layout.slots <= 2.5 * wanted + 10 and site.fits(layout, site.inputs.reload_overlap):
                found.add(Cell.of("gunicorn", layout))
    return sorted(found)


def spread(cells: Iterable[Cell], around: Sequence[Cell], count: int) -> list[Cell]:
    """Pick cells that are far from each other and from those `around`, on a logarithmic map of both sizes."""

    def apart(one: Cell, other: Cell) -> float:
        return math.hypot(math.log(one.processes / other.processes), math.log(one.threads / other.threads))

    left, picked = sorted(set(cells) - set(around)), list(around)
    while left and len(picked) < len(around) + count:
        best = max(left, key=lambda cell: min((apart(cell, other) for other in picked), default=math.inf))
        left.remove(best)
        picked.append(best)
    return picked[len(around) :]


def screened(served: Mapping[Cell, float]) -> list[Cell]:
    """Keep the cells whose greatest throughput comes near the best."""
    best = max(served.values(), default=0.0)
    return sorted(cell for cell, rate in served.items() if rate >= WORTH_A_LOOK * best)


def first_rate(site: Site, cell: Cell, goal_ms: float) -> float:
    """Where to begin the search for what a cell sustains: the model's opinion, or a bold part of the possible."""
    system = site.system(Layout(cell.processes, cell.threads))
    return max(system.rps_within(goal_ms), 0.3 * system.saturation_rps)


def allot(seconds: float, cost: Mapping[str, Mapping[Level, float]]) -> dict[str, Level]:
    """Find the highest level at which all studies fit into the time; drop the last ones if not even the lowest does."""
    studies = list(cost)
    while studies:
        for level in reversed(LEVELS):
            if sum(cost[study][level] for study in studies) <= seconds:
                return dict.fromkeys(studies, level)
        studies.pop()
    return {}


def shuffled(cells: Iterable[Cell], seed: int) -> list[Cell]:
    """Put the cells of one repeat into an order of its own."""
    order = sorted(set(cells))
    random.Random(seed).shuffle(order)
    return order
