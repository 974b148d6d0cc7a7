"""Without the memory for both slots requests wait, and none is lost whatever happens meanwhile."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import waiting_room as room_module
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import Slot
from ansible_collections.pitcrew.django.plugins.module_utils.waiting_room import WaitingRoom
from ansible_collections.pitcrew.django.plugins.modules import switch as module
from switch_site import Behaviour, Killed, Site


def in_the_room(site: Site) -> list[str]:
    """Name what there is of a waiting room, on disk and in front of the slots."""
    found = [path.name for path in site.units.rglob("*waiting*")]
    links = [slot.socket_link for slot in site.hosted.slots.values()]
    found += [link.parent.name for link in links if link.is_symlink() and "waiting" in os.readlink(link)]
    return found + [path.name for path in (site.root / "slots").glob("waiting*")]


def test_without_memory_for_both_the_old_slot_ends_first(site: Site) -> None:
    """Requests wait, are handed over to the new slot once it was asked, and nothing is left of the waiting room."""
    site.deploy("r1")
    site.host.under_ways = [2, 0, 3, 0]
    site.deploy("r2", overlap=False)
    assert site.serves() == ("green", "r2")
    assert site.at_rest()
    assert in_the_room(site) == []
    assert site.host.story == [
        "daemon-reload",
        "daemon-reload",
        "start the waiting room",
        "2 under way in blue",
        "0 under way in blue",
        "stop blue",
        "start green",
        "200 by r2 in green",
        "live green",
        "3 under way in the waiting room",
        "0 under way in the waiting room",
        "stop the waiting room",
        "daemon-reload",
        "0 under way in blue",
        "stop blue",
    ]


def test_those_who_wait_are_kept_from_a_slot_that_was_not_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the new slot starts, nginx is led to the waiting room, which is shut and is the one that was meant."""
    site.deploy("r1")
    site.build("r2")
    start, seen = site.host.start, {}
    monkeypatch.setattr(room_module, "UPTIME", site.root / "uptime")
    room_module.UPTIME.write_text("1000.25 3600.00\n")

    def look(unit: str) -> str | None:
        blue, room = site.hosted.slots["blue"], WaitingRoom(site.hosted, site.host)
        seen["link"] = os.readlink(blue.socket_link) == str(room.socket)
        seen["live"] = site.serves()
        seen["shut"] = room.shut.read_text()
        seen["target"] = os.readlink(room.target) == str(blue.socket)
        seen["files"] = {name: file.read_text() for name, file in room.files.items()}
        return start(unit)

    monkeypatch.setattr(site.host, "start", look)
    site.run("r2", overlap=False, boot_timeout=20, patience=5, drain_timeout=35)
    assert (seen["link"], seen["live"], seen["target"]) == (True, ("blue", "r1"), True)
    # 1000 s after the boot, and 3 x 35 + 20 + 5 + 10 s.
    assert seen["shut"] == "1140 blue green\n"
    assert seen["files"] == site.waiting_room


@pytest.fixture
def room(site: Site) -> WaitingRoom:
    """A room in which requests wait, of a run that is gone."""
    site.deploy("r1")
    site.build("r2")
    site.host.kill_before = "start green"
    with pytest.raises(Killed):
        site.run("r2", overlap=False)
    return WaitingRoom(site.hosted, site.host)


@pytest.fixture
def wait_in(tmp_path: Path) -> Callable[..., list[str]]:
    """Wait in a room as its unit does, by a real shell; return the orders to systemd. Programs can be replaced."""
    directory, calls = tmp_path / "programs", tmp_path / "calls"
    directory.mkdir()
    calls.touch()

    def wait(room: WaitingRoom, **programs: str) -> list[str]:
        for name, text in {"systemctl": f'echo "$@" >> {calls}', **programs}.items():
            (directory / name).write_text(f"#!/bin/sh\n{text}\n")
            (directory / name).chmod(0o755)
        path = {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["/bin/sh", str(room.files["script"])], env=path, check=True, timeout=20, capture_output=True, text=True
        )
        assert done.stderr == ""
        return calls.read_text().splitlines()

    return wait


@pytest.mark.parametrize(
    ("live", "calls"), [("blue", ["stop shop@green.service", "start shop@blue.service"]), ("green", [])]
)
def test_a_waiting_room_that_nobody_opens(
    site: Site, room: WaitingRoom, wait_in: Callable[..., list[str]], live: str, calls: list[str]
) -> None:
    """The run is gone: whoever waits brings back the slot that is live, and is led to it."""
    room.shut.write_text(f"{room_module.uptime() - 1} blue green\n")
    if live == "green":
        module.replace_link(site.hosted.live_link, "slots/green")
    assert wait_in(room) == calls
    assert not room.shut.exists()
    assert os.readlink(room.target) == str(site.hosted.slots[live].socket)


def test_a_clock_that_is_set_opens_no_waiting_room(room: WaitingRoom, wait_in: Callable[..., list[str]]) -> None:
    """It steps a year ahead while requests wait: they do so until the run lets them out, which is no fault."""
    long_ago = time.time() - 31_536_000
    os.utime(room.shut, (long_ago, long_ago))
    assert wait_in(room, sleep=f"rm {room.shut}") == []


