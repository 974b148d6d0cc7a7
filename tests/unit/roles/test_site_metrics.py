"""What is counted of a request, and that no response is any different for it.

In processes of its own: which files there are after workers were forked, recycled and killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from slot_files import FILES, Wsgi, ask, slot

PARTS = [b"one", b"", b"two" * 1000]


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The module, counting in a directory of its own."""
    tmp = tmp_path_factory.mktemp("metrics")
    with pytest.MonkeyPatch.context() as monkeypatch, slot(tmp, monkeypatch, metrics=True) as modules:
        yield modules("site_metrics")


def values(directory: str | Path) -> dict[str, float]:
    """Read all files as an exporter does; give each value under its name and labels."""
    collector = MultiProcessCollector(CollectorRegistry(), str(directory))
    return {
        sample.name
        + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items()) if key != "le"): sample.value
        for metric in collector.collect()
        for sample in metric.samples
        if not sample.name.endswith("_bucket")
    }


@pytest.fixture
def counted(metrics: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, float]]:
    """Give what was counted since the beginning of the test, which has a hundred routes of its own."""
    monkeypatch.setattr(metrics.metrics, "routes", set())
    monkeypatch.setattr(metrics.metrics, "series", {})
    before = values(metrics.metrics.process.directory)

    def since() -> dict[str, float]:
        now = values(metrics.metrics.process.directory)
        return {name: value - before.get(name, 0) for name, value in now.items() if value != before.get(name, 0)}

    return since


