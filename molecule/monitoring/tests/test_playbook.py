"""The playbook: what it refuses before it changes anything, what it leaves alone, and what it writes for others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from deploys import ansible_playbook
from testinfra.host import Host

testinfra_hosts = ["ansible://watch"]

MONITOR = "pitcrew.django.monitor"
HOME = "/etc/prometheus/pitcrew"


def test_all_complaints_come_at_once(inventory: Path) -> None:
    """Of every host, with variable and cure; a name that is almost right is no variable of one's own."""
    play = ansible_playbook(
        MONITOR,
        inventory,
        monitoring_password="short",
        monitoring_retention_time="a month",
        monitoring_flags={"grafana": []},
        monitoring_port=0,
        monitoring_intervall=5,
    ).refused()
    print(play.output)
    for words in (
        "5 problems with the site's variables",
        "monitoring_password: the value (not shown) is not 16 to 200 printable ASCII characters",
        'monitoring_retention_time: "a month" is not a duration; write it as in 30d',
        'monitoring_flags: "grafana" is not a program',
        "monitoring_port: 0 is below 1",
        "monitoring_intervall: there is no such variable; did you mean monitoring_interval?",
    ):
        assert words in play.words
    assert set(play.changed.values()) == {0}


def test_monitoring_hosts_that_do_not_exist(inventory: Path) -> None:
    """A group of another name is not skipped in silence."""
    play = ansible_playbook(MONITOR, inventory, monitoring_hosts="monitors").refused()
    assert 'monitoring_hosts: "monitors" matches no host of the inventory' in play.words
    assert play.changed == {}


def test_a_password_is_needed(inventory: Path) -> None:
    """Where another host reads, and there is no private network."""
    play = ansible_playbook(MONITOR, inventory, monitoring_password=None).refused()
    assert "monitoring_password: is not set, and has no default" in play.words
    assert "web12" in play.output
    assert set(play.changed.values()) == {0}


def test_files_that_programs_refuse(inventory: Path, host: Host) -> None:
    """Alertmanager's own words are shown, and it keeps what it has."""
    before = host.file(f"{HOME}/alertmanager.yml").content_string
    receivers = [{"name": "operators", "email_config": [{"to": "operators@example.com"}]}]
    play = ansible_playbook(MONITOR, inventory, monitoring_receivers=receivers).refused()
    assert "prometheus-alertmanager does not accept its new files" in play.words
    assert "field email_config not found" in play.words
    assert host.file(f"{HOME}/alertmanager.yml").content_string == before


def test_another_site_joins(inventory: Path, host: Host) -> None:
    """A play of another site adds its files, and removes none."""
    before = set(host.check_output("find %s -type f", HOME).split())
    more = {"site_name": "blog", "site_domains": ["blog.test"], "site_health_status": 301}
    # In check mode, with --diff: what would be written is all that matters here.
    play = ansible_playbook(MONITOR, inventory, "--check", "--diff", **more).succeeded()
    for path in ("sites/blog.json", "rules/blog.yml", "blackbox.d/blog.yml", "blackbox.yml"):
        assert f"+++ after: {HOME}/{path}" in play.output
    for path in ("sites/shop.json", "rules/shop.yml", "blackbox.d/shop.yml", "prometheus.yml"):
        assert f"after: {HOME}/{path}" not in play.output
    assert set(host.check_output("find %s -type f", HOME).split()) == before


@pytest.fixture(scope="module")
def exported(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the playbook writes on the control node."""
    directory = tmp_path_factory.mktemp("export")
    ansible_playbook(MONITOR, inventory, monitoring_export_directory=str(directory)).succeeded()
    return directory


def test_files_for_another_prometheus(exported: Path) -> None:
    """Targets in the format of file_sd_config, the certificate to trust, rules; and no password."""
    files = {str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()}
    assert files >= {
        "hosts/tls/web12.json",
        "hosts/private/web13.json",
        "certificates.d/web12.pem",
        "sites/shop.json",
        "blackbox.d/shop.yml",
        "rules/shop.yml",
    }
    tls = json.loads((exported / "hosts/tls/web12.json").read_text())
    assert {group["labels"]["__metrics_path__"] for group in tls} == {"/site", "/node", "/nginx", "/postgres"}
    assert "BEGIN CERTIFICATE" in (exported / "certificates.d/web12.pem").read_text()
    assert yaml.safe_load((exported / "rules/shop.yml").read_text())["groups"]
    assert not any("only-these-hosts-know" in path.read_text() for path in exported.rglob("*") if path.is_file())


def test_they_are_the_same_as_on_a_monitoring_host(exported: Path, host: Host) -> None:
    """Which is neither of the site's hosts."""
    for path in exported.rglob("*"):
        name = path.relative_to(exported)
        if path.is_file() and name.parts[0] != "dashboards":
            assert host.file(f"{HOME}/{name}").content_string == path.read_text()
