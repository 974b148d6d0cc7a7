"""What a run reports on its steps: how long each action took, what it waited for, and which begins first next time."""

from __future__ import annotations

from pathlib import Path

import pytest
import steps
from steps import Step, chain, order, table, watch

MOLECULE = """\
INFO     Found config file
INFO     [default > create] Executing
PLAY [Create the lab]
INFO     [default > create] Executed: Successful
INFO     [default > verify] Executing
INFO     [default > verify] Executing Testinfra tests found in tests/...
INFO     [default > verify] Executed: Successful
\x1b[36mINFO    \x1b[0m \x1b[32mdefault\x1b[0m ➜ \x1b[33mside_effect\x1b[0m: \x1b[36mExecuting\x1b[0m
\x1b[36mINFO    \x1b[0m \x1b[32mdefault\x1b[0m ➜ \x1b[33mside_effect\x1b[0m: \x1b[32mExecuted: Successful\x1b[0m
INFO     [default > verify] Executing
INFO     [default > verify] Executed: Failed
"""


def step(name: str, began: float, ended: float, **actions: float) -> Step:
    """One that has passed."""
    return Step(name, began, ended, 1, 0, actions)


def test_what_molecule_s_actions_took() -> None:
    """In plain text and in colour; what comes twice is added up, and every line is passed on."""
    lines = MOLECULE.splitlines(keepends=True)
    *echoed, summary = watch(lines, range(0, 10 * len(lines), 10))
    assert echoed == lines
    assert summary == "Actions: create=20.0 verify=30.0 side_effect=10.0\n"


def test_the_longest_chain() -> None:
    """Back from the step that ended last: each time the one that ended last before it began."""
    found = chain([step("a", 0, 10), step("b", 0, 4), step("c", 4, 30), step("d", 10, 28), step("e", 30.2, 90)])
    assert [one.name for one in found] == ["b", "c", "e"]


def test_nothing_has_no_chain() -> None:
    assert chain([]) == []


def test_the_longest_begins_first_and_what_is_new_before_it() -> None:
    assert order(["a", "b", "new"], {"a": 3, "b": 70}) == ["new", "b", "a"]


def test_the_table_fits_a_terminal() -> None:
    """With all actions there are; what a step has not is left out."""
    lines = table([step("lint", 0, 3), step("scenario-one_generation", 0, 4000, **dict.fromkeys(steps.ACTIONS, 500.0))])
    assert lines[0].split() == [
        *("seconds", "total", "create", "prep", "check", "deploy", "again", "verify", "reboot", "end")
    ]
    assert lines[1].split() == ["one_generation", "4000", *(8 * ["500"])]
    assert lines[2].split() == ["lint", "3"]
    assert max(map(len, lines)) <= 80


def test_the_report_ends_with_the_counts_and_keeps_the_durations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failure is the exit status, and what failed is named once more."""
    monkeypatch.chdir(tmp_path)
    Path("results").write_text("a\t100.5\t130.5\t7\t0\tcreate=4.0 verify=20.5\nb\t130.6\t190.6\t1\t2\t\n")
    Path(".cache/logs").mkdir(parents=True)
    Path(".cache/logs/b.log").write_text(
        "FAILED tests/test_b.py::test_one - assert 1 == 2\nother\nERROR tests/test_b.py\n"
    )
    assert steps.main(["report", "results", "100"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4:] == [
        "b failed",
        "    FAILED tests/test_b.py::test_one - assert 1 == 2",
        "    ERROR tests/test_b.py",
        "8 passed, 2 failed",
    ]
    assert "The longest chain, 1 min 30 s: a 30, b 60" in lines
    assert "All of it: 1 min 31 s" in lines
    assert steps.main(["order", "a", "b"]) == 0
    assert capsys.readouterr().out == "b a\n"


def test_other_words_are_none_it_knows(capsys: pytest.CaptureFixture[str]) -> None:
    assert steps.main(["tell"]) == 2
    assert "steps.py report" in capsys.readouterr().err


def test_a_run_that_tested_nothing_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results").write_text("")
    assert steps.main(["report", "results", "100"]) == 1
    assert capsys.readouterr().out.endswith("0 passed, 0 failed\n")


def test_durations_add_up_over_runs_and_what_is_no_line_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run of a few steps forgets nothing of the others."""
    monkeypatch.chdir(tmp_path)
    Path(".cache").mkdir()
    Path(".cache/durations").write_text("b\t70\na\t5\nhalf a li")
    Path("results").write_text("a\t100\t190\t1\t0\t\n")
    assert steps.main(["report", "results", "100"]) == 0
    capsys.readouterr()
    assert steps.main(["order", "b", "a"]) == 0
    assert capsys.readouterr().out == "a b\n"
