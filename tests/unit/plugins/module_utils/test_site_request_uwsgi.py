"""The request in the uwsgi protocol: what is sent, byte by byte, and that HTTP comes back."""

from __future__ import annotations

import http.client
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.site_request import Request, Response, send

HEALTHY = b"HTTP/1.1 200 OK\r\nX-Pitcrew-Release: r2\r\n\r\nok"
REQUEST = Request(
    address="unix:/nowhere",
    protocol="uwsgi",
    host="shop.example.com",
    scheme="https",
    path="/healthz/?deep=1",
    timeout=5.0,
)


class Server:
    """Answer one connection with some bytes, and keep the packet that came."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self.answer = answer
        self.packet = b""
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        """Read a header and as much as it announces."""
        connection, _address = self.listener.accept()
        with connection, connection.makefile("rb") as stream:
            self.packet = stream.read(4)
            self.packet += stream.read(struct.unpack("<BHB", self.packet)[1])
            connection.sendall(self.answer)

    @property
    def variables(self) -> dict[str, str]:
        """Take the packet apart: a length of two bytes before each name and each value."""
        words, rest = [], self.packet[4:]
        while rest:
            length = 2 + int.from_bytes(rest[:2], "little")
            words.append(rest[2:length].decode())
            rest = rest[length:]
        return dict(zip(words[::2], words[1::2], strict=True))


@pytest.fixture
def serve() -> Iterator[Callable[[bytes], tuple[Server, str]]]:
    """Start a server; give it with its address, whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        path = Path(directory) / "app.sock"
        servers = []

        def start(answer: bytes) -> tuple[Server, str]:
            servers.append(Server(path, answer))
            return servers[-1], f"unix:{path}"

        yield start
        for server in servers:
            server.thread.join(5)
            server.listener.close()


Serve = Callable[[bytes], "tuple[Server, str]"]


def test_what_is_sent(serve: Serve) -> None:
    """The site's own host, the visitor's scheme, and what WSGI makes of a path."""
    server, address = serve(HEALTHY)
    assert send(replace(REQUEST, address=address)) == Response(200, "r2", body=b"ok")
    assert server.variables == {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/healthz/?deep=1",
        "PATH_INFO": "/healthz/",
        "QUERY_STRING": "deep=1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "shop.example.com",
        "SERVER_PORT": "443",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTPS": "on",
        "HTTP_HOST": "shop.example.com",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_X_FORWARDED_FOR": "127.0.0.1",
        "HTTP_USER_AGENT": "pitcrew.django",
    }


def test_the_bytes_of_it(serve: Serve) -> None:
    """A header of four bytes: 0, the length of the rest with its low byte first, 0; then each word after its length."""
    server, address = serve(HEALTHY)
    send(replace(REQUEST, address=address))
    assert server.packet[0] == server.packet[3] == 0
    assert server.packet[1] + 256 * server.packet[2] == len(server.packet) - 4 == 333
    assert server.packet[4:].startswith(b"\x0e\x00REQUEST_METHOD\x03\x00GET\x0b\x00REQUEST_URI\x10\x00/healthz/")


def test_a_visitor_without_tls(serve: Serve) -> None:
    """Nothing says https."""
    server, address = serve(HEALTHY)
    send(replace(REQUEST, address=address, scheme="http"))
    assert "HTTPS" not in server.variables
    assert server.variables["SERVER_PORT"] == "80"
    assert server.variables["HTTP_X_FORWARDED_PROTO"] == "http"


@pytest.mark.parametrize(
    ("path", "info", "query"),
    [("/", "/", ""), ("/caf%C3%A9/", "/café/", ""), ("/a?b=%20?c", "/a", "b=%20?c")],
)
def test_paths(serve: Serve, path: str, info: str, query: str) -> None:
    """The path is sent as it is, and decoded; the query is not decoded."""
    server, address = serve(HEALTHY)
    send(replace(REQUEST, address=address, path=path))
    found = server.variables
    assert (found["REQUEST_URI"], found["PATH_INFO"], found["QUERY_STRING"]) == (path, info, query)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Response(503, None)),
        (b"HTTP/1.0 302 Found\r\nLocation: /login/\r\nX-Pitcrew-Release: r1\r\n\r\n", Response(302, "r1", "/login/")),
    ],
)
def test_a_response(serve: Serve, response: bytes, expected: Response) -> None:
    """It is HTTP."""
    _server, address = serve(response)
    assert send(replace(REQUEST, address=address)) == expected


@pytest.mark.parametrize(
    ("response", "error"),
    [(b"", http.client.RemoteDisconnected), (b"no HTTP\r\n\r\n", http.client.BadStatusLine)],
)
def test_no_response(serve: Serve, response: bytes, error: type[Exception]) -> None:
    """A connection that ends is not a response."""
    _server, address = serve(response)
    with pytest.raises(error):
        send(replace(REQUEST, address=address))


def test_nobody_listens() -> None:
    """As in any protocol."""
    with pytest.raises(FileNotFoundError):
        send(replace(REQUEST, address="unix:/nowhere/app.sock"))
