# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PostgreSQL and Redis take of the host that they share with the site, and how many connections PostgreSQL grants.

Memory that all sites of a host share, such as PostgreSQL's buffers, is taken from the host, like the reserve. What a
site alone causes, such as its connections and its Redis, is taken from the site's own part (docs/sizing.md, 3.8).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .inputs import SERVICE_INPUTS, Host, Inputs

__all__ = ["KEPT", "PROCESSES_MB", "Postgresql", "Redis", "postgresql_of", "redis_of", "service_inputs"]

MAX_CONNECTIONS: Final = 100
RESERVED: Final = 3
BUFFERS_MB: Final = 128
"""PostgreSQL's defaults, which the distributions keep; RESERVED is superuser_reserved_connections."""

KEPT: Final = 5
"""Connections for whoever is not a request: migrations, backups, a monitoring, an administrator."""
PROCESSES_MB: Final = 32
"""PostgreSQL's own processes, without shared_buffers: 16 MB were measured at rest, and autovacuum needs more."""
CONNECTION_MB: Final = 5
"""One connection: 1.6 to 3 MB were measured at rest, and a sort may take work_mem, 4 MB."""

REDIS_PART: Final = 1 / 32
REDIS_MB: Final = (16, 512)
REDIS_STEP_MB: Final = 8
"""maxmemory of each of the site's two Redis instances: a part of its memory within these bounds, in whole steps."""
REDIS_PROCESS_MB: Final = 12
"""An empty instance, measured."""
REDIS_COPIED: Final = 0.5
"""While it writes its data to disk, an instance copies what changes meanwhile: half of it at most, it is assumed."""


@dataclass(frozen=True)
class Postgresql:
    """PostgreSQL on the site's own host: its settings, and how many databases share its connections."""

    max_connections: int
    reserved: int
    databases: int
    buffers_mb: float

    @property
    def offered(self) -> int:
        """Connections for all sites and others together."""
        return max(0, self.max_connections - self.reserved)

    @property
    def granted(self) -> int:
        """Connections for the requests of one site."""
        return max(0, self.offered - KEPT) // self.databases

    @property
    def shared_mb(self) -> float:
        """Memory that it takes whoever uses it."""
        return self.buffers_mb + PROCESSES_MB

    def connections_mb(self, connections: int) -> float:
        """Memory for so many connections, of which it cannot grant more than all."""
        return float(CONNECTION_MB * min(connections, self.offered))


@dataclass(frozen=True)
class Redis:
    """The site's two instances on its own host: `kept_mb` and `cache_mb` are what each may fill (maxmemory)."""

    kept_mb: float
    cache_mb: float

    @property
    def own_mb(self) -> float:
        """Memory of both, and for writing the data that is kept; a cache is not written to disk."""
        return (1 + REDIS_COPIED) * self.kept_mb + self.cache_mb + 2 * REDIS_PROCESS_MB


def postgresql_of(inputs: Inputs) -> Postgresql | None:
    """Read PostgreSQL from the inputs; None if it is not on the host."""
    if inputs.postgresql_connections is None:
        return None
    return Postgresql(
        max_connections=inputs.postgresql_connections,
        reserved=RESERVED if inputs.postgresql_reserved is None else inputs.postgresql_reserved,
        databases=inputs.postgresql_databases or 1,
        buffers_mb=BUFFERS_MB if inputs.postgresql_buffers_mb is None else inputs.postgresql_buffers_mb,
    )


def redis_of(inputs: Inputs) -> Redis | None:
    """Read Redis from the inputs; None if it is not on the host."""
    if inputs.redis_mb is None and inputs.redis_cache_mb is None:
        return None
    return Redis(inputs.redis_mb or 0.0, inputs.redis_cache_mb or 0.0)


def service_inputs(
    services: Collection[str], found: Mapping[str, Any], host: Host, capacity_share: float
) -> dict[str, Any]:
    """Give the inputs for the services of a site; those of a service that it does not have are left out.

    `found` has PostgreSQL as it is on the host, None or nothing if it will be installed: `max_connections`,
    `reserved`, `others` (databases besides the site's) and `shared_buffers_mb`.
    """
    inputs: dict[str, Any] = {}
    if "postgresql" in services:
        there = found.get("postgresql") or {}
        values = (
            there.get("max_connections", MAX_CONNECTIONS),
            there.get("reserved", RESERVED),
            there.get("others", 0) + 1,
            there.get("shared_buffers_mb", BUFFERS_MB),
        )
        inputs.update(zip((name for name in SERVICE_INPUTS if name.startswith("postgresql_")), values, strict=True))
    if "redis" in services:
        each = _redis_mb(host.memory_mb * capacity_share)
        inputs.update(redis_mb=each, redis_cache_mb=each)
    return inputs


def _redis_mb(memory_mb: float) -> int:
    """Choose maxmemory of one instance: in whole steps, so that a new kernel's few MB do not change it."""
    least, most = REDIS_MB
    return int(min(most, max(least, REDIS_PART * memory_mb // REDIS_STEP_MB * REDIS_STEP_MB)))
