"""Switches under load, and not one request lost, late, or answered by the release before.

50 requests a second come at fixed times: fast ones, posts with a body, and a tenth that takes a second.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

import pytest
from deploys import Play, Source
from form import LONG
from load import Load, Report
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

SWITCHES = 3 if LONG else 1


def assert_nothing_lost(report: Report, changes: list[float], what: str) -> None:
    """Judge the whole load, and each change by itself: a release may return, so "newer" holds for one change only."""
    print(f"\n{what}\n{report}")
    assert report.results
    assert report.lost == []
    assert len(report.late) == len(report.late_by_client), report.late
    bounds = [0.0, *changes[1:], float("inf")]
    for start, end in pairwise(bounds):
        assert report.between(start, end).stale == []


@pytest.mark.parametrize("server", ["gunicorn", "uwsgi"])
def test_switches_to_what_starts_slowly(
    deploy: Callable[..., Play], source: Source, address: str, host: Host, server: str
) -> None:
    """New code again and again, of an application that takes three seconds to be imported."""
    variables = {
        "site_server": server,
        "site_source_directory": "",
        "site_git_url": str(source.directory),
        "site_environment": {**host.ansible.get_variables()["site_environment"], "SHOP_IMPORT_SECONDS": "3"},
    }
    deploy(**variables).succeeded()
    changes = []
    with Load(f"http://{address}", host="shop.test", rate=50, seconds=900) as load:
        for _ in range(SWITCHES):
            source.commit()
            changes.append(load.now())
            deploy(**variables).succeeded()
        report = load.stop()
    assert len(report.releases) == SWITCHES + 1
    assert_nothing_lost(report, changes, f"{SWITCHES} switches of {server}:")


@pytest.mark.parametrize(
    ("server", "change"),
    [
        pytest.param("gunicorn", {"site_workers": 2}, id="workers of gunicorn"),
        pytest.param("gunicorn", {"site_environment": "COLOUR=blue"}, id="a variable of the environment"),
        pytest.param("uwsgi", {"site_workers": 2}, id="workers of uWSGI"),
    ],
)
def test_change_of_configuration_under_load(
    deploy: Callable[..., Play],
    address: str,
    host: Host,
    live: Callable[[], str],
    server: str,
    change: dict[str, object],
) -> None:
    """What is no new code takes the same way, and is live afterwards."""
    environment = host.ansible.get_variables()["site_environment"]
    if "site_environment" in change:
        change = {"site_environment": {**environment, "COLOUR": "blue"}}
    deploy(site_server=server).succeeded()
    before = live()
    with Load(f"http://{address}", host="shop.test", rate=50, seconds=120) as load:
        moment = load.now()
        deploy(site_server=server, **change).succeeded()
        report = load.stop()
    assert_nothing_lost(report, [moment], f"{server}, {change}:")
    assert live() != before
    unit = f"shop@{live()}.service"
    main = host.check_output("systemctl show --property=MainPID --value %s", unit)
    if "site_workers" in change:
        assert len(host.check_output("cat /proc/%s/task/%s/children", main, main).split()) == change["site_workers"]
    else:
        assert "COLOUR=blue" in host.check_output("tr '\\0' '\\n' < /proc/%s/environ", main).splitlines()


def test_one_generation_remains(host: Host, live: Callable[[], str]) -> None:
    """The slot before is stopped, and has no process left."""
    other = {"blue": "green", "green": "blue"}[live()]
    assert host.service(f"shop@{live()}").is_running
    assert not host.service(f"shop@{other}").is_running
    assert not host.file(f"/run/shop-{other}").exists
    masters = [p for p in host.process.filter(user="shop") if p.ppid == 1]
    assert len(masters) == 1


def test_kept_releases(host: Host) -> None:
    """The last five that served are kept; the others are gone."""
    history = [json.loads(line)["release"] for line in host.file("/srv/shop/history").content_string.splitlines()]
    last = list(dict.fromkeys(reversed(history)))
    assert len(last) > 5
    assert sorted(host.file("/srv/shop/releases").listdir()) == sorted(last[:5])
