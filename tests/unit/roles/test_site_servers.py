"""A slot under real servers: a project with metrics of its own, each way in which workers may load it, recycling."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from test_templates import PLAN, play_renders

MIDDLEWARE = [{"path": "whitenoise.WhiteNoise", "arguments": {"root": "files", "prefix": "files"}}]
BASE: dict[str, Any] = {"site_workers": 2, "site_threads": 2, "site_wsgi_middleware": MIDDLEWARE}
UWSGI = {**BASE, "site_server": "uwsgi", "uwsgi_protocol": "http"}
SLOTS: dict[str, dict[str, Any]] = {
    "gunicorn": BASE,
    "gunicorn_each": {**BASE, "gunicorn_settings": {"preload_app": False}},
    "gunicorn_sync": {**BASE, "gunicorn_settings": {"threads": 1, "worker_class": "sync"}},
    "uwsgi": UWSGI,
    "uwsgi_lazy": {**UWSGI, "uwsgi_settings": {"lazy-apps": True}},
    "uwsgi_one": {**UWSGI, "site_threads": 1},
    "uwsgi_hooks": {**UWSGI, "uwsgi_settings": {"py-call-uwsgi-fork-hooks": False}},
}
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Say what the hosts are",
                "ansible.builtin.set_fact": {
                    "cacheable": True,
                    "pitcrew_capacity": {"cpus": 2, "memory_mb": 4096, "somaxconn": 4096},
                    "pitcrew_site": {
                        "release": "r1",
                        "releases": {"r1": {"interface": "{{ site_interface }}"}},
                        "serves": None,
                    },
                },
            },
            *PLAN,
            *(
                {
                    "name": f"Configure {server}",
                    "ansible.builtin.import_role": {"name": f"pitcrew.django.{server}"},
                    "when": f"site_candidate_server == '{server}'",
                }
                for server in ("gunicorn", "uwsgi")
            ),
            {"name": "Render", "ansible.builtin.debug": {"msg": "{{ __site_server_files | to_json | b64encode }}"}},
        ],
    }
]
PROJECT = {
    "shop/__init__.py": "",
    "shop/settings.py": """
ALLOWED_HOSTS, ROOT_URLCONF, SECRET_KEY = ["*"], "shop.urls", "a key"
INSTALLED_APPS = ["django_prometheus"]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
""",
    "shop/urls.py": """
import os, time
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import include, path
from prometheus_client import Counter
orders = Counter("shop_orders", "The project's own.")
def page(request, n):
    orders.inc()
    return HttpResponse(str(os.getpid()))
def wait(request):
    time.sleep(float(request.GET.get("seconds", "20")))
    return HttpResponse("waited")
def stream(request):
    return StreamingHttpResponse(b"." * 10000 for _ in range(20))
def file(request):
    return FileResponse(open(__file__, "rb"))
urlpatterns = [
    path("page/<int:n>/", page), path("wait/", wait), path("stream/", stream), path("file/", file),
    path("", include("django_prometheus.urls")),
]
""",
    "shop/asgi.py": """
