"""Errors in nginx's log, in lines as nginx 1.22 writes them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import nginx_log
from ansible_collections.pitcrew.django.plugins.module_utils.nginx_log import requests_with_long_headers

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
