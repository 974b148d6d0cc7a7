"""What comes over the wire: nginx and the application server agree about every request, whatever a visitor sends.

Where it begins and ends, whose it is, and how it came; and that those who send slowly, or nothing, are in nobody's way.
"""

from __future__ import annotations

import json
import re
import resource
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

SMUGGLED = "GET /exercise/seen/?smuggled HTTP/1.1\r\nHost: shop.test\r\nX-Smuggled: 1\r\nConnection: close\r\n\r\n"
CHUNKED = "5\r\nhello\r\n0\r\n\r\n"


class Answer:
    """What came back over one connection until it was closed."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.statuses = [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3}) ", text)]
        self.body = text.partition(b"\r\n\r\n")[2]

    @property
    def refused(self) -> bool:
        """Whether there is no answer but that the request is bad."""
        return not self.statuses or (len(self.statuses) == 1 and self.statuses[0] in {400, 405, 408, 414, 431, 501})

    @property
    def seen(self) -> dict[str, Any]:
        """What Django saw of the only request."""
        assert self.statuses == [200], self.text
        found: dict[str, Any] = json.loads(self.body)
        return found


@pytest.fixture(scope="module")
def connect(address: str, answering: Callable[[], str]) -> Callable[[], socket.socket]:
    """Connect to nginx as a visitor does."""
    answering()
    return lambda: socket.create_connection((address, 80), timeout=30)


Connect = Callable[[], socket.socket]


def rest(connection: socket.socket) -> bytes:
    """Read until the other side closes; that it does so at once and hard is as good."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.fixture(scope="module")
def send(connect: Connect) -> Callable[[str], Answer]:
    """Send these characters, nothing added."""

    def send(text: str) -> Answer:
        with connect() as connection:
            connection.sendall(text.encode("latin-1"))
            return Answer(rest(connection))

    return send


Send = Callable[[str], Answer]


def get(path: str = "/exercise/seen/", *headers: str, host: str = "shop.test") -> str:
    """A request that asks for the connection to be closed."""
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "Connection: close", "", ""])


def post(framing: str, body: str) -> str:
    """A request with a body whose end these headers tell."""
    return f"POST /exercise/seen/ HTTP/1.1\r\nHost: shop.test\r\n{framing}\r\nConnection: close\r\n\r\n{body}"


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 4\r\nContent-Length: 120",
        "Content-Length: 4\r\nContent-Length: 4",
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4, 4",
        "Content-Length: +4",
        "Content-Length: -4",
        "Content-Length: 0x4",
        "Content-Length: 4 4",
        "Content-Length: 4_0",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: \x0bchunked",
    ],
)
def test_a_body_of_two_ends_is_refused(send: Send, framing: str) -> None:
    """Nothing behind it is taken for another request."""
    answer = send(post(framing, CHUNKED + SMUGGLED))
    assert answer.refused, answer.text
    assert b"Smuggled" not in answer.text


@pytest.mark.parametrize(
    "framing",
    [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        " Transfer-Encoding: chunked",
        "X-Before: 1\r\n\tTransfer-Encoding: chunked",
        "Transfer_Encoding: chunked",
        "Transfer-Encoding: \x00chunked",
        "Transfer-Encoding:\r\n chunked",
        "Content_Length: 5",
        "Content-Length:\r\n 5",
        "X: a\rContent-Length: 5",
    ],
)
def test_a_header_in_disguise_ends_no_body(send: Send, framing: str) -> None:
    """It is refused, or it is no such header: no server takes what follows for another request."""
    answer = send(post(framing, "hello" + "\r\n\r\n"))
    assert len(answer.statuses) <= 2
    if not answer.refused:
        first = json.loads(answer.body.partition(b"HTTP/1.1")[0])
        assert first["length"] in {0, 5}
        assert answer.statuses[1:] in ([], [400])


