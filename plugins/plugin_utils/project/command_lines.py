# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a line of a shell runs, as a site's unit would run it: without a shell, wrappers, redirections and users."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .findings import fill_in

__all__ = ["VARIABLE", "Command", "Options", "commands_of"]

DEFAULTED: Final = re.compile(r"\$\{\w+:?-([^}$]*)\}")
VARIABLE: Final = re.compile(r"\$\{?(\w+)[^}\s]*\}?")
"""A variable of a shell or of compose."""
UNKNOWN: Final = re.compile(r"\$\([^)]*\)|`[^`]*`|%\(\w+\)")
"""The output of a command; or a variable of uWSGI."""
OPERATORS: Final = frozenset("();<>|&")
KEYWORDS: Final = (
    "exec", "then", "else", "do", "if", "while", "until", "!", "{", "command", "time", "nohup", "tini", "--",
)  # fmt: skip
PREFIXES: Final[Mapping[tuple[str, ...], int]] = {
    ("newrelic-admin", "run-program"): 0,
    ("ddtrace-run",): 0,
    ("opentelemetry-instrument",): 0,
    ("poetry", "run"): 0,
    ("pipenv", "run"): 0,
    ("uv", "run"): 0,
    ("pdm", "run"): 0,
    ("env",): 0,
    ("dumb-init",): 0,
    ("flock",): 1,
    ("gosu",): 1,
    ("su-exec",): 1,
    ("s6-setuidgid",): 1,
    ("setuser",): 1,
    ("chpst",): 0,
    ("timeout",): 1,
    ("nice",): 0,
    ("ionice",): 0,
    ("sudo",): 0,
    ("wait-for-it",): 1,
    ("wait-for-it.sh",): 1,
}
"""Programs that run another one, and how many words of their own come before it, apart from options."""
VALUED: Final = ("-n", "-u", "-g", "-E", "-w", "-t", "-c", "--env-file", "--extra", "--group", "-k", "--user")
"""Options of these programs with a value."""
SHELLS: Final = ("sh", "bash", "dash", "ash")


@dataclass(frozen=True)
class Command:
    """The words of a command. Where they depend on variables, its text has something for the user to fill in."""

    words: tuple[str, ...]

    @property
    def open(self) -> bool:
        """Whether words depend on variables whose values are not in the source."""
        return any(VARIABLE.search(word) for word in self.words)

    @property
    def text(self) -> str:
        """The command as one text that is split as a shell does."""
        return shlex.join(VARIABLE.sub(lambda match: fill_in(match[1]), word) for word in self.words)


def commands_of(text: str) -> list[Command]:
    """Return the commands of a line, each normalised: `python`, `manage.py` and the programs of a venv by their names.

    Variables with a default have that. A line that no shell could read has none.
    """
    line = re.sub(r"[\"']?\$[@*][\"']?", "", DEFAULTED.sub(r"\1", text)).replace("$$", "$")
    line = UNKNOWN.sub("${value}", line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        tokens = list(lexer)
    except ValueError:
        return []
    found: list[Command] = []
    for words in _segments(tokens):
        plain = _unwrapped(words)
        if plain and posixpath.basename(plain[0]) in SHELLS and len(plain) > 2 and re.fullmatch(r"-\w*c", plain[1]):
            found += commands_of(plain[2])
        elif plain:
            found.append(Command(tuple(_named(plain))))
    return found


def _segments(tokens: Sequence[str]) -> list[list[str]]:
    """Split at operators, and leave out redirections."""
    segments: list[list[str]] = [[]]
    skip = False
    for token in tokens:
        if token and set(token) <= OPERATORS:
            if "<" in token or ">" in token:
                if segments[-1] and re.fullmatch(r"\d", segments[-1][-1]):
                    segments[-1].pop()
                skip = True
            else:
                segments.append([])
        elif skip:
            skip = False
        else:
            segments[-1].append(token)
    return [words for words in segments if words]


def _unwrapped(words: list[str]) -> list[str]:
    """Leave out what only leads to the program."""
    while words:
        base = posixpath.basename(words[0])
        if words[0] in KEYWORDS or re.fullmatch(r"[A-Za-z_]\w*=.*", words[0], re.DOTALL):
            words = words[1:]
            continue
        prefix = next((one for one in PREFIXES if (base, *words[1 : len(one)]) == one), None)
        if prefix is None:
            return words
        words = words[len(prefix) :]
        for _own_word in range(PREFIXES[prefix]):
            words = _without_options(words)[1:]
        words = _without_options(words)
    return words


def _without_options(words: list[str]) -> list[str]:
    while words and words[0].startswith("-"):
        words = words[2 if words[0] in VALUED else 1 :]
    return words


def _named(words: list[str]) -> list[str]:
    """Name programs as a site's environment finds them."""
    program = posixpath.basename(words[0])
    if re.fullmatch(r"python(3(\.\d+)?)?", program):
        rest = words[1:]
        while rest and rest[0] in ("-u", "-O", "-B", "-E", "-I", "-s"):
            rest = rest[1:]
        if rest and posixpath.basename(rest[0]) == "manage.py":
            return ["python", "manage.py", *rest[1:]]
        if len(rest) > 1 and rest[0] == "-m" and rest[1] in ("celery", "dramatiq", "django"):
            return _named([{"django": "django-admin"}.get(rest[1], rest[1]), *rest[2:]])
        return ["python", *rest]
    if program in ("manage.py", "django-admin", "django-admin.py"):
        return ["python", "manage.py", *words[1:]]
    in_venv = re.search(r"(^|/)(\.?v?env|venv|virtualenv|\.venv)(/[\w.-]+)?/bin/[\w.-]+$|^/usr/local/bin/", words[0])
    if in_venv or not re.search("/", words[0]):
        return [program, *words[1:]]
    return words


@dataclass(frozen=True)
class Options:
    """The options of a command by what they mean, its other words, and those of no interest left out."""

    values: Mapping[str, str]
    rest: tuple[str, ...]

    @classmethod
    def of(
        cls, words: Iterable[str], meanings: Mapping[str, str], valued: Iterable[str], flags: Iterable[str]
    ) -> Options:
        """Read words: options with a meaning have a value; `valued` and `flags` are left out, with and without one."""
        values: dict[str, str] = {}
        rest: list[str] = []
        dropped = set(valued)
        waiting = list(words)
        while waiting:
            word = waiting.pop(0)
            name, equals, value = word.partition("=")
            if not word.startswith("--"):
                short = word[:2] if word.startswith("-") else word
                known = short in meanings or short in dropped
                name, equals, value = (short, "=", word[2:]) if known and len(word) > 2 else (word, "", "")
            if name in meanings or name in dropped:
                value = value if equals else waiting.pop(0) if waiting else ""
                if name in meanings:
                    values[meanings[name]] = value
            elif name not in flags:
                rest.append(word)
        return cls(values, tuple(rest))
