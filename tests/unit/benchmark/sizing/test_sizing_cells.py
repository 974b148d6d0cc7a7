"""Which layouts the sizing benchmark compares, and what fits into its time."""

from __future__ import annotations

import pytest
from ansible_collections.pitcrew.django.tests.benchmark.sizing.cells import (
    LEVELS,
    Cell,
    Level,
    allot,
    contenders,
    fixed_cells,
    screened,
    shuffled,
    site_of,
    spread,
)
from ansible_collections.pitcrew.django.tests.benchmark.sizing.workloads import MIXES, Mix, Part

ORM = {"cpu_ms": 12.0, "wait_ms": 18.0}


def test_what_every_study_has() -> None:
    """Two CPUs, orm: the plan is that of docs/sizing.md, section 10."""
    cells = fixed_cells(2, ORM, uwsgi=True)
    assert {role: cell.name for role, cell in cells.items()} == {
        "plan": "sync 9x1",
        "two_n_plus_one": "sync 5x1",
        "two_n_plus_one_threads_4": "gthread 5x4, 1000",
        "one_worker": "sync 1x1",
        "uwsgi": "uwsgi 9x1",
    }
    assert "uwsgi" not in fixed_cells(2, ORM, uwsgi=False)


def test_half_a_cpu_counts_as_one_for_the_rules() -> None:
    assert fixed_cells(0.5, ORM, uwsgi=False)["two_n_plus_one"] == Cell("gunicorn", 3, 1)


@pytest.mark.parametrize("cpus", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("wait_ms", [0.0, 5.0, 200.0])
def test_contenders_surround_the_plan(cpus: float, wait_ms: float) -> None:
    site = site_of(cpus, {"cpu_ms": 8.0, "wait_ms": wait_ms})
    found = contenders(site)
    wanted = site.wanted_slots
    assert all(0.5 * wanted <= cell.slots <= 2.5 * wanted + 10 for cell in found)
    assert {cell.threads == 1 for cell in found} == {True, False}
    assert min(cell.slots for cell in found) <= wanted < max(cell.slots for cell in found)


def test_contenders_keep_to_the_connections_of_one_generation() -> None:
    found = contenders(site_of(1, {"cpu_ms": 8.0, "wait_ms": 50.0, "db_connections": 16}))
    assert found
    assert max(cell.slots for cell in found) == 8


def test_spread_takes_what_is_far_from_the_plan_and_from_each_other() -> None:
    plan = Cell("gunicorn", 4, 1)
    near, far, wide = Cell("gunicorn", 5, 1), Cell("gunicorn", 1, 4), Cell("gunicorn", 12, 4)
    assert spread([plan, near, far, wide], [plan], 2) == [far, wide]
    assert spread([plan, near], [plan], 9) == [near]


def test_screened_keeps_what_comes_near_the_best() -> None:
    cells = [Cell("gunicorn", n, 1) for n in (1, 2, 3)]
    assert screened(dict(zip(cells, (79.0, 80.0, 100.0), strict=True))) == cells[1:]
    assert screened({}) == []


def test_allot_takes_the_highest_level_that_fits_and_drops_the_last_studies() -> None:
    cost = {name: {level: 100.0 * (n + 1) for n, level in enumerate(LEVELS)} for name in "abc"}
    assert allot(600, cost) == dict.fromkeys("abc", LEVELS[1])
    assert allot(250, cost) == dict.fromkeys("ab", LEVELS[0])
    assert allot(50, cost) == {}
    assert allot(1e9, cost) == dict.fromkeys("abc", LEVELS[-1])


def test_every_level_can_score_its_oracle() -> None:
    assert all(isinstance(level, Level) and level.repeats >= 3 for level in LEVELS)


def test_each_repeat_has_an_order_of_its_own() -> None:
    cells = [Cell("gunicorn", n, 1) for n in range(1, 9)]
    orders = [shuffled(cells, seed) for seed in range(5)]
    assert all(sorted(order) == cells for order in orders)
    assert len({tuple(order) for order in orders}) == 5
    assert shuffled(cells, 3) == orders[3]


def test_the_same_seed_draws_the_same_requests() -> None:
    def first(seed: int) -> list[float]:
        draws = MIXES["b"].draws(seed)
        return [next(draws).cpu_ms for _ in range(5)]

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_the_variation_of_a_bimodal_mix() -> None:
    """Mean 0.9 x 5 + 0.1 x 60 = 10.5, square 0.9 x 25 + 0.1 x 3600 = 382.5: (382.5 / 110.25 - 1) ** 0.5."""
    assert MIXES["f"].cpu_ms == pytest.approx(10.5)
    assert MIXES["f"].cv_cpu == pytest.approx(1.571, abs=0.001)
    assert MIXES["f"].idle_p99_ms() == 160


def test_an_exponential_mix_has_a_variation_of_one_and_the_percentile_of_the_table() -> None:
    mix = Mix("x", "", (Part(1, 20, 0),))
    assert mix.cv_cpu == pytest.approx(1)
    assert mix.idle_p99_ms() == pytest.approx(92.1, rel=0.05)
