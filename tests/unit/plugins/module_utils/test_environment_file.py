"""What is written for systemd is what systemd reads back, and what it would drop is refused with a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.environment_file import (
    environment_file,
    environment_values,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True)
# Half of the characters are those that mean something to systemd.
VALUES = st.text(st.one_of(st.sampled_from("\"\\`$\n\t '#;=%aé"), st.characters(exclude_categories=["Cs", "Cc"])))


def read_back(text: str) -> dict[str, str]:
    r"""Read as systemd does in double quotes: a backslash escapes only " \ ` $, and joins lines (man systemd.exec)."""
    values = {}
    at = 0
    while at < len(text):
        opened = text.index('="', at)
        name, value, at = text[at:opened], "", opened + 2
        while text[at] != '"':
            if text[at] == "\\":
                at += 1
                value += {"\n": ""}.get(text[at], text[at] if text[at] in '"\\`$' else "\\" + text[at])
            else:
                value += text[at]
            at += 1
        assert text[at + 1] == "\n", "something follows the closing quote"
        values[name] = value
        at += 2
    return values


@settings(database=None, deadline=None)
@given(st.dictionaries(NAMES, VALUES))
def test_systemd_reads_back_what_went_in(values: dict[str, str]) -> None:
    """Whatever the values: quotes, backslashes, dollars, line breaks, any script."""
    assert read_back(environment_file(environment_values(values, "site_environment"))) == values


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain", 'NAME="plain"\n'),
        ("", 'NAME=""\n'),
        ("two words # no comment", 'NAME="two words # no comment"\n'),
        ('say "hello"', 'NAME="say \\"hello\\""\n'),
        ("C:\\new", 'NAME="C:\\\\new"\n'),
        ("$HOME and `id`", 'NAME="\\$HOME and \\`id\\`"\n'),
        ("one\ntwo", 'NAME="one\ntwo"\n'),
        ("it's", 'NAME="it\'s"\n'),
        ("Käse, 漢字", 'NAME="Käse, 漢字"\n'),
    ],
)
def test_a_line(value: str, line: str) -> None:
    """Values are quoted, and only what means something in double quotes is escaped."""
    assert environment_file({"NAME": value}) == line


def test_the_order_does_not_depend_on_who_wrote_it() -> None:
    """The same variables give the same file: no switch because of an order."""
    assert environment_file({"B": "2", "A": "1"}) == 'A="1"\nB="2"\n'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "True"),
        (False, "False"),
        (5432, "5432"),
        (0, "0"),
        (1.5, "1.5"),
        ("True", "True"),
        ("", ""),
        ("tab\tand\nline", "tab\tand\nline"),
    ],
)
def test_values_are_texts(value: Any, text: str) -> None:
    """Numbers and truth values become what YAML shows; strings stay."""
    assert environment_values({"NAME": value}, "site_environment") == {"NAME": text}


@pytest.mark.parametrize("name", ["", "1ST", "MY-NAME", "A B", "A=B", "NAME\n", "ÄRGER", "a.b"])
def test_a_name_that_is_none(name: str) -> None:
    """The message shows the name, where it was set, and what a name is made of."""
    with pytest.raises(ValueError, match="not the name of an environment variable") as error:
        environment_values({name: "x"}, "site_environment")
    assert str(error.value).startswith(f"site_environment: {name!r}")
    assert "letters, digits and underscores" in str(error.value)


@pytest.mark.parametrize(
    ("value", "kind"),
    [({"a": 1}, "a dict"), (["a"], "a list"), (None, "a NoneType")],
)
def test_a_value_that_is_no_text(value: Any, kind: str) -> None:
    """The message names the variable and the cure, and the value stays out of it: it may be a secret."""
    with pytest.raises(ValueError, match="SETTING is " + kind) as error:
        environment_values({"SETTING": value}, "site_secrets")
    assert str(error.value).startswith("site_secrets: ")
    assert "to_json" in str(error.value)


@pytest.mark.parametrize("character", ["\0", "\x01", "\x0b", "\r", "\x1b", "\x1f", "\x7f"])
def test_a_character_that_systemd_drops(character: str) -> None:
    """Systemd would leave the variable out without a word; the value stays out of the message."""
    with pytest.raises(ValueError, match="site_secrets: KEY has a control character") as error:
        environment_values({"KEY": f"hunter{character}2"}, "site_secrets")
    assert "hunter" not in str(error.value)
