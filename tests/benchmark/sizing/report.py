"""From the results of `make bench-sizing` to statements: a summary for the terminal, a document and its picture."""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from .cells import Cell, predicted_rps
from .statistics import Estimate, Line, Probe, choose_oracle, fit_line, ratio, sustained
from .workloads import DB_BUDGET, MIXES, study_name

__all__ = ["Finding", "Results", "disturbed", "findings", "probe_of", "summary", "write_report"]

MOST_STEAL = 0.05
MOST_FOREIGN = 0.08
MOST_LAG_MS = 10.0
"""A probe beyond these does not count: time that the machine did not get, work of others on the site's CPUs,
and a client that was late itself."""

RULES = {
    "two_n_plus_one": "2n+1 sync",
    "two_n_plus_one_threads_4": "2n+1 x 4 threads",
    "one_worker": "one worker",
    "uwsgi": "uWSGI, as planned",
}
PLANS = ("plan", "uwsgi")
"""What every repeat visits; the rules are far enough away to be judged by the first ones."""

RULES_NEED = "2n+1 x 4 threads has gunicorn's default worker_connections"


def disturbed(found: Mapping[str, Any]) -> bool:
    """Tell whether something else than the site decided what became of a probe."""
    late = found["lag_p99_ms"] > MOST_LAG_MS and not found["gave_up"]
    return bool(late or found["steal"] > MOST_STEAL or found["foreign"] > MOST_FOREIGN)


def probe_of(found: Mapping[str, Any]) -> Probe:
    """Take from a record what statements are made from."""
    offered = max(1, found["offered"])
    return Probe(
        rate=found["rate"],
        p99_ms=found["p99_ms"],
        errors=sum(found["errors"].values()) / offered,
        completed=0.0 if found["gave_up"] else min(1.0, found["in_window"] / offered),
    )


def cost_of(sweep: Mapping[str, Any]) -> float:
    """CPU milliseconds of a request in a sweep, disturbed or not."""
    return statistics.fmean(found["cpu_per_request_ms"] for found in sweep["probes"])


def failed(sweep: Mapping[str, Any]) -> bool:
    """Whether requests were answered with errors, which cost something else."""
    return any(found["errors"] for found in sweep["probes"])


@dataclass(frozen=True)
class Finding:
    """The results of a study. Ratios are of sustained rates, in the same repeats."""

    mix: str
    cpus: float
    study: Mapping[str, Any]
    plan: Cell
    rate: float
    repeats: int
    oracle: Cell | None
    oracle_rate: float
    plan_over_oracle: Estimate | None
    rules: Mapping[str, Estimate]

    def cell(self, role: str) -> Cell | None:
        """Give the cell of a rule, which may be the plan's own."""
        return Cell(**self.study["fixed"][role]) if role in self.study["fixed"] else None

    @property
    def regret(self) -> float | None:
        """The part of the oracle's rate that the plan gives away; below 0 where it does better."""
        return None if self.plan_over_oracle is None else 1 - self.plan_over_oracle.value

    @property
    def prediction_error(self) -> float:
        """How far the model's rate within the goal lies above the one measured."""
        return predicted_rps(self.cpus, self.study["inputs"], self.plan) / self.rate - 1