def on_route(metrics: ModuleType, route: str | None, answer: Any = (b"page",), status: str = "200 OK") -> Wsgi:
    """Give an application that answers on a route of Django's."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        environ[metrics.REQUEST].route = route
        start_response(status, [("Content-Type", "text/plain"), ("X-PITCREW-ROUTE", "a lie")])
        return answer() if callable(answer) else answer

    return application


COUNT = "pitcrew_request_duration_seconds_count route={} status={}"


# What is counted


@pytest.mark.parametrize(
    ("route", "status", "label", "of"),
    [
        ("", "200 OK", "/", "2xx"),
        ("page/<int:n>/", "302 Found", "/page/<int:n>/", "3xx"),
        ("^old/(?P<year>[0-9]{4})/$", "404 Not Found", "/^old/(?P<year>[0-9]{4})/$", "4xx"),
        ("w\u00e4re/\n100%", "503 No", "/w%C3%A4re/%0A100%25", "5xx"),
        ("a" * 300, "100 Continue", "/" + "a" * 199, "1xx"),
        ("a" * 197 + "\u00e4\u00e4", "200 OK", "/" + "a" * 197, "2xx"),
        (None, "200 OK", "(unmatched)", "2xx"),
        ("odd/", "777 Odd", "/odd/", "5xx"),
    ],
)
def test_a_request(
    metrics: ModuleType, counted: Callable[[], dict[str, float]], route: str | None, status: str, label: str, of: str
) -> None:
    """By route and class of status; its header replaces whatever the application says, in ASCII and without an end."""
    found, headers, body = ask(metrics.measured(on_route(metrics, route, status=status)))
    assert (found, body) == (status, b"page")
    assert headers == [("Content-Type", "text/plain"), ("X-Pitcrew-Route", label)]
    assert counted()[COUNT.format(label, of)] == 1
    assert "pitcrew_requests_in_progress" not in counted()


def test_time(metrics: ModuleType, counted: Callable[[], dict[str, float]]) -> None:
    """Until the response is closed, on the clock and on the CPU."""

    def slowly() -> Iterator[bytes]:
        time.sleep(0.2)
        yield b"one"
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass
        yield b"two"

    ask(metrics.measured(on_route(metrics, "slowly/", slowly)))
    found = counted()
    assert 0.3 <= found["pitcrew_request_duration_seconds_sum route=/slowly/ status=2xx"] < 5
    assert 0.1 <= found["pitcrew_request_cpu_seconds_total route=/slowly/"] < 0.2


@pytest.mark.parametrize(
    ("ago", "least", "most"), [(0.5, 0.49, 5), (0, 0, 5), (-0.5, 0, 0), (-3600, None, None), (7200, None, None)]
)
def test_the_queue(
    metrics: ModuleType,
    counted: Callable[[], dict[str, float]],
    ago: float,
    least: float | None,
    most: float | None,
) -> None:
    """Since nginx took the request; a clock that was set is no wait."""
    began = f"t={time.time() - ago:.3f}"
    _status, headers, _body = ask(metrics.measured(on_route(metrics, "queue/")), HTTP_X_REQUEST_START=began)
    found = dict(headers).get("X-Pitcrew-Queue")
    assert (found is None) is (least is None)
    assert ("pitcrew_request_queue_seconds_count" in counted()) is (least is not None)
    if found is not None:
        assert len(found.partition(".")[2]) == 4
        assert least <= float(found) <= most


@pytest.mark.parametrize("began", ["", "t=", "now", "t=nan", "t=inf", "t=-inf", "t=1e999", "\u00e4", "t=0"])
def test_a_queue_that_nobody_knows(metrics: ModuleType, counted: Callable[[], dict[str, float]], began: str) -> None:
    """Such as one that a visitor sends past nginx."""
    _status, headers, _body = ask(metrics.measured(on_route(metrics, "queue/")), HTTP_X_REQUEST_START=began)
    assert "X-Pitcrew-Queue" not in dict(headers)
    assert "pitcrew_request_queue_seconds_count" not in counted()
    assert counted()[COUNT.format("/queue/", "2xx")] == 1


def test_what_is_in_flight(metrics: ModuleType, counted: Callable[[], dict[str, float]]) -> None:
    """From the first line of the application to the end of the response, which may be closed twice."""
    answer = metrics.measured(on_route(metrics, "flight/", lambda: iter(PARTS)))({}, lambda *_said: None)
    assert counted() == {"pitcrew_requests_in_progress": 1}
    assert list(answer) == PARTS
    assert counted() == {"pitcrew_requests_in_progress": 1}
    answer.close()
    answer.close()
    assert counted()[COUNT.format("/flight/", "2xx")] == 1
    assert "pitcrew_requests_in_progress" not in counted()


def test_at_most_a_hundred_routes(metrics: ModuleType, counted: Callable[[], dict[str, float]]) -> None:
    """The others are counted together; each is named in the log all the same."""
    for number in range(150):
        _status, headers, _body = ask(metrics.measured(on_route(metrics, f"many/{number}/")))
        assert headers[-1] == ("X-Pitcrew-Route", f"/many/{number}/")
    ask(metrics.measured(on_route(metrics, None)))
    found = counted()
    many = [name for name in found if name.startswith("pitcrew_request_duration_seconds_count route=/many/")]
    assert 50 < len(many) <= 100
    assert found[COUNT.format("(other)", "2xx")] == 150 - len(many)
    assert found[COUNT.format("(unmatched)", "2xx")] == 1


# No response is different


class Answer:
    """An answer of its own class, with or without an end."""

    def __init__(self, parts: list[Any], closes: list[str] | None) -> None:
        self.parts = parts
        if closes is not None:
            self.close = lambda: closes.append("closed")

    def __iter__(self) -> Iterator[Any]:
        """Give the parts, or fail where one of them is an error."""
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part


def outcome(application: Wsgi, environ: dict[str, Any], stop_after: int) -> dict[str, Any]:
    """Run a request as a server does, which may lose its visitor after some parts; give all that can be seen of it."""
    seen: dict[str, Any] = {"started": [], "written": [], "parts": [], "raised": None}

    def start_response(status: str, headers: list[Any], exc_info: Any = None) -> Callable[[bytes], None]:
        if seen["started"] and exc_info is None:
            raise AssertionError("headers are already set")
        others = [header for header in headers if not header[0].startswith("X-Pitcrew")]
        seen["started"].append((status, others, exc_info and repr(exc_info[1])))
        return seen["written"].append

    answer = None
    try:
        answer = application(environ, start_response)
        for number, part in enumerate(answer):
            if number == stop_after:
                break
            seen["parts"].append(part)
    except Exception as error:
        seen["raised"] = repr(error)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return seen


part = st.one_of(st.binary(max_size=9), st.builds(LookupError, st.text(max_size=3)))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    parts=st.lists(part, max_size=4),
    kind=st.sampled_from(["list", "tuple", "generator", "iterator", "closes", "does not close", "fails"]),
    starts=st.sampled_from(["once", "twice", "twice without an error", "late", "never"]),
    written=st.lists(st.binary(max_size=5), max_size=2),
    stop_after=st.integers(0, 5),
    began=st.one_of(st.none(), st.text(max_size=12), st.just("t=1700000000.000")),
)
def test_a_response_is_what_it_was(
    metrics: ModuleType,
    counted: Callable[[], dict[str, float]],
    parts: list[Any],
    kind: str,
    starts: str,
    written: list[bytes],
    stop_after: int,
    began: str | None,
) -> None:
    """Its parts, its headers, what is written past them, its errors, its end: with us and without, in any order."""

    def seen(wrap: Callable[[Wsgi], Wsgi]) -> dict[str, Any]:
        closes: list[str] = []

        def application(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            def start() -> None:
                write = start_response("200 OK", [("Content-Type", "text/plain")])
                for one in written:
                    write(one)
                if starts == "twice":
                    try:
                        raise ValueError("late")
                    except ValueError:
                        start_response("500 Error", [("A", "b")], sys.exc_info())
                elif starts == "twice without an error":
                    start_response("404 Not Found", [])

            def late() -> Iterator[Any]:
                if starts == "late":
                    start()
                yield from Answer(parts, None)

            if starts not in ("never", "late"):
                start()
            if kind == "fails":
                raise KeyError("no page")
            if kind in ("list", "tuple"):
                return {"list": list, "tuple": tuple}[kind](one for one in parts if isinstance(one, bytes))
            if kind == "iterator":
                return map(bytes, (one for one in parts if isinstance(one, bytes)))
            return {"closes": Answer(parts, closes), "does not close": Answer(parts, None)}.get(kind, late())

        environ: dict[str, Any] = {} if began is None else {"HTTP_X_REQUEST_START": began}
        return {**outcome(wrap(application), environ, stop_after), "closes": closes}

    assert seen(metrics.measured) == seen(lambda application: application)
    assert "pitcrew_requests_in_progress" not in counted()
    assert metrics.troubles == []


@pytest.mark.parametrize("answer", [[b"page"], lambda: iter(PARTS), lambda: Answer(PARTS, [])])
def test_it_is_valid_on_both_sides(metrics: ModuleType, answer: Any) -> None:
    """By the standard library's judge of PEP 3333, between the server and us, and between us and the application."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"first")
        return answer() if callable(answer) else answer

    environ: dict[str, Any] = {"HTTP_X_REQUEST_START": f"t={time.time():.3f}"}
    setup_testing_defaults(environ)
    written: list[bytes] = []

    def start_response(_status: str, _headers: list[Any], _exc_info: Any = None) -> Callable[[bytes], Any]:
        return written.append

    found = validator(metrics.measured(validator(application)))(environ, start_response)
    assert b"".join(found) in (b"page", b"".join(PARTS))
    found.close()
    assert written == [b"first"]


