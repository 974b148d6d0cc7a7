"""Every query of every panel, asked of a real Prometheus while the site is busy. Grafana itself is not at hand.

The answers are kept in .cache/panels.json, from which `make panels` draws the pictures of the docs.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from form import LONG
from watched import Site

testinfra_hosts = ["ansible://django"]

ROOT = Path(__file__).parents[3]
DASHBOARDS = {
    file.stem: json.loads(file.read_text())
    for file in sorted((ROOT / "roles/monitoring/files/dashboards").glob("*.json"))
}
VARIABLES = {"$site": "shop", "$instance": "web", "$__rate_interval": "10s"}
BUSY_S = 180 if LONG else 24
STEP_S = 2

Answer = list[dict[str, Any]]


def filled(query: str) -> str:
    """Give a query as Grafana sends it."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


@pytest.fixture(scope="module")
def answers(site: Site) -> dict[str, dict[str, Answer]]:
    """What Prometheus answers to every query while pages of all kinds are requested, and one of them fails."""
    with ExitStack() as visitors:
        for number, path in enumerate(("/?page=1", "/exercise/wait/?seconds=0.2", "/exercise/cpu/?ms=20")):
            visitors.enter_context(site.visitors(f"busy{number}", path, 1))
        time.sleep(BUSY_S / 2)
        with site.visitors("failing", "/exercise/fail/?page=1", 1):
            time.sleep(BUSY_S / 2)
        queries = {target["expr"] for _name, panel in panels() for target in panel["targets"]}
        queries |= {mark["expr"] for one in DASHBOARDS.values() for mark in one["annotations"]["list"]}
        # The first seconds have too few scrapes for a rate.
        seconds = BUSY_S - 12
        found = {query: site.prometheus.query_range(filled(query), seconds, STEP_S) for query in sorted(queries)}
    drawn = {
        name: [
            {
                "title": panel["title"],
                "unit": panel["fieldConfig"]["defaults"]["unit"],
                "series": [
                    {"legend": legend(target, series), "values": series["values"]}
                    for target in panel["targets"]
                    for series in found[target["expr"]]
                ],
            }
            for panel in dashboard["panels"]
        ]
        for name, dashboard in DASHBOARDS.items()
    }
    (ROOT / ".cache").mkdir(exist_ok=True)
    (ROOT / ".cache/panels.json").write_text(json.dumps(drawn))
    return found


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every panel, with the name of its dashboard."""
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            yield name, panel


def legend(target: dict[str, Any], series: dict[str, Any]) -> str:
    """Give the legend of a series as Grafana writes it."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: str(series["metric"].get(found[1], "")), target["legendFormat"])


@pytest.mark.parametrize("panel", [pytest.param(panel, id=f"{name}: {panel['title']}") for name, panel in panels()])
def test_a_panel(answers: dict[str, Answer], panel: dict[str, Any]) -> None:
    """Each of its queries has an answer with numbers in it, and legends that tell the series apart."""
    legends: list[str] = []
    for target in panel["targets"]:
        found = answers[target["expr"]]
        assert found, target["expr"]
        for series in found:
            assert len(series["values"]) > 3
            assert all(math.isfinite(float(value)) for _at, value in series["values"]), (target["expr"], series)
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= series["metric"].keys()
            legends.append(legend(target, series))
    assert len(set(legends)) == len(legends)


def test_releases_are_marked(site: Site, answers: dict[str, Answer]) -> None:
    """At the time in milliseconds at which the live one went live, by its name."""
    [query] = {mark["expr"] for one in DASHBOARDS.values() for mark in one["annotations"]["list"]}
    [series] = answers[query]
    assert series["metric"]["release"] == Path(site.host.file("/srv/shop/live/release").linked_to).name
    at_s = float(series["values"][-1][1]) / 1000
    assert time.time() - 3600 < at_s < time.time()
