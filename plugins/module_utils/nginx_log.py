# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only nginx's error log shows."""

from __future__ import annotations

import re
import time
from pathlib import Path

__all__ = ["end_of_log", "length_of_log", "requests_with_long_headers"]

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
