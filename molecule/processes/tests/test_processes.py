"""Workers of every kind while releases come, are refused and go back: each task is run once, by the code that took it.

Tasks of 0.1 to 5 s are under way and queued all the time, for Celery, RQ, Huey, django-tasks-db and a command of the
project's own. One worker of Celery is killed meanwhile. The long form queues two thousand and switches ten times.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import testinfra
from deploys import TASKS, Play, Source, ansible_playbook
from form import LONG
from jobs import PRODUCTS, Depot, everywhere, until
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

# What is done to the site, in this order, with jobs under way.
STEPS = ["new", "kill", "refused", "new", "rollback"]
if LONG:
    STEPS = ["new", "kill", "new", "new", "refused", "new", "rollback", "new", "kill", "new", "new", "rollback", "new"]
JOBS = 2000 if LONG else 300
# No tick of beat is due so rarely; while one ends and its successor starts, there is none.
TICK_S, BEAT_GAP_S = 2.0, 30.0

# Jobs of a run on hosts that have seen one before are not its own.
STORM, SLOW, BACK, RAN = (f"{name}-{time.time():.0f}" for name in ("storm", "slow", "back", "ran"))

REFUSED = 'Command.handle = lambda self, **options: exit("The queue is not mine.")'
PREFIXES = {"shop", "shop-celery", "shop-beat", "shop-rq", "shop-huey", "shop-tasks", "shop-tasks-2", "shop-take"}


@dataclass
class Step:
    """Something that was done, and when; the releases that were live afterwards, by host."""

    what: str
    began: float
    ended: float
    live: dict[str, str]
    play: Play | None = None


@dataclass
class Storm:
    """What was done to the hosts, and what they were like before and after it."""

    began: float
    before: dict[str, str]
    processes: dict[str, Counter[tuple[str, str]]]
    memory_mb: dict[str, float]
    steps: list[Step] = field(default_factory=list)
    killed: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    # The releases on disk after the last step, which leaves the long jobs under way.
    kept: dict[str, list[str]] = field(default_factory=dict)
    jobs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    long_jobs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    beats: dict[str, list[float]] = field(default_factory=dict)
    minutes: dict[str, list[float]] = field(default_factory=dict)

    def served(self, host: str) -> list[tuple[str, float, float]]:
        """Say from when until when each release may have taken a task: while it was live, came or went."""
        spans = [(self.before[host], self.began, float("inf"))]
        for step in self.steps:
            if step.live[host] != spans[-1][0]:
                release, began, _end = spans[-1]
                spans[-1] = (release, began, step.ended)
                spans.append((step.live[host], step.began, float("inf")))
        return spans


@pytest.fixture(scope="session")
def depots(inventory: Path) -> list[Depot]:
    """All hosts."""
    return [Depot(host) for host in testinfra.get_hosts(["ansible://django"], ansible_inventory=str(inventory))]


@pytest.fixture
def depot(host: Host) -> Depot:
    """The test's host."""
    return Depot(host)