@pytest.mark.parametrize("server", ["a class", "a function"])
def test_a_file_reaches_the_server(
    metrics: ModuleType, counted: Callable[[], dict[str, float]], server: str, tmp_path: Path
) -> None:
    """The very object that its wrapper gave, or it would not use sendfile; both servers' wrappers."""
    (tmp_path / "file").write_bytes(b"content")
    wrapper: Any = FileWrapper if server == "a class" else lambda file, _size: file
    with (tmp_path / "file").open("rb") as file:
        wrapped = wrapper(file, 10)
        application = metrics.measured(on_route(metrics, "file/", wrapped))
        assert application({"wsgi.file_wrapper": wrapper}, lambda *_said: None) is wrapped
    assert counted()[COUNT.format("/file/", "2xx")] == 1


@pytest.mark.parametrize(("answer", "of"), [(Answer([b"one", LookupError()], None), "5xx"), (LookupError(), "5xx")])
def test_an_error_in_the_middle(
    metrics: ModuleType, counted: Callable[[], dict[str, float]], answer: Any, of: str
) -> None:
    """It reaches the server, and the request has failed, whatever its status was."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        environ[metrics.REQUEST].route = "middle/"
        if isinstance(answer, Exception):
            raise answer
        start_response("200 OK", [])
        return answer

    with pytest.raises(LookupError):
        ask(metrics.measured(application))
    assert counted()[COUNT.format("/middle/", of)] == 1


@pytest.mark.parametrize("broken", ["in_progress", "queue", "durations", "cpu", "text", "begin"])
def test_what_fails_of_ours_does_not_fail_the_request(
    metrics: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], broken: str
) -> None:
    """It is written once, with its traceback."""
    monkeypatch.setattr(metrics, "troubles", [])
    monkeypatch.setattr(metrics.metrics, "series", {})
    if broken == "begin":
        monkeypatch.setattr(metrics.metrics, "begun", None)
    monkeypatch.setattr(metrics.metrics, broken, None)
    application = metrics.measured(
        lambda _environ, start_response: start_response("200 OK", [("A", "b")]) or iter([b"page"])
    )
    for _ in range(3):
        status, headers, body = ask(application, HTTP_X_REQUEST_START=f"t={time.time():.3f}")
        assert (status, headers[0], body) == ("200 OK", ("A", "b"), b"page")
    err = capfd.readouterr().err
    assert err.count("site_metrics: requests are answered, but not all of them are counted:\nTraceback") == 1
    assert err.count("Traceback") == 1


# Routes


DJANGO = """
import json, sys
import site_metrics
site_metrics.learn_routes()
import django
from django.conf import settings
from django.http import HttpResponse, Http404
from django.urls import include, path, re_path

