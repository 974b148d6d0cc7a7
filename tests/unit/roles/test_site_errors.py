"""What the slot's module site_errors writes, with a real Django in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MODULE = Path(__file__).resolve().parents[3] / "roles/site/files"

# A site of a few views, set up as a server does it: loggers of the server, the project's settings, the signal.
SITE = """
import json, logging, sys
from io import BytesIO
import site_errors
given = json.load(sys.stdin)
site_errors.keep_enabled("gunicorn.error")
server = logging.getLogger("gunicorn.error")
server.propagate = False
server.setLevel("INFO")
server.addHandler(logging.StreamHandler())

class Passes(logging.Filter):
    def filter(self, record):
        return record.status_code == 500

class Brief(logging.Formatter):
    def format(self, record):
        return record.getMessage()

class Broken(logging.Formatter):
    def format(self, record):
        raise KeyError("a formatter")

import django
from django.conf import settings
from django.http import HttpResponseServerError
from django.urls import path
settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="a key", MIDDLEWARE=["__main__.first", "__main__.second"],
    **given["settings"],
)
django.setup()

def first(get_response):
    return lambda request: get_response(request)

def second(get_response):
    def middleware(request):
        if request.path == "/middleware/":
            raise LookupError("no wheels in the middleware")
        return get_response(request)
    return middleware

def view(request):
    raise LookupError("no wheels")

async def asynchronous(request):
    raise LookupError("no wheels to wait for")

def chained(request):
    try:
        view(request)
    except LookupError as error:
        raise ValueError("no bicycle") from error

def page(request):
    return HttpResponseServerError("sorry")

def handler500(request):
    if request.path == "/page-fails/":
        raise AttributeError("no page")
    return HttpResponseServerError("sorry")

urlpatterns = [
    path(f"{name}/", made) for name, made in {
        "view": view, "asynchronous": asynchronous, "chained": chained, "page": page, "page-fails": view,
        "w\\u00e4\\nheels": view, "middleware": view,
    }.items()
]
site_errors.show_errors()
site_errors.show_errors()  # As in a process that was forked from another that has done it.
from django.core.wsgi import get_wsgi_application
site = get_wsgi_application()
for method, address in given["requests"]:
    path_info, _, query = address.partition("?")
    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": path_info, "QUERY_STRING": query, "SERVER_NAME": "shop.test",
        "SERVER_PORT": "80", "wsgi.input": BytesIO(), "wsgi.errors": sys.stderr, "wsgi.url_scheme": "http",
    }
    try:
        site(environ, lambda status, headers: print(status))
    except Exception as error:
        print(f"to the server: {error!r}")
server.error("The server is heard.")
"""


def logging(root: str = "console", existing: bool = False, **console: Any) -> dict[str, Any]:
    """Give the LOGGING of a project that writes everything to stderr, or as it is given."""
    return {
        "LOGGING": {
            "version": 1,
            "disable_existing_loggers": existing,
            "filters": {"passes": {"()": "__main__.Passes"}},
            "formatters": {name: {"()": f"__main__.{name.title()}"} for name in ("brief", "broken")},
            "handlers": {
                "console": {"class": "logging.StreamHandler", **console},
                "nowhere": {"class": "logging.NullHandler"},
                "file": {"class": "logging.FileHandler", "filename": "/dev/null"},
            },
            "root": {"handlers": [root], "level": "CRITICAL"},
        }
    }


def run(requests: list[tuple[str, str]], settings: dict[str, Any]) -> tuple[list[str], str]:
    """Send the requests to a site with these settings; give the statuses, and what was written to stderr."""
    done = subprocess.run(
        [sys.executable, "-c", SITE],
        input=json.dumps({"requests": requests, "settings": settings}),
        env={"PYTHONPATH": str(MODULE), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


OURS = "Internal Server Error (500): GET /view/\nTraceback (most recent call last):\n"
ERROR = "500 Internal Server Error"


@pytest.mark.parametrize(
    ("settings", "ours"),
    [
        pytest.param({}, True, id="Django's own, which only mails"),
        pytest.param(logging(), False, id="a console"),
        pytest.param(logging(stream="ext://sys.stdout"), False, id="a console on stdout"),
        pytest.param(logging(existing=True), True, id="a console, and django.request disabled"),
        pytest.param(logging(level="CRITICAL"), True, id="a console for worse only"),
        pytest.param(logging(filters=["passes"]), False, id="a filter that lets it pass"),
        pytest.param(logging(formatter="brief"), True, id="a formatter without tracebacks"),
        pytest.param(logging("nowhere"), True, id="no console"),
        pytest.param(logging("file"), True, id="a file"),
        pytest.param({"LOGGING_CONFIG": None}, False, id="logging's last resort"),
    ],
)
def test_an_error_is_written_once(settings: dict[str, Any], ours: bool) -> None:
    """By the project's logging where that writes it to stderr or stdout, and by us where it does not."""
    out, err = run([("GET", "/view/?token=correct-horse")], settings)
    assert ERROR in out
    assert (OURS in err) is ours
    assert (out + err.splitlines()).count("LookupError: no wheels") == 1
    assert "correct-horse" not in err


