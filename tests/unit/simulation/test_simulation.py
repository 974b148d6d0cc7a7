# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulation against queues whose exact answer is known, then the model against the simulation."""

from __future__ import annotations

import statistics
from itertools import product

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.policies import RULES
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.queueing import Layout, System, Work
from ansible_collections.pitcrew.django.tests.unit.simulation.scenarios import scenarios
from ansible_collections.pitcrew.django.tests.unit.simulation.server import simulate
from form import LONG


@pytest.mark.parametrize(
    ("cpus", "layout", "rps", "mean_ms"),
    [
        pytest.param(1, Layout(60, 1), 70, 33.33, id="M/M/1 processor sharing: 10 / (1 - 0.7)"),
        pytest.param(4, Layout(4, 1), 280, 13.57, id="M/M/4"),
        pytest.param(1, Layout(1, 1), 50, 20.00, id="M/M/1 first come first served: 10 / (1 - 0.5)"),
    ],
)
def test_the_simulation_meets_exact_means(cpus: float, layout: Layout, rps: float, mean_ms: float) -> None:
    """9.2: queues that can be solved on paper."""
    outcome = simulate(Work(10, 0), cpus, layout, rps, requests=60_000, seed=11)
    assert outcome.mean_ms == pytest.approx(mean_ms, rel=0.05)


def test_the_simulation_stops_at_a_quota() -> None:
    """A lone request of 80 ms under a quota of 50 ms in 100: 130 - u, 80, or 130 ms, as it comes u ms into a period."""
    outcome = simulate(Work(80, 0, 0, 0), 0.5, Layout(60, 1), 0.02, requests=4_000, seed=3, quota=True)
    assert outcome.mean_ms == pytest.approx(107.5, rel=0.02)
    assert outcome.quantile_ms(0) == pytest.approx(80, rel=1e-6)
    assert outcome.quantile_ms(0.95) == pytest.approx(130, rel=0.01)


def test_the_simulation_meets_the_exact_throughput_of_two_slots() -> None:
    """Two slots of 10 ms CPU and 10 ms waiting on one CPU serve 80 requests/s: the machine repairman."""
    work = Work(10, 10)
    assert simulate(work, 1, Layout(2, 1), 79, requests=20_000, seed=3).times_ms
    assert not simulate(work, 1, Layout(2, 1), 90, requests=20_000, seed=3).times_ms


def test_the_lock_makes_one_process_one_cpu() -> None:
    """9.2: four CPUs do not help one process."""
    outcome = simulate(Work(10, 0), 4, Layout(1, 60), 70, requests=40_000, seed=5)
    assert outcome.mean_ms == pytest.approx(33.33, rel=0.05)


CASES = [
    # work, CPUs, layout; the first rows are those of the worked examples
    (Work(15.7, 30), 0.5, Layout(2, 2)),
    (Work(12.7, 18), 1, Layout(1, 5)),
    (Work(12.7, 18), 2, Layout(9, 1)),
    (Work(12.7, 18), 4, Layout(2, 5)),
    (Work(8.7, 250), 8, Layout(16, 17)),
    (Work(8.7, 250), 8, Layout(24, 1)),
    (Work(8.2, 250), 4, Layout(48, 1)),
    # scarce slots, where the stretches alone overshoot
    (Work(20.7, 0), 2, Layout(2, 1)),
    (Work(20.7, 0), 2, Layout(3, 1)),
    (Work(20, 0), 1, Layout(1, 1)),
    (Work(15.7, 30), 0.05, Layout(2, 1)),
    # threads, and other tails
    (Work(12.7, 18), 4, Layout(4, 4)),
    (Work(8.7, 50), 2, Layout(4, 5)),
    (Work(12.7, 18, 0.5, 0.5), 2, Layout(9, 1)),
    (Work(12.7, 18, 1.5, 1.5), 2, Layout(9, 1)),
    (Work(12.7, 18, 1.5, 0.5), 4, Layout(8, 2)),
]


