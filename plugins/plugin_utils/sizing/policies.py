# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of thumb that are in use, to compare a plan with. docs/sizing.md, section 8, has who recommends them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from .queueing import Layout

__all__ = ["RULES", "Rule"]


@dataclass(frozen=True)
class Rule:
    """A rule of thumb: the layout that it requires, given whole cores and MB of memory."""

    layout: Callable[[int, float], Layout]
    label: str


def _two_n_plus_one(threads: int) -> Callable[[int, float], Layout]:
    return lambda cores, memory_mb: Layout(2 * cores + 1, threads)


RULES: Final[Mapping[str, Rule]] = {
    "one_worker": Rule(lambda cores, memory_mb: Layout(1, 1), "one worker"),
    "one_worker_per_core": Rule(lambda cores, memory_mb: Layout(cores, 1), "one worker per core"),
    "one_and_a_half_to_two_cores": Rule(
        lambda cores, memory_mb: Layout(math.ceil(1.75 * cores), 1),
        "1.5 to 2 workers per core (1.75 here)",
    ),
    "two_n_plus_one": Rule(_two_n_plus_one(1), "2 x cores + 1 workers"),
    "two_n_plus_one_threads_2": Rule(_two_n_plus_one(2), "2 x cores + 1 workers of 2 threads"),
    "two_n_plus_one_threads_4": Rule(_two_n_plus_one(4), "2 x cores + 1 workers of 4 threads"),
    "four_per_core": Rule(lambda cores, memory_mb: Layout(4 * cores, 1), "4 workers per core"),
    "heroku": Rule(
        lambda cores, memory_mb: Layout(max(1, min(2 * cores + 1, int(memory_mb / 256))), 1),
        "2 x cores + 1 workers, at most one per 256 MB",
    ),
}
