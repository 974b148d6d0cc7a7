"""The module on a host of real files, and a journal that is played."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pitcrew.django.plugins.modules import site_report as module

NOW = time.time()
JOURNAL = {
    "MESSAGE": "shop@blue.service: Scheduled restart job",
    "MESSAGE_ID": "5eb03494b6584870a536b337290809b3",
    "__REALTIME_TIMESTAMP": str(int(NOW * 1e6)),
}
# Records what it is asked, and plays the other side.
PROGRAM = "#!/bin/sh\nprintf '%s\\n' \"$@\" > {seen}\n{does}\n"


def line(age: float, path: str) -> str:
    """A request of so many seconds ago."""
    keys = ("request_id", "remote_addr", "method", "scheme", "host", "path", "protocol")
    later = ("upstream", "upstream_status", "upstream_connect_time", "upstream_header_time", "upstream_response_time")
    values = {
        "time": round(NOW - age, 3),
        **dict.fromkeys(keys, "x"),
        "path": path,
        **{"status": 200, "bytes": 10, "request_length": 1, "request_time": 0.5},
        **dict.fromkeys(later, "unix:app.sock"),
        **{"queue": "", "route": "r/", "release": "r1"},
    }
    return json.dumps(values, separators=(",", ":")) + "\n"


class Host:
    """A host, and what the module says about it."""

    def __init__(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = tmp_path
        self.capsys = capsys
        self.root = tmp_path / "srv/shop"
        self.logs = tmp_path / "nginx"
        self.bin = tmp_path / "bin"
        for directory in (self.root, self.logs, self.bin):
            directory.mkdir(parents=True)
        self.program("journalctl", f"echo '{json.dumps(JOURNAL)}'")

    def program(self, name: str, does: str) -> None:
        """Put a program on the path."""
        file = self.bin / name
        file.write_text(PROGRAM.format(seen=self.path / f"{name}.seen", does=does))
        file.chmod(0o755)

    def seen(self, name: str) -> list[str]:
        """With what a program was called."""
        return (self.path / f"{name}.seen").read_text().splitlines()

    def report(self, **options: Any) -> dict[str, Any]:
        """Run the module."""
        given = {"name": "shop", "root": str(self.root), "server": "shop.test", **options}
        with patch_module_args(given), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        assert result["changed"] is False
        return result


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host with a site that nobody asked yet."""
    found = Host(tmp_path, capsys)
    monkeypatch.setattr(module, "ACCESS_LOGS", found.logs)
    monkeypatch.setattr(module, "ERROR_LOG", found.logs / "error.log")
    monkeypatch.setattr(module.os, "nice", lambda _more: 0)
    monkeypatch.setenv("PATH", f"{found.bin}:{os.environ['PATH']}")
    return found


def test_all_that_a_host_knows(host: Host) -> None:
    (host.logs / "shop.access.log.1").write_text(line(90_000, "/yesterday/") + line(7300, "/"))
    (host.logs / "shop.access.log").write_text(line(60, "/") + "broken\n")
    local = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(NOW - 5))
    (host.logs / "error.log").write_text(
        f"{local} [error] 1#1: *1 upstream timed out, client: ::1, server: shop.test, x\n"
    )
    recent = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 600))
    history = [
        {"at": "2020-01-01T00:00:00Z", "release": "r0"},
        {"at": recent, "release": "r1", "slot": "blue", "by": "anna"},
    ]
    (host.root / "history").write_text("".join(json.dumps(entry) + "\n" for entry in history))
    found = host.report(hours=3)["report"]
    assert found["access"]["statuses"] == {"200": 2}
    assert found["access"]["unreadable"] == {"not JSON": 1}
    assert found["journal"]["events"]["restarts"]["count"] == 1
    assert [one["reason"] for one in found["nginx"]] == ["upstream timed out"]
    assert found["releases"] == [{"at": recent, "release": "r1", "slot": "blue", "by": "anna"}]
    assert found["notes"] == []
    assert 3 * 3600 <= found["until"] - found["since"] < 3 * 3600 + found["slot_seconds"]
    asked = host.seen("journalctl")
    assert {"--unit=shop@blue.service", "--unit=shop@green.service", f"--since=@{found['since']}"} <= set(asked)


def test_a_host_that_knows_nothing(host: Host) -> None:
    """What is missing is said, and nothing is an error."""
    host.program("journalctl", "exit 1")
    found = host.report()["report"]
    assert found["access"]["lines"] == 0
    assert [note.partition(" ")[2][:27] for note in found["notes"]] == [
        "has nothing from these hour",
        "journal could not be read: ",
    ]


@pytest.mark.parametrize(
    ("does", "page", "note"),
    [
        (
            "cat > /dev/null; for last; do :; done; echo '<html>{{x}}' > \"$(sed -n 's/^--output=//p' {seen})\"",
            "<html>",
            "",
        ),
        ("exit 3", "", "There is no page of GoAccess: it exited with status 3"),
        (None, "", "There is no page of GoAccess: GoAccess is not installed"),
    ],
)
def test_the_page_of_goaccess(
    host: Host, monkeypatch: pytest.MonkeyPatch, does: str | None, page: str, note: str
) -> None:
    """With it or without it, there is a report."""
    monkeypatch.setattr(module.goaccess.shutil, "which", lambda name: str(host.bin / name) if does else None)
    (host.logs / "shop.access.log").write_text(line(200_000, "/before/") + line(60, "/"))
    if does:
        host.program("goaccess", does.replace("{seen}", str(host.path / "goaccess.seen")))
    found = host.report(goaccess=True)
    assert found["goaccess"].startswith(page)
    assert "".join(found["report"]["notes"]) == note
    assert host.report()["goaccess"] == ""
    if does:
        assert "--anonymize-ip" in host.seen("goaccess")


def test_goaccess_gets_the_latest_lines_of_the_time(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps every path in memory."""
    monkeypatch.setattr(module.goaccess, "LINES", 2)
    given = host.path / "given"
    host.program("goaccess", f"cat > {given}; exit 3")
    lines = [line(200_000, "/before/"), *(line(60 - number, f"/{number}/") for number in range(4))]
    (host.logs / "shop.access.log").write_text("".join(lines))
    found = host.report(goaccess=True)
    assert [json.loads(one)["path"] for one in given.read_text().splitlines()] == ["/2/", "/3/"]
    assert found["report"]["notes"][0] == "GoAccess was given the latest 2 lines of the log"