def short(get_response):
    return lambda request: HttpResponse("short") if request.path == "/short/" else get_response(request)
def missing(request):
    raise Http404
def fails(request):
    raise LookupError("no wheels")

view = lambda request, **_arguments: HttpResponse("page")
inner = [path("<slug:name>/", view), re_path(r"^old/(?P<year>[0-9]{4})/$", view)]
urlpatterns = [
    path("", view), path("page/<int:n>/", view), path("shop/", include(inner)), path("missing/", missing),
    path("fails/", fails), path("short/", view),
]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="a key", MIDDLEWARE=["__main__.short"])
django.setup()
from django.core.wsgi import get_wsgi_application
site = site_metrics.measured(get_wsgi_application())
def ask(address):
    headers = []
    answer = site({"REQUEST_METHOD": "GET", "PATH_INFO": address, "SERVER_NAME": "shop.test", "SERVER_PORT": "80",
        "wsgi.input": sys.stdin.buffer, "wsgi.errors": sys.stderr, "wsgi.url_scheme": "http"},
        lambda status, found, _exc_info: headers.append([status[:3], dict(found)["X-Pitcrew-Route"]]))
    list(answer); answer.close()
    return headers[0]
print(json.dumps([ask(address) for address in json.loads(sys.argv[1])]))
"""
ROUTES = {
    "/": ["200", "/"],
    "/page/7/": ["200", "/page/<int:n>/"],
    "/shop/wheels/": ["200", "/shop/<slug:name>/"],
    "/shop/old/2024/": ["200", "/shop/old/(?P<year>[0-9]{4})/$"],
    "/missing/": ["404", "/missing/"],
    "/fails/": ["500", "/fails/"],
    "/short/": ["200", "(unmatched)"],
    "/nowhere/": ["404", "(unmatched)"],
}


def in_process(code: str, tmp: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that has the slot's modules."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        env={"PYTHONPATH": str(FILES), "RUNTIME_DIRECTORY": str(tmp), "LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_routes_of_django(tmp_path: Path) -> None:
    """The pattern and never the path, whatever becomes of the view; none where middleware answers before the URLs."""
    done = in_process(DJANGO, tmp_path, json.dumps(list(ROUTES)))
    assert done.returncode == 0, done.stderr
    assert dict(zip(ROUTES, json.loads(done.stdout), strict=True)) == ROUTES
    assert "site_metrics:" not in done.stderr


def test_a_handler_that_has_no_views(metrics: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever becomes of Django, its requests are answered."""
    note = metrics.note_route
    assert note(object()) is None
    metrics.troubles.clear()
    capfd.readouterr()


