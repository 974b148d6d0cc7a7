# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to show of a command that failed: how it ended, and the end of what it wrote."""

from __future__ import annotations

import re
import signal

__all__ = ["LINES_SHOWN", "ending", "exception_in", "excerpt"]

LINES_SHOWN = 60
EXCEPTION_SHOWN = 200
"""The most characters of an exception in a sentence; the whole of it is in what was written."""
TRACEBACK = "Traceback (most recent call last):"
LINKS = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
# Lines of a traceback that add nothing: marks below the code, and how Python itself imports.
SPARE = re.compile(r'\s+([~^]+\s*)+$|\s+File "<frozen importlib')


def ending(status: int) -> str:
    """Describe how a process ended, from the status that Python has for it."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    memory = ", perhaps because the host ran out of memory" if name == "SIGKILL" else ""
    return f"was killed by {name}{memory}"


def excerpt(written: str, limit: int = LINES_SHOWN) -> str:
    """Return the end of what was written, in about as many lines as the limit.

    The last traceback is shown down to the exception, and with its beginning if it fits, even if much was written after
    it. No other traceback is shown in part, and none twice: a release that fails is asked again and again.
    """
    lines = _without_repetitions(written.strip("\n").rstrip().splitlines())
    if len(lines) > limit:
        lines = [line for line in lines if not SPARE.match(line)]
    first = len(lines) - limit
    if first <= 0:
        return "\n".join(lines)
    found = _tracebacks(lines)
    start, end = found[-1] if found else (len(lines), len(lines))
    if start >= first:
        first = next((after for before, after in found if before < first < after < len(lines)), first)
        return "\n".join([_left_out(first), *lines[first:]])
    written_after = min(len(lines) - end, max(limit - (end - start), limit // 4))
    shown = lines[start:end]
    if too_many := max(len(shown) + written_after - limit, 0):
        shown = [shown[0], _left_out(too_many), *shown[1 + too_many :]]
    if start:
        shown.insert(0, _left_out(start))
    last = len(lines) - written_after
    return "\n".join([*shown, *([_left_out(last - end)] if last > end else []), *lines[last:]])


def exception_in(written: str) -> str:
    """Return the exception at the end of the last traceback, in one line; empty if there is no traceback."""
    lines = written.splitlines()
    found = _tracebacks(lines)
    if not found:
        return ""
    start, end = found[-1]
    margin = len(lines[start]) - len(lines[start].lstrip())
    last = max(number for number in range(start, end) if lines[number][margin : margin + 1].strip())
    words = " ".join(" ".join(lines[last:end]).split())
    return (words if len(words) <= EXCEPTION_SHOWN else f"{words[:EXCEPTION_SHOWN]}...").rstrip(".")


def _left_out(count: int) -> str:
    return f"[{count} lines left out]"


def _without_repetitions(lines: list[str]) -> list[str]:
    """Leave out each traceback that comes again later, and the line before it, which introduces it."""
    found = _tracebacks(lines)
    last = {tuple(lines[start:end]): start for start, end in found}
    kept: list[str] = []
    repetitions = place = position = before = 0
    for start, end in found:
        if last[tuple(lines[start:end])] != start:
            kept += lines[position : max(start - 1, before)]
            place = place if repetitions else len(kept)
            repetitions += 1
            position = end
        before = end
    kept += lines[position:]
    if repetitions:
        kept.insert(place, f"[{repetitions} repeated traceback{'s' if repetitions > 1 else ''} left out]")
    return kept


def _tracebacks(lines: list[str]) -> list[tuple[int, int]]:
    """Where tracebacks begin and end; one that another exception was raised from, or during, is part of that one's."""
    found: list[tuple[int, int]] = []
    for start, line in enumerate(lines):
        if not line.endswith(TRACEBACK):
            continue
        # Frames are indented, and the exception follows; further lines of its message may be indented again. uv indents
        # what a build has written, and so all of it.
        margin = len(line) - len(line.lstrip())
        end = start + 1
        while end < len(lines) and (lines[end][margin : margin + 1] in (" ", "\t", "") or not lines[end].strip()):
            end += 1
        end += 1
        while end < len(lines) and lines[end][margin : margin + 1] in (" ", "\t") and lines[end].strip():
            end += 1
        end = min(end, len(lines))
        between = [text for text in lines[found[-1][1] : start] if text.strip()] if found else []
        if between and all(text in LINKS for text in between):
            start = found.pop()[0]
        found.append((start, end))
    return found
