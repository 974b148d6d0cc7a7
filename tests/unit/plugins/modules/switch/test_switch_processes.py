"""Background processes belong to the slot and to the switch: their order, what refuses a release, what heals."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import waiting_room as room_module
from ansible_collections.pitcrew.django.plugins.module_utils.waiting_room import WaitingRoom
from ansible_collections.pitcrew.django.plugins.modules import switch as module
from fake_systemd import Process
from switch_site import Behaviour, Killed, Site


def unit(site: Site, prefix: str, more: str = "", **options: Any) -> dict[str, Any]:
    """Give one element of the option, whose unit has what every one has."""
    text = f"[Service]\nType=exec\nEnvironmentFile={site.root}/slots/%i/environment\n{more}"
    return {"prefix": f"shop-{prefix}", "text": text, **options}


def workers(site: Site) -> list[dict[str, Any]]:
    """Two units of one process, and one that may exist only once."""
    return [unit(site, "rq"), unit(site, "rq-2"), unit(site, "beat", single=True)]


def deploy(site: Site, release: str, **params: Any) -> dict[str, Any]:
    """Deploy with these processes."""
    return site.deploy(release, **{"processes": workers(site), **params})


def orders(site: Site) -> list[str]:
    """Tell what happened, without answers of the web processes and counts of requests."""
    return [event for event in site.host.story if not event.startswith(("200", "500", "0 under"))]


# In which order


def test_the_first_deploy(site: Site) -> None:
    """Processes start when the slot is healthy, and the one that may exist only once comes last."""
    answer = deploy(site, "r1")
    assert orders(site) == [
        "daemon-reload",
        "start blue",
        "start rq@blue rq-2@blue",
        "start beat@blue",
        "live blue",
        "enable",
    ]
    assert answer["differences"][-3:] == ["unit of shop-rq", "unit of shop-rq-2", "unit of shop-beat"]
    assert site.working() == ["beat@blue", "rq-2@blue", "rq@blue"]
    assert answer["seconds"]["processes"] == pytest.approx(10, abs=0.5)
    assert site.at_rest()


def test_the_order_of_a_switch(site: Site) -> None:
    """The new ones are up before the flip; the old one that may exist only once ends before; the rest ends after."""
    deploy(site, "r1")
    deploy(site, "r2")
    assert orders(site) == [
        "daemon-reload",
        "start green",
        "start rq@green rq-2@green",
        "stop beat@blue",
        "start beat@green",
        "live green",
        "ask rq@blue rq-2@blue to stop",
        "stop blue",
    ]
    assert site.working() == ["beat@green", "rq-2@green", "rq@green"]
    assert site.host.outages == []


def test_it_costs_their_time_once(site: Site) -> None:
    """All that start together are watched together."""
    processes = [unit(site, name, startsecs=seconds) for name, seconds in (("a", 3), ("b", 8), ("c", 8))]
    assert deploy(site, "r1", processes=processes)["seconds"]["processes"] == pytest.approx(8, abs=0.5)


def test_time_in_which_it_imports_its_code_does_not_count(site: Site) -> None:
    """On a busy host that takes long, and one that fails does so afterwards."""
    site.host.processes["rq"] = Process(imports=20)
    processes = [unit(site, "rq", startsecs=5)]
    assert deploy(site, "r1", processes=processes)["seconds"]["processes"] == pytest.approx(25, abs=0.5)
    site.host.processes["rq of r2"] = Process(imports=20, stays_up=21, ended="status 1")
    assert "shop-rq@green exited with status 1" in deploy(site, "r2", processes=processes)["msg"]


def test_one_that_always_computes_is_up_at_last(site: Site) -> None:
    """After the time that a start may take; and while requests wait, after its startsecs."""
    site.host.processes["rq"] = Process(imports=1000)
    processes = [unit(site, "rq", startsecs=5)]
    answer = deploy(site, "r1", processes=processes, boot_timeout=40, overlap=False)
    assert answer["seconds"]["processes"] == pytest.approx(40, abs=0.5)
    answer = deploy(site, "r2", processes=processes, boot_timeout=40, overlap=False)
    assert answer["seconds"]["processes"] == pytest.approx(5, abs=0.5)


def test_a_single_process_is_never_there_twice(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor under the name that it had before."""
    deploy(site, "r1")
    start, twice = site.host.start, []

    def watch(started: str) -> str | None:
        complaint = start(started)
        twice.append([name for name in site.working() if name.partition("@")[0] in ("beat", "tick")])
        return complaint

    monkeypatch.setattr(site.host, "start", watch)
    renamed = [unit(site, "rq"), unit(site, "tick", single=True)]
    deploy(site, "r2", processes=renamed)
    deploy(site, "r3")
    # What was not known to be single when it started, and is now.
    deploy(site, "r4", processes=[unit(site, "beat")])
    deploy(site, "r5", processes=[unit(site, "beat", single=True)])
    assert max(map(len, twice)) == 1
    assert site.working() == ["beat@green"] if site.serves()[0] == "green" else ["beat@blue"]


