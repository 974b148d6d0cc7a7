# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warnings of a plan: consequences that it can state but not repair."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .choice import Choice
from .queueing import QUOTA_PERIOD_MS
from .settings import RECYCLING_COST, Settings
from .wording import mb, ms, per_second, process_memory, rate, size

__all__ = ["cautions"]

USUAL_DB_CONNECTIONS: Final = 97
"""PostgreSQL's max_connections of 100 less the 3 it reserves."""

WORTH_SAYING: Final = 0.01
MUCH: Final = 0.5
"""Of the memory, for background processes."""


def cautions(choice: Choice, settings: Settings, unpinned: Choice | None) -> Iterator[str]:
    """Yield one or two sentences for each consequence, the gravest first."""
    yield from _of_memory(choice, settings)
    yield from _of_processes(choice)
    yield from _of_choice(choice, unpinned)
    yield from _of_server(choice)
    yield from _of_surroundings(choice, settings)


def _of_memory(choice: Choice, settings: Settings) -> Iterator[str]:
    site, inputs, recycling = choice.site, choice.site.inputs, settings.recycling
    if choice.gives_overlap_up:
        wish = inputs.reload_overlap
        processes = f" + {mb(site.background.memory_during(wish))} of background processes" if inputs.processes else ""
        yield (
            f"Memory holds one generation only: {wish:g} x {mb(choice.generation_mb)}{processes} "
            f"exceed the {mb(site.available_mb)} there are. "
            f"A switch stops the old one before it starts the new one: requests wait, for {inputs.boot_s:g} s or so."
        )
    if recycling.cost > 2 * RECYCLING_COST:
        yield (
            f"A leak of {inputs.leak_kb_per_request:g} kB per request fills growth_mb={inputs.growth_mb:g} "
            f"after {recycling.max_requests} requests: starting workers takes {100 * recycling.cost:.1f} % of "
            "their time. Raise growth_mb, or fix the leak."
        )


def _of_processes(choice: Choice) -> Iterator[str]:
    site, overlap = choice.site, choice.overlap
    taken = site.background.memory_during(overlap)
    if taken > MUCH * site.available_mb:
        yield (
            f"Background processes take {100 * taken / site.available_mb:.0f} % of the memory during a deploy: "
            f"{process_memory(site, overlap)}. Lower concurrency or count, or set memory_mb to what a unit takes."
        )


def _of_choice(choice: Choice, unpinned: Choice | None) -> Iterator[str]:
    site, layout, required = choice.site, choice.layout, choice.site.required
    if required is not None and required.processes != layout.processes:
        yield f"policy={site.inputs.policy} asks for {size(required)}; memory and database allow {size(layout)}."
    if unpinned is not None:
        served, could = choice.rps_at_slo, unpinned.rps_at_slo
        if served < (1 - WORTH_SAYING) * could:
            yield (
                f"{size(layout)} serve {rate(served)} with 99 % of the answers within "
                f"{ms(site.slo_p99_ms)}: {100 * (1 - served / could):.0f} % less than the {per_second(could)} "
                f"of {size(unpinned.layout)}."
            )
    if layout.processes == 1:
        yield "One worker: while it starts again, nothing is served."


def _of_server(choice: Choice) -> Iterator[str]:
    inputs, layout = choice.site.inputs, choice.layout
    if inputs.server == "uwsgi" and layout.threads > 1:
        yield (
            "uWSGI has one harakiri timer per worker, which other threads keep resetting: it is left out. "
            "Bound requests in the database and in nginx, or set threads=1."
        )
    if inputs.event_loop:
        yield (
            f"gunicorn's asgi worker takes every connection: {layout.threads} requests at a time are answered by each, "
            "and others wait. The rates take an event loop for one CPU that its requests share; they were not measured."
        )
    if inputs.free_threaded:
        yield "An extension can switch the interpreter lock back on: ask sys._is_gil_enabled() in a worker."


def _of_surroundings(choice: Choice, settings: Settings) -> Iterator[str]:
    site, inputs = choice.site, choice.site.inputs
    connections = settings.database.connections_during_deploy
    if site.postgresql and inputs.db_connections is not None and inputs.db_connections > site.postgresql.offered:
        yield (
            f"db_connections={inputs.db_connections} is more than PostgreSQL on this host has for all: max_connections "
            f"{site.postgresql.max_connections} - {site.postgresql.reserved} reserved. Raise that, or lower this."
        )
    if site.db_connections is None and connections > USUAL_DB_CONNECTIONS:
        yield (
            f"A deploy opens {connections} database connections from this host; PostgreSQL offers "
            f"{USUAL_DB_CONNECTIONS} unless configured. Set db_connections, or put a pooler in between."
        )
    if site.host.cpus % 1:
        yield (
            f"{site.host.cpus:g} CPU looks like a quota: once it is spent, the kernel stops everything until "
            f"the next period of {QUOTA_PERIOD_MS} ms. A CPU weight has no such stalls."
        )
    if settings.backlog == site.somaxconn < settings.backlog_wanted:
        yield f"A listen queue of {settings.backlog_wanted} is wanted; net.core.somaxconn allows {site.somaxconn}."
    idle_p99_ms = choice.system.response(0).p99_ms
    if idle_p99_ms > site.slo_p99_ms:
        yield f"slo_p99_ms={inputs.slo_p99_ms:g} cannot be met: an idle server needs {ms(idle_p99_ms)}."
