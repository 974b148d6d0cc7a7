"""The load client counts exactly: against a server that misbehaves, and on results made by hand."""

import asyncio
import hashlib
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web

LAB = Path(__file__).resolve().parents[2] / "lab"
sys.path.insert(0, str(LAB))

from load import DEFAULT_MIX, FULL_MIX, Kind, Load, Plan, Release, Report, Result  # noqa: E402

# As the default mix, but nobody has to wait for a second.
MIX = (
    Kind("fast", 6, "/exercise/fast/"),
    Kind("echo", 3, "/exercise/echo/", body_bytes=8192),
    Kind("wait", 1, "/exercise/wait/?seconds=0.1", takes=0.1),
)

# One whose body, and one whose answer, comes piece by piece.
PIECEWISE = (
    Kind("upload", 1, "/exercise/echo/", body_bytes=20_000, takes=0.5, body_seconds=0.5),
    Kind("download", 1, "/exercise/stream/", takes=0.1, answer_bytes=3000),
)


class Server:
    """Answers as the example site does, except the nth request of a kind for which there is a fault."""

    def __init__(self) -> None:
        self.url = ""
        self.release = "blue"
        self.faults: dict[tuple[str, int], str] = {}
        self.seen: Counter[str] = Counter()
        self.hosts: Counter[str] = Counter()
        self.reading: list[tuple[float, str]] = []
        self.stop: Callable[[], object] = lambda: None
        self.connections: set[asyncio.Transport | None] = set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Note the request, then do as the fault says; a fault of no other meaning is the release to name."""
        kind = request.match_info["kind"]
        self.seen[kind] += 1
        self.hosts[request.host] += 1
        self.connections.add(request.transport)
        fault = self.faults.get((kind, self.seen[kind]), "")
        if fault.startswith("now "):
            self.release = fault.removeprefix("now ")
        start = time.monotonic()
        body = await request.read()
        self.reading.append((time.monotonic() - start, request.headers.get("Transfer-Encoding", "")))
        if kind == "stream":
            size = 2999 if fault == "short" else 3000
            return web.Response(body=bytes(size), headers={} if fault == "nobody" else {"X-Release": self.release})
        answer = {
            "release": self.release,
            "pid": 7,
            "sha256": hashlib.sha256(body).hexdigest(),
            "length": len(body),
        }
        if kind == "wait":
            await asyncio.sleep(0.1)
        match fault:
            case "302" | "500":
                return web.Response(status=int(fault), headers={"Location": "/exercise/fast/"})
            case "page":
                return web.Response(text="<h1>Welcome</h1>")
            case "drop":
                return self.cut(request, web.Response())
            case "truncate":
                response = web.StreamResponse(headers={"Content-Length": "1000"})
                await response.prepare(request)
                await response.write(json.dumps(answer).encode())
                return self.cut(request, response)
            case "digest":
                answer["sha256"] = hashlib.sha256(b"another").hexdigest()
            case "slow":
                await asyncio.sleep(1.2)
            case "hang":
                await asyncio.sleep(5)
            case "blue" | "green":
                answer["release"] = fault
        return web.json_response(answer)

    @staticmethod
    def cut(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        """End the connection here and now."""
        assert request.transport is not None
        request.transport.abort()
        return response


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a server in a thread, on a free port of the loopback interface."""
    server, started, loop = Server(), threading.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/exercise/{kind}/", server.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        stopped = asyncio.Event()
        loop.call_soon(started.set)
        server.stop = lambda: loop.call_soon_threadsafe(stopped.set)
        await stopped.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    assert started.wait(10)
    yield server
    server.stop()
    thread.join(10)
    loop.close()


def put(server: Server, rate: float = 100, seconds: float = 2, timeout: float = 10) -> Report:
    """Put a load on the server and return the report."""
    load = Load(server.url, host="shop.test", rate=rate, seconds=seconds, timeout=timeout, mix=MIX)
    load.start()
    return load.wait()


