# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queueing formulas against textbook values."""

from __future__ import annotations

from itertools import pairwise

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.queueing import (
    Layout,
    Response,
    System,
    Work,
    erlang_c,
)


@pytest.mark.parametrize(
    ("servers", "offered", "waits"),
    [
        (1, 0.5, 0.5),
        (2, 1.0, 1 / 3),
        (4, 2.8, 0.4287),
        (10, 8.0, 0.4092),
        (100, 90.0, 0.2169),
        (3, 0.0, 0.0),
        (3, 3.0, 1.0),
        (3, 7.0, 1.0),
    ],
)
def test_erlang_c(servers: int, offered: float, waits: float) -> None:
    """Values from printed tables, and the ends of the range."""
    assert erlang_c(servers, offered) == pytest.approx(waits, abs=2e-4)


def test_erlang_c_of_many_servers_neither_overflows_nor_takes_long() -> None:
    """Factorials of 120 000 would do both."""
    assert erlang_c(120_000, 80_000) == pytest.approx(0, abs=1e-12)
    assert 0 < erlang_c(120_000, 119_800) < 1


@pytest.mark.parametrize(
    ("work", "cpus", "layout", "rps"),
    [
        pytest.param(Work(10, 0), 4, Layout(9, 1), 400, id="no waiting: C / c"),
        pytest.param(Work(10, 0), 4, Layout(3, 1), 300, id="no waiting, fewer slots: N / c"),
        pytest.param(Work(10, 10), 4, Layout(1, 1), 50, id="one slot: 1 / (c + w)"),
        pytest.param(Work(10, 10), 1, Layout(2, 1), 80, id="machine repairman: 0.8 / c"),
        pytest.param(Work(10, 10), 2, Layout(2, 1), 100, id="nobody queues: N / (c + w)"),
        pytest.param(Work(10, 10), 8, Layout(1, 90), 100, id="the lock: one process is one CPU"),
        pytest.param(Work(10, 10), 0.5, Layout(1, 90), 50, id="half a CPU"),
    ],
)
def test_saturation(work: Work, cpus: float, layout: Layout, rps: float) -> None:
    """4.3 where it can be worked out by hand."""
    assert System(work, cpus, layout).saturation_rps == pytest.approx(rps, rel=1e-6)


def test_without_the_lock_threads_use_all_cpus() -> None:
    """4.4: one process may then use them all."""
    assert System(Work(10, 10), 8, Layout(1, 90), lock=False).saturation_rps == pytest.approx(800, rel=1e-6)


@pytest.mark.parametrize(
    ("cpus", "layout", "rps", "mean_ms"),
    [
        pytest.param(1, Layout(1, 1), 50, 20.0, id="M/M/1: c / (1 - rho)"),
        pytest.param(1, Layout(1, 1), 90, 100.0, id="M/M/1, crowded"),
        pytest.param(4, Layout(4, 1), 280, 13.57, id="M/M/4"),
    ],
)
def test_mean_response_is_exact_where_theory_is(cpus: float, layout: Layout, rps: float, mean_ms: float) -> None:
    """4.4: the bound makes few slots exact, too."""
    assert System(Work(10, 0), cpus, layout).response(rps).mean_ms == pytest.approx(mean_ms, rel=1e-3)


def test_an_idle_server_answers_in_cpu_plus_waiting_time() -> None:
    """4.4: half a CPU computes for twice as long."""
    assert System(Work(10, 30), 4, Layout(8, 1)).response(0).mean_ms == 40
    assert System(Work(10, 30), 0.5, Layout(8, 1)).response(0).mean_ms == 50


@pytest.mark.parametrize(
    ("cpu_ms", "cpus", "mean_ms"),
    [
        pytest.param(10, 0.5, 10.34, id="five of them fit into a period: at full speed, most of the time"),
        pytest.param(500, 0.5, 975.4, id="ten periods each: as on half a CPU"),
        pytest.param(10, 1, 10, id="a whole CPU has no quota"),
    ],
)
def test_a_lone_request_under_a_quota(cpu_ms: float, cpus: float, mean_ms: float) -> None:
    """4.7: only what is longer than the quota of a period is stopped."""
    assert System(Work(cpu_ms, 0), cpus, Layout(8, 1), quota=True).response(0).mean_ms == pytest.approx(
        mean_ms, rel=1e-3
    )


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
def test_a_quota_lies_between_a_whole_cpu_and_a_slower_one(part: float) -> None:
    """4.7: more so, the fuller it is."""
    work, layout = Work(14, 10), Layout(3, 1)
    slower = System(work, 0.5, layout)
    rps = part * slower.saturation_rps
    bounds = System(work, 1, layout).response(rps), slower.response(rps)
    response = System(work, 0.5, layout, quota=True).response(rps)
    assert bounds[0].mean_ms < response.mean_ms < bounds[1].mean_ms
    assert bounds[0].deviation_ms < response.deviation_ms < bounds[1].deviation_ms


@pytest.mark.parametrize("cpus", [0.05, 0.1, 0.25, 0.5, 0.75])
@pytest.mark.parametrize(
    ("work", "layout"),
    [
        (Work(1.2, 0, cv_cpu=3), Layout(2, 2)),
        (Work(1.05, 0, cv_cpu=2), Layout(2, 1)),
        (Work(2.7, 5, cv_cpu=3), Layout(3, 1)),
        (Work(14, 10), Layout(3, 1)),
        (Work(8.8, 50, cv_cpu=0.5), Layout(2, 4)),
    ],
)
def test_under_a_quota_more_requests_are_never_faster(work: Work, layout: Layout, cpus: float) -> None:
    """4.7: however the CPU time varies."""
    system = System(work, cpus, layout, quota=True)
    times = [system.response(part / 50 * system.saturation_rps).p99_ms for part in range(50)]
    assert all(later >= 0.99 * earlier > 0 for earlier, later in pairwise(times))


def test_quantiles_of_an_exponential_distribution() -> None:
    """Wilson and Hilferty miss the exact 299.6 and 460.5 by 1 %."""
    response = Response(mean_ms=100, deviation_ms=100)
    assert response.p95_ms == pytest.approx(299.6, rel=0.01)
    assert response.p99_ms == pytest.approx(460.5, rel=0.01)


def test_quantiles_of_a_constant() -> None:
    """4.6: all of them are the constant."""
    assert Response(mean_ms=100, deviation_ms=0).p99_ms == 100


def test_constant_work_has_no_variance_when_idle() -> None:
    """4.6: nothing varies, nothing queues."""
    assert System(Work(10, 30, 0, 0), 4, Layout(8, 1)).response(0).p99_ms == 40


def test_rate_within_a_goal_meets_the_goal_and_no_more() -> None:
    """4.6: bisection ends at the goal; below the idle time no rate is good."""
    system = System(Work(12.7, 18), 2, Layout(9, 1))
    rps = system.rps_within(144)
    assert system.response(rps).p99_ms == pytest.approx(144, rel=1e-3)
    assert system.rps_within(1) == 0


def test_threads_of_one_process_cost_more_than_processes() -> None:
    """Docs, section 5: at 70 % of the CPUs 24 slots lose 41 % of the mean with one process per CPU, 10 % with two."""
    work = Work(12.7, 18)

    def mean_ms(layout: Layout) -> float:
        return System(work, 4, layout).response(0.7 * 4000 / 12.7).mean_ms

    alone = mean_ms(Layout(24, 1))
    assert mean_ms(Layout(8, 3)) / alone == pytest.approx(1.11, abs=0.04)
    assert mean_ms(Layout(4, 6)) / alone == pytest.approx(1.5, abs=0.15)
