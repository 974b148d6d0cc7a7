# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person is shown of a unit's journal, and where in a message."""

from __future__ import annotations

import re

from ansible_collections.pitcrew.django.plugins.module_utils.output import exception_in, excerpt

__all__ = ["Refusal", "message", "of_unit", "with_exception"]


class Refusal(Exception):
    """One sentence with the cause and the cure, and what there is to read after it, such as a journal."""

    def __init__(self, sentence: str, *details: str) -> None:
        super().__init__(sentence)
        self.details = details


def message(error: Exception) -> str:
    """Return what to show of an error: its sentence first, then its details, each after an empty line."""
    return "\n\n".join([str(error).rstrip(".") + ".", *getattr(error, "details", ())])


def of_unit(unit: str, journal: str) -> str:
    """Return the detail of a refusal that shows the journal of a unit, or the end of it."""
    return f"The journal of {unit.removesuffix('.service')}:\n{excerpt(journal) or '(empty)'}"


def with_exception(problem: str, journal: str) -> str:
    """Add to a problem the exception that it comes from, if the journal has one, before the cure."""
    first, *more = problem.split("\n")
    exception = exception_in(journal)
    if not exception or not re.search(r"returned 5\d\d|exited", first):
        return problem
    what, semicolon, cure = first.partition("; ")
    stop = "." if what.endswith(".") else ""
    return "\n".join([f"{what.removesuffix('.')}: {exception}{stop}{semicolon}{cure}", *more])
