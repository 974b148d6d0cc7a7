"""Who listens on a port, from a /proc of the test's own."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import listeners
from ansible_collections.pitcrew.django.plugins.module_utils.listeners import has_ipv6, other_listeners

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
APACHE, NGINX, LOCAL = 101, 103, 104


def line(address: str, port: int, inode: int, state: str = "0A") -> str:
    """A line of /proc/net/tcp, as Linux 6.1 writes it."""
    queues = "00000000:00000000 00:00000000 00000000"
    return f"   0: {address}:{port:04X} 00000000:0000 {state} {queues}     0        0 {inode} 1 0000000000000000 100\n"


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give processes a name, sockets, and a control group."""
    monkeypatch.setattr(listeners, "PROC", tmp_path)
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(HEAD)

    def add(pid: int, name: str, *inodes: int, group: str = "0::/init.scope\n") -> None:
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "comm").write_text(f"{name}\n")
        (tmp_path / str(pid) / "cgroup").write_text(group)
        for number, inode in enumerate(inodes):
            (tmp_path / str(pid) / "fd" / str(number)).symlink_to(f"socket:[{inode}]")

    return add


def test_nobody_listens(proc: Callable[..., None], tmp_path: Path) -> None:
    """On these ports; connections to them are no listeners, and without IPv6 there is no list of its sockets."""
    (tmp_path / "net/tcp").write_text(
        HEAD + line("00000000", 22, 1) + line("0100007F", 80, 2, "01") + line("00000000", 80, 3, "06")
    )
    proc(7, "sshd", 1, 2, 3)
    assert other_listeners((80, 443), "nginx", "") == []


@pytest.mark.parametrize("table", ["tcp", "tcp6"])
def test_another_program_listens(proc: Callable[..., None], tmp_path: Path, table: str) -> None:
    """Its main process and its unit are named, not one of the children that have its sockets, too."""
    address = {"tcp": "00000000", "tcp6": "0" * 32}[table]
    (tmp_path / f"net/{table}").write_text(HEAD + line(address, 80, APACHE) + line(address, 443, APACHE + 1))
    unit = "0::/system.slice/apache2.service\n"
    for pid in (1001, 999, 1000):
        proc(pid, "apache2", 5, APACHE, APACHE + 1, group=unit)
    proc(1, "systemd", 4)
    apache = {"program": "apache2", "pid": 999, "unit": "apache2.service"}
    assert other_listeners((80, 443), "nginx", "") == [{"port": 80, **apache}, {"port": 443, **apache}]
    assert other_listeners((443,), "nginx", "") == [{"port": 443, **apache}]


def test_nginx_listens(proc: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then no other process is looked at; nor is it another program where its number is not known."""
    (tmp_path / "net/tcp").write_text(HEAD + line("00000000", 80, NGINX))
    (tmp_path / "net/tcp6").write_text(HEAD + line("0" * 32, 80, NGINX))
    proc(500, "nginx", NGINX)
    assert other_listeners((80, 443), "nginx", "4194305") == []
    monkeypatch.setattr(Path, "iterdir", lambda _path: pytest.fail("all processes were looked at"))
    assert other_listeners((80, 443), "nginx", "500") == []


def test_both_listen(proc: Callable[..., None], tmp_path: Path) -> None:
    """Each on an address of its own: the other one is reported."""
    (tmp_path / "net/tcp").write_text(HEAD + line("0100000A", 80, NGINX) + line("0100007F", 80, LOCAL))
    proc(10, "nginx", NGINX)
    proc(500, "docker-proxy", LOCAL, group="0::/user.slice/user-0.slice/user@0.service/app.slice/x.service\n")
    holder = {"port": 80, "program": "docker-proxy", "pid": 500, "unit": None}
    assert other_listeners((80, 443), "nginx", "10") == [holder]


def test_a_number_that_was_nginx_s(proc: Callable[..., None], tmp_path: Path) -> None:
    """A file that nginx left behind names a process that is another program now."""
    (tmp_path / "net/tcp").write_text(HEAD + line("00000000", 80, APACHE))
    proc(10, "apache2", APACHE)
    assert [found["program"] for found in other_listeners((80,), "nginx", "10")] == ["apache2"]


def test_a_program_that_cannot_be_seen(proc: Callable[..., None], tmp_path: Path) -> None:
    """It runs outside of what this host shows; or it ended while it was looked at."""
    (tmp_path / "net/tcp").write_text(HEAD + line("00000000", 80, APACHE))
    (tmp_path / "77").mkdir()
    unseen: dict[str, Any] = {"port": 80, "program": None, "pid": None, "unit": None}
    assert other_listeners((80,), "nginx", "") == [unseen]


def test_this_machine() -> None:
    """The real /proc has a socket of this process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        [found] = other_listeners((port,), "nginx", "")
    assert (found["port"], found["program"]) == (port, Path("/proc/self/comm").read_text().strip())
    assert other_listeners((port,), "nginx", "") == []


def test_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host has it if a socket can be bound."""

    class Unsupported(socket.socket):
        def __init__(self, *_said: Any) -> None:
            raise OSError(97, "Address family not supported by protocol")

    assert has_ipv6() is True
    monkeypatch.setattr(listeners.socket, "socket", Unsupported)
    assert has_ipv6() is False
