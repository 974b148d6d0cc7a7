# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a site is on all its hosts, as a table that a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["report"]

HEADINGS: Final = ("host", "live", "release", "since", "by", "workers", "memory", "answers in")
UNREACHABLE: Final = "unreachable"


def report(statuses: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out the answers of the module status by host; an empty one is that of a host which was not reached."""
    rows = [HEADINGS, *(_row(host, status) for host, status in statuses.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    said = [line for host, status in statuses.items() for line in _sentences(host, status)]
    ill = sum(not status.get("healthy") for status in statuses.values())
    verdict = f"{ill} of {len(statuses)} hosts need a look." if ill else "All is well."
    return "\n".join([*lines, *([""] if said else []), *said, "", verdict]) + "\n"


def _row(host: str, status: Mapping[str, Any]) -> tuple[str, ...]:
    if not status:
        return (host, UNREACHABLE, *[""] * (len(HEADINGS) - 2))
    running, planned = status["workers"]["running"], status["workers"]["planned"]
    now, most = status["memory_mb"]["now"], status["memory_mb"]["most"]
    answer = status["answers_ms"]["proxy"]
    return (
        host,
        f"{status['slot']}, {status['state']}" if status["slot"] else status["state"],
        status["release"] or "-",
        (status["since"] or "-").replace("T", " ").removesuffix("Z"),
        status["by"] or "-",
        f"{running} of {planned}" if planned is not None else str(running),
        "-" if now is None else f"{now:.0f} MB" if most is None else f"{now:.0f} of {most:.0f} MB",
        "-" if answer is None else f"{answer:.0f} ms",
    )


def _sentences(host: str, status: Mapping[str, Any]) -> Iterator[str]:
    if not status:
        yield f"! {host}: it was not reached, or could not be looked at"
    for sentence in status.get("complaints", ()):
        yield f"! {host}: {sentence}"
    for sentence in status.get("notes", ()):
        yield f"  {host}: {sentence}"
