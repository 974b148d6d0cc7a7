# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only nginx's error log shows."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.discretion import discreet, printable

__all__ = ["end_of_log", "length_of_log", "reasons", "requests_with_long_headers", "time_of_error"]

ERROR_LOG = Path("/var/log/nginx/error.log")
# How much of its end is read, in bytes: some thousands of lines.
READ = 1 << 20


def length_of_log() -> int:
    """How long the log is, in bytes."""
    return ERROR_LOG.stat().st_size if ERROR_LOG.is_file() else 0


def end_of_log(start: int = 0) -> str:
    """What the log has from that byte on, or its last part if that is shorter."""
    if not ERROR_LOG.is_file():
        return ""
    with open(ERROR_LOG, "rb") as file:
        file.seek(max(start, file.seek(0, 2) - READ))
        return file.read().decode(errors="replace")


def requests_with_long_headers(root: Path, since: float) -> list[str]:
    """The requests to which a site answered with more headers than nginx has room for, which became a 502 each.

    C(root) is the site's directory, through whose sockets nginx reaches it; C(since) is in seconds since the epoch.
    """
    pattern = re.compile(
        r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[error\] .*: \*\d+ upstream sent too big header while .*?"
        rf', request: "(\S+ \S+)[^"]*", upstream: "[^"]*unix:{re.escape(str(root))}/live/'
    )
    found = [match for line in end_of_log().splitlines() if "too big header" in line and (match := pattern.match(line))]
    # nginx writes the host's local time.
    return [match[2] for match in found if time.mktime(time.strptime(match[1], "%Y/%m/%d %H:%M:%S")) >= since]


# What nginx writes about a request: when, how serious, why, and for which server.
ABOUT_A_REQUEST = re.compile(
    rb"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(\w+)\] \d+#\d+: \*\d+ (.*?), client: [^,]*, server: ([^,]*)"
)
TIME = re.compile(rb"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d")
REASONS = 50
LONGEST_REASON = 200


def time_of_error(line: bytes) -> float | None:
    """The time of a line of the error log, in seconds since the epoch; nginx writes the host's local time."""
    found = TIME.match(line)
    try:
        return time.mktime(time.strptime(found[0].decode(), "%Y/%m/%d %H:%M:%S")) if found else None
    except ValueError:
        return None


def reasons(blocks: Iterable[list[bytes]], server: str, since: float) -> list[dict[str, Any]]:
    """Why nginx complained about requests of a site, named by its first host name, the most frequent reason first."""
    found: dict[str, dict[str, Any]] = {}
    second, at = b"", 0.0
    for lines in blocks:
        for line in lines:
            about = ABOUT_A_REQUEST.match(line)
            if not about or about[4].decode(errors="replace") != server:
                continue
            if about[1] != second:
                second, at = about[1], time_of_error(line) or 0.0
            if at < since:
                continue
            reason = _reason(about[3].decode(errors="replace"))
            if reason in found or len(found) < REASONS:
                entry = found.setdefault(reason, {"reason": reason, "level": about[2].decode(), "count": 0})
                entry["count"] += 1
                entry["last"] = at
    return sorted(found.values(), key=lambda entry: -entry["count"])


def _reason(text: str) -> str:
    """What lines have in common: without the names and numbers in which they differ, and without addresses."""
    common = re.sub(r'"[^"]*"', '"…"', text)
    return printable(discreet(re.sub(r"(?<![(\w.:])\d+(?![\w:.])", "N", common)), LONGEST_REASON)
