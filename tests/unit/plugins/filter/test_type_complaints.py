"""Values against the types that a role documents."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.filter.type_complaints import FilterModule

type_complaints = FilterModule().filters()["type_complaints"]

GOOD: list[tuple[str, Any]] = [
    ("str", ""),
    ("str", "two\nlines\tand é"),
    ("int", 7),
    ("int", "7"),
    ("int", "-1"),
    ("int", 7.0),
    ("float", "0.5"),
    ("float", 1),
    ("bool", False),
    ("bool", "yes"),
    ("bool", "False"),
    ("list", []),
    ("dict", {}),
    ("int", None),
]
BAD: list[tuple[str, Any, str]] = [
    ("str", 7, "a text without control characters, got 7"),
    ("str", True, "got True"),
    ("str", ["x"], "got ['x']"),
    ("str", {"a": 1}, "got {'a': 1}"),
    ("str", "a\x00b", r"got 'a\x00b'"),
    ("str", "a\rb", r"got 'a\rb'"),
    ("int", "many", "a whole number, got 'many'"),
    ("int", "1; rm", "got '1; rm'"),
    ("int", 1.5, "got 1.5"),
    ("int", True, "got True"),
    ("int", "", "got ''"),
    ("int", " 7", "got ' 7'"),
    ("int", "0x10", "got '0x10'"),
    ("int", "\u0667", "got"),
    ("float", "nan", "a number, got 'nan'"),
    ("float", float("inf"), "got inf"),
    ("bool", "perhaps", "true or false, got 'perhaps'"),
    ("bool", 1, "got 1"),
    ("list", "x", "a list, got 'x'"),
    ("list", {"a": 1}, "got {'a': 1}"),
    ("dict", ["a"], "a mapping, got ['a']"),
    ("dict", "x" * 99, "got '" + "x" * 59 + "..."),
]


@pytest.mark.parametrize(("kind", "value"), GOOD)
def test_what_fits(kind: str, value: Any) -> None:
    assert type_complaints({"site_x": value}, {"site_x": {"type": kind}}) == []


@pytest.mark.parametrize(("kind", "value", "words"), BAD)
def test_what_does_not_fit(kind: str, value: Any, words: str) -> None:
    (complaint,) = type_complaints({"site_x": value}, {"site_x": {"type": kind}})
    assert complaint.startswith("site_x: expected ")
    assert words in complaint


def test_an_element_that_does_not_fit() -> None:
    options = {"site_x": {"type": "list", "elements": "str"}}
    assert type_complaints({"site_x": ["a", "b"]}, options) == []
    (complaint,) = type_complaints({"site_x": ["a", {"b": 1}]}, options)
    assert complaint == (
        "site_x: expected a list in which each is a text without control characters, got {'b': 1} in it"
    )


def test_a_choice_that_is_none() -> None:
    options = {"site_x": {"type": "str", "choices": ["", "http", "https"]}}
    assert type_complaints({"site_x": ""}, options) == []
    assert type_complaints({"site_x": "ftp"}, options) == ["site_x: expected one of http, https, got 'ftp'"]


def test_a_secret_is_not_shown() -> None:
    (complaint,) = type_complaints({"site_secrets": "hunter2"}, {"site_secrets": {"type": "dict"}})
    assert complaint == "site_secrets: expected a mapping, got a str, which is not shown"


@pytest.mark.parametrize("said", [{}, {"site_x": None}])
def test_what_was_not_said(said: dict[str, Any]) -> None:
    """It is no fault, unless there is no default."""
    assert type_complaints(said, {"site_x": {"type": "str"}}) == []
    assert type_complaints(said, {"site_x": {"type": "str", "required": True}}) == [
        "site_x: missing, it has no default"
    ]
