"""A time of cron becomes the calendar expression that means the same, or is refused."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.calendars import (
    UntranslatableError,
    from_cron,
    from_uwsgi,
)

TIMES = {
    "* * * * *": "*-*-* *:*:00",
    "*/5 * * * *": "*-*-* *:00/5:00",
    "*/7 * * * *": "*-*-* *:00/7:00",
    "0 5 * * *": "*-*-* 05:00:00",
    "30 4 31 12 *": "*-12-31 04:30:00",
    "15,45 9-17/2 * * mon-fri": "Mon,Tue,Wed,Thu,Fri *-*-* 09..17/2:15,45:00",
    "0 0 1 */3 *": "*-01/3-01 00:00:00",
    "0 0 1-15 jan,Jul *": "*-01,07-01..15 00:00:00",
    "0 0 * * 0": "Sun *-*-* 00:00:00",
    "0 0 * * 7": "Sun *-*-* 00:00:00",
    "0 0 * * 5-7": "Fri,Sat,Sun *-*-* 00:00:00",
    "0 0 * * */2": "Tue,Thu,Sat,Sun *-*-* 00:00:00",
    "0 0 * * 0-6": "*-*-* 00:00:00",
    # A step of a star is no limit for cron, so that both fields have to fit.
    "0 0 */2 * 1": "Mon *-*-01/2 00:00:00",
    "@hourly": "hourly",
    "@daily": "daily",
    "@midnight": "daily",
    "@weekly": "Sun *-*-* 00:00:00",
    "@monthly": "monthly",
    "@Annually": "yearly",
}
UNTRANSLATED = {
    "@reboot": "@reboot is not a time",
    "0 0 13 * 5": (
        "it runs on days 13 of the month and on days 5 of the week, for which there is no single calendar expression: "
        "write two schedules"
    ),
    "5/10 * * * *": "'5/10' is a step without a range, which versions of cron read differently",
    "0 0 L * *": "'L' is not a day of a month",
    "H * * * *": "'H' is not a minute",
    "0~30 * * * *": "'0~30' is not a minute",
    "0 0 * * 1#2": "'1#2' is not a day of a week",
    "60 * * * *": "'60' is not a minute",
    "0 24 * * *": "'24' is not a hour",
    "*/0 * * * *": "'*/0' is not a minute",
    "0 17-9 * * *": "'17-9' ends before it begins",
    "0 5 * *": "a time of cron has five fields, and this one has 4",
    "0 0 0 5 * *": "a time of cron has five fields, and this one has 6",
}


@pytest.mark.parametrize(("time", "calendar"), TIMES.items())
def test_times(time: str, calendar: str) -> None:
    assert from_cron(time) == calendar


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("calendar", sorted(set(TIMES.values())))
def test_systemd_reads_them(calendar: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "calendar", f"{calendar} Europe/Berlin"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("time", "message"), UNTRANSLATED.items())
def test_what_no_expression_says(time: str, message: str) -> None:
    with pytest.raises(UntranslatableError) as raised:
        from_cron(time)
    assert str(raised.value) == message


def test_a_time_zone() -> None:
    assert from_cron("0 5 * * *", "Europe/Berlin") == "*-*-* 05:00:00 Europe/Berlin"
    assert from_cron("@daily", "UTC") == "daily UTC"


@pytest.mark.parametrize(
    ("numbers", "calendar"),
    [("59 2 -1 -1 -1", "*-*-* 02:59:00"), ("-5 -1 -1 -1 1", "Mon *-*-* *:00/5:00")],
)
def test_times_of_uwsgi(numbers: str, calendar: str) -> None:
    assert from_uwsgi(numbers) == calendar
    with pytest.raises(UntranslatableError, match="five numbers"):
        from_uwsgi("a 2 3 4 5")
