"""Commands by calendar: written, started, removed without a trace, and how their runs have ended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import host as host_module
from ansible_collections.pitcrew.django.plugins.module_utils import schedules as module
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.schedules import Schedules, examine

CLEAN = {"name": "clean", "timer": "[Timer]\nOnCalendar=daily\n", "service": "[Service]\nExecStart=/usr/bin/env a\n"}
REPORT = {"name": "report", "timer": "[Timer]\nOnCalendar=hourly\n", "service": "[Service]\nExecStart=/usr/bin/env b\n"}


class Systemd:
    """Note the orders, and do what they do to links; tell the states that a test wants."""

    def __init__(self, units: Path) -> None:
        self.units = units
        self.orders: list[str] = []
        self.complaint: str | None = None
        self.states: dict[str, str] = {}
        self.started: set[str] = set()
        self.outdated: set[str] = set()
        self.next: dict[str, float] = {}

    def order(self, *words: str) -> str | None:
        """Do as systemctl does."""
        self.orders.append(" ".join(words))
        if words == ("daemon-reload",):
            self.outdated.clear()
        if words[0] == "restart" and not self.complaint:
            self.started.add(words[1])
        link = self.units / "timers.target.wants" / words[-1]
        if words[0] == "enable" and not self.complaint:
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(self.units / words[-1])
        if words[0] == "disable":
            link.unlink(missing_ok=True)
        return self.complaint if words[0] in ("enable", "restart") else None

    def properties_of(self, units: list[str], *names: str) -> dict[str, dict[str, str]]:
        """Tell that timers run that were started, unless a test wants it otherwise."""
        assert names[0] == "ActiveState"
        return {
            unit: {
                "ActiveState": self.states.get(unit, "active" if unit in self.started else "inactive"),
                "NeedDaemonReload": "yes" if unit in self.outdated else "no",
            }
            for unit in units
        }

    def next_elapses(self, timers: Any) -> dict[str, float]:
        """Tell when timers elapse."""
        return {timer: self.next[timer] for timer in timers if timer in self.next}


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    """Give a systemd without units."""
    monkeypatch.setattr(host_module, "UNITS", tmp_path / "system")
    monkeypatch.setattr(module, "TIMERS", tmp_path / "timers")
    for directory in ("system", "timers", "shop"):
        (tmp_path / directory).mkdir()
    return Systemd(tmp_path / "system")


@pytest.fixture
def schedules(systemd: Systemd, tmp_path: Path) -> Schedules:
    """Give a site that has no schedules."""
    return Schedules(HostedSite("shop", str(tmp_path / "shop")), systemd)  # type: ignore[arg-type]


def test_a_site_without_any(schedules: Schedules, systemd: Systemd, tmp_path: Path) -> None:
    """Nothing is written, and systemd is not asked."""
    assert schedules.settled([])
    schedules.establish([])
    assert (systemd.orders, examine(schedules)) == ([], ([], []))
    assert list((tmp_path / "shop").iterdir()) == []


def test_established_once(schedules: Schedules, systemd: Systemd, tmp_path: Path) -> None:
    assert not schedules.settled([CLEAN, REPORT])
    schedules.establish([CLEAN, REPORT])
    assert (tmp_path / "system/shop-clean.timer").read_text() == CLEAN["timer"]
    assert (tmp_path / "system/shop-report.service").read_text() == REPORT["service"]
    assert systemd.orders == [
        "daemon-reload",
        "enable shop-clean.timer",
        "restart shop-clean.timer",
        "enable shop-report.timer",
        "restart shop-report.timer",
    ]
    assert schedules.settled([REPORT, CLEAN])
    schedules.establish([CLEAN, REPORT])
    assert len(systemd.orders) == 5


def test_another_command(schedules: Schedules, systemd: Systemd) -> None:
    """The timer goes on: started anew, it would draw another delay, and forget a run that is due."""
    schedules.establish([CLEAN, REPORT])
    systemd.orders.clear()
    changed = {**CLEAN, "service": "[Service]\nExecStart=/usr/bin/env c\n"}
    assert not schedules.settled([changed, REPORT])
    schedules.establish([changed, REPORT])
    assert systemd.orders == ["daemon-reload"]
    assert schedules.settled([changed, REPORT])


def test_another_calendar(schedules: Schedules, systemd: Systemd) -> None:
    schedules.establish([CLEAN, REPORT])
    systemd.orders.clear()
    schedules.establish([{**CLEAN, "timer": "[Timer]\nOnCalendar=weekly\n"}, REPORT])
    assert systemd.orders == ["daemon-reload", "enable shop-clean.timer", "restart shop-clean.timer"]


@pytest.mark.parametrize("file", ["shop-clean.timer", "shop-clean.service", "timers.target.wants/shop-clean.timer"])
def test_what_somebody_has_removed(schedules: Schedules, systemd: Systemd, tmp_path: Path, file: str) -> None:
    """It is not settled, and comes back."""
    schedules.establish([CLEAN])
    (tmp_path / "system" / file).unlink()
    assert not schedules.settled([CLEAN])
    schedules.establish([CLEAN])
    assert schedules.settled([CLEAN])


def test_a_timer_that_does_not_run(schedules: Schedules, systemd: Systemd) -> None:
    """A run was cut off before it started it, or somebody has stopped it: it starts, and the others go on."""
    schedules.establish([CLEAN, REPORT])
    systemd.orders.clear()
    systemd.started.remove("shop-clean.timer")
    assert not schedules.settled([CLEAN, REPORT])
    schedules.establish([CLEAN, REPORT])
    assert systemd.orders == ["daemon-reload", "enable shop-clean.timer", "restart shop-clean.timer"]
    assert schedules.settled([CLEAN, REPORT])


@pytest.mark.parametrize(
    ("unit", "orders"),
    [
        ("shop-clean.timer", ["daemon-reload", "enable shop-clean.timer", "restart shop-clean.timer"]),
        ("shop-clean.service", ["daemon-reload"]),
    ],
)
def test_a_unit_that_systemd_has_not_read_since(
    schedules: Schedules, systemd: Systemd, unit: str, orders: list[str]
) -> None:
    """A run was cut off between the file and the reload: systemd goes by the text of before."""
    schedules.establish([CLEAN, REPORT])
    systemd.orders.clear()
    systemd.outdated = {unit}
    assert not schedules.settled([CLEAN, REPORT])
    schedules.establish([CLEAN, REPORT])
    assert systemd.orders == orders
    assert schedules.settled([CLEAN, REPORT])


def test_removed_without_a_trace(schedules: Schedules, systemd: Systemd, tmp_path: Path) -> None:
    """The units, how the last runs ended, and systemd's stamp; the others stay."""
    schedules.establish([CLEAN, REPORT])
    systemd.orders.clear()
    for file in (*(schedules.directory / f"clean.{end}" for end in ("last", "success")), tmp_path / "timers"):
        (file / "stamp-shop-clean.timer" if file.is_dir() else file).write_text("")
    assert not schedules.settled([REPORT])
    schedules.establish([REPORT])
    assert schedules.settled([REPORT])
    assert systemd.orders == ["disable --now shop-clean.timer", "reset-failed shop-clean.service", "daemon-reload"]
    assert [path.name for path in tmp_path.rglob("*") if "clean" in path.name] == []


