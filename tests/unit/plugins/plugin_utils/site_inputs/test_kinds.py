"""Values against the types of a specification."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.kinds import check
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.specification import Option

GOOD: list[tuple[str, Any, Any]] = [
    ("str", "", ""),
    ("str", "two\nlines\tand é", "two\nlines\tand é"),
    ("path", "~/x", "~/x"),
    ("int", 7, 7),
    ("int", "7", 7),
    ("int", "-1", -1),
    ("int", 7.0, 7),
    ("float", "0.5", 0.5),
    ("float", 1, 1),
    ("bool", False, False),
    ("bool", "yes", True),
    ("bool", "False", False),
    ("list", [], []),
    ("dict", {}, {}),
    ("raw", {1: 2}, {1: 2}),
    ("int", None, None),
]
BAD: list[tuple[str, Any, str]] = [
    ("str", 7, "7 is not text; write it as text, in quotes"),
    ("str", True, "true is not text; write it as text, in quotes"),
    ("str", ["x"], '["x"] is not text; write it as text, in quotes'),
    ("str", {"a": 1}, '{"a": 1} is not text; write it as text, in quotes'),
    ("str", datetime.date(2026, 11, 30), '"2026-11-30" is not text; write it as text, in quotes'),
    ("str", "a\x00b", r'"a\u0000b" has control characters; remove them'),
    ("str", "a\rb", r'"a\rb" has control characters; remove them'),
    ("int", "many", '"many" is not a whole number; write one, such as 4'),
    ("int", "1; rm", '"1; rm" is not a whole number; write one, such as 4'),
    ("int", 1.5, "1.5 is not a whole number; write one, such as 4"),
    ("int", True, "true is not a whole number; write one, such as 4"),
    ("int", "", '"" is not a whole number; write one, such as 4'),
    ("int", " 7", '" 7" is not a whole number; write one, such as 4'),
    ("int", "0x10", '"0x10" is not a whole number; write one, such as 4'),
    ("int", "\u0667", '"\u0667" is not a whole number; write one, such as 4'),
    ("float", "nan", '"nan" is not a number; write one, such as 0.5'),
    ("float", float("inf"), "Infinity is not a number; write one, such as 0.5"),
    ("bool", "perhaps", '"perhaps" is neither true nor false; write one of the two'),
    ("bool", 1, "1 is neither true nor false; write one of the two"),
    ("list", "x", '"x" is not a list; write one, as in [x]'),
    ("list", "a.example b.example", '"a.example b.example" is not a list; write one, as in [a.example, b.example]'),
    ("list", "a.example,b", '"a.example,b" is not a list; write one, as in [a.example, b]'),
    ("list", "https://a.example/", '"https://a.example/" is not a list; write one, as in [a.example]'),
    ("list", "{{ x }}", '"{{ x }}" is not a list; write one, as in [a, b]'),
    ("list", "", '"" is not a list; write one, as in [a, b]'),
    ("int", "30s", '"30s" is not a whole number; write one, such as 30'),
    ("int", "30 seconds", '"30 seconds" is not a whole number; write one, such as 30'),
    ("list", {"a": 1}, '{"a": 1} is not a list; write one, as in [a, b]'),
    ("dict", ["a"], '["a"] is not a mapping; write one, as in {NAME: value}'),
]


def complaints(option: Option, value: Any) -> list[str]:
    return [str(complaint) for complaint in check(option, value).complaints]


@pytest.mark.parametrize(("kind", "value", "read"), GOOD)
def test_what_fits(kind: str, value: Any, read: Any) -> None:
    """It is given as plain Python, whatever the command line made of it."""
    checked = check(Option("site_x", kind), value)
    assert checked.complaints == ()
    assert checked.value == read
    assert type(checked.value) is type(read)


@pytest.mark.parametrize(("kind", "value", "words"), BAD)
def test_what_does_not_fit(kind: str, value: Any, words: str) -> None:
    assert complaints(Option("site_x", kind), value) == [f"site_x: {words}"]
    assert check(Option("site_x", kind), value).value is None


def test_every_element_is_judged() -> None:
    option = Option("site_x", "list", elements="str")
    assert complaints(option, ["a", "b"]) == []
    assert complaints(option, ["a", {"b": 1}, None, 7]) == [
        'site_x[1]: {"b": 1} is not text; write it as text, in quotes',
        "site_x[2]: is not set, and has no default; set it",
        "site_x[3]: 7 is not text; write it as text, in quotes",
    ]


def test_a_choice() -> None:
    option = Option("site_x", choices=("", "http", "https"))
    assert complaints(option, "") == []
    assert complaints(option, "ftp") == ['site_x: "ftp" is not one of http, https; set one of them']


def test_elements_are_chosen_one_by_one() -> None:
    option = Option("site_x", "list", elements="str", choices=("a", "b"))
    assert complaints(option, ["b", "a"]) == []
    assert complaints(option, ["b", "c"]) == ['site_x[1]: "c" is not one of a, b; set one of them']


CHECKS = Option.of(
    "site_checks",
    {
        "type": "list",
        "elements": "dict",
        "options": {"path": {"type": "str", "required": True}, "status": {"type": "int", "default": 200}},
    },
)


def test_parts_get_their_defaults() -> None:
    assert check(CHECKS, [{"path": "/a"}, {"path": "/b", "status": "404"}]).value == [
        {"path": "/a", "status": 200},
        {"path": "/b", "status": 404},
    ]


def test_everything_that_is_wrong_with_parts() -> None:
    """As Ansible's own validation would: what is unknown, what is missing, what is of another type."""
    assert complaints(CHECKS, [{"pat": "/a"}, {"path": "/b", "status": "ok"}, "/c", {"path": "/", "nonsense": 1}]) == [
        'site_checks[0]: "pat" is not one of its keys; did you mean path?',
        "site_checks[0].path: is not set, and has no default; set it",
        'site_checks[1].status: "ok" is not a whole number; write one, such as 200',
        'site_checks[2]: "/c" is not a mapping; write one, as in {NAME: value}',
        'site_checks[3]: "nonsense" is not one of its keys; they are path, status',
    ]


def test_what_is_not_set() -> None:
    """It is no fault where nothing is a value, and one where there has to be one."""
    assert complaints(Option("site_x"), None) == []
    assert complaints(Option("site_x", default="/"), None) == [
        'site_x: null is not allowed; leave it out for its default, "/"'
    ]
    assert complaints(Option("site_x", required=True, example="site_x: shop"), None) == [
        "site_x: is not set, and has no default; set it, as in site_x: shop"
    ]


def test_a_secret_is_not_shown() -> None:
    assert complaints(Option("site_secrets", "dict", secret=True), "hunter2") == [
        "site_secrets: the value (not shown) is not a mapping; write one, as in {NAME: value}"
    ]


def test_an_example_of_the_option_itself() -> None:
    """Its default, or how its pattern says that it is written; a secret is in no example."""
    assert complaints(Option("site_request_timeout", "int", default=30), "long") == [
        'site_request_timeout: "long" is not a whole number; write one, such as 30'
    ]
    assert complaints(Option("site_python", "path"), 3.12) == [
        "site_python: 3.12 is not text; write it as in /usr/bin/python3.12"
    ]
    assert complaints(Option("site_secret_list", "list", secret=True), "correct") == [
        "site_secret_list: the value (not shown) is not a list; write one, as in [a, b]"
    ]
