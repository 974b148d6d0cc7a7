# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for commands by calendar, and for the command of pitcrew.django.run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from ..schedules import OPTIONS, RESERVED
from .commands import check_no_shell, check_unit_name, read_words
from .complaints import Complaint, shown
from .kinds import check
from .patterns import Range
from .specification import Option

__all__ = ["check_schedules"]

CALENDAR: Final = r"[A-Za-z0-9*@][A-Za-z0-9*.,/:~+_@-]*( [A-Za-z0-9*.,/:~+_@-]+){0,3}"
"""Roughly what systemd reads: a host of the site judges it exactly."""
CRON: Final = r"(?:[0-9*/,-]+\s+){2}\S+\s+\S+\s+\S+|@(?:reboot|yearly|annually|monthly|weekly|daily|midnight|hourly)"
CALENDAR_CURE: Final = "write it as in daily, Mon..Fri 07:30 or *:0/15"
RANGES: Final[Mapping[str, Range]] = {
    "random_delay": Range(0, 86400, "set by how many seconds a run may be late, 0 for none"),
    "timeout": Range(1, 604800, "set how many seconds a run may take"),
    "memory_mb": Range(16, 10**6, "set how many MB a run may use"),
}


def check_schedules(values: Mapping[str, Any]) -> Iterator[Complaint]:
    """Check every schedule of C(site_schedules), and C(site_command)."""
    given = values.get("site_schedules") or {}
    for name, schedule in given.items():
        yield from check_unit_name("site_schedules", name, RESERVED)
        where = f"site_schedules[{shown(name)}]"
        checked = check(Option(where, type="dict", options=_named(where)), schedule)
        yield from checked.complaints
        if isinstance(schedule, Mapping):
            unusable = {complaint.variable for complaint in checked.complaints}
            yield from _keys(where, {key: value for key, value in schedule.items() if f"{where}.{key}" not in unusable})
    if command := values.get("site_command"):
        yield from _command("site_command", command, "-e site_command='manage.py check'")


def _named(where: str) -> dict[str, Option]:
    examples = {"command": "python manage.py clearsessions", "calendar": "daily"}
    return {
        name: replace(option, example=f"{where}: {{..., {name}: {examples[name]}}}" if name in examples else "")
        for name, option in OPTIONS.items()
    }


def _keys(where: str, schedule: Mapping[str, Any]) -> Iterator[Complaint]:
    if isinstance(command := schedule.get("command"), str):
        yield from _command(f"{where}.command", command, "python manage.py clearsessions")
    if isinstance(calendar := schedule.get("calendar"), str):
        yield from _calendar(f"{where}.calendar", " ".join(calendar.split()))
    for key, allowed in RANGES.items():
        if schedule.get(key) is not None:
            yield from allowed.check(f"{where}.{key}", check(OPTIONS[key], schedule[key]).value)


def _command(name: str, text: str, example: str) -> Iterator[Complaint]:
    words, complaints = read_words(name, text)
    if complaints:
        yield from complaints
    elif not words or words[0].startswith("-"):
        yield Complaint(name, f"{shown(text)} is not a command", f"write it as in {example}")
    else:
        yield from check_no_shell(name, text, words)


def _calendar(name: str, calendar: str) -> Iterator[Complaint]:
    if re.fullmatch(CRON, calendar):
        yield Complaint(name, f"{shown(calendar)} is written for cron, and systemd cannot read it", CALENDAR_CURE)
    elif not re.fullmatch(CALENDAR, calendar):
        yield Complaint(name, f"{shown(calendar)} is not a calendar of systemd", CALENDAR_CURE)
