"""How a site is: real files, a played systemd, and answers that are given by address."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pitcrew.django.plugins.module_utils import health as health_module
from ansible_collections.pitcrew.django.plugins.module_utils import host as host_module
from ansible_collections.pitcrew.django.plugins.module_utils import nginx_log
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.last_run import LastRun
from ansible_collections.pitcrew.django.plugins.module_utils.lock import DeployLock, Holder
from ansible_collections.pitcrew.django.plugins.module_utils.site_request import Request, Response
from ansible_collections.pitcrew.django.plugins.modules import status as module

BOOT = "[Service]\nType=oneshot\n"
RUNS = {
    "ActiveState": "active",
    "Result": "success",
    "NRestarts": "0",
    "NeedDaemonReload": "no",
    "DropInPaths": "",
    "InactiveExitTimestampMonotonic": "3034888284",
    "ExecMainExitTimestampMonotonic": "0",
    "ControlGroup": "/system.slice/shop@blue.service",
    "MemoryCurrent": "432013312",
    "MemoryMax": "1949302784",
}
PROCESS_RUNS = {
    **RUNS,
    "SubState": "running",
    "ExecMainStartTimestampMonotonic": "1000000",
    "ActiveExitTimestampMonotonic": "0",
    "ControlGroup": "/system.slice/system-shop.slice/shop-rq@blue.service",
    "MemoryCurrent": "89338675",
    "MemoryMax": "209715200",
}


def moment(value: str) -> str:
    """Write a moment as systemd does: 40 s ago."""
    found = re.fullmatch(r"(\d+) s ago", value)
    return str(int((time.monotonic() - int(found[1])) * 1e6)) if found else value


@dataclass
class Site:
    """A site that serves r2 from blue, unless a test says otherwise."""

    hosted: HostedSite
    capsys: pytest.CaptureFixture[str]
    unit: dict[str, str] = field(default_factory=lambda: dict(RUNS))
    workers: int = 3
    idle_is_stopped: bool = True
    dead: tuple[str, ...] = ()
    # Background processes: what is not as of one that runs, by its unit; and how a unit ended.
    processes: dict[str, dict[str, str]] = field(default_factory=dict)
    ended: str = ""
    killed: int = 0
    responses: dict[str, Response | OSError] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def properties(self, unit: str, *names: str) -> dict[str, str]:
        """Tell of the live unit as Systemd.properties does."""
        assert unit == "shop@blue.service"
        return {name: self.unit[name] for name in names}

    def properties_of(self, units: Iterable[str], *names: str) -> dict[str, dict[str, str]]:
        """Tell of units of processes as Systemd.properties_of does."""
        found = {unit: {**PROCESS_RUNS, **self.processes[unit]} for unit in units if unit in self.processes}
        return {unit: {name: moment(properties[name]) for name in names} for unit, properties in found.items()}

    def killed_for_memory(self, _unit: str, since: float) -> int:
        """Tell of kills as Systemd.killed_for_memory does."""
        assert since > time.time() - 10 * 365 * 86400
        return self.killed

    def how_it_ended(self, _unit: str) -> str:
        """Tell how a unit ended as Systemd.how_it_ended does."""
        return self.ended

    def show(self, unit: str) -> Any:
        """Tell of a unit as Systemd.show does."""
        stopped = self.idle_is_stopped if unit == "shop@green.service" else self.unit["ActiveState"] != "active"
        running = not stopped and unit not in self.dead
        return type("Unit", (), {"processes": list(range(self.workers)), "stopped": stopped, "running": running})

    def send(self, request: Request) -> Response:
        """Respond as the test wants to the health path, by default well; there is no home page."""
        self.requests.append(request)
        response = self.responses.get(request.address, Response(200, "r2"))
        if request.path == "/":
            response = self.responses.get("/", Response(404, "r2"))
        if isinstance(response, OSError):
            raise response
        return response

    def look(self, **params: Any) -> dict[str, Any]:
        """Run the module and give the status."""
        arguments = {
            "name": "shop",
            "root": str(self.hosted.root),
            "boot_unit": BOOT,
            "health": {"host": "shop.example.com", "scheme": "http", "path": "/healthz/"},
            "workers": 3,
            **params,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        answer = json.loads(self.capsys.readouterr().out)
        assert answer["changed"] is False
        status: dict[str, Any] = answer["status"]
        assert status["healthy"] is (status["complaints"] == [])
        return status


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Site:
    """Give a host that never had the site."""
    monkeypatch.setattr(host_module, "UNITS", tmp_path / "system")
    monkeypatch.setattr(host_module, "RUN", tmp_path)
    monkeypatch.setattr(nginx_log, "ERROR_LOG", tmp_path / "error.log")
    monkeypatch.setattr(module, "CGROUPS", tmp_path / "cgroup")
    site = Site(HostedSite("shop", str(tmp_path / "shop")), capsys)
    monkeypatch.setattr(module, "Systemd", lambda _run: site)
    monkeypatch.setattr(health_module, "send", site.send)
    return site


@pytest.fixture
def site(host: Site) -> Site:
    """Give a host on which r1 and r2 have served."""
    hosted = host.hosted
    blue = hosted.slots["blue"]
    for directory in (blue.path, blue.unit_file.parent, hosted.boot_link.parent):
        directory.mkdir(parents=True)
    for release in ("r1", "r2"):
        hosted.releases.named(release).path.mkdir(parents=True)
        hosted.releases.named(release).record.write_text("{}")
    texts = {"unit": "[Service]\n", "secrets": "KEY=1\n", "gunicorn.conf.py": "workers = 3\n"}
    for name, text in texts.items():
        blue.file(name).write_text(text)
    blue.record_deployed(texts, overlaps=True)
    (blue.path / "release").symlink_to(hosted.releases.named("r2").path)
    (blue.path / "http.sock").symlink_to(blue.socket)
    hosted.boot_file.write_text(BOOT)
    hosted.boot_link.symlink_to(hosted.boot_file)
    hosted.live_link.symlink_to("slots/blue")
    hosted.releases.history_file.write_text(
        '{"at": "2026-11-26T10:00:00Z", "release": "r1", "slot": "green", "by": "bert on desk"}\n'
        '{"at": "2026-11-27T08:12:31Z", "release": "r2", "slot": "blue", "by": "anna on laptop"}\n'
    )
    return host


def test_a_site_that_is_well(site: Site) -> None:
    """Who, since when, how many, how much; requests went to its own socket and through the proxy."""
    status = site.look()
    took = status.pop("response_ms")
    assert status == {
        "site": "shop",
        "healthy": True,
        "complaints": [],
        "notes": [],
        "lock": None,
        "schedules": [],
        "services": [],
        "processes": [],
        "slot": "blue",
        "release": "r2",
        "since": "2026-11-27T08:12:31Z",
        "by": "anna on laptop",
        "state": "active",
        "restarts": 0,
        "liveness_restarts": None,
        "workers": {"running": 3, "planned": 3},
        "memory_mb": {"now": 412.0, "most": 1859.0},
        "oom_kills": None,
        "edited": [],
        "drop_ins": [],
        "differences": [],
        "pending": [],
        "unknown": [],
        "releases": ["r1"],
    }
    assert all(took[name] >= 0 for name in ("socket", "proxy"))
    socket = f"unix:{host_module.RUN}/shop-blue/app.sock"
    assert [(request.address, request.protocol, request.path) for request in site.requests] == [
        (address, "http", path) for address in (socket, "127.0.0.1:80") for path in ("/healthz/", "/")
    ]


def test_a_host_without_the_site(host: Site) -> None:
    status = host.look()
    assert status["complaints"] == ["shop is not on this host; deploy it"]
    assert (status["slot"], status["state"], status["processes"]) == (None, "absent", [])
    assert host.requests == []


@pytest.mark.parametrize(
    ("result", "ended"),
    [
        ("exit-code", "3034887180"),
        # It never told that it was ready.
        ("timeout", "3034887180"),
        # Started by hand too often, and its last end was a clean one.
        ("start-limit-hit", "3044801658"),
    ],
)
def test_a_unit_that_systemd_has_given_up(site: Site, result: str, ended: str) -> None:
    """The state has the name that an operator finds in systemctl status; there is nobody to ask."""
    site.unit |= {"ActiveState": "failed", "Result": result, "NRestarts": "20"}
    site.unit["ExecMainExitTimestampMonotonic"] = ended
    site.workers = 0
    status = site.look()
    assert status["state"] == "start-limit-hit"
    assert "systemctl reset-failed shop@blue.service" in status["complaints"][0]
    assert "runs 0 worker processes; the plan has 3" in status["complaints"][1]
    assert "has restarted shop@blue.service 20 times" in status["notes"][0]
    assert site.requests == []


@pytest.mark.parametrize(
    ("active", "result", "state"),
    [
        ("inactive", "success", "inactive"),
        ("activating", "success", "activating"),
        # A stop that took too long, and one that ended with an error.
        ("failed", "timeout", "timeout"),
        ("failed", "exit-code", "exit-code"),
    ],
)
def test_a_unit_that_does_not_run(site: Site, active: str, result: str, state: str) -> None:
    """It was restarted some time before, which does not explain this failure."""
    site.unit |= {"ActiveState": active, "Result": result, "NRestarts": "1"}
    site.unit["ExecMainExitTimestampMonotonic"] = "3044801658"
    status = site.look()
    assert status["state"] == state
    assert f"shop@blue.service is not running ({state})" in status["complaints"][0]
    assert status["notes"][0].startswith("systemd has restarted shop@blue.service 1 time: see")


@pytest.mark.parametrize(
    ("address", "response", "complaint"),
    [
        (
            "unix:{run}/shop-blue/app.sock",
            Response(500, "r2"),
            "On {run}/shop-blue/app.sock, GET http://shop.example.com/healthz/ returned 500 instead of 200",
        ),
        ("127.0.0.1:80", Response(200, "r1"), "was answered by release r1 instead of r2"),
        (
            "127.0.0.1:80",
            ConnectionRefusedError("refused"),
            "On 127.0.0.1:80, shop.example.com does not respond: refused",
        ),
    ],
)
def test_a_wrong_response(site: Site, address: str, response: Response | OSError, complaint: str) -> None:
    """The complaint names the side of the proxy, and the other side has its time all the same."""
    site.responses[address.format(run=host_module.RUN)] = response
    status = site.look()
    (found,) = status["complaints"]
    assert complaint.format(run=host_module.RUN) in found
    assert [took is None for took in status["response_ms"].values()].count(True) == 1


def test_a_home_page_with_an_error_and_a_check_that_fails(site: Site) -> None:
    """The problems of both are reported for socket and proxy; the health path has its time."""
    site.responses["/"] = Response(500, "r2")
    checks = [{"path": "/api/", "status": 401}]
    status = site.look(health={"host": "shop.example.com", "scheme": "http", "path": "/healthz/", "checks": checks})
    told = [complaint.split(", ", 1) for complaint in status["complaints"]]
    assert [where for where, _what in told] == 2 * [f"On {host_module.RUN}/shop-blue/app.sock"] + 2 * [
        "On 127.0.0.1:80"
    ]
    assert [what.split("; ")[0] for _where, what in told] == 2 * [
        "GET http://shop.example.com/api/ returned 200 instead of 401",
        "GET http://shop.example.com/ returned 500",
    ]
    assert all(took >= 0 for took in status["response_ms"].values())


def test_a_static_file_on_both_sides_of_the_proxy(site: Site) -> None:
    """Looked up on disk behind it, requested in front of it."""
    site.hosted.releases.named("r2").record.write_text('{"static": "static"}')
    (site.hosted.slots["blue"].path / "public/static").mkdir(parents=True)
    (site.hosted.slots["blue"].path / "public/static/a.svg").touch()
    site.responses["/"] = Response(200, "r2", content_type="text/html", body=b"<img src=/static/a.svg>")
    assert site.look()["healthy"]
    assert [(request.address, request.path) for request in site.requests][-1] == ("127.0.0.1:80", "/static/a.svg")
    assert [request.path for request in site.requests].count("/static/a.svg") == 1


def test_an_icon_that_is_missing_is_a_note(site: Site) -> None:
    site.hosted.releases.named("r2").record.write_text('{"static": "static"}')
    site.responses["/"] = Response(200, "r2", content_type="text/html", body=b"<link rel=icon href=/static/a.ico>")
    site.responses["/static/a.ico"] = Response(404, None)
    status = site.look()
    assert (status["healthy"], status["complaints"]) == (True, [])
    assert status["notes"] == ["GET http://shop.example.com/ names /static/a.ico, which does not exist."]


def test_a_server_is_asked_in_its_own_protocol(site: Site) -> None:
    blue = site.hosted.slots["blue"].path
    (blue / "http.sock").rename(blue / "uwsgi.sock")
    site.look(address="127.0.0.1:443", protocol="https")
    assert [request.protocol for request in site.requests] == ["uwsgi", "uwsgi", "https", "https"]


@pytest.mark.parametrize("name", ["unit", "gunicorn.conf.py", "secrets"])
def test_a_file_that_was_edited_by_hand(site: Site, name: str) -> None:
    """Or that is gone. Its name is reported, never its content."""
    path = site.hosted.slots["blue"].file(name)
    for change in (lambda: path.write_text("KEY=2\n"), path.unlink):
        change()
        status = site.look()
        assert status["edited"] == [str(path)]
        assert status["complaints"] == [f"{path} was edited by hand: redeploy, or move the change into the inventory"]


def test_a_unit_that_is_overridden(site: Site) -> None:
    """A drop-in is allowed and noted; a unit that systemd has not read again is a complaint."""
    site.unit |= {"DropInPaths": "/etc/systemd/system/shop@.service.d/exports.conf", "NeedDaemonReload": "yes"}
    status = site.look()
    assert status["drop_ins"] == ["/etc/systemd/system/shop@.service.d/exports.conf"]
    assert status["complaints"] == [
        "shop@blue.service has changed on disk since systemd read it: systemctl daemon-reload",
    ]
    assert "exports.conf" in status["notes"][0]


def test_what_the_inventory_and_the_database_say_otherwise(site: Site) -> None:
    status = site.look(differences=["environment"], pending=["shop.0003_price"], unknown=["shop.0009_x"])
    assert status["complaints"] == ["The database lacks migrations of the release: shop.0003_price"]
    assert "differs from what is live in environment: a deploy would switch" in status["notes"][0]
    assert "ahead of the release by shop.0009_x" in status["notes"][1]


def test_models_that_were_changed(site: Site) -> None:
    """A note, with the command: the release records them when it is built."""
    record = site.hosted.releases.named("r2").record
    record.write_text(json.dumps({**json.loads(record.read_text()), "unmigrated": ["depot"]}))
    status = site.look()
    assert status["healthy"]
    assert status["notes"] == [
        "The models of depot have changes without a migration, which the database lacks: run manage.py makemigrations "
        "depot, and deploy what it writes."
    ]


def test_rows_that_the_live_release_cannot_add(site: Site) -> None:
    """A complaint, as long as the database has the migration and the live release does not know it."""
    entry = {"migration": "shop.0009_x", "tables": ["shop_order"], "before": "0008_y", "known_by": ["r3"]}
    (site.hosted.root / "demands").write_text(json.dumps([entry]))
    assert site.look(unknown=["shop.0009_x"])["complaints"] == [
        "shop.0009_x stays applied: until a release that knows it is live, the live release cannot add rows to "
        "shop_order: deploy such a release, or take back what was applied (docs/operations.md, Migrations)"
    ]
    assert site.look()["complaints"] == []


def test_a_deploy_under_way(site: Site) -> None:
    """It is no fault: the site serves."""
    DeployLock(site.hosted.root).take(Holder("anna", "laptop", "", 1_750_000_000), 600)
    site.idle_is_stopped = False
    status = site.look()
    assert status["healthy"]
    assert status["lock"] == "anna on laptop since 2025-06-15 15:06:40 UTC"
    assert [note.split(maxsplit=4)[:4] for note in status["notes"]] == [
        ["The", "site", "is", "being"],
        ["shop@green.service", "is", "running", "too:"],
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("system.slice/shop@blue.service/memory.events", "low 0\nhigh 12\nmax 3\noom 2\noom_kill 2\n"),
        ("memory/system.slice/shop@blue.service/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
    ],
    ids=["version 2", "version 1"],
)
def test_processes_that_were_killed_for_their_memory(site: Site, tmp_path: Path, file: str, text: str) -> None:
    path = tmp_path / "cgroup" / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    status = site.look()
    assert status["oom_kills"] == 2
    assert "has killed 2 processes of shop@blue.service for lack of memory" in status["notes"][0]
    assert status["healthy"]


def test_a_last_run_that_failed(site: Site) -> None:
    """The site may be well all the same: what serves is the release before."""
    LastRun("anna on laptop", 1_750_000_000, 1_750_000_042, succeeded=False).write(site.hosted.root)
    status = site.look()
    assert status["healthy"] is True
    assert status["notes"] == [
        "The last run, by anna on laptop, failed or was cut off; it ended at 2025-06-15 15:07:22 UTC."
    ]
    LastRun("anna on laptop", 1_750_000_000, 1_750_000_042, succeeded=True).write(site.hosted.root)
    assert site.look()["notes"] == []


def test_requests_that_wait(site: Site) -> None:
    """A switch is under way, or was cut off."""
    (host_module.UNITS / "shop-waiting.socket").write_text("")
    assert "Requests are waiting for a slot to start" in site.look()["complaints"][0]


@pytest.mark.parametrize("act", ["disabled", "edited"])
def test_a_slot_that_does_not_start_at_boot(site: Site, act: str) -> None:
    if act == "disabled":
        site.hosted.boot_link.unlink()
    else:
        site.hosted.boot_file.write_text("[Service]\nExecStart=/bin/true\n")
    assert site.look()["complaints"] == [
        "shop@blue.service may not start at boot: shop-boot.service is disabled or out of date; deploy again"
    ]


@pytest.mark.parametrize("size", ["[not set]", "infinity", "18446744073709551615", ""])
def test_a_size_that_is_none(site: Site, size: str) -> None:
    site.unit["MemoryMax"] = size
    assert site.look()["memory_mb"]["most"] is None


def test_what_could_not_be_found_out_is_told_first(site: Site) -> None:
    assert site.look(problems=["Plan: no plan"], workers=None)["complaints"] == ["Plan: no plan"]


def test_answers_with_long_headers(site: Site) -> None:
    """Their cause is in nginx's log alone: those of the last day are reported, or those since the slot went live."""

    def line(hours_ago: int) -> str:
        at = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(time.time() - 3600 * hours_ago))
        words = "upstream sent too big header while reading response header from upstream, client: 192.0.2.1, server: x"
        where = f'upstream: "http://unix:{site.hosted.root}/live/http.sock:/{hours_ago}/", host: "x"'
        return f'{at} [error] 7#7: *1 {words}, request: "GET /{hours_ago}/ HTTP/1.1", {where}\n'

    nginx_log.ERROR_LOG.write_text("".join(map(line, (30, 5, 3, 1))))
    [complaint] = site.look()["complaints"]
    assert complaint == (
        "nginx returned 502 for 3 responses with more than 32k of headers, the last one to GET /1/: "
        "send fewer or smaller cookies, or a shorter Content-Security-Policy"
    )
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 2 * 3600))
    with site.hosted.releases.history_file.open("a") as file:
        file.write(json.dumps({"at": at, "release": "r2", "slot": "blue"}) + "\n")
    [complaint] = site.look()["complaints"]
    assert complaint.startswith("nginx returned 502 for 1 response with")


