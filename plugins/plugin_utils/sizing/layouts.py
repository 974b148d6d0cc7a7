# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many slots, and how they are split into processes and threads (docs/sizing.md, section 5)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final

from .queueing import ROUNDING, Layout, Work
from .site import Footprint, Limits, Site

__all__ = ["CLOSE_ENOUGH", "best_layout"]

CLOSE_ENOUGH: Final = 0.98
"""Layouts within 2 % of the best throughput count as equal: the sweep's plateau is flatter than its noise."""

PROCESSES_PER_CPU: Final = 2
"""At 2 processes per CPU the interpreter lock costs 10 % of the mean response time, at 1 it costs 41 %."""

SYNC_SLOTS_PER_CPU: Final = 4
SYNC_SLOTS_PER_CPU_IF_ROOMY: Final = 8
ROOMY: Final = 0.5
"""One process per slot up to 4 per CPU; up to 8 if that takes no more than half of the memory."""

LONE_WORKER_THREADS: Final = 4
"""A lone worker never has a single slot: one slow request would stop the site."""


def best_layout(site: Site, limits: Limits) -> Layout | None:
    """Choose processes and threads within the limits of one generation; None if they do not allow a single slot."""
    return _Search(site, limits).best()


@dataclass(frozen=True)
class _Search:
    """The layouts of a site within the limits of one generation."""

    site: Site
    limits: Limits

    @property
    def work(self) -> Work:
        return self.site.work

    @property
    def cpus(self) -> float:
        return self.site.cpus

    @property
    def footprint(self) -> Footprint:
        return self.site.footprint

    @property
    def lock(self) -> bool:
        return self.site.inputs.interpreter_lock

    @property
    def event_loop(self) -> bool:
        return self.site.inputs.event_loop

    @cached_property
    def slots(self) -> int:
        """Slots that the CPUs could use and the database has connections for."""
        return int(min(self.site.wanted_slots, self.limits.slots))

    @cached_property
    def most(self) -> float:
        """Processes that the memory holds."""
        return self.footprint.workers_within(self.limits.memory_mb, self.limits.threads or 1)

    def best(self) -> Layout | None:
        """Take what is pinned, one process for each slot, or the best split, in this order."""
        pinned = self.limits
        if self.slots < 1 or self.most < 1:
            return None
        if pinned.workers and pinned.threads:
            return self._if_it_fits(Layout(pinned.workers, pinned.threads))
        if pinned.threads:
            return self._with_so_many_threads(pinned.threads)
        if pinned.workers:
            return self._filled(pinned.workers)
        sync = Layout(int(min(self.slots, self.most)), 1)
        if self.limits.threads_per_worker == 1 and not self.event_loop:
            return sync
        may_be_sync = self._may_be(sync)
        if sync.slots == self.slots and may_be_sync:
            return sync
        split = self._best_split()
        if split and split.processes > 1 and may_be_sync and self.most < self.slots:
            goal = self.site.slo_p99_ms
            return max(split, sync, key=lambda layout: self.site.system(layout).rps_within(goal))
        return split

    def _may_be(self, sync: Layout) -> bool:
        """Whether a process for each slot is affordable.

        It is the better half of the plateau: one central queue, no shared lock, a request time-out that works,
        and a crash costs one request. Where memory holds a few processes less than there should be slots, these few
        may still answer more requests in time than threads that take turns.
        """
        if self.event_loop or not self.lock:
            return False
        if sync.slots <= SYNC_SLOTS_PER_CPU * self.cpus + 2:
            return True
        roomy = self.footprint.of(sync) <= ROOMY * self.limits.memory_mb
        return sync.slots <= SYNC_SLOTS_PER_CPU_IF_ROOMY * self.cpus and roomy

    def _splits(self) -> Iterator[Layout]:
        """Yield a split for every number of processes worth a look, the most processes first."""
        for processes in range(int(min(self._most_useful(), self.most, self.slots)), 0, -1):
            layout = self._filled(processes)
            if layout:
                yield layout

    def _most_useful(self) -> int:
        """Count the processes beyond which more are no use; two at least, for one of them may crash."""
        if self.event_loop:
            return max(2, math.ceil(self.cpus))
        for_threads = max(2, math.ceil(self.slots / self.limits.threads_per_worker))
        return max(for_threads, math.ceil(PROCESSES_PER_CPU * self.cpus)) if self.lock else for_threads

    def _filled(self, processes: int) -> Layout | None:
        """Give the processes as many threads as the CPUs they can use ask for, and as the limits allow."""
        cpus = min(self.cpus, processes) if self.lock else self.cpus
        least = LONE_WORKER_THREADS if processes == 1 else 1
        threads = min(
            max(least, math.ceil(min(self.slots, self.work.wanted_slots(cpus)) / processes)),
            math.inf if self.event_loop else self.limits.threads_per_worker,
            self.footprint.threads_within(self.limits.memory_mb, processes),
            self.limits.slots / processes,
        )
        return Layout(processes, int(threads)) if threads >= 1 else None

    def _best_split(self) -> Layout | None:
        """Take the largest throughput; of those that come close, the one with the most processes.

        Only what can make a difference is solved: a layout is no better than one with as many CPUs and slots, and
        serves no more than its CPUs or its slots allow.
        """
        work, layouts = self.work, self._splits()
        first = next(layouts, None)
        if first is None:
            return None

        def usable(layout: Layout) -> float:
            return self.site.system(layout).usable_cpus

        def bound(layout: Layout) -> float:
            return 1000 * min(usable(layout) / work.cpu_ms, layout.slots / (work.cpu_ms + work.wait_ms))

        @cache
        def rps(layout: Layout) -> float:
            return self.site.system(layout).saturation_rps

        best = rps(first)
        if best >= CLOSE_ENOUGH * 1000 * self.cpus / work.cpu_ms:
            return first
        found, slots = [first, *layouts], 0
        for layout in sorted(found, key=lambda layout: (usable(layout), layout.slots), reverse=True):
            if layout.slots > slots and bound(layout) > best:
                best = max(best, rps(layout))
            slots = max(slots, layout.slots)
        good = CLOSE_ENOUGH * best
        return next(layout for layout in found if bound(layout) >= good and rps(layout) >= good)

    def _if_it_fits(self, layout: Layout) -> Layout | None:
        fits = self.footprint.of(layout) <= self.limits.memory_mb + ROUNDING and layout.slots <= self.limits.slots
        return layout if fits else None

    def _with_so_many_threads(self, threads: int) -> Layout | None:
        """Enough processes for the slots, and one per CPU at least, since each of them is one CPU."""
        processes = max(math.ceil(self.slots / threads), math.ceil(self.cpus) if self.lock else 2)
        processes = int(min(processes, self.most, self.limits.slots / threads))
        return Layout(processes, threads) if processes >= 1 else None
