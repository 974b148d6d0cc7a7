"""Requests go over a real connection, and processes are counted."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pitcrew.django.plugins.module_utils import verification
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Unit
from ansible_collections.pitcrew.django.plugins.modules import verify as module


class Clock:
    """Stand in for the module's time, which passes only while it sleeps."""

    now = 1000.0

    def monotonic(self) -> float:
        """Give the seconds since some moment."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.now += seconds


@dataclass
class Site:
    """A proxy on a real socket, a live link, and the processes that systemd reports."""

    root: Path
    clock: Clock
    capsys: pytest.CaptureFixture[str]
    address: str = ""
    # The answer and the number of workers, by the time that has passed.
    response: Callable[[float], bytes] = lambda _s: (
        b"HTTP/1.1 200 OK\r\nX-Pitcrew-Release: r2\r\nContent-Length: 0\r\n\r\n"
    )
    workers: Callable[[float], int] = lambda _s: 3
    # Whether the slot before has stopped.
    stopped: Callable[[float], bool] = lambda _s: True
    # Whether it is about to, where it has not.
    stopping: bool = False
    # The state of a background process.
    processes: Callable[[str, float], str] = lambda unit, _s: "active" if "green" in unit else "inactive"
    requests: list[bytes] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def show_all(self, units: Iterable[str]) -> dict[str, Unit]:
        """Tell of units of background processes as Systemd.show_all does."""
        return {unit: Unit(unit, self.processes(unit, self.clock.now - 1000.0), 0, 0, "") for unit in units}

    def show(self, unit: str) -> Any:
        """Tell of a unit as Systemd.show does."""
        self.shown.append(unit)
        processes = list(range(self.workers(self.clock.now - 1000.0)))
        stopped = self.stopped(self.clock.now - 1000.0)
        return type("Unit", (), {"processes": processes, "stopped": stopped, "ending": stopped or self.stopping})

    def journal(self, unit: str) -> str:
        """Tell what a unit wrote as Systemd.journal does."""
        return f"Traceback of {unit}"

    def verify(self, check: bool = False, **options: Any) -> dict[str, Any]:
        """Run the module and return its result."""
        arguments = {
            "name": "shop",
            "root": str(self.root),
            "release": "r2",
            "workers": 3,
            "address": self.address,
            "health": {"host": "shop.example.com", "scheme": "http", "path": "/healthz/"},
            "_ansible_check_mode": check,
            **options,
        }
        arguments = {name: value for name, value in arguments.items() if value is not None}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return answer

    def serve(self, listener: socket.socket) -> None:
        """Answer one connection after the other."""
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            with connection:
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    request += connection.recv(4096)
                self.requests.append(request)
                connection.sendall(self.response(self.clock.now - 1000.0))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    """Give a site that is as planned, live in green."""
    site = Site(tmp_path / "shop", Clock(), capsys)
    site.root.mkdir()
    (site.root / "live").symlink_to("slots/green")
    monkeypatch.setattr(verification, "time", site.clock)
    monkeypatch.setattr(module, "Systemd", lambda _run: site)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        site.address = f"127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=site.serve, args=[listener], daemon=True)
        thread.start()
        yield site
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def answer(status: int, release: str) -> Callable[[float], bytes]:
    """Give the same answer always."""
    return lambda _s: f"HTTP/1.1 {status} So\r\nX-Pitcrew-Release: {release}\r\nContent-Length: 0\r\n\r\n".encode()


def test_a_site_as_planned(site: Site) -> None:
    """Requested by its own name; the live slot's workers are counted; nothing changes."""
    found = site.verify()
    assert (found["changed"], found["workers"], "failed" in found) == (False, 3, False)
    assert site.shown == ["shop@green.service", "shop@blue.service"]
    assert len(site.requests) == 2
    assert site.requests[0].startswith(
        b"GET /healthz/ HTTP/1.1\r\nHost: shop.example.com\r\nX-Forwarded-Proto: http\r\n"
    )


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (answer(502, ""), "GET http://shop.example.com/healthz/ returned 502 instead of 200"),
        (answer(200, "r1"), "GET http://shop.example.com/healthz/ was answered by release r1 instead of r2"),
        (lambda _s: b"", "no response for shop.example.com on 127.0.0.1:"),
        (lambda _s: b"nonsense\r\n\r\n", "no response for shop.example.com on 127.0.0.1:"),
    ],
    ids=["status", "release", "silence", "nonsense"],
)
def test_a_wrong_answer(site: Site, response: Callable[[float], bytes], words: str) -> None:
    """Reported in a sentence, after ten seconds of patience."""
    site.response = response
    found = site.verify()
    assert found["failed"] is True
    assert found["msg"].startswith("The site is live, but not as planned: ")
    assert words in found["msg"]
    assert found["msg"].endswith(".\n\nThe journal of shop@green:\nTraceback of shop@green.service")
    assert site.clock.now - 1000.0 == pytest.approx(10, abs=0.5)


@pytest.mark.parametrize("workers", [0, 2, 4])
def test_another_number_of_workers(site: Site, workers: int) -> None:
    """Fewer or more than planned."""
    site.workers = lambda _s: workers
    message = site.verify()["msg"]
    assert f"shop@green.service runs {workers} worker processes, the plan has 3" in message


