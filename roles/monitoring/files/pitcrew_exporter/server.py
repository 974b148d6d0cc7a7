# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answer scrapes: prometheus_client's own WSGI application, on the socket that systemd holds for it.

Clients that are many or slow are bounded: so many connections at a time, so many seconds for each.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, Metric, make_wsgi_app
from prometheus_client.registry import Collector

__all__ = ["Recent", "Server"]

CONNECTIONS = 8
CONNECTION_S = 5
FRESH_S = 1


class Recent(Collector):
    """Another collector's metrics; scrapes at the same time, or shortly after one another, share one reading."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.lock = threading.Lock()
        self.read_at = -float("inf")
        self.metrics: list[Metric] = []

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before a scrape."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return the metrics, at most a second old."""
        with self.lock:
            if time.monotonic() - self.read_at > FRESH_S:
                self.metrics = list(self.collector.collect())
                self.read_at = time.monotonic()
            return self.metrics


class Handler(WSGIRequestHandler):
    """Answer one request, and log none."""

    def log_message(self, format: str, *args: Any) -> None:
        """Leave the journal to problems."""


class Server(WSGIServer):
    """Answers each connection in a thread of its own, a few at a time."""

    # Of the socket that it creates before it gets the listener: the sandbox permits none of the network's.
    address_family = socket.AF_UNIX

    def __init__(self, listener: socket.socket, collector: Collector, scraped: Path) -> None:
        super().__init__(listener.getsockname()[:2], Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()[:2]
        self.setup_environ()
        self.free = threading.BoundedSemaphore(CONNECTIONS)
        self.scraped = scraped
        registry = CollectorRegistry()
        registry.register(Recent(collector))
        self.set_app(make_wsgi_app(registry))

    def process_request(self, request: socket.socket, client_address: Any) -> None:
        """Answer in a thread; where too many clients are being answered, one more waits, or is sent away."""
        if not self.free.acquire(timeout=CONNECTION_S):
            self.shutdown_request(request)
            return
        threading.Thread(target=self.answer, args=(request, client_address), daemon=True).start()

    def answer(self, request: socket.socket, client_address: Any) -> None:
        """Answer one client; the connection ends after so many seconds, whatever the client does."""
        limit = threading.Timer(CONNECTION_S, end, [request])
        limit.daemon = True
        limit.start()
        try:
            # A client that has gone is none of our business.
            with contextlib.suppress(OSError, ValueError):
                self.finish_request(request, client_address)
                # pitcrew.django.status reports metrics that nothing reads.
                self.scraped.touch()
        finally:
            limit.cancel()
            self.shutdown_request(request)
            self.free.release()


def end(connection: socket.socket) -> None:
    """End a connection on which another thread waits."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
