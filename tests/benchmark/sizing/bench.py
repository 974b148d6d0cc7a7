"""A study: what a request costs on a host, which layouts are compared for it, and the rate that each sustains."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import SERVER_OVERHEAD_MS

from .cells import Cell, Level, contenders, first_rate, fixed_cells, predicted_rps, screened, shuffled, site_of, spread
from .lab import Lab, Server, Shape
from .report import PLANS, Results, disturbed, probe_of
from .statistics import SELECTING_REPEATS, Search, choose_oracle, sustained
from .workloads import MIXES, Mix, study_name

__all__ = ["Bench", "Record", "Study", "cells_of", "study_seconds", "sweep_seconds"]

GOAL = 3.0
"""How much longer than on an idle server 99 % of the answers may take."""
PROBE_SECONDS = (5.0, 18.0)
SHORT_PROBE_SECONDS = (4.0, 6.0)
GOALS_PER_PROBE = 6.0
"""A probe lasts so many times the goal at least, since a queue needs time to grow."""
WARM_UP = 0.1
"""Part of a probe that does not count, and comes on top."""
PROBES_PER_SWEEP = 2.6
RESTART_SECONDS = 4.5
"""For estimates only: what a sweep has of probes, and takes besides them (restart, warm-up)."""
SCREEN_SECONDS = 3.0
JITTER = (1.0, 0.93, 1.07)
"""Where a repeat begins to search, as a part of what is known so far: no two look at the same rates."""

RECORDED = (
    *("rate", "offered", "served", "in_window", "errors", "gave_up"),
    *("mean_ms", "p50_ms", "p95_ms", "p99_ms", "cpu_per_request_ms"),
    *("lag_p99_ms", "cpu", "steal", "foreign"),
)
"""What is kept of a probe."""


@dataclass(frozen=True)
class Study:
    """A mix on a shape of host, with what was measured of a request, the goal, and the cells to compare."""

    mix: str
    cpus: float
    inputs: dict[str, float]
    goal_ms: float
    measured: dict[str, float]
    fixed: dict[str, Cell]
    contenders: list[Cell]

    @property
    def name(self) -> str:
        """As in "b on 1 CPU"."""
        return study_name(self.mix, self.cpus)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Read a study from its record."""
        names = {"mix", "cpus", "inputs", "goal_ms", "measured"}
        return cls(
            **{name: record[name] for name in names},
            fixed={role: Cell(**cell) for role, cell in record["fixed"].items()},
            contenders=[Cell(**cell) for cell in record["contenders"]],
        )

    def __str__(self) -> str:
        """Say what it compares."""
        fixed = ", ".join(f"{role} {cell.name}" for role, cell in self.fixed.items())
        predicted = predicted_rps(self.cpus, self.inputs, self.fixed["plan"])
        return (
            f"{self.name}: {self.measured['cpu_ms']:.1f} ms CPU + {self.measured['wait_ms']:.1f} ms waiting, goal "
            f"{self.goal_ms:.0f} ms, predicted {predicted:.0f}/s\n  {fixed}\n"
            f"  contenders: {', '.join(cell.name for cell in self.contenders) or 'none'}"
        )


class Record:
    """A file of JSON lines; every one says which run wrote it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = time.strftime("%Y-%m-%d %H:%M:%S")
        path.parent.mkdir(parents=True, exist_ok=True)

    def __call__(self, kind: str, **what: Any) -> None:
        """Add a line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, "run": self.run, **what}) + "\n")