class TestLoad:
    """Against the server."""

    def test_a_good_server(self, server: Server) -> None:
        """Every request arrives once, under the site's name, on a connection of its own."""
        report = put(server)
        assert report.counts() == {
            "fast": {"sent": 120, "ok": 120, "late": 0, "lost": 0},
            "echo": {"sent": 60, "ok": 60, "late": 0, "lost": 0},
            "wait": {"sent": 20, "ok": 20, "late": 0, "lost": 0},
        }
        assert report.clean
        assert server.seen == {"fast": 120, "echo": 60, "wait": 20}
        assert server.hosts == {"shop.test": 200}
        assert len(server.connections) == 200
        assert [(r.name, r.answers, r.pids) for r in report.releases] == [("blue", 200, (7,))]
        assert 0 < report.cpu < 1
        assert abs(report.started - time.time()) < 30

    def test_every_fault_is_counted_once(self, server: Server) -> None:
        """Nothing is sent again: the server sees as many requests as the client counts."""
        server.faults = {
            ("fast", 5): "drop",
            ("fast", 15): "drop",
            ("fast", 25): "500",
            ("fast", 35): "302",
            ("fast", 45): "page",
            ("fast", 55): "slow",
            ("fast", 65): "hang",
            ("echo", 3): "digest",
            ("echo", 7): "truncate",
            ("echo", 9): "drop",
            ("echo", 11): "slow",
            ("wait", 2): "500",
            ("wait", 3): "slow",
        }
        report = put(server, timeout=3)
        assert report.counts() == {
            "fast": {"sent": 120, "ok": 113, "late": 1, "lost": 6},
            "echo": {"sent": 60, "ok": 56, "late": 1, "lost": 3},
            "wait": {"sent": 20, "ok": 18, "late": 1, "lost": 1},
        }
        assert server.seen == {"fast": 120, "echo": 60, "wait": 20}
        errors = Counter(result.error.split(":")[0] for result in report.lost)
        assert errors == {
            "ServerDisconnectedError": 3,
            "status 500": 2,
            "status 302": 1,
            "time-out": 1,
            "wrong body": 2,
            "ClientPayloadError": 1,
        }
        assert report.late_by_client == []
        assert not report.clean

    def test_bodies_and_answers_that_come_piece_by_piece(self, server: Server) -> None:
        """They take their time, and are judged as a whole."""
        server.faults = {("stream", 2): "short", ("stream", 3): "nobody"}
        load = Load(server.url, host="shop.test", rate=5, seconds=2, timeout=10, mix=PIECEWISE)
        load.start()
        report = load.wait()
        assert report.counts()["upload"] == {"sent": 5, "ok": 5, "late": 0, "lost": 0}
        assert report.counts()["download"] == {"sent": 5, "ok": 3, "late": 0, "lost": 2}
        assert sorted(report.errors()) == [
            "wrong body: 2999 bytes instead of 3000, of release 'blue'",
            "wrong body: 3000 bytes instead of 3000, of release ''",
        ]
        assert [release.name for release in report.releases] == ["blue"]
        assert report.releases[0].pids == (7,)
        slow = [seconds for seconds, encoding in server.reading if seconds > 0.3 and encoding == ""]
        assert len(slow) == 5

    def test_an_old_release_that_answers_again_is_stale(self, server: Server) -> None:
        """A slow answer of the old release is not, for it was asked before."""
        server.faults = {
            ("fast", 60): "now green",
            ("fast", 80): "blue",
            ("fast", 90): "blue",
            ("echo", 45): "blue",
        }
        report = put(server)
        assert [release.name for release in report.releases] == ["blue", "green"]
        assert Counter(result.kind for result in report.stale) == {"fast": 2, "echo": 1}
        assert {result.release for result in report.stale} == {"blue"}
        assert report.lost == []
        green = report.releases[1].first
        assert report.between(0, green).stale == []
        assert any(r.release == "blue" and r.end > green + 0.02 for r in report.results if r.kind == "wait")

    def test_nobody_listens(self) -> None:
        """Refused connections are lost requests, and the whole time is silence."""
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            load = Load(f"http://127.0.0.1:{reserved.getsockname()[1]}", rate=50, seconds=0.4)
            load.start()
            report = load.wait()
        assert len(report.lost) == 20
        assert {result.status for result in report.lost} == {None}
        assert {result.error.split(":")[0] for result in report.lost} == {"ClientConnectorError"}
        assert report.longest_silence == pytest.approx(0.38)
        assert not report.clean

    def test_stop_waits_for_what_is_under_way(self, server: Server) -> None:
        """Whatever was sent has its answer in the report; stopping twice is no mistake."""
        with Load(server.url, rate=50, seconds=60, mix=(Kind("wait", 1, "/exercise/wait/", takes=0.1),)) as load:
            time.sleep(0.5)
            assert 0.4 < load.now() < 5
        report = load.stop()
        assert 20 <= len(report.results) <= 250
        assert report.clean
        assert report is load.stop()
        assert len(report.results) == server.seen["wait"]

    def test_a_stall_of_the_client_is_told_from_a_stall_of_the_server(self, server: Server) -> None:
        """The client stands still for 1.5 s at least: late are those that were due until a second before its end."""
        with Load(server.url, rate=50, seconds=60, mix=MIX[:1]) as load:
            (client,) = multiprocessing.active_children()
            assert client.pid is not None
            time.sleep(0.3)
            stopped = time.monotonic()
            os.kill(client.pid, signal.SIGSTOP)
            time.sleep(1.5)
            os.kill(client.pid, signal.SIGCONT)
            stall = time.monotonic() - stopped
            time.sleep(0.5)
        report = load.stop()
        # A busy machine lets the client stand still for longer.
        assert report.lag()["max"] >= stall - 0.2
        assert len(report.late) >= 50 * (stall - 1) - 10
        assert report.late_by_client == report.late
        assert report.clean

    def test_the_load_ends_with_the_process_that_started_it(self, server: Server) -> None:
        """Even when that one is killed."""
        program = (
            "import os, sys, load\n"
            "if __name__ == '__main__':\n"
            "    load.Load(sys.argv[1], rate=50).start()\n"
            "    os.kill(os.getpid(), 9)\n"
        )
        ended = subprocess.run([sys.executable, "-c", program, server.url], env={**os.environ, "PYTHONPATH": str(LAB)})
        assert ended.returncode == -signal.SIGKILL
        time.sleep(1)
        seen = server.seen.total()
        time.sleep(0.5)
        assert server.seen.total() == seen

    def test_a_client_that_dies_is_no_report(self, server: Server) -> None:
        """Better no figures than half of them."""
        load = Load(server.url, rate=50, mix=MIX)
        load.start()
        (client,) = multiprocessing.active_children()
        client.kill()
        with pytest.raises(RuntimeError, match="died with exit code -9"):
            load.stop()


