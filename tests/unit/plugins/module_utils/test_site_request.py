"""One request over real sockets: what is sent, and what is taken for the response."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import signal
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.site_request import Request, Response, send
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HEALTHY = b"HTTP/1.1 200 OK\r\nX-Pitcrew-Release: r2\r\nContent-Length: 2\r\n\r\nok"
REQUEST = Request(
    address="unix:/nowhere",
    protocol="http",
    host="shop.example.com",
    scheme="https",
    path="/healthz/?deep=1",
    timeout=5.0,
)


class Server:
    """Answer every connection of a listening socket with the same bytes, and keep what it was sent."""

    def __init__(self, listener: socket.socket, answer: bytes | None, tls: ssl.SSLContext | None = None) -> None:
        self.listener, self.answer, self.tls = listener, answer, tls
        self.received: list[bytes] = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        """Serve until the listening socket is closed; without an answer, keep silent."""
        while True:
            try:
                connection, _address = self.listener.accept()
            except OSError:
                return
            with self.tls.wrap_socket(connection, server_side=True) if self.tls else connection as peer:
                request = b""
                while not request.endswith(b"\r\n\r\n") and (part := peer.recv(4096)):
                    request += part
                self.received.append(request)
                if self.answer is None:
                    peer.recv(1)  # until the other side gives up
                else:
                    peer.sendall(self.answer)

    def close(self) -> None:
        """Wake the thread and wait for it."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


@pytest.fixture
def unix_path() -> Iterator[Path]:
    """Give a path that is short enough for a socket, which those of pytest may not be."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        yield Path(directory) / "app.sock"


@pytest.fixture
def unix_server(unix_path: Path) -> Iterator[Callable[[bytes | None], Server]]:
    """Start a server on a unix socket."""
    servers = []

    def start(answer: bytes | None) -> Server:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(unix_path))
        listener.listen()
        servers.append(Server(listener, answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def on(path: Path, **changes: str | float) -> Request:
    """Send it to a unix socket."""
    return replace(REQUEST, address=f"unix:{path}", **changes)  # type: ignore[arg-type]


# What goes out and what comes back


def test_the_request_on_the_wire(unix_server: Callable[[bytes | None], Server], unix_path: Path) -> None:
    """The site's own host and scheme, one request on a connection of its own, and nothing that is not meant."""
    server = unix_server(HEALTHY)
    assert send(on(unix_path)) == Response(200, "r2", body=b"ok")
    assert server.received == [
        b"GET /healthz/?deep=1 HTTP/1.1\r\n"
        b"Host: shop.example.com\r\n"
        b"X-Forwarded-Proto: https\r\n"
        b"X-Forwarded-For: 127.0.0.1\r\n"
        b"User-Agent: pitcrew.django\r\n"
        b"Connection: close\r\n"
        b"\r\n"
    ]


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Response(503, None)),
        (
            b"HTTP/1.1 301 Moved\r\nLocation: https://shop.test/\r\nx-pitcrew-release: r1\r\nContent-Length: 0\r\n\r\n",
            Response(301, "r1", "https://shop.test/"),
        ),
        (
            b"HTTP/1.0 200 OK\r\nX-Pitcrew-Release: r2\r\n\r\nuntil it closes",
            Response(200, "r2", body=b"until it closes"),
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            Response(200, None, content_type="text/html", body=b"ok"),
        ),
    ],
    ids=["no release", "redirect", "old protocol", "chunked"],
)
def test_a_response(
    unix_server: Callable[[bytes | None], Server], unix_path: Path, response: bytes, expected: Response
) -> None:
    """Status, release, target and body, however the body comes."""
    unix_server(response)
    assert send(on(unix_path)) == expected


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (b"", http.client.RemoteDisconnected),
        (b"not HTTP at all\r\n\r\n", http.client.BadStatusLine),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\ncut", http.client.IncompleteRead),
    ],
)
def test_no_response(
    unix_server: Callable[[bytes | None], Server],
    unix_path: Path,
    response: bytes,
    error: type[Exception],
) -> None:
    """A connection that ends early is no response."""
    unix_server(response)
    with pytest.raises(error):
        send(on(unix_path))


