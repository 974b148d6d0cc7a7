"""The client of the sizing benchmark keeps count, against a server that behaves as each test sets."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any

import pytest
from ansible_collections.pitcrew.django.tests.benchmark.sizing.load import Outcome, Task, run


def load(status: str = "200 OK", takes: float = 0.0, **options: Any) -> tuple[Outcome, list[bytes]]:
    """Run a task against a server that answers each request alike; give the outcome and what it received."""
    requests: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        await asyncio.sleep(takes)
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode() if status else b"")
        writer.close()

    async def offered() -> Outcome:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            task = Task(address="127.0.0.1", port=port, host="shop.test", paths=("/x/",), **options)
            return await run(task)

    return asyncio.run(offered()), requests


def test_open_offers_its_rate_and_counts_what_comes_after_the_warm_up() -> None:
    outcome, asked = load(way="open", seconds=1.0, rate=200.0, warm_up=0.5, takes=0.02)
    assert 140 <= len(asked) <= 260
    assert outcome.served == len(asked)
    assert abs(outcome.in_window - outcome.offered) <= 10
    assert 50 <= outcome.offered == outcome.answered < outcome.served
    assert outcome.errors == {}
    assert 20 <= outcome.mean_ms <= outcome.p99_ms < 200
    assert asked[0].startswith(b"GET /x/ HTTP/1.1\r\nHost: shop.test\r\n")


def test_open_gives_up_on_a_server_that_is_overwhelmed() -> None:
    outcome, asked = load(way="open", seconds=5.0, rate=200.0, takes=0.5, hopeless=20)
    assert outcome.gave_up
    assert outcome.seconds < 2
    assert 20 <= len(asked) <= 25


def test_a_queue_that_grows_shows_in_the_window() -> None:
    """Answers come after the end: asked for in time, but too late for this rate."""
    outcome, _asked = load(way="open", seconds=1.0, rate=100.0, takes=0.6)
    assert outcome.answered == outcome.offered
    assert outcome.in_window < 0.6 * outcome.offered


@pytest.mark.parametrize(("status", "error"), [("500 Oops", "status 500"), ("", "no answer")])
def test_wrong_answers_are_errors(status: str, error: str) -> None:
    outcome, asked = load(status, way="closed", seconds=0.2, at_a_time=2)
    assert outcome.errors == {error: len(asked)}
    assert outcome.served == outcome.answered == 0
    assert outcome.p99_ms == float("inf")


def test_paced_pauses_after_each_answer() -> None:
    outcome, asked = load(way="paced", seconds=0.5, gap=0.1)
    assert 4 <= len(asked) == outcome.served <= 5


def test_requests_of_a_mix_do_not_depend_on_the_rate() -> None:
    def first(rate: float) -> list[bytes]:
        task = Task("127.0.0.1", "shop.test", "open", 1, rate=rate, mix="b", rounds_per_ms=10, seed=3)
        return [request for request, _draw in islice(task.requests(), 3)]

    assert first(10) == first(99)
    assert b"&queries=5 HTTP/1.1\r\n" in first(10)[0]


@pytest.mark.parametrize("options", [{"address": "8.8.8.8"}, {"rate": 1e5}, {"seconds": 1e6}])
def test_what_a_lab_is_not_for_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="lab"):
        Task(**{"address": "127.0.0.1", "host": "x", "way": "open", "seconds": 1.0, **options})
