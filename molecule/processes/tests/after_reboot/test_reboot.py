"""A reboot in the middle of the work: all that ran runs again, and no task is lost. Before it and after it."""

from __future__ import annotations

import time

from jobs import PRODUCTS, Depot, until
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]


def test_what_ran_runs_again(host: Host) -> None:
    """In the live slot only."""
    depot = Depot(host)
    live = depot.slot()
    prefixes = ["shop", "shop-celery", "shop-beat", "shop-rq", "shop-huey", "shop-tasks", "shop-tasks-2", "shop-take"]
    assert until(lambda: sorted(depot.processes()) == sorted((prefix, live) for prefix in prefixes), 30)
    for prefix in prefixes:
        assert host.service(f"{prefix}@{live}").is_running


def test_each_task_that_was_queued_is_run_once(host: Host) -> None:
    """Those under way were finished before the host went down."""
    depot = Depot(host)
    assert until(lambda: not depot.unended("reboot"), 90)
    jobs = depot.jobs("reboot")
    assert {job["product"] for job in jobs} == (set(PRODUCTS) if rebooted(host) else set())
    assert [job for job in jobs if len(job["runs"]) != 1] == []


def rebooted(host: Host) -> bool:
    """Whether the host has been rebooted with work under way."""
    exists: bool = host.file("/root/queued").exists
    return exists


def test_schedules_go_on(host: Host) -> None:
    """Once per period, from before the reboot; beat has not forgotten what it has sent."""
    depot = Depot(host)
    since = float(host.check_output("stat --format=%Y /root/queued")) if rebooted(host) else time.time()
    for source in ("schedule", "minute"):
        minutes = [int(moment // 60) for moment in depot.ticks(source) if moment > since - 60]
        assert minutes == list(range(minutes[0], minutes[0] + len(minutes))) if minutes else not rebooted(host), source
    assert host.check_output("systemctl is-active shop-note.timer shop-archive.timer").split() == ["active"] * 2
