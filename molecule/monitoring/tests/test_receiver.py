"""A site that stops is reported to the receiver, and so is its return."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import soon
from testinfra.host import Host

testinfra_hosts = ["ansible://monitor"]


@pytest.fixture
def stopped(hosts: Callable[[str], Host]) -> Iterator[None]:
    """Stop the site on all of its hosts; start it again afterwards."""
    for name in ("web12", "web13"):
        hosts(name).check_output("systemctl stop nginx")
    yield
    for name in ("web12", "web13"):
        hosts(name).check_output("systemctl start nginx")


def received(host: Host, alert: str) -> list[dict[str, Any]]:
    """Give what the receiver was told about an alert, in order."""
    lines = host.run("cat /var/tmp/alerts").stdout.splitlines()
    return [one for line in lines for one in json.loads(line)["alerts"] if one["labels"]["alertname"] == alert]


def statuses(host: Host, alert: str) -> list[str]:
    """Tell whether it was firing or resolved."""
    return [one["status"] for one in received(host, alert)]


@pytest.fixture(scope="module")
def told(host: Host) -> None:
    """Forget what was told before."""
    host.check_output("rm -f /var/tmp/alerts")


def test_the_site_is_down(host: Host, told: None, stopped: None) -> None:
    """Whoever is responsible gets to know which site, and what is wrong with it."""
    assert soon(lambda: "firing" in statuses(host, "SiteDown"))
    (alert, *_more) = received(host, "SiteDown")
    assert alert["labels"]["site"] == "shop"
    assert alert["labels"]["instance"] == "http://shop.test/healthz/"
    assert alert["annotations"]["summary"] == "shop is down for its visitors."
    # nginx is the way to the exporters of other hosts, too.
    assert soon(lambda: "firing" in statuses(host, "SiteExporterGone"))


def test_the_site_is_back(host: Host) -> None:
    """And that it is well again."""
    assert soon(lambda: statuses(host, "SiteDown")[-1:] == ["resolved"])
    assert soon(lambda: statuses(host, "SiteExporterGone")[-1:] == ["resolved"])
