"""The files of the report, as a play writes them on the control node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.action import report_page as module
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_report.merging import EVENTS

ACCESS: dict[str, Any] = {
    **{"lines": 1, "outside": 0, "unreadable": {}, "bytes": 1, "statuses": {"200": 1}, "slots": {}},
    "routes": {"cart/": {"statuses": {"200": 1}, "seconds": 1.0, "durations": {"0": 1}}},
    "queue": {"seconds": 0.0, "of_seconds": 0.0, "durations": {}},
    **{"slow_paths": [], "slow_paths_dropped_seconds": 0.0, "slow_requests": [], "errors": [], "errors_dropped": 0},
}
FOUND: dict[str, Any] = {
    "report": {
        **{
            "since": 1764500400,
            "until": 1764504000,
            "slot_seconds": 100,
            "access": ACCESS,
            "nginx": [],
            "releases": [],
        },
        "notes": ["{{ 7*7 }} is written as it is"],
        "journal": {
            **{"entries": 0, "tracebacks": [], "tracebacks_total": 0},
            "events": {name: {"count": 0, "last": []} for name in EVENTS},
        },
    },
    "goaccess": "<html>GoAccess {{ 7*7 }}</html>",
}


def run(monkeypatch: pytest.MonkeyPatch, found: dict[str, Any], directory: str, check: bool = False) -> dict[str, Any]:
    """Run the action outside of a play."""
    arguments = {"name": "shop", "hours": 24, "found": found, "directory": directory}
    action = object.__new__(module.ActionModule)
    action._task = type("Task", (), {"check_mode": check})()
    monkeypatch.setattr(module.ActionBase, "run", lambda *_arguments: {})
    monkeypatch.setattr(action, "validate_argument_spec", lambda argument_spec: (None, arguments))
    return action.run(task_vars={})


def test_one_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(monkeypatch, {"web1": FOUND}, "reports/shop")
    directory = tmp_path / "reports/shop"
    assert result["path"] == str(directory / "index.html")
    assert result["changed"] is False
    assert result["text"].startswith("shop, last 24 h: 1 requests")
    assert sorted(file.name for file in directory.iterdir()) == ["goaccess.html", "index.html", "report.json"]
    assert (directory / "goaccess.html").read_text() == FOUND["goaccess"]
    assert "{{ 7*7 }} is written as it is" in (directory / "index.html").read_text()
    assert json.loads((directory / "report.json").read_text())["summary"]["requests"] == 1


def test_several_hosts_of_which_one_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run(monkeypatch, {"web/../1": FOUND, "web2": {**FOUND, "goaccess": ""}, "web3": {}}, str(tmp_path))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["goaccess-web_.._1.html", "index.html", "report.json"]
    html = (tmp_path / "index.html").read_text()
    assert 'href="goaccess-web_.._1.html"' in html
    assert "web3 could not be reached or read" in html


def test_check_mode_writes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run(monkeypatch, {"web1": FOUND}, str(tmp_path / "new"), check=True)["text"]
    assert not (tmp_path / "new").exists()


def test_a_directory_that_is_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(module.AnsibleActionFail, match=r"^site_report_directory: .*file' cannot be written"):
        run(monkeypatch, {"web1": FOUND}, str(tmp_path / "file"))
