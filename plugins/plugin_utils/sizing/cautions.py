# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan warns of: the consequences that it can state but not repair."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from . import settings
from .queueing import QUOTA_PERIOD_MS, Layout
from .site import Site
from .wording import mb, ms, per_second, rate

__all__ = ["cautions"]

USUAL_DB_CONNECTIONS: Final = 97
"""PostgreSQL's max_connections of 100 less the 3 it reserves."""

WORTH_SAYING: Final = 0.01


def cautions(site: Site, layout: Layout, overlap: float, unpinned: Layout | None) -> Iterator[str]:
    """Yield one or two sentences for each consequence, the gravest first."""
    yield from _of_memory(site, layout, overlap)
    yield from _of_choice(site, layout, unpinned)
    yield from _of_server(site, layout)
    yield from _of_surroundings(site, layout, overlap)


def _of_memory(site: Site, layout: Layout, overlap: float) -> Iterator[str]:
    said = site.inputs
    if overlap < said.reload_overlap:
        yield (
            f"Memory holds one generation only: {said.reload_overlap:g} x {mb(site.footprint.of(layout))} "
            f"exceed the {mb(site.available_mb)} there are. "
            f"A switch ends the old one before the new one starts: requests wait, for {said.boot_s:g} s or so."
        )
    recycle = settings.recycling(said, settings.demand(site.system(layout), said))
    if recycle.cost > 2 * settings.RECYCLING_COST:
        yield (
            f"A leak of {said.leak_kb_per_request:g} kB per request fills growth_mb={said.growth_mb:g} "
            f"after {recycle.max_requests} requests: starting workers takes {100 * recycle.cost:.1f} % of "
            "their time. Give more growth_mb, or mend the leak."
        )


def _of_choice(site: Site, layout: Layout, unpinned: Layout | None) -> Iterator[str]:
    said, asked = site.inputs, site.asked
    if asked is not None and asked.processes != layout.processes:
        yield (
            f"policy={said.policy} asks for {asked.processes} x {asked.threads}; "
            f"memory and database allow {layout.processes} x {layout.threads}."
        )
    if unpinned is not None:
        slo = site.slo_p99_ms
        served, could = site.system(layout).rps_within(slo), site.system(unpinned).rps_within(slo)
        if served < (1 - WORTH_SAYING) * could:
            yield (
                f"{layout.processes} x {layout.threads} serve {rate(served)} with 99 % of the answers within "
                f"{ms(slo)}: {100 * (1 - served / could):.0f} % less than the {per_second(could)} "
                f"of {unpinned.processes} x {unpinned.threads}."
            )
    if layout.processes == 1:
        yield "One worker: while it starts again, nothing is served."


def _of_server(site: Site, layout: Layout) -> Iterator[str]:
    said = site.inputs
    if said.server == "uwsgi" and layout.threads > 1:
        yield (
            "uWSGI has one harakiri timer per worker, which other threads keep resetting: it is left out. "
            "Bound requests in the database and in nginx, or say threads=1."
        )
    if said.interface == "asgi":
        yield (
            "gunicorn's asgi worker does not bound its concurrency, so nginx has to "
            f"(max_conns {layout.slots}). The rates take an event loop for one CPU that its requests share; "
            "they were not measured."
        )
    if said.free_threaded:
        yield "An extension can switch the interpreter lock back on: ask sys._is_gil_enabled() in a worker."


def _of_surroundings(site: Site, layout: Layout, overlap: float) -> Iterator[str]:
    said, system = site.inputs, site.system(layout)
    connections = settings.database(said, layout, overlap, site.db_slots(overlap)).connections_during_deploy
    if said.db_connections is None and connections > USUAL_DB_CONNECTIONS:
        yield (
            f"A deploy opens {connections} database connections from this host; PostgreSQL offers "
            f"{USUAL_DB_CONNECTIONS} unless configured. Say db_connections, or put a pooler in between."
        )
    if site.host.cpus % 1:
        yield (
            f"{site.host.cpus:g} CPU looks like a quota: once it is spent, the kernel stops everything until "
            f"the next period of {QUOTA_PERIOD_MS} ms. A CPU weight has no such stalls."
        )
    wanted = settings.wanted_backlog(said, system.saturation_rps)
    if settings.backlog(said, system.saturation_rps, site.somaxconn) == site.somaxconn < wanted:
        yield f"A listen queue of {wanted} is wanted; net.core.somaxconn allows {site.somaxconn}."
    if system.response(0).p99_ms > site.slo_p99_ms:
        idle = ms(system.response(0).p99_ms)
        yield f"slo_p99_ms={said.slo_p99_ms:g} can not be met: an idle server needs {idle}."