class Bench:
    """One shape of host, with the site on it."""

    def __init__(self, shape: Shape, lab: Lab, record: Record, options: argparse.Namespace) -> None:
        self.shape, self.record = shape, record
        self.requests, self.uwsgi, self.short = options.requests, options.uwsgi, options.short
        self.server = Server(lab, "web", "shop", shape)
        self.budget: int | None = None
        self.front_ms = 0.0
        self.rounds_per_ms = 0.0

    def ask(self, way: str, seconds: float, **task: Any) -> dict[str, Any]:
        """Put a load on the site."""
        return self.server.ask(way, seconds, **{"rounds_per_ms": self.rounds_per_ms, **task})

    def limit_database(self, mix: Mix) -> None:
        """Let the role open as many connections as the mix says."""
        if self.budget != mix.db_budget:
            most = -1 if mix.db_budget is None else mix.db_budget
            query = f"ALTER ROLE shop CONNECTION LIMIT {most}"
            self.server.db("run", "runuser", "-u", "postgres", "--", "psql", "--quiet", "--command", query)
            self.budget = mix.db_budget

    # -- What a request costs --------------------------------------------------------------------------------------

    def measure(self, seconds: float, **task: Any) -> dict[str, Any]:
        """Ask one visitor's requests, with pauses; up to three times while something disturbs."""
        self.ask("paced", 1, **{**task, "gap": 0.0})
        for _try in range(3):
            found = self.ask("paced", seconds, **task)
            if not disturbed(found):
                break
        return found

    def calibrate(self, known: float | None) -> None:
        """Find how long a request takes beside the server and, once for all results, what a millisecond of work is."""
        self.server.serve(Cell("gunicorn", 1, 1))
        empty = self.measure(4, paths=["/exercise/request/?rounds=0"], gap=0.04)
        empty_ms = 1000 * empty["unit"] / empty["served"]
        self.front_ms = max(0.0, empty["mean_ms"] - empty_ms)
        if known is None:
            work = self.measure(5, paths=["/exercise/request/?rounds=200"], gap=0.06)
            known = 200 / (1000 * work["unit"] / work["served"] - empty_ms)
        self.rounds_per_ms = known
        self.record("calibration", cpus=self.shape.cpus, rounds_per_ms=known, front_ms=self.front_ms, empty_ms=empty_ms)

    def study(self, mix: Mix, level: Level, screen: bool) -> Study:
        """Measure a request as docs/sizing.md, section 11 advises, plan with that, and choose the cells."""
        cpus = self.shape.cpus
        self.limit_database(mix)
        self.server.serve(Cell("gunicorn", 1, 1))
        gap = 3 * mix.cpu_ms / min(1.0, cpus) / 1000
        found = self.measure(12 if screen else 6, mix=mix.name, gap=gap)
        # What was drawn is known, and its deviation from what was meant can be taken off.
        cpu_ms = 1000 * found["unit"] / found["served"] + mix.cpu_ms - found["drawn_cpu_ms"]
        throttled_ms = 1000 * found["throttled"] / found["served"]
        in_slot_ms = found["mean_ms"] - self.front_ms - throttled_ms
        in_slot_ms += mix.cpu_ms + mix.wait_ms - found["drawn_cpu_ms"] - found["drawn_wait_ms"]
        wait_ms = max(0.0, in_slot_ms - cpu_ms)
        extra_ms = max(0.0, cpu_ms + wait_ms + self.front_ms - mix.cpu_ms - mix.wait_ms)
        goal_ms = GOAL * (mix.idle_p99_ms() + extra_ms)
        inputs: dict[str, Any] = {
            "cpu_ms": round(cpu_ms - SERVER_OVERHEAD_MS["gunicorn"], 2),
            "wait_ms": round(wait_ms, 2),
            "cv_cpu": round(mix.cv_cpu, 3),
            "cv_wait": round(mix.cv_wait, 3),
            "slo_p99_ms": round(goal_ms, 1),
        }
        if mix.db_budget is not None:
            inputs["db_connections"] = 2 * mix.db_budget
        site = site_of(cpus, inputs)
        fixed = fixed_cells(cpus, inputs, self.uwsgi)
        choice = contenders(site)
        if screen:
            choice = self.screen(mix, choice, around=fixed["plan"], count=2 * level.contenders + 2)
        study = Study(
            mix=mix.name,
            cpus=cpus,
            inputs=inputs,
            goal_ms=goal_ms,
            measured={"cpu_ms": cpu_ms, "wait_ms": wait_ms, "front_ms": self.front_ms},
            fixed=fixed,
            contenders=spread(choice, [fixed["plan"]], level.contenders),
        )
        self.record("study", **asdict(study))
        return study

    def screen(self, mix: Mix, choice: list[Cell], around: Cell, count: int) -> list[Cell]:
        """Drop what cannot even serve as many requests as others when nobody looks at response times."""
        served = {}
        for cell in shuffled([around, *spread(choice, [around], count)], seed=len(choice)):
            self.server.serve(cell)
            self.warm_up(mix, cell)
            found = self.ask("closed", SCREEN_SECONDS, mix=mix.name, at_a_time=cell.slots + 4)
            served[cell] = found["served"] / found["seconds"]
            self.record("screening", mix=mix.name, cpus=self.shape.cpus, cell=asdict(cell), rps=served[cell])
        return screened(served)

    # -- What a cell sustains --------------------------------------------------------------------------------------

    def warm_up(self, mix: Mix, cell: Cell) -> None:
        """Let every thread serve, and open its connection to the database."""
        self.ask("closed", 1.2, mix=mix.name, rounds_per_ms=self.rounds_per_ms / 10, at_a_time=cell.slots)

    def sweep(self, study: Study, cell: Cell, repeat: int, known: Collection[float], most_probes: int) -> None:
        """Search for the rate that the cell sustains, near what is `known` of it, and record every probe."""
        mix = MIXES[study.mix]
        self.limit_database(mix)
        boot = self.server.serve(cell)
        self.warm_up(mix, cell)
        start = (
            statistics.median(known) if known else first_rate(site_of(study.cpus, study.inputs), cell, study.goal_ms)
        )
        search = Search(start * JITTER[repeat % len(JITTER)], study.goal_ms)
        probes: list[dict[str, Any]] = []
        while (rate := search.next()) is not None and len(probes) < most_probes:
            found = self.probe(study, cell, rate, repeat)
            if disturbed(found):
                found = self.probe(study, cell, rate, repeat)
            probes.append(found)
            search.add(probe_of(found))
        self.record(
            "sweep",
            mix=study.mix,
            cpus=study.cpus,
            cell=asdict(cell),
            repeat=repeat,
            boot=round(boot, 2),
            probes=[{name: rounded(found[name]) for name in RECORDED} for found in probes],
            sustained=sustained(map(probe_of, probes), study.goal_ms),
        )

    def probe(self, study: Study, cell: Cell, rate: float, repeat: int) -> dict[str, Any]:
        """Offer a rate for as long as the requests take to come."""
        bounds = SHORT_PROBE_SECONDS if self.short else PROBE_SECONDS
        seconds = probe_seconds(rate, self.requests, study.goal_ms, bounds)
        found = self.ask(
            "open",
            seconds * (1 + WARM_UP),
            warm_up=seconds * WARM_UP,
            rate=rate,
            mix=study.mix,
            seed=repeat,
            hopeless=3 * study.goal_ms / 1000 * rate + cell.slots + 20,
        )
        served = max(1, found["served"])
        return {"rate": rate, "cpu_per_request_ms": 1000 * found["unit"] / served, **found}


