# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site on a host in the terms of the model: its work, its footprint, and what a generation of it may use."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from .background import Background, background_of, most_of
from .inputs import DEFAULT_SOMAXCONN, Host, Inputs
from .policies import RULES
from .queueing import ROUNDING, Layout, System, Work
from .services import Postgresql, Redis, postgresql_of, redis_of

__all__ = ["Footprint", "Limits", "Site"]

RESERVE_PART: Final = 0.10
RESERVE_MB: Final = (128, 4096)
"""Memory that stays with the system: a tenth of it within these bounds, unless memory_reserve_mb is set."""

SLO_OF_IDLE: Final = 3
"""Without a wish, the 99th percentile may rise to three times that of an idle server."""


@dataclass(frozen=True)
class Footprint:
    """Memory of one generation: held once, by each worker, and by each thread beyond a worker's first."""

    base_mb: float
    worker_mb: float
    thread_mb: float

    def of(self, layout: Layout) -> float:
        """Sum it up for a layout, in MB."""
        return self.base_mb + layout.processes * self.worker_with_mb(layout.threads)

    def worker_with_mb(self, threads: int) -> float:
        """Sum it up for one worker of so many threads."""
        return self.worker_mb + (threads - 1) * self.thread_mb

    def workers_within(self, memory_mb: float, threads: int = 1) -> float:
        """Count the workers of so many threads that fit; infinite if the memory is."""
        workers = (memory_mb - self.base_mb) / self.worker_with_mb(threads) + ROUNDING
        return max(0, math.floor(workers)) if math.isfinite(workers) else workers

    def threads_within(self, memory_mb: float, workers: int) -> float:
        """Threads that each of so many workers may have; infinite if they weigh nothing, 0 if none fits."""
        spare = (memory_mb - self.base_mb) / workers - self.worker_mb + ROUNDING
        if spare < 0:
            return 0
        threads = 1 + spare / self.thread_mb if self.thread_mb else math.inf
        return math.floor(threads) if math.isfinite(threads) else threads


