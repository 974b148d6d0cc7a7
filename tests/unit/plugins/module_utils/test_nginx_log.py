"""Errors in nginx's log, in lines as nginx 1.22 writes them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import nginx_log
from ansible_collections.pitcrew.django.plugins.module_utils.nginx_log import reasons, requests_with_long_headers

ROOT = Path("/srv/shop")
NOW = time.time()


def line(path: str, age: int = 60, root: Path = ROOT, words: str = "upstream sent too big header") -> str:
    """One error of so many seconds ago."""
    at = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(NOW - age))
    return (
        f"{at} [error] 4711#4711: *12 {words} while reading response header from upstream, client: 203.0.113.5, "
        f'server: shop.test, request: "GET {path} HTTP/1.1", upstream: "http://unix:{root}/live/http.sock:{path}", '
        'host: "shop.test"\n'
    )


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the path of the log."""
    monkeypatch.setattr(nginx_log, "ERROR_LOG", tmp_path / "error.log")
    return tmp_path / "error.log"


def test_answers_with_long_headers(log: Path) -> None:
    """Those of this site, and of the time that matters."""
    log.write_text(
        line("/old/", age=7200)
        + line("/other/", root=Path("/srv/shop2"))
        + line("/slow/", words="upstream timed out (110: Connection timed out)")
        + "2026/11/30 10:00:00 [emerg] 1#1: too big header\n"
        + line("/first/?a=b")
        + line("/last/").replace("http://", "uwsgi://")
        + "half a li"
    )
    assert requests_with_long_headers(ROOT, NOW - 3600) == ["GET /first/?a=b", "GET /last/"]


def test_no_log(log: Path) -> None:
    """nginx has not run yet, or writes elsewhere."""
    assert requests_with_long_headers(ROOT, 0) == []


def test_a_long_log(log: Path) -> None:
    """Only its end is read."""
    log.write_text(line("/early/") + "x" * nginx_log.READ + "\n" + line("/late/"))
    assert requests_with_long_headers(ROOT, 0) == ["GET /late/"]


def test_reasons_for_complaints_are_grouped_without_what_differs() -> None:
    """Neither the visitor nor the address is passed on; other sites, and other times, are not counted."""
    refused = "connect() to unix:/srv/shop/live/http.sock failed (111: Connection refused)"
    lines = [
        line("/a/?token=hunter2", words=refused),
        line("/b/", words=refused),
        line("/c/", words="client intended to send too large body: 12345678 bytes"),
        line(
            "/d/", words='open() "/srv/shop/live/public/x<b>" failed (2: No such file or directory) from 198.51.100.7'
        ),
        line("/e/", words=refused).replace("server: shop.test", "server: blog.test"),
        line("/f/", words=refused, age=9000),
        "2026/11/30 10:00:00 [emerg] 1#1: bind() failed\n",
        "9999/99/99 99:99:99 [error] 1#1: *1 x, client: 1, server: shop.test, \n",
        "\0\0\0",
    ]
    found = reasons([[one.rstrip("\n").encode() for one in lines]], "shop.test", NOW - 3600)
    assert [(one["reason"].partition(" while ")[0], one["count"], one["level"]) for one in found] == [
        (refused, 2, "error"),
        ("client intended to send too large body: N bytes", 1, "error"),
        ('open() "…" failed (2: No such file or directory) from 198.51.100.x', 1, "error"),
    ]
    assert found[0]["last"] == pytest.approx(NOW - 60, abs=2)


def test_reasons_are_bounded() -> None:
    """Whatever a module of nginx may write."""
    lines = [
        line("/", words=f"reason{chr(97 + number % 26)}{chr(97 + number // 26)}").encode() for number in range(300)
    ]
    assert len(reasons([lines], "shop.test", NOW - 3600)) == 50
