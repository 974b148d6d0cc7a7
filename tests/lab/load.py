"""Put a steady load on a lab host and report what became of every single request.

    python load.py http://127.0.0.1:8080 --host shop.test --rate 50 --seconds 60

    with Load("http://127.0.0.1:8080", host="shop.test") as load:
        deploy()
    report = load.stop()
    assert report.lost == [], report

The load is open: requests are sent at fixed times, whether or not earlier ones have been answered, each on a new
connection, and latency counts from the time at which a request was due. A server that stalls is therefore charged
for every request that arrives meanwhile (a closed loop would politely wait with it: "coordinated omission").

The client is a process of its own, so that the work of the test does not delay it, and it reports its own
lag, so that a late answer can be told from a late client. It ends when `stop()` is called, when its time is over, or
when the process that started it exits. All times are in seconds; those of a report count from its start.
"""

import argparse
import asyncio
import hashlib
import json
import math
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from ipaddress import ip_address, ip_network
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

import aiohttp

__all__ = ["DEFAULT_MIX", "FULL_MIX", "Kind", "Load", "Plan", "Release", "Report", "Result"]

# An answer is late when it takes this much longer than its kind of request takes by itself.
LATE = 1.0
# Bounds: a mistake in a test must not become an attack, and a client port is not free again for a minute.
MAX_RATE = 400.0
MAX_SECONDS = 3600.0
# The size of a piece of a body that is sent piece by piece, in bytes.
PIECE = 4096
# The header in which the example site names its release. To the collection it is one of many; its own is another.
RELEASE_HEADER = "X-Release"
# Descriptors that the client opens besides those of its requests.
OWN_DESCRIPTORS = 64
# How long the client may take to start, and to hand over its results.
PATIENCE = 60.0

LAB_NETWORKS = tuple(
    ip_network(network)
    for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)


@dataclass(frozen=True)
class Kind:
    """A kind of request: its `share` of the mix, a POST if it has a body, and the seconds it `takes` by itself.

    The answer is 200 and JSON with `release` and `pid`, and with `sha256` and `length` of the body if there is one. A
    body may be sent piece by piece, over `body_seconds`. If the answer is not JSON, `answer_bytes` is its length, and a
    header names the release.
    """

    name: str
    share: int
    path: str
    body_bytes: int = 0
    takes: float = 0.0
    body_seconds: float = 0.0
    answer_bytes: int = 0


DEFAULT_MIX = (
    Kind("fast", 6, "/exercise/fast/"),
    Kind("echo", 3, "/exercise/echo/", body_bytes=8192),
    Kind("wait", 1, "/exercise/wait/?seconds=1", takes=1.0),
)

# Includes visitors whose requests or answers are slow in transit.
FULL_MIX = (
    *(replace(kind, share=kind.share * 10 - 1) for kind in DEFAULT_MIX[:2]),
    replace(DEFAULT_MIX[2], share=10),
    Kind("upload", 1, "/exercise/echo/", body_bytes=65_536, takes=3.0, body_seconds=3.0),
    Kind("download", 1, "/exercise/stream/?seconds=3&chunks=60", takes=3.0, answer_bytes=60 * 1024),
)


def require_lab(url: str) -> None:
    """Raise ValueError if a URL does not name a server of a lab."""
    parts = urlsplit(url)
    try:
        address = ip_address(parts.hostname or "")
    except ValueError:
        raise ValueError(f"{url!r} names no address: say http://127.0.0.1:8080, and the name as host.") from None
    if not any(address in network for network in LAB_NETWORKS):
        raise ValueError(f"{address} is neither a loopback nor a private address: this client is for labs only.")
    if parts.scheme != "http" or parts.path not in {"", "/"} or parts.query:
        raise ValueError(f"{url!r} is not of the form http://address:port.")


