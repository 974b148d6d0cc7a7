# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Percentiles of any number of durations in little memory, with a known error, that can be added up over hosts."""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["RELATIVE_ERROR", "Histogram"]

RELATIVE_ERROR = 0.01
"""A percentile differs from the exact one by at most this share of it."""

# Bounds of buckets grow by this factor; the scheme is that of DDSketch (Masson, Rim, Lee, 2019).
GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
LOG_GROWTH = math.log(GROWTH)
# Durations are logged in steps of 0.0001 s or more: what is shorter is zero.
SHORTEST = 0.00005
ZERO = -1000


class Histogram:
    """How many durations, in seconds, fell into each bucket."""

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        self.counts: dict[int, int] = {int(bucket): count for bucket, count in (counts or {}).items()}

    @staticmethod
    def bucket(seconds: float) -> int:
        """The number of the bucket that a duration belongs to."""
        return ZERO if seconds < SHORTEST else math.ceil(math.log(seconds) / LOG_GROWTH)

    def add(self, bucket: int, count: int = 1) -> None:
        """Count durations of one bucket."""
        self.counts[bucket] = self.counts.get(bucket, 0) + count

    def merge(self, other: Histogram) -> None:
        """Add the counts of another one."""
        for bucket, count in other.counts.items():
            self.add(bucket, count)

    @property
    def total(self) -> int:
        """How many durations were counted."""
        return sum(self.counts.values())

    def percentile(self, share: float) -> float | None:
        """The duration that this share of all does not exceed (nearest rank); None if there are none."""
        rank = max(math.ceil(share * self.total), 1)
        for bucket in sorted(self.counts):
            rank -= self.counts[bucket]
            if rank <= 0:
                return 0.0 if bucket == ZERO else 2 * GROWTH**bucket / (GROWTH + 1)
        return None

    def as_dict(self) -> dict[str, int]:
        """The counts as JSON has them, whose keys are text."""
        return {str(bucket): count for bucket, count in sorted(self.counts.items())}
