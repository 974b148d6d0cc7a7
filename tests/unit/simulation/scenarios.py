# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random sites on random hosts, and the search for the layout that serves them best."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.choice import choose
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import Host, Inputs
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.queueing import Layout
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.site import Site
from ansible_collections.pitcrew.django.tests.unit.simulation.server import simulate

__all__ = ["Scenario", "scenarios"]

REQUESTS = 5000
HALVINGS = 7
PROCESSES = (1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 14, 16, 20, 24, 32, 40, 48, 64)
THREADS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24)


@dataclass(frozen=True)
class Scenario:
    """One site on one host. Rates are those at which 99 % of the simulated answers come in time."""

    site: Site
    seed: int

    def plan(self, policy: str = "model") -> Layout:
        """Choose by the model or by a rule of thumb."""
        return choose(replace(self.site, inputs=replace(self.site.inputs, policy=policy))).layout

    def rate(self, layout: Layout, seed: int) -> float:
        """Find the largest good rate of a layout, to 1 % of what it could ever serve."""
        low, high = 0.0, self._ceiling(layout)
        for _halving in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._is_good(layout, middle, seed) else (low, middle)
        return low

    def best(self) -> Layout:
        """Try every allowed layout of the grid. One that can not even in theory beat the best so far is passed over."""
        best = self.plan()
        rate = self.rate(best, self.seed)
        for layout in self._allowed():
            better = 1.01 * rate
            if self._ceiling(layout) > better and self._is_good(layout, better, self.seed):
                best, rate = layout, max(better, self.rate(layout, self.seed))
        return best

    def regret(self, layout: Layout, best: Layout) -> float:
        """Part of the best rate that is lost; on other requests than those by which the best was chosen."""
        return max(0.0, 1 - self._scored(layout) / self._scored(best))

    @cached_property
    def _scores(self) -> dict[Layout, float]:
        return {}

    def _scored(self, layout: Layout) -> float:
        if layout not in self._scores:
            self._scores[layout] = self.rate(layout, self.seed + 1000)
        return self._scores[layout]

    def _allowed(self) -> Iterator[Layout]:
        most = 2.5 * self.site.wanted_slots + 10
        for processes in PROCESSES:
            for threads in THREADS:
                layout = Layout(processes, threads)
                if layout.slots <= most and self.site.fits(layout, self.site.inputs.reload_overlap):
                    yield layout

    def _ceiling(self, layout: Layout) -> float:
        """No layout serves more than its CPUs, its processes and its slots can: exact bounds, no model."""
        work = self.site.work
        cpus = min(self.site.cpus, layout.processes)
        return 1000 * min(cpus / work.cpu_ms, layout.slots / (work.cpu_ms + work.wait_ms))

    def _is_good(self, layout: Layout, rps: float, seed: int) -> bool:
        outcome = simulate(self.site.work, self.site.cpus, layout, rps, REQUESTS, seed)
        return outcome.quantile_ms(0.99) <= self.site.slo_p99_ms


def scenarios(count: int, seed: int) -> Iterator[Scenario]:
    """Draw sites with scarce and ample memory and database connections, light and heavy tails, tight and lax goals."""
    rng = random.Random(seed)
    for number in range(count):
        cpus = rng.choice((1, 2, 4))
        cpu_ms = rng.uniform(5, 20)
        workers = rng.choice((None, None, 3 * cpus, round(1.5 * cpus + 0.6), max(2, cpus)))
        memory_mb = 100_000 if workers is None else 2 * (80 + 150 * workers + 10 * workers)
        inputs = Inputs(
            cpu_ms=cpu_ms,
            wait_ms=cpu_ms * rng.uniform(0, 12) * rng.random(),
            cv_cpu=rng.uniform(0.5, 1.5),
            cv_wait=rng.uniform(0.5, 1.5),
            memory_reserve_mb=0.0,
            db_connections=rng.choice((None, None, 8 * cpus, 24 * cpus)),
        )
        site = Site(Host(cpus=cpus, memory_mb=memory_mb), inputs)
        slo = rng.choice((1.5, 2, 3)) / 3 * site.slo_p99_ms
        yield Scenario(replace(site, inputs=replace(inputs, slo_p99_ms=slo)), seed=100 * number)
