"""What Prometheus reads: every exporter of every host, the site as its visitors see it, and itself."""

from __future__ import annotations

from collections import Counter

import pytest
from conftest import Query, asked, soon
from testinfra.host import Host

testinfra_hosts = ["ansible://monitor"]

ON_HOSTS = {"node", "nginx", "postgres", "site"}
SITE = {"web12", "web13"}
HERE = {"prometheus": 1, "alertmanager": 1, "blackbox": 1}


def test_every_target_is_up(host: Host) -> None:
    """Over TLS, in the private network, and on the host itself."""

    def down() -> list[str]:
        return [
            f"{target['labels']['job']} of {target['labels']['instance']}: {target['lastError'] or target['health']}"
            for target in asked(host, "targets", state="active")["activeTargets"]
            if target["health"] != "up"
        ]

    soon(lambda: not down())
    assert down() == []


def test_jobs_and_instances(query: Query) -> None:
    """Each host has each exporter once; the site is requested at each of its hosts."""
    found = Counter(sample["metric"]["job"] for sample in query("up"))
    assert found == {**dict.fromkeys(ON_HOSTS, 2), **HERE, "visitor": 2}
    for job in ON_HOSTS:
        assert {sample["metric"]["instance"] for sample in query(f'up{{job="{job}"}}')} == SITE


def test_how_each_host_is_read(host: Host) -> None:
    """A host reads itself without a detour; others by TLS, or in plain text in the private network."""
    here = host.backend.get_hostname()
    targets = asked(host, "targets", state="active")["activeTargets"]
    node = {
        target["labels"]["instance"]: target["scrapeUrl"] for target in targets if target["labels"]["job"] == "node"
    }
    addresses = {name: host.ansible("debug", f"msg={{{{ hostvars.{name}.lab_address }}}}")["msg"] for name in node}
    assert node == {
        "web12": "http://127.0.0.1:9100/metrics" if here == "web12" else f"https://{addresses['web12']}:9443/node",
        "web13": f"http://{addresses['web13']}:9443/node",
    }


def test_the_site_is_healthy_for_visitors(query: Query) -> None:
    """The blackbox exporter finds it at each address, by its name."""
    # A busy machine may miss an answer.
    soon(lambda: len(query("probe_success == 1")) == 2)
    found = query("probe_success")
    assert {sample["metric"]["instance"] for sample in found} == {"http://shop.test/healthz/"}
    assert {sample["metric"]["site"] for sample in found} == {"shop"}
    assert len({sample["metric"]["address"] for sample in found}) == 2
    assert [sample["value"][1] for sample in found] == ["1", "1"]


@pytest.mark.parametrize(
    "expression",
    [
        'node_systemd_unit_state{name="nginx.service", state="active"} == 1',
        "node_textfile_scrape_error == 0",
        "nginx_connections_accepted > 0",
        "nginx_up == 1",
        "pg_up == 1",
        'pg_stat_database_numbackends{datname="postgres"} >= 0',
    ],
)
def test_what_the_exporters_tell(query: Query, expression: str) -> None:
    """One number of each, which only an exporter that works has."""
    assert soon(lambda: {sample["metric"]["instance"] for sample in query(expression)} == SITE)


def test_measurements_are_limited(host: Host) -> None:
    """By age and by size, as the variables say."""
    flags = asked(host, "status/flags")
    assert flags["storage.tsdb.retention.time"] == "30d"
    assert flags["storage.tsdb.retention.size"] in {"10GB", "10GiB"}


def test_rules_are_loaded(host: Host) -> None:
    """Those of the site; all of them can be evaluated."""
    groups = asked(host, "rules")["groups"]
    assert groups
    assert {group["file"] for group in groups} == {"/etc/prometheus/pitcrew/rules/shop.yml"}
    rules = [rule for group in groups for rule in group["rules"]]
    assert [rule["lastError"] for rule in rules if rule.get("lastError")] == []


def test_only_who_needs_it_knows_the_password(host: Host) -> None:
    """Prometheus does; other users of its host do not, and neither do they learn how mail is sent."""
    for name in ("password", "alertmanager.yml"):
        file = host.file(f"/etc/prometheus/pitcrew/{name}")
        if name == "password" and host.backend.get_hostname() == "web12":
            assert not file.exists
        else:
            assert (file.user, file.group, file.mode) == ("root", "prometheus", 0o640)
