"""The words of a command reach the program as they are, through systemd's own syntax."""

from __future__ import annotations

import re

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.processes.quoting import SLOT, quoted, split, systemd_words
from hypothesis import given
from hypothesis import strategies as st

ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python manage.py sendalerts", "python manage.py sendalerts"),
        ("python -m celery --app=shop", "python -m celery --app=shop"),
        ("./run.sh a/b,c:d@e+f", "./run.sh a/b,c:d@e+f"),
        ("echo 100%", "echo 100%%"),
        ("date +%Y%m%d", "date +%%Y%%m%%d"),
        ("echo $HOME", 'echo "$$HOME"'),
        ("echo '${HOME}' $$", 'echo "$${HOME}" "$$$$"'),
        ("echo 'a b'", 'echo "a b"'),
        ("echo ''", 'echo ""'),
        ('echo "say \\"hi\\""', r'echo "say \"hi\""'),
        ('echo "it\'s"', 'echo "it\'s"'),
        (r"echo 'C:\new'", r'echo "C:\\new"'),
        (r"echo a\ b", 'echo "a b"'),
        (r"echo '\'", r'echo "\\"'),
        # Alone, it would separate two commands.
        ("sh -c ';'", 'sh -c ";"'),
        ("echo ';' next", 'echo ";" next'),
        ("echo 'zwei\nZeilen\tund'", r'echo "zwei\nZeilen\tund"'),
        ("echo '\x1b[1m'", r'echo "\x1b[1m"'),
        ("echo größer ☃ 🚀", 'echo "größer" "☃" "🚀"'),
        ("echo '#' '!' '@x' '~'", 'echo "#" "!" @x "~"'),
    ],
)
def test_a_command_in_a_unit_file(command: str, expected: str) -> None:
    assert systemd_words(command) == expected


def test_the_slot_is_the_only_specifier() -> None:
    assert quoted([f"--hostname=shop-worker.{SLOT}@%h"]) == "--hostname=shop-worker.%i@%%h"
    assert quoted([f"a b {SLOT}"]) == '"a b %i"'
    assert quoted(["%i"]) == "%%i"


@pytest.mark.parametrize("command", ["", "   ", "echo 'open", 'echo "open', "echo \x00", "# a comment'"])
def test_what_is_no_command(command: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        systemd_words(command)


def test_a_comment_is_a_word_as_any_other() -> None:
    assert split("echo # a") == ["echo", "#", "a"]


def read_by_systemd(line: str, slot: str) -> list[str]:
    """Read ExecStart= as systemd.syntax(7) and systemd.service(5) describe it: words, then specifiers, then variables.

    Whatever would mean more than a word is refused: a lone semicolon, a variable, an unknown specifier or escape.
    """
    words, at = [], 0
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        word, quote, begin = "", "", at
        while at < len(line) and (quote or not line[at].isspace()):
            character = line[at]
            if character == "\\":
                if line[at + 1] == "x":
                    word, at = word + chr(int(line[at + 2 : at + 4], 16)), at + 4
                else:
                    word, at = word + {**ESCAPES, "\\": "\\", '"': '"', "'": "'"}[line[at + 1]], at + 2
            elif character == quote:
                quote, at = "", at + 1
            elif character in "\"'" and not quote:
                quote, at = character, at + 1
            else:
                word, at = word + character, at + 1
        assert not quote
        assert line[begin:at] not in (";", "\\;")
        specified = re.sub(r"%(.)", lambda found: {"%": "%", "i": slot}[found[1]], word)
        assert not re.search(r"(?<!\$)(\$\$)*\$(?!\$)", specified)
        words.append(specified.replace("$$", "$"))
    return words


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
SHARP = st.text(st.sampled_from("%$\\\"' ;{}ih#ab\n\t~é=@-"), max_size=12)


@given(st.lists(st.one_of(WORDS, SHARP), min_size=1, max_size=6))
def test_any_words_come_back_through_systemd(words: list[str]) -> None:
    """One line, from which the same words are read."""
    line = quoted(words)
    assert "\n" not in line
    assert not line.endswith("\\")
    assert read_by_systemd(line, "blue") == words


@given(st.lists(SHARP, min_size=2, max_size=4))
def test_the_slot_comes_through_between_any_words(parts: list[str]) -> None:
    assert read_by_systemd(quoted([SLOT.join(parts)]), "blue") == ["blue".join(parts)]
