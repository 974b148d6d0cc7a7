# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a host and what is said of the site to one consistent plan."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

from . import settings
from .cautions import cautions
from .inputs import Host, Inputs
from .queueing import Layout
from .site import Site
from .wording import explain, refuse

__all__ = ["Alternative", "Capacity", "Memory", "Plan", "PlannedHost", "make_plan"]

MEMORY_HIGH: Final = 1.1
MEMORY_MAX: Final = 1.3
RSS: Final = 1.5
"""How far above its expected memory a generation is throttled, is stopped, and a worker is replaced."""


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
    """What the plan used of the host, of how much, and who said so."""

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
    """The whole answer, for asdict() to make a template's mapping of; `inputs` is what it was made from."""

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
    systemd: settings.Systemd
    database: settings.Database
    nginx: settings.Nginx
    gunicorn: dict[str, Any]
    uwsgi: dict[str, Any]
    host: PlannedHost
    unpinned: Alternative | None
    inputs: dict[str, Any]


def make_plan(host: Host, inputs: Inputs) -> Plan:
    """Plan a site on a host. Raises SizingError where not even one worker fits, or a pin does not."""
    site = Site(host, inputs)
    layout, overlap = site.layout()
    if layout is None:
        raise refuse(site, overlap)
    unpinned = site.free.layout()[0] if site.is_pinned else None
    factor = site.limiting_factor(layout, overlap)
    demand = settings.demand(site.system(layout), inputs)
    backlog = settings.backlog(inputs, demand.saturation_rps, site.somaxconn)
    gunicorn, uwsgi = _server(site, demand, backlog)
    capacity = _capacity(site, layout)
    return Plan(
        server=inputs.server,
        policy=inputs.policy,
        worker_class=settings.worker_class(inputs, layout),
        workers=layout.processes,
        threads=settings.threads(inputs, layout),
        concurrency=layout.slots,
        concurrency_wanted=site.wanted_slots,
        wait_cpu_ratio=round(site.work.wait_cpu_ratio, 3),
        limiting_factor=factor,
        explanation=explain(site, layout, overlap, factor, unpinned),
        warnings=list(cautions(site, layout, overlap, unpinned)),
        input_source=inputs.source,
        kept_running=(layout.processes, layout.threads) == (inputs.running_workers, inputs.running_threads),
        capacity=capacity,
        memory=_memory(site, layout, overlap),
        systemd=_systemd(site, layout, overlap, backlog),
        database=settings.database(inputs, layout, overlap, site.db_slots(overlap)),
        nginx=settings.nginx(inputs, demand, host, backlog),
        gunicorn=gunicorn,
        uwsgi=uwsgi,
        host=_planned_host(site),
        unpinned=_alternative(site, capacity, unpinned) if unpinned else None,
        inputs=asdict(inputs),
    )


def _capacity(site: Site, layout: Layout) -> Capacity:
    system = site.system(layout)
    target = site.inputs.target_utilisation * system.saturation_rps
    response = system.response(target)
    return Capacity(
        rps_saturation=round(system.saturation_rps, 1),
        rps_at_target=round(target, 1),
        target_utilisation=site.inputs.target_utilisation,
        mean_ms=round(response.mean_ms, 1),
        p50_ms=round(response.p50_ms, 1),
        p95_ms=round(response.p95_ms, 1),
        p99_ms=round(response.p99_ms, 1),
        slo_p99_ms=round(site.slo_p99_ms, 1),
        rps_at_slo=round(system.rps_within(site.slo_p99_ms), 1),
    )


def _alternative(site: Site, capacity: Capacity, unpinned: Layout) -> Alternative:
    best = _capacity(site, unpinned)
    cost = 1 - capacity.rps_at_slo / best.rps_at_slo if best.rps_at_slo else 0.0
    return Alternative(
        workers=unpinned.processes,
        threads=settings.threads(site.inputs, unpinned),
        rps_saturation=best.rps_saturation,
        p99_ms=best.p99_ms,
        rps_at_slo=best.rps_at_slo,
        cost_percent=round(100 * cost, 1),
    )


def _memory(site: Site, layout: Layout, overlap: float) -> Memory:
    steady = site.footprint.of(layout)
    return Memory(
        worker_mb=round(site.footprint.worker_with_mb(layout.threads), 1),
        steady_mb=round(steady, 1),
        reload_peak_mb=round(overlap * steady, 1),
        available_mb=round(site.available_mb, 1),
        reserve_mb=round(site.reserve_mb, 1),
        reload_overlap=overlap,
        overlap_given_up=overlap < site.inputs.reload_overlap,
    )


def _systemd(site: Site, layout: Layout, overlap: float, backlog: int) -> settings.Systemd:
    """Limit the unit of a slot.

    The memory limits catch a runaway; they must not punish an estimate. So a slot may always use its part of
    the memory, even where the plan expects far less, and eat into half (a quarter) of the reserve, but no
    further.
    """
    expected = overlap * site.footprint.of(layout)
    part = site.available_mb / overlap
    high = max(MEMORY_HIGH * expected, part)
    most = max(MEMORY_MAX * expected, MEMORY_MAX / MEMORY_HIGH * part)
    return settings.Systemd(
        memory_high_mb=math.floor(min(high, site.memory_beyond(site.reserve_mb / 2))),
        memory_max_mb=math.floor(min(most, site.memory_beyond(site.reserve_mb / 4))),
        tasks_max=settings.tasks_max(site.inputs, layout),
        limit_nofile=settings.limit_nofile(layout, backlog, site.host.nofile_max),
        timeout_start_s=settings.timeout_start_s(site.inputs),
        timeout_stop_s=settings.timeout_stop_s(site.inputs),
        backlog=backlog,
    )


def _server(site: Site, demand: settings.Demand, backlog: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of gunicorn and of uWSGI; one of the two is empty."""
    if site.inputs.server == "gunicorn":
        return asdict(settings.gunicorn(site.inputs, demand, backlog)), {}
    rss_mb = site.inputs.worker_shared_mb + RSS * site.footprint.worker_with_mb(demand.layout.threads)
    return {}, settings.uwsgi(site.inputs, demand, backlog, rss_mb)


def _planned_host(site: Site) -> PlannedHost:
    return PlannedHost(
        cpus=round(site.cpus, 3),
        memory_mb=round(site.host.memory_mb * site.inputs.capacity_share, 1),
        cpus_total=site.host.cpus,
        memory_total_mb=site.host.memory_mb,
        cpus_source=site.host.cpus_source,
        memory_source=site.host.memory_source,
        somaxconn=site.somaxconn,
    )
