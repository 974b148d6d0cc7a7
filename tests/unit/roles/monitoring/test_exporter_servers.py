"""Servers are asked for what they count, and none of them can keep the others, or the exporter, waiting."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pitcrew_exporter import servers
from pitcrew_exporter.servers import GUNICORN, UWSGI, ask

STATS = {
    "listen_queue": 0,
    "workers": [
        {"id": 1, "status": "busy", "requests": 40, "respawn_count": 2},
        {"id": 2, "status": "idle", "requests": 30, "respawn_count": 1},
    ],
}
COUNTED = {"requests": 70, "workers_busy": 1, "worker_starts": 3}
CONTROL = {"id": 1, "status": "ok", "data": {"workers_current": 9, "workers_spawned": 12, "workers_killed": 0}}

Answer = Callable[[socket.socket], None]


@pytest.fixture
def run() -> Iterator[Path]:
    """A slot's runtime directory; the path of a socket is short."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        yield Path(directory)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for answers that will come, since this machine may be busy."""
    monkeypatch.setattr(servers, "PATIENCE_S", 5)


@pytest.fixture
def serve(run: Path) -> Iterator[Callable[[str, Answer], Path]]:
    """Answer connections to a socket: serve("stats.sock", answer)."""
    listeners = []

    def begin(name: str, answer: Answer) -> Path:
        listener = socket.socket(socket.AF_UNIX)
        listeners.append(listener)
        listener.bind(str(run / name))
        listener.listen()

        def accept() -> None:
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError):
                    answer(connection)

        threading.Thread(target=accept, daemon=True).start()
        return run / name

    yield begin
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def sends(data: bytes, closes: bool = True) -> Answer:
    """Send an answer in two parts."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(data[:7])
        time.sleep(0.01)
        connection.sendall(data[7:])
        if closes:
            connection.close()
        else:
            kept.append(connection)

    return answer


kept: list[socket.socket] = []


def framed(message: object) -> bytes:
    """Precede a message by its length, as gunicorn does."""
    text = json.dumps(message).encode()
    return len(text).to_bytes(4, "big") + text


@pytest.mark.usefixtures("patient")
def test_uwsgi_tells_what_it_counts(serve: Callable[[str, Answer], Path]) -> None:
    path = serve("stats.sock", sends(json.dumps(STATS).encode()))
    assert ask([(path, UWSGI)]) == {path: COUNTED}


@pytest.mark.usefixtures("patient")
def test_gunicorn_tells_what_it_counts(serve: Callable[[str, Answer], Path]) -> None:
    """It is asked in its own words, and keeps the connection."""
    asked = []

    def answer(connection: socket.socket) -> None:
        asked.append(connection.recv(4096))
        sends(framed(CONTROL), closes=False)(connection)

    path = serve("gunicorn.ctl", answer)
    assert ask([(path, GUNICORN)]) == {path: {"worker_starts": 12}}
    assert asked == [framed({"id": 1, "command": "show stats", "args": []})]


def hangs(connection: socket.socket) -> None:
    """Accept, and answer never."""
    kept.append(connection)


def trickles(connection: socket.socket) -> None:
    """Answer a byte at a time, and never all."""
    while True:
        connection.sendall(b" ")
        time.sleep(0.02)


def floods(connection: socket.socket) -> None:
    """Answer more than anybody wants."""
    while True:
        connection.sendall(b" " * 65536)


@pytest.mark.parametrize("server", [UWSGI, GUNICORN], ids=["uwsgi", "gunicorn"])
@pytest.mark.parametrize("answer", [hangs, trickles, floods])
def test_all_together_wait_a_fifth_of_a_second(
    serve: Callable[[str, Answer], Path], answer: Answer, server: servers.Server
) -> None:
    """However many of them hang: the one that answers is heard."""
    good = serve("good.sock", sends(json.dumps(STATS).encode()))
    bad = [serve(f"{number}.sock", answer) for number in range(20)]
    began = time.monotonic()
    answers = ask([*((path, server) for path in bad), (good, UWSGI)])
    assert time.monotonic() - began < 1
    assert answers == {**dict.fromkeys(bad), good: COUNTED}


def test_a_server_that_has_stopped(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queue fills up, and then connecting fails at once."""
    monkeypatch.setattr(servers, "PATIENCE_S", 0.05)
    with socket.socket(socket.AF_UNIX) as listener:
        path = run / "stats.sock"
        listener.bind(str(path))
        listener.listen(1)
        began = time.monotonic()
        for _scrape in range(4):
            assert ask([(path, UWSGI)]) == {path: None}
        assert time.monotonic() - began < 1


def test_a_server_without_such_a_socket(run: Path) -> None:
    """gunicorn before 25.1 has none; one that has ended leaves one that nobody listens on."""
    assert ask([(run / "gunicorn.ctl", GUNICORN), (run / "gone" / "stats.sock", UWSGI)]) == {}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(run / "stats.sock"))
    assert ask([(run / "stats.sock", UWSGI)]) == {}


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"workers": 3}',
        b'{"workers": [{"status": "busy", "requests": "1", "respawn_count": 1}]}',
        b'{"workers": [{"status": "busy", "requests": -1, "respawn_count": 1}]}',
        b'{"workers": [{"status": 1, "requests": 1, "respawn_count": 1}]}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_an_answer_that_makes_no_sense(serve: Callable[[str, Answer], Path], data: bytes) -> None:
    stats = serve("stats.sock", sends(data))
    control = serve("gunicorn.ctl", sends(len(data).to_bytes(4, "big") + data))
    assert ask([(stats, UWSGI), (control, GUNICORN)]) == {stats: None, control: None}


def test_a_link_to_the_socket_of_another_program(run: Path, serve: Callable[[str, Answer], Path]) -> None:
    """Root's connection would be a favour to whoever made the link."""
    connections: list[socket.socket] = []
    serve("other.sock", connections.append)
    (run / "stats.sock").symlink_to(run / "other.sock")
    (run / "gunicorn.ctl").write_text("no socket")
    assert ask([(run / "stats.sock", UWSGI), (run / "gunicorn.ctl", GUNICORN)]) == {
        run / "stats.sock": None,
        run / "gunicorn.ctl": None,
    }
    assert connections == []
