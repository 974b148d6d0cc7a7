# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send one request to a site, on the socket in question, with the site's own host name."""

from __future__ import annotations

import http.client
import signal
import socket
import ssl
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote

__all__ = ["REDIRECTS", "RELEASE_HEADER", "Request", "Response", "send"]

RELEASE_HEADER = "X-Pitcrew-Release"
REDIRECTS = (301, 302, 303, 307, 308)

# How much of a page is kept: stylesheets and scripts are named at its beginning.
BODY_LIMIT = 512 * 1024
CHUNK = 64 * 1024


@dataclass(frozen=True)
class Request:
    """A GET request, and where to send it.

    C(address) is C(unix:/path/of/socket) or C(ip:port); C(protocol) is the protocol at that address
    (C(http), C(https) or C(uwsgi)); C(scheme) is the one that the visitor used (C(http) or C(https));
    C(timeout) is how long the whole exchange may take, in seconds.
    """

    address: str
    protocol: str
    host: str
    scheme: str
    path: str
    timeout: float = 5.0
    cookies: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The URL that a visitor would use."""
        return f"{self.scheme}://{self.host}{self.path}"


@dataclass(frozen=True)
class Response:
    """The status, the release that answered, where it redirects to, and the beginning of the body."""

    status: int
    release: str | None
    location: str | None = None
    content_type: str = ""
    body: bytes = b""
    cookies: Mapping[str, str] = field(default_factory=dict)

    @property
    def redirects(self) -> bool:
        """Whether it sends the visitor elsewhere."""
        return self.status in REDIRECTS and bool(self.location)


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """End the block after that time: the time-out of a socket would start again with each byte of a slow response.

    Raises TimeoutError.
    """

    def end(_signal: int, _frame: object) -> None:
        raise TimeoutError(f"no complete response within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _socket(request: Request) -> socket.socket:
    if request.address.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(request.address.removeprefix("unix:"))
        return connection
    host, _colon, port = request.address.rpartition(":")
    connection = socket.create_connection((host.strip("[]"), int(port)))
    if request.protocol == "https":
        # This is the site's own proxy on this host: whether a browser would accept the certificate does not matter.
        context = ssl._create_unverified_context()
        return context.wrap_socket(connection, server_hostname=request.host)
    return connection


def _headers(request: Request) -> dict[str, str]:
    return {
        "Host": request.host,
        "X-Forwarded-Proto": request.scheme,
        "X-Forwarded-For": "127.0.0.1",
        "User-Agent": "pitcrew.django",
        **({"Cookie": "; ".join(map("=".join, request.cookies.items()))} if request.cookies else {}),
        **request.headers,
    }


def _uwsgi_packet(request: Request) -> bytes:
    """The request as nginx would send it: a header of four bytes, then names and values, each after its length.

    https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html
    """
    path, _mark, query = request.path.partition("?")
    variables = {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": request.path,
        "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": request.host,
        "SERVER_PORT": "443" if request.scheme == "https" else "80",
        "REMOTE_ADDR": "127.0.0.1",
        **({"HTTPS": "on"} if request.scheme == "https" else {}),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in _headers(request).items()},
    }
    words = [word.encode("latin-1") for pair in variables.items() for word in pair]
    body = b"".join(struct.pack("<H", len(word)) + word for word in words)
    return struct.pack("<BHB", 0, len(body), 0) + body


def _response(request: Request, connection: socket.socket) -> http.client.HTTPResponse:
    """Send the request and return the response, whose body is still to be read."""
    if request.protocol == "uwsgi":
        connection.sendall(_uwsgi_packet(request))
        response = http.client.HTTPResponse(connection, method="GET")
        response.begin()
        return response
    client = http.client.HTTPConnection(request.host)
    client.sock = connection
    client.putrequest("GET", request.path, skip_host=True, skip_accept_encoding=True)
    for name, value in {**_headers(request), "Connection": "close"}.items():
        client.putheader(name, value)
    client.endheaders()
    return client.getresponse()


def _body(response: http.client.HTTPResponse) -> bytes:
    """Read the body to its end and return its beginning.

    Raises http.client.IncompleteRead if the connection ends before the body.
    """
    body = b""
    while chunk := response.read(CHUNK):
        body += chunk[: BODY_LIMIT - len(body)]
    if response.length:  # What is missing of the announced length.
        raise http.client.IncompleteRead(body, response.length)
    return body


def _cookies(response: http.client.HTTPResponse) -> dict[str, str]:
    """The names and values of the cookies that the response sets; what else a browser keeps of them is left out."""
    pairs = (header.partition(";")[0].partition("=") for header in response.headers.get_all("Set-Cookie", []))
    return {name.strip(): value.strip() for name, sign, value in pairs if sign and f"{name}{value}".isprintable()}


def send(request: Request) -> Response:
    """Send the request and return the response.

    Raises OSError or http.client.HTTPException if none comes.
    """
    with _at_most(request.timeout), _socket(request) as connection, _response(request, connection) as response:
        return Response(
            response.status,
            response.getheader(RELEASE_HEADER),
            response.getheader("Location"),
            response.getheader("Content-Type", ""),
            _body(response),
            _cookies(response),
        )
