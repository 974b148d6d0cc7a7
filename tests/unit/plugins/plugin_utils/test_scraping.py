"""Files that Prometheus reads: per host and per site, for whoever reads them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import yaml
from ansible_collections.pitcrew.django.plugins.filter.scrape_files import scrape_files
from ansible_collections.pitcrew.django.plugins.plugin_utils.scraping import (
    Host,
    Site,
    host_files,
    module_of_site,
    targets_of_site,
)

WEB = Host("web1", "10.0.0.11:9443", "-----BEGIN", {"node": "127.0.0.1:9100", "site": "127.0.0.1:9817"})
SHOP = Site("shop", ("https://shop.example.com/healthz/",), 200)


def groups(text: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text or "")
    return found


def test_a_host_is_read_over_tls() -> None:
    files = host_files([WEB], "watch")
    assert groups(files["hosts/tls/web1.json"]) == [
        {
            "targets": ["10.0.0.11:9443"],
            "labels": {"job": "node", "instance": "web1", "__metrics_path__": "/node"},
        },
        {
            "targets": ["10.0.0.11:9443"],
            "labels": {"job": "site", "instance": "web1", "__metrics_path__": "/site"},
        },
    ]
    assert files["certificates.d/web1.pem"] == "-----BEGIN"
    assert files["hosts/private/web1.json"] is None


def test_a_host_without_a_certificate_is_in_a_private_network() -> None:
    files = host_files([replace(WEB, certificate="")], "watch")
    assert [group["targets"] for group in groups(files["hosts/private/web1.json"])] == [["10.0.0.11:9443"]] * 2
    assert files["hosts/tls/web1.json"] is None
    assert files["certificates.d/web1.pem"] is None


def test_a_host_reads_itself_on_loopback() -> None:
    files = host_files([WEB], "web1")
    assert groups(files["hosts/private/web1.json"])[0] == {
        "targets": ["127.0.0.1:9100"],
        "labels": {"job": "node", "instance": "web1"},
    }
    assert files["certificates.d/web1.pem"] is None


def test_a_site_is_looked_up_like_by_a_visitor() -> None:
    assert groups(targets_of_site(SHOP)) == [
        {
            "targets": ["https://shop.example.com/healthz/"],
            "labels": {
                "site": "shop",
                "instance": "https://shop.example.com/healthz/",
                "__param_module": "shop",
            },
        }
    ]


def test_a_site_without_dns_is_asked_at_its_addresses_by_its_name() -> None:
    found = groups(targets_of_site(replace(SHOP, addresses=("10.0.0.11", "fd00::1"))))
    assert [group["targets"] for group in found] == [["https://10.0.0.11/healthz/"], ["https://[fd00::1]/healthz/"]]
    assert {group["labels"]["__param_hostname"] for group in found} == {"shop.example.com"}
    assert {group["labels"]["instance"] for group in found} == {"https://shop.example.com/healthz/"}
    assert [group["labels"]["address"] for group in found] == ["10.0.0.11", "fd00::1"]


def test_a_module_asks_for_the_status() -> None:
    text = "modules:\n" + module_of_site(SHOP) + module_of_site(Site("blog", (), 401, authority="/etc/ssl/own.crt"))
    modules = yaml.safe_load(text)["modules"]
    assert modules["shop"]["http"] == {"valid_status_codes": [200], "preferred_ip_protocol": "ip4"}
    assert modules["blog"]["http"]["valid_status_codes"] == [401]
    assert modules["blog"]["http"]["tls_config"] == {"ca_file": "/etc/ssl/own.crt"}


def test_everything_of_a_site_together() -> None:
    site = {"name": "shop", "urls": SHOP.urls, "status": "200", "addresses": [], "authority": "", "rules": "groups:\n"}
    host = {"name": "web1", "address": WEB.address, "certificate": "", "endpoints": WEB.endpoints, "site": site}
    found = scrape_files([host, {**host, "name": "web2"}], reader="watch")
    assert set(found["prometheus"]) == {
        "hosts/private/web1.json",
        "hosts/private/web2.json",
        "sites/shop.json",
        "rules/shop.yml",
    }
    assert set(found["blackbox"]) == {"blackbox.d/00-modules.yml", "blackbox.d/shop.yml"}
    assert set(found["absent"]) == {
        "hosts/tls/web1.json",
        "hosts/tls/web2.json",
        "certificates.d/web1.pem",
        "certificates.d/web2.pem",
    }
