"""What `make bench-profiles` makes of its measurements."""

from __future__ import annotations

import pytest
from ansible_collections.pitcrew.django.tests.benchmark.profiles import (
    Cost,
    Weight,
    cost_of,
    suggest_memory,
    suggest_profiles,
    weigh,
)


def test_weigh_counts_what_is_shared_once() -> None:
    """Two workers and their main process share 30 MB; each counts a third of it."""
    processes = [
        {"pid": 1, "is_main": True, "uss": 15.0, "pss": 25.0, "rss": 45.0},
        {"pid": 2, "is_main": False, "uss": 20.0, "pss": 30.0, "rss": 50.0},
        {"pid": 3, "is_main": False, "uss": 24.0, "pss": 34.0, "rss": 54.0},
    ]
    assert weigh(processes) == Weight(unique=24, shared=30, master=15, resident=54)


def test_cost_of_takes_the_idle_server_and_its_overhead_off() -> None:
    """8 ms a request beyond 5 ms a second, of which 0.7 are the server's; 12 ms in the slot."""
    slices = [
        {"served": 5 * rate, "seconds": 5.0, "unit": 5 * (0.005 + 0.008 * rate), "gap": gap, "in_slot_ms": time}
        for rate, gap, time in ((5, 0.2, 12.0), (40, 0.0, 19.0), (15, 0.05, 12.0))
    ]
    line, cpu_ms, wait_ms = cost_of(slices, overhead_ms=0.7)
    assert line.intercept == pytest.approx(5)
    assert cpu_ms == pytest.approx(7.3)
    assert wait_ms == pytest.approx(4.7)


def test_suggested_profiles_are_the_mean_of_their_pages() -> None:
    """All pages together are the mixed one, those that have no other among them."""
    pages = [("/", "orm", 4, 2), ("/p/", "orm", 9, 9), ("/login/", "template", 5, 1), ("/admin/", "mixed", 50, 24)]
    costs = [Cost("shop", path, profile, "sync", cpu, 0.1, wait, 900) for path, profile, cpu, wait in pages]
    assert suggest_profiles(costs) == {"orm": (6, 6), "template": (5, 1), "mixed": (17, 9)}


def test_suggested_memory_is_that_of_the_heaviest_site_rounded_up() -> None:
    def site(unique: float) -> dict[str, Weight]:
        return {
            "sync 4x1, preloaded": Weight(unique, 21, 16, 60),
            "sync 4x1, preloaded, after four times the requests": Weight(unique + 4, 21, 16, 60),
            "gthread 2x2, preloaded": Weight(unique, 21, 16, 60),
            "gthread 2x16, preloaded": Weight(unique + 10, 21, 16, 60),
        }

    assert suggest_memory({"shop": site(22), "mysite": site(41)}) == {
        "worker_unique_mb": 45,
        "worker_shared_mb": 25,
        "growth_mb": 5,
        "thread_mb": 1,
        "master_mb": 20,
    }
