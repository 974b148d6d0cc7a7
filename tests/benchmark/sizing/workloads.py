"""What is asked of the site, and on what: the mixes of requests and the shapes of hosts."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["DB_BUDGET", "MIXES", "SHAPES", "Draw", "Mix", "Part", "study_name"]

DB_BUDGET = 8
"""Connections that the role of the site may open in mix h; a deploy needs them twice."""


@dataclass(frozen=True)
class Part:
    """A kind of request, its share of the mix, and the milliseconds it computes and waits on average."""

    share: float
    cpu_ms: float
    wait_ms: float


@dataclass(frozen=True)
class Draw:
    """One request of a mix."""

    cpu_ms: float
    wait_ms: float


@dataclass(frozen=True)
class Mix:
    """Requests of a site: times are exponential around those of their part, or `exact`ly these.

    `queries` divide the wait among so many queries of the database; without them it is one wait for another service.
    """

    name: str
    title: str
    parts: tuple[Part, ...]
    exact: bool = False
    queries: int = 0
    db_budget: int | None = None

    def draws(self, seed: int) -> Iterator[Draw]:
        """Yield the requests that belong to a seed: the same whatever serves them, and however fast."""
        rng = random.Random(seed)
        weights = [part.share for part in self.parts]
        while True:
            (part,) = rng.choices(self.parts, weights)
            stretch = (1.0, 1.0) if self.exact else (rng.expovariate(1), rng.expovariate(1))
            yield Draw(part.cpu_ms * stretch[0], part.wait_ms * stretch[1])

    @property
    def cpu_ms(self) -> float:
        """Mean CPU time."""
        return self._moments("cpu_ms")[0]

    @property
    def wait_ms(self) -> float:
        """Mean waiting time."""
        return self._moments("wait_ms")[0]

    @property
    def cv_cpu(self) -> float:
        """Standard deviation of the CPU time over its mean."""
        return self._moments("cpu_ms")[1]

    @property
    def cv_wait(self) -> float:
        """Standard deviation of the waiting time over its mean; 1, which says nothing, where nothing waits."""
        return self._moments("wait_ms")[1]

    def idle_p99_ms(self) -> float:
        """99th percentile of CPU and waiting time together, without any queue."""
        rng = self.draws(seed=0)
        times = sorted(draw.cpu_ms + draw.wait_ms for draw, _ in zip(rng, range(50_000), strict=False))
        return times[math.ceil(0.99 * len(times)) - 1]

    def _moments(self, name: str) -> tuple[float, float]:
        spread = 1 if self.exact else 2
        total = sum(part.share for part in self.parts)
        mean = sum(part.share * getattr(part, name) for part in self.parts) / total
        square = sum(part.share * spread * getattr(part, name) ** 2 for part in self.parts) / total
        return mean, math.sqrt(max(0.0, square / mean**2 - 1)) if mean else 1.0


MIXES = {
    mix.name: mix
    for mix in (
        Mix("a", "computing, 20 ms", (Part(1, 20, 0),)),
        Mix("b", "10 ms, 5 queries of 1 ms", (Part(1, 10, 5),), queries=5),
        Mix("c", "8 ms, another service for 50 ms", (Part(1, 8, 50),)),
        Mix("d", "8 ms, another service for 200 ms", (Part(1, 8, 200),)),
        Mix("f", "90 % 5 + 5 ms, 10 % 60 + 100 ms", (Part(0.9, 5, 5), Part(0.1, 60, 100)), exact=True),
        Mix("h", "8 ms, a query of 50 ms, 8 connections", (Part(1, 8, 50),), queries=1, db_budget=DB_BUDGET),
    )
}

SHAPES = (1.0, 0.5, 2.0)
"""CPUs of the host, the order in which a run takes them."""


def study_name(mix: str, cpus: float) -> str:
    """Name a mix on a host, as in "b on 1 CPU"."""
    return f"{mix} on {cpus:g} CPU"
