"""A host of 512 MB holds one generation of the site: its switches let requests wait, and lose none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from deploys import Play, Source
from form import LONG
from load import Load
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

Deploy = Callable[..., Play]

SWITCHES = 4 if LONG else 2

WRONG = """
from django.http import HttpResponse
MIDDLEWARE.insert(0, "shop.settings.wrong_answer")
def wrong_answer(get_response):
    return lambda request: HttpResponse("wrong", status=500)
"""

# Not the proxy that hands over who has waited: it is the site's user's, too.
WATCH = "while :; do pgrep --count --parent 1 --uid shop --full gunicorn; sleep 0.1; done > /tmp/generations"


@pytest.fixture(scope="module")
def git(source: Source) -> dict[str, object]:
    """Variables that deploy the repository of this test."""
    return {"site_source_directory": "", "site_git_url": str(source.directory), "site_boot_timeout": 40}


@contextmanager
def generations(host: Host) -> Iterator[list[int]]:
    """Count the main processes of the site, ten times a second; the list is there at the end."""
    found: list[int] = []
    host.check_output("systemd-run --quiet --collect --unit=generations -- sh -c %s", WATCH)
    yield found
    host.check_output("systemctl stop generations")
    found += [int(line) for line in host.check_output("cat /tmp/generations").split()]


def nothing_of_a_waiting_room(host: Host) -> bool:
    """Neither units nor sockets nor links; nginx is led to the socket of the serving slot itself."""
    found = host.check_output(
        "find /etc/systemd/system /run /srv/shop/slots -name '*waiting*' -not -path '*/systemd/*units*'"
    )
    return found == "" and host.check_output("readlink /srv/shop/live/http.sock").endswith("/app.sock")


def test_the_plan_says_so(deploy: Deploy, git: dict[str, object]) -> None:
    """Before anything changes."""
    play = deploy(**git).succeeded()
    assert "Memory holds one generation only" in play.words
    assert "requests wait" in play.words


@pytest.mark.parametrize("import_seconds", [pytest.param(0, marks=pytest.mark.long), 3])
def test_switches_under_load(
    deploy: Deploy, git: dict[str, object], source: Source, host: Host, address: str, import_seconds: int
) -> None:
    """None of the requests is lost: they wait while one slot ends and the other starts."""
    environment = {**host.ansible.get_variables()["site_environment"], "SHOP_IMPORT_SECONDS": str(import_seconds)}
    deploy(**git, site_environment=environment).succeeded()
    with (
        generations(host) as counted,
        Load(f"http://{address}", host="shop.test", rate=20, seconds=300) as load,
    ):
        for _ in range(SWITCHES):
            source.commit()
            deploy(**git, site_environment=environment).succeeded()
        report = load.stop()
    print(f"\n{SWITCHES} switches with one generation at a time, application imports in {import_seconds} s:\n{report}")
    assert report.results
    assert report.lost == []
    assert len(report.releases) == SWITCHES + 1
    assert max(counted) == 1
    assert min(counted) == 0
    assert nothing_of_a_waiting_room(host)


def test_a_refused_release_under_load(
    deploy: Deploy,
    git: dict[str, object],
    source: Source,
    host: Host,
    address: str,
    live: Callable[[], str],
    answering: Callable[[], str],
) -> None:
    """Those who waited for it are answered by the release before, which has started again."""
    deploy(**git).succeeded()
    before, slot = answering(), live()
    source.commit(shop__settings=WRONG)
    try:
        with generations(host) as counted, Load(f"http://{address}", host="shop.test", rate=20, seconds=120) as load:
            play = deploy(**git).refused()
            report = load.stop()
    finally:
        source.revert()
    print(f"\nA refused release with one generation at a time:\n{report}")
    assert "returned 500 instead of 200" in play.words
    assert report.lost == []
    assert report.late
    assert [release.name for release in report.releases] == [before]
    assert max(counted) == 1
    assert (answering(), live()) == (before, slot)
    assert nothing_of_a_waiting_room(host)
    assert deploy(**git).succeeded().changed == {host.backend.get_hostname(): 0}


def test_a_reboot_while_requests_wait(
    deploy: Deploy,
    git: dict[str, object],
    source: Source,
    host: Host,
    reboot: Callable[[], Play],
    live: Callable[[], str],
    answering: Callable[[], str],
) -> None:
    """What works on the host is killed when the old slot has stopped, and the host reboots: the old slot answers."""
    before = answering()
    source.commit(shop__wsgi="import time; time.sleep(6)")
    kill = (
        f"until test -e /etc/systemd/system/shop-waiting.socket && ! systemctl is-active --quiet shop@{live()}; "
        "do sleep 0.05; done; pkill -KILL --full '^/usr/bin/python3[.0-9]*$'"
    )
    host.check_output("systemd-run --quiet --collect -- sh -c %s", kill)
    try:
        deploy(**git).refused()
    finally:
        source.revert()
    reboot()
    assert answering() == before
    deploy(**git).succeeded()
    assert nothing_of_a_waiting_room(host)
