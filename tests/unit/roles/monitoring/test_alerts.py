"""The rules: every alert has its tests and its runbook, and uses metrics that exist.

What they do is tested by promtool, in the scenario monitoring; that faults set them off, in the scenario alerts.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pitcrew_exporter.catalogue import EXPORTER, PROCESSES
from promql import metrics_in

ROOT = Path(__file__).parents[4]
RUNBOOKS = (ROOT / "docs/runbooks.md").read_text()
TESTS = [yaml.safe_load(file.read_text()) for file in sorted((ROOT / "tests/alerts").glob("*.yml"))]
# Of the other exporters; that they exist is shown by the scenarios.
OTHERS = {
    "up",
    "probe_success",
    "probe_ssl_earliest_cert_expiry",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "node_filesystem_files",
    "node_filesystem_files_free",
    "node_filesystem_readonly",
}


def ours() -> Iterator[str]:
    """Name every series that the exporter can give."""
    for metric in (*EXPORTER, *PROCESSES):
        yield metric.name
        if metric.type == "histogram":
            yield from (f"{metric.name}_{part}" for part in ("bucket", "count", "sum"))


def rules(tmp: Path, **variables: Any) -> list[dict[str, Any]]:
    """Render the rules with the role's own variables."""
    out = tmp / "shop.yml"
    extra = {"out": str(out), "monitoring_alert_backup_hours": 24, **variables}
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "web1.example.com,web2.example.com,"]
    done = subprocess.run(
        [
            *command,
            str(ROOT / "tests/alerts/render.yml"),
            "-e",
            yaml.safe_dump(extra, default_flow_style=True, width=9999),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp), "ANSIBLE_HOME": str(tmp), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [group] = yaml.safe_load(out.read_text())["groups"]
    assert group["name"] == variables.get("site_name", "shop")
    return group["rules"]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The rules of a site that wants all alerts."""
    return rules(tmp_path_factory.mktemp("rules"))


@pytest.fixture(scope="module")
def alerts(rendered: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The alerts by their names."""
    found = [rule for rule in rendered if "alert" in rule]
    assert len({alert["alert"] for alert in found}) == len(found)
    return {alert["alert"]: alert for alert in found}


# Each alert


def test_what_each_alert_says(alerts: dict[str, dict[str, Any]]) -> None:
    """One sentence, the details with a value, and the section of the runbook."""
    for name, alert in alerts.items():
        assert alert["labels"]["severity"] in {"critical", "warning"}, name
        texts = alert["annotations"]
        assert texts.keys() == {"summary", "description", "runbook_url"}, name
        assert re.fullmatch(r"[^.].*[^.]\.", texts["summary"]), name
        assert "shop" in texts["summary"] or "$labels.instance" in texts["summary"], name
        assert texts["description"].endswith("."), name
        assert texts["runbook_url"].endswith(f"/docs/runbooks.md#{name.lower()}")


def test_each_alert_has_its_site(alerts: dict[str, dict[str, Any]]) -> None:
    """From its metrics, or where these are of a whole host, from the rule."""
    for name, alert in alerts.items():
        assert 'site="shop"' in alert["expr"] or alert["labels"].get("site") == "shop", name


def test_backups_have_an_alert_only_on_demand(tmp_path: Path) -> None:
    """By default they are made before migrations only, so that their age tells nothing."""
    assert "SiteBackupOld" not in {rule.get("alert") for rule in rules(tmp_path, monitoring_alert_backup_hours=0)}


def test_durations_can_be_shortened(tmp_path: Path) -> None:
    """All of them by one variable; but a rate needs some scrapes."""
    found = rules(tmp_path, monitoring_alert_delay_factor=0.01, monitoring_interval=2, site_name="on")
    durations = {alert["alert"]: alert.get("for") for alert in found if "alert" in alert}
    assert (durations["SiteDown"], durations["SiteSlow"], durations["SiteDeployFailed"]) == ("1s", "6s", None)
    ranges = {text for rule in found for text in re.findall(r"\[(\w+)\]", rule["expr"])}
    assert ranges == {"8s", "9s", "18s", "36s"}
    assert {rule["labels"].get("site", "on") for rule in found if "labels" in rule} == {"on"}


def test_thresholds_are_those_of_the_user(tmp_path: Path) -> None:
    """Where the plan cannot know them."""
    chosen = {
        "monitoring_alert_error_ratio": 0.2,
        "monitoring_alert_disk_ratio": 0.3,
        "monitoring_alert_certificate_days": 7,
        "monitoring_runbooks_url": "https://wiki.example.com/runbooks",
    }
    found = {rule["alert"]: rule for rule in rules(tmp_path, **chosen) if "alert" in rule}
    assert "> 0.2" in found["SiteErrors"]["expr"]
    assert "20.0 %" in found["SiteErrors"]["annotations"]["description"]
    assert found["SiteDiskFilling"]["expr"].count("< 0.3") == 2
    assert found["SiteCertificateExpires"]["expr"].endswith("< 7 * 86400")
    assert found["SiteDown"]["annotations"]["runbook_url"] == "https://wiki.example.com/runbooks#sitedown"


# Their metrics


def test_only_metrics_that_exist(rendered: list[dict[str, Any]]) -> None:
    """Those of the exporters, and those that these rules record."""
    recorded = {rule["record"] for rule in rendered if "record" in rule}
    known = {*ours(), *OTHERS, *recorded}
    assert {name for rule in rendered for name in metrics_in(rule["expr"])} - known == set()


def test_what_is_recorded_is_used(rendered: list[dict[str, Any]]) -> None:
    """By an alert at least."""
    recorded = {rule["record"] for rule in rendered if "record" in rule}
    used = {name for rule in rendered if "alert" in rule for name in metrics_in(rule["expr"])}
    assert recorded <= used


# Their tests by promtool


def test_each_alert_is_tested(alerts: dict[str, dict[str, Any]]) -> None:
    """It fires and clears in one series of events, and never fires in another one."""
    fires, clears, stays_silent = set(), set(), set()
    for file in TESTS:
        for test in file.get("tests", []) if isinstance(file, dict) else []:
            asked: dict[str, list[bool]] = {}
            for one in test.get("alert_rule_test", []):
                asked.setdefault(one["alertname"], []).append(bool(one.get("exp_alerts")))
            for name, answers in asked.items():
                assert name in alerts
                if any(answers):
                    fires.add(name)
                    if not answers[0] and not answers[-1]:
                        clears.add(name)
                else:
                    stays_silent.add(name)
    assert fires == clears == alerts.keys()
    # Time itself takes the first two over their limits; the others have no value just below, only the good one.
    assert alerts.keys() - stays_silent == {
        "SiteBackupOld",
        "SiteCertificateExpires",
        "SiteDeployFailed",
        "SiteGivenUp",
        "SiteMetricsIncomplete",
        "SiteTargetDown",
    }


# Their runbooks

SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOKS, re.MULTILINE | re.DOTALL))


def test_each_alert_has_a_runbook(alerts: dict[str, dict[str, Any]]) -> None:
    """In the same order, and none for an alert that does not exist."""
    assert sorted(SECTIONS) == sorted(alerts)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_runbook_has_three_parts(name: str) -> None:
    """What it means, three commands, and the cure."""
    found = re.fullmatch(
        r"\n\*\*What it means\.\*\* .+?\n\n```sh\n(?P<commands>.+?)\n```\n\n\*\*Cure\.\*\* .+?\n+",
        SECTIONS[name],
        re.DOTALL,
    )
    assert found
    assert len(found["commands"].splitlines()) == 3


def test_runbooks_name_alerts_that_exist() -> None:
    """Wherever they refer to another one."""
    assert set(re.findall(r"\bSite[A-Z]\w+", RUNBOOKS)) == set(SECTIONS)


def test_runbooks_name_variables_that_exist() -> None:
    """Of the roles of this collection."""
    roles = ("site", "nginx", "monitoring", "release")
    known = {name for role in roles for name in yaml.safe_load((ROOT / f"roles/{role}/defaults/main.yml").read_text())}
    named = set(re.findall(r"\b(?:site|nginx|monitoring)_\w+\b", RUNBOOKS))
    assert named - known == set()