def test_no_slot_is_live(site: Site) -> None:
    """The sentence names the link."""
    (site.root / "live").unlink()
    assert f"{site.root}/live points to no slot" in site.verify()["msg"]


def test_what_takes_a_moment(site: Site) -> None:
    """Workers that are still being forked, and an nginx that is still reloading, are waited for."""
    site.workers = lambda seconds: 3 if seconds >= 2 else 1
    site.response = lambda seconds: answer(200, "r2" if seconds >= 4 else "r1")(seconds)
    assert site.verify()["workers"] == 3
    assert site.clock.now - 1000.0 == pytest.approx(4, abs=0.5)


def test_how_long_to_wait(site: Site) -> None:
    """The number given counts."""
    site.workers = lambda seconds: 3 if seconds >= 2 else 1
    assert site.verify(timeout=1)["failed"] is True


def test_a_host_that_balances_over_others(site: Site) -> None:
    """It runs no slot of its own: neither a release nor workers are expected, but an answer is."""
    (site.root / "live").unlink()
    site.response = answer(200, "any")
    assert "failed" not in site.verify(release=None, workers=None)
    assert len(site.requests) == 1
    assert site.shown == []
    site.response = answer(503, "any")
    message = site.verify(release=None, workers=None)["msg"]
    assert "returned 503 instead of 200" in message
    assert "journal" not in message


def page(html: str) -> Callable[[float], bytes]:
    """Give the same page always."""
    headers = f"X-Pitcrew-Release: r2\r\nContent-Type: text/html\r\nContent-Length: {len(html)}"
    return lambda _s: f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n{html}".encode()


def test_one_file_that_the_home_page_names(site: Site) -> None:
    """It shows that nginx reaches those of the release, and costs visitors one request."""
    slot, release = site.root / "slots/green", site.root / "releases/r2"
    for directory in (slot, release):
        directory.mkdir(parents=True)
    (slot / "release").symlink_to(release)
    (release / "release.json").write_text('{"static": "static"}')
    site.response = page('<img src="/static/a.svg"><img src="/static/b.svg">')
    assert "failed" not in site.verify()
    assert [request.split()[1] for request in site.requests] == [b"/healthz/", b"/", b"/static/a.svg"]


def test_further_checks_are_those_of_the_switch(site: Site) -> None:
    site.verify(health={"host": "shop.example.com", "path": "/healthz/", "checks": [{"path": "/api/"}]})
    assert [request.split()[1] for request in site.requests] == [b"/healthz/", b"/"]


def test_check_mode_requests_nothing(site: Site) -> None:
    """The site may not exist yet."""
    assert site.verify(check=True)["changed"] is False
    assert (site.requests, site.shown) == ([], [])


def test_the_slot_before(site: Site) -> None:
    """It may finish its requests, for as long as the plan allows; then one generation remains."""
    site.stopped = lambda seconds: seconds >= 20
    assert "failed" not in site.verify()
    site.stopped = lambda _s: False
    message = site.verify(stop_timeout=5)["msg"]
    assert message == (
        "The site is live, but not as planned: shop@blue.service still runs beside the slot that serves.\n\n"
        "The journal of shop@blue:\nTraceback of shop@blue.service"
    )


def test_the_slot_before_has_websockets(site: Site) -> None:
    """Nobody waits for it once it has been told to stop."""
    slot = site.root / "slots/blue"
    slot.mkdir(parents=True, exist_ok=True)
    (slot / "site_asgi.py").touch()
    site.stopped = lambda _s: False
    assert "still runs beside the slot that serves" in site.verify(stop_timeout=1)["msg"]
    site.stopping = True
    assert "failed" not in site.verify(stop_timeout=1)


@pytest.fixture
def working(site: Site) -> Site:
    """Give a site with background processes in both slots."""
    for slot in HostedSite("shop", str(site.root)).slots.values():
        slot.path.mkdir(parents=True)
        slot.record_deployed({}, True, [{"prefix": "shop-rq"}, {"prefix": "shop-beat"}])
    return site


def test_background_processes_run(working: Site) -> None:
    """Each of them in the live slot, if need be after a moment; those of the other one may still be stopping."""
    working.processes = lambda unit, seconds: (
        "deactivating" if "blue" in unit else "activating" if "beat" in unit and seconds < 3 else "active"
    )
    assert "failed" not in working.verify()
    assert working.clock.now - 1000.0 == pytest.approx(3, abs=0.5)


@pytest.mark.parametrize("state", ["inactive", "activating", "failed", "deactivating"])
def test_a_background_process_that_does_not_run(working: Site, state: str) -> None:
    """It is named, and its own journal is shown."""
    working.processes = lambda unit, _s: state if unit == "shop-beat@green.service" else "active"
    assert working.verify()["msg"] == (
        "The site is live, but not as planned: shop-beat@green.service does not run.\n\n"
        "The journal of shop-beat@green:\nTraceback of shop-beat@green.service"
    )


def test_background_processes_that_run_beside_the_live_ones(working: Site) -> None:
    """They were not told to stop, and compete for tasks with code of another release."""
    working.processes = lambda _unit, _s: "active"
    assert working.verify(stop_timeout=5)["msg"].startswith(
        "The site is live, but not as planned: shop-rq@blue.service, shop-beat@blue.service still run beside the slot "
        "that serves.\n\nThe journal of shop-rq@blue:"
    )
