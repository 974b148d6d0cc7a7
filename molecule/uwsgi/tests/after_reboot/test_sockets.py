"""Who may speak to uWSGI, and what it says of itself. Before a reboot and after it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]


@pytest.fixture(autouse=True, scope="module")
def _answers(answering: Callable[[], str]) -> None:
    """After a boot the first answer takes a moment."""
    answering()


def test_sockets(host: Host, live: Callable[[], str]) -> None:
    """The site and nginx may connect, and nobody else."""
    found = host.check_output("cd /run/shop-%s && stat --format '%%n %%F %%U %%G %%a' *", live())
    assert found.splitlines() == [
        "app.sock socket shop shop 660",
        "metrics directory shop shop 750",
        "stats.sock socket shop shop 660",
    ]
    assert host.check_output("id --name --groups www-data").split() == ["www-data", "shop"]


def test_statistics(host: Host, live: Callable[[], str]) -> None:
    """Both workers of the plan accept requests, with three threads each."""
    read = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.makefile().read())"
    found = json.loads(host.check_output(f'python3 -c "{read}" /run/shop-%s/stats.sock', live()))
    assert [(worker["accepting"], len(worker["cores"])) for worker in found["workers"]] == [(1, 3), (1, 3)]