ONCE = (
    "shop@blue.service was restarted once because it did not answer: its threads are in journalctl -u "
    "shop@blue.service."
)


@pytest.mark.parametrize(
    ("found", "complaints", "notes"),
    [
        ({}, [], []),
        ({"failures": 0, "restarts": 0, "reason": ""}, [], []),
        ({"failures": 0, "restarts": 1}, [], [ONCE]),
        (
            {"failures": 2, "restarts": 1, "reason": "no answer on app.sock: timed out"},
            ["shop@blue.service did not answer 2 times in a row (no answer on app.sock: timed out)"],
            [ONCE],
        ),
        (
            {"failures": 4, "restarts": 3, "reason": "no answer on app.sock: timed out", "gave_up": True},
            [
                "shop@blue.service does not answer, and restarts did not cure it (no answer on app.sock: timed out): "
                "see journalctl -u shop@blue.service"
            ],
            [ONCE.replace("once", "3 times")],
        ),
    ],
)
def test_a_slot_that_is_watched(site: Site, found: dict[str, Any], complaints: list[str], notes: list[str]) -> None:
    """What the timer has found is part of the status."""
    link = host_module.UNITS / "timers.target.wants/shop-liveness.timer"
    link.parent.mkdir()
    link.symlink_to(host_module.UNITS / "shop-liveness.timer")
    state = host_module.RUN / "pitcrew/shop-liveness.json"
    state.parent.mkdir()
    state.write_text(json.dumps(found))
    status = site.look()
    assert (status["complaints"], status["notes"]) == (complaints, notes)
    assert status["liveness_restarts"] == found.get("restarts", 0)


