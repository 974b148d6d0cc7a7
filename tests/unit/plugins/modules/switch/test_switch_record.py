"""What other programs of the host are told of the site, in site.json."""

from __future__ import annotations

import json

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.last_run import LastRun
from ansible_collections.pitcrew.django.plugins.module_utils.lock import DeployLock, Holder
from ansible_collections.pitcrew.django.plugins.modules import switch as module
from switch_site import Behaviour, Site

RECORD = {"site": "shop", "plan": {"workers": 9, "p99_seconds": 0.25}}
SMALLER = {"site": "shop", "plan": {"workers": 4, "p99_seconds": 0.25}}


def test_it_is_written_with_the_release(site: Site) -> None:
    """For everyone to read, and the same text whatever the order of the keys."""
    site.deploy("r1", record=RECORD)
    file = site.root / "site.json"
    assert json.loads(file.read_text()) == RECORD
    assert file.stat().st_mode & 0o777 == 0o644
    answer = site.run("r1", record=dict(reversed(RECORD.items())))
    assert (answer["changed"], "diff" in answer) == (False, False)


@pytest.mark.parametrize("check", [True, False])
def test_a_difference_in_it_alone_is_a_change_and_no_switch(site: Site, check: bool) -> None:
    """Once: the next run has nothing to do. Check mode shows it and writes nothing."""
    site.deploy("r1", record=RECORD)
    site.host.log.clear()
    before = site.tree()
    answer = site.run("r1", check, record=SMALLER)
    assert (answer["changed"], answer["differences"]) == (True, [])
    assert '--- site.json\n{\n  "plan": {\n    "p99_seconds": 0.25,\n    "workers": 9' in answer["diff"]["before"]
    assert '"workers": 4' in answer["diff"]["after"]
    assert site.host.story == []
    assert site.serves() == ("blue", "r1")
    if check:
        assert site.tree() == before
    else:
        assert json.loads((site.root / "site.json").read_text()) == SMALLER
        assert site.run("r1", record=SMALLER)["changed"] is False


def test_a_site_without_it_gets_it(site: Site) -> None:
    """As one that an earlier version of the collection has deployed."""
    site.deploy("r1")
    assert not (site.root / "site.json").exists()
    assert site.run("r1", record=RECORD)["changed"] is True
    assert json.loads((site.root / "site.json").read_text()) == RECORD


def test_a_refused_release_changes_nothing_in_it(site: Site) -> None:
    """The plan of the release that keeps serving stays there."""
    site.deploy("r1", record=RECORD)
    site.host.behaviours["r2"] = Behaviour(answer=lambda _seconds: (500, ""))
    assert site.deploy("r2", record=SMALLER)["failed"] is True
    assert json.loads((site.root / "site.json").read_text()) == RECORD


def test_the_visit_that_verifies_also_records_that_the_run_succeeded(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other visit follows it."""
    holder = Holder("anna", "laptop", "process", 1_750_000_000)
    DeployLock(site.root).take(holder, 600)
    monkeypatch.setattr(module.Verification, "run", lambda _self: None)
    site.deploy("r1", lock=holder.token, verify={})
    last = LastRun.read(site.root)
    assert last is not None
    assert (last.by, last.began, last.succeeded) == ("anna on laptop", 1_750_000_000, True)
