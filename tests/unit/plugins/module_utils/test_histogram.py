"""Percentiles have the error that is documented, whatever the durations, and can be added up."""

from __future__ import annotations

import math

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.histogram import RELATIVE_ERROR, Histogram
from hypothesis import given
from hypothesis import strategies as st

DURATIONS = st.lists(st.integers(1, 60_000).map(lambda ms: ms / 1000), min_size=1, max_size=300)


def counted(durations: list[float]) -> Histogram:
    """Count them as they come."""
    histogram = Histogram()
    for one in durations:
        histogram.add(Histogram.bucket(one))
    return histogram


@given(DURATIONS, st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_as_near_as_promised(durations: list[float], share: float) -> None:
    exact = sorted(durations)[max(math.ceil(share * len(durations)), 1) - 1]
    assert counted(durations).percentile(share) == pytest.approx(exact, rel=RELATIVE_ERROR * 1.0001)


@given(DURATIONS, DURATIONS)
def test_two_hosts_are_as_one(first: list[float], second: list[float]) -> None:
    both = Histogram(counted(first).as_dict())
    both.merge(Histogram(counted(second).as_dict()))
    assert both.counts == counted(first + second).counts
    assert both.total == len(first) + len(second)


def test_of_nothing_there_is_none() -> None:
    assert Histogram().percentile(0.5) is None


def test_what_is_too_short_for_the_log_is_zero() -> None:
    assert counted([0.0, 0.0, 1.0]).percentile(0.5) == 0.0
