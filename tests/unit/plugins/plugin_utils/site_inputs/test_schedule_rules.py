"""Commands by calendar: what is refused before a host is visited, what a host refuses, and what is not."""

from __future__ import annotations

from typing import Any

import pytest
from test_host_rules import checked
from test_site_variables import complaints

CLEAN = {"command": "python manage.py clearsessions", "calendar": "daily"}
KEYS = "they are command, calendar, random_delay, persistent, all_hosts, timeout, memory_mb"
CALENDAR = "write it as in daily, Mon..Fri 07:30 or *:0/15"


@pytest.mark.parametrize(
    "schedule",
    [
        CLEAN,
        {**CLEAN, "random_delay": 0, "persistent": False, "all_hosts": True, "timeout": 60, "memory_mb": 256},
        {**CLEAN, "random_delay": "0", "persistent": "yes", "timeout": "60.0"},
        {**CLEAN, "command": "sh -c 'python manage.py a && python manage.py b > /dev/null'"},
        {**CLEAN, "command": "python manage.py report --title 'Sales & more'"},
    ],
)
def test_schedules_that_will_do(schedule: dict[str, Any]) -> None:
    assert complaints(site_schedules={"clean": schedule}) == []


@pytest.mark.parametrize(
    "calendar",
    [
        *("daily", "Mon..Fri 07:30", "*:0/15", "*-*-* 02:30:00", "Mon,Thu *-*~01 23:00", "2026-12-24", "@1796083241"),
        *("Sat 03:00 Europe/Berlin", "Mon *-*-* 03:00:00 Etc/GMT+5", "quarterly", "*-*-1..7 4:00", "  daily "),
    ],
)
def test_calendars_of_systemd(calendar: str) -> None:
    """systemd 252 reads all of these."""
    assert complaints(site_schedules={"clean": {**CLEAN, "calendar": calendar}}) == []


REFUSED: list[tuple[Any, str]] = [
    ("daily", 'site_schedules["clean"]: "daily" is not a mapping; write one, as in {NAME: value}'),
    (
        {**CLEAN, "calender": "daily"},
        'site_schedules["clean"]: "calender" is not one of its keys; did you mean calendar?',
    ),
    ({**CLEAN, "hourly": True}, f'site_schedules["clean"]: "hourly" is not one of its keys; {KEYS}'),
    (
        {"calendar": "daily"},
        'site_schedules["clean"].command: is not set, and has no default; set it, as in site_schedules["clean"]: '
        "{..., command: python manage.py clearsessions}",
    ),
    (
        {"command": "python manage.py clearsessions"},
        'site_schedules["clean"].calendar: is not set, and has no default; set it, as in site_schedules["clean"]: '
        "{..., calendar: daily}",
    ),
    (
        {**CLEAN, "command": ["python"]},
        'site_schedules["clean"].command: ["python"] is not text; write it as text, in quotes',
    ),
    (
        {**CLEAN, "command": "python 'manage.py"},
        'site_schedules["clean"].command: "python \'manage.py" has an error in its quotes (No closing quotation); '
        "close each quote that is opened",
    ),
    (
        {**CLEAN, "command": ""},
        'site_schedules["clean"].command: "" is not a command; write it as in python manage.py clearsessions',
    ),
    (
        {**CLEAN, "command": "--help"},
        'site_schedules["clean"].command: "--help" is not a command; write it as in python manage.py clearsessions',
    ),
    (
        {**CLEAN, "command": "a && b"},
        'site_schedules["clean"].command: "a && b" has "&&", and no shell reads it; write a single command, or '
        "sh -c 'a && b'",
    ),
    (
        {**CLEAN, "command": "a\x00b"},
        'site_schedules["clean"].command: "a\\u0000b" has control characters; remove them',
    ),
    (
        {**CLEAN, "calendar": "0 3 * * *"},
        f'site_schedules["clean"].calendar: "0 3 * * *" is written for cron, and systemd cannot read it; {CALENDAR}',
    ),
    (
        {**CLEAN, "calendar": "@daily"},
        f'site_schedules["clean"].calendar: "@daily" is written for cron, and systemd cannot read it; {CALENDAR}',
    ),
    (
        {**CLEAN, "calendar": "every day at three o'clock"},
        f'site_schedules["clean"].calendar: "every day at three o\'clock" is not a calendar of systemd; {CALENDAR}',
    ),
    ({**CLEAN, "calendar": ""}, f'site_schedules["clean"].calendar: "" is not a calendar of systemd; {CALENDAR}'),
    (
        {**CLEAN, "timeout": 0},
        'site_schedules["clean"].timeout: 0 is below 1; set how many seconds a run may take',
    ),
    (
        {**CLEAN, "timeout": "1h"},
        'site_schedules["clean"].timeout: "1h" is not a whole number; write one, such as 1',
    ),
    (
        {**CLEAN, "random_delay": 100000},
        'site_schedules["clean"].random_delay: 100000 is above 86400; set by how many '
        "seconds a run may be late, 0 for none",
    ),
    (
        {**CLEAN, "memory_mb": 2},
        'site_schedules["clean"].memory_mb: 2 is below 16; set how many MB a run may use',
    ),
    (
        {**CLEAN, "persistent": "perhaps"},
        'site_schedules["clean"].persistent: "perhaps" is neither true nor false; write one of the two',
    ),
]


