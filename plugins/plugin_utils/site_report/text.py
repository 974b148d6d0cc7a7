# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in short, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ..text import WIDTH, table, wrapped
from .merging import EVENTS
from .wording import count, duration, headline, percent, together

__all__ = ["text"]

ROUTES: Final = 8
NAME: Final = 36
ERRORS: Final = 5


def text(report: dict[str, Any], hours: int) -> str:
    """Return the most important of it in lines of at most 80 characters."""
    sections = [
        [wrapped(together(f"{report['site']}, {headline(report, hours)}"))],
        _hosts(report),
        _routes(report),
        [*_sentences(report)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _hosts(report: dict[str, Any]) -> list[str]:
    if len(report["hosts"]) < 2:
        return []
    rows = [("host", "requests", "errors", "p50", "p95", "p99")]
    for host, summary in report["hosts"].items():
        times = [duration(summary["seconds"][name]) for name in ("p50", "p95", "p99")] if summary else ["", "", ""]
        numbers = (count(summary["requests"]), percent(summary["error_ratio"])) if summary else ("unreachable", "")
        rows.append((host, *numbers, times[0], times[1], times[2]))
    return table(rows)


def _routes(report: dict[str, Any]) -> list[str]:
    if not report["routes"]:
        return []
    rows = [("route", "requests", "errors", "p50", "p95", "p99")]
    for row in report["routes"][:ROUTES]:
        name = row["route"] if len(row["route"]) <= NAME else row["route"][: NAME - 1] + "…"
        times = [duration(row["seconds"][share]) for share in ("p50", "p95", "p99")]
        rows.append((name or "/", count(row["requests"]), count(row["errors"]), times[0], times[1], times[2]))
    return table(rows)


def _sentences(report: dict[str, Any]) -> Iterator[str]:
    """What went wrong, and what else is worth knowing."""
    for name, meaning in EVENTS.items():
        if number := report["events"][name]["count"]:
            mark = "  " if name.endswith("recycles") else "! "
            yield wrapped(f"{meaning}: {count(number)}", mark, "    ")
    for group in report["tracebacks"][:ERRORS]:
        where = f" in {group['where'][0]}" if group["where"] else ""
        yield _line(f"! {count(group['count'])} x {group['exception']}{where}")
    failures = [one for one in report["errors"] if one["status"] >= "500"]
    for one in failures[:ERRORS]:
        yield _line(f"! {count(one['requests'])} x {one['status']} {one['path']}")
    if (share := report["summary"]["queue_share"]) is not None:
        yield wrapped(f"Of the application's time, {percent(share)} was spent waiting in the queue.", "  ", "    ")
    if report["releases"]:
        yield wrapped(
            f"Went live: {', '.join(dict.fromkeys(one['release'] for one in report['releases']))}", "  ", "    "
        )
    for reason, lines in report["log"]["unreadable"].items():
        yield wrapped(f"Lines of the access log that were left out, {reason}: {count(lines)}", "  ", "    ")
    for host, summary in report["hosts"].items():
        if summary is None:
            yield wrapped(f"{host}: could not be reached or read", "! ", "    ")
    for note in report["notes"]:
        yield wrapped(note, "  ", "    ")


def _line(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
