"""How a complaint reads, and what it shows of a value."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.complaints import Complaint, listed, shown


def test_a_complaint_is_one_line() -> None:
    assert str(Complaint("site_x", "7 is\n  wrong", "write 8")) == "site_x: 7 is wrong; write 8"
    assert str(Complaint("site_x", "expected 8, got 7")) == "site_x: expected 8, got 7"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Shop", '"Shop"'),
        ("münchen", '"münchen"'),
        ("two\nlines", r'"two\nlines"'),
        ("turned \u202e round", r'"turned \u202e round"'),
        (["x", 1, None, True], '["x", 1, null, true]'),
        (datetime.date(2026, 11, 30), '"2026-11-30"'),
        ("x" * 99, '"' + "x" * 59 + "..."),
    ],
)
def test_a_value_is_shown_as_it_was_written(value: Any, text: str) -> None:
    assert shown(value) == text


def test_credentials_are_not_shown() -> None:
    assert shown("https://anna:hunter2@git.example.com/x") == '"https://git.example.com/x"'
    assert shown({"a": ["https://token@a.example/simple/"]}) == '{"a": ["https://a.example/simple/"]}'


def test_nothing_of_a_secret_is_shown() -> None:
    assert "hunter2" not in shown({"KEY": "hunter2"}, secret=True)


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (list("abc"), "a, b and c")]
)
def test_names_are_listed(names: list[str], text: str) -> None:
    assert listed(names) == text
