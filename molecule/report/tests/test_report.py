"""What `pitcrew.django.report` says about requests that were really sent, and what it keeps to itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deploys import Play, Source
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

GOOD = 40
SECRET = "hunter2"
ASK = "curl --silent --globoff --path-as-is --output /dev/null --write-out '%%{http_code}' --header 'Host: shop.test' 'http://127.0.0.1%s'"
HOSTILE = f"/%3Cscript%3Ealert(1)/<b>/{{{{7*7}}}}/?token={SECRET}"


@pytest.fixture(scope="module")
def happened(host: Host, deploy: Callable[..., Play], source: Source) -> None:
    """Requests that go well, that take their time, and that fail; then another release, and nginx without a server."""
    for _ in range(GOOD // 10):
        host.check_output("; ".join([ASK % "/"] * 10))
    assert host.check_output(ASK % f"/exercise/wait/?seconds=1&token={SECRET}") == "200"
    assert host.check_output(ASK % HOSTILE) == "404"
    for _ in range(3):
        assert host.check_output(ASK % f"/exercise/fail/?token={SECRET}") == "500"
    deploy(site_source_directory=str(source.directory), site_json_logging=True).succeeded()
    assert host.check_output(ASK % f"/exercise/fail/?token={SECRET}") == "500"
    live = host.file("/srv/shop/live").linked_to.rpartition("/")[2]
    host.check_output("systemctl stop shop@%s", live)
    status = host.check_output(ASK % "/while-it-is-down/")
    host.check_output("systemctl start shop@%s", live)
    assert status in ("502", "503")
    # What no nginx has written, and what a power cut leaves.
    host.check_output("printf 'not a line\\n{\"time\":\\n' >> /var/log/nginx/shop.access.log")


@pytest.fixture(scope="module")
def reported(
    happened: None, playbook: Callable[..., Play], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Play]:
    """The report, and the run of the playbook."""
    directory = tmp_path_factory.mktemp("report") / "shop"
    return directory, playbook("report", site_report_directory=str(directory)).succeeded()


@pytest.fixture(scope="module")
def report(reported: tuple[Path, Play]) -> dict[str, Any]:
    """The report as programs read it."""
    found: dict[str, Any] = json.loads((reported[0] / "report.json").read_text())
    return found


def test_requests_are_counted(report: dict[str, Any]) -> None:
    """By status and by route, with their durations."""
    summary = report["summary"]
    assert summary["statuses"]["500"] == 4
    assert summary["statuses"]["200"] >= GOOD + 1
    assert summary["errors"] == 5
    assert summary["application_requests"] >= GOOD + 5
    assert 0 < summary["seconds"]["p50"] < 1
    assert report["slow_requests"][0]["path"] == "/exercise/wait/"
    assert 1 <= report["slow_requests"][0]["seconds"] < 10
    assert sum(slot["requests"] for slot in report["slots"]) == summary["requests"]


def test_errors_have_their_address_and_their_request(report: dict[str, Any]) -> None:
    """Of the application, and of nginx alone."""
    found = {(error["status"], error["path"]): error for error in report["errors"]}
    assert found["500", "/exercise/fail/"]["requests"] == 4
    assert not found["500", "/exercise/fail/"]["by_nginx"]
    (down,) = (error for error in report["errors"] if error["path"] == "/while-it-is-down/")
    assert down["by_nginx"]
    assert sum(report["summary"]["nginx_errors"].values()) == 1
    assert any("while connecting to upstream" in one["reason"] for one in report["nginx"])


def test_a_traceback_leads_to_its_requests(report: dict[str, Any], host: Host) -> None:
    """Four requests and one mistake: three in the words of the project's own LOGGING, and one in JSON, with its id."""
    (group,) = (one for one in report["tracebacks"] if one["exception"] == "LookupError")
    assert group["count"] == 4
    assert group["where"][0] == "exercise/views.py: fail"
    assert "There are no wheels." in group["traceback"]
    assert group["requests"] == ["/exercise/fail/"]
    line = host.check_output("grep /exercise/fail/ /var/log/nginx/shop.access.log | tail -n 1")
    assert group["request_ids"] == [json.loads(line)["request_id"]]


def test_the_release_that_went_live(report: dict[str, Any], answering: Callable[[], str]) -> None:
    """It is the last one."""
    assert report["releases"][-1]["release"] == answering()


def test_lines_that_are_none_are_counted(report: dict[str, Any]) -> None:
    """By what is wrong with them."""
    assert report["log"]["unreadable"] == {"not JSON": 1, "incomplete": 1}


def test_the_page(reported: tuple[Path, Play]) -> None:
    """Whole in itself; what visitors wrote is text."""
    directory, play = reported
    html = (directory / "index.html").read_text()
    assert html.startswith("<!doctype html>")
    assert "/%3Cscript%3Ealert(1)/&lt;b&gt;/{{7*7}}/" in html
    assert "<b>" not in html
    assert "src=" not in html
    assert "http://" not in html
    assert '<a href="goaccess.html">' in html
    assert "GoAccess" in (directory / "goaccess.html").read_text()
    assert f"The report: {directory}/index.html" in play.output


def test_it_is_discreet(reported: tuple[Path, Play]) -> None:
    """No query string, and no whole address, anywhere."""
    directory, play = reported
    for text in [play.output, *(file.read_text() for file in directory.iterdir())]:
        assert SECRET not in text
    for name in ("index.html", "report.json"):
        assert "127.0.0.1" not in (directory / name).read_text()


def test_nothing_changes_on_the_host(reported: tuple[Path, Play], playbook: Callable[..., Play]) -> None:
    """The first run installs GoAccess; the second nothing."""
    first = reported[1]
    assert set(first.changed.values()) == {1}
    again = playbook("report", site_report_directory=str(reported[0])).succeeded()
    assert set(again.changed.values()) == {0}
    assert all(
        len(line) <= 80
        for line in again.output.partition("shop, last 24 h")[2].partition("The report:")[0].splitlines()
    )


def test_without_goaccess(playbook: Callable[..., Play], tmp_path: Path) -> None:
    """There is no page of it, and no word about it."""
    playbook("report", site_report_directory=str(tmp_path), site_report_goaccess=False, site_report_hours=1).succeeded()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["index.html", "report.json"]
    assert "goaccess" not in (tmp_path / "index.html").read_text().lower()
