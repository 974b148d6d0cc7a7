# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one page that needs nothing else: no script, no picture, no style sheet from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from .chart import charts, marks, ticks
from .merging import EVENTS
from .wording import clock, count, duration, headline, percent, size, together

__all__ = ["page"]


def page(report: dict[str, Any], hours: int, others: Mapping[str, str]) -> str:
    """Return the HTML; the other pages are named by their files.

    Whatever comes from visitors is escaped.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(clock=clock, count=count, duration=duration, percent=percent, size=size)
    template = environment.from_string(Path(__file__).with_name("page.html.j2").read_text(encoding="utf-8"))
    slots = report["slots"]
    return template.render(
        report=report,
        hours=hours,
        headline=together(headline(report, hours).capitalize()),
        charts=charts(slots),
        ticks=ticks(slots),
        marks=marks(slots, report["releases"]),
        events=EVENTS,
        others=others,
    )