def test_a_watch_that_was_stopped(site: Site) -> None:
    link = host_module.UNITS / "timers.target.wants/shop-liveness.timer"
    link.parent.mkdir()
    link.symlink_to(host_module.UNITS / "shop-liveness.timer")
    site.dead = ("shop-liveness.timer",)
    assert site.look()["complaints"] == ["shop-liveness.timer is not running: systemctl start shop-liveness.timer"]


GUARDED = "pitcrew-exporter.socket"


@pytest.mark.parametrize("monitored", [False, True])
@pytest.mark.parametrize(
    ("read_s_ago", "unread"), [(60, None), (900, r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), (None, "yet")]
)
def test_metrics_that_nothing_reads(site: Site, monitored: bool, read_s_ago: float | None, unread: str | None) -> None:
    """They are a complaint if the inventory has monitoring hosts, and otherwise a note."""
    (host_module.UNITS / GUARDED).write_text("")
    if read_s_ago is not None:
        scraped = host_module.RUN / "pitcrew-exporter/scraped"
        scraped.parent.mkdir()
        scraped.touch()
        os.utime(scraped, (time.time() - read_s_ago, time.time() - read_s_ago))
    status = site.look(monitored=monitored)
    found, none = (status["complaints"], status["notes"]) if monitored else (status["notes"], status["complaints"])
    assert none == []
    assert len(found) == (1 if unread else 0)
    assert all(re.match(f"Nothing has read the metrics of this host {unread}: ", sentence) for sentence in found)


