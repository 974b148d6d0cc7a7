# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for commands by calendar, and for the command of pitcrew.django.run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from ..schedules import OPTIONS, RESERVED
from .complaints import Complaint, listed, shown
from .kinds import check
from .specification import Option

__all__ = ["check_schedules"]

NAME: Final = "[a-z][a-z0-9_]{0,30}"
CALENDAR: Final = r"[A-Za-z0-9*@][A-Za-z0-9*.,/:~+_@-]*( [A-Za-z0-9*.,/:~+_@-]+){0,3}"
"""Roughly what systemd reads: a host of the site judges it exactly."""
CRON: Final = r"(?:[0-9*/,-]+\s+){2}\S+\s+\S+\s+\S+|@(?:reboot|yearly|annually|monthly|weekly|daily|midnight|hourly)"
CALENDAR_CURE: Final = "write it as in daily, Mon..Fri 07:30 or *:0/15"
LIMITS: Final[Mapping[str, tuple[int, int, str]]] = {
    "random_delay": (0, 86400, "set by how many seconds a run may be late, 0 for none"),
    "timeout": (1, 604800, "set how many seconds a run may take"),
    "memory_mb": (16, 10**6, "set how many MB a run may use"),
}


def check_schedules(values: Mapping[str, Any]) -> Iterator[Complaint]:
    """Check every schedule of C(site_schedules), and C(site_command)."""
    given = values.get("site_schedules") or {}
    for name, schedule in given.items():
        yield from _name(name)
        where = f"site_schedules[{shown(name)}]"
        checked = check(Option(where, type="dict", options=_named(where)), schedule)
        yield from checked.complaints
        if isinstance(schedule, Mapping):
            unusable = {complaint.variable for complaint in checked.complaints}
            yield from _keys(where, {key: value for key, value in schedule.items() if f"{where}.{key}" not in unusable})
    if command := values.get("site_command"):
        yield from split("site_command", command, "-e site_command='manage.py check'")


def _named(where: str) -> dict[str, Option]:
    examples = {"command": "python manage.py clearsessions", "calendar": "daily"}
    return {
        name: replace(option, example=f"{where}: {{..., {name}: {examples[name]}}}" if name in examples else "")
        for name, option in OPTIONS.items()
    }


def _name(name: Any) -> Iterator[Complaint]:
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        yield Complaint(
            "site_schedules",
            f"{shown(name)} cannot name a unit",
            "begin with a lower-case letter and use at most 31 lower-case letters, digits and _",
        )
    elif name in RESERVED:
        yield Complaint("site_schedules", f"{shown(name)} is the name of a unit that the site has anyway", "rename it")


def _keys(where: str, schedule: Mapping[str, Any]) -> Iterator[Complaint]:
    if isinstance(command := schedule.get("command"), str):
        yield from split(f"{where}.command", command, "python manage.py clearsessions")
    if isinstance(calendar := schedule.get("calendar"), str):
        yield from _calendar(f"{where}.calendar", " ".join(calendar.split()))
    for key, (low, high, cure) in LIMITS.items():
        value = schedule.get(key)
        number = int(value) if isinstance(value, (int, float, str)) else None
        if number is not None and not low <= number <= high:
            yield Complaint(
                f"{where}.{key}", f"{number} is {f'above {high}' if number > high else f'below {low}'}", cure
            )


def split(name: str, command: str, example: str) -> Iterator[Complaint]:
    """Check that a command has words, and that no shell is expected to read it."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        yield Complaint(
            name, f"{shown(command)} has an error in its quotes ({error})", "close each quote that is opened"
        )
        return
    if not words or words[0].startswith("-"):
        yield Complaint(name, f"{shown(command)} is not a command", f"write it as in {example}")
    elif of_a_shell := [word for word in words if re.fullmatch(r"[;&|]{1,2}|[0-9]?[<>]{1,2}(&[0-9])?", word)]:
        yield Complaint(
            name,
            f"{shown(command)} has {listed(list(map(shown, dict.fromkeys(of_a_shell))))}, and no shell reads it",
            f"write a single command, or sh -c {shown(shlex.quote(command))[1:-1]}",
        )


def _calendar(name: str, calendar: str) -> Iterator[Complaint]:
    if re.fullmatch(CRON, calendar):
        yield Complaint(name, f"{shown(calendar)} is written for cron, and systemd cannot read it", CALENDAR_CURE)
    elif not re.fullmatch(CALENDAR, calendar):
        yield Complaint(name, f"{shown(calendar)} is not a calendar of systemd", CALENDAR_CURE)
