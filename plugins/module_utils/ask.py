# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send one request to a site, on the socket in question, with the site's own host name."""

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

RELEASE_HEADER = "X-Pitcrew-Release"

# The options of a question that depend on the site only, as modules take them.
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
    """A request, and the answer of a healthy site to it.

    C(address) is C(unix:/path/of/socket) or C(ip:port); C(protocol) is the protocol at that address
    (C(http), C(https) or C(uwsgi)); C(scheme) is the one that the visitor used (C(http) or C(https));
    C(timeout) is how long the whole exchange may take, in seconds.
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
        """Return what is wrong with the answer, in words, or None if it is the healthy one."""
        where = f"GET {self.scheme}://{self.host}{self.path}"
        if answer.status != self.status:
            to = f", a redirect to {answer.location}" if answer.location else ""
            return f"{where} answers {answer.status}{to} instead of {self.status}"
        if self.release is not None and answer.release != self.release:
            return f"{where} is answered by release {answer.release} instead of {self.release}"
        return None


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """End the block after that time: the time-out of a socket would start again with each byte of a slow answer.

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
        # This is the site's own proxy on this host: whether a browser would accept the certificate does not matter.
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
    """The request as nginx would send it: a header of four bytes, then names and values, each after its length.

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
    """Send the request and return the response, whose body is still to be read."""
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
    """Send the request and return the answer.

    Raises OSError or http.client.HTTPException if none comes.
    """
    with _at_most(question.timeout), _socket(question) as connection, _response(question, connection) as response:
        response.read()
        return Answer(response.status, response.getheader(RELEASE_HEADER), response.getheader("Location"))
