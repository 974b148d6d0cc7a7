"""All that can change about a site changes while visitors come, and none of their requests is lost.

A hundred requests a second come at fixed times: fast ones, posts with a body, some that take a second, slow uploads and
slow downloads. The long form sends fifty thousand; the table of the docs is what it prints.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import chain

import pytest
from deploys import Play, Source
from form import LONG
from load import FULL_MIX, Load, Report
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

RATE = 100
START_S = 2.0  # Until all kinds of requests are under way.
RELOAD_S = 1.0  # nginx takes the order at once, and its old processes end after that.
HEADING = """
| while | server | times | requests | lost | late | p50 / p99 / max of the fast, ms |
| --- | --- | --- | --- | --- | --- | --- |""".strip()
OTHER = {"gunicorn": "uwsgi", "uwsgi": "gunicorn"}


@dataclass(frozen=True)
class Numbers:
    """How many requests there are at least, for how long nothing happens before and after, and how often what does."""

    requests: int
    steady_s: float
    deploys: int
    settings: int
    rollbacks: int
    reloads: int


SHORT = Numbers(requests=4_000, steady_s=5.0, deploys=2, settings=1, rollbacks=1, reloads=2)
# Of less than half a minute, the 99th percentile is a handful of requests.
LARGE = Numbers(requests=25_000, steady_s=30.0, deploys=20, settings=3, rollbacks=4, reloads=10)
# The long form has large numbers of each server on one distribution, and the short ones on the other.
LARGE_ON = {"gunicorn": "web", "uwsgi": "other"}


@dataclass
class Change:
    """Something that is done to the site several times, and when it was done, in seconds of the load."""

    what: str
    times: int
    act: Callable[[], object]
    switches: int = 1
    done: list[tuple[float, float]] = field(default_factory=list)

    def do(self, load: Load) -> None:
        """Do it once more."""
        start = load.now()
        self.act()
        self.done.append((start, load.now()))


def switch_spans(host: Host, report: Report) -> list[tuple[float, float]]:
    """When a slot began to start and the one before had ended, in seconds of the load, as systemd wrote it down."""
    lines = host.check_output(
        "journalctl --quiet --output=json --output-fields=JOB_TYPE,JOB_RESULT --since=@%s --unit='shop@*'",
        f"{report.started:.0f}",
    ).splitlines()
    spans: list[tuple[float, float]] = []
    start = None
    for entry in map(json.loads, lines):
        moment = int(entry["__REALTIME_TIMESTAMP"]) / 1e6 - report.started
        match entry.get("JOB_TYPE"), entry.get("JOB_RESULT"):
            case "start", None:
                start = moment
            case "stop", "done" if start is not None:
                spans.append((start, moment))
                start = None
    return spans


def during(report: Report, spans: list[tuple[float, float]]) -> Report:
    """What visitors saw in several spans, together."""
    parts = (report.between(start, end).results for start, end in spans)
    return replace(report, results=tuple(chain.from_iterable(parts)))


def row(what: str, server: str, times: str, report: Report) -> str:
    """A line of the table."""
    latency = report.latency()
    late = len(report.late) - len(report.late_by_client)
    return (
        f"| {what} | {server} | {times} | {len(report.results):,} | {len(report.lost)} | {late} "
        f"| {1000 * latency['p50']:.0f} / {1000 * latency['p99']:.0f} / {1000 * latency['max']:.0f} |"
    )


@pytest.mark.parametrize("server", ["gunicorn", "uwsgi"])
def test_nothing_is_lost(
    deploy: Callable[..., Play],
    playbook: Callable[..., Play],
    source: Source,
    address: str,
    host: Host,
    server: str,
) -> None:
    """New code, other settings, another server and back, a rollback, and nginx reading its files anew."""
    numbers = LARGE if LONG and host.backend.get_hostname() == LARGE_ON[server] else SHORT
    environment = host.ansible.get_variables()["site_environment"]
    variables = {
        "site_source_directory": "",
        "site_git_url": str(source.directory),
        # So many requests that take their time need many threads.
        "site_profile": "slow_api",
    }

    def new_code() -> None:
        source.commit()
        deploy(**variables, site_server=server).succeeded()

    def other_settings() -> None:
        changed = {**environment, "COLOUR": str(time.time_ns())}
        deploy(**variables, site_server=server, site_environment=changed).succeeded()

    def other_server_and_back() -> None:
        deploy(**variables, site_server=OTHER[server]).succeeded()
        deploy(**variables, site_server=server).succeeded()

    def rollback() -> None:
        playbook("rollback", **variables, site_server=server).succeeded()

    def reload_nginx() -> None:
        host.check_output("systemctl reload nginx")
        time.sleep(RELOAD_S)

    nothing = Change("nothing", 1, lambda: time.sleep(numbers.steady_s), switches=0)
    code = Change("a deploy of new code", numbers.deploys, new_code)
    changes = [
        nothing,
        code,
        Change("a change of the environment", numbers.settings, other_settings),
        Change("a change to the other server and back", 1, other_server_and_back, switches=2),
        Change("a rollback", numbers.rollbacks, rollback),
        Change("`systemctl reload nginx`, and the second after it", numbers.reloads, reload_nginx, switches=0),
    ]
    deploy(**variables, site_server=server).succeeded()
    with Load(f"http://{address}", host="shop.test", rate=RATE, seconds=1800, mix=FULL_MIX) as load:
        time.sleep(START_S)
        for change in changes:
            for _ in range(change.times):
                change.do(load)
        while load.now() < numbers.requests / RATE:
            code.do(load)
        nothing.do(load)
        report = load.stop()
    switched = switch_spans(host, report)
    where = f"{server}, {host.system_info.codename}"
    rows = [
        *(row(change.what, where, f"{len(change.done)}", during(report, change.done)) for change in changes),
        row("of all these, the switches themselves", where, f"{len(switched)}", during(report, switched)),
        row("all of it", where, "", report),
    ]
    print(f"\n{where}:\n", HEADING, *rows, "", report, sep="\n")
    assert len(report.results) >= numbers.requests
    assert report.lost == []
    assert len(report.late) == len(report.late_by_client), report.late
    assert [stale for change in changes for span in change.done for stale in report.between(*span).stale] == []
    assert len(switched) == sum(change.switches * len(change.done) for change in changes)