def test_a_chunked_body_arrives_whole(send: Send) -> None:
    """nginx reads it, and says to either server how long it was."""
    seen = send(post("Transfer-Encoding: chunked", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")).seen
    assert seen["length"] == 11
    assert "chunked" not in seen["headers"].get("Transfer-Encoding", "")


def test_two_requests_are_two_answers(send: Send) -> None:
    """Each with its own headers."""
    first = "POST /exercise/seen/ HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\n\r\nhello"
    answer = send(first + SMUGGLED)
    assert answer.statuses == [200, 200]
    before, _line, behind = answer.text.rpartition(b"HTTP/1.1 ")
    assert b"Smuggled" not in before
    assert b"X-Smuggled" in behind


@pytest.mark.parametrize(
    "lie",
    [
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Protocol: ssl",
        "X-Forwarded-Ssl: on",
        "X-Forwarded-Host: evil.test",
        "X-Forwarded-Port: 6666",
        "X-Forwarded-Prefix: /evil",
        "X-Real-IP: 6.6.6.6",
        "Forwarded: for=6.6.6.6;host=evil.test;proto=https",
        "Proxy: http://evil.test",
        "X_Forwarded_Proto: https",
        "X_Forwarded_For: 6.6.6.6",
        "Script_Name: /evil",
        "Script-Name: /evil",
        "X-Accel-Redirect: /evil",
    ],
)
def test_a_visitor_speaks_for_no_proxy(send: Send, address: str, lie: str) -> None:
    """What he says of where he comes from and how is not believed, and is no reason to refuse him either."""
    seen = send(get("/exercise/seen/", lie)).seen
    assert (seen["host"], seen["scheme"], seen["path"]) == ("shop.test", "http", "/exercise/seen/")
    trusted = {name: value for name, value in seen["headers"].items() if name.startswith(("X-Forwarded", "X-Real"))}
    assert "6.6.6.6" not in json.dumps(trusted)
    assert "evil" not in json.dumps({name: trusted[name] for name in trusted if name != "X-Forwarded-Prefix"})
    for name in ("Forwarded", "Proxy", "X-Forwarded-Port", "X-Forwarded-Protocol", "X-Forwarded-Ssl"):
        assert seen["headers"].get(name, "") == ""


@pytest.mark.parametrize(
    ("request_line", "name", "seen_as"),
    [
        ("GET http://shop.test/exercise/seen/ HTTP/1.1", "evil.test", "shop.test"),
        ("GET http://evil.test/exercise/seen/ HTTP/1.1", "shop.test", None),
        ("GET /exercise/seen/ HTTP/1.1", "evil.test", None),
        ("GET /exercise/seen/ HTTP/1.1", "shop.test@evil.test", None),
        ("GET /exercise/seen/ HTTP/1.1", "shop.test:80@evil.test", "shop.test"),
        ("GET /exercise/seen/ HTTP/1.1", "shop.test/evil", None),
        ("GET /exercise/seen/ HTTP/1.1", "shop.test evil.test", None),
        ("GET /exercise/seen/ HTTP/1.1", "shop.test\r\nHost: evil.test", None),
        ("GET /exercise/seen/ HTTP/1.1", "", None),
        ("GET /exercise/seen/ HTTP/1.1", "SHOP.Test", "shop.test"),
        ("GET /exercise/seen/ HTTP/1.1", "shop.test:8080", "shop.test:8080"),
        ("GET http://shop.test:8080@evil.test/ HTTP/1.1", "shop.test", None),
    ],
)
def test_whose_a_request_is(send: Send, request_line: str, name: str, seen_as: str | None) -> None:
    """The site is asked by its own name or not at all."""
    answer = send(f"{request_line}\r\nHost: {name}\r\nConnection: close\r\n\r\n")
    if seen_as is None:
        assert answer.refused, answer.text
    else:
        assert answer.seen["host"].lower() == seen_as


def test_bad_lines_are_one_request(send: Send) -> None:
    """Lines that end with LF alone are lines; with CR alone they are none."""
    seen = send("GET /exercise/seen/ HTTP/1.1\nHost: shop.test\nConnection: close\n\n").seen
    assert seen["host"] == "shop.test"
    answer = send(get("/exercise/seen/", "X-One: a\rX-Two: b"))
    assert answer.refused or "X-Two" not in answer.seen["headers"]
    answer = send(get("/exercise/seen/%0d%0aX-Two:%20b"))
    assert answer.statuses == [404]
    assert b"\r\nX-Two" not in answer.text
    assert send(get("/exercise/seen/", "X-One: a\x00b")).refused


def test_a_bad_request_tells_no_version(send: Send) -> None:
    """Nor does one that names no site."""
    for text in ("GET / HTTP/1.1\r\n\r\n", "nonsense\r\n\r\n", get(host="elsewhere.test")):
        assert not re.search(rb"nginx/\d", send(text).text)


def test_what_is_long(send: Send) -> None:
    """What nginx lets through either server takes, but for hundreds of headers; and answers may have long ones."""
    assert send(get("/exercise/seen/?q=" + 7000 * "x")).statuses == [200]
    assert send(get("/exercise/seen/?q=" + 9000 * "x")).statuses == [414]
    assert send(get("/exercise/seen/", "Cookie: a=" + 7000 * "x")).statuses == [200]
    assert send(get("/exercise/seen/", "Cookie: a=" + 9000 * "x")).statuses == [400]
    assert send(get("/exercise/seen/", *(f"X-{number}: a" for number in range(80)))).statuses == [200]
    assert send(get("/exercise/seen/", *(f"X-{number}: a" for number in range(300)))).statuses in ([200], [431])
    # Each quotation mark takes three characters in the redirect.
    assert send(get("/admin?" + 1500 * '"')).statuses == [301]


@pytest.mark.parametrize("kilobytes", [20, 30, 32])
def test_an_answer_with_long_headers(send: Send, kilobytes: int) -> None:
    """All of them arrive."""
    answer = send(get(f"/exercise/headers/?kb={kilobytes}"))
    assert answer.statuses == [200]
    assert answer.text.count(1000 * b"x") == kilobytes


@pytest.mark.parametrize("where", ["static", "media"])
@pytest.mark.parametrize(
    "path",
    [
        "../manage.py",
        "../../release/app/manage.py",
        "..%2fmanage.py",
        "%2e%2e/manage.py",
        "%2e%2e%2f%2e%2e%2frelease%2fapp%2fmanage.py",
        "%252e%252e%252fmanage.py",
        "..%5cmanage.py",
        "..\\manage.py",
        "....//manage.py",
        ".;/../manage.py",
        "%00/../manage.py",
        "x%00.css",
        "/etc/passwd",
        "/%2fetc/passwd",
        "../secrets",
        "../environment",
    ],
)
def test_no_way_out_of_what_is_public(send: Send, where: str, path: str) -> None:
    """However it is written."""
    for prefix in (f"/{where}/", f"/{where}", f"//{where}/", f"/{where}%2f"):
        answer = send(get(prefix + path))
        assert answer.statuses[0] in {301, 400, 403, 404}, answer.text
        assert b"DJANGO_SETTINGS_MODULE" not in answer.body
        assert b"root:" not in answer.body


def test_the_body_of_an_encoded_path(send: Send) -> None:
    """Either server sees the same address."""
    assert send(get("/exercise%2Fseen/")).seen["path"] == "/exercise/seen/"
    assert send(get("/%65xercise/seen/")).seen["path"] == "/exercise/seen/"


def test_visitors_who_are_slow(connect: Connect, send: Send) -> None:
    """Whoever sends nothing more is let go; whoever reads slowly gets all of it. Nobody else waits meanwhile."""
    took: dict[str, float] = {}
    downloads: list[bytes] = []

    def stalled(name: str, text: str) -> None:
        start = time.monotonic()
        with connect() as connection:
            connection.settimeout(60)
            connection.sendall(text.encode())
            rest(connection)
        took[name] = time.monotonic() - start

    def reads_slowly() -> None:
        with connect() as connection:
            connection.sendall(get("/exercise/stream/?chunks=8000").encode())
            time.sleep(12)
            downloads.append(rest(connection))

    slow = [
        threading.Thread(target=stalled, args=["header", "GET / HTTP/1.1\r\nHost: shop.test\r\nX-Slow: "]),
        threading.Thread(target=stalled, args=["body", post("Content-Length: 100000", "hello")]),
        *(threading.Thread(target=reads_slowly) for _ in range(6)),
    ]
    for thread in slow:
        thread.start()
    answers = []
    while any(thread.is_alive() for thread in slow):
        answers.append(send(get("/exercise/fast/")).statuses)
        time.sleep(0.2)
    assert len(answers) > 20
    assert answers == len(answers) * [[200]]
    assert took["header"] < 20
    assert took["body"] < 40
    assert len(downloads) == 6
    assert all(text.endswith(b"\r\n0\r\n\r\n") and text.count(b".") > 8000 * 1023 for text in downloads)


@contextmanager
def open_files(count: int) -> Iterator[None]:
    """Allow this process so many for a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_visitors_who_say_nothing(connect: Connect, send: Send, host: Host) -> None:
    """Half of them have begun a request. All others are served as ever."""
    with open_files(12_000), ExitStack() as visitors:
        for number in range(10_000):
            visitor = visitors.enter_context(connect())
            if number % 2:
                visitor.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\nX-Slow: ")
        answers = [send(get("/exercise/fast/")).statuses for _ in range(50)]
        assert answers == 50 * [[200]]
    assert "not enough" not in host.run("tail -n 100 /var/log/nginx/error.log").stdout


def test_gixy_finds_nothing(host: Host, tmp_path: Path) -> None:
    """A static analyser of nginx's configuration, on all that is written here."""
    written = tmp_path / "nginx.conf"
    written.write_text(
        "http {\n" + host.check_output("cat /etc/nginx/conf.d/pitcrew.conf /etc/nginx/conf.d/shop.conf") + "\n}\n"
    )
    # A cache of open files would go on with those of the release before.
    done = subprocess.run(
        ["gixy", "--skips", "try_files_is_evil_too", str(written)], capture_output=True, text=True, check=False
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert "No issues found" in done.stdout