@pytest.mark.parametrize(("schedule", "sentence"), REFUSED)
def test_a_schedule_that_is_refused(schedule: Any, sentence: str) -> None:
    assert complaints(site_schedules={"clean": schedule}) == [sentence]


@pytest.mark.parametrize("name", ["Clean", "clean-up", "1clean", "", "x" * 32, "a.b", 7])
def test_names_of_no_unit(name: Any) -> None:
    [sentence] = complaints(site_schedules={name: CLEAN})
    assert sentence.endswith(
        "cannot name a unit; begin with a lower-case letter and use at most 31 lower-case letters, digits and _"
    )


@pytest.mark.parametrize("name", ["boot", "build", "liveness", "run", "waiting"])
def test_names_of_units_that_a_site_has(name: str) -> None:
    [sentence] = complaints(site_schedules={name: CLEAN})
    assert sentence == f'site_schedules: "{name}" is the name of a unit that the site has anyway; rename it'


def test_everything_at_once() -> None:
    """Of all schedules, in their order."""
    found = complaints(
        site_schedules={
            "clean": {**CLEAN, "timeout": 0, "calendar": "0 3 * * *"},
            "boot": {"command": "", "calendar": "daily"},
        }
    )
    assert [sentence.partition(": ")[0] for sentence in found] == [
        'site_schedules["clean"].calendar',
        'site_schedules["clean"].timeout',
        "site_schedules",
        'site_schedules["boot"].command',
    ]


def test_the_command_to_run() -> None:
    """It may be anything that has words."""
    assert complaints(site_command="manage.py createsuperuser --no-input") == []
    [sentence] = complaints(site_command="manage.py 'check")
    assert sentence == (
        'site_command: "manage.py \'check" has an error in its quotes (No closing quotation); close each quote that '
        "is opened"
    )


def test_a_calendar_that_the_host_cannot_use() -> None:
    """Its systemd has the last word."""
    facts = {"schedules": {"foreign": [], "unusable": {"clean": "is not a calendar of systemd on this host"}}}
    assert checked(host=facts, site_schedules={"clean": {**CLEAN, "calendar": "dayly"}}) == [
        'site_schedules["clean"].calendar: "dayly" is not a calendar of systemd on this host; write it as in '
        "daily, Mon..Fri 07:30 or *:0/15; systemd-analyze calendar shows what it makes of one"
    ]


def test_a_unit_of_somebody_else() -> None:
    facts = {"schedules": {"foreign": ["/etc/systemd/system/shop-clean.timer"], "unusable": {}}}
    assert checked(host=facts, site_schedules={"clean": CLEAN}) == [
        "site_schedules: /etc/systemd/system/shop-clean.timer was not written for the site; remove that unit, or "
        "rename the schedule"
    ]
