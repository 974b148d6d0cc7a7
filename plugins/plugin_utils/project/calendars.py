# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When cron would run a line, as the calendar expression of a systemd timer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["UntranslatableError", "from_cron", "from_uwsgi"]

DAYS: Final = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
NICKNAMES: Final = {
    "@hourly": "hourly",
    "@daily": "daily",
    "@midnight": "daily",
    # Cron's week begins on Sunday, that of systemd's "weekly" on Monday.
    "@weekly": "Sun *-*-* 00:00:00",
    "@monthly": "monthly",
    "@yearly": "yearly",
    "@annually": "yearly",
}
PART: Final = re.compile(r"(?P<all>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?")


class UntranslatableError(ValueError):
    """A line of cron that no calendar expression says; the message tells why."""


@dataclass(frozen=True)
class Field:
    """One of cron's five fields: its name, its least and greatest value, and names for values, from the least on."""

    name: str
    least: int
    greatest: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        """Return the number that a text stands for."""
        lower = text.lower()[:3]
        if lower in self.names:
            return self.names.index(lower) + self.least
        if not text.isdecimal() or not self.least <= int(text) <= self.greatest:
            raise UntranslatableError(f"{text!r} is not a {self.name}")
        return int(text)


MINUTE: Final = Field("minute", 0, 59)
HOUR: Final = Field("hour", 0, 23)
DAY: Final = Field("day of a month", 1, 31)
MONTH: Final = Field("month", 1, 12, MONTHS)
# Sunday is 0 and 7.
WEEKDAY: Final = Field("day of a week", 0, 7, tuple(day.lower() for day in DAYS))
FIELDS: Final = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)


def from_cron(line: str, zone: str = "") -> str:
    """Return the calendar expression that means the same as the time of a cron line, in a time zone if one is given.

    The line is five fields (minute, hour, day of the month, month, day of the week) with lists, ranges, steps and
    English names, or a nickname such as `@daily`. Raises UntranslatableError for everything else: `@reboot`, which is
    no time; a day of the month together with a day of the week, which cron reads as "either", and an expression as
    "both"; signs of other schedulers, such as `L`, `#`, `H` and `~`.
    """
    words = line.split()
    if len(words) == 1 and words[0].startswith("@"):
        if words[0].lower() not in NICKNAMES:
            raise UntranslatableError(f"{words[0]} is not a time")
        return " ".join(filter(None, (NICKNAMES[words[0].lower()], zone)))
    if len(words) != len(FIELDS):
        raise UntranslatableError(f"a time of cron has five fields, and this one has {len(words)}")
    minute, hour, day, month = (_written(text, field) for text, field in zip(words, FIELDS[:4], strict=False))
    # As in cron: a field that begins with a star does not limit the days, even with a step.
    if not words[2].startswith("*") and not words[4].startswith("*"):
        raise UntranslatableError(
            f"it runs on days {words[2]} of the month and on days {words[4]} of the week, for which there is no single "
            "calendar expression: write two schedules"
        )
    return " ".join(filter(None, (_weekdays(words[4]), f"*-{month}-{day}", f"{hour}:{minute}:00", zone)))


def from_uwsgi(numbers: str) -> str:
    """Return the same for the five numbers of uWSGI's option `cron`: -1 is every value, -5 every fifth."""
    words = numbers.split()
    if len(words) != len(FIELDS) or not all(re.fullmatch(r"-?\d+", word) for word in words):
        raise UntranslatableError(f"{numbers!r} are not the five numbers of a time")
    steps = {word: "*" if word == "-1" else f"*/{word[1:]}" for word in words if word.startswith("-")}
    return from_cron(" ".join(steps.get(word, word) for word in words))


def _parts(text: str, field: Field) -> list[tuple[int, int, int]]:
    """Return the ranges of a field: first value, last value, step."""
    found = []
    for part in text.split(","):
        span, slash, step = part.partition("/")
        match = PART.fullmatch(span)
        if match is None or (slash and (not step.isdecimal() or int(step) == 0)):
            raise UntranslatableError(f"{part!r} is not a {field.name}")
        if slash and not match["all"] and match["last"] is None:
            raise UntranslatableError(f"{part!r} is a step without a range, which versions of cron read differently")
        first = field.least if match["all"] else field.number(match["first"])
        last = field.greatest if match["all"] else field.number(match["last"] or match["first"])
        if last < first:
            raise UntranslatableError(f"{part!r} ends before it begins")
        found.append((first, last, int(step or 1)))
    return found


def _written(text: str, field: Field) -> str:
    """Write a field of a date or a time."""
    written = []
    for first, last, step in _parts(text, field):
        whole = (first, last) == (field.least, field.greatest)
        if whole and step == 1:
            return "*"
        begin = f"{first:02}"
        if first == last:
            written.append(begin)
        elif whole:
            written.append(f"{begin}/{step}")
        else:
            written.append(f"{begin}..{last:02}" + (f"/{step}" if step > 1 else ""))
    return ",".join(dict.fromkeys(written))


def _weekdays(text: str) -> str:
    """Write the days of the week; nothing for all of them."""
    days: set[int] = set()
    for first, last, step in _parts(text, WEEKDAY):
        # A star is the seven days from Sunday on.
        days |= {day % 7 for day in range(first, min(last, 6) + 1 if text.startswith("*") else last + 1, step)}
    if len(days) == len(DAYS):
        return ""
    # Monday first, as systemd writes them.
    return ",".join(DAYS[day] for day in sorted(days, key=lambda day: (day - 1) % 7))
