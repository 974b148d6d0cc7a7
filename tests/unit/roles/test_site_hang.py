"""When a threaded worker of gunicorn ends itself: threads that really hang, in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FILES = Path(__file__).resolve().parents[3] / "roles/gunicorn/files"

# A worker with three threads, as gunicorn has it; every tenth of a second, its main thread reports that it is alive.
WORKER = """
import sys, threading, time
from types import SimpleNamespace
sys.path.insert(0, {files!r})
import site_hang

hung = threading.Event()

def application(environ, start_response):
    if environ["PATH_INFO"] == "/hang/":
        hung.wait(60)
    time.sleep(environ.get("seconds", 0))
    if environ["PATH_INFO"] == "/fails/":
        raise LookupError("no page")
    return stream(environ)

def stream(environ):
    yield b"begun"
    time.sleep(environ.get("stream", 0))

def ask(path, **environ):
    def visit():
        try:
            list(worker.wsgi(dict(environ, PATH_INFO=path), None))
        except LookupError:
            pass
    thread = threading.Thread(target=visit, daemon=True)
    thread.start()
    return thread

reports = []
worker = SimpleNamespace(
    wsgi=application,
    notify=lambda: reports.append(time.monotonic()),
    cfg=SimpleNamespace(threads=3, worker_class_str={kind!r}),
)
site_hang.watch(worker, seconds=0.5)
{requests}
for _time in range(15):
    worker.notify()
    time.sleep(0.1)
print(len(reports), "reports")
"""


def run(requests: str, kind: str = "gthread") -> subprocess.CompletedProcess[str]:
    """Run a worker that gets these requests."""
    program = WORKER.format(files=str(FILES), requests=requests, kind=kind)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, text=True, timeout=60)


def test_all_threads_hang() -> None:
    """It ends, with a status that gunicorn does not take for a failed start, and writes where each thread is."""
    done = run("for _time in range(3): ask('/hang/')")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("All 3 threads of this worker have hung for more than 0.5 s.")
    assert done.stderr.count(", line 11 in application") == 3


@pytest.mark.parametrize(
    "requests",
    [
        "",
        "ask('/hang/'); ask('/hang/')",
        # The third thread is slow again and again, and not for long.
        "ask('/hang/'); ask('/hang/')\n"
        "def slow():\n    while True: ask('/', seconds=0.3).join()\n"
        "threading.Thread(target=slow, daemon=True).start()",
        # What takes long is the reader.
        "for _time in range(3): ask('/', stream=5)",
        "ask('/hang/'); ask('/hang/'); ask('/fails/')",
    ],
    ids=["idle", "one is free", "one is slow", "responses have begun", "one has failed"],
)
def test_it_goes_on(requests: str) -> None:
    """As long as one thread is free or will soon be, it reports that it is alive."""
    done = run(requests)
    assert (done.returncode, done.stdout, done.stderr) == (0, "15 reports\n", "")


@pytest.mark.parametrize("kind", ["sync", "gevent"])
def test_other_workers_are_left_alone(kind: str) -> None:
    """gunicorn itself ends one that has a single thread; others have no threads to count."""
    done = run("assert worker.wsgi is application\nfor _time in range(3): ask('/hang/')", kind)
    assert (done.returncode, done.stdout) == (0, "15 reports\n")


def test_an_event_loop_whose_requests_all_hang() -> None:
    """It counts those for which the application has no response yet, and as many as the worker may answer."""
    program = WORKER.format(files=str(FILES), requests="", kind="asgi")
    program = program.replace("threads=3,", "worker_connections=3,").replace(
        "    wsgi=application,\n",
        "    asgi=SimpleNamespace(began={number: time.monotonic() for number in range(3)}),\n",
    )
    for gone, status in (("", 1), ("worker.asgi.began.popitem()", 0)):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                program.replace("reports = []\n", "reports = []\n").replace(
                    "for _time in range(15)", f"{gone}\nfor _time in range(15)"
                ),
            ],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        assert done.returncode == status, done.stderr
        assert done.stderr.startswith("All 3 requests of this worker have hung for more than 0.5 s.") is bool(status)
