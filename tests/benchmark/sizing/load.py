"""Offer requests of a mix to a lab host and report what became of them.

A process of its own, lighter than the client of tests/lab/load.py, which watches every single request.

Run by lab.py with a task as JSON on standard input; answers with JSON. Three ways to ask:

open    at random times (Poisson) at a rate, whether or not earlier requests are answered. A latency counts from the
        time at which the request was due, so that a server that stalls pays for all who came meanwhile.
closed  so many at a time, each followed by the next: what a server can do at most.
paced   one at a time with a pause after each: what a request costs when nothing queues.

Every request has a connection of its own, and ends when the server closes it. The same seed brings the same requests
in the same order, whatever the rate.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address

from .statistics import p99
from .workloads import MIXES, Draw

__all__ = ["Outcome", "Task", "run"]

PATIENCE = 30.0
"""Seconds to wait for an answer."""
MOST_PER_SECOND = 2000.0
MOST_SECONDS = 600.0


@dataclass(frozen=True)
class Task:
    """What to ask. `paths` instead of a mix are asked in turn; `gap` is the pause after each answer when paced."""

    address: str
    host: str
    way: str
    seconds: float
    rate: float = 0.0
    warm_up: float = 0.0
    at_a_time: int = 1
    gap: float = 0.0
    mix: str = ""
    rounds_per_ms: float = 0.0
    paths: tuple[str, ...] = ()
    cookie: str = ""
    seed: int = 0
    hopeless: float = float("inf")
    cpus: tuple[int, ...] = ()
    port: int = 80

    def __post_init__(self) -> None:
        if not ip_address(self.address).is_private:
            raise ValueError(f"{self.address} is no private address: this client is for labs only.")
        if not 0 < self.seconds <= MOST_SECONDS or not 0 <= self.rate <= MOST_PER_SECOND:
            raise ValueError(f"{self.rate!r} requests/s for {self.seconds!r} s is more than a lab is for.")

    def requests(self) -> Iterator[tuple[bytes, Draw]]:
        """Yield what to send and what it is to cost, without end."""
        end = f" HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n"
        end += f"Cookie: {self.cookie}\r\n\r\n" if self.cookie else "\r\n"
        if self.mix:
            mix = MIXES[self.mix]
            for draw in mix.draws(self.seed):
                rounds = round(draw.cpu_ms * self.rounds_per_ms)
                query = f"rounds={rounds}&wait={draw.wait_ms:.2f}&queries={mix.queries}"
                yield f"GET /exercise/request/?{query}{end}".encode(), draw
        while True:
            for path in self.paths:
                yield f"GET {path}{end}".encode(), Draw(0, 0)


@dataclass
class Outcome:
    """What became of it; times in milliseconds, of the requests after the warm-up that were answered rightly.

    `in_window` are the right answers that came after the warm-up and before the end, whenever they were asked for:
    fewer than were offered in that time, and the queue has grown.

    `served` counts those of the warm-up too, as the CPU time that the server used does, and so do the means of what
    was drawn from the mix.
    """

    offered: int = 0
    answered: int = 0
    in_window: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    served: int = 0
    drawn_cpu_ms: float = 0.0
    drawn_wait_ms: float = 0.0
    seconds: float = 0.0
    mean_ms: float = 0.0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = float("inf")
    lag_p99_ms: float = 0.0
    cpu: float = 0.0
    gave_up: bool = False


class _Exchange(asyncio.Protocol):
    """One request on one connection: its end is the end of the connection."""

    def __init__(self, request: bytes, done: asyncio.Future[None]) -> None:
        self.request, self.done, self.head = request, done, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if len(self.head) < 12:
            self.head += data[:12]

    def connection_lost(self, problem: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    @property
    def error(self) -> str:
        """What is wrong with the answer, if anything; redirects are answers as well."""
        status = self.head[9:12].decode(errors="replace")
        return "" if status[:1] in {"2", "3"} else f"status {status}" if status else "no answer"


class _Client:
    """Sends requests and keeps count."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.requests = task.requests()
        self.loop = asyncio.get_running_loop()
        self.under_way: set[asyncio.Task[None]] = set()
        self.outcome = Outcome()
        self.times: list[float] = []
        self.lags: list[float] = []
        self.drawn: list[Draw] = []
        self.start = self.loop.time()

    async def ask(self, due: float) -> None:
        """Send the next request and note when it was answered; all times count from the start."""
        request, draw = next(self.requests)
        counts = due >= self.task.warm_up
        self.outcome.offered += counts
        self.lags.append(self.loop.time() - self.start - due)
        done = self.loop.create_future()
        exchange = _Exchange(request, done)
        try:
            async with asyncio.timeout(PATIENCE):
                transport, _ = await self.loop.create_connection(lambda: exchange, self.task.address, self.task.port)
                try:
                    await done
                finally:
                    transport.abort()
            error = exchange.error
        except TimeoutError:
            error = "time-out"
        except OSError as problem:
            error = type(problem).__name__
        now = self.loop.time() - self.start
        if not error:
            self.outcome.in_window += self.task.warm_up <= now < self.task.seconds
            self.outcome.served += 1
            self.drawn.append(draw)
        if error:
            self.outcome.errors[error] = self.outcome.errors.get(error, 0) + 1
        elif counts:
            self.outcome.answered += 1
            self.times.append(1000 * (now - due))

    async def open(self) -> None:
        """Ask at random times; give up when more is under way than can be good."""
        rng = random.Random(self.task.seed + 1)
        due = 0.0
        while (due := due + rng.expovariate(1) / self.task.rate) < self.task.seconds:
            await asyncio.sleep(self.start + due - self.loop.time())
            if len(self.under_way) > self.task.hopeless:
                self.outcome.gave_up = True
                break
            task = self.loop.create_task(self.ask(due))
            self.under_way.add(task)
            task.add_done_callback(self.under_way.discard)
        await asyncio.gather(*self.under_way)

    async def closed(self) -> None:
        """Ask so many at a time, until the time is over."""

        async def ask_again_and_again() -> None:
            while (now := self.loop.time() - self.start) < self.task.seconds:
                await self.ask(now)
                await asyncio.sleep(self.task.gap)

        await asyncio.gather(*(ask_again_and_again() for _ in range(self.task.at_a_time)))

    async def run(self) -> Outcome:
        """Do the task."""
        cpu = time.process_time()
        await (self.open() if self.task.way == "open" else self.closed())
        outcome, times = self.outcome, sorted(self.times)
        outcome.seconds = self.loop.time() - self.start
        outcome.cpu = (time.process_time() - cpu) / outcome.seconds
        if times:
            outcome.mean_ms = statistics.fmean(times)
            outcome.p50_ms = times[len(times) // 2]
            outcome.p95_ms = times[int(0.95 * len(times))]
            outcome.p99_ms = p99(times)
        if self.drawn:
            outcome.drawn_cpu_ms = statistics.fmean(draw.cpu_ms for draw in self.drawn)
            outcome.drawn_wait_ms = statistics.fmean(draw.wait_ms for draw in self.drawn)
        outcome.lag_p99_ms = 1000 * p99(self.lags) if self.lags else 0.0
        return outcome


async def run(task: Task) -> Outcome:
    """Do a task."""
    return await _Client(task).run()


def main() -> None:
    """Read the task, do it, print the outcome."""
    options = json.load(sys.stdin)
    task = Task(**{**options, "paths": tuple(options.get("paths", ())), "cpus": tuple(options.get("cpus", ()))})
    if task.cpus:
        os.sched_setaffinity(0, task.cpus)
    json.dump(asdict(asyncio.run(run(task))), sys.stdout)


if __name__ == "__main__":
    main()
