"""What `make bench-deploy` makes of its measurements."""

from __future__ import annotations

import pytest
from ansible_collections.pitcrew.django.tests.benchmark.deploy import SETTINGS, STEPS, Times


@pytest.fixture
def times() -> Times:
    """Three turns, on a machine that was twice as slow in the second."""
    found = Times()
    for slowness in (1.0, 2.0, 1.0):
        for step, plain, ours in zip(STEPS, (20, 4, 5), (50, 3, 10), strict=True):
            found.add("plain script", step, slowness * plain, {})
            found.add("pitcrew.django", step, slowness * ours, {"release : Build": 0.8 * ours, "site : Ask": 0.01})
    return found


def test_the_table_has_medians_and_the_ratio_within_a_turn(times: Times) -> None:
    times.add("plain script", "no change", 4, {})
    times.add("pitcrew.django", "no change", 2, {})
    assert times.table() == [
        "                plain script  pitcrew.django   ratio",
        "first deploy          20.0 s          50.0 s    2.50",
        "no change              4.0 s           3.0 s    0.75",
        "code change            5.0 s          10.0 s    2.00",
    ]


def test_what_takes_no_time_is_not_listed(times: Times) -> None:
    assert times.spent()[:4] == [
        "",
        "first deploy: what the time is spent on",
        "   40.00 s  release : Build",
        "",
    ]


def test_only_a_ready_host_is_prepared_and_leaves_ansible_to_find_its_python() -> None:
    assert (SETTINGS["bare"].packages, SETTINGS["bare"].variables) == ((), {})
    assert SETTINGS["ready"].packages == ("git", "nginx", "python3-venv")
    assert SETTINGS["ready"].variables == {"lab_python": ""}
