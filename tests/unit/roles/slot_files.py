"""A slot's modules, imported from a directory as a server imports them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILES = Path(__file__).resolve().parents[3] / "roles/site/files"
NAMES = ("site_application", "site_asgi", "site_errors", "site_metrics", "site_wsgi")

Wsgi = Callable[..., Any]


@contextmanager
def slot(tmp: Path, monkeypatch: pytest.MonkeyPatch, **site: Any) -> Iterator[Callable[[str], ModuleType]]:
    """Give the modules of a slot that runs this site, and forget them afterwards."""
    directory = tmp / "slot"
    shutil.copytree(FILES, directory, dirs_exist_ok=True)
    (directory / "site_wsgi.json").write_text(
        json.dumps({"metrics": False, "middleware": [], "json_logging": False, **site})
    )
    (tmp / "run").mkdir(exist_ok=True)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp / "run"))
    monkeypatch.setenv("SITE_RELEASE", "r1")
    # The module sets it, and monkeypatch removes it again.
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    monkeypatch.setattr(sys, "path", [*sys.path, str(directory)])
    for name in NAMES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    import prometheus_client.values

    usual = prometheus_client.values.ValueClass
    try:
        yield import_module
    finally:
        prometheus_client.values.ValueClass = usual
        for name in NAMES:
            sys.modules.pop(name, None)


def ask(application: Wsgi, **environ: Any) -> tuple[str, list[tuple[str, str]], bytes]:
    """Send a request as a server does; give the status, the headers and the body."""
    started: list[Any] = []
    answer = application({"REQUEST_METHOD": "GET", "PATH_INFO": "/", **environ}, lambda *said: started.append(said))
    try:
        body = b"".join(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    status, headers, *_exc_info = started[-1]
    return status, headers, body