def test_the_slot_of_tasks_that_are_not_finished(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is used again only when they are, and the run says for what it has waited."""
    warnings: list[str] = []
    monkeypatch.setattr(module.AnsibleModule, "warn", lambda _self, text: warnings.append(text))
    site.host.processes["rq of r1"] = Process(finishes=400)
    deploy(site, "r1")
    answer = deploy(site, "r2")
    assert "tasks" not in answer["seconds"]
    assert site.host.show("shop-rq@blue.service").active == "deactivating"
    assert (site.root / "releases/r1").exists()
    assert deploy(site, "r2")["changed"] is False
    answer = deploy(site, "r3")
    assert orders(site)[:2] == ["stop rq@blue", "start blue"]
    assert answer["seconds"]["tasks"] == pytest.approx(400, abs=30)
    assert warnings == [
        f"Waited {answer['seconds']['tasks']:.0f} s for shop-rq@blue of release r1 to finish what was begun."
    ]
    assert site.serves() == ("blue", "r3")
    assert site.working() == ["beat@blue", "rq-2@blue", "rq@blue"]


def test_without_memory_for_both(site: Site) -> None:
    """The old ones finish and end while the old slot still answers; requests wait only after that."""
    deploy(site, "r1")
    site.host.processes["rq of r1"] = Process(finishes=100)
    answer = deploy(site, "r2", overlap=False)
    assert orders(site) == [
        "daemon-reload",
        "stop rq@blue rq-2@blue beat@blue",
        "daemon-reload",
        "start the waiting room",
        "stop blue",
        "start green",
        "start rq@green rq-2@green",
        "start beat@green",
        "live green",
        "stop the waiting room",
        "daemon-reload",
        "stop blue",
    ]
    assert answer["seconds"]["tasks"] == pytest.approx(100, abs=1)
    assert site.working() == ["beat@green", "rq-2@green", "rq@green"]


# What there is to switch


def test_a_change_of_a_unit_is_a_difference(site: Site) -> None:
    """It is named, and shown; systemd reads units again once."""
    deploy(site, "r1")
    deploy(site, "r1")
    changed = [unit(site, "rq", "Nice=5\n"), *workers(site)[1:]]
    site.run("r1", check=True, processes=changed)
    shown = module.Switch({"files": {}, "record": {}, **site.params}, site.host).diff()
    assert "--- unit of shop-rq\n[Service]" in shown["before"]
    assert "Nice=5" in shown["after"]
    assert "Nice=5" not in shown["before"]
    answer = deploy(site, "r1", processes=changed)
    assert (answer["differences"], site.serves()) == (["unit of shop-rq"], ("green", "r1"))
    assert site.host.story.count("daemon-reload") == 1
    assert "Nice=5" in (site.units / "shop-rq@green.service").read_text()


def test_nothing_differs_and_nothing_is_done(site: Site) -> None:
    """How long it has to stay up is no concern of a process that runs."""
    deploy(site, "r1")
    before = site.tree()
    answer = deploy(site, "r1", processes=[{**process, "startsecs": 9} for process in workers(site)])
    assert (answer["changed"], site.host.log) == (False, [])
    assert site.tree() == before


@pytest.mark.parametrize("left", [["rq"], []], ids=["one less", "none left"])
def test_a_process_that_is_wanted_no_more(site: Site, left: list[str]) -> None:
    """It ends with its slot, and its unit goes when the slot is used again."""
    deploy(site, "r1")
    processes = [unit(site, name) for name in left]
    site.run("r1", check=True, processes=processes)
    shown = module.Switch({"files": {}, "record": {}, **site.params}, site.host).diff()
    assert "--- unit of shop-beat\n[Service]" in shown["before"]
    assert shown["after"].endswith("--- unit of shop-beat\n")
    answer = deploy(site, "r1", processes=processes)
    assert answer["differences"][-1] == "unit of shop-beat"
    assert site.working() == [f"{name}@green" for name in left]
    assert (site.units / "shop-beat@blue.service").exists()
    deploy(site, "r2", processes=processes)
    assert sorted(path.name for path in site.units.glob("shop-*@*.service")) == [
        f"shop-{name}@{slot}.service" for name in left for slot in ("blue", "green")
    ]
    assert (site.root / "slots/blue/processes").exists() is bool(left)


def test_units_of_a_site_whose_name_begins_the_same(site: Site) -> None:
    """They belong to that site: the slot of shop-two is no process of shop."""
    other = site.units / "shop-two@green.service"
    other.write_text("[Service]\nEnvironmentFile=/srv/shop-two/slots/%i/environment\n")
    deploy(site, "r1")
    deploy(site, "r2")
    deploy(site, "r3", processes=[])
    assert other.exists()
    assert not [event for event in site.host.log if "two" in event]


def test_what_starts_at_boot(site: Site) -> None:
    """A file of the slot names its units; a slot without any has no such file."""
    deploy(site, "r1")
    assert (site.root / "live/processes").read_text() == (
        "shop-rq@blue.service\nshop-rq-2@blue.service\nshop-beat@blue.service\n"
    )
    site.deploy("r2")
    assert not os.path.lexists(site.root / "live/processes")


def test_check_mode_orders_nothing(site: Site) -> None:
    """Also where a process that should run does not."""
    deploy(site, "r1")
    site.host.order("stop", "shop-rq@blue.service")
    site.host.log.clear()
    before = site.tree()
    assert site.run("r1", check=True, processes=workers(site))["changed"] is True
    assert site.run("r2", check=True, processes=[])["changed"] is True
    assert (site.host.log, site.tree()) == ([], before)


# What refuses a release


DOWN = [
    pytest.param(
        Process(complaint="Job for shop-rq@green.service failed.", ended="status 203"),
        "shop-rq@green exited with status 203 soon after its start; correct site_processes.rq, or start what it",
        id="cannot be executed",
    ),
    pytest.param(
        Process(active="activating", ended="status 1"),
        "shop-rq@green exited with status 1 soon after its start; correct site_processes.rq, or start what it",
        id="exits",
    ),
    pytest.param(
        Process(stays_up=4.5, ended="status 0"),
        "shop-rq@green exited with status 0 soon after its start; the command of site_processes.rq has to run until",
        id="exits without an error at the last moment",
    ),
    pytest.param(
        Process(active="activating", ended="status 127"),
        "shop-rq@green exited with status 127 soon after its start; correct site_processes.rq: its command is",
        id="not found",
    ),
    pytest.param(
        Process(restarts=1),
        "shop-rq@green exited soon after its start; correct site_processes.rq",
        id="was restarted",
    ),
    pytest.param(
        Process(active="activating", ended="killed for lack of memory"),
        "shop-rq@green was killed for lack of memory soon after its start; raise site_processes.rq.memory_mb.",
        id="memory",
    ),
    pytest.param(
        Process(active="inactive", complaint="Unit shop-rq@green.service is masked."),
        "shop-rq@green does not start: Unit shop-rq@green.service is masked; correct site_processes.rq.",
        id="masked",
    ),
]


@pytest.mark.parametrize(("process", "reason"), DOWN)
def test_a_process_that_does_not_stay_up(site: Site, process: Process, reason: str) -> None:
    """The release is refused, and everything is as it was; the journal is that of the process."""
    deploy(site, "r1")
    before = site.tree()
    site.host.processes["rq of r2"] = process
    answer = deploy(site, "r2")
    assert answer["failed"] is True
    assert answer["msg"].startswith(f"Release r2 is refused, release r1 keeps serving: {reason}")
    assert answer["msg"].endswith(
        "\n\nThe journal of shop-rq@green:\nTraceback of shop-rq@green.service since it was started"
    )
    assert site.tree() == before
    assert site.working() == ["beat@blue", "rq-2@blue", "rq@blue"]
    assert site.at_rest()
    assert "live green" not in site.host.log
    assert "stop beat@blue" not in site.host.log
    assert [name for name in site.host.loaded if "@green" in name] == []
    assert deploy(site, "r1")["changed"] is False


def test_all_processes_that_do_not_stay_up_are_named(site: Site) -> None:
    """Each process once, with the journal of its first unit."""
    for name in ("a", "b", "b-2", "c"):
        site.host.processes[name] = Process(stays_up=2, ended="status 1")
    site.host.processes["c"] = Process()
    processes = [unit(site, name) for name in ("a", "b", "b-2", "c")]
    sentences, *journals = deploy(site, "r1", processes=processes)["msg"].split("\n\n")
    assert [line.partition(" exited")[0] for line in sentences.splitlines()] == [
        "Release r1 is refused, nothing serves yet: shop-a@blue",
        "shop-b@blue",
    ]
    assert [journal.splitlines()[0] for journal in journals] == [
        "The journal of shop-a@blue:",
        "The journal of shop-b@blue:",
    ]


def test_nothing_more_can_fail(site: Site) -> None:
    """If all that have been started are down, the old one does not stay away any longer."""
    deploy(site, "r1")
    site.host.processes["beat of r2"] = Process(active="activating", ended="status 1")
    began = site.host.clock.now
    deploy(site, "r2", processes=[*workers(site)[:2], unit(site, "beat", single=True, startsecs=60)])
    assert site.host.clock.now - began < 10


def test_the_last_exception_of_a_process(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the sentence."""
    journal = 'Traceback (most recent call last):\n  File "x.py", line 1\nConnectionError: no broker at redis:6379'
    monkeypatch.setattr(site.host, "journal", lambda *_args: journal)
    site.host.processes["rq"] = Process(stays_up=1, ended="status 1")
    assert (
        "shop-rq@blue exited with status 1 soon after its start: ConnectionError: no broker at redis:6379; correct "
        "site_processes.rq, or start what it needs."
    ) in deploy(site, "r1")["msg"]


def test_a_single_process_that_does_not_stay_up(site: Site) -> None:
    """The old one, which had to end, is there again, with its own code."""
    deploy(site, "r1")
    before = site.tree()
    site.host.processes["beat of r2"] = Process(stays_up=3, ended="status 1")
    answer = deploy(site, "r2")
    assert "release r1 keeps serving: shop-beat@green exited with status 1" in answer["msg"]
    story = [event for event in orders(site) if "beat" in event]
    assert story == [
        "stop beat@blue",
        "start beat@green",
        "journal beat@green",
        "ask rq@green rq-2@green beat@green to stop",
        "start beat@blue",
    ]
    assert site.tree() == before
    assert site.working() == ["beat@blue", "rq-2@blue", "rq@blue"]
    assert deploy(site, "r1")["changed"] is False


def test_a_worker_that_ends_while_the_last_one_is_watched(site: Site) -> None:
    """It was up for long enough, but is not when the release should go live."""
    deploy(site, "r1")
    site.host.processes["rq of r2"] = Process(stays_up=8, ended="status 1")
    assert "shop-rq@green exited with status 1" in deploy(site, "r2")["msg"]
    assert site.working() == ["beat@blue", "rq-2@blue", "rq@blue"]


def test_a_slot_that_ends_while_its_processes_are_watched(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was healthy when it was asked."""
    deploy(site, "r1")
    site.host.behaviours["r2"] = Behaviour(stays_up=4, ended="status 3")
    assert "its processes exited right after their start (status 3)" in deploy(site, "r2")["msg"]
    assert site.working() == ["beat@blue", "rq-2@blue", "rq@blue"]


def test_tasks_of_a_refused_release(site: Site) -> None:
    """They are finished before the release is removed; what may exist only once does not wait for them."""
    deploy(site, "r1")
    site.host.processes |= {
        "rq of r2": Process(finishes=300),
        "beat of r2": Process(stays_up=1, ended="status 1"),
    }
    began, seen = site.host.clock.now, {}
    start = site.host.start

    def watch(started: str) -> str | None:
        seen[site.host.name(started)] = site.host.clock.now - began
        assert (site.root / "releases/r2").exists()
        return start(started)

    site.host.start = watch  # type: ignore[method-assign]
    deploy(site, "r2")
    assert seen["beat@blue"] < 60
    assert site.host.clock.now - began > 300
    assert not (site.root / "releases/r2").exists()


def test_tasks_of_a_refused_release_keep_nobody_waiting(site: Site) -> None:
    """Without memory for both, the old slot answers at once; its processes start when the others have ended."""
    deploy(site, "r1")
    site.host.processes |= {
        "rq of r2": Process(finishes=300),
        "rq-2 of r2": Process(stays_up=1, ended="status 1"),
    }
    began = site.host.clock.now
    answers: list[float] = []
    note = site.host.note

    def watch(event: str) -> None:
        if event == "stop the waiting room":
            answers.append(site.host.clock.now - began)
        note(event)

    start, beside = site.host.start, []

    def start_alone(started: str) -> str | None:
        if started.endswith("@blue.service") and started != "shop@blue.service":
            beside.extend(name for name in site.host.units if name.endswith("@green.service") and not stopped(name))
        return start(started)

    def stopped(name: str) -> bool:
        return site.host.show(name).stopped

    site.host.note = watch  # type: ignore[method-assign]
    site.host.start = start_alone  # type: ignore[method-assign]
    answer = deploy(site, "r2", overlap=False)
    assert beside == []
    assert "release r1 keeps serving: shop-rq-2@green exited" in answer["msg"]
    assert answers[0] < 60
    story = orders(site)
    assert story.index("ask rq@green rq-2@green to stop") < story.index("start blue")
    assert story.index("stop the waiting room") < story.index("start rq@blue rq-2@blue beat@blue")
    assert site.working() == ["beat@blue", "rq-2@blue", "rq@blue"]
    assert site.at_rest()


def test_a_web_process_that_is_refused_starts_no_other(site: Site) -> None:
    """And ends none."""
    deploy(site, "r1")
    site.host.behaviours["r2"] = Behaviour(answer=lambda _s: (500, ""))
    assert "returned 500" in deploy(site, "r2", patience=0)["msg"]
    assert not [event for event in site.host.log if "start rq" in event or "@blue" in event]
    assert site.working() == ["beat@blue", "rq-2@blue", "rq@blue"]


def test_an_old_process_that_does_not_start_again(site: Site) -> None:
    """The message says so, with what to do."""
    deploy(site, "r1")
    site.host.processes |= {
        "beat of r1": Process(active="failed"),
        "beat of r2": Process(stays_up=1, ended="status 1"),
    }
    assert (
        "release r1 keeps serving, but without shop-beat@blue.service (start it: systemctl start "
        "shop-beat@blue.service): shop-beat@green exited"
    ) in deploy(site, "r2")["msg"]


def test_a_refused_release_of_a_stopped_site(site: Site) -> None:
    """Processes that an operator stopped together with the site stay so."""
    deploy(site, "r1")
    for name in ("shop", "shop-rq", "shop-rq-2", "shop-beat"):
        site.host.order("stop", f"{name}@blue.service")
    site.host.processes["rq of r2"] = Process(stays_up=1, ended="status 1")
    assert "is not running" in deploy(site, "r2")["msg"]
    assert site.working() == []


# What heals


MOMENTS = [
    "daemon-reload",
    "start green",
    "start rq@green rq-2@green",
    "stop beat@blue",
    "start beat@green",
    "live green",
    "ask rq@blue rq-2@blue to stop",
    "0 under way in blue",
    "stop blue",
]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("then", ["r2", "r1", "r3"], ids=["again", "back", "another"])
@pytest.mark.parametrize("wanted", ["the same", "others", "none"])
def test_killed_at_any_moment(site: Site, moment: str, then: str, wanted: str) -> None:
    """The next run, whatever it wants, brings the site to rest: all that is wanted runs, once, and nothing else."""
    site.host.processes["rq"] = Process(finishes=50)
    deploy(site, "r1")
    site.host.kill_before = moment
    with pytest.raises(Killed):
        deploy(site, "r2")
    assert site.host.kill_before == ""
    processes = {"the same": workers(site), "others": [unit(site, "rq"), unit(site, "mail")], "none": []}[wanted]
    assert deploy(site, then, processes=processes)["release"] == then
    slot, release = site.serves()
    assert release == then
    assert site.at_rest()
    assert site.host.outages == []
    assert site.working() == sorted(f"{process['prefix'][5:]}@{slot}" for process in processes)
    assert deploy(site, then, processes=processes)["changed"] is False
    # Nothing of what the killed run wrote is left when its slot has been used again.
    for release in ("r5", "r6"):
        deploy(site, release, processes=processes)
    assert {path.name for path in site.units.glob("shop-*@*.service")} == {
        f"{process['prefix']}@{name}.service" for process in processes for name in ("blue", "green")
    }


@pytest.mark.parametrize("moment", ["start the waiting room", "stop blue", "start green", "start rq@green rq-2@green"])
@pytest.mark.parametrize("then", ["r2", "r1", "r3"], ids=["again", "back", "another"])
def test_killed_while_requests_wait(site: Site, moment: str, then: str) -> None:
    """One generation of processes, too."""
    deploy(site, "r1", overlap=False)
    site.host.kill_before = moment
    with pytest.raises(Killed):
        deploy(site, "r2", overlap=False)
    deploy(site, then, overlap=False)
    slot, release = site.serves()
    assert release == then
    assert site.at_rest()
    assert site.working() == [f"beat@{slot}", f"rq-2@{slot}", f"rq@{slot}"]


@pytest.mark.parametrize("moment", ["stop green", "start beat@blue", "daemon-reload"])
def test_killed_while_a_release_is_refused(site: Site, moment: str) -> None:
    """What it had stopped runs again after the next run, which finds nothing to switch."""
    deploy(site, "r1")
    deploy(site, "r1", environment={"DEBUG": True})
    deploy(site, "r1")
    site.host.processes["beat of r2"] = Process(stays_up=1, ended="status 1")
    site.host.kill_before = moment
    if moment == "daemon-reload":  # The last one, after the units have been removed.
        changed = [unit(site, "rq", "Nice=5\n"), *workers(site)[1:]]
        with pytest.raises(Killed):
            deploy(site, "r2", processes=changed)
    else:
        with pytest.raises(Killed):
            deploy(site, "r2")
    deploy(site, "r1")
    slot, release = site.serves()
    assert release == "r1"
    assert site.at_rest()
    assert site.working() == [f"beat@{slot}", f"rq-2@{slot}", f"rq@{slot}"]


def test_a_room_that_is_left_is_left_by_processes_too(site: Site) -> None:
    """They are told to stop before the old slot starts again: memory holds one generation."""
    deploy(site, "r1", overlap=False)
    site.host.kill_before = "start beat@green"
    with pytest.raises(Killed):
        deploy(site, "r2", overlap=False)
    deploy(site, "r1", overlap=False)
    story = orders(site)
    assert story.index("ask rq@green rq-2@green to stop") < story.index("start blue")


def test_requests_wait_for_as_long_as_the_processes_may_take(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that may exist only once come after the others."""
    deploy(site, "r1", overlap=False)
    start, shut = site.host.start, []
    monkeypatch.setattr(room_module, "uptime", lambda: 1000)

    def look(started: str) -> str | None:
        shut.append(WaitingRoom(site.hosted, site.host).shut.read_text())
        return start(started)

    monkeypatch.setattr(site.host, "start", look)
    processes = [unit(site, "rq", startsecs=20), unit(site, "mail"), unit(site, "beat", startsecs=7, single=True)]
    deploy(site, "r2", overlap=False, processes=processes, boot_timeout=20, patience=5, drain_timeout=35)
    # 3 x 35 + 20 + 5 + 10 s as without processes, and 20 + 7 s.
    assert shut[0] == "1167 blue green\n"


@pytest.mark.parametrize("moment", ["start beat@green", "live green"])
def test_what_an_earlier_run_had_stopped(site: Site, moment: str) -> None:
    """A release that is refused long before its processes start leaves those of the live one running all the same."""
    deploy(site, "r1")
    site.host.kill_before = moment
    with pytest.raises(Killed):
        deploy(site, "r2")
    assert "beat@blue" not in site.working()
    site.host.behaviours["r3"] = Behaviour(complaint="no")
    assert "release r1 keeps serving: it does not start" in deploy(site, "r3")["msg"]
    assert site.working() == ["beat@blue", "rq-2@blue", "rq@blue"]
    assert deploy(site, "r1")["changed"] is False


def test_a_single_process_is_not_there_twice_after_a_cut_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of the candidate may take its time to end."""
    deploy(site, "r1")
    site.host.processes["beat of r2"] = Process(finishes=8)
    site.host.kill_before = "live green"
    with pytest.raises(Killed):
        deploy(site, "r2")
    start, seen = site.host.start, []

    def look(started: str) -> str | None:
        seen.append((started, site.host.show("shop-beat@green.service").active))
        return start(started)

    monkeypatch.setattr(site.host, "start", look)
    deploy(site, "r1")
    assert seen == [("shop-beat@blue.service", "inactive")]


@pytest.mark.parametrize("killed", [False, True], ids=["", "the run before was killed"])
def test_a_process_starts_as_it_was_meant(site: Site, monkeypatch: pytest.MonkeyPatch, killed: bool) -> None:
    """systemd has read its unit, and may have held another one because others refer to it."""
    site.host.referred_to = {"shop-rq@green.service"}
    deploy(site, "r0")
    deploy(site, "r1")
    deploy(site, "r1", processes=[unit(site, "rq", "Nice=4\n")])
    wanted = [unit(site, "rq", "Nice=5\n")]
    if killed:
        site.host.kill_before = "daemon-reload"
        with pytest.raises(Killed):
            deploy(site, "r2", processes=wanted)
    start, seen = site.host.start, []

    def look(started: str) -> str | None:
        site.host.load(started)
        seen.append((started, site.host.loaded[started]))
        return start(started)

    monkeypatch.setattr(site.host, "start", look)
    deploy(site, "r2", processes=wanted)
    assert seen[-1] == ("shop-rq@green.service", wanted[0]["text"])


def test_a_process_that_failed_is_started_again(site: Site) -> None:
    """Such as one that systemd had to kill when it was told to stop."""
    deploy(site, "r1")
    site.host.state("shop-rq@blue.service", "failed")
    assert "failed" not in deploy(site, "r1")
    assert site.working() == ["beat@blue", "rq-2@blue", "rq@blue"]


def test_a_process_that_was_stopped_is_started_again(site: Site) -> None:
    """It has to stay up, and nothing else is touched."""
    deploy(site, "r1")
    site.host.order("stop", "shop-rq@blue.service")
    answer = deploy(site, "r1")
    assert (answer["changed"], answer["differences"]) == (True, [])
    assert orders(site) == ["start rq@blue"]
    assert site.working() == ["beat@blue", "rq-2@blue", "rq@blue"]


def test_a_live_process_that_does_not_stay_up(site: Site) -> None:
    """The release is live: nothing else is stopped, systemd goes on to start it, and the run fails with the cause."""
    deploy(site, "r1")
    site.host.processes["rq"] = Process(stays_up=0, ended="status 1")
    answer = deploy(site, "r1")
    assert answer["msg"].startswith(
        "Release r1 is live, but shop-rq@blue exited with status 1 soon after its start; correct site_processes.rq"
    )
    assert [event for event in site.host.log if event.startswith(("stop", "ask"))] == ["stop rq@blue"]
    assert "rq@blue" in site.working()
    # What it needs is back, and systemd waits to start it again.
    del site.host.processes["rq"]
    assert site.host.show("shop-rq@blue.service").active == "activating"
    assert "failed" not in deploy(site, "r1")
    assert deploy(site, "r1")["changed"] is False


def test_a_live_process_that_is_still_stopping(site: Site) -> None:
    """Its start waits until it has finished what it has."""
    deploy(site, "r1")
    site.host.processes["rq"] = Process(finishes=30)
    site.host.order("stop", "--no-block", "shop-rq@blue.service")
    assert deploy(site, "r1")["changed"] is True
    assert site.working() == ["beat@blue", "rq-2@blue", "rq@blue"]


def test_processes_left_running_in_the_other_slot(site: Site) -> None:
    """They are told to stop; nobody waits for what they have."""
    deploy(site, "r1")
    site.host.processes["rq of r1"] = Process(finishes=300)
    deploy(site, "r2")
    deploy(site, "r2")
    site.host.wait_until(site.host.clock.now + 400)
    (site.root / "slots/blue/secrets").write_text("")
    site.host.start("shop-rq@blue.service")
    began = site.host.clock.now
    assert deploy(site, "r2")["changed"] is True
    assert orders(site) == ["ask rq@blue to stop"]
    assert site.host.clock.now - began < 1
    assert deploy(site, "r2")["changed"] is False


def test_a_unit_edited_by_hand_is_seen(site: Site) -> None:
    """As the slot's own files are."""
    deploy(site, "r1")
    edited = site.units / "shop-rq@blue.service"
    edited.write_text("[Service]\n")
    live = site.hosted.live
    assert live is not None
    assert live.edited() == [edited]


def test_what_is_recorded_of_processes(site: Site) -> None:
    """Enough to stop them and to start them again, whatever the inventory says by then."""
    deploy(site, "r1", processes=[unit(site, "beat", single=True, startsecs=9, drain=30)])
    recorded = json.loads(Path(site.root / "live/deployed").read_text())
    assert recorded["processes"] == [{"prefix": "shop-beat", "single": True, "startsecs": 9, "drain": 30}]
