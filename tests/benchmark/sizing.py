"""Does the plan sustain more requests than other layouts? Real servers on lab hosts, against real PostgreSQL.

    make bench-sizing-short      # one mix, three layouts, one look at each: does it all work?
    make bench-sizing            # the whole comparison, in as many minutes as --minutes allows
    python tests/benchmark/sizing.py --report

A *study* is a mix of requests on a shape of host. Its *cells* are servers of different sizes: the plan, the rules of
thumb, one worker, the plan for uWSGI, and contenders from a grid around the plan. What counts is the rate that a cell
sustains: the largest at which 99 % of the answers to requests at random times come within three times the 99th
percentile of an idle server. Every repeat visits all cells in an order of its own, restarts the server for each, and
sends all of them the same requests. Results are added to a file, --results, so that several runs add up; each begins
where the last one stopped.

On hosts of up to one CPU the site has CPU 0 for itself, and the database and the client of the test run on CPU 1. With
two CPUs all share both, which the report says.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# The collection as users import it: `make` puts it there.
sys.path.insert(0, str(Path(__file__).parents[2] / ".ansible" / "collections"))

from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import SERVER_OVERHEAD_MS
from sizing_cells import (
    LEVELS,
    Cell,
    Level,
    allot,
    contenders,
    first_rate,
    fixed_cells,
    predicted_rps,
    screened,
    shuffled,
    site_of,
    spread,
)
from sizing_lab import ROOT, Lab, Server, Shape
from sizing_report import PLANS, Results, disturbed, probe_of, summary, write_report
from sizing_statistics import SELECTING_REPEATS, Search, choose_oracle, sustained
from sizing_workloads import MIXES, SHAPES, Mix

STATE = ROOT / ".cache" / "bench-sizing"
UWSGI = "pyuwsgi==2.0.30.post1"

GOAL = 3.0
"""How much longer than on an idle server 99 % of the answers may take."""
REQUESTS = 250
"""Asked for in a probe, as far as its shortest and longest time allow."""
PROBE_SECONDS = (5.0, 18.0)
SHORT_PROBE_SECONDS = (4.0, 6.0)
GOALS_PER_PROBE = 6.0
"""A probe lasts so many times the goal at least, since a queue needs time to grow."""
WARM_UP = 0.1
"""Part of a probe that does not count, and comes on top."""
PROBES_PER_SWEEP = 2.6
RESTART_SECONDS = 4.5
"""For estimates only: what a sweep has of probes, and takes besides them (restart, warm-up)."""
LAB_SECONDS = 150.0
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
    said: dict[str, float]
    goal_ms: float
    measured: dict[str, float]
    fixed: dict[str, Cell]
    contenders: list[Cell]

    @property
    def name(self) -> str:
        """As in "b on 1 CPU"."""
        return study_name(self.mix, self.cpus)


def study_name(mix: str, cpus: float) -> str:
    """Name a study."""
    return f"{mix} on {cpus:g} CPU"


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
        said: dict[str, Any] = {
            "cpu_ms": round(cpu_ms - SERVER_OVERHEAD_MS["gunicorn"], 2),
            "wait_ms": round(wait_ms, 2),
            "cv_cpu": round(mix.cv_cpu, 3),
            "cv_wait": round(mix.cv_wait, 3),
            "slo_p99_ms": round(goal_ms, 1),
        }
        if mix.db_budget is not None:
            said["db_connections"] = 2 * mix.db_budget
        site = site_of(cpus, said)
        fixed = fixed_cells(cpus, said, self.uwsgi)
        choice = contenders(site)
        if screen:
            choice = self.screen(mix, choice, around=fixed["plan"], count=2 * level.contenders + 2)
        study = Study(
            mix=mix.name,
            cpus=cpus,
            said=said,
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
        start = statistics.median(known) if known else first_rate(site_of(study.cpus, study.said), cell, study.goal_ms)
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


def run(options: argparse.Namespace, record: Record) -> None:
    """Make the studies that fit into the time, one shape of host after the other."""
    end = time.monotonic() + 60 * options.minutes
    results = Results.read(record.path)
    record("machine", **about_machine(), requests=options.requests)
    names = {study_name(mix, cpus): (MIXES[mix], cpus) for cpus in options.shapes for mix in options.mixes}
    # Studies with the fewest repeats come first.
    order = sorted(names, key=lambda name: results.repeats(name))
    cost = {
        name: {
            level: study_seconds(mix, cpus, level, results.repeats(name), options.requests, not results.has(name))
            for level in LEVELS
        }
        for name, (mix, cpus) in ((name, names[name]) for name in order)
    }
    levels = allot(60 * options.minutes - LAB_SECONDS * len(options.shapes), cost)
    left = {name: cost[name][level] for name, level in levels.items() if cost[name][level] > 0}
    print_allotment(levels, left, set(names))
    shapes = [cpus for cpus in options.shapes if any(names[name][1] == cpus for name in left)]
    for number, cpus in enumerate(shapes):
        mine = [name for name in left if names[name][1] == cpus]
        later = sum(left[name] for name in left if names[name][1] in shapes[number:])
        share = sum(left[name] for name in mine) / later
        deadline = time.monotonic() + share * (end - time.monotonic())
        mixes = {name: names[name][0] for name in mine}
        run_shape(Shape(cpus), mixes, levels, deadline, options, record)


def run_shape(
    shape: Shape,
    mixes: Mapping[str, Mix],
    levels: Mapping[str, Level],
    deadline: float,
    options: argparse.Namespace,
    record: Record,
) -> None:
    """Make the studies of one shape of host; their repeats take turns."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    say(f"{shape.cpus:g} CPU: booting two hosts and deploying the site")
    packages = [UWSGI] if options.uwsgi else []
    said = {"benchmark_example": str(ROOT / "tests" / "example"), "benchmark_packages": packages}
    with Lab("bench-sizing", **shape.variables(), **said) as lab:
        lab.play(Path(__file__).parent / "database.yml")
        lab.play("pitcrew.django.deploy")
        # From here on, nothing of this process is on the CPUs of the site, where they are the site's own.
        os.sched_setaffinity(0, shape.other_cpus)
        bench = Bench(shape, lab, record, options)
        record("software", cpus=shape.cpus, **about_site(bench))
        results = Results.read(record.path)
        calibrations = results.of("calibration")
        bench.calibrate(calibrations[0]["rounds_per_ms"] if calibrations else None)
        studies: dict[str, Study] = {}
        for name, mix in mixes.items():
            if time.monotonic() > deadline:
                break
            known = results.study(name)
            studies[name] = study_from(known) if known else bench.study(mix, levels[name], screen=not options.short)
            say(describe(studies[name]))
        most = max(levels[name].repeats for name in mixes)
        for repeat in range(most):
            for name, study in studies.items():
                if repeat >= levels[name].repeats:
                    continue
                results = Results.read(record.path)
                cells = cells_of(study, results, repeat)
                if options.short:
                    cells = [study.fixed[role] for role in ("plan", "two_n_plus_one", "one_worker")]
                for cell in shuffled(cells, seed=repeat):
                    rates = results.rates(study.name).get(cell, {})
                    if repeat in rates:
                        continue
                    if time.monotonic() + sweep_seconds(mixes[name], shape.cpus, options.requests) > deadline:
                        say("the time is over")
                        return
                    known = [rate for rate in rates.values() if rate]
                    bench.sweep(study, cell, repeat, known, most_probes=2 if options.short else 99)
                    say(f"{name}, repeat {repeat + 1}: {results.last(record.path)}")


