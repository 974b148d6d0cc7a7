# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing that is wrong with what a user has set, in one line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Complaint", "listed", "shown", "written"]

LONGEST_SHOWN: Final = 60


@dataclass(frozen=True)
class Complaint:
    """What is wrong with a variable, and what to write instead; the problem shows the value."""

    variable: str
    problem: str
    cure: str = ""

    def __str__(self) -> str:
        sentence = "; ".join(filter(None, (self.problem, self.cure)))
        return f"{self.variable}: {' '.join(sentence.split())}"


def shown(value: Any, secret: bool = False) -> str:
    """Write a value as in JSON: in one line, shortened, without credentials; nothing of a secret."""
    if secret:
        return "the value (not shown)"
    text = written(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def written(value: Any) -> str:
    """Write a whole value as in JSON: in one line, without credentials."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = re.sub(r"//[^/?#\s\"@]*@", "//", text)
    return "".join(character if character.isprintable() else json.dumps(character)[1:-1] for character in text)


def listed(names: list[str]) -> str:
    """Write a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""
