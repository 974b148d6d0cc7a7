"""From probes to statements: the rate that a cell sustains, ratios of cells, and what may be said of them.

Rates are requests a second. A *probe* offers one rate for some seconds. A *sweep* is the probes of one cell in one
repeat. Cells are only ever compared within a repeat, where all got the same requests.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

__all__ = [
    "Estimate",
    "Line",
    "Probe",
    "Search",
    "bootstrap",
    "choose_oracle",
    "fit_line",
    "p99",
    "ratio",
    "sustained",
]

MOST_ERRORS = 0.001
LEAST_COMPLETED = 0.97
"""A rate with more errors, or with fewer answers in its time than this part of the offer, is not served at all: in
a short probe, a queue that grows may not have become long enough to miss the goal."""

WORST = 10.0
"""From this multiple of the goal on, a 99th percentile says no more than that it was missed."""

STEP = 1.15
"""Neighbouring rates of a finished search differ by no more than this factor."""
MOST_PROBES = 8
LEAST_PART = 0.02
"""A search gives up below this part of the rate that it began with."""

SELECTING_REPEATS = 2
"""The best cell is chosen on so many repeats and scored on the others, or noise would count as merit."""

Cell = TypeVar("Cell")


@dataclass(frozen=True)
class Probe:
    """What became of a rate that was offered."""

    rate: float
    p99_ms: float
    errors: float = 0.0
    completed: float = 1.0

    def level(self, goal_ms: float) -> float:
        """Logarithm of the 99th percentile over the goal: 0 is just good enough."""
        if self.errors > MOST_ERRORS or self.completed < LEAST_COMPLETED:
            return math.log(WORST)
        return min(math.log(self.p99_ms / goal_ms), math.log(WORST))


def p99(times: Sequence[float]) -> float:
    """Nearest rank: a time that occurred; infinite without any."""
    ranked = sorted(times)
    return ranked[math.ceil(0.99 * len(ranked)) - 1] if ranked else math.inf


def sustained(probes: Iterable[Probe], goal_ms: float) -> float:
    """Find the rate at which the 99th percentile meets the goal; 0 if no rate did.

    The percentile cannot really fall with the rate: levels that do are pooled (isotonic regression). Between two rates
    the level is taken as linear. If all rates were good, the largest is returned, which is then a lower bound.
    """
    points = _isotonic(sorted((probe.rate, probe.level(goal_ms)) for probe in probes))
    if not points or points[0][1] > 0:
        return 0.0
    for (rate, level), (next_rate, next_level) in pairwise(points):
        if next_level > 0:
            return rate + (next_rate - rate) * -level / (next_level - level)
    return points[-1][0]


def _isotonic(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    pools: list[tuple[float, list[float]]] = []
    for rate, level in points:
        pools.append((level, [rate]))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (level_2, rates_2), (level_1, rates_1) = pools.pop(), pools.pop()
            count_1, count_2 = len(rates_1), len(rates_2)
            pools.append(((level_1 * count_1 + level_2 * count_2) / (count_1 + count_2), rates_1 + rates_2))
    return [(rate, level) for level, rates in pools for rate in rates]


@dataclass
class Search:
    """Which rate to offer next: up or down from the start in growing steps, then between a good and a bad one."""

    start: float
    goal_ms: float
    most: float = math.inf
    probes: list[Probe] = field(default_factory=list)

    def add(self, probe: Probe) -> None:
        """Take in what became of the rate that was offered."""
        self.probes.append(probe)

    def next(self) -> float | None:
        """Return the next rate, None when the search is over."""
        if not self.probes:
            return min(self.start, self.most)
        good = max((p.rate for p in self.probes if p.level(self.goal_ms) <= 0), default=None)
        bad = min((p.rate for p in self.probes if p.level(self.goal_ms) > 0), default=None)
        step = STEP**2 ** (len(self.probes) - 1)
        if len(self.probes) >= MOST_PROBES or (good is not None and bad is not None and bad <= good * STEP * 1.01):
            return None
        if bad is None:
            assert good is not None
            return min(good * step, self.most) if good < self.most else None
        if good is None:
            least = LEAST_PART * self.start
            return max(bad / step, least) if bad > least else None
        return math.sqrt(good * bad)


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, and of how many it is."""

    value: float
    low: float
    high: float
    count: int

    @property
    def differs_from_one(self) -> bool:
        """Whether a ratio may be called a difference."""
        return self.count > 1 and not self.low <= 1 <= self.high


def bootstrap(
    values: Sequence[float],
    statistic: Callable[[Sequence[float]], float] = statistics.median,
    resamples: int = 2000,
) -> Estimate:
    """Estimate by drawing from the values with replacement; the same values give the same interval."""
    rng = random.Random(len(values))
    found = sorted(statistic(rng.choices(values, k=len(values))) for _ in range(resamples))
    return Estimate(
        statistic(values), found[int(0.025 * resamples)], found[math.ceil(0.975 * resamples) - 1], len(values)
    )


def ratio(rates: Mapping[Cell, Mapping[int, float]], cell: Cell, base: Cell, repeats: Iterable[int]) -> Estimate | None:
    """Compare a cell with another: the median of the ratios in each of the repeats that has both."""
    common = [n for n in repeats if n in rates.get(cell, {}) and rates.get(base, {}).get(n)]
    return bootstrap([rates[cell][n] / rates[base][n] for n in common]) if common else None


def choose_oracle(
    rates: Mapping[Cell, Mapping[int, float]], base: Cell, selectable: Sequence[Cell]
) -> tuple[Cell, list[int]] | None:
    """Choose the best cell on the first repeats; give it with the others, on which it is to be scored."""
    repeats = sorted(rates.get(base, {}))
    selecting, scoring = repeats[:SELECTING_REPEATS], repeats[SELECTING_REPEATS:]
    if not scoring:
        return None

    def merit(cell: Cell) -> float:
        found = [rates[cell][n] / rates[base][n] for n in selecting if n in rates.get(cell, {}) and rates[base][n] > 0]
        return statistics.mean(found) if found else 0.0

    return max(selectable, key=merit), scoring


@dataclass(frozen=True)
class Line:
    """A line through so many points: its slope, its start, and half of the slope's 95 % interval."""

    slope: float
    intercept: float
    half_width: float
    r_squared: float
    count: int


def fit_line(points: Sequence[tuple[float, float]]) -> Line:
    """Fit y = intercept + slope x by least squares. Raises ValueError with fewer than 3 points or only one x."""
    if len(points) < 3 or len({x for x, _y in points}) < 2:
        raise ValueError(f"A line needs three points and two different x, not {points!r}.")
    xs, ys = [x for x, _y in points], [y for _x, y in points]
    slope, intercept = statistics.linear_regression(xs, ys)
    mean_x, mean_y = statistics.mean(xs), statistics.mean(ys)
    rest = sum((y - intercept - slope * x) ** 2 for x, y in points)
    spread = sum((x - mean_x) ** 2 for x in xs)
    total = sum((y - mean_y) ** 2 for y in ys)
    # Student's t for 95 %; the correction is within 3 % from 3 degrees of freedom on.
    freedom = len(points) - 2
    t = 12.706 if freedom == 1 else 1.96 + 2.6 / (freedom - 0.95)
    half_width = t * math.sqrt(rest / freedom / spread)
    return Line(slope, intercept, half_width, 1 - rest / total if total else 1.0, len(points))
