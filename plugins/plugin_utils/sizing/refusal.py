# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why there can be no plan: the sum that does not come out, with all its terms."""

from __future__ import annotations

from dataclasses import replace

from .inputs import SizingError
from .queueing import Layout
from .site import Site
from .wording import count, db_sum, grant, mb, pins, process_memory

__all__ = ["refusal"]


def refusal(site: Site, overlap: float) -> SizingError:
    """Name the input at fault, and the sum that cannot fit."""
    inputs, footprint = site.inputs, site.footprint
    least = Layout(inputs.workers or 1, inputs.threads or 1)
    pinned = pins(site)
    if least.slots > site.db_slots(overlap):
        needs = f", and {pinned} take {least.slots}; lower them," if pinned else " and not one;"
        more = "raise max_connections of PostgreSQL" if grant(site) else "give more connections"
        blamed = _blamed(site, least.slots <= _without_processes(site).db_slots(overlap))
        lower = " lower count or concurrency, set database_connections to what a unit really holds," if blamed else ""
        return SizingError(
            blamed or "db_connections",
            f"{db_sum(site, overlap)} for one generation{needs}{lower} {more}, "
            "or set reload_overlap=1 if a deploy may stop the old slot first",
        )
    share = f" x share {inputs.capacity_share:g}" if inputs.capacity_share < 1 else ""
    if inputs.preload:
        base, copied = f"{inputs.master_mb:g} MB master + {inputs.worker_shared_mb:g} MB shared", ""
    else:
        base, copied = (
            f"{inputs.master_mb:g} MB master",
            f" + {inputs.worker_shared_mb:g} not shared without preload",
        )
    web = f"{mb(footprint.of(least))}"
    blamed = _blamed(site, footprint.of(least) <= site.available_mb)
    beside, lower = "", ""
    if site.inputs.processes:
        beside = f" beside the background processes {process_memory(site, overlap)}"
    if blamed:
        lower = "lower count or concurrency, set memory_mb to what a unit really takes, "
    threads = f" + {least.threads - 1} x {inputs.thread_mb:g} for threads" if least.threads > 1 else ""
    return SizingError(
        blamed or ("workers" if inputs.workers else "threads" if inputs.threads else "memory_mb"),
        f"({mb(site.host.memory_mb)} - {mb(site.reserve_mb)} reserve{_shared(site)}){share}{_own(site)} "
        f"= {mb(site.available_mb)} "
        f"cannot hold {base} + {count(least.processes, 'worker')} "
        f"x {footprint.worker_with_mb(least.threads):g} MB "
        f"({inputs.worker_unique_mb:g} unique{copied} + {inputs.growth_mb:g} growth{threads}) "
        f"= {web}{beside}; {lower}{f'lower {pinned}, ' if pinned else ''}give the site more memory, "
        "or set what its workers really take (worker_unique_mb, growth_mb)",
    )


def _blamed(site: Site, would_fit: bool) -> str:
    """Name the processes as the input at fault, or the only one, if the site would do without them; else nothing."""
    loads = site.inputs.processes or ()
    if not loads or not would_fit:
        return ""
    return f"processes[{loads[0].name}]" if len(loads) == 1 else "processes"


def _without_processes(site: Site) -> Site:
    return replace(site, inputs=replace(site.inputs, processes=None))


def _shared(site: Site) -> str:
    """What a service takes that all sites of the host share."""
    return f" - {mb(site.shared_services_mb)} PostgreSQL" if site.postgresql else ""


def _own(site: Site) -> str:
    """What services take for this site alone."""
    connections = count(site.postgresql_connections, "connection")
    postgresql = f" - {mb(site.connections_mb)} for its {connections}" if site.postgresql else ""
    return postgresql + (f" - {mb(site.redis.own_mb)} Redis" if site.redis else "")