def test_monitoring_that_is_missing(site: Site) -> None:
    assert site.look()["complaints"] == []
    assert site.look(monitored=True)["complaints"] == [
        "The inventory has monitoring hosts, but this host exports no metrics: run pitcrew.django.monitor"
    ]
    (host_module.UNITS / GUARDED).write_text("")
    site.dead = (GUARDED,)
    assert site.look()["complaints"] == [f"{GUARDED} is not running: systemctl start {GUARDED}"]


LIVE = ["shop-rq@blue.service", "shop-rq-2@blue.service"]


@pytest.fixture
def working(site: Site) -> Site:
    """Give a site with two units of one process, of which the release before had one only."""
    blue, green = site.hosted.slots["blue"], site.hosted.slots["green"]
    green.path.mkdir()
    (green.path / "release").symlink_to(site.hosted.releases.named("r1").path)
    texts = {name: blue.file(name).read_text() for name in ("unit", "secrets", "gunicorn.conf.py")}
    for slot, prefixes in ((blue, ["shop-rq", "shop-rq-2"]), (green, ["shop-rq"])):
        units = {f"unit of {prefix}": "[Service]\n" for prefix in prefixes}
        for name, text in units.items():
            slot.file(name).write_text(text)
        slot.record_deployed({**texts, **units}, True, [{"prefix": prefix, "drain": 900} for prefix in prefixes])
    site.processes = {unit: {} for unit in LIVE}
    site.processes["shop-rq@green.service"] = {"ActiveState": "inactive", "SubState": "dead"}
    return site


