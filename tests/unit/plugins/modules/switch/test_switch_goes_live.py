"""A release goes live: what differs, what the slot holds, in which order, and what is kept afterwards."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.modules import switch as module
from switch_site import BOOT, SECRET, Behaviour, Killed, Site

# The first deploy


def test_the_first_release_goes_live_in_blue(site: Site) -> None:
    """It runs, starts at boot, and is the first line of the history."""
    answer = site.deploy("r1")
    assert (answer["changed"], answer["slot"], answer["release"]) == (True, "blue", "r1")
    assert answer["differences"] == ["release", "unit", "environment", "secrets", "gunicorn.conf.py"]
    assert os.readlink(site.root / "live") == "slots/blue"
    assert site.serves() == ("blue", "r1")
    assert site.at_rest()
    assert (site.root / "history").read_text() == ('{"at": "2025-06-15T15:06:40Z", "release": "r1", "slot": "blue"}\n')
    assert site.host.story == [
        "daemon-reload",
        "start blue",
        "200 by r1 in blue",
        "live blue",
        "enable",
    ]


def test_what_a_slot_holds(site: Site) -> None:
    """All the process needs, and the way to its release, its socket and its public files."""
    site.deploy("r1", public={"static": "/srv/shop/releases/r1/app/static", "up/loads": "/var/lib/shop/media"})
    slot = site.root / "slots/blue"
    assert (slot / "environment").read_text() == 'DEBUG="False"\nSITE_RELEASE="fixed"\n'
    assert (slot / "secrets").read_text() == f'SECRET_KEY="{SECRET}"\n'
    assert (slot / "gunicorn.conf.py").read_text() == "workers = 2\n"
    assert (site.units / "shop@blue.service").read_text() == "[Service]\nUser=shop\n"
    assert os.readlink(slot / "release") == str(site.root / "releases/r1")
    assert os.readlink(slot / "http.sock") == str(site.hosted.slots["blue"].socket)
    assert os.readlink(slot / "public/static") == "/srv/shop/releases/r1/app/static"
    assert os.readlink(slot / "public/up/loads") == "/var/lib/shop/media"
    assert (site.units / "shop-boot.service").read_text() == BOOT


@pytest.fixture
def hardened() -> Iterator[None]:
    """Run as a root whose own files nobody else may read."""
    old = os.umask(0o077)
    yield
    os.umask(old)


@pytest.mark.parametrize(("name", "mode"), [("environment", 0o600), ("secrets", 0o600), ("gunicorn.conf.py", 0o644)])
@pytest.mark.usefixtures("hardened")
def test_who_may_read_a_file(site: Site, name: str, mode: int) -> None:
    """Secrets are root's and the rest is the server's, whatever the umask of root."""
    site.deploy("r1")
    assert (site.root / "slots/blue" / name).stat().st_mode & 0o7777 == mode


@pytest.mark.parametrize("name", ["slots", "slots/blue", "slots/blue/public", "slots/blue/public/up"])
@pytest.mark.usefixtures("hardened")
def test_who_may_enter_a_slot(site: Site, name: str) -> None:
    """The server and nginx get through, whatever the umask of root."""
    site.deploy("r1", public={"up/loads": "/media"})
    assert (site.root / name).stat().st_mode & 0o7777 == 0o755


# What a home page lacks that works without it


def test_a_missing_icon_is_a_warning(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the release that goes live, once; a run that changes nothing does not repeat it."""
    warnings: list[str] = []
    monkeypatch.setattr(module.AnsibleModule, "warn", lambda _self, text: warnings.append(text))
    site.host.behaviours["r1"] = Behaviour(home_page=(200, '<link rel="icon" href="/static/a.ico">'))
    site.deploy("r1", public={"static": str(site.root / "releases/r1/app/static")}, static="static")
    assert site.serves() == ("blue", "r1")
    assert warnings == ["GET https://shop.example.com/ names /static/a.ico, which does not exist."]
    assert site.run("r1")["changed"] is False
    assert len(warnings) == 1


# Whether to switch


def test_nothing_differs_and_nothing_is_done(site: Site) -> None:
    """No order, no file, no change: also where the health check or the patience are others than before."""
    site.deploy("r1")
    before = site.tree()
    answer = site.deploy("r1", health={"host": "other.example.com", "status": 204}, patience=9, boot_timeout=9)
    assert (answer["changed"], answer["differences"], answer["slot"]) == (False, [], "blue")
    assert "diff" not in answer
    assert site.host.log == []
    assert site.tree() == before


