"""Domains as people write them: each is served under the name that browsers ask for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from deploys import Play
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

DOMAINS = ["Shop.Test.", "shop.test", "münchen.test", "localhost", "192.0.2.10", "2001:DB8::1"]
ASKED = ["shop.test", "xn--mnchen-3ya.test", "localhost", "192.0.2.10", "[2001:db8::1]"]


@pytest.fixture(scope="module")
def served(deploy: Callable[..., Play], host: Host) -> Play:
    """A site with all of them, which a second deploy finds as it should be."""
    environment = host.ansible.get_variables()["site_environment"]
    variables = {"site_domains": DOMAINS, "site_environment": {**environment, "ALLOWED_HOSTS": ",".join(ASKED)}}
    play = deploy(**variables).succeeded()
    assert set(deploy(**variables).succeeded().changed.values()) == {0}
    return play


@pytest.mark.parametrize("name", ASKED)
def test_a_domain_is_served(served: Play, host: Host, name: str) -> None:
    """Through nginx, by the application itself."""
    ask = "curl --silent --output /dev/null --write-out %s --header %s http://127.0.0.1/healthz/"
    assert host.check_output(ask, "%{http_code}", f"Host: {name}") == "200", served.output


def test_nginx_has_each_name_once(served: Play, host: Host) -> None:
    """Written one way."""
    names = f"server_name {' '.join(ASKED)};"
    assert names in host.file("/etc/nginx/conf.d/shop.conf").content_string, served.output
