"""The arithmetic of the sizing benchmark, on numbers whose answer is known."""

from __future__ import annotations

import math
import random

import pytest
from ansible_collections.pitcrew.django.tests.benchmark.sizing.statistics import (
    Probe,
    Search,
    bootstrap,
    choose_oracle,
    fit_line,
    p99,
    ratio,
    sustained,
)


def test_p99_is_a_time_that_occurred() -> None:
    assert p99([float(n) for n in range(1, 101)]) == 99
    assert p99([5.0]) == 5
    assert p99([]) == math.inf


def test_sustained_lies_between_the_last_good_and_the_first_bad_rate() -> None:
    """50 and 200 ms are as far from 100 in logarithms: half of the way."""
    assert sustained([Probe(10, 50), Probe(20, 200)], goal_ms=100) == pytest.approx(15)
    assert sustained([Probe(20, 200), Probe(10, 100)], goal_ms=100) == pytest.approx(10)


def test_sustained_is_nothing_where_no_rate_was_good_and_a_bound_where_all_were() -> None:
    assert sustained([Probe(10, 101)], goal_ms=100) == 0
    assert sustained([], goal_ms=100) == 0
    assert sustained([Probe(10, 50), Probe(12, 60)], goal_ms=100) == 12


def test_sustained_pools_percentiles_that_fall_with_the_rate() -> None:
    """At 20 the percentile was unlucky, at 30 lucky: together they are good, and only 40 is not."""
    probes = [Probe(10, 40), Probe(20, 110), Probe(30, 70), Probe(40, 400)]
    assert 30 < sustained(probes, goal_ms=100) < 40


@pytest.mark.parametrize("bad", [Probe(20, 10, errors=0.002), Probe(20, 10, completed=0.9), Probe(20, math.inf)])
def test_errors_and_missing_answers_are_as_bad_as_late_ones(bad: Probe) -> None:
    assert sustained([Probe(10, 50), bad], goal_ms=100) < 20
    assert sustained([bad], goal_ms=100) == 0


@pytest.mark.parametrize("true_rate", [4, 33, 50, 61, 90])
def test_search_finds_the_rate_wherever_it_begins(true_rate: float) -> None:
    """A server whose percentile doubles at its true rate."""
    search = Search(start=50, goal_ms=100)
    while (rate := search.next()) is not None:
        search.add(Probe(rate, 100 * (rate / true_rate) ** 6))
    assert sustained(search.probes, goal_ms=100) == pytest.approx(true_rate, rel=0.16)
    assert len(search.probes) <= 8


def test_search_stops_below_all_hope_and_at_the_top() -> None:
    hopeless = Search(start=50, goal_ms=100)
    while (rate := hopeless.next()) is not None:
        hopeless.add(Probe(rate, math.inf))
    assert sustained(hopeless.probes, goal_ms=100) == 0
    perfect = Search(start=50, goal_ms=100, most=60)
    while (rate := perfect.next()) is not None:
        perfect.add(Probe(rate, 1))
    assert [round(probe.rate) for probe in perfect.probes] == [50, 57, 60]


def test_bootstrap_of_equal_values_has_no_width_and_of_few_is_wide() -> None:
    assert (bootstrap([2.0] * 5).low, bootstrap([2.0] * 5).high) == (2, 2)
    estimate = bootstrap([0.8, 1.0, 1.2])
    assert (estimate.value, estimate.low, estimate.high, estimate.count) == (1.0, 0.8, 1.2, 3)
    assert not estimate.differs_from_one
    assert bootstrap([0.7, 0.8, 0.75]).differs_from_one
    assert not bootstrap([0.7]).differs_from_one


def test_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = random.Random(1)
    covered = 0
    for _trial in range(100):
        estimate = bootstrap([rng.gauss(1, 0.1) for _ in range(15)], resamples=400)
        covered += estimate.low <= 1 <= estimate.high
    assert covered >= 85


def test_ratio_uses_only_the_repeats_that_both_have() -> None:
    rates = {"plan": {0: 10.0, 1: 20.0, 2: 0.0}, "rule": {1: 10.0, 2: 5.0, 3: 7.0}}
    estimate = ratio(rates, "rule", "plan", repeats=range(4))
    assert estimate is not None
    assert (estimate.value, estimate.count) == (0.5, 1)
    assert ratio(rates, "rule", "plan", repeats=[0]) is None


def test_the_oracle_is_chosen_on_two_repeats_and_scored_on_the_others() -> None:
    """The lucky cell shines in the third repeat only, which has no say in the choice."""
    rates = {
        "plan": {0: 10.0, 1: 10.0, 2: 10.0, 3: 10.0},
        "good": {0: 11.0, 1: 11.0, 2: 9.0, 3: 10.5},
        "lucky": {0: 9.0, 1: 10.0, 2: 20.0},
    }
    assert choose_oracle(rates, "plan", ["plan", "good", "lucky"]) == ("good", [2, 3])
    assert choose_oracle({"plan": {0: 1.0, 1: 1.0}}, "plan", ["plan"]) is None


def test_the_line_through_exact_points() -> None:
    """2 ms for each request and 30 ms for existing."""
    line = fit_line([(n, 30 + 2 * n) for n in (0.0, 10.0, 20.0, 40.0)])
    assert (line.slope, line.intercept, line.r_squared) == pytest.approx((2, 30, 1))
    assert line.half_width == pytest.approx(0, abs=1e-9)


def test_the_interval_of_the_line_is_that_of_the_textbook() -> None:
    """Slope 0.6 with a standard error of 0.2828, 3 degrees of freedom: t is 3.182."""
    line = fit_line([(1, 2), (2, 4), (3, 5), (4, 4), (5, 5)])
    assert line.slope == pytest.approx(0.6)
    assert line.half_width == pytest.approx(0.9, rel=0.03)


@pytest.mark.parametrize("points", [[(0, 1), (1, 2)], [(1, 1), (1, 2), (1, 3)]])
def test_too_little_for_a_line_is_an_error(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="three points"):
        fit_line(points)
