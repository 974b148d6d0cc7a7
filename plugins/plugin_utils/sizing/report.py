# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as text: what, why, what the common rules would have given, and what would serve more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from ..text import wrapped
from .background import Background, Unit
from .inputs import Host, Inputs, SizingError
from .planning import Plan, make_plan
from .policies import RULES
from .site import Site
from .wording import count, grant, mb, ms, per_second, rate, service_sums

__all__ = ["report", "summary"]

LABEL: Final = max(len(rule.label) for rule in RULES.values())
MARGIN: Final = 12
"""Where the facts of a plan begin, behind their names."""

DURING: Final = "during a deploy"

WORTH_SAYING: Final = 1.05
"""A change is listed if it serves 5 % more at least."""


def report(planned: Mapping[str, Any], notes: Sequence[str] = ()) -> str:
    """Write a plan, as returned by the filter capacity_plan, as text, with notes after its warnings.

    Raises SizingError for anything else than a plan.
    """
    case = _case_of(planned)
    sections = (_facts(case), _processes(case), _rules(case), _changes(case), _notes([*case.plan.warnings, *notes]))
    return "\n\n".join("\n".join(lines) for lines in map(list, sections) if lines) + "\n"


def summary(planned: Mapping[str, Any], notes: Sequence[str] = ()) -> str:
    """Write what is planned, what limits it, and the notes. Raises SizingError for anything else than a plan."""
    case = _case_of(planned)
    plan = case.plan
    facts = [
        _fact("why", plan.explanation),
        *_services(case),
        *_summed_processes(case),
        *(_fact("note", note) for note in (*plan.warnings, *notes)),
    ]
    return "\n".join([_layout(plan), *facts]) + "\n"


@dataclass(frozen=True)
class _Case:
    """A plan with its host and inputs, from which other plans can be made."""

    host: Host
    inputs: Inputs
    plan: Plan


def _case_of(planned: Mapping[str, Any]) -> _Case:
    """Plan again from the inputs that the plan contains; the model is a pure function."""
    try:
        host, values = planned["host"], planned["inputs"]
        numbers = {
            "cpus": host["cpus_total"],
            "memory_mb": host["memory_total_mb"],
            "somaxconn": host["somaxconn"],
        }
        found, inputs = Host.of(numbers, host["cpus_source"], host["memory_source"]), Inputs.of(values)
        return _Case(found, inputs, make_plan(found, inputs))
    except (KeyError, TypeError, AttributeError):
        raise SizingError("plan", "expected the result of capacity_plan, whole and unchanged") from None


def _shape(plan: Plan) -> str:
    return f"{plan.workers} x {plan.threads}"


def _number(milliseconds: float) -> str:
    return ms(milliseconds).removesuffix(" ms")


def _fact(name: str, *sentences: str) -> str:
    margin = " " * MARGIN
    label = f"  {name}".ljust(MARGIN)
    return "\n".join(wrapped(sentence, label if sentence is sentences[0] else margin, margin) for sentence in sentences)


def _layout(plan: Plan) -> str:
    workers = count(plan.workers, "worker")
    threads = f" x {plan.threads} threads" if plan.threads > 1 else ""
    # How many more the CPUs could use is among the reasons.
    return f"{plan.server} {plan.worker_class}: {workers}{threads}, {count(plan.concurrency, 'request')} at a time"


def _services(case: _Case) -> Iterator[str]:
    """Yield what the site's services on this host take; nothing if it has none."""
    site = Site(case.host, case.inputs)
    sums = [f"{service} {terms}" for service, terms in service_sums(site).items()]
    if grant(site):
        sums.append(f"{count(site.db_connections or 0, 'connection')} to PostgreSQL: {grant(site)}")
    if sums:
        yield _fact("services", *sums)