@pytest.mark.parametrize(
    ("release", "params", "differences"),
    [
        ("r2", {}, ["release"]),
        ("r1", {"unit": "[Service]\nUser=shop\nNice=5\n"}, ["unit"]),
        ("r1", {"environment": {"DEBUG": True, "SITE_RELEASE": "fixed"}}, ["environment"]),
        ("r1", {"environment": {"DEBUG": False}}, ["environment"]),
        ("r1", {"secrets": {"SECRET_KEY": "another"}}, ["secrets"]),
        ("r1", {"files": {"gunicorn.conf.py": "workers = 3\n"}}, ["gunicorn.conf.py"]),
        ("r1", {"files": {"gunicorn.conf.py": "workers = 2\n", "more": "x"}}, ["more"]),
        ("r2", {"unit": "[Service]\n", "secrets": {}}, ["release", "unit", "secrets"]),
    ],
)
def test_what_the_process_would_notice_goes_to_the_other_slot(
    site: Site, release: str, params: dict[str, Any], differences: list[str]
) -> None:
    """Each thing by itself is enough; the answer names it."""
    site.deploy("r1")
    answer = site.deploy(release, **params)
    assert (answer["changed"], answer["slot"], answer["differences"]) == (True, "green", differences)
    assert site.serves() == ("green", release)
    assert site.at_rest()
    assert site.host.outages == []


def test_slots_take_turns(site: Site) -> None:
    """Each deploy goes to the slot that idles, and the history lists them all."""
    for release in ("r1", "r2", "r3", "r1"):
        site.deploy(release)
    assert [(entry["release"], entry["slot"]) for entry in site.hosted.releases.history()] == [
        ("r1", "blue"),
        ("r2", "green"),
        ("r3", "blue"),
        ("r1", "green"),
    ]
    assert site.host.outages == []


@pytest.mark.parametrize(
    ("served", "keep", "on_disk"),
    [
        (["r1", "r2", "r3", "r4"], 2, ["r3", "r4"]),
        (["r1", "r2", "r3", "r4"], 9, ["r1", "r2", "r3", "r4"]),
        # The other slot may still be answering.
        (["r1", "r2", "r3"], 1, ["r2", "r3"]),
        # The last time that it served is what counts.
        (["r1", "r2", "r3", "r1"], 2, ["r1", "r3"]),
    ],
)
def test_the_last_releases_are_kept(site: Site, served: list[str], keep: int, on_disk: list[str]) -> None:
    """Those that served before go, and what an interrupted run left unfinished."""
    (site.root / "releases/unfinished/app").mkdir(parents=True)
    for release in served:
        site.deploy(release, keep=keep if release == served[-1] else 9)
    assert sorted(os.listdir(site.root / "releases")) == on_disk


def test_virtual_environments_that_no_release_uses_any_more_go(site: Site) -> None:
    """With the last release that had these packages, and not before."""
    found = []
    for release, packages in (("r1", "p1"), ("r2", "p1"), ("r3", "p2"), ("r4", "p2")):
        (site.root / "venvs" / packages / "venv").mkdir(parents=True, exist_ok=True)
        (site.build(release) / "venv").symlink_to(f"../../venvs/{packages}/venv")
        site.deploy(release, keep=1)
        found.append(os.listdir(site.root / "venvs"))
    assert [sorted(names) for names in found] == [["p1"], ["p1"], ["p1", "p2"], ["p2"]]


def test_a_refused_release_costs_no_other(site: Site) -> None:
    """What was kept before is kept."""
    site.deploy("r1")
    site.deploy("r2")
    site.host.behaviours["r3"] = Behaviour(answer=lambda _s: (500, ""))
    assert site.deploy("r3", keep=1)["failed"] is True
    assert sorted(os.listdir(site.root / "releases")) == ["r1", "r2"]


# In which order


def test_the_order_of_events(site: Site) -> None:
    """Healthy before the link moves, and the old one drained before it stops."""
    site.deploy("r1")
    site.deploy("r2")
    assert site.host.story == [
        "daemon-reload",
        "start green",
        "200 by r2 in green",
        "live green",
        "0 under way in blue",
        "stop blue",
    ]