import asyncio, json, os
from django.core.asgi import get_asgi_application
pages = get_asgi_application()
async def application(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/scope/":
        shown = {name: scope[name] for name in ("client", "server", "scheme")}
        await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Pitcrew-Release", b"r7")]})
        await send({"type": "http.response.body", "body": json.dumps(shown).encode()})
    elif scope["type"] == "http" and scope["path"] == "/events/":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        while True:
            await send({"type": "http.response.body", "body": b"data: tick\\n\\n", "more_body": True})
            await asyncio.sleep(0.1)
    elif scope["type"] == "websocket":
        while (message := await receive())["type"] != "websocket.disconnect":
            if message["type"] == "websocket.connect":
                await send({"type": "websocket.accept"})
            else:
                await send({"type": "websocket.send", "text": message["text"] + " by " + str(os.getpid())})
        print("disconnected:", message["code"], flush=True)
    else:
        await pages(scope, receive, send)
""",
    "shop/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
    "files/wheel.txt": "round\n" * 10000,
}


@pytest.fixture(scope="module")
def slots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The files of each slot, as the roles render them."""
    return play_renders(tmp_path_factory.mktemp("slots"), PLAY, SLOTS)


class Site:
    """A site that runs in a directory."""

    def __init__(self, tmp: Path, files: dict[str, str]) -> None:
        for name, text in {**PROJECT, **{f"slot/{name}": text for name, text in files.items()}}.items():
            (tmp / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp / name).write_text(text)
        self.tmp, self.run, self.metrics = tmp, tmp / "run", tmp / "run/metrics"
        self.run.mkdir()
        interface = "asgi" if "site_asgi.py" in files else "wsgi"
        command = (
            ["-m", "gunicorn", "--config", "slot/gunicorn.conf.py", f"site_{interface}:application"]
            if "gunicorn.conf.py" in files
            else ["-c", "import pyuwsgi; pyuwsgi.run()", "--ini", "slot/uwsgi.ini"]
        )
        self.log = (tmp / "log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=tmp,
            env={
                "PATH": os.environ["PATH"],
                "RUNTIME_DIRECTORY": str(self.run),
                "SITE_RELEASE": "r1",
                "DJANGO_SETTINGS_MODULE": "shop.settings",
            },
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def written(self) -> str:
        """Everything that the server wrote."""
        return (self.tmp / "log").read_text()

    def connection(self) -> HTTPConnection:
        """Connect to the slot's socket."""
        connection = HTTPConnection("shop.test", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(20)
        # Its path may be longer than an address is allowed to be.
        connection.sock.connect(os.path.relpath(self.run / "app.sock"))
        return connection

    def ask(self, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
        """Send a request."""
        connection = self.connection()
        connection.request("GET", path, headers={"Connection": "close", **headers})
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read().decode()
        connection.close()
        return found

    def values(self) -> dict[str, float]:
        """Give what the project's own page of metrics shows, of all processes."""
        found = re.findall(r"^([a-z_]+(?:\{.*\})?) ([0-9.e+-]+)$", self.ask("/metrics")[2], re.MULTILINE)
        return {name: float(value) for name, value in found}

    def workers(self) -> list[int]:
        """Give the pid of each worker by its ordinal."""
        return [int((self.metrics / f"worker-{ordinal}.pid").read_text()) for ordinal in (1, 2)]


def within(seconds: float, condition: Callable[[], Any]) -> Any:
    """Wait for a condition, through errors."""
    end = time.monotonic() + seconds
    while True:
        try:
            if found := condition():
                return found
        except (OSError, KeyError):  # It does not listen yet, or has not counted yet.
            pass
        if time.monotonic() > end:
            return None
        time.sleep(0.05)


@contextmanager
def running(tmp: Path, files: dict[str, str]) -> Iterator[Site]:
    """Run a site until the test is over."""
    site = Site(tmp, files)
    try:
        assert within(30, lambda: site.process.poll() is not None or site.ask("/page/0/")), site.written()
        yield site
    finally:
        if site.process.poll() is None:
            os.killpg(site.process.pid, signal.SIGKILL)
        site.process.wait()
        site.log.close()


@pytest.fixture(params=SLOTS)
def site(
    request: pytest.FixtureRequest, slots: dict[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """A site under each server, in each of its ways."""
    monkeypatch.chdir(tmp_path)
    with running(tmp_path, slots[request.param]) as site:
        yield site


def test_a_slot(site: Site) -> None:
    """Middleware, files, streams, the project's own metrics and ours; then workers are killed in a request."""
    assert within(20, lambda: site.values()["pitcrew_worker_starts_total"] == 2), site.written()
    status, headers, body = site.ask("/files/wheel.txt")
    assert (status, body) == (200, PROJECT["files/wheel.txt"])
    assert headers["X-Pitcrew-Route"] == "(unmatched)"
    status, headers, body = site.ask("/page/7/", **{"X-Request-Start": f"t={time.time():.3f}"})
    assert headers["X-Pitcrew-Route"] == "/page/<int:n>/"
    assert 0 <= float(headers["X-Pitcrew-Queue"]) < 10
    assert headers["X-Pitcrew-Release"] == "r1"
    assert int(body) in site.workers()
    assert site.ask("/file/")[2] == PROJECT["shop/urls.py"]
    assert site.ask("/stream/")[2] == "." * 200_000
    assert site.ask("/page/7/", **{"X-Pitcrew-Probe": "alive"})[::2] == (204, "")
    pages = 'pitcrew_request_duration_seconds_count{route="/page/<int:n>/",status="2xx"}'
    # A process counts a request once the response is on its way.
    assert within(5, lambda: site.values()[pages] == 2)
    assert site.values()["shop_orders_total"] == 2

    names = sorted(os.listdir(site.metrics))
    before = site.workers()
    connection = site.connection()
    connection.request("GET", "/wait/")
    assert within(5, lambda: site.values()["pitcrew_requests_in_progress"] == 2), site.written()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert within(20, lambda: site.values()["pitcrew_worker_starts_total"] == 4), site.written()
    assert set(site.workers()).isdisjoint(before)
    for _ in range(20):
        site.ask("/page/7/")
    assert within(5, lambda: (site.values()["pitcrew_requests_in_progress"], site.values()[pages]) == (1, 22))
    found = site.values()
    assert found["shop_orders_total"] == 22
    assert found['django_http_responses_total_by_status_total{status="200"}'] >= 26
    assert sorted(os.listdir(site.metrics)) == names
    assert "site_metrics:" not in site.written()


@pytest.mark.parametrize("server", ["gunicorn", "gunicorn_each", "uwsgi"])
def test_middleware_that_is_refused(
    slots: dict[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    """The server ends, and the last exception names it."""
    monkeypatch.chdir(tmp_path)
    wrong = {**json.loads(slots[server]["site_wsgi.json"]), "middleware": ["builtins.zip", "whitenoise.WhiteNose"]}
    with running(tmp_path, {**slots[server], "site_wsgi.json": json.dumps(wrong)}) as site:
        assert site.process.wait(timeout=20) != 0
        assert "MiddlewareRefused: site_wsgi_middleware: 'builtins.zip' cannot be used: TypeError" in site.written()
        assert "site_wsgi_middleware: 'whitenoise.WhiteNose' cannot be used: AttributeError" in site.written()