def test_a_logging_that_fails() -> None:
    """The traceback is not lost over it."""
    out, err = run([("GET", "/view/")], logging(formatter="broken"))
    assert out == [ERROR]
    assert OURS in err


@pytest.mark.parametrize(
    ("request_line", "head", "last"),
    [
        (("POST", "/view/"), "POST /view/", "LookupError: no wheels"),
        (("GET", "/asynchronous/"), "GET /asynchronous/", "LookupError: no wheels to wait for"),
        (("GET", "/middleware/"), "GET /middleware/", "LookupError: no wheels in the middleware"),
        (("GET", "/chained/"), "GET /chained/", "ValueError: no bicycle"),
        # A path cannot begin a line of its own.
        (("GET", "/w\u00c3\u00a4\nheels/"), "GET /w%C3%A4%0Aheels/", "LookupError: no wheels"),
    ],
)
def test_what_is_written(request_line: tuple[str, str], head: str, last: str) -> None:
    """Which request it was, every frame down to the view, and causes."""
    out, err = run([request_line], {})
    lines = err.splitlines()[:-1]
    assert out == [ERROR]
    assert lines[:2] == [f"Internal Server Error (500): {head}", "Traceback (most recent call last):"]
    assert lines[-1] == last
    assert ("LookupError: no wheels" in lines[:-1]) is (last.startswith("ValueError"))


def test_each_request_is_one_of_its_own() -> None:
    """The same error twice is written twice, one per request; what raises nothing has no traceback."""
    out, err = run([("GET", "/view/"), ("GET", "/page/"), ("GET", "/view/"), ("GET", "/nowhere/")], {})
    assert out == [ERROR, ERROR, ERROR, "404 Not Found"]
    assert err.count("Traceback") == err.count(OURS) == 2


def test_the_page_for_the_error_fails_as_well() -> None:
    """Every middleware sees that again; the request's own error is written here, and the server writes the other."""
    out, err = run([("GET", "/page-fails/")], {})
    assert out == ["to the server: AttributeError('no page')"]
    assert err.count("Internal Server Error (500): GET /page-fails/\n") == err.count("Traceback") == 1
    assert "LookupError: no wheels\n" in err


@pytest.mark.parametrize("existing", [False, True])
def test_the_server_is_not_silenced(existing: bool) -> None:
    """By a project that disables all loggers but its own."""
    _out, err = run([], logging(existing=existing))
    assert err == "The server is heard.\n"


GUNICORN = """
import site_errors
@site_errors.with_traceback
def load(module):
    raise {error}("no spokes")
try:
    load("shop.wsgi")
except RuntimeError as error:
    print("Error:", error)
"""


@pytest.mark.parametrize("error", ["RuntimeError", "NotImplementedError", "ImportError"])
def test_an_application_that_cannot_be_loaded(error: str) -> None:
    """Its traceback is written once, also where gunicorn would take an error for one of its own."""
    done = subprocess.run(
        [sys.executable, "-c", GUNICORN.format(error=error)],
        env={"PYTHONPATH": str(MODULE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("Traceback") == 1
    assert done.stderr.endswith(f"{error}: no spokes\n")
