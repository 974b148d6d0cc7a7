# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the bars of a chart are. All text is outside of the picture, so that it keeps its size on a narrow screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from .wording import clock, count, duration

__all__ = ["Bar", "Chart", "Mark", "charts", "marks", "ticks"]

WIDTH: Final = 1000
HEIGHT: Final = 100
GAP: Final = 0.15
TICKS: Final = 6
DAY_S: Final = 86400


@dataclass(frozen=True)
class Bar:
    """One bar, in a picture of 1000 by 100, with its value in words."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A row of bars; the highest one has its value in words."""

    name: str
    kind: str
    highest: str
    bars: list[Bar]


@dataclass(frozen=True)
class Mark:
    """Something at a place from the left, in percent."""

    left: float
    text: str


def charts(slots: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Requests, errors and slow responses over time."""
    return [
        _chart("Requests", "requests", slots, "requests", lambda value: count(int(value))),
        _chart("Errors (5xx)", "errors", slots, "errors", lambda value: count(int(value))),
        _chart("95 % of the application's responses within", "p95", slots, "p95", duration),
    ]


def _chart(name: str, kind: str, slots: Sequence[Mapping[str, Any]], key: str, worded: Callable[[float], str]) -> Chart:
    values = [float(slot[key] or 0) for slot in slots]
    highest = max(values, default=0.0)
    width = WIDTH / max(len(slots), 1)
    bars = []
    for number, (slot, value) in enumerate(zip(slots, values, strict=True)):
        if value:
            # What is there can be seen.
            height = max(HEIGHT * value / highest, 1.0)
            bars.append(
                Bar(
                    x=round((number + GAP / 2) * width, 2),
                    y=round(HEIGHT - height, 2),
                    width=round((1 - GAP) * width, 2),
                    height=round(height, 2),
                    text=f"{clock(slot['at'])}: {worded(value)}",
                )
            )
    return Chart(name=name, kind=kind, highest=worded(highest), bars=bars)


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


def _span(slots: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    start = _seconds(slots[0]["at"])
    return start, len(slots) * float(slots[0]["seconds"])


def ticks(slots: Sequence[Mapping[str, Any]]) -> list[Mark]:
    """Times below the charts."""
    if not slots:
        return []
    _start, span = _span(slots)
    step = -(-len(slots) // TICKS)
    return [
        Mark(100 * number / len(slots), slot["at"][5:10] if span > 3 * DAY_S else slot["at"][11:16])
        for number, slot in enumerate(slots)
        if number % step == 0
    ]


def marks(slots: Sequence[Mapping[str, Any]], releases: Sequence[Mapping[str, Any]]) -> list[Mark]:
    """Where releases went live: one mark for those on several hosts at about the same time."""
    if not slots:
        return []
    start, span = _span(slots)
    found: dict[int, list[Mapping[str, Any]]] = {}
    for release in releases:
        place = (_seconds(release["at"]) - start) / span
        if 0 <= place <= 1:
            found.setdefault(round(100 * place), []).append(release)
    return [
        Mark(
            min(round(100 * (_seconds(together[0]["at"]) - start) / span, 2), 99.8),
            "; ".join(dict.fromkeys(f"{clock(one['at'])} {one.get('release', '')}" for one in together)),
        )
        for together in found.values()
    ]
