# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a host and the inputs for a site to one consistent plan."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from .background import PlannedBackground, PlannedProcess, command_mb, planned
from .cautions import cautions
from .choice import Choice, choose
from .explanation import explain, limiting_factor
from .inputs import Host, Inputs, SizingError
from .settings import Database, Nginx, Systemd, settings_of
from .site import Site

__all__ = ["Alternative", "Capacity", "Memory", "Plan", "PlanWithProcesses", "PlannedHost", "as_mapping", "make_plan"]


@dataclass(frozen=True)
class Capacity:
    """What the model predicts; the times are those at `rps_at_target`."""

    rps_saturation: float
    rps_at_target: float
    target_utilisation: float
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    slo_p99_ms: float
    rps_at_slo: float


@dataclass(frozen=True)
class Memory:
    """One worker, one generation, and all generations that exist side by side during a deploy."""

    worker_mb: float
    steady_mb: float
    reload_peak_mb: float
    available_mb: float
    reserve_mb: float
    reload_overlap: float
    overlap_given_up: bool


@dataclass(frozen=True)
class PlannedHost:
    """What the plan uses of the host, out of how much, and where the numbers come from."""

    cpus: float
    memory_mb: float
    cpus_total: float
    memory_total_mb: float
    cpus_source: str
    memory_source: str
    somaxconn: int


@dataclass(frozen=True)
class Alternative:
    """What the model would choose if nothing were pinned, and how much less the pin or the rule serves."""

    workers: int
    threads: int
    rps_saturation: float
    p99_ms: float
    rps_at_slo: float
    cost_percent: float


@dataclass(frozen=True)
class Plan:
    """The whole plan. Templates get it as a mapping, by asdict(); `inputs` are all inputs that it was made from."""

    server: str
    policy: str
    worker_class: str
    workers: int
    threads: int
    concurrency: int
    concurrency_wanted: int
    wait_cpu_ratio: float
    limiting_factor: str
    explanation: str
    warnings: list[str]
    input_source: str
    kept_running: bool
    capacity: Capacity
    memory: Memory
    systemd: Systemd
    database: Database
    nginx: Nginx
    gunicorn: dict[str, Any]
    uwsgi: dict[str, Any]
    host: PlannedHost
    unpinned: Alternative | None
    inputs: dict[str, Any]


@dataclass(frozen=True)
class PlanWithProcesses(Plan):
    """The plan of a site with background processes: one unit of each, by name, and one generation of all."""

    processes: dict[str, PlannedProcess]
    background: PlannedBackground


def make_plan(host: Host, inputs: Inputs) -> Plan:
    """Plan a site on a host; with its background processes, if it has any.

    Raises SizingError where not even one worker fits, or a pin or a process does not.
    """
    site = Site(host, inputs)
    plan = _plan_requests(site)
    if not inputs.processes:
        return plan
    processes, background = planned(
        inputs,
        site.background,
        inputs.processes_cpu_share,
        high_mb=site.memory_beyond(site.reserve_mb / 2),
        most_mb=site.memory_beyond(site.reserve_mb / 4),
    )
    values = {field.name: getattr(plan, field.name) for field in fields(plan)}
    return PlanWithProcesses(**values, processes=processes, background=background)


def as_mapping(plan: Plan) -> dict[str, Any]:
    """Write a plan as templates expect it: they find `processes` and `background` in every plan."""
    nothing = {"processes": {}, "background": asdict(PlannedBackground(0.0, 0.0, 0, command_mb(plan.inputs)))}
    return {**nothing, **asdict(plan)}


def _plan_requests(site: Site) -> Plan:
    inputs = site.inputs
    choice, unpinned = choose(site), _unpinned(site)
    factor = limiting_factor(choice)
    settings = settings_of(choice)
    capacity = _capacity(choice)
    return Plan(
        server=inputs.server,
        policy=inputs.policy,
        worker_class=settings.worker_class,
        workers=choice.layout.processes,
        threads=choice.threads,
        concurrency=choice.layout.slots,
        concurrency_wanted=site.wanted_slots,
        wait_cpu_ratio=round(site.work.wait_cpu_ratio, 3),
        limiting_factor=factor,
        explanation=explain(choice, factor, unpinned),
        warnings=list(cautions(choice, settings, unpinned)),
        input_source=inputs.source,
        kept_running=choice.is_running,
        capacity=capacity,
        memory=_memory(choice),
        systemd=settings.systemd,
        database=settings.database,
        nginx=settings.nginx,
        gunicorn=asdict(settings.gunicorn) if settings.gunicorn else {},
        uwsgi=settings.uwsgi or {},
        host=_planned_host(site),
        unpinned=_alternative(capacity, unpinned) if unpinned else None,
        inputs=inputs.known,
    )


def _unpinned(site: Site) -> Choice | None:
    """Choose with nothing pinned; None if nothing is, or if it was a pin that made the layout fit."""
    if not site.inputs.is_pinned:
        return None
    try:
        return choose(site.free)
    except SizingError:
        return None


def _capacity(choice: Choice) -> Capacity:
    response = choice.response
    return Capacity(
        rps_saturation=round(choice.saturation_rps, 1),
        rps_at_target=round(choice.target_rps, 1),
        target_utilisation=choice.site.inputs.target_utilisation,
        mean_ms=round(response.mean_ms, 1),
        p50_ms=round(response.p50_ms, 1),
        p95_ms=round(response.p95_ms, 1),
        p99_ms=round(response.p99_ms, 1),
        slo_p99_ms=round(choice.site.slo_p99_ms, 1),
        rps_at_slo=round(choice.rps_at_slo, 1),
    )


def _alternative(capacity: Capacity, unpinned: Choice) -> Alternative:
    best = _capacity(unpinned)
    cost = 1 - capacity.rps_at_slo / best.rps_at_slo if best.rps_at_slo else 0.0
    return Alternative(
        workers=unpinned.layout.processes,
        threads=unpinned.threads,
        rps_saturation=best.rps_saturation,
        p99_ms=best.p99_ms,
        rps_at_slo=best.rps_at_slo,
        cost_percent=round(100 * cost, 1),
    )


def _memory(choice: Choice) -> Memory:
    background = choice.site.background
    return Memory(
        worker_mb=round(choice.worker_mb, 1),
        steady_mb=round(choice.generation_mb + background.memory_mb, 1),
        reload_peak_mb=round(choice.peak_mb + background.memory_during(choice.overlap), 1),
        available_mb=round(choice.site.available_mb, 1),
        reserve_mb=round(choice.site.reserve_mb, 1),
        reload_overlap=choice.overlap,
        overlap_given_up=choice.gives_overlap_up,
    )


def _planned_host(site: Site) -> PlannedHost:
    return PlannedHost(
        cpus=round(site.all_cpus, 3),
        memory_mb=round(site.memory_mb, 1),
        cpus_total=site.host.cpus,
        memory_total_mb=site.host.memory_mb,
        cpus_source=site.host.cpus_source,
        memory_source=site.host.memory_source,
        somaxconn=site.somaxconn,
    )