def test_a_refused_release_without_memory_for_both(site: Site) -> None:
    """The old slot comes up again and answers those who waited; nobody is handed to the refused one."""
    site.deploy("r1")
    (site.units / "sockets.target.wants").mkdir()
    before = site.tree()
    site.host.behaviours["r2"] = Behaviour(answer=lambda _s: (500, ""))
    answer = site.deploy("r2", overlap=False)
    assert "returned 500" in answer["msg"]
    assert "release r1 keeps serving" in answer["msg"]
    assert site.tree() == before
    assert site.at_rest()
    story = site.host.story
    asked = [event for event in story if event.startswith("200 by r1")]
    assert asked
    assert story.index("stop green") < story.index("start blue") < story.index("0 under way in the waiting room")


def test_a_refused_release_and_an_old_one_that_does_not_come_up_again(site: Site) -> None:
    """The worst case: the message names it, with the way out."""
    site.deploy("r1")
    site.host.behaviours["r2"] = Behaviour(complaint="no")
    site.host.behaviours["r1"] = Behaviour(complaint="no more")
    answer = site.deploy("r2", overlap=False)
    assert "release r1, which is live, is not running (start it: systemctl start shop@blue.service)" in answer["msg"]
    assert in_the_room(site) == []


def test_no_room_to_wait(site: Site) -> None:
    """The old slot goes on: it was not touched yet."""
    site.deploy("r1")
    (site.units / "sockets.target.wants").mkdir()
    before = site.tree()
    site.host.no_room = "Address already in use"
    answer = site.deploy("r2", overlap=False)
    assert "requests cannot wait: Address already in use" in answer["msg"]
    assert site.tree() == before
    assert site.at_rest()
    assert site.host.outages == []


def test_a_disk_without_space_for_the_room(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of it is there then: it goes, and the old slot goes on."""
    site.deploy("r1")
    before = site.tree()
    write_file = room_module.write_file

    def full(path: Path, text: str, mode: int) -> None:
        if path.name == "shop-waiting.service":
            raise OSError("No space left on device")
        write_file(path, text, mode)

    monkeypatch.setattr(room_module, "write_file", full)
    assert "r1 keeps serving: No space left on device" in site.deploy("r2", overlap=False)["msg"]
    assert site.tree() == before
    assert site.at_rest()
    assert site.host.outages == []


@pytest.mark.parametrize(
    "moment", ["start the waiting room", "0 under way in blue", "stop blue", "start green", "live green"]
)
def test_killed_while_requests_wait(site: Site, moment: str) -> None:
    """The next run brings the site to rest, with nothing left of the waiting room."""
    site.deploy("r1")
    site.build("r2")
    site.host.log.clear()
    site.host.kill_before = moment
    with pytest.raises(Killed):
        site.run("r2", overlap=False)
    site.run("r2", overlap=False)
    assert site.serves() == ("green", "r2")
    assert site.at_rest()
    assert in_the_room(site) == []


def test_killed_before_those_who_waited_were_let_out(site: Site) -> None:
    """The new release is live already: the next run, which has nothing to switch, lets them out."""
    site.deploy("r1")
    site.build("r2")
    site.host.kill_before = "stop the waiting room"
    with pytest.raises(Killed):
        site.run("r2", overlap=False)
    assert in_the_room(site) != []
    assert site.run("r2", overlap=False)["changed"] is True
    assert site.serves() == ("green", "r2")
    assert site.at_rest()
    assert in_the_room(site) == []
    assert site.run("r2", overlap=False)["changed"] is False


def test_a_slot_that_fills_the_memory_ends_first_whatever_the_new_plan_says(site: Site) -> None:
    """It was sized to be alone."""
    site.deploy("r1", overlap=False)
    site.deploy("r2", overlap=True)
    assert "start the waiting room" in site.host.story
    site.deploy("r3", overlap=True)
    assert "start the waiting room" not in site.host.story


def test_a_history_that_cannot_be_written_keeps_nobody_waiting(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new slot serves: all waiting requests are answered before the failure is reported."""
    site.deploy("r1")
    record = module.Switch.record

    def full(switch: module.Switch, slot: Slot) -> None:
        if slot.name == "green":
            raise OSError("No space left on device")
        record(switch, slot)

    monkeypatch.setattr(module.Switch, "record", full)
    answer = site.deploy("r2", overlap=False)
    assert "r2 serves, but the switch could not be finished" in answer["msg"]
    assert in_the_room(site) == []


def test_a_change_of_protocol_runs_both(site: Site) -> None:
    """What waits speaks the old one."""
    site.deploy("r1")
    blue = site.hosted.slots["blue"]
    blue.socket_link.rename(blue.path / "uwsgi.sock")
    site.deploy("r2", overlap=False)
    assert site.serves() == ("green", "r2")
    assert "start the waiting room" not in site.host.story
