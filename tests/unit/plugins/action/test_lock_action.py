"""Who asks for the lock, and whether the process that has it is still there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.pitcrew.django.plugins.action.lock import identity, is_gone, operator


def test_the_operator_is_who_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also behind sudo; the account of a container may have no name."""
    for name in ("SUDO_USER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOGNAME", "root")
    assert operator() == "root"
    monkeypatch.setenv("SUDO_USER", "anna")
    assert operator() == "anna"
    monkeypatch.delenv("SUDO_USER")
    monkeypatch.delenv("LOGNAME")
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    assert operator() == f"user {os.getuid()}"


on_linux = pytest.mark.skipif(not os.path.exists("/proc/self/ns/pid"), reason="processes are known by /proc")


@on_linux
def test_a_process_that_runs() -> None:
    assert not is_gone(identity(os.getpid()))
    assert not is_gone(identity(os.getppid()))


@on_linux
def test_a_process_that_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        known = identity(process.pid)
        assert not is_gone(known)
        process.communicate(b"\n")
    assert is_gone(known)


@on_linux
def test_a_number_that_is_another_process_s_by_now() -> None:
    boot, namespace, pid, started = identity(os.getpid()).split()
    assert is_gone(f"{boot} {namespace} {pid} {int(started) - 1}")


@on_linux
@pytest.mark.parametrize("part", [0, 1])
def test_a_process_of_another_machine_or_container(part: int) -> None:
    """Nothing is known of it from here, whatever the names of the machines."""
    words = identity(os.getpid()).split()
    words[2], words[part] = "999999999", "another"
    assert not is_gone(" ".join(words))


@pytest.mark.parametrize("process", ["", "nonsense"])
def test_a_holder_that_says_nothing_of_its_process(process: str) -> None:
    assert not is_gone(process)
