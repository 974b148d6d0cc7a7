"""A switch asks as a visitor would where nothing of the proxy is left to do, and gives the site back then."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import verification
from ansible_collections.pitcrew.django.plugins.module_utils.ask import Question
from ansible_collections.pitcrew.django.plugins.module_utils.lock import DeployLock, Holder
from ansible_collections.pitcrew.django.plugins.modules import switch as module
from switch_site import Site

EXPECTED = {"address": "127.0.0.1:80", "protocol": "http"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, site: Site) -> list[Question]:
    """Let visitors be answered by whatever is live; give what was asked through the proxy."""
    questions: list[Question] = []
    ask = module.ask

    def visit(question: Question) -> Any:
        questions.append(question)
        live = site.hosted.live
        assert live is not None
        return ask(Question(f"unix:{live.socket}", "http", question.host, "http", "/", 200, None))

    monkeypatch.setattr(verification, "ask", visit)
    monkeypatch.setattr(verification, "time", module.time)
    return questions


def held(site: Site) -> str:
    """Hold the site, and give the token of the run."""
    holder = Holder("anna", "laptop", "process", time.time())
    DeployLock(site.root).take(holder, 600)
    return holder.token


def test_the_site_is_given_back_once_visitors_get_the_release(site: Site, asked: list[Question]) -> None:
    token = held(site)
    answer = site.deploy("r1", lock=token, verify=EXPECTED)
    assert answer["freed"] == token
    assert [(question.address, question.host, question.path, question.release) for question in asked] == [
        ("127.0.0.1:80", "shop.example.com", "/healthz/", "r1")
    ]
    assert DeployLock(site.root).holder is None


def test_it_is_asked_where_nothing_changes_too(site: Site, asked: list[Question]) -> None:
    site.deploy("r1")
    token = held(site)
    answer = site.run("r1", lock=token, verify=EXPECTED)
    assert (answer["changed"], answer["freed"]) == (False, token)
    assert len(asked) == 1


def test_a_site_that_is_not_as_planned_stays_held(site: Site, asked: list[Question]) -> None:
    """What else has to be done is the run's to say, which gives it back in the end."""
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


def test_without_being_told_it_asks_nobody_and_keeps_the_site(site: Site, asked: list[Question]) -> None:
    token = held(site)
    assert "freed" not in site.deploy("r1", lock=token)
    assert asked == []
    assert DeployLock(site.root).holder is not None


def test_check_mode_asks_nobody(site: Site, asked: list[Question]) -> None:
    site.deploy("r1")
    assert "freed" not in site.run("r1", check=True, verify=EXPECTED)
    assert asked == []


def test_a_site_that_another_run_has_by_now_is_not_given_back(site: Site, asked: list[Question]) -> None:
    """Sent once more by ssh, the visit finds everything done, and nothing of its own to give back."""
    token = held(site)
    assert site.deploy("r1", lock=token, verify=EXPECTED)["freed"] == token
    assert site.run("r1", lock=token, verify=EXPECTED)["freed"] is None
