# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing that a source tells about its site: a variable with its value, or a question, and the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "CERTAIN",
    "GUESS",
    "NOTE",
    "OPTIONAL",
    "PLACEHOLDER",
    "PROCESS",
    "QUESTION",
    "Finding",
    "Place",
    "fill_in",
    "is_placeholder",
    "key_command",
    "merged",
]

CERTAIN: Final = "certain"
GUESS: Final = "guess"
QUESTION: Final = "question"
"""It cannot be found out from the source."""
NOTE: Final = "note"
"""A deploy would warn of it, or visitors would notice; no variable follows."""

PROCESS: Final = "process"
"""A program that the source starts, and that is not proposed."""
OPTIONAL: Final = "optional"
"""What the settings read with a default that may be right."""

PLACEHOLDER: Final = "<fill in: "


def fill_in(what: str) -> str:
    """Write a value that the user has to replace; a deploy refuses it as it is."""
    return f"{PLACEHOLDER}{what}>"


def is_placeholder(value: Any) -> bool:
    """Whether a value has a part that the user has yet to fill in."""
    if isinstance(value, Mapping):
        return any(map(is_placeholder, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(is_placeholder, value))
    return isinstance(value, str) and PLACEHOLDER in value


def key_command() -> str:
    """Return the command that makes a secret key."""
    return "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"


@dataclass(frozen=True, order=True)
class Place:
    """A line of a file of the source; 0 for the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}" if self.line else self.file


@dataclass(frozen=True)
class Finding:
    """What a source tells about a variable.

    A value of a mapping or a list is a part of it: all findings about the variable are merged. The variable is empty
    if none follows. The reason is one sentence or more, without the place. What is `commented` is proposed as a
    comment, for the user to decide.
    """

    variable: str
    value: Any
    reason: str
    place: Place | None = None
    certainty: str = CERTAIN
    commented: bool = False

    def __str__(self) -> str:
        reason = self.reason.rstrip(".")
        return f"{reason} ({self.place})" if self.place else reason


def merged(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return the variables that findings propose: mappings and lists are merged, of anything else the first counts."""
    values: dict[str, Any] = {}
    for finding in findings:
        name, value = finding.variable, finding.value
        if not name or value in (None, "") or finding.commented or finding.certainty in (NOTE, PROCESS, OPTIONAL):
            continue
        known = values.get(name)
        if name not in values:
            values[name] = value
        elif isinstance(known, dict) and isinstance(value, dict):
            values[name] = known | {key: part for key, part in value.items() if key not in known}
        elif isinstance(known, list) and isinstance(value, list):
            values[name] = [*known, *(one for one in value if one not in known)]
    return values
