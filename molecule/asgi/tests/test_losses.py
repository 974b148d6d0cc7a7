"""New code goes live while visitors come, and while 200 WebSockets and 20 streams of events are open.

No request is lost. Every WebSocket keeps its release for as long as it was promised, is then closed with 1012, and is
answered by the new release when it comes again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from deploys import Play, Source
from form import LONG
from lasting import Connection, Lasting, LastingReport
from load import FULL_MIX, Load
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

WEBSOCKETS, STREAMS = 200, 20
# How long they may stay, in each deploy of new code; None waits for nothing: the next deploy comes at once.
DRAINS = (60, 60, 20, 20, 0) if LONG else (8,)
# Five seconds over which the closing is spread, two until the workers know, and some for a busy machine.
SPREAD_S = 5 + 2 + 5


def stops(host: Host, report: LastingReport) -> list[float]:
    """When a slot was told to stop, in seconds of the report, as systemd wrote it down."""
    lines = host.check_output(
        "journalctl --quiet --output=json --output-fields=JOB_TYPE,JOB_RESULT --since=@%s --unit='shop@*'",
        f"{report.started:.0f}",
    ).splitlines()
    return [
        int(entry["__REALTIME_TIMESTAMP"]) / 1e6 - report.started
        for entry in map(json.loads, lines)
        if entry.get("JOB_TYPE") == "stop" and "JOB_RESULT" not in entry
    ]


def wait_for_the_end(host: Host, seconds: float) -> None:
    """Wait until only one slot runs."""
    end = time.monotonic() + seconds
    while (
        host.check_output("systemctl show --property=ActiveState --value shop@blue shop@green")
        .split()
        .count("inactive")
        != 1
    ):
        assert time.monotonic() < end, "the old slot still runs"
        time.sleep(0.5)


def test_nothing_is_lost(
    deploy: Callable[..., Play], source: Source, address: str, host: Host, live: Callable[[], str]
) -> None:
    """Each deploy is done while the slot before still has its WebSockets."""
    repository = {"site_source_directory": "", "site_git_url": str(source.directory)}
    if host.ansible.get_variables()["site_drain_long"] != DRAINS[0]:
        deploy(site_drain_long=DRAINS[0]).succeeded()
    wait_for_the_end(host, 60)
    rows = []
    with (
        Load(f"http://{address}", host="shop.test", rate=50, seconds=1800, mix=FULL_MIX) as load,
        Lasting(f"http://{address}", host="shop.test", websockets=WEBSOCKETS, streams=STREAMS) as lasting,
    ):
        time.sleep(5)
        # A slot keeps the value with which it was deployed: the next one counts for the slot that begins now.
        for drain, following in zip(DRAINS, (*DRAINS[1:], DRAINS[-1]), strict=True):
            source.commit()
            before = live()
            play = deploy(**repository, site_drain_long=following).succeeded()
            assert live() != before
            if drain:
                state = host.check_output(f"systemctl show --property=ActiveState --value shop@{before}")
                assert state == "deactivating", "the deploy waited for connections that last"
            rows.append(f"{drain} s promised; the deploy took {play.seconds:.0f} s")
            wait_for_the_end(host, drain + SPREAD_S + 40)
            time.sleep(3)
        requests, report = load.stop(), lasting.stop()
    print("", *rows, requests, report, sep="\n")
    assert len(requests.results) >= 1000
    assert requests.lost == []
    assert requests.stale == []
    assert report.failed == []
    ends = [stop + drain for stop, drain in zip(stops(host, report), DRAINS, strict=True)]
    for one in report.connections:
        assert one.opened is not None
        if one.closed is None:
            continue
        assert one.code == (1012 if one.kind == "websocket" else None), one
        assert any(end <= one.closed <= end + SPREAD_S for end in ends), (one, ends)
    releases = list(dict.fromkeys(release.name for release in requests.releases))
    assert len(releases) == 1 + len(DRAINS)
    for number, release in enumerate(releases):
        mine = [one for one in report.connections if one.release == release]
        assert [len(of(mine, kind)) for kind in ("websocket", "events")] == [WEBSOCKETS, STREAMS], release
        assert [one for one in mine if (one.closed is None) != (number == len(DRAINS))] == []


def of(connections: list[Connection], kind: str) -> list[Connection]:
    """Those of a kind."""
    return [one for one in connections if one.kind == kind]
