# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the words of a command run: a command of Django, a module, a script, or another program."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Target", "target_of", "why_a_terminal"]

PYTHON = re.compile(r"(?:.*/)?python[0-9.]*")
OPTIONS_WITH_VALUE = ("-W", "-X")
NO_INPUT = {"--no-input", "--noinput"}
DOES_NOT_END = ("runserver", "runserver_plus", "testserver")
ASKS = ("collectstatic", "createsuperuser", "flush", "remove_stale_contenttypes", "squashmigrations")
INTERACTIVE = ("shell", "shell_plus", "dbshell", "changepassword")
PROGRAMS = ("bash", "dash", "sh", "zsh", "ipython", "bpython", "ptpython", "less", "nano", "top", "htop", "vi", "vim")


@dataclass(frozen=True)
class Target:
    """What is run: C(kind) is C(django), C(module), C(script), C(code) or C(program).

    C(name) is the command of Django, the module, the script or the program; C(arguments) are what it gets. C(script) is
    the manage.py of a command of Django, empty where it is run as C(python -m django) or C(django-admin).
    """

    kind: str
    name: str
    arguments: tuple[str, ...] = ()
    script: str = ""


def target_of(words: Sequence[str]) -> Target:
    """Find out what words run."""
    program, *others = words
    if is_manage(program):
        return _django(others, program)
    if program == "django-admin":
        return _django(others)
    if not PYTHON.fullmatch(program):
        return Target("program", program, tuple(others))
    while others and others[0].startswith("-") and others[0] not in ("-", "-m", "-c"):
        others = others[2 if others[0] in OPTIONS_WITH_VALUE else 1 :]
    if not others or others[0] == "-":
        return Target("program", program)
    first, *rest = others
    if first == "-c":
        return Target("code", " ".join(rest[:1]), tuple(rest[1:]))
    if first == "-m":
        module = rest[0] if rest else ""
        return _django(rest[1:]) if module == "django" else Target("module", module, tuple(rest[1:]))
    return _django(rest, first) if is_manage(first) else Target("script", first, tuple(rest))


def is_manage(word: str) -> bool:
    """Whether a word is a manage.py, wherever it lies."""
    return word.rpartition("/")[2] == "manage.py"


def _django(words: Sequence[str], script: str = "") -> Target:
    return Target("django", words[0] if words else "", tuple(words[1:]), script)


def why_a_terminal(words: Sequence[str]) -> str:
    """Why a command cannot run without a terminal, in a sentence without its subject; empty if it can."""
    target = target_of(words)
    if target.kind == "django":
        return _of_django(target)
    is_python = bool(PYTHON.fullmatch(words[0])) and (target.kind == "program" or "-i" in words[1:])
    if is_python or (target.kind == "program" and target.name.rpartition("/")[2] in PROGRAMS and not target.arguments):
        return "needs a terminal"
    return ""


def _of_django(target: Target) -> str:
    if target.name in DOES_NOT_END:
        return "does not end by itself"
    if target.name in ASKS and not NO_INPUT.intersection(target.arguments):
        return "would ask questions, and nobody answers"
    given = {word.partition("=")[0] for word in target.arguments}
    # shell -c "...", and dbshell -- -c "...".
    if target.name in INTERACTIVE and not given.intersection({"-c", "--command", "--"}):
        return "needs a terminal"
    return ""