@pytest.fixture(scope="session")
def storm(depots: list[Depot], inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Storm:
    """Do all steps on all hosts at once; wait until every job has been run."""
    source = Source(tmp_path_factory.mktemp("source") / "depot", TASKS, marked="depot__release")
    variables = {"site_source_directory": str(source.directory)}
    storm = Storm(
        began=time.time(),
        before=everywhere(depots, Depot.release),
        processes=everywhere(depots, Depot.processes),
        memory_mb=everywhere(depots, Depot.memory_mb),
    )
    batch = math.ceil(JOBS / len(STEPS))

    def roll_back(depot: Depot) -> Play:
        limit = f"--limit={depot.name}"
        return ansible_playbook("pitcrew.django.rollback", inventory, limit, **variables).succeeded()

    def act(what: str) -> Play | None:
        match what:
            case "kill":
                storm.killed = everywhere(depots, lambda depot: [*storm.killed.get(depot.name, []), kill(depot)])
                return None
            case "rollback":
                # Each to its own release before: they have different servers, and so different names.
                everywhere(depots, roll_back)
                return None
            case "refused":
                source.commit(runs__management__commands__take=REFUSED)
                try:
                    return ansible_playbook("pitcrew.django.deploy", inventory, **variables).refused()
                finally:
                    source.revert()
            case _:
                source.commit()
                return ansible_playbook("pitcrew.django.deploy", inventory, **variables).succeeded()

    for seed, what in enumerate(STEPS):
        if seed == len(STEPS) - 1:
            everywhere(depots, lambda depot: depot.manage("queue", SLOW, "--held", f"--number={len(PRODUCTS)}"))
            for depot in depots:
                until(lambda depot=depot: all(job["runs"] for job in depot.jobs(SLOW)), 60)
        everywhere(depots, lambda depot, seed=seed: depot.queue(STORM, f"--number={batch}", f"--seed={seed}"))
        began = time.time()
        play = act(what)
        storm.steps.append(Step(what, began, time.time(), everywhere(depots, Depot.release), play))
    storm.kept = everywhere(depots, lambda depot: depot.host.file("/srv/shop/releases").listdir())
    everywhere(depots, lambda depot: depot.manage("let_go", SLOW))
    for name in (STORM, SLOW):
        patience = 600 if LONG else 120
        for depot in depots:
            until(lambda depot=depot, name=name: not depot.unended(name), patience)
    storm.jobs = everywhere(depots, lambda depot: depot.jobs(STORM))
    storm.long_jobs = everywhere(depots, lambda depot: depot.jobs(SLOW))
    storm.beats = everywhere(depots, lambda depot: depot.ticks("beat"))
    storm.minutes = everywhere(depots, lambda depot: depot.ticks("minute"))
    return storm


def kill(depot: Depot) -> tuple[str, float]:
    """Kill the main process of Celery's worker in the live slot; systemd ends the others, and starts it again."""
    unit = f"shop-celery@{depot.slot()}.service"
    assert until(lambda: any(job["product"] == "celery" and under_way(job) for job in depot.jobs(STORM)), 20, 0.5)
    moment = time.time()
    depot.host.check_output("systemctl kill --kill-who=main --signal=KILL %s", unit)
    return unit, moment


def under_way(job: dict[str, Any]) -> bool:
    """Whether a run of a job has begun and not ended."""
    return any(run["ended"] is None for run in job["runs"])


def was_killed(run: dict[str, Any], killed: list[tuple[str, float]]) -> bool:
    """Whether the worker was killed during a run, or before it could tell its broker that it had ended."""
    return any(
        run["unit"] == unit and run["began"] < moment + 1 and (run["ended"] is None or abs(run["ended"] - moment) < 0.5)
        for unit, moment in killed
    )


def test_each_task_is_run_once(storm: Storm, depot: Depot) -> None:
    """To its end; and once more only where Celery's worker was killed, which does promise that."""
    jobs = storm.jobs[depot.name]
    assert len(jobs) >= JOBS
    killed = storm.killed[depot.name]
    wrong, again = [], 0
    for job in jobs:
        *before, last = job["runs"] or [{"ended": None}]
        again += len(before)
        excused = job["product"] == "celery" and all(was_killed(run, killed) for run in before)
        if last["ended"] is None or (before and not excused):
            wrong.append(job)
    print(f"{depot.name}: {len(jobs)} jobs, {again} of them twice after kill -9, {len(storm.steps)} steps")
    assert wrong == []
    assert 1 <= again <= 4 * len(killed)


def test_by_the_code_that_took_it(storm: Storm, depot: Depot) -> None:
    """From beginning to end, by a release that was live, came or went; and all of them had something to do."""
    spans = storm.served(depot.name)
    refused = [(step.began, step.ended) for step in storm.steps if step.what == "refused"]
    runs = [run for job in storm.jobs[depot.name] for run in job["runs"]]
    known = {release for release, _began, _ended in spans}
    for run in runs:
        allowed = [(began, ended) for release, began, ended in spans if release == run["release"]]
        if run["release"] not in known:
            allowed = refused
        assert any(began <= run["began"] <= ended for began, ended in allowed), (run, spans, refused)
        assert run["code_began"]
        assert run["ended"] is None or run["code_ended"] == run["code_began"]
    of_release = {run["release"]: run["code_began"] for run in runs if run["release"] in known}
    assert set(of_release) == known
    assert all(run["code_began"] == of_release.get(run["release"], run["code_began"]) for run in runs)
    for step in storm.steps:
        if step.what in {"new", "rollback"}:
            across = [run for run in runs if run["began"] < step.ended and (run["ended"] or 0) > step.began]
            assert {process_of(run) for run in across} == {"celery", "rq", "huey", "tasks", "take"}


def process_of(run: dict[str, Any]) -> str:
    """The process whose unit has run a job: tasks, of shop-tasks-2@blue.service."""
    process: str = run["unit"].partition("@")[0].split("-")[1]
    return process


def test_a_task_that_takes_longer_than_the_switch(storm: Storm, depot: Depot) -> None:
    """It ends on the release before, which is still on disk, while the new one serves."""
    jobs = storm.long_jobs[depot.name]
    before, last = storm.steps[-2].live[depot.name], storm.steps[-1]
    assert before != last.live[depot.name]
    assert [job["product"] for job in jobs] == PRODUCTS
    for job in jobs:
        (run,) = job["runs"]
        assert run["release"] == before
        assert run["code_ended"] == run["code_began"]
    assert all(job["runs"][0]["ended"] > last.ended for job in jobs)
    assert before in storm.kept[depot.name]


def test_beat_ticks_neither_twice_nor_never(storm: Storm, depot: Depot) -> None:
    """Every two seconds, with a pause while it is replaced; what is due at a full minute comes once in each."""
    beats = [moment for moment in storm.beats[depot.name] if moment >= storm.began]
    gaps = [after - before for before, after in pairwise(beats)]
    print(f"{depot.name}: {len(beats)} ticks, the longest pauses {sorted(gaps)[-4:]}, the shortest {sorted(gaps)[:2]}")
    assert min(gaps) > TICK_S / 2
    assert max(gaps) < BEAT_GAP_S
    # Celery loses what is due while its broker is away: earlier runs on these hosts have stopped it.
    assert once_in_each_minute([moment for moment in storm.minutes[depot.name] if moment >= storm.began])


def once_in_each_minute(moments: list[float]) -> bool:
    """Whether there is exactly one in each minute from the first to the last."""
    minutes = [int(moment // 60) for moment in moments]
    return bool(minutes) and minutes == list(range(minutes[0], minutes[-1] + 1))


def test_schedules_over_switches(storm: Storm, depot: Depot) -> None:
    """Once per period."""
    assert once_in_each_minute(depot.ticks("schedule"))
    assert len(depot.ticks("schedule")) >= (storm.steps[-1].ended - storm.began) // 60


def test_a_worker_that_does_not_stay_up(storm: Storm, depot: Depot) -> None:
    """The release is refused with the cause, and everything that ran goes on, beat included."""
    for before, step in pairwise(storm.steps):
        if step.what == "refused":
            assert step.live == before.live
            assert step.play is not None
            assert "shop-take@" in step.play.words
            assert "The queue is not mine." in step.play.words
            assert any(moment > step.ended for moment in storm.beats[depot.name])


def test_one_generation_remains(storm: Storm, depot: Depot) -> None:
    """The same units as before, in the live slot only, with the memory of one generation."""
    live = depot.slot()
    assert until(lambda: {slot for _prefix, slot in depot.processes()} == {live}, 70)
    assert {prefix for prefix, _slot in depot.processes()} == PREFIXES
    assert {prefix for prefix, _slot in storm.processes[depot.name]} == PREFIXES
    memory_mb = depot.memory_mb()
    print(f"{depot.name}: {storm.memory_mb[depot.name]:.0f} MB before, {memory_mb:.0f} MB after")
    assert memory_mb < 1.4 * storm.memory_mb[depot.name]


@dataclass
class Away:
    """What the status said while Redis was stopped and after it had come back, and what became of jobs queued then."""

    meanwhile: dict[str, dict[str, Any]]
    afterwards: dict[str, dict[str, Any]]
    text: str


@pytest.fixture(scope="session")
def away(storm: Storm, depots: list[Depot], inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Away:
    """Stop Redis, ask, start it, ask again when jobs of all products have been run."""

    def status(name: str) -> tuple[dict[str, dict[str, Any]], Play]:
        file = tmp_path_factory.mktemp("status") / f"{name}.json"
        play = ansible_playbook("pitcrew.django.status", inventory, site_status_file=str(file)).succeeded()
        return json.loads(file.read_text()), play

    everywhere(depots, lambda depot: depot.host.check_output("systemctl stop redis-server@shop"))
    time.sleep(5)
    meanwhile, _play = status("meanwhile")
    everywhere(depots, lambda depot: depot.host.check_output("systemctl start redis-server@shop"))
    everywhere(depots, lambda depot: depot.queue(BACK, "--number=15", "--longest=1"))
    for depot in depots:
        until(lambda depot=depot: not depot.unended(BACK), 60)
    afterwards, play = status("afterwards")
    return Away(meanwhile, afterwards, play.output)


def test_a_broker_that_is_away(away: Away, depot: Depot) -> None:
    """The status complains; when it is back, all products work again, by themselves."""
    complaints = away.meanwhile[depot.name]["complaints"]
    assert any("redis-server@shop" in complaint for complaint in complaints)
    for job in depot.jobs(BACK):
        assert [run["ended"] is not None for run in job["runs"]] == [True], job


def test_the_status_names_processes_and_schedules(away: Away, depot: Depot) -> None:
    """Each process with its memory, each schedule with its last run; the one that fails is a complaint."""
    found = away.afterwards[depot.name]
    print(away.text)
    live = depot.slot()
    units = {process["unit"]: process for process in found["processes"]}
    assert set(units) == {f"{prefix}@{live}.service" for prefix in PREFIXES - {"shop"}}
    assert {process["state"] for process in units.values()} == {"active"}
    assert all(process["memory_mb"]["now"] > 5 for process in units.values())
    schedules = {schedule["schedule"]: schedule for schedule in found["schedules"]}
    assert set(schedules) == {"note", "archive"}
    assert all(schedule["next"] or schedule["state"] == "running" for schedule in schedules.values())
    assert any("archive" in complaint for complaint in found["complaints"])
    assert not any("note" in complaint for complaint in found["complaints"])
    assert not any("shop-" in complaint for complaint in found["complaints"] if "archive" not in complaint)
    assert "celery" in away.text


@pytest.fixture(scope="session")
def commands(away: Away, inventory: Path) -> dict[str, Play]:
    """Run a command that succeeds and one that fails in the live release, on all hosts."""
    words = {"good": f"manage.py queue {RAN} --number 5 --longest 1", "bad": "manage.py fail"}
    return {name: ansible_playbook("pitcrew.django.run", inventory, site_command=text) for name, text in words.items()}


def test_a_command_in_the_live_release(commands: dict[str, Play], depot: Depot) -> None:
    """Its output is shown, and a failure is one of the play."""
    assert "5 jobs queued" in commands["good"].succeeded().words
    assert "The archive has no room for another copy." in commands["bad"].refused().words
    assert until(lambda: not depot.unended(RAN), 30)