def study_from(said: Mapping[str, Any]) -> Study:
    """Read a study from its record."""
    names = {"mix", "cpus", "said", "goal_ms", "measured"}
    return Study(
        **{name: said[name] for name in names},
        fixed={role: Cell(**cell) for role, cell in said["fixed"].items()},
        contenders=[Cell(**cell) for cell in said["contenders"]],
    )


def describe(study: Study) -> str:
    """Say in a line what a study compares."""
    fixed = ", ".join(f"{role} {cell.name}" for role, cell in study.fixed.items())
    predicted = predicted_rps(study.cpus, study.said, study.fixed["plan"])
    return (
        f"{study.name}: {study.measured['cpu_ms']:.1f} ms CPU + {study.measured['wait_ms']:.1f} ms waiting, goal "
        f"{study.goal_ms:.0f} ms, predicted {predicted:.0f}/s\n  {fixed}\n"
        f"  contenders: {', '.join(cell.name for cell in study.contenders) or 'none'}"
    )


def about_machine() -> dict[str, Any]:
    """Describe the machine."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), "")
    return {"cpu": model, "count": os.cpu_count(), "kernel": platform.release(), "date": time.strftime("%Y-%m-%d")}


def about_site(bench: Bench) -> dict[str, str]:
    """Describe what was installed."""
    python = f"{bench.server.site['release']}/venv/bin/python"
    program = "import sys, django, gunicorn; print(sys.version.split()[0], django.__version__, gunicorn.__version__)"
    versions = bench.server.web("run", python, "-c", program).split()
    postgresql = bench.server.db("run", "sh", "-c", "ls /usr/lib/postgresql")
    nginx = bench.server.web("run", "sh", "-c", "nginx -v 2>&1 | sed 's/.*nginx.//'")
    return {
        "python": versions[0],
        "django": versions[1],
        "gunicorn": versions[2],
        "postgresql": postgresql,
        "nginx": nginx,
        "uwsgi": UWSGI.split("==")[1] if bench.uwsgi else "",
    }


def print_allotment(levels: Mapping[str, Level], left: Mapping[str, float], names: set[str]) -> None:
    """Say what fits into the time."""
    for name, seconds in left.items():
        level = levels[name]
        say(f"{name}: up to {level.contenders} contenders, {level.repeats} repeats, {seconds / 60:.0f} min")
    if not left:
        say("nothing is left to do in so many minutes")
    if missing := sorted(names - set(levels)):
        say(f"no time for: {', '.join(missing)}; another run with the same command begins with them")


def say(sentence: str) -> None:
    """Print at once, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {sentence}", flush=True)