def test_background_processes_that_are_well(working: Site) -> None:
    """Those of the live slot, each unit by itself."""
    status = working.look()
    assert (status["complaints"], status["notes"]) == ([], [])
    assert status["processes"] == [
        {
            "process": "rq",
            "unit": unit,
            "state": "active",
            "restarts": 0,
            "memory_mb": {"now": 85.2, "most": 200.0},
        }
        for unit in LIVE
    ]


RESTARTING = {"ActiveState": "activating", "SubState": "auto-restart", "Result": "exit-code"}
SINCE = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


@pytest.mark.parametrize(
    ("found", "state", "complaint"),
    [
        (
            {"ActiveState": "inactive", "SubState": "dead"},
            "inactive",
            r"shop-rq@blue\.service is not running \(inactive\): systemctl start shop-rq@blue\.service, or deploy",
        ),
        (
            {
                "ActiveState": "failed",
                "SubState": "failed",
                "Result": "signal",
                "ExecMainExitTimestampMonotonic": "9" * 12,
            },
            "signal",
            r"shop-rq@blue\.service is not running \(signal\): systemctl start shop-rq@blue\.service, or deploy",
        ),
        (
            {**RESTARTING, "NRestarts": "12"},
            "restarting",
            rf"shop-rq@blue\.service does not stay up: it exited with status 1, and systemd has restarted it 12 times "
            rf"{SINCE}; see journalctl -u shop-rq@blue\.service, and site_processes\.rq",
        ),
        (
            RESTARTING,
            "restarting",
            r"shop-rq@blue\.service does not stay up: it exited with status 1; see journalctl -u "
            r"shop-rq@blue\.service, and site_processes\.rq",
        ),
        (
            {"NRestarts": "3", "ExecMainStartTimestampMonotonic": "40 s ago"},
            "active",
            rf"shop-rq@blue\.service keeps exiting: systemd has restarted it 3 times {SINCE}, and 4\d s ago for "
            r"the last time; see journalctl -u shop-rq@blue\.service, and site_processes\.rq",
        ),
        (
            {"NeedDaemonReload": "yes"},
            "active",
            r"shop-rq@blue\.service has changed on disk since systemd read it: systemctl daemon-reload",
        ),
    ],
    ids=["stopped", "failed", "restarting", "restarting at first", "keeps exiting", "edited"],
)
def test_a_background_process_that_is_not_well(
    working: Site, found: dict[str, str], state: str, complaint: str
) -> None:
    """Of the other one, there is nothing to say."""
    working.processes["shop-rq@blue.service"] = found
    working.ended = "status 1"
    status = working.look()
    assert [re.fullmatch(complaint, text) is not None for text in status["complaints"]] == [True], status["complaints"]
    assert [row["state"] for row in status["processes"]] == [state, "active"]


