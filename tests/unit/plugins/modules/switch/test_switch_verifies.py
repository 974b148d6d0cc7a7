"""Where the proxy needs no change, the switch verifies the site as a visitor sees it, and releases the lock."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import health, verification
from ansible_collections.pitcrew.django.plugins.module_utils.lock import DeployLock, Holder
from ansible_collections.pitcrew.django.plugins.module_utils.site_request import Request, Response
from ansible_collections.pitcrew.django.plugins.modules import switch as module
from switch_site import Site

EXPECTED = {"address": "127.0.0.1:80", "protocol": "http"}


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch, site: Site) -> list[Request]:
    """Let visitors be answered by whatever is live; give what was requested through the proxy."""
    requests: list[Request] = []
    send = health.send

    def visit(request: Request) -> Response:
        if request.address.startswith("unix:"):
            return send(request)
        requests.append(request)
        live = site.hosted.live
        assert live is not None
        return send(replace(request, address=f"unix:{live.socket}"))

    monkeypatch.setattr(health, "send", visit)
    monkeypatch.setattr(verification, "time", module.time)
    return requests


def held(site: Site) -> str:
    """Hold the site, and give the token of the run."""
    holder = Holder("anna", "laptop", "process", time.time())
    DeployLock(site.root).take(holder, 600)
    return holder.token


def test_the_site_is_given_back_once_visitors_get_the_release(site: Site, visits: list[Request]) -> None:
    token = held(site)
    answer = site.deploy("r1", lock=token, verify=EXPECTED)
    assert answer["freed"] == token
    assert [(request.address, request.host, request.path) for request in visits] == [
        ("127.0.0.1:80", "shop.example.com", "/healthz/"),
        ("127.0.0.1:80", "shop.example.com", "/"),
    ]
    assert DeployLock(site.root).holder is None


def test_it_is_verified_where_nothing_changes_too(site: Site, visits: list[Request]) -> None:
    site.deploy("r1")
    token = held(site)
    answer = site.run("r1", lock=token, verify=EXPECTED)
    assert (answer["changed"], answer["freed"]) == (False, token)
    assert len(visits) == 2


def test_a_site_that_is_not_as_planned_stays_held(site: Site, visits: list[Request]) -> None:
    """The run still has work to do, and releases the lock itself."""
    token = held(site)
    answer = site.deploy("r1", lock=token, verify={**EXPECTED, "workers": 7, "timeout": 1})
    assert answer["failed"] is True
    assert answer["msg"].startswith("The site is live, but not as planned: shop@blue.service runs ")
    assert answer["msg"].endswith(
        ", the plan has 7.\n\nThe journal of shop@blue:\nTraceback of shop@blue.service in its latest run"
    )
    assert site.serves() == ("blue", "r1")
    holder = DeployLock(site.root).holder
    assert holder is not None
    assert holder.token == token


def test_without_the_option_it_verifies_nothing_and_keeps_the_lock(site: Site, visits: list[Request]) -> None:
    token = held(site)
    assert "freed" not in site.deploy("r1", lock=token)
    assert visits == []
    assert DeployLock(site.root).holder is not None


def test_check_mode_verifies_nothing(site: Site, visits: list[Request]) -> None:
    site.deploy("r1")
    assert "freed" not in site.run("r1", check=True, verify=EXPECTED)
    assert visits == []


def test_a_site_that_another_run_has_by_now_is_not_given_back(site: Site, visits: list[Request]) -> None:
    """Sent once more by ssh, the visit finds everything done, and nothing of its own to give back."""
    token = held(site)
    assert site.deploy("r1", lock=token, verify=EXPECTED)["freed"] == token
    assert site.run("r1", lock=token, verify=EXPECTED)["freed"] is None