# Processes


WORKERS = """
import os, signal, sys, time
import site_metrics
from prometheus_client import Counter, Gauge
own = Counter("shop_orders", "The project's own.")
live = Gauge("shop_busy", "The project's own.", multiprocess_mode="livesum")

def application(environ, start_response):
    environ[site_metrics.REQUEST].route = "page/%s/" % environ["n"]
    start_response("200 OK", [])
    own.inc()
    return iter([b"page"])

site = site_metrics.measured(application)
workers = {}

class Worker:
    pass

def fork(requests, end):
    worker = Worker()
    worker.pitcrew_ordinal = site_metrics.free_ordinal(workers.values())
    pid = os.fork()
    if pid:
        workers[pid] = worker
        return pid
    site_metrics.worker_begins(worker.pitcrew_ordinal)
    live.inc()
    for n in range(requests):
        answer = site({"n": n}, lambda *_said: None)
        list(answer)
        if n or end == "exit":
            answer.close()
    if end == "exit":
        os._exit(0)
    os.close(ready[1])
    time.sleep(60)

def reap(pid):
    os.waitpid(pid, 0)
    site_metrics.worker_ended(workers.pop(pid).pitcrew_ordinal)

directory = os.environ["RUNTIME_DIRECTORY"] + "/metrics"
sizes = []
for round in range(6):
    end = "kill" if round % 2 else "exit"
    ready = os.pipe()
    pids = [fork(60 * (round % 3), end) for _ in range(3)]
    os.close(ready[1])
    os.read(ready[0], 1)
    for pid in reversed(pids):
        if end == "kill":
            os.kill(pid, signal.SIGKILL)
        reap(pid)
    sizes.append(sorted((name, os.stat(directory + "/" + name).st_size) for name in os.listdir(directory)))
print(sizes[-1] == sizes[-2], flush=True)
print([name for name, _size in sizes[-1]])
"""


def test_recycled_workers_reuse_their_files(tmp_path: Path) -> None:
    """Eighteen workers, some killed in the middle of a request: three sets of files, nothing in flight or lost."""
    done = in_process(WORKERS, tmp_path)
    assert done.stderr == ""
    same, names = done.stdout.splitlines()
    assert same == "True"
    assert names == str(
        sorted(
            [f"{kind}_{ordinal}.db" for kind in ("counter", "histogram") for ordinal in range(4)]
            + ["gauge_livesum_0.db"]
        )
    )
    found = values(tmp_path / "metrics")
    assert found["pitcrew_worker_starts_total"] == 18
    assert found["shop_orders_total"] == 3 * 2 * (60 + 120)
    assert found["pitcrew_requests_in_progress"] == found["shop_busy"] == 0