@pytest.mark.parametrize(
    "found",
    [
        {"NRestarts": "2", "ExecMainStartTimestampMonotonic": "40 s ago"},
        {"NRestarts": "40", "ExecMainStartTimestampMonotonic": "700 s ago"},
    ],
    ids=["not often", "not lately"],
)
def test_a_background_process_that_was_restarted(working: Site, found: dict[str, str]) -> None:
    """A note: some exit by themselves after so many tasks."""
    working.processes["shop-rq-2@blue.service"] = found
    status = working.look()
    assert status["complaints"] == []
    [note] = status["notes"]
    assert re.fullmatch(
        rf"systemd has restarted shop-rq-2@blue\.service {found['NRestarts']} times {SINCE}: see journalctl -u "
        r"shop-rq-2@blue\.service\.",
        note,
    )


def test_restarts_are_counted_from_the_boot_at_the_earliest(working: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd counts anew then; without a later boot, they are counted from when the slot went live."""
    working.processes["shop-rq@blue.service"] = {"NRestarts": "1"}
    monkeypatch.setattr(module, "uptime", lambda: 1e9)
    assert "1 time since 2026-11-27 08:12:31 UTC" in working.look()["notes"][0]
    monkeypatch.setattr(module, "uptime", lambda: time.time() - 1800000000)
    assert "1 time since 2027-01-15 0" in working.look()["notes"][0]


def test_a_background_process_that_was_killed_for_its_memory(working: Site, tmp_path: Path) -> None:
    """A child of it, which its control group counts, or itself, which only the journal knows."""
    group = tmp_path / "cgroup/system.slice/system-shop.slice/shop-rq@blue.service"
    group.mkdir(parents=True)
    (group / "memory.events").write_text("oom 2\noom_kill 2\n")
    working.processes["shop-rq-2@blue.service"] = {"NRestarts": "1", "ControlGroup": "/system.slice/anew"}
    working.killed = 1
    assert working.look()["complaints"] == [
        f"The kernel has killed {many} of {unit} for lack of memory: find what uses it, or raise "
        "site_processes.rq.memory_mb"
        for many, unit in (("2 processes", "shop-rq@blue.service"), ("1 process", "shop-rq-2@blue.service"))
    ]


@pytest.mark.parametrize(("stopped_s", "left"), [(60, "14 min"), (850, "[45][0-9] s"), (1000, "0 s")])
def test_tasks_of_the_release_before(working: Site, stopped_s: float, left: str) -> None:
    """They are shown beside the live ones, with how long they may take."""
    working.processes["shop-rq@green.service"] = {
        "ActiveState": "deactivating",
        "SubState": "stop-sigterm",
        "ActiveExitTimestampMonotonic": f"{stopped_s} s ago",
    }
    status = working.look()
    assert status["complaints"] == []
    [note] = status["notes"]
    assert re.fullmatch(
        rf"shop-rq@green\.service still finishes what it has, with release r1: for at most another {left}\.", note
    )
    assert [(row["unit"], row["state"]) for row in status["processes"]] == [
        *((unit, "active") for unit in LIVE),
        ("shop-rq@green.service", "draining"),
    ]


@pytest.mark.parametrize(
    ("found", "note", "shown"),
    [
        (
            {
                "ActiveState": "failed",
                "SubState": "failed",
                "Result": "timeout",
                "ExecMainExitTimestampMonotonic": "9" * 12,
            },
            "shop-rq@green.service had not finished what it had within 900 s, and was killed: see journalctl -u "
            "shop-rq@green.service, or raise the drain of this process in site_processes.",
            [],
        ),
        ({}, "shop-rq@green.service is running too: a deploy is under way, or was cut off.", ["active"]),
        (RESTARTING, "shop-rq@green.service is running too: a deploy is under way, or was cut off.", ["restarting"]),
    ],
    ids=["killed", "runs", "restarting"],
)
def test_what_else_there_is_of_the_release_before(
    working: Site, found: dict[str, str], note: str, shown: list[str]
) -> None:
    """It is shown while it runs."""
    working.processes["shop-rq@green.service"] = found
    status = working.look()
    assert (status["complaints"], status["notes"]) == ([], [note])
    assert [row["state"] for row in status["processes"][2:]] == shown


def test_several_units_of_the_release_before(working: Site) -> None:
    """One sentence for all that finish their tasks, with the longest time, and one for all that run."""
    green = working.hosted.slots["green"]
    prefixes = ["shop-rq", "shop-rq-2", "shop-a", "shop-b"]
    green.record_deployed({}, True, [{"prefix": prefix, "drain": 900} for prefix in prefixes])
    stopping = {"ActiveState": "deactivating", "SubState": "stop-sigterm"}
    working.processes |= {
        "shop-rq@green.service": {**stopping, "ActiveExitTimestampMonotonic": "600 s ago"},
        "shop-rq-2@green.service": {**stopping, "ActiveExitTimestampMonotonic": "300 s ago"},
        "shop-a@green.service": {},
        "shop-b@green.service": {},
    }
    assert working.look()["notes"] == [
        "shop-rq@green.service, shop-rq-2@green.service still finish what they have, with release r1: for at most "
        "another 10 min.",
        "shop-a@green.service, shop-b@green.service are running too: a deploy is under way, or was cut off.",
    ]


def test_a_unit_of_a_process_that_was_edited_or_overridden(working: Site) -> None:
    """As the slot's own files are."""
    edited = working.hosted.slots["blue"].file("unit of shop-rq")
    edited.write_text("[Service]\nNice=5\n")
    working.processes["shop-rq@blue.service"] = {"DropInPaths": "/etc/systemd/system/shop-rq@.service.d/a.conf"}
    status = working.look()
    assert status["complaints"] == [f"{edited} was edited by hand: redeploy, or move the change into the inventory"]
    assert status["notes"] == ["shop-rq@blue.service has drop-in files: /etc/systemd/system/shop-rq@.service.d/a.conf."]
