# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast a layout of processes and threads serves: the queueing network of docs/sizing.md, section 4.

Open arrivals wait in one central queue for one of N = processes x threads slots. A request in a slot
alternates between CPU bursts and waits. A process is one CPU (its interpreter lock); the host shares its CPUs
between processes.

Times are milliseconds, rates are requests per second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

__all__ = ["QUOTA_PERIOD_MS", "ROUNDING", "Layout", "Response", "System", "Work", "erlang_c"]

NEGLIGIBLE: Final = 1e-15
ROUNDING: Final = 1e-9
"""What a sum may be off by, before it is rounded to a whole number."""

MOST_CV: Final = 3
"""Beyond that a quantile of a Gamma distribution is no longer approximated; no input varies more either."""

QUOTA_PERIOD_MS: Final = 100
"""The kernel's default period of a CPU quota."""

Z_P95: Final = 1.6448536269514722
Z_P99: Final = 2.3263478740408408


@dataclass(frozen=True)
class Work:
    """One request: CPU time and waiting time, with their coefficients of variation."""

    cpu_ms: float
    wait_ms: float
    cv_cpu: float = 1.0
    cv_wait: float = 1.0

    @property
    def wait_cpu_ratio(self) -> float:
        """Milliseconds of waiting for each of CPU, the r of the formulas."""
        return self.wait_ms / self.cpu_ms

    def wanted_slots(self, cpus: float) -> int:
        """Count the slots that keep the CPUs busy 98 % of the time.

        While C requests compute, C x r others wait on average (r = wait / CPU); the number that waits is
        Poisson distributed, and two standard deviations more cover its swings.
        """
        waiting = cpus * self.wait_cpu_ratio
        return max(2, math.ceil(cpus + waiting + 2 * math.sqrt(waiting) - ROUNDING))


@dataclass(frozen=True)
class Layout:
    """Processes with the same number of threads each; a slot is one thread of one process."""

    processes: int
    threads: int

    @property
    def slots(self) -> int:
        """Requests that can be served at a time."""
        return self.processes * self.threads


@dataclass(frozen=True)
class Response:
    """Distribution of the time from arrival to response, as a Gamma distribution of this mean and deviation."""

    mean_ms: float
    deviation_ms: float

    def quantile_ms(self, z: float) -> float:
        """Approximate the quantile whose standard normal deviate is `z` (Wilson and Hilferty, 1931)."""
        cv = self.deviation_ms / self.mean_ms
        return self.mean_ms * max(0.0, 1 - cv**2 / 9 + z * cv / 3) ** 3

    @property
    def p50_ms(self) -> float:
        """Time within which half of the responses come."""
        return self.quantile_ms(0)

    @property
    def p95_ms(self) -> float:
        """Time within which 95 % of the responses come."""
        return self.quantile_ms(Z_P95)

    @property
    def p99_ms(self) -> float:
        """Time within which 99 % of the responses come."""
        return self.quantile_ms(Z_P99)


