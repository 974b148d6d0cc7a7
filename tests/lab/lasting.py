"""Keep WebSockets and streams of events open on a lab host, and report what became of every single one.

    with Lasting("http://127.0.0.1:8080", host="shop.test", websockets=200, streams=20) as lasting:
        deploy()
    report = lasting.stop()

Each client does what a browser does: when its connection ends, it opens the next one at once. A WebSocket sends a text
every second and expects it back, so that one that is open and dead is seen. The client is a process of its own, as that
of load.py. All times are in seconds; those of a report count from its start.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection as Pipe
from typing import Any

import aiohttp
from load import OWN_DESCRIPTORS, Load, event_at_stop, require_lab, run_client

__all__ = ["Connection", "Lasting", "LastingPlan", "LastingReport"]

WEBSOCKET = "/exercise/live/"
EVENTS = "/exercise/events/?seconds=1"
MOST = 1000
# A text comes back within this time, an event within this time after the one before.
PATIENCE_S = 10.0
# All at once would be a load of its own: opening a connection costs as much as a request.
OPENED_PER_S = 100
# Who is refused, or finds nobody, tries again after this time.
PAUSE_S = 0.2


@dataclass(frozen=True)
class LastingPlan:
    """What to keep open. Raises ValueError for what a lab client should not do."""

    url: str
    host: str
    websockets: int
    streams: int
    timeout: float = 10.0

    def __post_init__(self) -> None:
        require_lab(self.url)
        if not 0 < self.websockets + self.streams <= MOST:
            raise ValueError(f"{self.websockets} WebSockets and {self.streams} streams: say 1 to {MOST} together.")

    @property
    def descriptors(self) -> int:
        """Return how many descriptors the client needs."""
        return self.websockets + self.streams + OWN_DESCRIPTORS


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection: of which kind, by whom it was answered, and how it ended.

    `closed` is None if it was open to the end of the test. `code` is the one with which the server closed a WebSocket;
    a stream has none, and ends properly without an `error`.
    """

    kind: str
    began: float
    opened: float | None = None
    closed: float | None = None
    release: str = ""
    pid: int = 0
    code: int | None = None
    error: str = ""

    @property
    def waited(self) -> float | None:
        """Return how long it took until the server had greeted; None if it never did."""
        return None if self.opened is None else self.opened - self.began


@dataclass(frozen=True)
class LastingReport:
    """Every connection, in the order in which they began; `started` is in seconds since the epoch."""

    plan: LastingPlan
    started: float
    connections: tuple[Connection, ...]

    def of(self, kind: str) -> list[Connection]:
        """Return those of a kind: websocket, events."""
        return [one for one in self.connections if one.kind == kind]

    @property
    def failed(self) -> list[Connection]:
        """Return those that did not open, were silent, or broke off."""
        return [one for one in self.connections if one.error]

    def __str__(self) -> str:
        lines = []
        for kind in ("websocket", "events"):
            found = self.of(kind)
            for release in dict.fromkeys(one.release for one in found):
                mine = [one for one in found if one.release == release]
                ends = sorted(one.closed for one in mine if one.closed is not None)
                codes = sorted({str(one.code) for one in mine if one.closed is not None})
                span = f"closed from {ends[0]:.2f} to {ends[-1]:.2f} s, codes {', '.join(codes)}" if ends else "open"
                lines.append(f"  {len(mine):5} {kind:10}{release or '(none)':32}{span}")
        lines += [f"  {one}" for one in self.failed[:8]]
        return "\n".join([f"{len(self.connections)} connections that last:", *lines])


class Lasting(Load):
    """Connections in a process of its own, while the test does something to the site."""

    def __init__(self, url: str, *, host: str = "", websockets: int = 200, streams: int = 20) -> None:
        self.plan: Any = LastingPlan(url, host, websockets, streams)
        self._report: Any = None

    @staticmethod
    def _client(plan: Any, stop: Pipe, results: Pipe) -> None:
        run_client(plan, stop, results, _keep)


