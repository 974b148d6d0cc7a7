"""How long the sizing benchmark takes, and which cells each repeat visits."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitcrew.django.tests.benchmark.sizing.bench import (
    Study,
    cells_of,
    probe_seconds,
    study_seconds,
)
from ansible_collections.pitcrew.django.tests.benchmark.sizing.cells import Cell, Level
from ansible_collections.pitcrew.django.tests.benchmark.sizing.report import Results
from ansible_collections.pitcrew.django.tests.benchmark.sizing.workloads import MIXES

PLAN, RULE, GOOD, BAD = (Cell("gunicorn", processes, 1) for processes in (5, 3, 8, 12))
STUDY: dict[str, Any] = {
    "kind": "study",
    "mix": "b",
    "cpus": 1.0,
    "inputs": {},
    "goal_ms": 100.0,
    "measured": {"cpu_ms": 10.0},
    "fixed": {"plan": vars(PLAN), "two_n_plus_one": vars(RULE)},
    "contenders": [vars(GOOD), vars(BAD)],
}


def sweep(cell: Cell, repeat: int, rate: float) -> dict[str, Any]:
    usual = {
        "offered": 9,
        "in_window": 9,
        "errors": {},
        "gave_up": False,
        "cpu_per_request_ms": 10.0,
        "lag_p99_ms": 1.0,
        "steal": 0.0,
        "foreign": 0.0,
    }
    probes = [{"rate": rate, "p99_ms": 100.0, **usual}, {"rate": 2 * rate, "p99_ms": 900.0, **usual}]
    about = {"kind": "sweep", "run": "1", "mix": "b", "cpus": 1.0}
    return {**about, "cell": vars(cell), "repeat": repeat, "probes": probes}


def test_a_probe_lasts_for_its_requests_and_long_enough_for_a_queue_to_grow() -> None:
    assert probe_seconds(rate=40, requests=400, goal_ms=100, bounds=(6, 25)) == 10
    assert probe_seconds(rate=400, requests=400, goal_ms=100, bounds=(6, 25)) == 6
    assert probe_seconds(rate=400, requests=400, goal_ms=2000, bounds=(6, 25)) == 12
    assert probe_seconds(rate=4, requests=400, goal_ms=9000, bounds=(6, 25)) == 25


def test_after_two_repeats_only_the_plan_and_the_best_contender_go_on() -> None:
    known = [sweep(cell, n, rate) for n in range(2) for cell, rate in ((PLAN, 40), (RULE, 20), (GOOD, 42), (BAD, 30))]
    study = Study.of(STUDY)
    assert cells_of(study, Results([STUDY]), repeat=0) == [PLAN, RULE, GOOD, BAD]
    assert cells_of(study, Results([STUDY, *known]), repeat=2) == [PLAN, GOOD]


def test_what_is_done_costs_nothing_more() -> None:
    mix, level = MIXES["b"], Level(4, 4)
    whole = study_seconds(mix, 1, level, done=0, requests=400, is_new=True)
    rest = study_seconds(mix, 1, level, done=2, requests=400, is_new=False)
    assert whole > 2 * rest > 0
    assert study_seconds(mix, 1, level, done=4, requests=400, is_new=False) == 0
