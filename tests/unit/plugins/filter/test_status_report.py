"""The table that `pitcrew.django.status` shows."""

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
    "answers_ms": {"socket": 9.1, "proxy": 11.8},
}
ILL = {
    **WELL,
    "healthy": False,
    "complaints": ["shop@green.service was given up", "it does not answer"],
    "notes": ["the inventory says otherwise"],
    "slot": "green",
    "state": "start-limit-hit",
    "workers": {"running": 0, "planned": None},
    "memory_mb": {"now": None, "most": None},
    "answers_ms": {"socket": None, "proxy": None},
}
ABSENT = {
    **ILL,
    "slot": None,
    "release": None,
    "since": None,
    "by": None,
    "state": "absent",
    "complaints": ["not here"],
}


def test_a_site_that_is_well() -> None:
    table = [
        (
            "host  live          release              since                ",
            "by              workers  memory          answers in",
        ),
        (
            "web1  blue, active  3f2a9c1d04ab-1f3e2c  2026-11-27 08:12:31  ",
            "anna on laptop  9 of 9   412 of 1859 MB  12 ms",
        ),
    ]
    assert report({"web1": WELL}).splitlines() == [*map("".join, table), "", "All is well."]


def test_what_is_wrong_comes_first_and_names_its_host() -> None:
    lines = report({"web1": WELL, "web2": ILL, "web3": ABSENT, "web4": {}}).splitlines()
    assert lines[2].split()[:3] == ["web2", "green,", "start-limit-hit"]
    assert lines[3].split()[:3] == ["web3", "absent", "-"]
    assert lines[4].split() == ["web4", "unreachable"]
    assert lines[6:] == [
        "! web2: shop@green.service was given up",
        "! web2: it does not answer",
        "  web2: the inventory says otherwise",
        "! web3: not here",
        "  web3: the inventory says otherwise",
        "! web4: it was not reached, or could not be looked at",
        "",
        "3 of 4 hosts need a look.",
    ]


@pytest.mark.parametrize("said", [{"web1": {"slot": "blue"}}, [], {"web1": "well"}])
def test_what_is_no_status_is_refused(said: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"status_report: expected the status of each host"):
        FilterModule().filters()["status_report"](said)