def _summed_processes(case: _Case) -> Iterator[str]:
    """Yield what all background processes take; nothing if the site has none."""
    site = Site(case.host, case.inputs)
    background, overlap = site.background, case.plan.memory.reload_overlap
    if not background.units:
        return
    names = ", ".join(f"{unit.load.name} {_tasks(unit)}" for unit in background.units)
    whole = f"{mb(background.memory_mb)} and {count(background.connections_during(1), 'connection')}"
    during = f"{mb(background.memory_during(overlap))} and {background.connections_during(overlap)} during a deploy"
    yield _fact(
        "processes",
        f"tasks at a time: {names}{_chosen(background)}",
        f"{whole}, {during}" if overlap > 1 else whole,
        f"{100 * case.inputs.processes_cpu_share:g} % of the CPUs while requests want them, too",
    )


def _processes(case: _Case) -> Iterator[str]:
    """Yield what each background process takes, and all of them together; nothing if the site has none."""
    background, overlap = Site(case.host, case.inputs).background, case.plan.memory.reload_overlap
    if not background.units:
        return
    width = max(len(DURING), *(len(unit.load.name) for unit in background.units))

    def row(name: str, tasks: str, memory_mb: float, connections: int, remark: str = "") -> str:
        return f"  {name:<{width}}{tasks:>14}{mb(memory_mb):>11}{connections:>6}{remark}"

    yield "Background processes: tasks at a time, memory, database connections"
    for unit in background.units:
        times, remark = unit.load.count, "  one only" if unit.load.single else ""
        tasks = f"{_tasks(unit)} {'*' if _is_chosen(unit) else ' '}"
        yield row(unit.load.name, tasks, times * unit.memory_mb, times * unit.connections, remark)
    yield row("together", "", background.memory_mb, background.connections_during(1))
    if overlap > 1:
        yield row(DURING, "", background.memory_during(overlap), background.connections_during(overlap))
    yield f"  They have {100 * case.inputs.processes_cpu_share:g} % of the CPUs while requests want them, too."
    if any(map(_is_chosen, background.units)):
        yield "  * chosen by the plan"


def _tasks(unit: Unit) -> str:
    """Write units x processes x threads, without factors of one."""
    numbers = [number for number in (unit.load.count, unit.concurrency, unit.load.threads) if number > 1]
    return " x ".join(map(str, numbers or [1]))


def _is_chosen(unit: Unit) -> bool:
    return not unit.load.concurrency and unit.load.kind != "one"


def _chosen(background: Background) -> str:
    names = [unit.load.name for unit in background.units if _is_chosen(unit)]
    return f"; the plan chose those of {', '.join(names)}" if names else ""


def _facts(case: _Case) -> Iterator[str]:
    plan = case.plan
    host, capacity, memory, database = plan.host, plan.capacity, plan.memory, plan.database
    yield _layout(plan)
    yield _fact("why", plan.explanation)
    share = plan.inputs["capacity_share"]
    cpus, memory_mb = f"{host.cpus:g}", mb(host.memory_mb)
    if share < 1:
        cpus, memory_mb = f"{cpus} of {host.cpus_total:g}", f"{host.memory_mb:.0f} of {mb(host.memory_total_mb)}"
    yield _fact(
        "host",
        f"{cpus} CPU ({host.cpus_source}), {memory_mb} of memory ({host.memory_source})"
        + (f": capacity_share is {share:g}" if share < 1 else ""),
    )
    yield _fact(
        "serves",
        f"{rate(capacity.rps_at_slo)} with p99 within {ms(capacity.slo_p99_ms)}",
        f"{rate(capacity.rps_saturation)} at most; at {100 * capacity.target_utilisation:.0f} %: "
        f"mean {_number(capacity.mean_ms)}, p95 {_number(capacity.p95_ms)}, p99 {ms(capacity.p99_ms)}",
    )
    during = f" ({memory.reload_peak_mb:.0f} during a deploy)" if memory.reload_overlap > 1 else ""
    yield _fact(
        "memory",
        f"{memory.steady_mb:.0f} of {mb(memory.available_mb)}{during}; the system keeps {mb(memory.reserve_mb)}",
    )
    connections = count(database.connections_max, "connection")
    yield _fact("database", f"{connections}, {database.connections_during_deploy} during a deploy")
    yield from _services(case)
    yield _fact("times", _origin(plan))


