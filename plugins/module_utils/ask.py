# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a site one question, on the socket it is meant for, with the site's own host name."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["QUESTION_SPEC", "RELEASE_HEADER", "Answer", "Question", "ask"]

RELEASE_HEADER = "X-Release"

# The part of a question that is the site's own, as modules take it.
QUESTION_SPEC = {
    "host": {"type": "str", "required": True},
    "scheme": {"type": "str", "choices": ["http", "https"], "default": "https"},
    "path": {"type": "str", "default": "/"},
    "status": {"type": "int", "default": 200},
}


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the release that answered, and where it redirects to."""

    status: int
    release: str | None
    location: str | None


@dataclass(frozen=True)
class Question:
    """What a healthy site answers to.

    C(address) is C(unix:/path/of/socket) or C(ip:port); C(protocol) is how that address is spoken to
    (C(http) or C(https)); C(scheme) is how the visitor came (C(http) or C(https)).
    """

    address: str
    protocol: str
    host: str
    scheme: str
    path: str
    status: int
    release: str | None
    timeout: float = 5.0

    def objection(self, answer: Answer) -> str | None:
        """Say in words what is wrong with the answer, or None if it is the one we want."""
        where = f"GET {self.scheme}://{self.host}{self.path}"
        if answer.status != self.status:
            to = f", a redirect to {answer.location}" if answer.location else ""
            return f"{where} answers {answer.status}{to} instead of {self.status}"
        if self.release is not None and answer.release != self.release:
            return f"{where} is answered by release {answer.release} instead of {self.release}"
        return None


class _Connection(http.client.HTTPConnection):
    """HTTP over whatever connected socket it is given."""

    def __init__(self, question: Question, connect: Callable[[], socket.socket]) -> None:
        super().__init__(question.host, timeout=question.timeout)
        self._connect = connect

    def connect(self) -> None:
        self.sock = self._connect()


def _socket(question: Question) -> socket.socket:
    if question.address.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(question.timeout)
        connection.connect(question.address.removeprefix("unix:"))
        return connection
    host, _colon, port = question.address.rpartition(":")
    connection = socket.create_connection((host.strip("[]"), int(port)), timeout=question.timeout)
    if question.protocol == "https":
        # The site's own proxy on this host is asked: whether the certificate pleases a browser is not the question.
        context = ssl._create_unverified_context()
        return context.wrap_socket(connection, server_hostname=question.host)
    return connection


def ask(question: Question) -> Answer:
    """Ask and give the answer.

    Raises OSError or http.client.HTTPException where none comes.
    """
    connection = _Connection(question, lambda: _socket(question))
    try:
        connection.putrequest("GET", question.path, skip_host=True, skip_accept_encoding=True)
        for name, value in (
            ("Host", question.host),
            ("X-Forwarded-Proto", question.scheme),
            ("X-Forwarded-For", "127.0.0.1"),
            ("User-Agent", "pitcrew.django"),
            ("Connection", "close"),
        ):
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        response.read()
        return Answer(response.status, response.getheader(RELEASE_HEADER), response.getheader("Location"))
    finally:
        connection.close()