@pytest.mark.parametrize("name", ["counter", "histogram"])
def test_a_file_has_a_bound(tmp_path: Path, name: str) -> None:
    """Routes of earlier workers count among the hundred."""
    done = in_process(
        """
        import os
        import site_metrics
        for generation in range(8):
            pid = os.fork()
            if not pid:
                site_metrics.worker_begins(1)
                for n in range(60):
                    site_metrics.metrics.count("%s/%s/" % (generation, n), "2xx", 0.1, 0.1)
                    site_metrics.metrics.count(None, "2xx", 0.1, 0.1)
                os._exit(len(site_metrics.metrics.routes))
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
        tmp_path,
    )
    assert done.stdout.split() == ["60", *["100"] * 7], done.stderr
    found = values(tmp_path / "metrics")
    assert found[COUNT.format("(other)", "2xx")] == 8 * 60 - 100
    assert len([one for one in found if one.startswith("pitcrew_request_duration_seconds_count")]) == 102


def test_other_processes_have_files_of_their_own(tmp_path: Path) -> None:
    """Such as a child that a view forks: two processes never write to one file."""
    done = in_process(
        """
        import os
        import site_metrics
        from prometheus_client import Counter
        own = Counter("shop_orders", "The project's own.")
        site_metrics.worker_begins(1)
        own.inc()
        pid = os.fork()
        own.inc()
        if pid:
            os.waitpid(pid, 0)
            own.inc()
            print(pid)
            print(*sorted(os.listdir(os.environ["RUNTIME_DIRECTORY"] + "/metrics")))
        """,
        tmp_path,
    )
    pid, names = done.stdout.splitlines()
    assert f"counter_p{pid}.db" in names.split()
    assert (tmp_path / "metrics/worker-1.pid").read_text() != f"{pid}\n"
    assert values(tmp_path / "metrics")["shop_orders_total"] == 4


# Where it is off


@pytest.mark.parametrize(
    ("package", "text"),
    [
        ("raise ImportError('no such package')", "off, since prometheus_client cannot be imported: no such package"),
        ("", "off, since this release has prometheus_client 0.16.0, and 0.17 is the oldest that can"),
    ],
)
def test_a_library_that_cannot(tmp_path: Path, package: str, text: str) -> None:
    """It is left as the project has it, the journal says so in a line, and every request passes as it is."""
    there = tmp_path / "lib/prometheus_client"
    there.mkdir(parents=True)
    (there / "__init__.py").write_text(package)
    (there / "values.py").write_text("ValueClass = 'as it was'\n")
    metadata = tmp_path / "lib/prometheus_client-0.16.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: prometheus-client\nVersion: 0.16.0\n")
    done = in_process(
        """
        import os
        import site_metrics
        site_metrics.learn_routes()
        site_metrics.stay()
        site_metrics.worker_begins(1)
        site_metrics.worker_ended(1)
        def application(): pass
        print(site_metrics.measured(application) is application, "PROMETHEUS_MULTIPROC_DIR" in os.environ)
        print(os.listdir(os.environ["RUNTIME_DIRECTORY"]))
        """,
        tmp_path,
        PYTHONPATH=f"{FILES}:{tmp_path}/lib",
    )
    assert done.stdout.splitlines() == ["True False", "['lib']"]
    assert done.stderr == f"site_metrics: {text}\n"


def test_a_directory_that_the_project_chooses(tmp_path: Path) -> None:
    """Its own pages read the variable as well, so ours holds for both; the journal says so."""
    done = in_process(
        """
        import os
        import site_metrics
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = "/tmp/of-the-project"
        site_metrics.stay()
        site_metrics.stay()
        print(os.environ["PROMETHEUS_MULTIPROC_DIR"])
        """,
        tmp_path,
    )
    assert done.stdout == f"{tmp_path}/metrics\n"
    assert (
        done.stderr
        == "site_metrics: the project sets PROMETHEUS_MULTIPROC_DIR to '/tmp/of-the-project', which has no effect\n"
    )


def test_the_oldest_version_is_named_once() -> None:
    """The deploy's sentence and the process agree."""
    import yaml

    said = yaml.safe_load((FILES.parent / "vars/main.yml").read_text())["site_metrics_requirement"]["oldest"]
    text = (FILES / "site_metrics.py").read_text()
    assert f"OLDEST = ({said.replace('.', ', ')})" in text
