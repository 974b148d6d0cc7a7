"""The client that keeps connections open tells how each of them ended, against a server that misbehaves."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import WSCloseCode, web

LAB = Path(__file__).resolve().parents[2] / "lab"
sys.path.insert(0, str(LAB))

from lasting import Connection, Lasting, LastingPlan, LastingReport  # noqa: E402

Handler = Callable[[web.Request], web.StreamResponse]


class Server:
    """Greets and echoes as the example site does; does something else in the first connection."""

    def __init__(self) -> None:
        self.url = ""
        self.fault = ""
        self.seen = 0

    def who(self, **details: str) -> str:
        """Give the greeting: the first connection has another release than the others."""
        return json.dumps({"release": f"r{min(self.seen, 2)}", "pid": 7, **details})

    async def live(self, request: web.Request) -> web.StreamResponse:
        """Serve a WebSocket."""
        self.seen += 1
        fault = self.fault if self.seen == 1 else ""
        if fault == "refuse":
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        greeting = self.who()
        await socket.send_str(greeting)
        if fault == "restart":
            await socket.close(code=WSCloseCode.SERVICE_RESTART)
        if fault == "drop":
            assert request.transport is not None
            request.transport.abort()
        async for message in socket:
            text = "pong" if fault == "wrong" else message.data
            await socket.send_str(json.dumps({**json.loads(greeting), "text": text}))
        return socket

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Serve a stream, which ends in the first connection."""
        self.seen += 1
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        greeting = f"data: {self.who()}\n\n".encode()
        for _ in range(1 if self.fault and self.seen == 1 else 100):
            await response.write(greeting)
            await asyncio.sleep(0.1)
        return response


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on a free port of its own, in a thread."""
    found, loop = Server(), asyncio.new_event_loop()
    application = web.Application()
    application.add_routes([web.get("/exercise/live/", found.live), web.get("/exercise/events/", found.events)])
    runner = web.AppRunner(application, shutdown_timeout=0.1)

    async def begin() -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.url = site.name

    loop.run_until_complete(begin())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield found
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)


def watched(server: Server, websockets: int, streams: int, seconds: float) -> LastingReport:
    """Keep connections open for a while."""
    with Lasting(server.url, websockets=websockets, streams=streams) as lasting:
        time.sleep(seconds)
        report: LastingReport = lasting.stop()
    return report


def test_connections_that_stay(server: Server) -> None:
    """They are open to the end, and answered by one release."""
    report = watched(server, websockets=3, streams=2, seconds=2.5)
    assert [len(report.of(kind)) for kind in ("websocket", "events")] == [3, 2]
    assert report.failed == []
    assert [one.closed for one in report.connections] == [None] * 5
    assert all(one.waited is not None and one.waited < 2 for one in report.connections)


def test_a_websocket_that_is_closed(server: Server) -> None:
    """With its code; the client comes again."""
    server.fault = "restart"
    first, second = watched(server, websockets=1, streams=0, seconds=3).connections
    assert (first.code, first.release, first.error) == (1012, "r1", "")
    assert first.closed is not None
    assert second.began >= first.closed
    assert (second.closed, second.release) == (None, "r2")


@pytest.mark.parametrize(
    ("fault", "error"),
    [("drop", "broke off without a close frame"), ("wrong", "not an echo"), ("refuse", "503")],
)
def test_a_websocket_that_fails(server: Server, fault: str, error: str) -> None:
    """The report says why, and the client tries again."""
    server.fault = fault
    first, second = watched(server, websockets=1, streams=0, seconds=3).connections
    assert error in first.error
    assert second.error == ""


def test_a_stream_that_ends(server: Server) -> None:
    server.fault = "end"
    first, second = watched(server, websockets=0, streams=1, seconds=3).connections
    assert (first.error, first.release, first.code) == ("", "r1", None)
    assert first.closed is not None
    assert (second.closed, second.release) == (None, "r2")


@pytest.mark.parametrize(
    ("url", "websockets"), [("http://8.8.8.8", 1), ("http://127.0.0.1", 0), ("http://127.0.0.1", 1001)]
)
def test_what_a_lab_client_does_not_do(url: str, websockets: int) -> None:
    with pytest.raises(ValueError, match=r"say 1 to 1000|for labs only"):
        LastingPlan(url, "", websockets, 0)


def test_the_report_in_words() -> None:
    """How many of each kind and release, and when they were closed."""
    connections = (
        Connection("websocket", 0.0, 0.1, 9.0, "r1", 7, 1012),
        Connection("websocket", 0.0, 0.1, 12.0, "r1", 7, 1012),
        Connection("websocket", 9.0, 9.1, None, "r2", 8),
        Connection("events", 0.0, None, 0.2, "", 0, None, "ValueError: status 503"),
    )
    text = str(LastingReport(LastingPlan("http://127.0.0.1", "", 2, 1), 0.0, connections))
    assert "    2 websocket r1                              closed from 9.00 to 12.00 s, codes 1012" in text
    assert "    1 websocket r2                              open" in text
    assert "status 503" in text
