"""One question over real sockets: what is sent, what is taken for the answer, and what is wrong with it."""

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
from ansible_collections.pitcrew.django.plugins.module_utils.ask import Answer, Question, ask
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HEALTHY = b"HTTP/1.1 200 OK\r\nX-Pitcrew-Release: r2\r\nContent-Length: 2\r\n\r\nok"
QUESTION = Question(
    address="unix:/nowhere",
    protocol="http",
    host="shop.example.com",
    scheme="https",
    path="/healthz/?deep=1",
    status=200,
    release="r2",
    timeout=5.0,
)


class Server:
    """Answer every connection of a listening socket with the same bytes, and keep what was asked."""

    def __init__(self, listener: socket.socket, answer: bytes | None, tls: ssl.SSLContext | None = None) -> None:
        self.listener, self.answer, self.tls = listener, answer, tls
        self.asked: list[bytes] = []
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
                asked = b""
                while not asked.endswith(b"\r\n\r\n") and (part := peer.recv(4096)):
                    asked += part
                self.asked.append(asked)
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


def on(path: Path, **changes: str | float) -> Question:
    """Put the question to a unix socket."""
    return replace(QUESTION, address=f"unix:{path}", **changes)  # type: ignore[arg-type]


# What goes out and what comes back


def test_the_question_on_the_wire(unix_server: Callable[[bytes | None], Server], unix_path: Path) -> None:
    """The site's own host and scheme, one request on a connection of its own, and nothing that is not meant."""
    server = unix_server(HEALTHY)
    assert ask(on(unix_path)) == Answer(200, "r2", None)
    assert server.asked == [
        b"GET /healthz/?deep=1 HTTP/1.1\r\n"
        b"Host: shop.example.com\r\n"
        b"X-Forwarded-Proto: https\r\n"
        b"X-Forwarded-For: 127.0.0.1\r\n"
        b"User-Agent: pitcrew.django\r\n"
        b"Connection: close\r\n"
        b"\r\n"
    ]


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Answer(503, None, None)),
        (
            b"HTTP/1.1 301 Moved\r\nLocation: https://shop.example.com/\r\nx-release: r1\r\nContent-Length: 0\r\n\r\n",
            Answer(301, "r1", "https://shop.example.com/"),
        ),
        (b"HTTP/1.0 200 OK\r\nX-Pitcrew-Release: r2\r\n\r\nuntil it closes", Answer(200, "r2", None)),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            Answer(200, None, None),
        ),
    ],
    ids=["no release", "redirect", "old protocol", "chunked"],
)
def test_an_answer(
    unix_server: Callable[[bytes | None], Server], unix_path: Path, response: bytes, answer: Answer
) -> None:
    """Status, release and where to, however the body comes."""
    unix_server(response)
    assert ask(on(unix_path)) == answer


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (b"", http.client.RemoteDisconnected),
        (b"not HTTP at all\r\n\r\n", http.client.BadStatusLine),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\ncut", http.client.IncompleteRead),
    ],
)
def test_no_answer(
    unix_server: Callable[[bytes | None], Server],
    unix_path: Path,
    response: bytes,
    error: type[Exception],
) -> None:
    """A connection that ends early is no answer."""
    unix_server(response)
    with pytest.raises(error):
        ask(on(unix_path))


def test_silence_ends_after_the_timeout(unix_server: Callable[[bytes | None], Server], unix_path: Path) -> None:
    """A process that accepts and never answers does not hold the switch."""
    unix_server(None)
    with pytest.raises(TimeoutError):
        ask(on(unix_path, timeout=0.05))


def test_an_answer_that_never_comes_to_its_end(unix_path: Path) -> None:
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
        with pytest.raises(TimeoutError, match=r"no whole answer within 0\.2 s"):
            ask(on(unix_path, timeout=0.2))
        server.join()
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_nobody_listens(unix_path: Path) -> None:
    """Neither where there is no socket, nor where a dead process left its own."""
    with pytest.raises(FileNotFoundError):
        ask(on(unix_path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(unix_path))
    with pytest.raises(ConnectionRefusedError):
        ask(on(unix_path))


def test_a_full_backlog_is_no_answer(unix_path: Path) -> None:
    """A kernel that takes no further connection lets the question wait; not for ever."""
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waiting,
    ):
        listener.bind(str(unix_path))
        listener.listen(0)
        waiting.connect(str(unix_path))
        with pytest.raises(TimeoutError, match="no whole answer"):
            ask(on(unix_path, timeout=0.05))


# Through the proxy of the host


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Give a listening socket on this host's own address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_the_proxy_is_asked_by_its_address(listener: socket.socket) -> None:
    """The address is connected to, the host is only named."""
    server = Server(listener, HEALTHY)
    question = replace(QUESTION, address=f"127.0.0.1:{listener.getsockname()[1]}", scheme="http")
    assert ask(question) == Answer(200, "r2", None)
    server.close()
    assert b"\r\nHost: shop.example.com\r\nX-Forwarded-Proto: http\r\n" in server.asked[0]


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


def test_the_proxy_is_asked_by_https(listener: socket.socket, tls: ssl.SSLContext) -> None:
    """The proxy learns which site is meant, and an expired certificate of no known authority is not the question."""
    named = []
    tls.sni_callback = lambda _socket, name, _context: named.append(name)
    server = Server(listener, HEALTHY, tls)
    question = replace(QUESTION, address=f"127.0.0.1:{listener.getsockname()[1]}", protocol="https")
    assert ask(question) == Answer(200, "r2", None)
    server.close()
    assert named == ["shop.example.com"]
    assert b"\r\nHost: shop.example.com\r\n" in server.asked[0]


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
        ask(replace(QUESTION, address=address))
    assert seen == [connected]


# What is wrong with it


@pytest.mark.parametrize(
    ("answer", "objection"),
    [
        (Answer(200, "r2", None), None),
        (
            Answer(500, "r2", None),
            "GET https://shop.example.com/healthz/?deep=1 answers 500 instead of 200",
        ),
        (
            Answer(301, "r2", "https://other/"),
            "GET https://shop.example.com/healthz/?deep=1 answers 301, a redirect to https://other/ instead of 200",
        ),
        (
            Answer(200, "r1", None),
            "GET https://shop.example.com/healthz/?deep=1 is answered by release r1 instead of r2",
        ),
        (
            Answer(200, None, None),
            "GET https://shop.example.com/healthz/?deep=1 is answered by release None instead of r2",
        ),
        # Of two things that are wrong the status is told: it is the one that an operator can look up.
        (
            Answer(404, "r1", None),
            "GET https://shop.example.com/healthz/?deep=1 answers 404 instead of 200",
        ),
    ],
)
def test_objections(answer: Answer, objection: str | None) -> None:
    """Status and release have to be the expected ones; the sentence tells which is not."""
    assert QUESTION.objection(answer) == objection


def test_another_status_may_be_the_healthy_one() -> None:
    """A site may say that 204, or a redirect, is its healthy answer."""
    question = replace(QUESTION, status=302)
    assert question.objection(Answer(302, "r2", "/login/")) is None
    assert question.objection(Answer(200, "r2", None)) is not None


def test_any_release_where_none_is_expected() -> None:
    """A question without a release is about health alone."""
    assert replace(QUESTION, release=None).objection(Answer(200, "r1", None)) is None
