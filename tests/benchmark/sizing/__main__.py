"""Does the plan sustain more requests than other layouts? Real servers on lab hosts, against real PostgreSQL.

    make bench-sizing-short      # one mix, three layouts, one look at each: does it all work?
    make bench-sizing            # the whole comparison, in as many minutes as --minutes allows
    python -m tests.benchmark.sizing --report

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
import os
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .bench import Bench, Record, Study, cells_of, study_seconds, sweep_seconds
from .cells import LEVELS, Level, allot, shuffled
from .lab import DATABASE, ROOT, Lab, Shape, say
from .report import Results, summary, write_report
from .workloads import MIXES, SHAPES, Mix, study_name

STATE = ROOT / ".cache" / "bench-sizing"
UWSGI = "pyuwsgi==2.0.30.post1"
REQUESTS = 250
"""Asked for in a probe, as far as its shortest and longest time allow."""
LAB_SECONDS = 150.0
"""For estimates only: what a lab takes to boot and to deploy to."""


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
    variables = {"benchmark_example": str(ROOT / "tests" / "example"), "benchmark_packages": packages}
    with Lab("bench-sizing", Path(__file__).parent / "inventory", **shape.variables(), **variables) as lab:
        lab.play(DATABASE)
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
            studies[name] = Study.of(known) if known else bench.study(mix, levels[name], screen=not options.short)
            say(str(studies[name]))
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
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmark.sizing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
