"""The program that asks the live slot whether it is alive: real sockets, and a systemctl that is played."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
ALIVE = b"HTTP/1.1 204 No Content\r\nX-Pitcrew-Release: r2\r\nConnection: close\r\n\r\n"
OTHER = b"HTTP/1.1 204 No Content\r\nX-Pitcrew-Release: r1\r\nConnection: close\r\n\r\n"
BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
SILENT = b""

# Prints the unit that the test describes, and notes every order.
SYSTEMCTL = """#!/bin/sh
case $1 in
    show) cat {unit} ;;
    *) echo "$@" >> {orders} ;;
esac
"""
# Where the journal and the sockets are, for this test.
PROGRAM = """
import sys
sys.argv[0:1] = []
sys.path[:0] = {path!r}
import site_liveness
site_liveness.JOURNAL = {journal!r}
site_liveness.STACKS_S = 0.0
site_liveness.RUN = site_liveness.Path({run!r})
site_liveness.main()
"""


class Host:
    """A host with the live slot blue, which runs release r2."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.answer = ALIVE
        self.requests: list[bytes] = []
        self.unit = {
            "ActiveState": "active",
            "ActiveEnterTimestampMonotonic": self.ago(3600),
            "InactiveEnterTimestampMonotonic": "0",
            "InactiveExitTimestampMonotonic": self.ago(3600),
            "ExecMainExitTimestampMonotonic": "0",
        }
        self.slot = directory / "shop/slots/blue"
        self.slot.mkdir(parents=True)
        (self.slot / "release").symlink_to("/srv/shop/releases/r2")
        (self.slot / "http.sock").symlink_to(directory / "shop-blue/app.sock")
        (directory / "shop/live").symlink_to("slots/blue")
        (directory / "bin").mkdir()
        systemctl = directory / "bin/systemctl"
        systemctl.write_text(SYSTEMCTL.format(unit=directory / "unit", orders=directory / "orders"))
        systemctl.chmod(0o755)
        (directory / "shop-blue").mkdir()
        self.journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.journal.bind(str(directory / "journal"))
        self.journal.setblocking(False)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(directory / "shop-blue/app.sock"))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    @staticmethod
    def ago(seconds: float) -> str:
        """Give a moment as systemd does, in microseconds of the monotonic clock."""
        return str(int((time.monotonic() - seconds) * 1e6))

    def serve(self) -> None:
        """Give each request the answer, and hold on to those that get none."""
        held = []
        while True:
            try:
                connection, _address = self.listener.accept()
                self.requests.append(connection.recv(65536))
            except OSError:
                return
            if self.answer:
                connection.sendall(self.answer)
                connection.close()
            else:
                held.append(connection)

    def look(self, **changed: float) -> str:
        """Run the program once, and give what it writes to stderr."""
        (self.directory / "unit").write_text("".join(f"{name}={value}\n" for name, value in self.unit.items()))
        options = {"timeout": 0.3, "boot-timeout": 60, "failures": 3, "restarts": 2, **changed}
        program = PROGRAM.format(
            path=[str(ROOT / "roles/site/files"), str(ROOT / "plugins/module_utils")],
            journal=str(self.directory / "journal"),
            run=str(self.directory),
        )
        done = subprocess.run(
            [
                *(
                    sys.executable,
                    "-c",
                    program,
                    "site_liveness.py",
                    "--name=shop",
                    f"--root={self.directory / 'shop'}",
                ),
                *(f"--state={self.directory / 'state.json'}", "--host=shop.test", "--scheme=https"),
                *(f"--{name}={value}" for name, value in options.items()),
            ],
            env={**os.environ, "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}"},
            capture_output=True,
            check=True,
            text=True,
        )
        return done.stderr

    @property
    def state(self) -> dict[str, Any]:
        """What the program remembers."""
        found: dict[str, Any] = json.loads((self.directory / "state.json").read_text())
        return found

    @property
    def orders(self) -> list[str]:
        """What systemctl was told to do."""
        file = self.directory / "orders"
        return file.read_text().splitlines() if file.exists() else []

    def logged(self) -> str:
        """Take what came to the journal."""
        texts = []
        while True:
            try:
                texts.append(self.journal.recv(65536).decode())
            except BlockingIOError:
                return "".join(texts)


