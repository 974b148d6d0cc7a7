"""From recorded sweeps to statements: what counts, what does not, and what may be said."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.tests.benchmark.sizing.cells import Cell
from ansible_collections.pitcrew.django.tests.benchmark.sizing.report import Results, disturbed, findings, summary

PLAN = {"server": "gunicorn", "processes": 5, "threads": 1, "connections": 0}
RULE = {"server": "gunicorn", "processes": 3, "threads": 1, "connections": 0}
BEST = {"server": "gunicorn", "processes": 2, "threads": 3, "connections": 0}
STUDY = {
    "kind": "study",
    "run": "1",
    "mix": "b",
    "cpus": 1.0,
    "goal_ms": 100.0,
    "measured": {"cpu_ms": 10.0},
    "inputs": {"cpu_ms": 9.3, "wait_ms": 0.0, "cv_cpu": 1.0, "cv_wait": 1.0, "slo_p99_ms": 92.1},
    "fixed": {"plan": PLAN, "two_n_plus_one": RULE},
    "contenders": [BEST],
}


def probe(rate: float, p99_ms: float, **more: Any) -> dict[str, Any]:
    usual = {
        "offered": 400,
        "answered": 400,
        "in_window": 400,
        "errors": {},
        "gave_up": False,
        "lag_p99_ms": 2.0,
        "cpu": 0.03,
        "cpu_per_request_ms": 10.0,
    }
    return {"rate": rate, "p99_ms": p99_ms, "steal": 0.0, "foreign": 0.01, **usual, **more}


def sweep(cell: dict[str, Any], repeat: int, rate: float, **more: Any) -> dict[str, Any]:
    """A sweep that sustains exactly this rate."""
    probes = [probe(rate, 100.0, **more), probe(1.1 * rate, 1000.0, **more)]
    return {"kind": "sweep", "run": "1", "mix": "b", "cpus": 1.0, "cell": cell, "repeat": repeat, "probes": probes}


def results(*sweeps: dict[str, Any]) -> Results:
    return Results([STUDY, *sweeps])


FOUR = [
    sweep(cell, repeat, rate)
    for cell, rates in ((PLAN, (40, 42, 40, 38)), (RULE, (20, 21, 20, 19)), (BEST, (44, 44, 40, 40)))
    for repeat, rate in enumerate(rates)
]


def test_a_finding_compares_within_repeats() -> None:
    """The best of the first two repeats is 10 % and 5 % better there, and 0 to 5 % in those that count."""
    (found,) = findings(results(*FOUR))
    assert (found.rate, found.repeats) == (40, 4)
    assert found.oracle == Cell(**BEST)
    assert found.regret == pytest.approx(0.025)
    assert found.plan_over_oracle is not None
    assert not found.plan_over_oracle.differs_from_one
    assert found.rules["two_n_plus_one"].value == pytest.approx(0.5)
    assert found.rules["two_n_plus_one"].differs_from_one
    assert found.prediction_error == pytest.approx(0.248, abs=0.001), "49.9/s of 10 ms on one CPU"


def test_an_unsteady_machine_shows_in_what_the_same_requests_cost() -> None:
    """A fifth more in the second repeat; what was disturbed, and what others cost, does not count."""
    known = results(
        sweep(PLAN, 0, 40),
        sweep(PLAN, 1, 40, cpu_per_request_ms=12.0),
        sweep(PLAN, 2, 40, cpu_per_request_ms=30.0, steal=0.5),
        sweep(RULE, 0, 40, cpu_per_request_ms=30.0),
    )
    assert known.unsteadiness("b on 1 CPU") == pytest.approx(0.2)


def test_rates_are_those_of_a_machine_as_fast_as_the_plan_was_told() -> None:
    """Where the same requests cost a fifth more, it had a fifth less to give; uWSGI may cost less by itself."""
    uwsgi = {"server": "uwsgi", "processes": 5, "threads": 1, "connections": 0}
    known = results(
        sweep(PLAN, 0, 40),
        sweep(RULE, 0, 20),
        sweep(BEST, 0, 44),
        sweep(PLAN, 1, 35, cpu_per_request_ms=12.0),
        *(sweep(uwsgi, repeat, 50, cpu_per_request_ms=8.0) for repeat in (0, 1)),
    )
    rates = known.rates("b on 1 CPU")
    assert rates[Cell(**PLAN)] == pytest.approx({0: 40, 1: 42})
    assert rates[Cell(**uwsgi)] == pytest.approx({0: 50, 1: 50})
    assert known.as_measured.rates("b on 1 CPU")[Cell(**PLAN)] == {0: 40, 1: 35}


def test_what_more_slots_cost() -> None:
    """Five percent for twice as many; answers that are errors, and what another server costs, do not count."""
    cells = [{**PLAN, "processes": processes} for processes in (1, 2, 4, 8)]
    costs = [10 * 1.05**number for number in range(4)]
    known = results(
        *(sweep(cell, 0, 40, cpu_per_request_ms=cost) for cell, cost in zip(cells, costs, strict=True)),
        sweep({**PLAN, "processes": 16}, 0, 40, cpu_per_request_ms=99.0, errors={"status 500": 9}),
        sweep({**PLAN, "server": "uwsgi"}, 0, 40, cpu_per_request_ms=5.0),
    )
    more = known.cost_of_more_slots()
    assert more.slope == pytest.approx(math.log(1.05))
    assert more.count == 4


def test_two_repeats_are_too_few_for_regret() -> None:
    (found,) = findings(results(*(line for line in FOUR if line["repeat"] < 2)))
    assert found.oracle is None
    assert found.regret is None
    assert "not yet" in summary(results(*(line for line in FOUR if line["repeat"] < 2)))


@pytest.mark.parametrize(
    "more", [{"steal": 0.06}, {"foreign": 0.1}, {"lag_p99_ms": 20.0}], ids=["stolen time", "others", "late client"]
)
def test_what_was_disturbed_does_not_count(more: dict[str, float]) -> None:
    assert disturbed(probe(10, 50, **more))
    known = results(sweep(PLAN, 0, 40), sweep(PLAN, 1, 90, **more))
    assert known.rates("b on 1 CPU") == {Cell(**PLAN): {0: 40}}
    assert known.discarded == 1


@pytest.mark.parametrize("lost", [0, 1], ids=["the good end", "the bad end"])
def test_a_search_that_lost_an_end_does_not_count(lost: int) -> None:
    """Nothing but bad rates would be taken for a cell that sustains nothing."""
    line = sweep(PLAN, 0, 40)
    line["probes"][lost]["steal"] = 0.5
    known = results(line, sweep(PLAN, 1, 41))
    assert known.rates("b on 1 CPU") == {Cell(**PLAN): {1: 41}}
    assert known.discarded == 1


def test_a_client_that_gave_up_may_be_late() -> None:
    assert not disturbed(probe(10, 500, lag_p99_ms=20.0, gave_up=True))


def test_the_first_record_of_a_study_holds_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    """So that cells and goal stay the same in all runs."""
    path = tmp_path / "results.jsonl"
    path.write_text(f'{json.dumps(STUDY)}\n{json.dumps({**STUDY, "goal_ms": 200.0})}\n{{"kind": "swe', encoding="utf-8")
    known = Results.read(path)
    assert known.studies["b on 1 CPU"]["goal_ms"] == 100
    assert not known.has("a on 1 CPU")
    assert Results.read(tmp_path / "none").lines == []
