"""What the slot's module site_logging makes of a project's logging, with a real Django in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
MODULE = ROOT / "roles/site/files"

# Begins a request, does what the test wants, and ends it.
SITE = """
import json, logging, sys
import site_errors
given = json.load(sys.stdin)
site_errors.keep_enabled("gunicorn.error")
server = logging.getLogger("gunicorn.error")
server.propagate = False
server.addHandler(logging.StreamHandler())

import django
from django.conf import settings
from django.core.signals import request_finished, request_started
settings.configure(**given["settings"])
django.setup()
site_errors.show_errors()
if given["without_library"]:
    sys.modules["pythonjsonlogger"] = None
import site_logging
site_logging.write_json()
site_logging.write_json()  # As in a process that was forked from another that has done it.

class Request:
    def __repr__(self):
        return "<Request: GET '/?token=correct-horse'>"

shop, requests, security = map(logging.getLogger, ("shop", "django.request", "django.security"))
request_started.send(None, environ={"HTTP_X_REQUEST_ID": "0a1b"})
exec(given["code"])
request_finished.send(None)
"""


def run(code: str, without_library: bool = False, **settings: Any) -> list[str]:
    """Run the code in a request to a site with these settings; give the lines on stderr."""
    given = {"code": code, "settings": settings, "without_library": without_library}
    done = subprocess.run(
        [sys.executable, "-c", SITE],
        input=json.dumps(given),
        env={"PYTHONPATH": str(MODULE), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return done.stderr.splitlines()


def written(code: str, **settings: Any) -> list[dict[str, Any]]:
    """Run the code likewise; each line is a record."""
    return [json.loads(line) for line in run(code, **settings)]


def logging(handlers: dict[str, Any], loggers: dict[str, Any] | None = None, root: list[str] | None = None) -> Any:
    """Give the LOGGING of a project."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(levelname)s %(message)s"}},
        "filters": {"debug": {"()": "django.utils.log.RequireDebugTrue"}},
        "handlers": handlers,
        "loggers": loggers or {},
        "root": {"handlers": list(handlers) if root is None else root, "level": "INFO"},
    }


CONSOLE = {"class": "logging.StreamHandler", "formatter": "line"}
NOWHERE = {"class": "logging.NullHandler"}
FAILS = """
try:
    raise LookupError("no wheels")
except LookupError:
    extra = {"status_code": 500, "request": Request()}
    requests.error("Internal Server Error: %s", "/orders/", exc_info=True, extra=extra)
"""


def test_a_record() -> None:
    """What all have comes first; the query string, which may have secrets in it, is left out."""
    [record] = written(FAILS)
    assert list(record) == ["time", "level", "logger", "message", "request_id", "exc_info", "status_code"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"])
    assert record["exc_info"].startswith("Traceback (most recent call last):\n")
    assert record["exc_info"].endswith("LookupError: no wheels")
    del record["time"], record["exc_info"]
    assert record == {
        "level": "ERROR",
        "logger": "django.request",
        "message": "Internal Server Error: /orders/",
        "request_id": "0a1b",
        "status_code": 500,
    }


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="Django's own, which only mails"),
        pytest.param({"LOGGING": logging({"console": CONSOLE})}, id="a console"),
        pytest.param({"LOGGING": logging({"console": {**CONSOLE, "filters": ["debug"]}})}, id="a console for DEBUG"),
        pytest.param({"LOGGING": logging({"nowhere": NOWHERE})}, id="no console"),
        pytest.param(
            {"LOGGING": logging({"nowhere": NOWHERE}, {"django.request": {"propagate": False}})}, id="a logger apart"
        ),
        pytest.param(
            {
                "LOGGING": logging(
                    {"console": CONSOLE, "nowhere": NOWHERE},
                    {"django": {"handlers": ["nowhere"], "propagate": False}},
                    ["console"],
                )
            },
            id="Django apart",
        ),
        pytest.param(
            {
                "LOGGING": logging(
                    {
                        "console": CONSOLE,
                        "memory": {"class": "logging.handlers.MemoryHandler", "capacity": 1, "target": "console"},
                    },
                    root=["memory"],
                )
            },
            id="a console behind another handler",
        ),
        pytest.param({"LOGGING_CONFIG": None}, id="logging's last resort"),
    ],
)
def test_each_error_is_one_line(settings: dict[str, Any]) -> None:
    """Of Django and of the project, wherever the project's logging writes."""
    records = written(FAILS + 'shop.warning("two\\nlines")', **settings)
    assert [(record["logger"], record["message"]) for record in records] == [
        ("django.request", "Internal Server Error: /orders/"),
        ("shop", "two\nlines"),
    ]