@dataclass(frozen=True)
class Plan:
    """What to send, where and for how long. Raises ValueError for a load that a lab client should not produce."""

    url: str
    host: str
    rate: float
    seconds: float
    timeout: float
    mix: tuple[Kind, ...]

    def __post_init__(self) -> None:
        require_lab(self.url)
        if not 1 <= self.rate <= MAX_RATE:
            raise ValueError(f"rate is {self.rate!r}: say 1 to {MAX_RATE:.0f} requests a second.")
        for name, seconds in (("seconds", self.seconds), ("timeout", self.timeout)):
            if not 0 < seconds <= MAX_SECONDS:
                raise ValueError(f"{name} is {seconds!r}: say more than 0 and up to {MAX_SECONDS:.0f}.")
        if not self.mix or any(kind.share < 1 for kind in self.mix):
            raise ValueError("The mix needs at least one kind, and every kind a share of at least 1.")
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if allowed != resource.RLIM_INFINITY and self.descriptors > allowed:
            raise ValueError(
                f"{self.rate:g} requests a second that wait {self.timeout:g} s for a dead server need "
                f"{self.descriptors} descriptors; this host allows {allowed}: lower the rate or the timeout."
            )

    @property
    def count(self) -> int:
        """Return how many requests there will be."""
        return math.ceil(self.rate * self.seconds)

    @property
    def descriptors(self) -> int:
        """Return how many descriptors the client needs when nothing is answered."""
        return math.ceil(min(self.count, self.rate * self.timeout)) + OWN_DESCRIPTORS

    def kinds(self) -> Iterator[Kind]:
        """Yield the kind of each request: the same order on every run, each kind spread evenly."""
        total = sum(kind.share for kind in self.mix)
        credit = dict.fromkeys(self.mix, 0)
        for _ in range(self.count):
            for kind in self.mix:
                credit[kind] += kind.share
            chosen = max(credit, key=credit.__getitem__)
            credit[chosen] -= total
            yield chosen


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one request; if there was no answer, `first_byte` and `status` are None."""

    kind: str
    scheduled: float
    sent: float
    first_byte: float | None
    end: float
    status: int | None
    error: str
    release: str
    pid: int

    @property
    def latency(self) -> float:
        """Return the seconds from the time at which the request was due."""
        return self.end - self.scheduled

    @property
    def lag(self) -> float:
        """Return by how much the client itself was late."""
        return self.sent - self.scheduled


@dataclass(frozen=True)
class Release:
    """A release that answered, with the times at which its first and its last answer began to arrive."""

    name: str
    first: float
    last: float
    answers: int
    pids: tuple[int, ...]


@dataclass(frozen=True)
class Report:
    """What became of the requests of one load, in the order in which they were due."""

    plan: Plan
    started: float
    """Seconds since the epoch."""
    cpu: float
    """Cores that the client itself used."""
    results: tuple[Result, ...]

    def between(self, start: float, end: float) -> "Report":
        """Return the report of the requests that were due from `start` until before `end`."""
        return replace(self, results=tuple(r for r in self.results if start <= r.scheduled < end))

    @cached_property
    def lost(self) -> list[Result]:
        """Return the requests without the right answer: no connection, no answer, bad status, wrong body."""
        return [result for result in self.results if result.error]

    @cached_property
    def late(self) -> list[Result]:
        """Return the requests answered correctly, but more than a second later than their kind takes."""
        return [r for r in self.results if not r.error and r.latency > self._limit(r)]

    @cached_property
    def late_by_client(self) -> list[Result]:
        """Return the late requests that would not have been late without a stall of the client."""
        return [r for r in self.late if r.latency - self._stall(r) <= self._limit(r)]

    @cached_property
    def releases(self) -> list[Release]:
        """Return the releases that answered, in the order of their first answers."""
        answers: dict[str, list[Result]] = {}
        for result in self.results:
            if result.release:
                answers.setdefault(result.release, []).append(result)
        seen = []
        for name, group in answers.items():
            times = [result.first_byte for result in group if result.first_byte is not None]
            pids = tuple(sorted({result.pid for result in group if result.pid}))
            seen.append(Release(name, min(times), max(times), len(group), pids))
        return sorted(seen, key=lambda release: release.first)

    @cached_property
    def stale(self) -> list[Result]:
        """Return the requests sent after a newer release began to answer, and yet answered by an older one.

        The release whose first answer came later is the newer one. If a load sees a release return (a rollback to one
        that has already answered), ask for `between()` of a time that contains one change only.
        """
        over = {old.name: new.first for old, new in pairwise(self.releases)}
        return [r for r in self.results if r.sent > over.get(r.release, math.inf)]

    @property
    def clean(self) -> bool:
        """Return whether there were requests, and none was lost, late through the server's fault, or stale."""
        late = len(self.late) - len(self.late_by_client)
        return bool(self.results) and not (self.lost or late or self.stale)

    @property
    def longest_silence(self) -> float:
        """Return the longest time without a right answer to a request that takes no time by itself."""
        due = [result.scheduled for result in self.results]
        ends = sorted(result.end for result in self.results if self._fast(result) and not result.error)
        moments = [min(due), *ends, max(due + ends)] if due else []
        return max((after - before for before, after in pairwise(moments)), default=0.0)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many requests of each kind were sent, and how many of these were ok, late and lost."""
        sent, late, lost = (Counter(r.kind for r in group) for group in (self.results, self.late, self.lost))
        return {
            kind.name: {
                "sent": sent[kind.name],
                "ok": sent[kind.name] - late[kind.name] - lost[kind.name],
                "late": late[kind.name],
                "lost": lost[kind.name],
            }
            for kind in self.plan.mix
        }

    def latency(self) -> dict[str, float]:
        """Return p50, p95, p99 and max of the right answers to requests that take no time by themselves."""
        return _percentiles([r.latency for r in self.results if self._fast(r) and not r.error])

    def lag(self) -> dict[str, float]:
        """Return p50, p95, p99 and max of the client's own lag."""
        return _percentiles([result.lag for result in self.results])

    def errors(self) -> dict[str, int]:
        """Return how often each error occurred, the most frequent first."""
        return dict(Counter(result.error for result in self.lost).most_common())

    def as_dict(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return {
            "plan": asdict(self.plan),
            "started": self.started,
            "cpu": self.cpu,
            "counts": self.counts(),
            "latency": self.latency(),
            "lag": self.lag(),
            "longest_silence": self.longest_silence,
            "late_by_client": len(self.late_by_client),
            "stale": len(self.stale),
            "releases": [asdict(release) for release in self.releases],
            "errors": self.errors(),
            "results": [asdict(result) for result in self.results],
        }

    def __str__(self) -> str:
        counts = self.counts()
        late = f"{len(self.late)} late ({len(self.late_by_client)} of them by the client)"
        lines = [
            f"{self.plan.url} as {self.plan.host or 'itself'}, {self.plan.rate:g} requests/s: "
            f"{len(self.results)} sent, {len(self.lost)} lost, {late}, {len(self.stale)} stale",
            f"  {'kind':10}{'sent':>8}{'ok':>8}{'late':>8}{'lost':>8}",
            *(f"  {kind:10}" + "".join(f"{n:8}" for n in row.values()) for kind, row in counts.items()),
            f"  latency of the fast {_milliseconds(self.latency())}",
            f"  longest silence     {self.longest_silence * 1000:.0f} ms",
            f"  lag of the client   {_milliseconds(self.lag())}; {self.cpu:.0%} of a core",
            f"  {'release':32}{'first':>10}{'last':>10}{'answers':>9}{'processes':>11}",
            *(f"  {r.name:32}{r.first:8.2f} s{r.last:8.2f} s{r.answers:9}{len(r.pids):11}" for r in self.releases),
            *(f"  {count:6} x {error}" for error, count in list(self.errors().items())[:8]),
        ]
        return "\n".join(lines)

    def _fast(self, result: Result) -> bool:
        return self._takes[result.kind] == 0

    def _limit(self, result: Result) -> float:
        return self._takes[result.kind] + LATE

    @cached_property
    def _takes(self) -> dict[str, float]:
        return {kind.name: kind.takes for kind in self.plan.mix}

    def _stall(self, late: Result) -> float:
        return max(r.lag for r in self.results if late.scheduled <= r.scheduled <= late.end)


class Load:
    """A load in a process of its own, while the test does something to the site."""

    running: ClassVar[set["Load"]] = set()
    """Loads that have started and have not been asked for their report yet."""

    def __init__(
        self,
        url: str,
        *,
        host: str = "",
        rate: float = 50.0,
        seconds: float = 60.0,
        timeout: float = 30.0,
        mix: Sequence[Kind] = DEFAULT_MIX,
    ) -> None:
        self.plan = Plan(url, host, rate, seconds, timeout, tuple(mix))
        self._report: Report | None = None

    def start(self) -> None:
        """Start the client, and return when it sends the first request."""
        # Not fork: the test may have threads. Only the child keeps the other ends, so that each process sees the
        # death of the other as the end of a pipe.
        context = multiprocessing.get_context("spawn")
        stop, self._stop = context.Pipe(duplex=False)
        self._results, results = context.Pipe(duplex=False)
        self._process = context.Process(target=self._client, args=(self.plan, stop, results), name="load", daemon=True)
        self._process.start()
        stop.close()
        results.close()
        self._begin: float = self._receive(PATIENCE)
        Load.running.add(self)

    @staticmethod
    def _client(plan: Any, stop: Connection, results: Connection) -> None:
        run_client(plan, stop, results, _drive)

    def now(self) -> float:
        """Return the seconds since the start, in the time of the report."""
        return time.monotonic() - self._begin

    def stop(self) -> Report:
        """Send nothing more, let requests in progress finish and return the report."""
        self._stop.close()
        return self._collect(self.plan.timeout)

    def wait(self) -> Report:
        """Let the load run for its full time and return the report."""
        return self._collect(self.plan.seconds + self.plan.timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _collect(self, seconds: float) -> Report:
        if self._report is None:
            Load.running.discard(self)
            self._report = self._receive(seconds + PATIENCE)
            self._process.join()
        return self._report

    def _receive(self, seconds: float) -> Any:
        try:
            if self._results.poll(seconds):
                return self._results.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f"The load client died with exit code {self._process.exitcode}.") from None
        self._process.kill()
        raise RuntimeError(f"The load client said nothing for {seconds:.0f} s.")


class _DroppedError(Exception):
    """The connection failed or ended without an answer."""


def run_client(plan: Any, stop: Connection, results: Connection, drive: Callable[..., Any]) -> None:
    """Be the client's process: send what `drive` reports once it has been told to stop."""
    # Ctrl-C is for the process that started this one, which will ask for the results.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (plan.descriptors, hard))
    results.send(asyncio.run(drive(plan, stop, results)))


def event_at_stop(stop: Connection) -> asyncio.Event:
    """Return an event that happens when the process that started this one has it stop, or ends."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def on_stop() -> None:
        loop.remove_reader(stop.fileno())
        stopped.set()

    loop.add_reader(stop.fileno(), on_stop)
    return stopped


async def _drive(plan: Plan, stop: Connection, ready: Connection) -> Report:
    loop = asyncio.get_running_loop()
    stopped = event_at_stop(stop)
    results: list[Result] = []
    session = aiohttp.ClientSession(
        plan.url,
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=plan.timeout),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Host": plan.host} if plan.host else {},
        middlewares=[_once],
    )
    async with session, asyncio.TaskGroup() as under_way:
        started, cpu, start = time.time(), time.process_time(), loop.time()
        ready.send(start)
        for number, kind in enumerate(plan.kinds()):
            scheduled = number / plan.rate
            await asyncio.sleep(start + scheduled - loop.time())
            if stopped.is_set():
                break
            under_way.create_task(_ask(session, kind, start, scheduled, results))
    cpu = (time.process_time() - cpu) / (loop.time() - start)
    return Report(plan, started, cpu, tuple(sorted(results, key=lambda result: result.scheduled)))


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    # aiohttp sends a GET again when the server drops the connection, new or kept: the loss would go unseen.
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as problem:
        raise _DroppedError(f"{type(problem).__name__}: {problem}") from problem


async def _ask(
    session: aiohttp.ClientSession, kind: Kind, start: float, scheduled: float, results: list[Result]
) -> None:
    body = os.urandom(kind.body_bytes)
    method = "POST" if body else "GET"
    data: bytes | AsyncIterator[bytes] | None = body or None
    headers = {}
    if kind.body_seconds:
        data = _slowly(body, kind.body_seconds)
        # Without its length, a body sent piece by piece would be chunked: another kind of request.
        headers["Content-Length"] = str(len(body))
    first_byte = status = None
    error, release, pid = "", "", 0
    sent = time.monotonic() - start
    try:
        async with session.request(method, kind.path, data=data, headers=headers, allow_redirects=False) as response:
            first_byte = time.monotonic() - start
            status = response.status
            content = await response.read()
            if kind.answer_bytes:
                error, release = _judge_bytes(response, content, kind.answer_bytes)
            else:
                error, release, pid = _judge(status, content, body)
    except TimeoutError:
        error = "time-out"
    except _DroppedError as problem:
        error = str(problem)
    except (aiohttp.ClientError, OSError) as problem:
        error = f"{type(problem).__name__}: {problem}"
    end = time.monotonic() - start
    results.append(Result(kind.name, scheduled, sent, first_byte, end, status, error, release, pid))


async def _slowly(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    """Yield the body in pieces, spread evenly over the time."""
    for start in range(0, len(body), PIECE):
        await asyncio.sleep(seconds * PIECE / len(body))
        yield body[start : start + PIECE]


def _judge_bytes(response: aiohttp.ClientResponse, content: bytes, expected: int) -> tuple[str, str]:
    """Return the error, if any, and the release that answered, if known."""
    release = response.headers.get(RELEASE_HEADER, "")
    if response.status != 200:
        return f"status {response.status}", release
    if len(content) != expected or not release:
        return f"wrong body: {len(content)} bytes instead of {expected}, of release {release!r}", release
    return "", release


def _judge(status: int, content: bytes, body: bytes) -> tuple[str, str, int]:
    """Return the error, if any, and the release and process that answered, if known."""
    try:
        answer = json.loads(content)
        release, pid = str(answer["release"]), int(answer["pid"])
    except (ValueError, KeyError, TypeError):
        return (f"status {status}" if status != 200 else "wrong body: no release or no process"), "", 0
    if status != 200:
        return f"status {status}", release, pid
    expected = (hashlib.sha256(body).hexdigest(), len(body))
    if body and (answer.get("sha256"), answer.get("length")) != expected:
        return "wrong body: not the digest of what was sent", release, pid
    return "", release, pid


def _percentiles(values: list[float]) -> dict[str, float]:
    """Return percentiles by nearest rank, so that each is a value that occurred; none for no values."""
    if not values:
        return {}
    ranked = sorted(values)
    ranks = {f"p{percent}": math.ceil(len(ranked) * percent / 100) for percent in (50, 95, 99)}
    return {name: ranked[rank - 1] for name, rank in ranks.items()} | {"max": ranked[-1]}


def _milliseconds(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in figures.items()) or "of none"


def main(arguments: Sequence[str] | None = None) -> int:
    """Put the default mix on a host; return 0 when nothing was lost, late or stale."""
    parser = argparse.ArgumentParser(description="Put a steady load on a lab host; Ctrl-C ends it early.")
    parser.add_argument("url", help="http://address:port, loopback or private")
    parser.add_argument("--host", default="", help="the site's name for the Host header")
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second (%(default)g)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (%(default)g)")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds to wait for an answer (%(default)g)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every result to this file")
    options = parser.parse_args(arguments)
    try:
        load = Load(
            options.url,
            host=options.host,
            rate=options.rate,
            seconds=options.seconds,
            timeout=options.timeout,
        )
    except ValueError as problem:
        parser.error(str(problem))
    load.start()
    try:
        report = load.wait()
    except KeyboardInterrupt:
        report = load.stop()
    print(report)
    if options.json:
        options.json.write_text(json.dumps(report.as_dict()), encoding="utf-8")
    return 0 if report.clean else 1


if __name__ == "__main__":
    sys.exit(main())
