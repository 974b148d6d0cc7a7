# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and sums as a person reads them."""

from __future__ import annotations

from .background import Unit
from .queueing import Layout
from .services import KEPT, PROCESSES_MB
from .site import Site

__all__ = [
    "beside",
    "count",
    "cpus_for_requests",
    "db_sum",
    "grant",
    "mb",
    "ms",
    "per_second",
    "pins",
    "process_memory",
    "rate",
    "service_sums",
    "size",
]


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


def size(layout: Layout) -> str:
    """Write workers x threads."""
    return f"{layout.processes} x {layout.threads}"


def pins(site: Site) -> str:
    """Write workers=4 and threads=2; empty where neither is pinned."""
    inputs = site.inputs
    pinned = (("workers", inputs.workers), ("threads", inputs.threads))
    return " and ".join(f"{name}={value}" for name, value in pinned if value)


def db_sum(site: Site, overlap: float) -> str:
    """Write how many slots of one of so many generations the database has connections for, with all terms."""
    inputs = site.inputs
    hosts, aliases = count(inputs.db_hosts, "host"), count(inputs.db_aliases, "alias", "aliases")
    connections, processes = _connections(site), _process_connections(site, overlap)
    if processes:
        connections = f"({connections} - {processes} of background processes)"
    return f"{connections} / {hosts} / overlap {overlap:g} / {aliases} leave {site.db_slots(overlap):.0f}"


def _connections(site: Site) -> str:
    """Write how many connections there are, and where they come from if they are not set."""
    connections = count(site.db_connections or 0, "connection")
    return f"{connections} of PostgreSQL ({grant(site)})" if grant(site) else connections


def grant(site: Site) -> str:
    """Write how the site's connections follow from PostgreSQL's; empty where they are set, or do not."""
    postgresql = site.postgresql
    if postgresql is None or site.inputs.db_connections is not None:
        return ""
    free = f"{postgresql.max_connections} max_connections - {postgresql.reserved} reserved - {KEPT} kept"
    return f"({free}) / {postgresql.databases} databases" if postgresql.databases > 1 else free


def service_sums(site: Site) -> dict[str, str]:
    """Write for each service of the site on its host how much memory it takes, and why."""
    sums = {}
    if site.postgresql:
        connections = count(site.postgresql_connections, "connection")
        sums["PostgreSQL"] = (
            f"{mb(site.shared_services_mb + site.connections_mb)}: shared_buffers {site.postgresql.buffers_mb:g}, "
            f"{PROCESSES_MB} for its processes, {site.connections_mb:g} for {connections}"
        )
    if site.redis:
        sums["Redis"] = (
            f"{mb(site.redis.own_mb)}: maxmemory {site.redis.kept_mb:g} and, for the cache, {site.redis.cache_mb:g}, "
            "the rest for its processes and for writing to disk"
        )
    return sums


def process_memory(site: Site, overlap: float) -> str:
    """Write how much memory each background process takes while so many generations exist, with the sum."""
    terms = [f"{unit.load.name} {_times(unit, overlap)}{mb(unit.memory_mb)}" for unit in site.background.units]
    whole = f" = {mb(site.background.memory_during(overlap))}"
    return " + ".join(terms) + (whole if len(terms) > 1 or _times(site.background.units[0], overlap) else "")


def _process_connections(site: Site, overlap: float) -> str:
    """Write how many of the database's connections background processes hold; empty if they hold none."""
    units = [unit for unit in site.background.units if unit.connections]
    if not units:
        return ""
    terms = " + ".join(f"{unit.load.name} {_times(unit, overlap)}{unit.connections}" for unit in units)
    hosts = f"{site.inputs.db_hosts} x " if site.inputs.db_hosts > 1 else ""
    return f"{hosts}({terms})"


def _times(unit: Unit, overlap: float) -> str:
    """Write how often something of one unit counts, as a factor; empty for once."""
    generations = 1 if unit.load.single else overlap
    return "".join(f"{number:g} x " for number in (generations, unit.load.count) if number != 1)


def cpus_for_requests(site: Site) -> str:
    """Write the CPUs that requests have, and why they are fewer than the site's."""
    cpus = f"{site.cpus:g} CPU"
    if not site.inputs.processes:
        return cpus
    return f"{cpus} ({site.all_cpus:g} less {100 * site.inputs.processes_cpu_share:g} % for background processes)"


def beside(site: Site, overlap: float) -> str:
    """Write what else the memory holds, as an insertion after the memory that there is; empty if it is nothing."""
    taken = []
    if site.postgresql:
        taken.append(f"PostgreSQL ({mb(site.shared_services_mb + site.connections_mb)})")
    if site.redis:
        taken.append(f"Redis ({mb(site.redis.own_mb)})")
    if site.background.units:
        taken.append(f"background processes ({mb(site.background.memory_during(overlap))})")
    return f" beside {' and '.join(taken)}" if taken else ""
