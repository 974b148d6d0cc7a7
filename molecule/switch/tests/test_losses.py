"""Fifty thousand requests while all that can change about a site changes: none of them is lost.

A hundred requests a second come at fixed times: fast ones, posts with a body, some that take a second, slow uploads and
slow downloads. The table of the docs is what this test prints.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import chain

import pytest
from deploys import Play, Source
from load import FULL_MIX, Load, Report
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

RATE = 100
REQUESTS = 25_000
STEADY_S = 60.0  # Of less, the 99th percentile is a handful of requests.
RELOAD_S = 1.0  # nginx takes the order at once, and its old processes end after that.
HEADING = """
| while | times | requests | lost | late | p50 / p99 / max of the fast, ms |
| --- | --- | --- | --- | --- | --- |""".strip()
OTHER = {"gunicorn": "uwsgi", "uwsgi": "gunicorn"}


@dataclass
class Change:
    """Something that is done to the site several times, and when it was done, in seconds of the load."""

    what: str
    times: int
    act: Callable[[], object]
    done: list[tuple[float, float]] = field(default_factory=list)

    def do(self, load: Load) -> None:
        """Do it once more."""
        start = load.now()
        self.act()
        self.done.append((start, load.now()))

    def each(self, report: Report) -> list[Report]:
        """What visitors saw of it, each time."""
        return [report.between(start, end) for start, end in self.done]

    def all(self, report: Report) -> Report:
        """What visitors saw of it, all times together."""
        return replace(report, results=tuple(chain.from_iterable(part.results for part in self.each(report))))


def row(what: str, times: str, report: Report) -> str:
    """A line of the table."""
    latency = report.latency()
    late = len(report.late) - len(report.late_by_client)
    return (
        f"| {what} | {times} | {len(report.results)} | {len(report.lost)} | {late} "
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
    environment = host.ansible.get_variables()["site_environment"]
    said = {
        "site_source_directory": "",
        "site_git_url": str(source.directory),
        # So many requests that take their time need many threads.
        "site_profile": "slow_api",
    }

    def new_code() -> None:
        source.commit()
        deploy(**said, site_server=server).succeeded()

    def other_settings() -> None:
        changed = {**environment, "COLOUR": str(time.time_ns())}
        deploy(**said, site_server=server, site_environment=changed).succeeded()

    def other_server_and_back() -> None:
        deploy(**said, site_server=OTHER[server]).succeeded()
        deploy(**said, site_server=server).succeeded()

    def rollback() -> None:
        playbook("rollback", **said, site_server=server).succeeded()

    def reload_nginx() -> None:
        host.check_output("systemctl reload nginx")
        time.sleep(RELOAD_S)

    code = Change("a deploy of new code", 20, new_code)
    changes = [
        code,
        Change("a change of the environment", 3, other_settings),
        Change("a change to the other server and back", 1, other_server_and_back),
        Change("a rollback", 1, rollback),
        Change("`systemctl reload nginx`, and the second after it", 10, reload_nginx),
    ]
    deploy(**said, site_server=server).succeeded()
    with Load(f"http://{address}", host="shop.test", rate=RATE, seconds=900, mix=FULL_MIX) as load:
        time.sleep(STEADY_S)
        for change in changes:
            for _ in range(change.times):
                change.do(load)
        while load.now() < REQUESTS / RATE:
            code.do(load)
        report = load.stop()
    rows = [
        row("nothing", "", report.between(2, STEADY_S)),
        *(row(change.what, f"{len(change.done)}", change.all(report)) for change in changes),
        row("all of it", "", report),
    ]
    print(f"\n{server}:\n", HEADING, *rows, "", report, sep="\n")
    assert len(report.results) >= REQUESTS
    assert report.lost == []
    assert len(report.late) == len(report.late_by_client), report.late
    assert [part.stale for part in code.each(report)] == [[]] * len(code.done)