def _origin(plan: Plan) -> str:
    profile = plan.inputs["profile"]
    if plan.input_source == "inputs":
        return "cpu_ms and wait_ms as set"
    if plan.input_source == "profile and inputs":
        given, assumed = ("cpu_ms", "wait_ms") if plan.inputs["wait_ms"] is None else ("wait_ms", "cpu_ms")
        return f"{given} as set, {assumed} from profile {profile}: measure it before you trust the rates"
    return f"profile {profile}: measure cpu_ms and wait_ms before you trust the rates"


def _rules(case: _Case) -> Iterator[str]:
    """Yield what each rule of thumb would choose here, clipped to what fits, and what it would serve."""
    plan, inputs = case.plan, case.inputs.free
    free = make_plan(case.host, inputs) if case.inputs.is_pinned else plan
    slo = f"p99 within {ms(plan.capacity.slo_p99_ms)}"
    yield f"Common rules on this host: layout, requests/s with {slo}"
    rows = [("the model", free)]
    if plan != free and plan.policy == "model":
        rows.append(("this plan", plan))
    for name, rule in RULES.items():
        # One worker fits twice where two do not, and then the database may have too few connections for both.
        with suppress(SizingError):
            rows.append((rule.label, make_plan(case.host, replace(inputs, policy=name))))
    best = free.capacity.rps_at_slo
    for label, row in rows:
        percent = round(100 * (row.capacity.rps_at_slo / best - 1)) if best else 0
        change = "" if row is free or not best else f"{percent:+8d} %" if percent else f"{0:8} %"
        yield f"  {label:<{LABEL}}{_shape(row):>9}  {per_second(row.capacity.rps_at_slo):>10}{change}"
    yield "  Each is cut to what fits here. A thread accepts no more than it can serve."


def _changes(case: _Case) -> Iterator[str]:
    """Yield the single changes that would serve more, the best first."""
    found = [
        (changed.capacity.rps_at_slo, f"  {label}: {_shape(changed)}, {rate(changed.capacity.rps_at_slo)}")
        for label, changed in _changed(case)
        if changed.capacity.rps_at_slo >= WORTH_SAYING * case.plan.capacity.rps_at_slo
    ]
    if found:
        yield "What would serve more"
        for _rps, line in sorted(found, key=lambda item: -item[0]):
            yield line


def _changed(case: _Case) -> Iterator[tuple[str, Plan]]:
    """Yield each change with its plan, if there is one: more memory may call for connections that there are not."""
    for label, host, inputs in _single_changes(case):
        with suppress(SizingError):
            yield label, make_plan(host, inputs)


def _single_changes(case: _Case) -> Iterator[tuple[str, Host, Inputs]]:
    """Yield each change; background processes stay as they are, for it is requests that are compared."""
    host, background = case.host, Site(case.host, case.inputs).background
    inputs = replace(case.inputs, slo_p99_ms=case.plan.capacity.slo_p99_ms, processes=background.as_chosen)
    yield f"{2 * host.cpus:g} CPU instead of {host.cpus:g}", replace(host, cpus=2 * host.cpus), inputs
    more = replace(host, memory_mb=2 * host.memory_mb)
    yield f"{mb(more.memory_mb)} of memory instead of {mb(host.memory_mb)}", more, inputs
    connections = Site(host, inputs).db_connections
    if connections:
        doubled = 2 * connections
        yield f"db_connections={doubled} instead of {connections}", host, replace(inputs, db_connections=doubled)
    if not inputs.thread_safe:
        yield "thread_safe=true, once the code is", host, replace(inputs, thread_safe=True)
    if inputs.is_pinned:
        yield "nothing pinned", host, inputs.free


def _notes(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield "Note"
        for note in notes:
            yield wrapped(note, "  ", "    ")