def numbers(text: str) -> list[float]:
    """Read a list with commas."""
    return [float(part) for part in text.split(",")]


def words(text: str) -> list[str]:
    """Read names of mixes with commas."""
    found = text.split(",")
    if unknown := set(found) - set(MIXES):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: the mixes are {', '.join(MIXES)}")
    return found


def main() -> int:
    """Run, or report what earlier runs found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=240, help="how long all may take (%(default)g)")
    parser.add_argument("--mixes", type=words, default=list(MIXES), help=f"some of {','.join(MIXES)}")
    parser.add_argument("--shapes", type=numbers, default=list(SHAPES), help="CPUs of the hosts (1,0.5,2)")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="requests of a probe (%(default)s)")
    parser.add_argument("--no-uwsgi", dest="uwsgi", action="store_false", help="without uWSGI")
    parser.add_argument("--short", action="store_true", help="one mix, three layouts, below three minutes")
    parser.add_argument("--results", type=Path, default=STATE / "results.jsonl", help="the file that results add to")
    parser.add_argument("--report", action="store_true", help="write docs/sizing-benchmark.md from the results so far")
    options = parser.parse_args()
    record = Record(STATE / "short.jsonl" if options.short else options.results)
    if options.report:
        write_report(Results.read(record.path), ROOT / "docs")
        return 0
    if options.short:
        record.path.unlink(missing_ok=True)
        options.uwsgi = False
        options.requests = 120
        options.mixes, options.shapes, options.minutes = ["b"], [1.0], 3
        record("machine", **about_machine(), requests=options.requests)
        deadline = time.monotonic() + 420
        name = study_name("b", 1.0)
        run_shape(Shape(1.0), {name: MIXES["b"]}, {name: Level(0, 1)}, deadline, options, record)
    else:
        run(options, record)
    print(summary(Results.read(record.path)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
