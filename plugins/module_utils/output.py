# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to show of a command that failed: how it ended, and the end of what it wrote."""

from __future__ import annotations

import signal

__all__ = ["ending", "last_lines"]

LINES_SHOWN = 60
TRACEBACK = "Traceback (most recent call last):"


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


def last_lines(text: str, most: int = LINES_SHOWN) -> str:
    """Return the last lines of a text, and all lines of a traceback that would be cut."""
    lines = text.strip("\n").splitlines()
    start = max(0, len(lines) - most)
    # A traceback is indented below its header; the first line that is not has the error.
    for index in range(start, -1, -1):
        if TRACEBACK in (lines[index] if lines else ""):
            begin = lines[index].index(TRACEBACK)
            body = (line[begin:] for line in lines[index + 1 : start])
            return "\n".join(lines[index if all(not line or line[0] == " " for line in body) else start :])
    return "\n".join(lines[start:])