def test_the_beginning_of_a_large_body(unix_server: Callable[[bytes | None], Server], unix_path: Path) -> None:
    """It is read to its end, so that the response is a complete one, and not kept in memory."""
    page = b"<html>" + 700_000 * b"."
    unix_server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page) + page)
    assert send(on(unix_path)).body == page[: 512 * 1024]


@pytest.mark.parametrize(
    ("response", "redirects"),
    [
        (Response(302, "r2", "/login/"), True),
        (Response(308, "r2", "/login/"), True),
        (Response(302, "r2"), False),
        (Response(304, "r2", "/login/"), False),
        (Response(201, "r2", "/made/"), False),
    ],
)
def test_what_redirects(response: Response, redirects: bool) -> None:
    assert response.redirects is redirects


def test_silence_ends_after_the_timeout(unix_server: Callable[[bytes | None], Server], unix_path: Path) -> None:
    """A process that accepts and never answers does not hold the switch."""
    unix_server(None)
    with pytest.raises(TimeoutError):
        send(on(unix_path, timeout=0.05))


def test_a_response_that_never_ends(unix_path: Path) -> None:
    """A byte now and then does not hold the switch either; nothing of the alarm is left behind."""
    before = signal.getsignal(signal.SIGALRM)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(unix_path))
        listener.listen()

        def drip() -> None:
            connection, _address = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                for _ in range(500):
                    connection.sendall(b"x")
                    time.sleep(0.01)

        server = threading.Thread(target=drip)
        server.start()
        with pytest.raises(TimeoutError, match=r"no complete response within 0\.2 s"):
            send(on(unix_path, timeout=0.2))
        server.join()
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_nobody_listens(unix_path: Path) -> None:
    """Neither where there is no socket, nor where a dead process left its own."""
    with pytest.raises(FileNotFoundError):
        send(on(unix_path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(unix_path))
    with pytest.raises(ConnectionRefusedError):
        send(on(unix_path))


def test_a_full_backlog_is_no_response(unix_path: Path) -> None:
    """A kernel that accepts no further connection lets the request wait; not for ever."""
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waiting,
    ):
        listener.bind(str(unix_path))
        listener.listen(0)
        waiting.connect(str(unix_path))
        with pytest.raises(TimeoutError, match="no complete response"):
            send(on(unix_path, timeout=0.05))


# Through the proxy of the host


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Give a listening socket on this host's own address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_the_proxy_is_reached_by_its_address(listener: socket.socket) -> None:
    """The address is connected to, the host is only named."""
    server = Server(listener, HEALTHY)
    request = replace(REQUEST, address=f"127.0.0.1:{listener.getsockname()[1]}", scheme="http")
    assert send(request) == Response(200, "r2", body=b"ok")
    server.close()
    assert b"\r\nHost: shop.example.com\r\nX-Forwarded-Proto: http\r\n" in server.received[0]


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """Give the server's side of TLS, with a certificate that no authority knows, for another host."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "other.example.com")])
    start = datetime.datetime(2020, 1, 1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + datetime.timedelta(days=1))
    ).sign(key, hashes.SHA256())
    pem = tmp_path / "shop.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_the_proxy_is_reached_by_https(listener: socket.socket, tls: ssl.SSLContext) -> None:
    """The proxy learns which site is meant; an expired certificate from no known authority does not matter."""
    named = []
    tls.sni_callback = lambda _socket, name, _context: named.append(name)
    server = Server(listener, HEALTHY, tls)
    request = replace(REQUEST, address=f"127.0.0.1:{listener.getsockname()[1]}", protocol="https")
    assert send(request) == Response(200, "r2", body=b"ok")
    server.close()
    assert named == ["shop.example.com"]
    assert b"\r\nHost: shop.example.com\r\n" in server.received[0]


@pytest.mark.parametrize(
    ("address", "connected"),
    [("127.0.0.1:8080", ("127.0.0.1", 8080)), ("[::1]:80", ("::1", 80)), ("proxy:443", ("proxy", 443))],
)
def test_addresses(monkeypatch: pytest.MonkeyPatch, address: str, connected: tuple[str, int]) -> None:
    """Of IPv4, of IPv6 in brackets, and by name."""
    seen = []

    def connect(to: tuple[str, int]) -> socket.socket:
        seen.append(to)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(ConnectionRefusedError):
        send(replace(REQUEST, address=address))
    assert seen == [connected]