class Results:
    """All that was recorded so far."""

    def __init__(self, lines: Sequence[Mapping[str, Any]], steadied: bool = True) -> None:
        self.lines = lines
        self.steadied = steadied

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file, if there is one; a last line that an interrupted run left unfinished does not count."""
        lines = []
        if path.exists():
            for text in path.read_text(encoding="utf-8").splitlines():
                try:
                    lines.append(json.loads(text))
                except ValueError:
                    continue
        return cls(lines)

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        """Give the records of a kind."""
        return [line for line in self.lines if line["kind"] == kind]

    @cached_property
    def studies(self) -> dict[str, Mapping[str, Any]]:
        """Studies by name; the first record of each holds, so that cells and goal stay the same over all runs."""
        found: dict[str, Mapping[str, Any]] = {}
        for line in self.of("study"):
            found.setdefault(_name(line), line)
        return found

    def has(self, name: str) -> bool:
        """Whether the study was begun."""
        return name in self.studies

    def study(self, name: str) -> Mapping[str, Any] | None:
        """Give the record of a study."""
        return self.studies.get(name)

    @staticmethod
    def undisturbed(sweep: Mapping[str, Any]) -> list[Probe]:
        """Give the probes of a sweep that count."""
        return [probe_of(found) for found in sweep["probes"] if not disturbed(found)]

    def slowness(self, sweep: Mapping[str, Any]) -> float:
        """How much more CPU time a request cost in a sweep than the plan assumes.

        A virtual machine does not get the same CPU at all times, and its steal time shows only a part of that. What a
        request costs hardly depends on the layout (`cost_of_more_slots`), so what differs is the machine. That it
        costs less under uWSGI is uWSGI's merit, and stays.
        """
        name, server = _name(sweep), sweep["cell"]["server"]
        usual = self._costs[name]
        expected = self.studies[name]["measured"]["cpu_ms"] * usual[server] / usual.get("gunicorn", usual[server])
        return cost_of(sweep) / expected

    @cached_property
    def _costs(self) -> dict[str, dict[str, float]]:
        """The median cost of a request by study and server."""
        seen: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for sweep in self.of("sweep"):
            seen[_name(sweep)][sweep["cell"]["server"]].append(cost_of(sweep))
        return {name: {server: statistics.median(costs) for server, costs in of.items()} for name, of in seen.items()}

    def good(self, sweep: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Give the probes of a sweep that count and met the goal."""
        goal = self.studies[_name(sweep)]["goal_ms"]
        return [found for found in sweep["probes"] if not disturbed(found) and probe_of(found).level(goal) <= 0]

    @cached_property
    def _rates(self) -> dict[str, dict[Cell, dict[int, float]]]:
        found: dict[str, dict[Cell, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
        for sweep in self.of("sweep"):
            name, probes = _name(sweep), self.undisturbed(sweep)
            goal = self.studies[name]["goal_ms"]
            # Without those that do not count, a search may have lost its good or its bad end.
            ends = {probe.level(goal) > 0 for probe in probes}
            if ends == {False, True} or len(probes) == len(sweep["probes"]) > 0:
                rate = sustained(probes, goal) * (self.slowness(sweep) if self.steadied else 1)
                found[name][Cell(**sweep["cell"])][sweep["repeat"]] = rate
        return found

    @property
    def as_measured(self) -> Self:
        """The same without correction for how fast the machine was."""
        return type(self)(self.lines, steadied=False)

    def cost_of_more_slots(self) -> Line:
        """Fit what a request costs to the slots: its logarithm to theirs (base 2), around the means of studies."""
        points = []
        for name in self.studies:
            mine = [
                (math.log2(Cell(**sweep["cell"]).slots), math.log(cost_of(sweep)))
                for sweep in self.of("sweep")
                if _name(sweep) == name and sweep["cell"]["server"] == "gunicorn" and not failed(sweep)
            ]
            means = [statistics.fmean(column) for column in zip(*mine, strict=True)]
            points += [(slots - means[0], cost - means[1]) for slots, cost in mine]
        return fit_line(points)

    def rates(self, name: str) -> dict[Cell, dict[int, float]]:
        """Give the sustained rates of a study's cells by repeat, without what was disturbed."""
        return self._rates.get(name, {})

    def repeats(self, name: str) -> int:
        """Count the repeats that a study has of its plan."""
        known = self.study(name)
        return len(self.rates(name).get(Cell(**known["fixed"]["plan"]), {})) if known else 0

    def unsteadiness(self, name: str) -> float:
        """How much more CPU time the same requests cost the plan in its slowest repeat than in its fastest."""
        plan = self.studies[name]["fixed"]["plan"]
        costs = [
            cost_of(sweep)
            for sweep in self.of("sweep")
            if _name(sweep) == name and sweep["cell"] == plan and self.undisturbed(sweep)
        ]
        return max(costs) / min(costs) - 1

    @property
    def discarded(self) -> int:
        """Count the sweeps that do not count."""
        counted = sum(len(repeats) for cells in self._rates.values() for repeats in cells.values())
        return len(self.of("sweep")) - counted

    @staticmethod
    def last(path: Path) -> str:
        """Say in a line what the last sweep found."""
        sweep = Results.read(path).of("sweep")[-1]
        probes = ", ".join(
            f"{found['rate']:.0f}/s {'gave up' if found['gave_up'] else format(found['p99_ms'], '.0f') + ' ms'}"
            + (f" {found['errors']}" if found["errors"] else "")
            for found in sweep["probes"]
        )
        first = sweep["probes"][0]
        return (
            f"{Cell(**sweep['cell']).name}: {sweep['sustained']:.1f}/s  (p99: {probes}; "
            f"{first['cpu_per_request_ms']:.1f} ms CPU a request, client {first['cpu']:.0%} of a CPU, others "
            f"{first['foreign']:.0%}, steal {first['steal']:.0%})"
        )


def _name(line: Mapping[str, Any]) -> str:
    return study_name(line["mix"], line["cpus"])


def findings(results: Results) -> list[Finding]:
    """Give the results of every study, as far as its repeats allow."""
    found = []
    for name, study in results.studies.items():
        rates = results.rates(name)
        fixed = {role: Cell(**cell) for role, cell in study["fixed"].items()}
        plan = fixed["plan"]
        if plan not in rates or not any(rates[plan].values()):
            continue
        repeats = sorted(rates[plan])
        chosen = choose_oracle(rates, plan, [plan, *(Cell(**cell) for cell in study["contenders"])])
        oracle, scoring = chosen or (None, [])
        rules = {role: ratio(rates, cell, plan, repeats) for role, cell in fixed.items() if role != "plan"}
        found.append(
            Finding(
                mix=study["mix"],
                cpus=study["cpus"],
                study=study,
                plan=plan,
                rate=statistics.median(rates[plan].values()),
                repeats=len(repeats),
                oracle=oracle,
                oracle_rate=statistics.median(rates[oracle].values()) if oracle in rates else 0.0,
                plan_over_oracle=ratio(rates, plan, oracle, scoring) if oracle else None,
                rules={role: estimate for role, estimate in rules.items() if estimate},
            )
        )
    return sorted(found, key=lambda finding: (finding.cpus, finding.mix))


def _percent(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    if estimate.count == 1:
        return f"{estimate.value:.0%}"
    return f"{estimate.value:.0%} ({estimate.low:.0%} to {estimate.high:.0%})"


def _regret(finding: Finding) -> str:
    if finding.regret is None or finding.plan_over_oracle is None:
        return "not yet"
    if finding.oracle == finding.plan:
        return "0 %: it was the best"
    ratio_ = finding.plan_over_oracle
    if ratio_.count == 1:
        return f"{100 * finding.regret:.0f} % (one repeat)"
    doubt = "" if ratio_.differs_from_one else ", no difference"
    return f"{100 * finding.regret:.0f} % ({100 * (1 - ratio_.high):.0f} to {100 * (1 - ratio_.low):.0f}{doubt})"


def _rows(found: Iterable[Finding]) -> list[list[str]]:
    return [
        [
            f"{finding.cpus:g}",
            finding.mix,
            finding.plan.name,
            f"{finding.rate:.1f}",
            f"{100 * finding.prediction_error:+.0f} %",
            f"{finding.oracle.name}: {finding.oracle_rate:.1f}" if finding.oracle else "-",
            _regret(finding),
            *(
                "the plan" if finding.cell(role) == finding.plan else _percent(finding.rules.get(role))
                for role in RULES
            ),
            str(finding.repeats),
        ]
        for finding in found
    ]


def _server_rows(results: Results, found: Iterable[Finding]) -> list[list[str]]:
    rows = []
    for finding in found:
        for role in PLANS:
            cell = finding.cell(role)
            rates = results.rates(_name(finding.study)).get(cell) if cell else None
            if cell is None or not rates:
                continue
            sweeps = [
                sweep
                for sweep in results.of("sweep")
                if _name(sweep) == _name(finding.study) and Cell(**sweep["cell"]) == cell
            ]
            best = [max(good, key=lambda probe: probe["rate"]) for sweep in sweeps if (good := results.good(sweep))]
            p50, p95 = (statistics.median(probe[name] for probe in best) for name in ("p50_ms", "p95_ms"))
            cost = statistics.median(cost_of(sweep) / results.slowness(sweep) for sweep in sweeps)
            rate = statistics.median(rates.values())
            rows.append(
                [f"{finding.cpus:g}", finding.mix, cell.name, f"{rate:.1f}", f"{cost:.1f}", f"{p50:.0f} / {p95:.0f}"]
            )
    return rows


SERVER_HEADINGS = ["CPUs", "mix", "server", "sustains /s", "CPU ms of a request", "p50 / p95 ms"]

HEADINGS = [
    "CPUs",
    "mix",
    "plan",
    "sustains /s",
    "prediction",
    "best layout",
    "regret",
    *RULES.values(),
    "repeats",
]


def _overall(found: Sequence[Finding]) -> list[str]:
    regrets = [0.0 if f.oracle == f.plan else f.regret for f in found if f.regret is not None]
    lines = []
    if regrets:
        lines.append(
            f"Regret of the plan: median {100 * statistics.median(regrets):.0f} %, worst {100 * max(regrets):.0f} %, "
            f"over {len(regrets)} studies."
        )
    for where, mine in (("its own CPU", True), ("CPUs shared with database and client", False)):
        errors = [abs(f.prediction_error) for f in found if (f.cpus <= 1) is mine]
        if errors:
            lines.append(
                f"Predicted rate within the goal, on {where}: off by {100 * statistics.median(errors):.0f} % in the "
                f"median, {100 * max(errors):.0f} % at worst, over {len(errors)} studies."
            )
    for role, title in RULES.items():
        values = [f.rules[role].value for f in found if role in f.rules]
        if values:
            lines.append(f"{title}: {statistics.median(values):.0%} of the plan's rate in the median.")
    return lines


def summary(results: Results) -> str:
    """Lay out for a terminal what is known so far."""
    found = findings(results)
    if not found:
        return f"\nAll of {len(results.of('sweep'))} sweeps were disturbed: this machine is busy with something else."
    rows = [HEADINGS, *_rows(found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    as_measured = ["", "Without correction for how fast the machine was:", *_overall(findings(results.as_measured))]
    discarded = f"Sweeps that were disturbed: {results.discarded}."
    return "\n".join(["", *lines, "", *_overall(found), *as_measured, "", discarded])


# -- The document --------------------------------------------------------------------------------------------------


def write_report(results: Results, docs: Path) -> None:
    """Write the document and its picture. Raises SystemExit while there is nothing to write of."""
    found = findings(results)
    if not found:
        raise SystemExit("There are no results yet: run `make bench-sizing` first.")
    (docs / "images").mkdir(exist_ok=True)
    _draw(found, docs / "images" / "sizing-benchmark.svg")
    (docs / "sizing-benchmark.md").write_text(_document(results, found), encoding="utf-8")
    print(f"{docs}/sizing-benchmark.md, {docs}/images/sizing-benchmark.svg")


def _without_row(results: Results, found: Sequence[Finding]) -> str:
    missing = sorted(set(results.studies) - {_name(finding.study) for finding in found})
    if not missing:
        return ""
    return f"""
No row for {", ".join(missing)}: near the plan's limit no probe counted. Where site, database and client share the CPUs,
the client is late as soon as the site takes all of them.
"""


def _document(results: Results, found: Sequence[Finding]) -> str:
    machine = results.of("machine")[-1]
    software = results.of("software")[-1]
    dates = sorted({line["run"][:10] for line in results.of("sweep")})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    sweeps = results.of("sweep")
    clients = [probe["cpu"] for sweep in sweeps for probe in sweep["probes"]]
    more = results.cost_of_more_slots()
    unsteady = [results.unsteadiness(_name(finding.study)) for finding in found]
    uwsgi = f", uWSGI {software['uwsgi']}" if software["uwsgi"] else ""
    names = sorted({finding.mix for finding in found})
    mixes = [[name, MIXES[name].title, STANDS_FOR[name]] for name in names]
    shared = SHARED if any(finding.cpus > 1 for finding in found) else ""
    return f"""# The sizing benchmark

Written by `make bench-sizing-report` from what `make bench-sizing` measured; do not edit it.

Measured {when} on {machine["count"]} x {machine["cpu"]}, Linux {machine["kernel"]}:
Python {software["python"]}, Django {software["django"]}, gunicorn {software["gunicorn"]}{uwsgi},
nginx {software["nginx"]}, PostgreSQL {software["postgresql"]}.

![Sustained rate of each layout, relative to the plan](images/sizing-benchmark.svg)

{_table(HEADINGS, _rows(found))}
{_without_row(results, found)}
{_lines("- " + line for line in _overall(found))}

## gunicorn and uWSGI

Both as the plan has them. The response times are those at the largest rate that was still good.

{_table(SERVER_HEADINGS, _server_rows(results, found))}

## How to read it

A layout *sustains* a rate if 99 % of the answers come within three times the 99th percentile of an idle server,
with fewer than one error in a thousand and without a queue that grows, while requests arrive at random. *Prediction*
compares the model's `rps_at_slo` with that. *Regret* is the part of the best layout's rate that the plan gives away;
the best layout is that of the plan and its contenders, chosen on the first two repeats and scored on the others, so
that luck is not taken for merit. The rules of thumb have their own columns: rates relative to the plan's, in the same
repeats. Intervals are 95 %, by bootstrap over the repeats; "no difference" means that the interval holds 1.
{RULES_NEED};
the plan sets it to the number of threads.

{_table(["mix", "a request", "stands for"], mixes)}

Times are exponentially distributed around these means, those of f are exactly these. Computing is the rendering of
Django templates, always the same amount of it; Django itself and the queries come on top. Waiting is `pg_sleep` in
PostgreSQL where the mix says queries, and otherwise a sleep that stands for another service. In mix h the role of
the site may open {DB_BUDGET} connections, and the plan gets twice as many, since a deploy needs them twice;
layouts with more threads than connections answer with errors and sustain nothing.

## How it was measured

The example site was deployed to a lab host by `pitcrew.django.deploy`, its database to another. Per cell only the
slot's `gunicorn.conf.py` was changed and its unit restarted (uWSGI ran in the same unit, by HTTP). The CPU and waiting
time of a request were measured as [Sizing](sizing.md), section 11 advises, and the plan was made from these, on a host
with memory for every layout. On hosts of up to one CPU the site had a CPU for itself, and the database and the
client ran on the other.
{shared}
Every repeat visited all cells in another order, with the same requests at the same moments relative to the rate. A
probe did not count if more than {MOST_STEAL:.0%} of the time was stolen from the machine, if others used more than
{MOST_FOREIGN:.0%} of the site's CPUs, or if the client was more than {MOST_LAG_MS:.0f} ms late. Of {len(sweeps)}
sweeps, {results.discarded} did not count at all. The client took {statistics.median(clients):.0%} of a CPU in the
median.

The machine was not steady, as virtual ones are not: the same requests cost the plan's server
{statistics.median(unsteady):.0%} more CPU time in its slowest repeat than in its fastest in the median,
{max(unsteady):.0%} at worst. The layout has no part in that: twice the slots cost {100 * more.slope:+.1f} %, within
{100 * more.half_width:.1f} %, over {more.count} sweeps of gunicorn. Rates are therefore given as if a request had
always cost what the plan assumes: the measured rate, times the measured cost of a request, over the assumed cost. As it
was measured:

{_lines("- " + line for line in _overall(findings(results.as_measured)))}

What this does not show: machines with more CPUs, disks and networks, and sites whose requests differ more than these.

## Do it again

    make bench-sizing               # adds to .cache/bench-sizing/results.jsonl
    make bench-sizing MINUTES=60    # what fits into an hour; the next run goes on from there
    make bench-sizing-report        # this document, from these results

What this page is made of is in [sizing-benchmark.jsonl](sizing-benchmark.jsonl): every sweep with its probes.
`MEASUREMENTS=docs/sizing-benchmark.jsonl` lets the commands add to it and read it, on the same machine.
"""


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return _lines("| " + " | ".join(row) + " |" for row in (headings, ["---"] * len(headings), *rows))


SHARED = """
With two CPUs, the site shared both with its database and with the client of the test. Those rows compare layouts with
each other, since all suffered alike, but their rates are lower than those of a host of its own, and so the
predictions look too high there.
"""

STANDS_FOR = {
    "a": "reports, image work",
    "b": "pages with some quick queries",
    "c": "a call to a fast service",
    "d": "a call to a slow service",
    "f": "mostly quick pages, some slow ones",
    "h": "slow queries, few connections",
}


def _draw(found: Sequence[Finding], path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot
    from matplotlib.ticker import PercentFormatter

    matplotlib.rcParams.update({"svg.hashsalt": "pitcrew", "svg.fonttype": "none", "font.size": 9})
    marks = {
        "two_n_plus_one": ("s", "#b3471d"),
        "two_n_plus_one_threads_4": ("^", "#c99700"),
        "one_worker": ("x", "#666666"),
        "uwsgi": ("D", "#3b7d3b"),
    }
    labelled: set[str] = set()
    shapes = sorted({finding.cpus for finding in found})
    figure, axes = pyplot.subplots(
        len(shapes), 1, figsize=(8, 1.0 + 0.42 * len(found) + 0.5 * len(shapes)), sharex=True, squeeze=False,
        gridspec_kw={"height_ratios": [sum(f.cpus == cpus for f in found) for cpus in shapes]},
    )  # fmt: skip
    for axis, cpus in zip(axes[:, 0], shapes, strict=True):
        mine = [finding for finding in found if finding.cpus == cpus][::-1]
        axis.axvline(1, color="#1f5fa8", linewidth=2, label="the plan" if cpus == shapes[0] else None)
        for row, finding in enumerate(mine):
            points = [(role, finding.rules[role], *marks[role]) for role in RULES if role in finding.rules]
            if finding.plan_over_oracle and finding.oracle != finding.plan and finding.plan_over_oracle.low > 0:
                best = finding.plan_over_oracle
                inverse = Estimate(1 / best.value, 1 / best.high, 1 / best.low, best.count)
                points.append(("best", inverse, "o", "#1f5fa8"))
            for role, estimate, mark, colour in points:
                label = None if role in labelled else RULES.get(role, "best layout found")
                labelled.add(role)
                axis.plot([estimate.low, estimate.high], [row, row], color=colour, linewidth=1)
                axis.plot([estimate.value], [row], mark, color=colour, markersize=6, linestyle="none", label=label)
        axis.set_yticks(range(len(mine)), [f"{f.mix}: {MIXES[f.mix].title}" for f in mine])
        axis.set_ylim(-0.6, len(mine) - 0.4)
        axis.set_title(f"{cpus:g} CPU", loc="left", fontweight="bold")
        axis.grid(axis="x", color="#dddddd")
        axis.spines[["top", "right", "left"]].set_visible(False)
    axes[-1, 0].set_xlim(left=0)
    axes[-1, 0].xaxis.set_major_formatter(PercentFormatter(1))
    axes[-1, 0].set_xlabel("requests/s sustained, relative to the plan (95 % intervals)")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.set_layout_engine("constrained")
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