def rounded(value: Any) -> Any:
    """Keep what a measurement is worth: five digits."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


def probe_seconds(rate: float, requests: int, goal_ms: float, bounds: tuple[float, float]) -> float:
    """Give a probe the time in which its requests come, within bounds."""
    least, most = bounds
    least = max(least, min(most, GOALS_PER_PROBE * goal_ms / 1000))
    return min(most, max(least, requests / rate))


def sweep_seconds(mix: Mix, cpus: float, requests: int) -> float:
    """Estimate what a sweep takes."""
    # Two thirds of what the CPUs can do is where most searches end.
    rate = 0.65 * 1000 * cpus / (mix.cpu_ms + 2)
    seconds = probe_seconds(rate, requests, GOAL * mix.idle_p99_ms(), PROBE_SECONDS)
    return RESTART_SECONDS + PROBES_PER_SWEEP * (1 + (1 + WARM_UP) * seconds)


def study_seconds(mix: Mix, cpus: float, level: Level, done: int, requests: int, is_new: bool) -> float:
    """Estimate what is left of a study: all cells in the first repeats, then the plans and the best contender."""
    sweeps = sum(5 + level.contenders if repeat < SELECTING_REPEATS else 3 for repeat in range(done, level.repeats))
    preparation = (20 + (2 * level.contenders + 3) * (SCREEN_SECONDS + RESTART_SECONDS)) if is_new else 0.0
    return preparation + sweeps * sweep_seconds(mix, cpus, requests)


def cells_of(study: Study, results: Results, repeat: int) -> list[Cell]:
    """Give the cells of a repeat: once the oracle is chosen, only it and the plans have more to say."""
    if repeat < SELECTING_REPEATS:
        return [*study.fixed.values(), *study.contenders]
    plans = [study.fixed[role] for role in PLANS if role in study.fixed]
    rates = results.rates(study.name)
    selectable = [study.fixed["plan"], *study.contenders]
    # The choice needs a repeat to be scored on; this one will be it.
    found = choose_oracle(
        {cell: {**seen, repeat: 1.0} for cell, seen in rates.items()}, study.fixed["plan"], selectable
    )
    return [*plans, *([found[0]] if found else [])]
