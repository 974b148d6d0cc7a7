# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of the report as people read them."""

from __future__ import annotations

import re
from typing import Any, Final

from ..text import HARD_SPACE

__all__ = ["clock", "count", "duration", "headline", "percent", "size", "together"]

# Between a number and its unit, or its name.
_UNIT: Final = re.compile(r" (?=(?:%|(?:h|ms|s)\b))|(?<=\bp[0-9]{2}) ")


def count(number: int) -> str:
    """A whole number in groups of three digits."""
    return f"{number:,}"


def duration(seconds: float | None) -> str:
    """A duration with two digits that matter."""
    if seconds is None:
        return "-"
    if seconds < 0.0005:
        return "0 ms"
    if seconds < 0.1:
        return f"{1000 * seconds:.2g} ms" if seconds < 0.01 else f"{1000 * seconds:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:,.0f} s"


def percent(share: float | None) -> str:
    """A share, such that little is not shown as nothing."""
    if share is None:
        return "-"
    if 0 < share < 0.0001:
        return "< 0.01 %"
    return f"{100 * share:.2f} %" if share < 0.0995 else f"{100 * share:.0f} %"


def size(number: int) -> str:
    """Bytes in a unit that fits."""
    value = float(number)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.2f} TB"


def clock(time: str | None) -> str:
    """A time of the document, without its letters and seconds."""
    return "-" if time is None else time[: len("2026-11-30T08:12")].replace("T", " ")


def together(text: str) -> str:
    """Keep numbers on one line with their units."""
    return _UNIT.sub(HARD_SPACE, text)


def headline(report: dict[str, Any], hours: int) -> str:
    """The most important numbers in one sentence."""
    summary = report["summary"]
    if not summary["requests"]:
        return f"last {hours} h: no requests"
    return (
        f"last {hours} h: {count(summary['requests'])} requests, {percent(summary['error_ratio'])} errors, "
        f"p50 {duration(summary['seconds']['p50'])}, p95 {duration(summary['seconds']['p95'])}, "
        f"p99 {duration(summary['seconds']['p99'])}"
    )
