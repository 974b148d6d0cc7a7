# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many slots, and how they are split into processes and threads (docs/sizing.md, section 5)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from .queueing import Layout, System, Work

__all__ = ["Footprint", "Limits", "choose", "wanted_slots"]

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

ROUNDING: Final = 1e-9


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
    """What one generation may use; math.inf stands for no limit."""

    cpus: float
    memory_mb: float
    slots: float
    threads_per_worker: int
    lock: bool = True
    quota: bool = False
    event_loop: bool = False
    workers: int | None = None
    threads: int | None = None

    def system(self, work: Work, layout: Layout) -> System:
        """Put a layout to this work, on these CPUs."""
        return System(work, self.cpus, layout, self.lock, self.quota)


def wanted_slots(work: Work, cpus: float) -> int:
    """Count the slots that keep the CPUs busy 98 % of the time.

    While C requests compute, C x r others wait on average (r = wait / CPU); the number that waits is
    Poisson distributed, and two standard deviations more cover its swings.
    """
    waiting = cpus * work.wait_cpu_ratio
    return max(2, math.ceil(cpus + waiting + 2 * math.sqrt(waiting) - ROUNDING))


def choose(work: Work, limits: Limits, footprint: Footprint, goal_p99_ms: float) -> Layout | None:
    """Choose processes and threads; None if not a single slot fits."""
    slots = int(min(wanted_slots(work, limits.cpus), limits.slots))
    most = footprint.workers_within(limits.memory_mb, limits.threads or 1)
    if slots < 1 or most < 1:
        return None
    if limits.workers and limits.threads:
        return _if_it_fits(Layout(limits.workers, limits.threads), limits, footprint)
    if limits.threads:
        return _with_so_many_threads(limits.threads, slots, most, limits)
    if limits.workers:
        return _fill(limits.workers, work, slots, limits, footprint)
    sync = Layout(int(min(slots, most)), 1)
    if limits.threads_per_worker == 1 and not limits.event_loop:
        return sync
    may_be_sync = _may_be_sync(sync, limits, footprint)
    if sync.slots == slots and may_be_sync:
        return sync
    split = _best(work, _splits(work, slots, most, limits, footprint), limits)
    if split and split.processes > 1 and may_be_sync and most < slots:
        return max(split, sync, key=lambda layout: limits.system(work, layout).rps_within(goal_p99_ms))
    return split


def _may_be_sync(sync: Layout, limits: Limits, footprint: Footprint) -> bool:
    """Whether a process for each slot is affordable.

    It is the better half of the plateau: one central queue, no shared lock, a request time-out that works,
    and a crash costs one request. Where memory holds a few processes less than there should be slots, these few
    may still answer more requests in time than threads that take turns.
    """
    if limits.event_loop or not limits.lock:
        return False
    if sync.slots <= SYNC_SLOTS_PER_CPU * limits.cpus + 2:
        return True
    roomy = footprint.of(sync) <= ROOMY * limits.memory_mb
    return sync.slots <= SYNC_SLOTS_PER_CPU_IF_ROOMY * limits.cpus and roomy


def _splits(work: Work, slots: int, most: float, limits: Limits, footprint: Footprint) -> Iterator[Layout]:
    """Yield a split for every number of processes worth a look, the most processes first."""
    for processes in range(int(min(_most_useful(slots, limits), most, slots)), 0, -1):
        layout = _fill(processes, work, slots, limits, footprint)
        if layout:
            yield layout


def _most_useful(slots: int, limits: Limits) -> int:
    """Count the processes beyond which more are no use; two at least, for one of them may crash."""
    if limits.event_loop:
        return max(2, math.ceil(limits.cpus))
    for_threads = max(2, math.ceil(slots / limits.threads_per_worker))
    return max(for_threads, math.ceil(PROCESSES_PER_CPU * limits.cpus)) if limits.lock else for_threads


def _fill(processes: int, work: Work, slots: int, limits: Limits, footprint: Footprint) -> Layout | None:
    """Give the processes as many threads as the CPUs they can use ask for, and as the limits allow."""
    cpus = min(limits.cpus, processes) if limits.lock else limits.cpus
    least = LONE_WORKER_THREADS if processes == 1 else 1
    threads = min(
        max(least, math.ceil(min(slots, wanted_slots(work, cpus)) / processes)),
        math.inf if limits.event_loop else limits.threads_per_worker,
        footprint.threads_within(limits.memory_mb, processes),
        limits.slots / processes,
    )
    return Layout(processes, int(threads)) if threads >= 1 else None


def _best(work: Work, layouts: Iterator[Layout], limits: Limits) -> Layout | None:
    """Take the largest throughput; of those that come close, the one with the most processes.

    Only what can make a difference is solved: a layout is no better than one with as many CPUs and slots, and serves no
    more than its CPUs or its slots allow.
    """
    first = next(layouts, None)
    if first is None:
        return None

    def usable(layout: Layout) -> float:
        return limits.system(work, layout).usable_cpus

    def bound(layout: Layout) -> float:
        return 1000 * min(usable(layout) / work.cpu_ms, layout.slots / (work.cpu_ms + work.wait_ms))

    @cache
    def rps(layout: Layout) -> float:
        return limits.system(work, layout).saturation_rps

    best = rps(first)
    if best >= CLOSE_ENOUGH * 1000 * limits.cpus / work.cpu_ms:
        return first
    found, slots = [first, *layouts], 0
    for layout in sorted(found, key=lambda layout: (usable(layout), layout.slots), reverse=True):
        if layout.slots > slots and bound(layout) > best:
            best = max(best, rps(layout))
        slots = max(slots, layout.slots)
    good = CLOSE_ENOUGH * best
    return next(layout for layout in found if bound(layout) >= good and rps(layout) >= good)


def _if_it_fits(layout: Layout, limits: Limits, footprint: Footprint) -> Layout | None:
    fits = footprint.of(layout) <= limits.memory_mb + ROUNDING and layout.slots <= limits.slots
    return layout if fits else None


def _with_so_many_threads(threads: int, slots: int, most: float, limits: Limits) -> Layout | None:
    """Enough processes for the slots, and one per CPU at least, since each of them is one CPU."""
    processes = max(math.ceil(slots / threads), math.ceil(limits.cpus) if limits.lock else 2)
    processes = int(min(processes, most, limits.slots / threads))
    return Layout(processes, threads) if processes >= 1 else None
