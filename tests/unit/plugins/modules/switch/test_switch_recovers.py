"""What an earlier run left, or an operator did, is brought to rest by the next run."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.modules import switch as module
from switch_site import BOOT, Behaviour, Killed, Site


@pytest.mark.parametrize(
    "moment",
    ["daemon-reload", "start green", "live green", "0 under way in blue", "stop blue"],
)
@pytest.mark.parametrize("then", ["r2", "r1", "r3"], ids=["again", "back", "another"])
def test_killed_at_any_moment(site: Site, moment: str, then: str) -> None:
    """The next run, whatever it wants, brings the site to rest and never stops the slot that serves."""
    site.deploy("r1")
    site.host.kill_before = moment
    with pytest.raises(Killed):
        site.deploy("r2")
    assert site.host.kill_before == ""
    live = site.hosted.live
    assert live is not None
    assert site.host.show(live.unit).running
    assert site.deploy(then)["release"] == then
    assert site.serves()[1] == then
    assert site.at_rest()
    assert site.host.outages == []


def test_a_candidate_left_running_is_settled(site: Site) -> None:
    """Nothing differs, but the idle slot runs: it is drained and stopped."""
    site.deploy("r1")
    site.deploy("r2")
    blue = site.hosted.slots["blue"]
    site.host.reset_failed(blue.unit)
    site.host.start(blue.unit)
    site.host.under_ways = [1, 0]
    answer = site.deploy("r2")
    assert (answer["changed"], answer["differences"], answer["slot"]) == (True, [], "green")
    assert site.host.story == ["1 under way in blue", "0 under way in blue", "stop blue"]
    assert site.at_rest()


def test_a_live_slot_that_was_stopped_is_started_again(site: Site) -> None:
    """It is asked, too, and the other slot is left alone."""
    site.deploy("r1")
    site.host.order("stop", "shop@blue.service")
    site.host.outages.clear()
    answer = site.deploy("r1")
    assert (answer["changed"], answer["differences"], answer["slot"]) == (True, [], "blue")
    assert site.host.story == ["start blue", "200 by r1 in blue"]
    assert site.at_rest()


def test_a_live_slot_that_does_not_start_at_boot_does_again(site: Site) -> None:
    """An operator disabled it; nothing is restarted for that."""
    site.deploy("r1")
    site.hosted.boot_link.unlink()
    assert site.deploy("r1")["changed"] is True
    assert site.host.story == ["enable"]
    assert site.at_rest()


def test_a_live_slot_that_failed_is_started_again(site: Site) -> None:
    """systemd has given up on it; reset-failed makes it start again."""
    site.deploy("r1")
    site.host.stop("shop@blue.service")
    site.host.state("shop@blue.service", "failed")
    assert "failed" not in site.deploy("r1")
    assert site.at_rest()


def test_an_old_slot_that_has_not_stopped_yet(site: Site) -> None:
    """It is stopping and finishes the requests it has accepted: nothing is left to do."""
    site.deploy("r1")
    site.deploy("r2")
    site.host.state("shop@blue.service", "deactivating")
    assert site.deploy("r2")["changed"] is False
    site.deploy("r3")
    assert site.host.story[0] == "stop blue"
    assert site.at_rest()


def test_what_starts_the_site_at_boot_is_as_it_is_wanted(site: Site) -> None:
    """Edited by hand, or of another version of the collection: no reason to switch."""
    site.deploy("r1")
    (site.units / "shop-boot.service").write_text("[Service]\nExecStart=/bin/false\n")
    assert site.run("r1", check=True)["changed"] is True
    answer = site.deploy("r1")
    assert (answer["changed"], answer["differences"]) == (True, [])
    assert site.host.story == ["enable"]
    assert (site.units / "shop-boot.service").read_text() == BOOT


def test_a_site_that_cannot_start_at_boot(site: Site) -> None:
    """It serves, and every deploy reports what it lacks until that is repaired."""
    site.host.cannot_enable = "Access denied"
    for _ in range(2):
        answer = site.deploy("r1")
        assert answer["failed"] is True
        assert answer["msg"].endswith("it would not start at boot: Access denied.")
        assert site.serves() == ("blue", "r1")
    site.host.cannot_enable = None
    assert site.deploy("r1")["changed"] is True
    assert site.at_rest()


def test_a_first_deploy_that_was_killed_before_the_site_starts_at_boot(site: Site) -> None:
    """The next run makes up for it."""
    site.host.kill_before = "enable"
    with pytest.raises(Killed):
        site.deploy("r1")
    assert not site.at_rest()
    assert site.deploy("r1")["changed"] is True
    assert site.host.story == ["enable"]
    assert site.at_rest()


def test_a_stopped_site_takes_a_new_release(site: Site) -> None:
    """The live slot need not run for the other one to be brought up."""
    site.deploy("r1")
    site.host.order("stop", "shop@blue.service")
    assert site.deploy("r2")["slot"] == "green"
    assert site.at_rest()


def test_a_refused_release_of_a_stopped_site(site: Site) -> None:
    """The message does not claim that the site keeps serving, but names how to start it."""
    site.deploy("r1")
    site.host.order("stop", "shop@blue.service")
    site.host.behaviours["r2"] = Behaviour(answer=lambda _s: (500, ""))
    message = site.deploy("r2")["msg"]
    assert "and release r1, which is live, is not running (start it: systemctl start shop@blue.service): " in message


def test_a_live_slot_that_does_not_come_up_again_is_named(site: Site) -> None:
    """The operator reads which release it is, and its last words."""
    site.deploy("r1")
    site.host.order("stop", "shop@blue.service")
    site.host.behaviours["r1"] = Behaviour(active="failed", listens=False)
    answer = site.deploy("r1")
    assert answer["failed"] is True
    assert answer["msg"] == (
        "Release r1, which is live, does not start again: its processes exited right after their start.\n\n"
        "The journal of shop@blue:\nTraceback of shop@blue.service since it was started"
    )


def test_killed_before_the_history_is_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settling makes up for what the killed run did not write."""
    site.deploy("r1")
    replace_link = module.replace_link

    def killed_after(link: Path, target: str) -> None:
        replace_link(link, target)
        if link.name == "live":
            raise Killed

    monkeypatch.setattr(module, "replace_link", killed_after)
    with pytest.raises(Killed):
        site.deploy("r2")
    monkeypatch.setattr(module, "replace_link", replace_link)
    site.deploy("r2")
    assert [entry["release"] for entry in site.hosted.releases.history()] == ["r1", "r2"]