@dataclass(frozen=True)
class Limits:
    """What one generation may use, and what was pinned; math.inf stands for no limit."""

    memory_mb: float
    slots: float
    threads_per_worker: int
    workers: int | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Site:
    """The host, and the inputs for the site."""

    host: Host
    inputs: Inputs

    @cached_property
    def all_cpus(self) -> float:
        """The site's part of the CPUs."""
        return self.host.cpus * self.inputs.capacity_share

    @cached_property
    def cpus(self) -> float:
        """What requests have of them while background processes want them, too."""
        return self.all_cpus * (1 - self.inputs.processes_cpu_share) if self.inputs.processes else self.all_cpus

    @cached_property
    def background(self) -> Background:
        """The site's background processes."""
        connections = math.inf if self.db_connections is None else self.db_connections / self.inputs.db_hosts
        return background_of(self.inputs, self.all_cpus, self.available_mb, connections)

    @cached_property
    def memory_mb(self) -> float:
        """The site's part of the memory, the reserve included."""
        return self.host.memory_mb * self.inputs.capacity_share

    @cached_property
    def work(self) -> Work:
        """One request, with what the server adds to it."""
        inputs = self.inputs
        return Work(inputs.cpu_per_request_ms, inputs.wait_per_request_ms, inputs.cv_cpu, inputs.cv_wait)

    @cached_property
    def footprint(self) -> Footprint:
        """Without preloading nothing is shared: each worker has its own copy."""
        inputs = self.inputs
        shared, copied = (inputs.worker_shared_mb, 0.0) if inputs.preload else (0.0, inputs.worker_shared_mb)
        return Footprint(
            base_mb=inputs.master_mb + shared,
            worker_mb=inputs.worker_unique_mb + copied + inputs.growth_mb,
            thread_mb=inputs.thread_mb,
        )

    @cached_property
    def reserve_mb(self) -> float:
        """Memory of the host that no site may plan with."""
        if self.inputs.memory_reserve_mb is not None:
            return self.inputs.memory_reserve_mb
        least, most = RESERVE_MB
        return min(most, max(least, RESERVE_PART * self.host.memory_mb))

    @cached_property
    def available_mb(self) -> float:
        """Memory for all generations of the site together, of web and background processes."""
        return self.memory_beyond(self.reserve_mb)

    def web_memory_mb(self, overlap: float) -> float:
        """Memory for the web processes of so many generations."""
        return max(0.0, self.available_mb - self.background.memory_during(overlap))

    def memory_beyond(self, reserve_mb: float) -> float:
        """Memory that the site's processes may use when so much stays with the system."""
        of_the_host = max(0.0, self.host.memory_mb - reserve_mb - self.shared_services_mb)
        return max(0.0, of_the_host * self.inputs.capacity_share - self.own_services_mb)

    @cached_property
    def postgresql(self) -> Postgresql | None:
        """PostgreSQL on this host, if the inputs have it."""
        return postgresql_of(self.inputs)

    @cached_property
    def redis(self) -> Redis | None:
        """The site's Redis on this host, if the inputs have it."""
        return redis_of(self.inputs)

    @cached_property
    def shared_services_mb(self) -> float:
        """Memory of services that all sites of the host share."""
        return self.postgresql.shared_mb if self.postgresql else 0.0

    @cached_property
    def postgresql_connections(self) -> int:
        """Connections that PostgreSQL on this host needs memory for: those of a deploy, as far as it grants them."""
        inputs = self.inputs
        slots = max(self.wanted_slots, (inputs.workers or 0) * (inputs.threads or 1))
        slots = max(slots, self.required.slots if self.required else 0)
        most = math.ceil(slots * inputs.reload_overlap) * inputs.db_aliases
        most += most_of(inputs, self.all_cpus).connections_during(inputs.reload_overlap)
        return most if self.db_connections is None else min(most, self.db_connections)

    @cached_property
    def connections_mb(self) -> float:
        """Memory of the site's connections to PostgreSQL on this host."""
        return self.postgresql.connections_mb(self.postgresql_connections) if self.postgresql else 0.0

    @cached_property
    def own_services_mb(self) -> float:
        """Memory that services take for this site alone."""
        return self.connections_mb + (self.redis.own_mb if self.redis else 0.0)

    @cached_property
    def db_connections(self) -> int | None:
        """Connections that the database grants: as set, or what PostgreSQL on this host has for the site."""
        if self.inputs.db_connections is not None or self.postgresql is None:
            return self.inputs.db_connections
        return self.postgresql.granted

    @property
    def somaxconn(self) -> int:
        """Longest listen queue: the input, the host's limit, or the kernel's default."""
        return self.inputs.somaxconn or self.host.somaxconn or DEFAULT_SOMAXCONN

    @cached_property
    def wanted_slots(self) -> int:
        """Slots that the CPUs could use."""
        return self.work.wanted_slots(self.cpus)

    @cached_property
    def slo_p99_ms(self) -> float:
        """Longest 99th percentile that is still good."""
        if self.inputs.slo_p99_ms is not None:
            return self.inputs.slo_p99_ms
        return SLO_OF_IDLE * self.system(Layout(1, 1)).response(0).p99_ms

    @cached_property
    def required(self) -> Layout | None:
        """The layout that the rule of thumb requires, if one was chosen."""
        if self.inputs.policy == "model":
            return None
        return RULES[self.inputs.policy].layout(max(1, math.ceil(self.cpus)), self.memory_mb)

    @cached_property
    def running(self) -> Layout | None:
        """The layout of the plan in force, if the inputs have one."""
        inputs = self.inputs
        if inputs.running_workers is None or inputs.running_threads is None:
            return None
        return Layout(inputs.running_workers, inputs.running_threads)

    @property
    def free(self) -> Site:
        """The same site with nothing pinned."""
        return replace(self, inputs=self.inputs.free)

    def system(self, layout: Layout) -> System:
        """Put a layout to this work, on these CPUs."""
        return System(self.work, self.cpus, layout, lock=self.inputs.interpreter_lock, quota=self.host.has_quota)

    def limits(self, overlap: float) -> Limits:
        """Bound one of `overlap` generations: its part of the memory and of the database, and what was pinned."""
        inputs = self.inputs
        limits = Limits(
            memory_mb=self.web_memory_mb(overlap) / overlap,
            slots=self.db_slots(overlap),
            threads_per_worker=1 if inputs.one_request_per_worker else inputs.max_threads,
            workers=inputs.workers,
            threads=inputs.threads,
        )
        return limits if self.required is None else self._as_required(self.required, limits)

    def db_slots(self, overlap: float) -> float:
        """Slots of one generation that the database has connections for; infinite if nothing bounds them."""
        inputs = self.inputs
        if self.db_connections is None:
            return math.inf
        for_requests = max(0, self.db_connections - inputs.db_hosts * self.background.connections_during(overlap))
        return for_requests // (inputs.db_hosts * overlap * inputs.db_aliases)

    def _as_required(self, required: Layout, limits: Limits) -> Limits:
        """Pin what the rule requires, as far as memory and database allow."""
        one_worker = self.footprint.threads_within(limits.memory_mb, 1)
        threads = max(1, int(min(required.threads, limits.threads_per_worker, limits.slots, one_worker)))
        workers = min(
            required.processes,
            self.footprint.workers_within(limits.memory_mb, threads),
            limits.slots / threads,
        )
        return replace(limits, workers=max(1, int(workers)), threads=None if self.inputs.event_loop else threads)

    def fits(self, layout: Layout, overlap: float) -> bool:
        """Whether so many generations of this layout can exist side by side."""
        fits_memory = overlap * self.footprint.of(layout) <= self.web_memory_mb(overlap)
        return fits_memory and layout.slots <= self.db_slots(overlap)
