"""The tables that `pitcrew.django.status` shows."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.pitcrew.django.plugins.filter.status_report import FilterModule
from ansible_collections.pitcrew.django.plugins.plugin_utils.status import report

WELL: dict[str, Any] = {
    "site": "shop",
    "healthy": True,
    "complaints": [],
    "notes": [],
    "slot": "blue",
    "state": "active",
    "release": "3f2a9c1d04ab-1f3e2c",
    "since": "2026-11-27T08:12:31Z",
    "by": "anna on laptop",
    "workers": {"running": 9, "planned": 9},
    "memory_mb": {"now": 412.4, "most": 1859.0},
    "response_ms": {"socket": 9.1, "proxy": 11.8},
}
ILL = {
    **WELL,
    "healthy": False,
    "complaints": [
        "shop@green.service ended again and again, and systemd has given it up (start-limit-hit): find the cause in "
        "journalctl -u shop@green.service, then systemctl reset-failed shop@green.service and deploy",
        "it does not answer",
    ],
    "notes": ["the inventory differs"],
    "slot": "green",
    "state": "start-limit-hit",
    "workers": {"running": 0, "planned": None},
    "memory_mb": {"now": None, "most": None},
    "response_ms": {"socket": None, "proxy": None},
}
ABSENT = {
    **ILL,
    "slot": None,
    "release": None,
    "since": None,
    "by": None,
    "state": "absent",
    "complaints": ["not here"],
    "notes": [],
}


WELL_REPORT = """\
host              state   workers  memory          answers in
www1.example.com  active  9 of 9   412 of 1859 MB  12 ms
www2.example.com  active  9 of 9   412 of 1859 MB  12 ms

host              slot  release              since (UTC)       by
www1.example.com  blue  3f2a9c1d04ab-1f3e2c  2026-11-27 08:12  anna on laptop
www2.example.com  blue  3f2a9c1d04ab-1f3e2c  2026-11-27 08:12  anna on laptop

All is well.
"""

ILL_REPORT = """\
host  state            workers  memory          answers in
web1  active           9 of 9   412 of 1859 MB  12 ms
web2  start-limit-hit  0        -               -
web3  absent           0        -               -
web4  unreachable

host  slot   release              since (UTC)       by
web1  blue   3f2a9c1d04ab-1f3e2c  2026-11-27 08:12  anna on laptop
web2  green  3f2a9c1d04ab-1f3e2c  2026-11-27 08:12  anna on laptop

! web2: shop@green.service ended again and again, and systemd has given it up
    (start-limit-hit): find the cause in journalctl -u shop@green.service, then
    systemctl reset-failed shop@green.service and deploy
! web2: it does not answer
  web2: the inventory differs
! web3: not here
! web4: could not be reached or inspected

Attention is needed on 3 of 4 hosts.
"""


def test_a_site_that_is_well() -> None:
    assert report({"www1.example.com": WELL, "www2.example.com": WELL}) == WELL_REPORT


def test_what_is_wrong_names_its_host() -> None:
    assert report({"web1": WELL, "web2": ILL, "web3": ABSENT, "web4": {}}) == ILL_REPORT


@pytest.mark.parametrize("host", ["web1", "www1.example.com", "ip-10-0-3-17.eu-central-1.compute.internal"])
@pytest.mark.parametrize("status", [WELL, ILL, {**WELL, "by": "maria-magdalena on a-laptop-with-a-name.example.com"}])
def test_no_line_is_wider_than_a_terminal(host: str, status: dict[str, Any]) -> None:
    assert max(map(len, report({host: status}).splitlines())) <= 80


@pytest.mark.parametrize("value", [{"web1": {"slot": "blue"}}, [], {"web1": "well"}])
def test_what_is_no_status_is_refused(value: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"status_report: expected the status of each host"):
        FilterModule().filters()["status_report"](value)


ROWS = [
    ("shop-rq@blue.service", "active", 0, {"now": 85.2, "most": 200.0}),
    ("shop-rq-2@blue.service", "restarting", 12, {"now": None, "most": 200.0}),
    ("shop-a_worker_whose_name_is_long@blue.service", "start-limit-hit", 1234, {"now": 1385.2, "most": 10240.0}),
    ("shop-rq@green.service", "draining", 0, {"now": 120.0, "most": None}),
]
PROCESSES = [
    {"process": "rq", "unit": unit, "state": state, "restarts": restarts, "memory_mb": memory}
    for unit, state, restarts, memory in ROWS
]


def test_background_processes_have_a_table_of_their_own() -> None:
    """Only if there are any."""
    shown = report({"web1": {**WELL, "processes": PROCESSES}, "web2": {**WELL, "processes": []}})
    lines = shown.splitlines()
    place = next(number for number, line in enumerate(lines) if "restarts" in line)
    assert lines[place : place + 6] == [
        "host  process                      state            restarts  memory",
        "web1  rq                           active           0         85 of 200 MB",
        "web1  rq-2                         restarting       12        -",
        "web1  a_worker_whose_name_is_long  start-limit-hit  1234      1385 of 10240 MB",
        "web1  rq@green                     draining         0         120 MB",
        "",
    ]
    assert "process" not in report({"web2": WELL})
    assert max(map(len, shown.splitlines())) <= 80


def test_services_beside_the_site_have_a_table_of_their_own() -> None:
    """Only if there are any."""
    rows = [
        {"service": "PostgreSQL 15", "state": "running", "use": "database shop: 8 MB, 3 connections"},
        {"service": "Redis, cache", "state": "failed", "use": ""},
    ]
    lines = report({"web1": {**WELL, "services": rows}, "web2": {**WELL, "services": []}}).splitlines()
    place = next(number for number, line in enumerate(lines) if "service" in line)
    assert [line.split() for line in lines[place : place + 4]] == [
        ["host", "service", "state", "use"],
        ["web1", "PostgreSQL", "15", "running", "database", "shop:", "8", "MB,", "3", "connections"],
        ["web1", "Redis,", "cache", "failed", "-"],
        [],
    ]
    assert "service" not in report({"web2": WELL})


def test_commands_by_calendar_have_a_table_of_their_own() -> None:
    """With what is not known yet as a dash; a host without any is not in it."""
    clean = {"schedule": "clean", "state": "failed", "last": "2026-11-30T03:00:12Z", "next": "2026-12-01T03:00:41Z"}
    fresh = {"schedule": "report", "state": "waiting", "last": None, "next": None}
    text = report({"www1": {**WELL, "schedules": [clean, fresh]}, "www2": {**WELL, "schedules": []}})
    assert (
        """
host  schedule  state    last run (UTC)    next run
www1  clean     failed   2026-11-30 03:00  2026-12-01 03:00
www1  report    waiting  -                 -
"""
        in text
    )