@dataclass(frozen=True)
class System:
    """A layout that serves this work on this many CPUs.

    Without an interpreter lock (`lock` false) the threads of a process run in parallel. Less than one CPU is either
    a slower one, shared with others, or a `quota` of one at full speed.
    """

    work: Work
    cpus: float
    layout: Layout
    lock: bool = True
    quota: bool = False

    @property
    def usable_cpus(self) -> float:
        """CPUs that the layout can keep busy: one per process, as long as there is an interpreter lock."""
        return min(self.cpus, self.layout.processes if self.lock else self.layout.slots)

    @cached_property
    def saturation_rps(self) -> float:
        """Throughput when every slot is always taken: the exact solution of the closed network.

        The number of requests at the CPUs is a birth and death process: N - j waiting requests come back
        after `wait_ms`, and min(j, k) CPUs work on the j that are there. The sum starts at its largest term
        and goes both ways until the terms no longer count, so that thousands of slots cost no more than their
        square root.
        """
        slots, cpus, ratio = self.layout.slots, self.usable_cpus, self.work.wait_cpu_ratio
        if ratio == 0:
            return 1000 * min(slots, cpus) / self.work.cpu_ms

        def step(j: int) -> float:
            return (slots - j + 1) / (ratio * min(j, cpus))

        peak = (slots + 1) / (1 + ratio)
        if peak > cpus:
            peak = slots + 1 - ratio * cpus
        start = min(slots, max(0, int(peak)))
        total, busy = 1.0, min(start, cpus)
        term = 1.0
        for j in range(start + 1, slots + 1):
            term *= step(j)
            total += term
            busy += term * min(j, cpus)
            if term < NEGLIGIBLE * total:
                break
        term = 1.0
        for j in range(start, 0, -1):
            term /= step(j)
            total += term
            busy += term * min(j - 1, cpus)
            if term < NEGLIGIBLE * total:
                break
        return 1000 * busy / total / self.work.cpu_ms

    def response(self, rps: float) -> Response:
        """Predict response times under Poisson arrivals, at a rate below `saturation_rps`.

        Under a quota they lie between those of a whole CPU, which a request meets until the quota is spent, and
        those of a slower one, which is what it amounts to in the long run.
        """
        if not self.quota or self.cpus >= 1:
            return self._response(rps)
        whole, slower = self._on_a_whole_cpu._response(rps), self._response(rps)
        of_mean, of_deviation = self._throttled(rps)
        mean_ms = whole.mean_ms + of_mean * (slower.mean_ms - whole.mean_ms)
        deviation_ms = whole.deviation_ms + of_deviation * (slower.deviation_ms - whole.deviation_ms)
        return Response(mean_ms, min(deviation_ms, MOST_CV * mean_ms))

    @cached_property
    def _on_a_whole_cpu(self) -> System:
        return replace(self, cpus=1.0)

    def _throttled(self, rps: float) -> tuple[float, float]:
        """Parts of the way from a whole CPU to a slower one that mean and deviation go (docs/sizing.md, 4.7).

        A request is stopped by its own length, even on an idle server, or by what the others of the same period
        took. How likely these are to spend the quota depends on its distance from what they need in the mean, in
        standard deviations.
        """
        requests = QUOTA_PERIOD_MS * self.cpus / self.work.cpu_ms
        load = rps * self.work.cpu_ms / 1000 / self.cpus
        distance = (1 - load) * math.sqrt(requests / (load * (1 + self.work.cv_cpu**2))) if load else math.inf

        def part(by_itself: float, by_others: float) -> float:
            return 1 - (1 - by_itself) * (1 - by_others)

        return (
            part(_spent_by_one(requests), math.exp(-1.5 * distance)),
            part(_spent_by_one(requests / 2), math.exp(-(distance**2) / 4)),
        )

    def _response(self, rps: float) -> Response:
        """Predict response times where less than one CPU is a slower one.

        The two stretches count a request against any number of others, which is too much where slots are few.
        But no request is in its slot for longer than at saturation, where that is N / X by Little's law.
        """
        work, slots = self.work, self.layout.slots
        demand = rps * work.cpu_ms / 1000
        stretch = _cpu_stretch(self.usable_cpus, demand / self.usable_cpus) + self._lock_stretch(demand) - 1
        in_slot = min(work.wait_ms + work.cpu_ms * stretch, 1000 * slots / self.saturation_rps)
        variance = (work.cv_wait * work.wait_ms) ** 2 + (work.cv_cpu * (in_slot - work.wait_ms)) ** 2
        busy = rps * in_slot / 1000
        queued = erlang_c(slots, busy)
        wait_if_queued = in_slot / (slots - busy) * (1 + variance / in_slot**2) / 2
        queue_variance = queued * (2 - queued) * wait_if_queued**2
        return Response(in_slot + queued * wait_if_queued, math.sqrt(variance + queue_variance))

    def rps_within(self, p99_ms: float) -> float:
        """Find the largest rate that keeps 99 % of the responses below `p99_ms`; 0 if there is none."""
        low, high = 0.0, self.saturation_rps
        for _halving in range(24):
            middle = (low + high) / 2
            if self.response(middle).p99_ms <= p99_ms:
                low = middle
            else:
                high = middle
        return low

    def _lock_stretch(self, demand: float) -> float:
        """Stretch CPU time by what other threads of the process take; a request does not meet itself."""
        if not self.lock:
            return 1.0
        per_process = demand / self.layout.processes
        return 1 / (1 - per_process * (1 - 1 / self.layout.threads))


def _cpu_stretch(cpus: float, utilisation: float) -> float:
    """Stretch CPU time by what other processes take; linear between whole CPUs, a slower CPU below one."""
    if cpus <= 1:
        return 1 / (cpus * (1 - utilisation))

    def stretch(count: int) -> float:
        return 1 + erlang_c(count, utilisation * count) / (count * (1 - utilisation))

    below = math.floor(cpus)
    part = cpus - below
    return stretch(below) if part == 0 else (1 - part) * stretch(below) + part * stretch(below + 1)


def _spent_by_one(quota: float) -> float:
    """Part of its CPU time that a lone request is stopped in; its mean is 1, the quota of a period that many."""
    return quota * math.exp(-quota) / -math.expm1(-quota)


def erlang_c(servers: int, offered: float) -> float:
    """Probability that an arrival must wait for one of the servers, at this offered load (Erlang, 1917).

    The sum is Erlang's B formula read from its largest index down; it ends as soon as the rest cannot be
    seen.
    """
    if offered <= 0:
        return 0.0
    if offered >= servers:
        return 1.0
    term = total = 1.0
    for j in range(servers, 0, -1):
        term *= j / offered
        total += term
        if term < NEGLIGIBLE * total or total > 1 / NEGLIGIBLE:
            break
    blocked = 1 / total
    utilisation = offered / servers
    return blocked / (1 - utilisation + utilisation * blocked)