def test_a_unit_that_stays_the_same_is_not_read_again(site: Site) -> None:
    """The slot had the same before, so visitors are spared the reload; and it is not written again, either."""
    site.deploy("r1")
    site.deploy("r2")
    written = (site.units / "shop@blue.service").stat()
    site.deploy("r3")
    assert site.host.story[0] == "start blue"
    after = (site.units / "shop@blue.service").stat()
    assert (after.st_ino, after.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


@pytest.mark.parametrize("held", [False, True], ids=["systemd has forgotten it", "systemd holds it"])
@pytest.mark.parametrize("killed", [False, True], ids=["", "the run before was killed"])
def test_the_candidate_starts_as_it_was_meant(
    site: Site, monkeypatch: pytest.MonkeyPatch, held: bool, killed: bool
) -> None:
    """All that the slot holds is there, and systemd has read it, when the order to start comes."""
    site.deploy("r0")
    if held:
        site.host.referred_to = {"shop@green.service"}
    site.deploy("r1")
    site.deploy("r1", unit="[Service]\nNice=4\n")
    seen = []
    if killed:
        site.host.kill_before = "daemon-reload"
        with pytest.raises(Killed):
            site.deploy("r2", unit="[Service]\nNice=5\n")
    start = site.host.start

    def spy(unit: str) -> str | None:
        slot = site.host.slot(unit)
        site.host.load(unit)
        seen.append((site.host.loaded[unit], slot.release, (slot.path / "secrets").read_text()))
        return start(unit)

    monkeypatch.setattr(site.host, "start", spy)
    site.deploy("r2", unit="[Service]\nNice=5\n")
    assert seen == [("[Service]\nNice=5\n", "r2", f'SECRET_KEY="{SECRET}"\n')]


def test_nothing_of_an_earlier_deploy_stays_in_the_slot(site: Site) -> None:
    """The idle slot is written anew."""
    site.deploy("r1", files={"gunicorn.conf.py": "", "old.conf": ""}, public={"old": "/old"})
    site.deploy("r2")
    site.deploy("r3", public={"static": "/static"})
    assert sorted(os.listdir(site.root / "slots/blue")) == [
        "deployed",
        "environment",
        "gunicorn.conf.py",
        "http.sock",
        "public",
        "release",
        "secrets",
    ]
    assert os.listdir(site.root / "slots/blue/public") == ["static"]


def test_the_old_slot_keeps_its_files(site: Site) -> None:
    """Pages of the release before still find their static files; only it does not run any more."""
    site.deploy("r1", public={"static": "/srv/shop/releases/r1/app/static"})
    site.deploy("r2")
    assert os.readlink(site.root / "slots/blue/public/static") == "/srv/shop/releases/r1/app/static"
    assert (site.units / "shop@blue.service").exists()


def test_the_old_slot_loses_its_secrets(site: Site) -> None:
    """What does not run needs none."""
    site.deploy("r1")
    site.deploy("r2")
    assert not (site.root / "slots/blue/secrets").exists()
    assert (site.root / "slots/green/secrets").exists()


def test_a_candidate_that_failed_before_is_started(site: Site) -> None:
    """systemd refuses to start a unit that failed too often, until reset-failed."""
    site.deploy("r1")
    site.host.state("shop@green.service", "failed")
    assert site.deploy("r2")["slot"] == "green"


def test_the_old_slot_answers_what_it_was_asked(site: Site) -> None:
    """It stops once no request is in progress; the result has the seconds it took."""
    site.deploy("r1")
    site.host.under_ways = [3, 2, 2, 1, 0]
    answer = site.deploy("r2")
    assert site.host.story[-6:] == [
        "3 under way in blue",
        "2 under way in blue",
        "2 under way in blue",
        "1 under way in blue",
        "0 under way in blue",
        "stop blue",
    ]
    assert answer["seconds"] == {"boot": 0.0, "drain": 0.4}


def test_requests_that_never_end_do_not_hold_the_old_slot(site: Site) -> None:
    """After the drain time-out it stops all the same."""
    site.deploy("r1")
    site.host.under_ways = [1] * 100
    answer = site.deploy("r2", drain_timeout=2)
    assert answer["seconds"]["drain"] == pytest.approx(2.0, abs=0.11)
    assert site.at_rest()


ASGI = {"files": {"gunicorn.conf.py": "workers = 2\n", "site_asgi.py": "application = ...\n"}}


def test_connections_that_last_do_not_hold_a_switch(site: Site) -> None:
    """The old slot only has to accept what waits; then it is told to stop, and that WebSockets may stay for a while."""
    site.deploy("r1", **ASGI)
    site.host.waitings = [2, 1, 0]
    site.host.under_ways = [200] * 100
    answer = site.deploy("r2", **ASGI)
    assert site.host.story[-4:] == ["2 waiting in blue", "1 waiting in blue", "0 waiting in blue", "stop blue"]
    assert answer["seconds"] == {"boot": 0.0, "drain": 0.2}
    assert (site.root / "slots/blue/drain").stat().st_mode & 0o777 == 0o644
    assert not (site.root / "slots/green/drain").exists()


def test_what_the_slot_before_was_counts(site: Site) -> None:
    """A change of the interface: the one that ends has WebSockets, or has none."""
    site.deploy("r1")
    site.host.under_ways = [1, 0]
    site.deploy("r2", **ASGI)
    assert site.host.story[-3:] == ["1 under way in blue", "0 under way in blue", "stop blue"]
    site.deploy("r3")
    assert site.host.story[-2:] == ["0 waiting in green", "stop green"]
    assert not (site.root / "slots/blue/drain").exists()


def test_a_slot_that_still_has_websockets_is_waited_for(site: Site) -> None:
    """The next deploy needs it; the result says how long that took."""
    site.deploy("r1", **ASGI)
    site.deploy("r2", **ASGI)
    site.host.state("shop@blue.service", "deactivating")
    stop = site.host.stop

    def slow(unit: str) -> None:
        site.host.clock.sleep(42 if unit == "shop@blue.service" else 0)
        stop(unit)

    site.host.stop = slow  # type: ignore[method-assign]
    assert site.deploy("r3", **ASGI)["seconds"]["idle"] == 42.0
    assert not (site.root / "slots/blue/drain").exists()


def test_a_switch_that_was_cut_off_keeps_its_promise(site: Site) -> None:
    """After the rename, before the old slot was told to stop: the next run does not wait for it either."""
    site.deploy("r1", **ASGI)
    site.host.kill_before = "stop blue"
    with pytest.raises(Killed):
        site.deploy("r2", **ASGI)
    site.deploy("r2", **ASGI)
    assert (site.root / "slots/blue/drain").exists()
    assert site.at_rest()


def test_a_lost_connection_does_not_end_a_switch_half_way(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hang-up of ssh is ignored: what has begun is brought to its end, or undone."""
    site.deploy("r1")
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    seen = {}
    note = site.host.note

    def spy(event: str) -> None:
        seen[event] = signal.getsignal(signal.SIGHUP)
        note(event)

    monkeypatch.setattr(site.host, "note", spy)
    site.deploy("r2")
    assert seen["start green"] == signal.SIG_IGN
    assert seen["live green"] == signal.SIG_IGN
    assert seen["stop blue"] == signal.SIG_IGN


WATCH = {
    "timer": "[Timer]\n[Install]\nWantedBy=timers.target\n",
    "service": "[Service]\n",
    "files": {"site_liveness.py": "print()\n"},
}


def test_it_is_watched_from_then_on(site: Site) -> None:
    """The timer starts once there is a live slot; it is no part of a slot, so that a change of it switches nothing."""
    assert site.deploy("r1", watch=WATCH)["changed"] is True
    watched = [word for word in site.host.log if "watch" in word or word.startswith("live ")]
    assert watched == ["live blue", "enable the watch", "restart the watch"]
    assert (site.root / "watch/site_liveness.py").read_text() == "print()\n"
    assert site.deploy("r1", watch=WATCH)["changed"] is False
    slot = site.serves()
    answer = site.deploy("r1", watch={**WATCH, "service": "[Service]\nType=oneshot\n"})
    assert (answer["changed"], answer["differences"], site.serves()) == (True, [], slot)
    assert (site.units / "shop-liveness.service").read_text() == "[Service]\nType=oneshot\n"
    assert site.deploy("r1")["changed"] is True
    assert not (site.units / "shop-liveness.timer").exists()


SCHEDULE = {"name": "report", "timer": "[Timer]\n[Install]\nWantedBy=timers.target\n", "service": "[Service]\n"}


def test_its_commands_run_by_calendar_from_then_on(site: Site) -> None:
    """Their timers start once there is a live slot; a change of them switches nothing."""
    assert site.deploy("r1", schedules=[SCHEDULE])["changed"] is True
    timed = [word for word in site.host.log if "report" in word or word.startswith("live ")]
    assert timed == ["live blue", "enable shop-report.timer", "restart shop-report.timer"]
    assert site.deploy("r1", schedules=[SCHEDULE])["changed"] is False
    slot = site.serves()
    answer = site.deploy("r1", schedules=[{**SCHEDULE, "service": "[Service]\nType=oneshot\n"}])
    assert (answer["changed"], answer["differences"], site.serves()) == (True, [], slot)
    assert (site.units / "shop-report.service").read_text() == "[Service]\nType=oneshot\n"
    assert "restart shop-report.timer" not in site.host.log
    assert site.deploy("r1")["changed"] is True
    assert not list(site.units.glob("shop-report.*"))


@pytest.mark.parametrize("moment", ["enable shop-report.timer", "restart shop-report.timer"])
def test_a_run_that_was_killed_before_its_timer_started(site: Site, moment: str) -> None:
    """The next run starts it, and the one after that finds nothing to do."""
    site.deploy("r1")
    site.host.kill_before = moment
    with pytest.raises(Killed):
        site.deploy("r1", schedules=[SCHEDULE])
    assert site.deploy("r1", schedules=[SCHEDULE])["changed"] is True
    assert site.host.timers == {"shop-report.timer"}
    assert site.deploy("r1", schedules=[SCHEDULE])["changed"] is False


def test_a_refused_release_leaves_its_schedules_alone(site: Site) -> None:
    site.deploy("r1", schedules=[SCHEDULE])
    site.host.behaviours["r2"] = Behaviour(answer=lambda _seconds: (500, ""))
    assert site.deploy("r2", schedules=[])["failed"] is True
    assert (site.units / "shop-report.timer").exists()
