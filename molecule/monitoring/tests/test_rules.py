"""The rules, judged by the promtool of each distribution with series of made-up measurements (tests/alerts)."""

from __future__ import annotations

from pathlib import Path

import pytest
from deploys import ansible_playbook
from testinfra.host import Host

testinfra_hosts = ["ansible://monitor"]

ALERTS = Path(__file__).parents[3] / "tests/alerts"


@pytest.fixture(scope="module")
def directory(host: Host, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Copy the tests to the host, with the rules that they test."""
    rules = tmp_path_factory.mktemp("rules") / "shop.yml"
    variables = {"out": str(rules), "monitoring_alert_backup_hours": 24}
    hosts = Path("web1.example.com,web2.example.com,")
    ansible_playbook(ALERTS / "render.yml", hosts, **variables).succeeded()
    made: str = host.check_output("mktemp -d")
    for file in (rules, *ALERTS.glob("*.yml")):
        host.check_output("printf %%s %s > %s", file.read_text(), f"{made}/{file.name}")
    return made


def test_the_rules_are_in_order(host: Host, directory: str) -> None:
    """Promtool has nothing to say against them, or against those that are in use."""
    for file in (f"{directory}/shop.yml", "/etc/prometheus/pitcrew/rules/shop.yml"):
        host.check_output("promtool check rules --lint=all --lint-fatal %s", file)


@pytest.mark.parametrize("name", sorted(file.name for file in ALERTS.glob("*.yml") if file.name != "render.yml"))
def test_alerts_fire_and_clear(host: Host, directory: str, name: str) -> None:
    """Each of them, at its limit and not before."""
    assert "SUCCESS" in host.check_output("cd %s && promtool test rules %s", directory, name)