async def _keep(plan: LastingPlan, stop: Pipe, ready: Pipe) -> LastingReport:
    stopped = event_at_stop(stop)
    session = aiohttp.ClientSession(
        plan.url,
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=plan.timeout),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Host": plan.host} if plan.host else {},
    )
    async with session:
        client = _Client(session, stopped)
        ready.send(client.start)
        async with asyncio.TaskGroup() as under_way:
            for number in range(plan.websockets + plan.streams):
                under_way.create_task(client.stay(number < plan.websockets))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopped.wait(), 1 / OPENED_PER_S)
    found = sorted(client.found, key=lambda one: one.began)
    return LastingReport(plan, client.started, tuple(found))


class _Client:
    """All clients, and what they found."""

    def __init__(self, session: aiohttp.ClientSession, stopped: asyncio.Event) -> None:
        self.session, self.stopped = session, stopped
        self.started, self.start = time.time(), time.monotonic()
        self.found: list[Connection] = []

    def now(self) -> float:
        return time.monotonic() - self.start

    async def stay(self, websocket: bool) -> None:
        """Have a connection open until the test stops."""
        while not self.stopped.is_set():
            watch = _Watched("websocket" if websocket else "events", self)
            talk = asyncio.create_task(watch.websocket() if websocket else watch.events())
            stop = asyncio.create_task(self.stopped.wait())
            await asyncio.wait([talk, stop], return_when=asyncio.FIRST_COMPLETED)
            if talk.done():
                stop.cancel()
            else:
                talk.cancel()
            await asyncio.gather(talk, stop, return_exceptions=True)
            self.found.append(watch.connection)
            if watch.connection.error:
                await asyncio.sleep(PAUSE_S)


class _Watched:
    """One connection while it lasts."""

    def __init__(self, kind: str, client: _Client) -> None:
        self.client = client
        self.connection = Connection(kind, client.now())

    def note(self, **found: Any) -> None:
        self.connection = replace(self.connection, **found)

    def heard(self, text: str) -> dict[str, Any]:
        """Note who answers, and that it is the same one to the end."""
        answer: dict[str, Any] = json.loads(text)
        who = answer["release"], answer["pid"]
        if self.connection.opened is None:
            self.note(opened=self.client.now(), release=who[0], pid=who[1])
        elif who != (self.connection.release, self.connection.pid):
            raise ValueError(f"answered by {who}")
        return answer

    async def websocket(self) -> None:
        try:
            async with self.client.session.ws_connect(WEBSOCKET, autoclose=True, timeout=PAUSE) as socket:
                self.heard(await socket.receive_str(timeout=PATIENCE_S))
                for number in numbers():
                    try:
                        message = await socket.receive(timeout=1)
                    except TimeoutError:
                        await socket.send_str(f"ping {number}")
                        message = await socket.receive(timeout=PATIENCE_S)
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        break
                    if self.heard(message.data)["text"] != f"ping {number}":
                        raise ValueError(f"not an echo of ping {number}: {message.data}")
                self.ended(code=socket.close_code)
        except Exception as problem:
            self.broke(problem)

    async def events(self) -> None:
        headers = {"Accept": "text/event-stream"}
        try:
            async with self.client.session.get(EVENTS, headers=headers) as response:
                if response.status != 200:
                    raise ValueError(f"status {response.status}")
                while line := await asyncio.wait_for(response.content.readline(), PATIENCE_S):
                    if line.startswith(b"data: "):
                        self.heard(line.removeprefix(b"data: ").decode())
                self.ended()
        except Exception as problem:
            self.broke(problem)

    def ended(self, code: int | None = None) -> None:
        self.note(closed=self.client.now(), code=code)
        if self.connection.kind == "websocket" and code in (None, 1006):
            self.note(error="broke off without a close frame")

    def broke(self, problem: Exception) -> None:
        self.note(closed=self.client.now(), error=f"{type(problem).__name__}: {problem}")


PAUSE = aiohttp.ClientWSTimeout(ws_close=PATIENCE_S)


def numbers() -> Iterator[int]:
    """Yield the numbers of the texts."""
    number = 0
    while True:
        yield number
        number += 1
