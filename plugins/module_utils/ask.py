# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a site one question, on the socket it is meant for, with the site's own host name."""

from __future__ import annotations

import http.client
import signal
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote

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
    (C(http), C(https) or C(uwsgi)); C(scheme) is how the visitor came (C(http) or C(https));
    C(timeout) is how long all of it may take, in seconds.
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


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """End the block after that time: one of a socket would begin anew with each byte of a slow answer.

    Raises TimeoutError.
    """

    def end(_signal: int, _frame: object) -> None:
        raise TimeoutError(f"no whole answer within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _socket(question: Question) -> socket.socket:
    if question.address.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(question.address.removeprefix("unix:"))
        return connection
    host, _colon, port = question.address.rpartition(":")
    connection = socket.create_connection((host.strip("[]"), int(port)))
    if question.protocol == "https":
        # The site's own proxy on this host is asked: whether the certificate pleases a browser is not the question.
        context = ssl._create_unverified_context()
        return context.wrap_socket(connection, server_hostname=question.host)
    return connection


def _headers(question: Question) -> dict[str, str]:
    return {
        "Host": question.host,
        "X-Forwarded-Proto": question.scheme,
        "X-Forwarded-For": "127.0.0.1",
        "User-Agent": "pitcrew.django",
    }


def _uwsgi_packet(question: Question) -> bytes:
    """The question as nginx would put it: a header of four bytes, then names and values, each after its length.

    https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html
    """
    path, _mark, query = question.path.partition("?")
    variables = {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": question.path,
        "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": question.host,
        "SERVER_PORT": "443" if question.scheme == "https" else "80",
        "REMOTE_ADDR": "127.0.0.1",
        **({"HTTPS": "on"} if question.scheme == "https" else {}),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in _headers(question).items()},
    }
    words = [word.encode("latin-1") for pair in variables.items() for word in pair]
    body = b"".join(struct.pack("<H", len(word)) + word for word in words)
    return struct.pack("<BHB", 0, len(body), 0) + body


def _response(question: Question, connection: socket.socket) -> http.client.HTTPResponse:
    """Put the question and give the answer, whose body is still to be read."""
    if question.protocol == "uwsgi":
        connection.sendall(_uwsgi_packet(question))
        response = http.client.HTTPResponse(connection, method="GET")
        response.begin()
        return response
    client = http.client.HTTPConnection(question.host)
    client.sock = connection
    client.putrequest("GET", question.path, skip_host=True, skip_accept_encoding=True)
    for name, value in {**_headers(question), "Connection": "close"}.items():
        client.putheader(name, value)
    client.endheaders()
    return client.getresponse()


def ask(question: Question) -> Answer:
    """Ask and give the answer.

    Raises OSError or http.client.HTTPException where none comes.
    """
    with _at_most(question.timeout), _socket(question) as connection, _response(question, connection) as response:
        response.read()
        return Answer(response.status, response.getheader(RELEASE_HEADER), response.getheader("Location"))
