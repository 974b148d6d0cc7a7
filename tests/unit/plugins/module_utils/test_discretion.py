"""What visitors wrote is shown, and neither obeyed nor passed on whole."""

from __future__ import annotations

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.discretion import discreet, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode", "plain ünïcode"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\rb\x00c\x7f", "a\\x0db\\x00c\\x7f"),
        ("admin\u202etxt.exe", "admin\\u202etxt.exe"),
        ("half \udcff", "half \\udcff"),
        ("two\nlines\tand a tab", "two\nlines    and a tab"),
    ],
)
def test_nothing_is_obeyed(text: str, shown: str) -> None:
    assert printable(text, 100) == shown


def test_it_is_cut() -> None:
    assert printable("x" * 1000, 10) == "x" * 10 + "…"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("from 203.0.113.77, port 9", "from 203.0.113.x, port 9"),
        ("peer 203.0.113.77:8080", "peer 203.0.113.x:8080"),
        ("at 2001:db8:1:2::77 there", "at 2001:db8::x there"),
        ("[fe80:0:0:0:1:2:3:4]", "[fe80:0::x]"),
        ("at 10:30:45 sharp", "at 10:30:45 sharp"),
        ("GET /reset/?token=hunter2 HTTP/1.1", "GET /reset/?… HTTP/1.1"),
        ("https://shop.test/a?b=c&d=%20e#f", "https://shop.test/a?…#f"),
        ("Is it? Yes.", "Is it? Yes."),
        ('re_path(r"^/?(x)$")', 're_path(r"^/?(x)$")'),
    ],
)
def test_addresses_and_query_strings_are_not_passed_on(text: str, shown: str) -> None:
    assert discreet(text) == shown
