"""What either server runs: the order of what wraps the project's application, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from slot_files import Wsgi, ask, slot
from test_templates import play_modules

Load = Callable[..., ModuleType]


class Resolver:
    """Django's, whose patterns are loaded by looking at them."""

    def __init__(self, done: list[str]) -> None:
        self.done = done

    @property
    def url_patterns(self) -> None:
        """Note that somebody looked."""
        self.done.append("URLs loaded")


def page(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer as a project that names other releases."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Release", "2.4"), ("x-pitcrew-release", "r7")])
    if environ["PATH_INFO"] == "/fails/":
        start_response("500 Error", [("X-PITCREW-RELEASE", "r8")], "exc_info")
    return [b"page"]


def tagging(application: Wsgi, tag: str = "plain") -> Wsgi:
    """Wrap an application such that its body shows it."""

    def tagged(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        return [f"<{tag}>".encode(), *application(environ, start_response)]

    return tagged


def refusing(_application: Wsgi) -> Wsgi:
    """Fail, as middleware does that misses a setting."""
    raise LookupError("no users")


@pytest.fixture
def done() -> list[str]:
    """What happens while the site is loaded."""
    return []


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: list[str]) -> Iterator[Load]:
    """Load a site with a played Django."""
    played: dict[str, dict[str, Any]] = {
        "shop": {},
        "shop.wsgi": {"application": page, "app": tagging(page, "app")},
        "guards": {"tagging": tagging, "refusing": refusing, "AGE": 7, "nothing": lambda application: None},
        "django": {},
        "django.urls": {"get_resolver": lambda: Resolver(done)},
        "django.db": {"connections": SimpleNamespace(close_all=lambda: done.append("connections closed"))},
        "site_errors": {"show_errors": lambda: done.append("errors shown")},
    }
    contexts = []

    def loaded(**site: Any) -> ModuleType:
        context = slot(tmp_path, monkeypatch, **{"application": "shop.wsgi:application", **site})
        modules = context.__enter__()
        contexts.append(context)
        play_modules(monkeypatch, played)
        return modules("site_wsgi")

    yield loaded
    for context in contexts:
        context.__exit__(None, None, None)


def test_it_is_whole_before_workers_are_forked(load: Load, done: list[str]) -> None:
    """URLs are loaded, which may have asked the database; then connections are closed."""
    load()
    assert done == ["URLs loaded", "errors shown", "connections closed"]


@pytest.mark.parametrize(
    ("application", "body"),
    [("shop.wsgi:application", b"page"), ("shop.wsgi", b"page"), ("shop.wsgi:app", b"<app>page")],
)
def test_the_application_that_was_set(load: Load, application: str, body: bytes) -> None:
    assert ask(load(application=application).application)[2] == body


def test_an_application_that_is_not_there(load: Load) -> None:
    """Loading fails, and with it the start."""
    with pytest.raises(AttributeError, match=r"shop\.wsgi.* has no attribute 'absent'"):
        load(application="shop.wsgi:absent")


@pytest.mark.parametrize(
    ("path", "status", "headers"),
    [
        ("/", "200 OK", [("Content-Type", "text/plain"), ("X-Release", "2.4"), ("X-Pitcrew-Release", "r1")]),
        ("/fails/", "500 Error", [("X-Pitcrew-Release", "r1")]),
    ],
)
def test_every_response_names_its_release(load: Load, path: str, status: str, headers: list[tuple[str, str]]) -> None:
    """Once, in errors too, and by the name of the release alone: other headers of the application pass."""
    assert ask(load().application, PATH_INFO=path)[:2] == (status, headers)


@pytest.mark.parametrize(
    ("probe", "status", "body"), [("alive", "204 No Content", b""), ("ALIVE", "200 OK", b"<a>page")]
)
def test_the_probe(load: Load, probe: str, status: str, body: bytes) -> None:
    """It reaches neither middleware nor the project, and its answer has the release alone."""
    middleware = [{"path": "guards.tagging", "arguments": {"tag": "a"}}]
    found = ask(load(middleware=middleware).application, HTTP_X_PITCREW_PROBE=probe)
    assert (found[0], found[2]) == (status, body)
    assert ("X-Pitcrew-Release", "r1") in found[1]
    assert len(found[1]) == (1 if probe == "alive" else 3)


def test_the_order_of_middleware(load: Load) -> None:
    """The first is outermost; all forms of an item are the same."""
    middleware = [
        {"path": "guards.tagging", "arguments": {"tag": "first"}},
        "guards.tagging",
        {"path": "guards.tagging"},
        {"path": "guards.tagging", "arguments": None},
    ]
    assert ask(load(middleware=middleware).application)[2] == b"<first><plain><plain><plain>page"


def test_middleware_that_is_refused(load: Load, capfd: pytest.CaptureFixture[str]) -> None:
    """All of it at once, in the order of the variable, each with its cause; what works in between does not hide any."""
    middleware = [
        "guards.absent",
        "no_such_package.Wsgi",
        "guards.tagging",
        "guards.AGE",
        "guards.nothing",
        "guards.refusing",
        {"path": "guards.tagging", "arguments": {"size": 1}},
    ]
    with pytest.raises(Exception, match=r"site_wsgi_middleware: 'guards\.absent' cannot be used") as refused:
        load(middleware=middleware)
    assert type(refused.value).__name__ == "MiddlewareRefused"
    causes = [line.partition(" cannot be used: ") for line in str(refused.value).splitlines()]
    assert [(name.split("'")[1], cause[: cause.index(":")]) for name, _, cause in causes] == [
        ("guards.absent", "AttributeError"),
        ("no_such_package.Wsgi", "ModuleNotFoundError"),
        ("guards.AGE", "TypeError"),
        ("guards.nothing", "TypeError"),
        ("guards.refusing", "LookupError"),
        ("guards.tagging", "TypeError"),
    ]
    assert "it returned None, which is not callable" in str(refused.value)
    assert capfd.readouterr().err.count("Traceback") == 6


def test_nothing_is_counted_if_it_is_off(load: Load, tmp_path: Path) -> None:
    """No module, no directory, no variable, no header."""
    import os
    import sys

    status, headers, _body = ask(load().application, HTTP_X_REQUEST_START="t=1700000000.000")
    assert status == "200 OK"
    assert [name for name, _value in headers] == ["Content-Type", "X-Release", "X-Pitcrew-Release"]
    assert "site_metrics" not in sys.modules
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == ""
    assert os.listdir(tmp_path / "run") == []