def test_units_of_others_are_left_alone(schedules: Schedules, tmp_path: Path) -> None:
    """They are told of, so that a deploy is refused; no removal touches them."""
    theirs = tmp_path / "system/shop-backup.timer"
    theirs.write_text("[Timer]\n")
    assert schedules.foreign(["backup", "clean"]) == [str(theirs)]
    schedules.establish([CLEAN])
    schedules.establish([])
    assert theirs.read_text() == "[Timer]\n"
    schedules.establish([CLEAN])
    assert schedules.foreign(["clean"]) == []


def test_a_timer_that_does_not_start(schedules: Schedules, systemd: Systemd) -> None:
    systemd.complaint = "Unit is masked."
    with pytest.raises(OSError, match=r"^shop-clean\.timer would not start its command: Unit is masked\.$"):
        schedules.establish([CLEAN])
    assert not schedules.settled([CLEAN])


# How they are


def ran(schedules: Schedules, text: str, ended: int, succeeded: int | None = None) -> None:
    """Let a run have ended, and perhaps an earlier one have succeeded."""
    for file, at, content in (("clean.last", ended, text), ("clean.success", succeeded, "")):
        if at is not None:
            (schedules.directory / file).write_text(content)
            os.utime(schedules.directory / file, (at, at))


def test_one_that_has_not_run_yet(schedules: Schedules, systemd: Systemd) -> None:
    schedules.establish([CLEAN])
    systemd.next["shop-clean.timer"] = 1796083241.0
    row = {"schedule": "clean", "state": "waiting", "last": None, "next": "2026-12-01T00:00:41Z"}
    assert examine(schedules) == ([row], [])
    assert schedules.last_run("clean").failed is False


