"""What gunicorn's asgi worker runs: the project's application, with as many requests at a time as the plan has.

The worker takes every connection that nginx opens. Requests beyond the plan's wait here, in order, as they wait in the
listen queue of a worker with threads: so what a request may hold (a thread for a view that is not asynchronous, a
database connection) is bounded. WebSockets and streams of events are counted by nginx alone.

These may last for hours, and a slot cannot hand them over to the next one. So they are closed when the slot ends:
WebSockets with the code 1012 (service restart), streams by their regular end, after which browsers connect anew. If the
slot makes way for another one, they are left alone for a while first: the switch says so by a file.
"""

import asyncio
import os
import re
from time import monotonic

import site_application

HERE = os.path.dirname(__file__)
# The switch creates this file in the slot's directory before it stops a slot whose connections may stay for a while.
DRAIN = os.path.join(HERE, "drain")
RESTART = {"type": "websocket.close", "code": 1012, "reason": "service restart"}
# nginx passes each event on at once.
UNBUFFERED = (b"x-accel-buffering", b"no")
# All clients at once would meet the new slot with one burst of handshakes.
SPREAD_S = 5
# How long clients and the application may take for their part of it.
FAREWELL_S = 5
# As often as gunicorn itself looks whether the worker ends.
POLL_S = 1
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class WebSocket:
    """An open WebSocket."""

    def __init__(self, send):
        self._send = send
        self.closed = False

    async def send(self, message):
        """Send a message of the application; after the end there is nothing to send."""
        if self.closed:
            return
        if message["type"] == "websocket.close":
            self.closed = True
        await self._send(message)

    async def end(self):
        """Close it. The application then receives that it is disconnected."""
        await self.send(RESTART)


class Stream:
    """A response that is a stream of events."""

    def __init__(self, send):
        self._send = send
        self.closed = False

    async def send(self, message):
        """Send a part of the response; after the end there is nothing to send."""
        if not self.closed:
            self.closed = not message.get("more_body", False)
            await self._send(message)

    async def end(self):
        """End the response. nginx then closes the connection, and the application receives that."""
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})


class Place:
    """One of the places for requests, which is left once."""

    def __init__(self, site):
        self.site, self.taken = site, False

    async def take(self):
        """Wait for a place."""
        await self.site.places.acquire()
        self.taken = True
        # For site_hang: what has no response yet.
        self.site.began[self] = monotonic()

    def responds(self):
        """Note that the response begins: from now on it may take as long as its reader does."""
        self.site.began.pop(self, None)

    def leave(self):
        """Leave it to another request."""
        if self.taken:
            self.taken = False
            self.responds()
            self.site.places.release()


class Site:
    """The application of one worker, and what is under way in it."""

    def __init__(self, application, release, drain_long):
        self.application = application
        self.header = (b"x-pitcrew-release", release.encode())
        self.drain_long = drain_long
        self.places = None
        self.began = {}
        self.lasting = set()
        self.over = False
        self.tasks = set()

    def follow(self, worker):
        """Serve in a worker of gunicorn whose event loop is about to run, and end with it."""
        self.places = asyncio.Semaphore(worker.cfg.worker_connections)
        self.do(worker.loop, self.end_with(worker))

    def do(self, loop, coroutine):
        """Run a task, and keep it from being collected as garbage."""
        task = loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def __call__(self, scope, receive, send):
        """Serve one connection."""
        if scope["type"] == "http":
            await self.request(located(scope), receive, send)
        elif scope["type"] == "websocket":
            await self.websocket(located(scope), receive, send)
        else:
            await self.application(scope, receive, send)

    async def request(self, scope, receive, send):
        """Answer a request, as soon as it has a place; or say that this process is alive."""
        if dict(scope["headers"]).get(b"x-pitcrew-probe") == b"alive":
            await send({"type": "http.response.start", "status": 204, "headers": [self.header]})
            await send({"type": "http.response.body"})
            return
        place, stream = Place(self), None

        async def answer(message):
            nonlocal stream
            if message["type"] == "http.response.start":
                message = self.named(message)
                place.responds()
                if site_application.is_stream_of_events(message["headers"]):
                    message["headers"].append(UNBUFFERED)
                    place.leave()
                    stream = self.lasts(Stream(send))
                await send(message)
            elif message["type"] == "http.response.body" and stream:
                await stream.send(message)
            else:
                await send(message)

        await place.take()
        try:
            await self.application(scope, receive, answer)
        finally:
            place.leave()
            self.lasting.discard(stream)

    async def websocket(self, scope, receive, send):
        """Serve a WebSocket."""
        connection = WebSocket(send)

        async def answer(message):
            if message["type"] in ("websocket.accept", "websocket.http.response.start"):
                message = self.named(message)
            await connection.send(message)
            if message["type"] == "websocket.accept":
                self.lasts(connection)

        try:
            await self.application(scope, receive, answer)
        finally:
            self.lasting.discard(connection)

    def named(self, message):
        """Name the release in a response, whatever the application calls itself."""
        headers = [
            (name, value) for name, value in message.get("headers") or () if bytes(name).lower() != self.header[0]
        ]
        return {**message, "headers": [*headers, self.header]}

    def lasts(self, connection):
        """Keep a connection that may last for long, to close it in the end: at once if that is past."""
        self.lasting.add(connection)
        if self.over:
            self.do(asyncio.get_running_loop(), connection.end())
        return connection

    async def end_with(self, worker):
        """Wait until the worker ends, then close what is still open, and let the application take note of it."""
        while worker.alive:
            await asyncio.sleep(POLL_S)
        # The worker exits once it has no connections: without this one, before the application has seen them go.
        worker.nr_conns += 1
        if os.path.exists(DRAIN):
            await self.empty_within(self.drain_long)
        self.over = True
        remaining = list(self.lasting)
        if remaining:
            worker.log.info("Closing %d WebSockets and streams", len(remaining))
        loop = asyncio.get_running_loop()
        for connection in remaining:
            # One after the other, each of which may have to wait for its client.
            self.do(loop, connection.end())
            await asyncio.sleep(SPREAD_S / len(remaining))
        await self.empty_within(FAREWELL_S)
        worker.nr_conns -= 1

    async def empty_within(self, seconds):
        """Wait until nothing that may last is under way, for so many seconds at most."""
        end = monotonic() + seconds
        while self.lasting and monotonic() < end:
            await asyncio.sleep(min(POLL_S, max(end - monotonic(), 0)))


def located(scope):
    """Tell the application who the visitor is, and where: a unix socket has no addresses.

    Django's REMOTE_ADDR, SERVER_NAME and SERVER_PORT come from these. nginx has set both headers.
    """
    headers = dict(scope["headers"])
    address = headers.get(b"x-real-ip", b"").decode("latin-1")
    # An IPv6 address has colons of its own, in brackets.
    named = re.fullmatch(r"(.*?)(?::(\d+))?", headers.get(b"host", b"").decode("latin-1"))
    host, port = named.groups() if named else ("", None)
    server = (host, int(port) if port else PORTS.get(scope.get("scheme"), 80))
    return {**scope, "client": (address, 0) if address else None, "server": server}


def load(site):
    """Load the application and its URLs; a release for which one of them fails does not start."""
    application = site_application.load(site, "asgi", lambda found: found)
    return Site(application, os.environ["SITE_RELEASE"], site["drain_long"])


application = load(site_application.read(__file__))