class TestCommandLine:
    """As a program."""

    @pytest.mark.parametrize(("fault", "code", "lost"), [("", 0, 0), ("500", 1, 1)])
    def test_result(self, server: Server, tmp_path: Path, fault: str, code: int, lost: int) -> None:
        """The summary on the screen, everything in the file, the verdict in the exit code."""
        server.faults = {("fast", 3): fault}
        file = tmp_path / "load.json"
        command: list[str | Path] = [sys.executable, LAB / "load.py", server.url, "--host", "shop.test"]
        ended = subprocess.run(
            [*command, "--rate", "20", "--seconds", "1", "--json", file], capture_output=True, text=True
        )
        assert ended.returncode == code, ended.stderr
        assert f"{server.url} as shop.test, 20 requests/s: 20 sent, {lost} lost, 0 late" in ended.stdout
        report = json.loads(file.read_text())
        assert report["counts"]["fast"] == {"sent": 12, "ok": 12 - lost, "late": 0, "lost": lost}
        assert len(report["results"]) == 20

    def test_refusal(self) -> None:
        """An address that is not of a lab is a mistake in the arguments."""
        ended = subprocess.run([sys.executable, LAB / "load.py", "http://192.0.2.1"], capture_output=True, text=True)
        assert ended.returncode == 2
        assert "192.0.2.1 is neither a loopback nor a private address" in ended.stderr


class TestPlan:
    """What the client is asked to do."""

    @pytest.mark.parametrize(
        ("url", "changes", "message"),
        [
            ("http://8.8.8.8", {}, "8.8.8.8 is neither a loopback nor a private address"),
            ("http://169.254.169.254", {}, "169.254.169.254 is neither"),
            ("http://0.0.0.0:80", {}, "0.0.0.0 is neither"),
            ("http://[2001:db8::1]", {}, "2001:db8::1 is neither"),
            ("http://example.com", {}, "'http://example.com' names no address"),
            ("http://localhost:8080", {}, "names no address"),
            ("https://127.0.0.1", {}, "not of the form http://address:port"),
            ("http://127.0.0.1/shop", {}, "not of the form http://address:port"),
            ("http://127.0.0.1", {"rate": 401}, "rate is 401"),
            ("http://127.0.0.1", {"rate": float("nan")}, "rate is nan"),
            ("http://127.0.0.1", {"seconds": 3601}, "seconds is 3601"),
            ("http://127.0.0.1", {"timeout": 0}, "timeout is 0"),
            ("http://127.0.0.1", {"mix": ()}, "at least one kind"),
        ],
    )
    def test_refused(self, url: str, changes: dict[str, float], message: str) -> None:
        """With a message that says what is wrong with what."""
        with pytest.raises(ValueError, match=message.replace("[", r"\[")):
            Load(url, **changes)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.2:8080", "http://10.1.2.3", "http://172.31.0.1/", "http://[fd00::1]:80"]
    )
    def test_accepted(self, url: str) -> None:
        """Loopback and private addresses, of both families."""
        assert Load(url).plan.url == url

    def test_the_mix_is_even(self) -> None:
        """Of each ten requests six are fast, three have a body and one waits."""
        kinds = [kind.name for kind in Plan("http://127.0.0.1", "", 10, 3, 30, DEFAULT_MIX).kinds()]
        assert kinds[:10] == ["fast", "echo", "fast", "fast", "echo", "fast", "wait", "fast", "echo", "fast"]
        assert kinds == kinds[:10] * 3

    def test_the_full_mix_has_slow_visitors_among_the_others(self) -> None:
        """One of a hundred uploads slowly, and one downloads."""
        kinds = Counter(kind.name for kind in Plan("http://127.0.0.1", "", 10, 10, 30, FULL_MIX).kinds())
        assert kinds == {"fast": 59, "echo": 29, "wait": 10, "upload": 1, "download": 1}


