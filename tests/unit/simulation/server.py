# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A discrete-event simulation of one application server: the ground truth that the formulas are held against.

It shares no formula with the model. Requests arrive at random, queue in one line, take any free slot, and
alternate between CPU and waiting there. The runnable processes share the CPUs of the host, the runnable
threads of a process share one CPU (the interpreter lock), both in equal parts. Under a quota they run at full speed
until it is spent, and then stand still to the end of the period.

Every process has a clock of the service that each of its threads has received, and the host has one for the
service that each runnable process has received. A thread is done when the clock of its process reaches its
mark, so that an event costs the logarithm of what is going on, however many requests share a CPU.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass

from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.queueing import Layout, Work

__all__ = ["Outcome", "simulate"]

WARM_UP = 0.1
HOPELESS = 40
"""As many queued requests per slot as that, and the run ends: this rate is not served."""
PERIOD_MS = 100.0


@dataclass(frozen=True)
class Outcome:
    """Response times in milliseconds, sorted; empty if the server was overwhelmed."""

    times_ms: list[float]

    @property
    def mean_ms(self) -> float:
        """Mean response time, infinite for an overwhelmed server."""
        return math.fsum(self.times_ms) / len(self.times_ms) if self.times_ms else math.inf

    def quantile_ms(self, part: float) -> float:
        """Time within which this part of the answers came."""
        return self.times_ms[int(part * len(self.times_ms))] if self.times_ms else math.inf


def draw(rng: random.Random, mean: float, cv: float) -> float:
    """Draw from a Gamma distribution, which is exponential for a coefficient of variation of 1."""
    if mean == 0 or cv == 0:
        return mean
    if cv == 1:
        return rng.expovariate(1 / mean)
    shape = 1 / cv**2
    return rng.gammavariate(shape, mean / shape)


def simulate(
    work: Work, cpus: float, layout: Layout, rps: float, requests: int, seed: int, quota: bool = False
) -> Outcome:
    """Serve so many requests. The same seed brings the same requests, whatever the layout and the rate.

    With `quota` the `cpus` are a part of the time of one CPU, less than 1, counted in periods.
    """
    rng = random.Random(seed)
    spacing = 1000 / rps
    choose_slot = random.Random(seed + 1).random
    free = [process for process in range(layout.processes) for _thread in range(layout.threads)]
    runnable: list[list[tuple[float, int]]] = [[] for _process in range(layout.processes)]
    clock = [0.0] * layout.processes
    read_at = [0.0] * layout.processes
    stamp = [0] * layout.processes
    active = 0
    now = service = 0.0
    rate = 1.0
    done_next: list[tuple[float, int, int]] = []
    waiting: list[tuple[float, int, int]] = []
    queue: deque[int] = deque()
    arrived: list[float] = []
    half_ms: list[float] = []
    wait_ms: list[float] = []
    waited: list[bool] = []
    times: list[float] = []
    arrival = rng.expovariate(1) * spacing
    limit = HOPELESS * layout.slots + 200
    granted = left = cpus * PERIOD_MS if quota else math.inf
    period_end = PERIOD_MS if quota else math.inf
    cpus = 1.0 if quota else cpus
    push, pop = heapq.heappush, heapq.heappop

    def advance(process: int) -> None:
        threads = runnable[process]
        if threads:
            clock[process] += (service - read_at[process]) / len(threads)
        read_at[process] = service

    def expect(process: int) -> None:
        stamp[process] += 1
        threads = runnable[process]
        if threads:
            push(
                done_next,
                (service + (threads[0][0] - clock[process]) * len(threads), process, stamp[process]),
            )

    def speed() -> float:
        if left <= 0:
            return 0.0
        return min(1.0, cpus / active) if active else 1.0

    def compute(request: int, process: int) -> None:
        nonlocal active, rate
        advance(process)
        if not runnable[process]:
            active += 1
            rate = speed()
        push(runnable[process], (clock[process] + half_ms[request], request))
        expect(process)

    while True:
        while done_next and stamp[done_next[0][1]] != done_next[0][2]:
            pop(done_next)
        done_at = now + (done_next[0][0] - service) / rate if done_next and rate else math.inf
        spent_at = now + left / (rate * active) if active and rate else math.inf
        waited_at = waiting[0][0] if waiting else math.inf
        event = min(arrival, done_at, spent_at, waited_at, period_end)
        service += (event - now) * rate
        left -= (event - now) * rate * active
        now = event
        if event == period_end:
            left, period_end = granted, now + PERIOD_MS
            rate = speed()
        elif event == done_at:
            process = done_next[0][1]
            advance(process)
            request = pop(runnable[process])[1]
            if not runnable[process]:
                active -= 1
                rate = speed()
            expect(process)
            if not waited[request]:
                waited[request] = True
                push(waiting, (now + wait_ms[request], process, request))
                continue
            times.append(now - arrived[request])
            if len(times) == requests:
                return Outcome(sorted(times[int(WARM_UP * requests) :]))
            if queue:
                compute(queue.popleft(), process)
            else:
                free.append(process)
        elif event == spent_at:
            left = rate = 0.0
        elif event == waited_at:
            _at, process, request = pop(waiting)
            compute(request, process)
        else:
            request = len(arrived)
            arrived.append(now)
            half_ms.append(draw(rng, work.cpu_ms, work.cv_cpu) / 2)
            wait_ms.append(draw(rng, work.wait_ms, work.cv_wait))
            waited.append(work.wait_ms == 0)
            if not wait_ms[request]:
                half_ms[request] *= 2
            arrival = now + rng.expovariate(1) * spacing
            if free:
                chosen = int(choose_slot() * len(free))
                free[chosen], free[-1] = free[-1], free[chosen]
                compute(request, free.pop())
            else:
                queue.append(request)
                if len(queue) > limit:
                    return Outcome([])
