"""What the tests of this scenario ask Prometheus, and the hosts it reads."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import testinfra
from testinfra.host import Host

Query = Callable[[str], list[dict[str, Any]]]


def asked(host: Host, path: str, **parameters: str) -> Any:
    """Ask Prometheus on a host, through the shell of the host, and return the data of its answer."""
    url = f"http://127.0.0.1:9090/api/v1/{path}?{urlencode(parameters)}"
    answer: dict[str, Any] = json.loads(host.check_output("curl -fsS %s", url))
    assert answer["status"] == "success"
    return answer["data"]


def soon(ask: Callable[[], Any], seconds: float = 120) -> Any:
    """Repeat a question until its answer is true, and return the answer; the last one if it never is."""
    deadline = time.monotonic() + seconds
    while not (found := ask()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


@pytest.fixture
def query(host: Host) -> Query:
    """Ask the test's host for the current samples of an expression."""
    return lambda expression: list(asked(host, "query", query=expression)["result"])


@pytest.fixture(scope="module")
def hosts(inventory: Path) -> Callable[[str], Host]:
    """Give another host of the scenario by its name."""
    return lambda name: testinfra.get_host(f"ansible://{name}", ansible_inventory=str(inventory))