def made(kind: str, scheduled: float, took: float, release: str = "", error: str = "", lag: float = 0.0) -> Result:
    """Return a result that was answered when it ended, or not at all."""
    end = scheduled + took
    return Result(
        kind,
        scheduled,
        scheduled + lag,
        None if error else end,
        end,
        None if error else 200,
        error,
        release,
        1,
    )


def reported(*results: Result) -> Report:
    """Return a report of these results."""
    return Report(Plan("http://127.0.0.1", "", 10, 10, 30, DEFAULT_MIX), 0.0, 0.1, results)


class TestReport:
    """Made by hand."""

    def test_percentiles_are_of_the_right_answers_to_fast_requests(self) -> None:
        """Nearest rank: of 100 values, the 50th, 95th, 99th and last."""
        fast = [made("fast", n, n / 100) for n in range(1, 101)]
        report = reported(*fast, made("wait", 0, 9.0), made("fast", 0, 30.0, error="time-out"))
        assert report.latency() == pytest.approx({"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.00})

    def test_late_depends_on_the_kind(self) -> None:
        """More than 1 s for what is fast, more than 2 s for what waits 1 s by itself."""
        fast = made("fast", 0, 1.01), made("echo", 0, 1.01), made("fast", 0, 0.99)
        wait = made("wait", 0, 2.01), made("wait", 0, 1.99)
        assert reported(*fast, *wait).late == [fast[0], fast[1], wait[0]]

    def test_late_by_the_client(self) -> None:
        """A stall while the answer was on its way counts, one that was over does not."""
        before, late, during = (
            made("fast", 0, 1.5, lag=0.6),
            made("fast", 2, 1.4),
            made("fast", 3, 0.6, lag=0.5),
        )
        assert reported(before, late, during).late_by_client == [before, late]
        assert reported(before, late).late_by_client == [before]

    def test_stale_is_what_was_sent_after_the_first_answer_of_a_newer_release(self) -> None:
        """Whatever kind it is; an older release than the previous one as well."""
        results = (
            made("fast", 0.0, 0.1, "a"),
            made("wait", 0.9, 1.0, "a"),  # sent before b answered, answered after
            made("fast", 1.0, 0.2, "b"),
            made("fast", 1.1, 0.2, "a"),  # sent before b answered
            made("fast", 1.3, 0.1, "a"),
            made("fast", 2.0, 0.1, "c"),
            made("fast", 2.2, 0.1, "a"),
            made("fast", 2.3, 0.1, "b"),
            made("fast", 2.4, 0.1, error="time-out"),
        )
        report = reported(*results)
        assert [release.name for release in report.releases] == ["a", "b", "c"]
        assert report.stale == [results[4], results[6], results[7]]
        assert report.releases[1] == Release("b", first=1.2, last=2.3 + 0.1, answers=2, pids=(1,))

    def test_between_is_about_the_time_at_which_requests_were_due(self) -> None:
        """A release that returns after a rollback is not stale in a time of its own."""
        results = made("fast", 0, 0.1, "a"), made("fast", 1, 0.1, "b"), made("fast", 2, 0.1, "a")
        assert reported(*results).stale == [results[2]]
        assert reported(*results).between(1, 3).results == results[1:]
        assert reported(*results).between(1, 3).stale == []

    def test_longest_silence(self) -> None:
        """Between right answers of what is fast; from the first request due, to the last."""
        results = [made("fast", t, 0.1) for t in (1.0, 1.5, 4.0)]
        assert reported(*results, made("wait", 1.5, 1.0)).longest_silence == pytest.approx(2.5)
        assert reported(*results, made("fast", 9.0, 0.1, error="status 502")).longest_silence == pytest.approx(4.9)

    def test_nothing_was_sent(self) -> None:
        """No figures, and no praise."""
        report = reported()
        assert (report.latency(), report.longest_silence, report.clean) == ({}, 0.0, False)
        assert "0 sent" in str(report)

    def test_it_fits_a_screen(self) -> None:
        """Also when each request ends in another way."""
        lines = str(reported(*(made("fast", n, 0.1, error=f"error {n}") for n in range(50)))).splitlines()
        assert len(lines) < 24
        assert max(map(len, lines)) <= 120
