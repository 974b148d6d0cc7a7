"""Middleware that the inventory wraps around the site, and what is counted of it, under both servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from deploys import Play
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

# A real one, which serves a directory of the host with the server's own way to send files.
WHITENOISE: dict[str, Any] = {
    "site_python_packages": ["whitenoise==6.12.0"],
    "site_wsgi_middleware": [
        {"path": "whitenoise.WhiteNoise", "arguments": {"root": "/usr/share/common-licenses", "prefix": "licenses"}}
    ],
}
# curl speaks HTTP to a slot's own socket.
SERVERS: dict[str, dict[str, Any]] = {"gunicorn": {}, "uwsgi": {"uwsgi_protocol": "http"}}
FILES = sorted(
    [f"{kind}_{ordinal}.db" for kind in ("counter", "gauge_livesum", "histogram") for ordinal in (0, 1, 2)]
    + ["worker-1.pid", "worker-2.pid"]
)

CURL = "curl --silent --output /dev/null --max-time 20 --header 'Host: shop.test'"

Ask = Callable[..., tuple[list[str], str]]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, deploy: Callable[..., Play]) -> str:
    """The site under each server, with two workers."""
    deploy(site_server=request.param, site_workers=2, **SERVERS[request.param], **WHITENOISE).succeeded()
    return str(request.param)


@pytest.fixture
def ask(host: Host, live: Callable[[], str], server: str) -> Ask:
    """Ask the live slot at its own socket; give the lines of the head, and the body."""

    def ask_slot(path: str, *options: str) -> tuple[list[str], str]:
        command = f"curl --silent --include --max-time 20 --unix-socket /run/shop-{live()}/app.sock"
        answer = host.check_output(f"{command} --header 'Host: shop.test' {' '.join(options)} 'http://shop.test{path}'")
        head, _, body = answer.replace("\r\n", "\n").partition("\n\n")
        return head.splitlines(), body

    return ask_slot


def test_a_file_of_the_middleware(ask: Ask, host: Host) -> None:
    """It answers ahead of the site, through all of ours, and the file arrives whole."""
    head, body = ask("/licenses/GPL-3")
    assert head[0].startswith("HTTP/1.1 200")
    assert any(line.startswith("X-Pitcrew-Release: ") for line in head)
    assert body.strip() == host.file("/usr/share/common-licenses/GPL-3").content_string.strip()


def test_the_site_inside_of_it(ask: Ask) -> None:
    """Its pages, with the headers for nginx's log; the address is the pattern."""
    head, body = ask("/exercise/fast/", "--header", '"X-Request-Start: t=$(date +%s.%3N)"')
    assert "X-Pitcrew-Route: /exercise/fast/" in head
    (queue,) = [line.partition(": ")[2] for line in head if line.startswith("X-Pitcrew-Queue: ")]
    assert 0 <= float(queue) < 5
    assert '"release"' in body


def test_a_stream_is_as_slow_as_the_site(ask: Ask) -> None:
    """Each part goes on as it comes, and the whole is what the site sent."""
    head, body = ask("/exercise/stream/?chunks=50")
    assert "X-Pitcrew-Route: /exercise/stream/" in head
    assert len(body.rstrip()) == 50 * 1024 - 1


def test_the_probe_needs_no_django(ask: Ask) -> None:
    """The answer is the release and no more."""
    head, body = ask("/exercise/fail/", "--header 'X-Pitcrew-Probe: alive'")
    assert head[0].startswith("HTTP/1.1 204")
    assert any(line.startswith("X-Pitcrew-Release: ") for line in head)
    assert not any(line.startswith(("X-Pitcrew-Route", "Content-Type")) for line in head)
    assert body == ""


def test_recycled_workers_reuse_their_files(host: Host, ask: Ask, live: Callable[[], str]) -> None:
    """Workers that are killed in the middle of a request leave nothing behind that grows."""
    directory = f"/run/shop-{live()}/metrics"
    main = host.check_output(f"systemctl show --property=MainPID --value shop@{live()}")
    killed: set[str] = set()
    sizes = set()
    for _turn in range(2):
        workers = host.check_output(f"cat {directory}/worker-1.pid {directory}/worker-2.pid").split()
        assert set(host.check_output(f"cat /proc/{main}/task/{main}/children").split()) == set(workers)
        assert killed.isdisjoint(workers)
        killed.update(workers)
        host.check_output(
            f"{CURL} 'http://127.0.0.1/exercise/wait/?seconds=5' & sleep 0.2; kill -9 {' '.join(workers)}; wait; "
            f"for try in $(seq 100); do cat {directory}/worker-*.pid | grep -qxE '{'|'.join(workers)}' || exit 0; "
            "sleep 0.1; done; exit 1"
        )
        for path in ("/exercise/fast/", "/healthz/") * 2:
            assert ask(path)[0][0].startswith("HTTP/1.1 200")
        sizes.add(host.check_output(f"cd {directory}; stat --format '%n %s' *.db"))
    assert sorted(host.file(directory).listdir()) == FILES
    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("middleware", "text"),
    [
        ("shop.guard.Guard", "site_wsgi_middleware: 'shop.guard.Guard' cannot be imported: ModuleNotFoundError"),
        # Nobody can tell before it is called.
        ("builtins.zip", "site_wsgi_middleware: 'builtins.zip' cannot be used: TypeError"),
    ],
    ids=["when it is built", "when it starts"],
)
def test_middleware_that_is_refused(
    deploy: Callable[..., Play], answering: Callable[[], str], live: Callable[[], str], middleware: str, text: str
) -> None:
    """By its name and its variable, before it is live."""
    before = live(), answering()
    assert text in deploy(site_wsgi_middleware=[middleware]).refused().words
    assert (live(), answering()) == before
