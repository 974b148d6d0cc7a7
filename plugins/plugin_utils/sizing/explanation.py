# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bounds the throughput of a plan, and one sentence that states it with its arithmetic."""

from __future__ import annotations

import math
from dataclasses import replace

from .choice import Choice
from .layouts import CLOSE_ENOUGH, best_layout
from .queueing import Layout
from .site import Limits, Site
from .wording import beside, count, cpus_for_requests, db_sum, mb, ms, per_second, pins, rate, size

__all__ = ["explain", "limiting_factor"]


def limiting_factor(choice: Choice) -> str:
    """Name what bounds the throughput: the CPUs, or what would raise it the most by its absence."""
    site, limits, served = choice.site, choice.limits, choice.saturation_rps
    if served >= CLOSE_ENOUGH * site.system(Layout(site.wanted_slots, 1)).saturation_rps:
        return "cpu"
    without = {
        "policy" if site.required else "pinned": replace(limits, workers=None, threads=None),
        "thread_safety": replace(limits, threads_per_worker=site.inputs.max_threads),
        "db_connections": replace(limits, slots=math.inf),
        "memory": replace(limits, memory_mb=math.inf),
    }
    rates = {name: _rate_under(site, relaxed) for name, relaxed in without.items() if relaxed != limits}
    best = max(rates.values())
    if best <= served:
        return "memory" if math.isinf(limits.slots) else "db_connections"
    return next(name for name, rps in rates.items() if rps >= CLOSE_ENOUGH * best)


def _rate_under(site: Site, limits: Limits) -> float:
    layout = best_layout(site, limits)
    return site.system(layout).saturation_rps if layout else 0.0


def explain(choice: Choice, factor: str, unpinned: Choice | None) -> str:
    """Write in one sentence what bounds the throughput, with its arithmetic and the number to change."""
    site, layout, overlap = choice.site, choice.layout, choice.overlap
    work = site.work
    by_cpu = 1000 * site.cpus / work.cpu_ms
    if factor == "cpu":
        through = f" through {ms(work.wait_ms)} of waiting per request" if work.wait_ms else ", as no request waits"
        return (
            f"CPU is the limit: {cpus_for_requests(site)} / {ms(work.cpu_ms)} of CPU per request = {rate(by_cpu)}; "
            f"{layout.slots} request slots keep them busy{through}."
        )
    useful = (
        f"{layout.slots} of the {site.wanted_slots} slots the CPUs could use: {rate(choice.saturation_rps)} "
        f"instead of {per_second(by_cpu)}"
    )
    generation = f"{site.footprint.base_mb:g} MB + {count(layout.processes, 'worker')} of {choice.worker_mb:g} MB"
    if factor == "memory":
        generations = (
            f"{overlap:g} x ({generation}) during a deploy" if overlap > 1 else f"one generation ({generation})"
        )
        memory = f"{mb(site.web_memory_mb(overlap))}{beside(site, overlap)}"
        return f"Memory is the limit: {memory} hold {generations}, {useful}."
    if factor == "db_connections":
        return f"Database connections are the limit: {db_sum(site, overlap)} for one generation, {useful}."
    if factor == "thread_safety":
        return (
            f"Thread safety is the limit: one request per worker, and the {mb(choice.limits.memory_mb)} "
            f"of one generation hold {generation}, {useful}."
        )
    chosen = f"policy={site.inputs.policy}" if factor == "policy" else pins(site)
    freely = ""
    if unpinned:
        freely = f"; left free it would be {size(unpinned.layout)} and {rate(unpinned.saturation_rps)}"
    return f"{chosen} is the limit: {size(layout)} is {useful}{freely}."