@pytest.mark.parametrize(("part", "median", "worst"), [(0.3, 0.07, 0.15), (0.5, 0.08, 0.20), (0.7, 0.10, 0.25)])
def test_the_predicted_99th_percentile_is_near_the_simulated(part: float, median: float, worst: float) -> None:
    """9.3: the errors of the document, with a margin."""
    errors = []
    for work, cpus, layout in CASES:
        system = System(work, cpus, layout)
        rps = part * system.saturation_rps
        simulated = simulate(work, cpus, layout, rps, requests=12_000, seed=2).quantile_ms(0.99)
        errors.append(abs(system.response(rps).p99_ms / simulated - 1))
    print(f"p99 at {part:.0%}: error median {statistics.median(errors):.1%}, worst {max(errors):.1%}")
    assert statistics.median(errors) <= median
    assert max(errors) <= worst


QUOTAS = (0.5, 0.25, 0.1)
THROTTLED = [
    (Work(17.8, 0.4), Layout(2, 1)),
    (Work(14, 10), Layout(3, 1)),
    (Work(8.8, 50), Layout(2, 4)),
    (Work(12.1, 15, 1.571, 1.966), Layout(3, 1)),
    (Work(3, 5), Layout(4, 1)),
    (Work(50, 0), Layout(2, 1)),
]


@pytest.mark.parametrize(
    ("part", "median", "worst"), [(0.02, 0.06, 0.20), (0.3, 0.08, 0.25), (0.5, 0.14, 0.40), (0.7, 0.33, 0.55)]
)
def test_the_predicted_99th_percentile_is_near_the_simulated_under_a_quota(
    part: float, median: float, worst: float
) -> None:
    """9.3: the errors of the document, with a margin."""
    errors = []
    for cpus, (work, layout) in product(QUOTAS, THROTTLED):
        system = System(work, cpus, layout, quota=True)
        rps = part * system.saturation_rps
        simulated = simulate(work, cpus, layout, rps, requests=8_000, seed=2, quota=True).quantile_ms(0.99)
        errors.append(abs(system.response(rps).p99_ms / simulated - 1))
    print(f"p99 under a quota, at {part:.0%}: error median {statistics.median(errors):.1%}, worst {max(errors):.1%}")
    assert statistics.median(errors) <= median
    assert max(errors) <= worst


def test_the_plan_is_near_the_best_layout_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/sizing.md, section 9: regret is the part of the best rate within the goal that a choice gives away."""
    regrets: dict[str, list[float]] = {policy: [] for policy in ("model", *RULES)}
    errors = []
    for scenario in scenarios(count=14 if LONG else 4, seed=7):
        best, plan = scenario.best(), scenario.plan()
        for policy, found in regrets.items():
            found.append(scenario.regret(scenario.plan(policy), best))
        predicted = scenario.site.system(plan).rps_within(scenario.site.slo_p99_ms)
        errors.append(abs(predicted / scenario.rate(plan, scenario.seed + 1000) - 1))
    with capsys.disabled():
        print(f"\n{'regret (simulated)':<30}{'median':>8}{'mean':>8}{'p90':>8}{'worst':>8}")
        for policy, found in regrets.items():
            row = (statistics.median(found), statistics.mean(found), ninetieth(found), max(found))
            print(f"{policy:<30}" + "".join(f"{100 * value:7.1f}%" for value in row))
        print(f"predicted rate within the goal: error median {statistics.median(errors):.1%}, worst {max(errors):.1%}")
    plan = regrets.pop("model")
    assert statistics.median(plan) <= 0.03
    assert ninetieth(plan) <= 0.20
    assert max(plan) <= 0.30
    assert statistics.median(errors) <= 0.10
    for rule, found in regrets.items():
        assert statistics.mean(plan) < 0.5 * statistics.mean(found), rule


def ninetieth(values: list[float]) -> float:
    """Take the 90th percentile."""
    return sorted(values)[int(0.9 * len(values))]
