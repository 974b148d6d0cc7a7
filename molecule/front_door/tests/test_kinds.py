"""Each kind of project and host is live at the first attempt, or refused with all its causes at once.

The kinds are in tests/projects/kinds.
"""

from __future__ import annotations

import re

import pytest
from kind import Case, Live, Refused
from kinds import CASES
from screen import objection, too_wide, twice
from trial import Outcome

testinfra_hosts = ["ansible://lab"]


def cases(*, live: bool) -> pytest.MarkDecorator:
    """Run a test for each case that is to be live, or refused."""
    chosen = [case for case in CASES if isinstance(case.kind.expect, Live) is live]
    return pytest.mark.parametrize("case", chosen, ids=[case.name for case in chosen])


def words(text: str) -> str:
    """The text in one line, however it was folded and quoted."""
    return re.sub(r"\s+", " ", text.replace("\\n", "\n").replace('\\"', '"'))


@cases(live=True)
def test_live(case: Case, outcome: Outcome) -> None:
    """The first deploy succeeds, and visitors get what the project gives."""
    expected = case.kind.expect
    assert isinstance(expected, Live)
    print(outcome.play.output)
    outcome.play.succeeded()
    assert outcome.complaints == []
    assert [text for text in expected.shows if text not in words(outcome.play.output)] == []
    assert [text for text in expected.never if text in words(outcome.play.output)] == []


@cases(live=False)
def test_refused(case: Case, outcome: Outcome) -> None:
    """All causes are on the screen, and whatever ran before runs on."""
    expected = case.kind.expect
    assert isinstance(expected, Refused)
    print(outcome.play.output)
    outcome.play.refused()
    assert [text for text in expected.shows if text not in words(outcome.message)] == []
    assert [text for text in expected.never if text in words(outcome.play.output)] == []
    changed = outcome.touched if expected.untouched else outcome.serves
    assert set(changed) <= ({"releases"} if expected.leaves_release else set()), changed
    assert outcome.complaints == []


@cases(live=False)
def test_refused_once(case: Case, outcome: Outcome) -> None:
    """No sentence of it is on the screen a second time."""
    assert twice(outcome.message) == []


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.has_message], ids=[case.name for case in CASES if case.has_message]
)
def test_message(case: Case, outcome: Outcome) -> None:
    """What a person reads is what was read before it was committed, and fits the screen."""
    print(outcome.message)
    if isinstance(case.kind.expect, Refused):
        outcome.play.refused()
    assert objection(case.name, outcome.message) == ""
    assert too_wide(outcome.message) == []