def test_levels_and_other_handlers_are_the_project_s(tmp_path: Path) -> None:
    """Only how the console writes is ours."""
    file = {"class": "logging.FileHandler", "formatter": "line", "filename": str(tmp_path / "log")}
    settings = logging({"console": {**CONSOLE, "level": "ERROR"}, "file": file})
    records = written('shop.debug("a"); shop.info("b"); shop.error("c")', LOGGING=settings)
    assert [record["message"] for record in records] == ["c"]
    assert (tmp_path / "log").read_text() == "INFO b\nERROR c\n"


def test_the_server_s_own_lines_are_text() -> None:
    """Those of gunicorn."""
    assert run('server.error("Booting")') == ["Booting"]


def test_what_cannot_be_json() -> None:
    """The line comes without it."""
    [record] = written('shop.error("c", extra={"prices": {(1, 2): 3}})')
    assert (record["message"], record["request_id"]) == ("c", "0a1b")


def test_values_of_the_project() -> None:
    """They are kept, except where they would hide ours."""
    [record] = written('shop.error("c", extra={"order": 7, "request_id": "x", "logger": "y"})')
    assert (record["order"], record["request_id"], record["logger"]) == (7, "0a1b", "shop")


def test_a_request_id_of_the_project() -> None:
    """Where nginx has given none, as in a command."""
    [record] = written('request_finished.send(None); shop.error("c", extra={"request_id": "x"})')
    assert record["request_id"] == "x"


def test_a_thread_that_writes_for_others() -> None:
    """The record has the id of the request in which it was made."""
    [record] = written("""
import queue
from logging.handlers import QueueHandler, QueueListener
console, waiting = logging.root.handlers[0], queue.Queue()
listener = QueueListener(waiting, console)
listener.start()
shop.propagate = False
shop.addHandler(QueueHandler(waiting))
shop.error("c")
listener.stop()
""")
    assert record["request_id"] == "0a1b"


def test_a_long_traceback() -> None:
    """Its middle is left out, so that journald does not split the line."""
    code = 'try:\n    raise LookupError("w\\u00e4" * 30_000)\nexcept LookupError:\n    shop.exception("c")'
    [line] = run(code)
    assert len(line.encode()) < 48 * 1024
    text = json.loads(line)["exc_info"]
    assert text.startswith("Traceback")
    assert re.search(r"\n\[\.\.\. \d+ characters \.\.\.\]\n", text)
    assert len(text) < 15_100


def test_a_release_without_the_library() -> None:
    """To which a site is rolled back: it logs as before, and says why."""
    note, line = run('shop.error("c")', without_library=True, LOGGING=logging({"console": CONSOLE}))[-2:]
    assert note == "python-json-logger is not in this release, which logs as its LOGGING says."
    assert line == "ERROR c"


def test_the_version_is_the_tested_one() -> None:
    """The tests have the one that is installed into releases."""
    tested = yaml.safe_load((ROOT / "roles/site/vars/main.yml").read_text())["site_logging_requirement"]
    assert "{package}=={tested}".format(**tested) in (ROOT / "tests/requirements-unit.txt").read_text().splitlines()
