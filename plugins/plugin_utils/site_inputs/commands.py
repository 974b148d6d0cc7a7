# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that all commands of a user share, and the names of what runs them: processes and schedules."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from .complaints import Complaint, listed, shown

__all__ = ["check_no_shell", "check_unit_name", "read_words"]

UNIT_NAME: Final = "[a-z][a-z0-9_]{0,30}"
OPERATOR: Final = r"[;&|]{1,2}|[0-9]?[<>]{1,2}(&[0-9])?"


def read_words(name: str, text: str) -> tuple[list[str], list[Complaint]]:
    """Split a command into words as a shell does; a complaint if a quote is not closed, and then no words."""
    try:
        return shlex.split(text), []
    except ValueError as error:
        problem = f"{shown(text)} has an error in its quotes ({error})"
        return [], [Complaint(name, problem, "close each quote that is opened")]


def check_no_shell(name: str, text: str, words: Sequence[str]) -> Iterator[Complaint]:
    """Refuse a command that only a shell could read as it is meant."""
    if operators := [word for word in words if re.fullmatch(OPERATOR, word)]:
        yield Complaint(
            name,
            f"{shown(text)} has {listed([shown(word) for word in dict.fromkeys(operators)])}, and no shell reads it",
            f"write a single command, or sh -c {shown(shlex.quote(text))[1:-1]}",
        )


def check_unit_name(variable: str, name: Any, taken: Collection[str]) -> Iterator[Complaint]:
    """Refuse what cannot name a unit of the site, and what names one that the site has anyway."""
    if not isinstance(name, str) or not re.fullmatch(UNIT_NAME, name):
        yield Complaint(
            variable,
            f"{shown(name)} cannot name a unit",
            "begin with a lower-case letter and use at most 31 lower-case letters, digits and _",
        )
    elif name in taken:
        yield Complaint(variable, f"{shown(name)} is the name of a unit that the site has anyway", "rename it")