def test_one_that_has_succeeded(schedules: Schedules) -> None:
    schedules.establish([CLEAN])
    ran(schedules, "success exited 0\n", 1796083300, 1796083300)
    row = {"schedule": "clean", "state": "succeeded", "last": "2026-12-01T00:01:40Z", "next": None}
    assert examine(schedules) == ([row], [])
    assert schedules.last_run("clean").succeeded_at == 1796083300


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("exit-code exited 1\n", "status 1"),
        ("signal killed KILL\n", "it was killed by SIGKILL"),
        ("core-dump dumped SEGV\n", "it was killed by SIGSEGV"),
        ("timeout killed TERM\n", "it did not end in time"),
        ("oom-kill killed KILL\n", "it was killed for lack of memory"),
        ("resources\n", "resources"),
        ("", "for an unknown reason"),
    ],
)
@pytest.mark.parametrize("known", ["failed", "inactive"])
def test_one_that_has_failed(schedules: Schedules, systemd: Systemd, text: str, reason: str, known: str) -> None:
    """Until one succeeds, also after a reboot, which systemd's own memory does not survive."""
    schedules.establish([CLEAN])
    ran(schedules, text, 1796083300, 1795000000)
    systemd.states["shop-clean.service"] = known
    [row], [complaint] = examine(schedules)
    assert row["state"] == "failed"
    assert complaint == (
        f"shop-clean.service failed at 2026-12-01 00:01:40 UTC ({reason}): find the cause in "
        "journalctl -u shop-clean.service"
    )
    ran(schedules, "success exited 0\n", 1796083400, 1796083400)
    systemd.states["shop-clean.service"] = "inactive"
    assert examine(schedules)[1] == []


def test_one_that_systemd_could_not_start(schedules: Schedules, systemd: Systemd) -> None:
    """There is no record of it."""
    schedules.establish([CLEAN])
    systemd.states["shop-clean.service"] = "failed"
    [row], [complaint] = examine(schedules)
    assert row["state"] == "failed"
    assert complaint == "shop-clean.service failed: find the cause in journalctl -u shop-clean.service"


def test_one_that_runs(schedules: Schedules, systemd: Systemd) -> None:
    schedules.establish([CLEAN])
    systemd.states["shop-clean.service"] = "activating"
    [row], complaints = examine(schedules)
    assert (row["state"], complaints) == ("running", [])


def test_a_timer_that_is_off(schedules: Schedules, systemd: Systemd) -> None:
    schedules.establish([CLEAN])
    systemd.states["shop-clean.timer"] = "inactive"
    [row], complaints = examine(schedules)
    assert row["state"] == "off"
    assert complaints == ["shop-clean.timer is not running: systemctl start shop-clean.timer, or deploy again"]