@pytest.fixture
def host() -> Iterator[Host]:
    """Give a host in a directory whose name leaves room for that of a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        host = Host(Path(directory))
        yield host
        host.listener.close()
        host.journal.close()


RESTART = ["kill --signal=42 shop@blue.service", "kill --signal=KILL shop@blue.service"]


def test_a_slot_that_is_alive(host: Host) -> None:
    """One request, which our code in the process recognises by its header; nothing is written."""
    assert host.look() == ""
    [request] = host.requests
    assert request.startswith(b"GET / HTTP/1.1\r\n")
    assert b"\r\nHost: shop.test\r\n" in request
    assert b"\r\nX-Pitcrew-Probe: alive\r\n" in request
    assert b"\r\nX-Forwarded-Proto: https\r\n" in request
    assert (host.state["failures"], host.state["restarts"], host.orders, host.logged()) == (0, 0, [], "")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (SILENT, "no complete response within 0.3 s"),
        (BROKEN, "answers 500 by no release, not by r2"),
        (OTHER, "answers 204 by r1, not by r2"),
    ],
)
def test_a_slot_that_hangs(host: Host, answer: bytes, reason: str) -> None:
    """It is killed at the third failure in a row, after its threads have written where they are."""
    host.answer = answer
    for count in (1, 2):
        assert "<4>shop@blue.service: " in host.look()
        assert (host.state["failures"], host.orders, host.logged()) == (count, [], "")
    host.look()
    assert host.orders == RESTART
    assert (host.state["failures"], host.state["restarts"]) == (0, 1)
    assert host.state["last_restart"] == pytest.approx(time.time(), abs=60)
    logged = host.logged()
    assert reason in logged
    assert "MESSAGE=Restarting shop@blue.service: 3 times in a row, " in logged
    assert "OBJECT_SYSTEMD_UNIT=shop@blue.service\n" in logged


def test_failures_that_are_not_in_a_row(host: Host) -> None:
    """One answer in between, and the count begins anew."""
    for answer in (SILENT, SILENT, ALIVE, SILENT, SILENT):
        host.answer = answer
        host.look()
    assert (host.state["failures"], host.orders) == (2, [])


def test_a_slot_whose_socket_is_gone(host: Host) -> None:
    host.listener.close()
    (host.directory / "shop-blue/app.sock").unlink()
    assert "No such file or directory" in host.look(failures=1)
    assert host.orders == RESTART


def test_restarts_that_do_not_help(host: Host) -> None:
    """After two within an hour there is no third; that is said once, and an hour later it is tried again."""
    host.answer = SILENT
    for _time in range(2):
        host.look(failures=1)
    assert host.orders == 2 * RESTART
    host.logged()
    host.look(failures=1)
    assert "is not restarted: 2 restarts within an hour did not cure it" in host.logged()
    assert host.state["gave_up"] is True
    host.look(failures=1)
    assert (host.orders, host.logged()) == (2 * RESTART, "")
    state = {**host.state, "recent": [time.monotonic() - 3601, time.monotonic() - 100]}
    (host.directory / "state.json").write_text(json.dumps(state))
    host.look(failures=1)
    assert host.orders == 3 * RESTART


def test_it_answers_after_all(host: Host) -> None:
    """What it had given up on is forgotten, and the restarts still count."""
    host.answer = SILENT
    for _time in range(3):
        host.look(failures=1)
    host.answer = ALIVE
    host.look(failures=1)
    host.look(failures=1)
    assert (host.state["gave_up"], host.state["failures"], host.state["reason"]) == (False, 0, "")
    assert host.state["restarts"] == len(host.state["recent"]) == 2


@pytest.mark.parametrize(
    ("state", "ago"),
    [
        ("active", {"ActiveEnter": 10}),
        ("deactivating", {}),
        ("activating", {}),
        ("inactive", {}),
        # An operator stopped it, and it took too long.
        ("failed", {"ExecMainExit": 900, "InactiveEnter": 900}),
        # systemd gave up on it four minutes ago.
        ("failed", {"InactiveExit": 240, "InactiveEnter": 240}),
    ],
)
def test_what_is_not_its_business(host: Host, state: str, ago: dict[str, float]) -> None:
    """A unit that starts or stops, that was stopped, or that has only just failed for good is left alone."""
    host.answer = SILENT
    host.look()
    host.requests.clear()
    host.unit["ActiveState"] = state
    host.unit.update({f"{event}TimestampMonotonic": host.ago(seconds) for event, seconds in ago.items()})
    assert host.look(failures=1) == ""
    assert (host.requests, host.orders, host.state["failures"]) == ([], [], 0)


def test_a_unit_that_systemd_gave_up_on(host: Host) -> None:
    """After five minutes it gets another start, and the journal says why."""
    at = {"InactiveExitTimestampMonotonic": host.ago(301), "InactiveEnterTimestampMonotonic": host.ago(301)}
    host.unit.update({"ActiveState": "failed", "ExecMainExitTimestampMonotonic": host.ago(302), **at})
    host.look()
    assert host.orders == ["start --no-block shop@blue.service"]
    assert "Starting shop@blue.service once more" in host.logged()


def test_a_switch_meanwhile(host: Host) -> None:
    """The slot that was asked is no longer the live one: its silence does not count."""
    host.answer = SILENT

    def switched() -> None:
        while not host.requests:
            time.sleep(0.01)
        (host.directory / "shop/live").unlink()
        (host.directory / "shop/live").symlink_to("slots/green")

    thread = threading.Thread(target=switched)
    thread.start()
    host.look(failures=1)
    thread.join()
    assert (host.orders, host.state["failures"]) == ([], 0)


def test_before_the_first_deploy(host: Host) -> None:
    (host.directory / "shop/live").unlink()
    assert host.look() == ""
    assert (host.requests, host.orders) == ([], [])
