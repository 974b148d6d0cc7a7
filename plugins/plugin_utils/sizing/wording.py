# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan says: the sentence on its limit, and why there can be no plan. Sums come with all terms."""

from __future__ import annotations

from .inputs import SizingError
from .queueing import Layout
from .site import Site

__all__ = ["count", "explain", "mb", "ms", "per_second", "rate", "refuse"]


def count(number: int, one: str, many: str = "") -> str:
    """Write 1 host, 2 hosts."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def ms(value: float) -> str:
    """Write milliseconds, to a tenth where that matters."""
    return f"{value:.0f} ms" if value >= 100 else f"{round(value, 1):g} ms"


def mb(value: float) -> str:
    """Write whole megabytes."""
    return f"{value:.0f} MB"


def per_second(rps: float) -> str:
    """Write a rate to two digits at least."""
    return f"{rps:.0f}" if rps >= 10 else f"{rps:.2g}"


def rate(rps: float) -> str:
    """Write a rate with its unit."""
    return f"{per_second(rps)} requests/s"


def explain(site: Site, layout: Layout, overlap: float, factor: str, unpinned: Layout | None) -> str:
    """Say in one sentence what bounds the throughput, with its arithmetic and the number to change."""
    said, work, footprint = site.inputs, site.work, site.footprint
    by_cpu = 1000 * site.cpus / work.cpu_ms
    if factor == "cpu":
        through = f" through {ms(work.wait_ms)} of waiting per request" if work.wait_ms else ", as no request waits"
        return (
            f"CPU is the limit: {site.cpus:g} CPU / {ms(work.cpu_ms)} of CPU per request = {rate(by_cpu)}; "
            f"{layout.slots} request slots keep them busy{through}."
        )
    served = rate(site.system(layout).saturation_rps)
    useful = (
        f"{layout.slots} of the {site.wanted_slots} slots the CPUs could use: {served} instead of {per_second(by_cpu)}"
    )
    workers = f"{count(layout.processes, 'worker')} of {footprint.worker_with_mb(layout.threads):g} MB"
    if factor == "memory":
        generation = f"({footprint.base_mb:g} MB + {workers})"
        generations = f"{overlap:g} x {generation} during a deploy" if overlap > 1 else f"one generation {generation}"
        return f"Memory is the limit: {mb(site.available_mb)} hold {generations}, {useful}."
    if factor == "db_connections":
        return f"Database connections are the limit: {_db_sum(site, overlap)} for one generation, {useful}."
    if factor == "thread_safety":
        return (
            f"Thread safety is the limit: one request per worker, and the {mb(site.available_mb / overlap)} "
            f"of one generation hold {footprint.base_mb:g} MB + {workers}, {useful}."
        )
    chosen = f"policy={said.policy}" if factor == "policy" else " and ".join(_pins(site))
    freely = ""
    if unpinned:
        could = rate(site.system(unpinned).saturation_rps)
        freely = f"; left free it would be {unpinned.processes} x {unpinned.threads} and {could}"
    return f"{chosen} is the limit: {layout.processes} x {layout.threads} is {useful}{freely}."


def refuse(site: Site, overlap: float) -> SizingError:
    """Say which sum can not fit."""
    said, footprint = site.inputs, site.footprint
    least = Layout(said.workers or 1, said.threads or 1)
    pins = " and ".join(_pins(site))
    if least.slots > site.db_slots(overlap):
        needs = f", and {pins} take {least.slots}; pin less," if pins else " and not one;"
        return SizingError(
            f"db_connections: {_db_sum(site, overlap)} for one generation{needs} give more connections, "
            "or say reload_overlap=1 if a deploy may stop the old slot first"
        )
    share = f" x share {said.capacity_share:g}" if said.capacity_share < 1 else ""
    if said.preload:
        base, copied = f"{said.master_mb:g} MB master + {said.worker_shared_mb:g} MB shared", ""
    else:
        base, copied = (
            f"{said.master_mb:g} MB master",
            f" + {said.worker_shared_mb:g} not shared without preload",
        )
    threads = f" + {least.threads - 1} x {said.thread_mb:g} for threads" if least.threads > 1 else ""
    return SizingError(
        f"{'workers' if said.workers else 'threads' if said.threads else 'memory_mb'}: "
        f"({mb(site.host.memory_mb)} - {mb(site.reserve_mb)} reserve){share} = {mb(site.available_mb)} "
        f"can not hold {base} + {count(least.processes, 'worker')} "
        f"x {footprint.worker_with_mb(least.threads):g} MB "
        f"({said.worker_unique_mb:g} unique{copied} + {said.growth_mb:g} growth{threads}) "
        f"= {mb(footprint.of(least))}; {f'pin less than {pins}, ' if pins else ''}give the site more memory, "
        "or say what its workers really take (worker_unique_mb, growth_mb)"
    )


def _pins(site: Site) -> list[str]:
    said = site.inputs
    return [f"{name}={value}" for name, value in (("workers", said.workers), ("threads", said.threads)) if value]


def _db_sum(site: Site, overlap: float) -> str:
    said = site.inputs
    hosts, aliases = count(said.db_hosts, "host"), count(said.db_aliases, "alias", "aliases")
    return (
        f"{count(said.db_connections or 0, 'connection')} / {hosts} / overlap {overlap:g} / {aliases} "
        f"leave {site.db_slots(overlap):.0f}"
    )
