"""The dashboards: what Grafana needs to show them on any host, and what a reader needs to understand them.

That every query has an answer is shown by the scenario monitoring.
"""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from promql import metrics_in
from test_alerts import OTHERS as OF_ALERTS
from test_alerts import ours

ROOT = Path(__file__).parents[4]
DIRECTORY = ROOT / "roles/monitoring/files/dashboards"
DASHBOARDS: dict[str, dict[str, Any]] = {file.stem: json.loads(file.read_text()) for file in DIRECTORY.glob("*.json")}
RULES = (ROOT / "roles/monitoring/templates/rules.yml.j2").read_text()
# Links and provisioning name them: they never change.
UIDS = {"site": "pitcrew-site", "plan": "pitcrew-plan", "workers": "pitcrew-workers", "nginx": "pitcrew-nginx"}
# Those of Grafana that these dashboards need: packages/grafana-data/src/valueFormats/categories.ts.
UNITS = {"short", "percentunit", "s", "d", "bytes", "reqps", "cps", "bool_yes_no"}
OTHERS = OF_ALERTS | {
    "nginx_http_requests_total",
    "nginx_connections_reading",
    "nginx_connections_writing",
    "nginx_connections_waiting",
    "nginx_connections_accepted",
    "nginx_connections_handled",
    "node_cpu_seconds_total",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes",
    "pg_stat_database_numbackends",
    "probe_http_duration_seconds",
}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def panels() -> Iterator[Any]:
    """Give every panel of every dashboard."""
    for name, dashboard in sorted(DASHBOARDS.items()):
        for panel in dashboard["panels"]:
            yield pytest.param(panel, id=f"{name}: {panel['title']}")


PANELS = list(panels())


def test_the_files_are_current() -> None:
    """If not, run `make docs`."""
    script = runpy.run_path(str(ROOT / "tests/docs/dashboards.py"))
    assert DASHBOARDS.keys() == script["DASHBOARDS"].keys()
    for name in DASHBOARDS:
        assert (DIRECTORY / f"{name}.json").read_text() == script["written"](name)


def test_identifiers_stay() -> None:
    """Each dashboard has its own, which is not a number that one Grafana has chosen."""
    assert {name: dashboard["uid"] for name, dashboard in DASHBOARDS.items()} == UIDS
    assert not any("id" in dashboard for dashboard in DASHBOARDS.values())


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard(name: str) -> None:
    """It has variables for what differs, marks releases, and its panels have numbers and places of their own."""
    dashboard = DASHBOARDS[name]
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource", "site", "instance"]
    [releases] = dashboard["annotations"]["list"]
    assert (releases["name"], releases["datasource"], releases["useValueForTime"]) == ("Releases", SOURCE, True)
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers) > 5
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel(panel: dict[str, Any]) -> None:
    """It has a unit, a sentence, and a data source that the reader chooses; each query has a legend of its own."""
    assert panel["datasource"] == SOURCE
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["description"].endswith(".")
    legends = [target["legendFormat"] for target in panel["targets"]]
    assert all(legends)
    assert len(set(legends)) == len(legends)
    assert len({target["refId"] for target in panel["targets"]}) == len(legends)
    for target in panel["targets"]:
        assert target["datasource"] == SOURCE
        assert target["range"]


@pytest.mark.parametrize("panel", PANELS)
def test_queries(panel: dict[str, Any]) -> None:
    """They ask for metrics that exist, of the site and the hosts that the reader chooses."""
    recorded = set(re.findall(r"record: (\S+)", RULES))
    for target in panel["targets"]:
        query = target["expr"]
        assert metrics_in(query) - {*ours(), *OTHERS, *recorded} == set()
        selectors = re.findall(r"\{([^}]*)\}", query)
        assert selectors
        for selector in selectors:
            assert 'site="$site"' in selector or 'instance=~"$instance"' in selector
        assert set(re.findall(r"\[([^\]]+)\]", query)) <= {"$__rate_interval", "10m"}
        assert not re.search(r'(site|instance)=~?"[^$]', query)


def test_alerts_that_panels_name_exist() -> None:
    """So that a reader finds the section of the runbooks."""
    named = {name for panel in PANELS for name in re.findall(r"\bSite[A-Z]\w+", panel.values[0]["description"])}
    assert named
    assert named <= set(re.findall(r"alert: (\w+)", RULES))
