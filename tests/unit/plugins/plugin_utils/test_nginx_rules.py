"""What would keep nginx from serving, in words."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.filter.nginx_complaints import FilterModule
from ansible_collections.pitcrew.django.plugins.plugin_utils.nginx_rules import nginx_complaints

APACHE = {"program": "apache2", "pid": 123, "unit": "apache2.service"}


def complaints(*holders: dict[str, Any], tls: bool = False) -> list[str]:
    """Give what is wrong on a host where these programs listen."""
    return list(nginx_complaints({"other_listeners": holders, "names_before": {}}, tls=tls, domains=["shop.test"]))


def test_nobody_is_in_the_way() -> None:
    assert complaints() == []


@pytest.mark.parametrize(
    ("holder", "sentence"),
    [
        (
            APACHE,
            "port 80: apache2 (pid 123) listens on it, and nginx needs it; "
            "stop and disable it: sudo systemctl disable --now apache2",
        ),
        (
            {"program": "python3", "pid": 4711, "unit": None},
            "port 80: python3 (pid 4711) listens on it, and nginx needs it; stop it: sudo kill 4711",
        ),
        (
            {"program": "docker-proxy", "pid": 9, "unit": "docker.service"},
            "port 80: docker-proxy (pid 9) listens on it, and nginx needs it; "
            "stop the container that publishes it: sudo docker ps --filter publish=80",
        ),
        (
            {"program": "systemd", "pid": 1, "unit": None},
            "port 80: systemd (pid 1) listens on it, and nginx needs it; "
            "stop and disable the socket unit that it belongs to: sudo systemctl list-sockets",
        ),
        (
            {"program": None, "pid": None, "unit": None},
            "port 80: another program listens on it, and nginx needs it; "
            "find it and stop it: sudo ss -ltnp 'sport = :80'",
        ),
    ],
)
def test_a_port_that_another_program_has(holder: dict[str, Any], sentence: str) -> None:
    """It is named, with the command that frees the port."""
    assert complaints({"port": 80, **holder}) == [sentence]


def test_the_port_of_tls() -> None:
    """It is needed by a site with a certificate only."""
    holders = [{"port": 80, **APACHE}, {"port": 443, **APACHE}]
    assert [sentence.split(":")[0] for sentence in complaints(*holders, tls=True)] == ["port 80", "port 443"]
    assert [sentence.split(":")[0] for sentence in complaints(*holders)] == ["port 80"]


def test_a_name_that_another_file_has() -> None:
    """Its requests would not reach the site."""
    facts = {"other_listeners": [], "names_before": {"shop.test": "/etc/nginx/conf.d/app.conf:3", "x": "/y:1"}}
    assert list(nginx_complaints(facts, tls=False, domains=["www.shop.test", "Shop.test"])) == [
        "site_domains: Shop.test is served by /etc/nginx/conf.d/app.conf:3, which nginx reads before the site's own "
        "file; remove it there, or from site_domains"
    ]


def test_the_filter() -> None:
    """It gives a list, as Ansible wants it."""
    facts = {"other_listeners": [{"port": 443, **APACHE}], "names_before": {}}
    found = FilterModule().filters()["nginx_complaints"](facts, tls=True, domains=[])
    assert found == complaints({"port": 443, **APACHE}, tls=True)
