# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person is shown of a unit's journal, and where in a message."""

from __future__ import annotations

import re

__all__ = ["LINES_SHOWN", "Refusal", "excerpt", "message", "of_unit"]

LINES_SHOWN = 60
TRACEBACK = "Traceback (most recent call last):"
LINKS = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
# Lines of a traceback that say nothing: marks below the code, and how Python itself imports.
SPARE = re.compile(r'\s+([~^]+\s*)+$|\s+File "<frozen importlib')


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


def excerpt(journal: str, limit: int = LINES_SHOWN) -> str:
    """Return the end of a journal, in about as many lines as the limit.

    The last traceback is shown down to the exception, and with its beginning if it fits, even if much was written after
    it. No other traceback is shown in part.
    """
    lines = journal.rstrip().splitlines()
    if len(lines) > limit:
        lines = [line for line in lines if not SPARE.match(line)]
    first = len(lines) - limit
    if first <= 0:
        return "\n".join(lines)
    found = _tracebacks(lines)
    start, end = found[-1] if found else (len(lines), len(lines))
    if start >= first:
        first = next((after for before, after in found if before < first < after), first)
        return "\n".join([_left_out(first), *lines[first:]])
    written_after = min(len(lines) - end, max(limit - (end - start), limit // 4))
    shown = lines[start:end]
    if too_many := max(len(shown) + written_after - limit, 0):
        shown = [shown[0], _left_out(too_many), *shown[1 + too_many :]]
    if start:
        shown.insert(0, _left_out(start))
    last = len(lines) - written_after
    return "\n".join([*shown, *([_left_out(last - end)] if last > end else []), *lines[last:]])


def _left_out(count: int) -> str:
    return f"[{count} lines left out]"


def _tracebacks(lines: list[str]) -> list[tuple[int, int]]:
    """Where tracebacks begin and end; one that another exception was raised from, or during, is part of that one's."""
    found: list[tuple[int, int]] = []
    for start, line in enumerate(lines):
        if not line.endswith(TRACEBACK):
            continue
        # Frames are indented, and the exception follows; further lines of its message may be indented again.
        end = start + 1
        while end < len(lines) and lines[end][:1] in (" ", "\t", ""):
            end += 1
        end += 1
        while end < len(lines) and lines[end][:1] in (" ", "\t"):
            end += 1
        end = min(end, len(lines))
        between = [text for text in lines[found[-1][1] : start] if text.strip()] if found else []
        if between and all(text in LINKS for text in between):
            start = found.pop()[0]
        found.append((start, end))
    return found
