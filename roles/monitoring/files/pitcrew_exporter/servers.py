# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask uWSGI's stats server and gunicorn's control socket, all of a host at the same time, and wait for none of them.

Their main processes answer, never a worker: a saturated site answers as fast as an idle one, and a stopped one not at
all.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitcrew_exporter.suspicion import Suspicious, socket_path

__all__ = ["GUNICORN", "UWSGI", "Server", "ask"]

PATIENCE_S = 0.2
MAX_BYTES = 4 << 20
LENGTH = 4


@dataclass(frozen=True)
class Server:
    """A server: its socket in the slot's runtime directory, what to send, and how to read what it answers."""

    name: str
    file: str
    socket: str
    request: bytes
    is_complete: Callable[[bytearray], bool]
    metrics: Callable[[Any], dict[str, float]]
    """Its metrics, by the part of their names after C(pitcrew_server_)."""
    head: int = 0

    def read(self, answer: bytes) -> dict[str, float]:
        """Return the metrics of an answer. Raises Suspicious if it makes no sense."""
        try:
            found = self.metrics(json.loads(answer[self.head :]))
            if all(isinstance(number, int) and number >= 0 for number in found.values()):
                return found
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            pass
        raise Suspicious(f"the answer of {self.socket} makes no sense")


def _of_uwsgi(stats: Any) -> dict[str, float]:
    workers = stats["workers"]
    return {
        "requests": sum(worker["requests"] for worker in workers),
        "workers_busy": sum(worker["status"].startswith("busy") for worker in workers),
        "worker_starts": sum(worker["respawn_count"] for worker in workers),
    }


def _of_gunicorn(answer: Any) -> dict[str, float]:
    return {"worker_starts": answer["data"]["workers_spawned"]}


def _framed(message: Mapping[str, Any]) -> bytes:
    text = json.dumps(message).encode()
    return len(text).to_bytes(LENGTH, "big") + text


# Without a request, uWSGI sends all it knows and closes the connection.
UWSGI = Server("uwsgi", "uwsgi.ini", "stats.sock", b"", lambda _answer: False, _of_uwsgi)
# gunicorn keeps the connection: a length precedes each message.
GUNICORN = Server(
    "gunicorn",
    "gunicorn.conf.py",
    "gunicorn.ctl",
    _framed({"id": 1, "command": "show stats", "args": []}),
    lambda answer: len(answer) >= LENGTH + int.from_bytes(answer[:LENGTH].ljust(LENGTH, b"\xff"), "big"),
    _of_gunicorn,
    LENGTH,
)


class _Question:
    """One connection, and what has been answered so far."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.answer = bytearray()

    def send(self, path: Path) -> None:
        """Connect and send the request, which fits into the buffer of any socket."""
        with socket_path(path) as reached:
            self.connection.connect(reached)
        # A server that needs no request may have answered, and closed the connection, by now.
        if self.server.request:
            self.connection.send(self.server.request)

    def is_answered(self) -> bool:
        """Read what there is. Raises Suspicious if it is too much."""
        part = self.connection.recv(1 << 16)
        self.answer += part
        if len(self.answer) > MAX_BYTES:
            raise Suspicious(f"the answer of {self.server.socket} has more than {MAX_BYTES} bytes")
        return not part or self.server.is_complete(self.answer)


def ask(questions: Iterable[tuple[Path, Server]]) -> dict[Path, dict[str, float] | None]:
    """Return the metrics that each server answers by the path of its socket, after a moment for all together.

    One that does not answer in time, or does not make sense, has None; one that has no such socket is left out.
    """
    answers: dict[Path, dict[str, float] | None] = {}
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for path, server in questions:
            answers[path] = None
            question = _Question(server)
            stack.callback(question.connection.close)
            try:
                question.send(path)
                selector.register(question.connection, selectors.EVENT_READ, (path, question))
            except (FileNotFoundError, ConnectionRefusedError):  # A server without one, or one that is about to end.
                del answers[path]
            except (Suspicious, OSError):  # Such as a full queue of one that has stopped.
                pass
        deadline = time.monotonic() + PATIENCE_S
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _events in selector.select(left):
                path, question = key.data
                try:
                    if not question.is_answered():
                        continue
                    answers[path] = question.server.read(bytes(question.answer))
                except (Suspicious, OSError):
                    pass
                with suppress(KeyError):
                    selector.unregister(question.connection)
    return answers
