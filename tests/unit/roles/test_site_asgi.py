"""What gunicorn's asgi worker runs: requests that wait for a place, connections that last, and how they end."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import aiohttp
import pytest
from slot_files import FILES, slot
from test_site_servers import PLAY, Site, running, within
from test_templates import play_modules, play_renders

Message = dict[str, Any]

BASE: dict[str, Any] = {"site_interface": "asgi", "site_workers": 1, "site_drain_long": 3}
SLOTS = {"asgi": BASE, "asgi_each": {**BASE, "gunicorn_settings": {"preload_app": False, "worker_connections": 2}}}


# Under a real server


@pytest.fixture(scope="module")
def slots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The files of each slot, as the roles render them."""
    return play_renders(tmp_path_factory.mktemp("slots"), PLAY, SLOTS)


@pytest.fixture(params=["asgi"])
def site(
    request: pytest.FixtureRequest, slots: dict[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """A site under gunicorn's asgi worker."""
    monkeypatch.chdir(tmp_path)
    with running(tmp_path, slots[request.param]) as found:
        yield found


def test_a_request(site: Site) -> None:
    """Its route and its wait are counted, its CPU time is not; the release is named once, and the probe is answered."""
    status, headers, _body = site.ask("/page/7/", **{"X-Request-Start": f"t={time.time():.3f}"})
    assert (status, headers["x-pitcrew-route"], headers["x-pitcrew-release"]) == (200, "/page/<int:n>/", "r1")
    assert 0 <= float(headers["x-pitcrew-queue"]) < 10
    pages = 'pitcrew_request_duration_seconds_count{route="/page/<int:n>/",status="2xx"}'
    assert within(5, lambda: site.values()[pages] == 2)
    assert not [name for name in site.values() if "cpu" in name and name.startswith("pitcrew_")]
    assert site.ask("/page/7/", **{"X-Pitcrew-Probe": "alive"})[::2] == (204, "")
    assert site.ask("/file/")[0] == site.ask("/stream/")[0] == 200
    assert "site_metrics:" not in site.written()


def test_where_it_comes_from(site: Site) -> None:
    """A unix socket has no addresses: the visitor's and the host's are those that nginx tells."""
    scope = json.loads(
        site.ask("/scope/", **{"X-Real-IP": "203.0.113.7", "Host": "shop.test:8080", "X-Forwarded-Proto": "https"})[2]
    )
    assert scope == {"client": ["203.0.113.7", 0], "server": ["shop.test", 8080], "scheme": "https"}


@pytest.mark.parametrize("site", ["asgi_each"], indirect=True)
def test_as_many_requests_at_a_time_as_planned(site: Site) -> None:
    """Two have places; the others wait, and the process says meanwhile that it is alive. A stream needs no place."""
    with ThreadPoolExecutor(8) as visitors:
        streams = [site.connection() for _ in range(2)]
        for stream in streams:
            stream.request("GET", "/events/")
            assert stream.getresponse().readline() == b"data: tick\n"
        began = time.monotonic()
        waits = [visitors.submit(site.ask, "/wait/?seconds=0.7") for _ in range(4)]
        time.sleep(0.2)
        assert site.ask("/", **{"X-Pitcrew-Probe": "alive"})[0] == 204
        assert time.monotonic() - began < 0.7
        assert [wait.result()[2] for wait in waits] == ["waited"] * 4
        assert 1.4 <= time.monotonic() - began < 2.8
        for stream in streams:
            stream.close()


async def visit(site: Site, drain: bool) -> tuple[float, int | None, float]:
    """Open a WebSocket and a stream, stop the site, and give when each ended, and the code."""
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector("run/app.sock")) as session:
        socket = await session.ws_connect("http://shop.test/live/")
        await socket.send_str("wheel")
        assert (await socket.receive_str()).startswith("wheel by ")
        stream = await session.get("http://shop.test/events/")
        waiting = asyncio.create_task(session.get("http://shop.test/wait/?seconds=2"))
        await asyncio.sleep(0.5)
        if drain:
            (site.tmp / "slot/drain").touch()
        began = time.monotonic()
        site.process.send_signal(signal.SIGTERM)

        async def end_of_socket() -> float:
            while not socket.closed:
                await socket.receive()
            return time.monotonic() - began

        async def end_of_stream() -> float:
            await stream.read()  # It ends as it should, or this raises an error.
            return time.monotonic() - began

        ends = await asyncio.gather(end_of_socket(), end_of_stream())
        assert await (await waiting).text() == "waited"
        return ends[0], socket.close_code, ends[1]


@pytest.mark.parametrize(("drain", "earliest", "latest"), [(False, 0.0, 8.0), (True, 3.0, 11.0)])
def test_connections_that_last(site: Site, drain: bool, earliest: float, latest: float) -> None:
    """They are closed when the slot ends, after the time that they were promised if another slot takes its place."""
    socket, code, stream = asyncio.run(visit(site, drain))
    assert code == 1012
    assert earliest <= socket <= latest
    assert earliest <= stream <= latest
    assert site.process.wait(15) == 0
    # The application gets the code with which the client answers.
    assert "disconnected: 1000" in site.written()
    assert "Traceback" not in site.written()


# By itself


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """site_asgi, with a played Django and without a project."""
    with slot(tmp_path, monkeypatch) as modules:
        (tmp_path / "slot/site_asgi.json").write_text(
            json.dumps({"application": "shop.asgi", "metrics": False, "json_logging": False, "drain_long": 7})
        )
        play_modules(
            monkeypatch,
            {
                "shop": {},
                "shop.asgi": {"application": nothing},
                "django": {},
                "django.urls": {"get_resolver": lambda: SimpleNamespace(url_patterns=[])},
                "django.db": {"connections": SimpleNamespace(close_all=lambda: None)},
                "site_errors": {"show_errors": lambda: None},
            },
        )
        yield modules("site_asgi")


async def nothing(_scope: Message, _receive: Callable[..., Any], _send: Callable[..., Any]) -> None:
    """Answer nothing."""


def served(
    module: ModuleType, application: Callable[..., Awaitable[None]], scope: Message, over: bool = False, places: int = 1
) -> list[Message]:
    """Serve one connection, and give what was sent."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def serve() -> None:
        site = module.Site(application, "r1", 7)
        site.places, site.over = asyncio.Semaphore(places), over
        await site({"headers": [], "path": "/", **scope}, None, send)
        await asyncio.sleep(0)
        assert (site.lasting, site.began) == (set(), {})
        assert site.places._value == places

    asyncio.run(serve())
    return sent


def test_it_says_how_long_connections_may_stay(module: ModuleType) -> None:
    assert (module.application.application, module.application.drain_long) == (nothing, 7)


def test_a_place_is_left_whatever_happens(module: ModuleType) -> None:
    async def fails(_scope: Message, _receive: Any, _send: Any) -> None:
        raise LookupError("no wheels")

    with pytest.raises(LookupError):
        served(module, fails, {"type": "http"})


def test_a_websocket_that_is_accepted_too_late(module: ModuleType) -> None:
    """It is closed at once, and what the application sends afterwards is dropped: the client is gone."""

    async def greets(_scope: Message, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", "headers": [(b"X-PITCREW-RELEASE", b"r7"), (b"x-a", b"1")]})
        await asyncio.sleep(0)
        await send({"type": "websocket.send", "text": "hello"})
        await send({"type": "websocket.close", "code": 1000})

    assert served(module, greets, {"type": "websocket"}, over=True) == [
        {"type": "websocket.accept", "headers": [(b"x-a", b"1"), (b"x-pitcrew-release", b"r1")]},
        {"type": "websocket.close", "code": 1012, "reason": "service restart"},
    ]


def test_a_stream_that_begins_too_late(module: ModuleType) -> None:
    """It ends properly, with nothing in it; nginx would not keep its events."""

    async def ticks(_scope: Message, _receive: Any, send: Any) -> None:
        headers = [(b"Content-Type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"data: tick\n\n", "more_body": True})

    start, end = served(module, ticks, {"type": "http"}, over=True)
    assert start["headers"][1:] == [(b"x-pitcrew-release", b"r1"), (b"x-accel-buffering", b"no")]
    assert end == {"type": "http.response.body", "body": b"", "more_body": False}


@pytest.mark.parametrize(
    ("headers", "scheme", "client", "server"),
    [
        ({b"host": b"shop.test"}, "https", None, ("shop.test", 443)),
        ({b"host": b"shop.test:8080", b"x-real-ip": b"2001:db8::7"}, "ws", ("2001:db8::7", 0), ("shop.test", 8080)),
        ({b"host": b"[2001:db8::1]:8080"}, "wss", None, ("[2001:db8::1]", 8080)),
        ({b"host": b"[2001:db8::1]"}, "http", None, ("[2001:db8::1]", 80)),
        ({}, "http", None, ("", 80)),
    ],
)
def test_addresses(
    module: ModuleType, headers: dict[bytes, bytes], scheme: str, client: Any, server: tuple[str, int]
) -> None:
    """Of the visitor, and of the site as the visitor called it."""
    found = module.located({"headers": list(headers.items()), "scheme": scheme})
    assert (found["client"], found["server"]) == (client, server)


def test_the_file_of_the_switch_is_the_one_that_is_looked_for(module: ModuleType, tmp_path: Path) -> None:
    from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite

    slot_of_switch = HostedSite("shop", str(tmp_path)).slots["blue"]
    assert Path(module.DRAIN).name == slot_of_switch.drain_file.name
    assert (FILES / "site_asgi.py").exists()
