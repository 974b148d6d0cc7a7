# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site on a host, in the terms of the model: its work, footprint and limits, and the layout it gets."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from .inputs import Host, Inputs
from .layouts import CLOSE_ENOUGH, Footprint, Limits, choose, wanted_slots
from .policies import RULES
from .queueing import Layout, System, Work
from .settings import DEFAULT_SOMAXCONN

__all__ = ["Site"]

RESERVE_PART: Final = 0.10
RESERVE_MB: Final = (128, 4096)
"""Memory that stays with the system: a tenth of it within these bounds, unless it is said."""

SLO_OF_IDLE: Final = 3
"""Without a wish, the 99th percentile may rise to three times that of an idle server."""

WORTH_A_CHANGE: Final = 0.05
"""A running layout within 5 % of the best is kept: noise in an input must not change production."""


@dataclass(frozen=True)
class Site:
    """The host, and what was said of the site."""

    host: Host
    inputs: Inputs

    @property
    def cpus(self) -> float:
        """The site's part of the CPUs."""
        return self.host.cpus * self.inputs.capacity_share

    @property
    def work(self) -> Work:
        """One request, with what the server adds to it."""
        said = self.inputs
        return Work(said.cpu_per_request_ms, said.wait_per_request_ms, said.cv_cpu, said.cv_wait)

    @property
    def footprint(self) -> Footprint:
        """Without preloading nothing is shared: each worker has its own copy."""
        said = self.inputs
        shared, copied = (said.worker_shared_mb, 0.0) if said.preload else (0.0, said.worker_shared_mb)
        return Footprint(
            base_mb=said.master_mb + shared,
            worker_mb=said.worker_unique_mb + copied + said.growth_mb,
            thread_mb=said.thread_mb,
        )

    @property
    def reserve_mb(self) -> float:
        """Memory of the host that no site may plan with."""
        if self.inputs.memory_reserve_mb is not None:
            return self.inputs.memory_reserve_mb
        least, most = RESERVE_MB
        return min(most, max(least, RESERVE_PART * self.host.memory_mb))

    @property
    def available_mb(self) -> float:
        """Memory for all generations of the site together."""
        return self.memory_beyond(self.reserve_mb)

    def memory_beyond(self, reserve_mb: float) -> float:
        """Memory that the site may use when so much stays with the system."""
        return max(0.0, self.host.memory_mb - reserve_mb) * self.inputs.capacity_share

    @property
    def somaxconn(self) -> int:
        """Longest listen queue: as said, as the host says, or as kernels since 5.4 have it."""
        return self.inputs.somaxconn or self.host.somaxconn or DEFAULT_SOMAXCONN

    @property
    def wanted_slots(self) -> int:
        """Slots that the CPUs could use."""
        return wanted_slots(self.work, self.cpus)

    @property
    def slo_p99_ms(self) -> float:
        """Longest 99th percentile that is still good."""
        if self.inputs.slo_p99_ms is not None:
            return self.inputs.slo_p99_ms
        return SLO_OF_IDLE * self.system(Layout(1, 1)).response(0).p99_ms

    @property
    def asked(self) -> Layout | None:
        """What the rule of thumb asks for, if one was named."""
        if self.inputs.policy == "model":
            return None
        memory_mb = self.host.memory_mb * self.inputs.capacity_share
        return RULES[self.inputs.policy].ask(max(1, math.ceil(self.cpus)), memory_mb)

    @property
    def free(self) -> Site:
        """The same site with nothing pinned."""
        return replace(self, inputs=replace(self.inputs, policy="model", workers=None, threads=None))

    @property
    def is_pinned(self) -> bool:
        """Whether anything but the model chooses the layout."""
        return self != self.free

    def system(self, layout: Layout) -> System:
        """Put a layout to this work, on these CPUs."""
        return System(self.work, self.cpus, layout, lock=not self.inputs.free_threaded, quota=self.host.has_quota)

    def db_slots(self, overlap: float) -> float:
        """Slots of one generation that the database has connections for; infinite if nothing was said."""
        said = self.inputs
        if said.db_connections is None:
            return math.inf
        return said.db_connections // (said.db_hosts * overlap * said.db_aliases)

    def limits(self, overlap: float) -> Limits:
        """Bound one generation by its part of the memory and of the database, and by what was pinned."""
        said = self.inputs
        limits = Limits(
            cpus=self.cpus,
            memory_mb=self.available_mb / overlap,
            slots=self.db_slots(overlap),
            quota=self.host.has_quota,
            threads_per_worker=1 if said.one_request_per_worker else said.max_threads,
            lock=not said.free_threaded,
            event_loop=said.interface == "asgi",
            workers=said.workers,
            threads=said.threads,
        )
        return limits if self.asked is None else self._as_asked(self.asked, limits)

    def _as_asked(self, asked: Layout, limits: Limits) -> Limits:
        """Pin what the rule asks for, less what memory and database refuse."""
        one_worker = self.footprint.threads_within(limits.memory_mb, 1)
        threads = max(1, int(min(asked.threads, limits.threads_per_worker, limits.slots, one_worker)))
        workers = min(
            asked.processes,
            self.footprint.workers_within(limits.memory_mb, threads),
            limits.slots / threads,
        )
        return replace(limits, workers=max(1, int(workers)), threads=None if limits.event_loop else threads)

    def fits(self, layout: Layout, overlap: float) -> bool:
        """Whether so many generations of this layout can exist side by side."""
        return overlap * self.footprint.of(layout) <= self.available_mb and layout.slots <= self.db_slots(overlap)

    def layout(self) -> tuple[Layout | None, float]:
        """Choose the layout, if there is one, and how many generations of it may exist side by side.

        The second worker is worth more than the second generation: where the memory holds one of the two, a
        deploy has to stop the old generation first.
        """
        wish = self.inputs.reload_overlap
        overlap = wish if self._holds_workers(wish) else 1.0
        layout = choose(self.work, self.limits(overlap), self.footprint, self.slo_p99_ms)
        if layout is None:
            return None, overlap
        running = self._running(layout)
        if running is not None:
            return running, wish
        return layout, wish if self.fits(layout, wish) else overlap

    def _holds_workers(self, overlap: float) -> bool:
        workers = self.inputs.workers or min(2, self.asked.processes if self.asked else 2)
        return self.footprint.workers_within(self.available_mb / overlap, self.inputs.threads or 1) >= workers

    def _running(self, best: Layout) -> Layout | None:
        """Return the layout that is running now if it is nearly as good as the best."""
        said = self.inputs
        if said.running_workers is None or said.running_threads is None or self.is_pinned:
            return None
        running = Layout(said.running_workers, said.running_threads)
        if not self.fits(running, said.reload_overlap) or (said.one_request_per_worker and running.threads > 1):
            return None
        good = (1 - WORTH_A_CHANGE) * self.system(best).rps_within(self.slo_p99_ms)
        return running if self.system(running).rps_within(self.slo_p99_ms) >= good else None

    def limiting_factor(self, layout: Layout, overlap: float) -> str:
        """Name what bounds the throughput: the CPUs, or what would raise it the most by its absence."""
        served = self.system(layout).saturation_rps
        if served >= CLOSE_ENOUGH * self.system(Layout(self.wanted_slots, 1)).saturation_rps:
            return "cpu"
        limits = self.limits(overlap)
        without = {
            "policy" if self.asked else "pinned": replace(limits, workers=None, threads=None),
            "thread_safety": replace(limits, threads_per_worker=self.inputs.max_threads),
            "db_connections": replace(limits, slots=math.inf),
            "memory": replace(limits, memory_mb=math.inf),
        }
        rates = {name: self._rate_under(relaxed) for name, relaxed in without.items() if relaxed != limits}
        best = max(rates.values())
        if best <= served:
            return "memory" if math.isinf(limits.slots) else "db_connections"
        return next(name for name, rate in rates.items() if rate >= CLOSE_ENOUGH * best)

    def _rate_under(self, limits: Limits) -> float:
        layout = choose(self.work, limits, self.footprint, self.slo_p99_ms)
        return self.system(layout).saturation_rps if layout else 0.0
