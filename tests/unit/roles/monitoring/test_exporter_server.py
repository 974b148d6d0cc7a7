"""Scrapes are answered over HTTP, and clients that are slow or many are bounded."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pitcrew_exporter import server as module
from pitcrew_exporter.server import Recent, Server
from prometheus_client import Metric
from prometheus_client.registry import Collector


class Slow(Collector):
    """A collector that takes its time, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.takes_s = 0.0

    def describe(self) -> list[Metric]:
        """Nothing is known before."""
        return []

    def collect(self) -> list[Metric]:
        """Give one metric."""
        self.asked += 1
        time.sleep(self.takes_s)
        metric = Metric("asked", "How often", "gauge")
        metric.add_sample("asked", {}, self.asked)
        return [metric]


@pytest.fixture
def collector() -> Slow:
    """What is served."""
    return Slow()


@pytest.fixture
def address(collector: Slow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A server with short limits on a socket that listens already, as systemd hands it over."""
    monkeypatch.setattr(module, "CONNECTION_S", 1)
    listener = socket.create_server(("127.0.0.1", 0))
    families = []
    create = socket.socket.__init__

    def created(self: socket.socket, family: int = -1, *arguments: Any, **options: Any) -> None:
        families.append(family)
        create(self, family, *arguments, **options)

    with monkeypatch.context() as sandbox:
        sandbox.setattr(socket.socket, "__init__", created)
        server = Server(listener, collector, tmp_path / "scraped")
    # RestrictAddressFamilies= of the unit permits no other.
    assert set(families) <= {socket.AF_UNIX}
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield listener.getsockname()
    server.shutdown()
    server.server_close()


def get(address: tuple[str, int], path: str = "/metrics", **headers: str) -> tuple[int, str, bytes]:
    """Request a path; give the status, the type and the body."""
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    return response.status, response.headers["Content-Type"], response.read()


def test_a_scrape_is_answered(address: tuple[str, int], tmp_path: Path) -> None:
    """And noted, for the status."""
    assert not (tmp_path / "scraped").exists()
    status, kind, body = get(address)
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert body == b"# HELP asked How often\n# TYPE asked gauge\nasked 1.0\n"
    # It is noted after the answer, which the client may have read by then.
    ended = time.monotonic() + 10
    while not (tmp_path / "scraped").exists():
        assert time.monotonic() < ended
        time.sleep(0.01)


def test_a_scrape_can_be_compressed(address: tuple[str, int]) -> None:
    assert b"asked 1.0" in gzip.decompress(get(address, Accept_Encoding="gzip")[2])


def test_scrapes_at_the_same_time_share_one_reading(address: tuple[str, int], collector: Slow) -> None:
    collector.takes_s = 0.2
    bodies: list[bytes] = []
    threads = [threading.Thread(target=lambda: bodies.append(get(address)[2])) for _client in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bodies) == 20
    assert collector.asked <= 2


def test_a_later_scrape_reads_anew(monkeypatch: pytest.MonkeyPatch, collector: Slow) -> None:
    recent = Recent(collector)
    assert list(recent.collect()) == list(recent.collect())
    monkeypatch.setattr(module, "FRESH_S", -1)
    recent.collect()
    assert collector.asked == 2


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nHost: x\r\n", b"x" * 100])
def test_a_client_that_sends_slowly_is_cut_off(address: tuple[str, int], sent: bytes) -> None:
    """Also if it goes on sending a little now and then."""
    with socket.create_connection(address) as client:
        client.settimeout(5)
        began = time.monotonic()
        client.sendall(sent)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - began < 5:
                client.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - began < 3


def test_slow_clients_do_not_keep_others_out_for_long(address: tuple[str, int]) -> None:
    """However many there are, and more than are answered at a time."""
    clients = [socket.create_connection(address) for _client in range(module.CONNECTIONS + 4)]
    began = time.monotonic()
    assert get(address)[0] == 200
    assert time.monotonic() - began < 5
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    "request_", [b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n"]
)
def test_a_request_that_makes_no_sense(address: tuple[str, int], request_: bytes) -> None:
    """It ends that connection only, and nothing is written to the journal."""
    with socket.create_connection(address) as client:
        client.settimeout(5)
        client.sendall(request_)
        client.recv(4096)
    assert get(address)[0] == 200


def test_a_client_that_goes_away(address: tuple[str, int], capfd: pytest.CaptureFixture[str]) -> None:
    for _client in range(3):
        with socket.create_connection(address) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert get(address)[0] == 200
    assert capfd.readouterr().err == ""
