"""Who asks for the lock, and whether the process that has it is still there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible.plugins.action import ActionBase
from ansible_collections.pitcrew.django.plugins.action.lock import ActionModule, identity, is_gone, operator
from ansible_collections.pitcrew.django.plugins.action.refuse import Refused
from ansible_collections.pitcrew.django.plugins.module_utils import host as host_module
from ansible_collections.pitcrew.django.plugins.module_utils.capacity import CapacityError
from ansible_collections.pitcrew.django.plugins.module_utils.lock import DeployLock, Holder
from ansible_collections.pitcrew.django.plugins.modules import lock as module

EXPIRES_S = 600


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


def ended() -> str:
    """Give the identity of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        known = identity(process.pid)
        assert not is_gone(known)
        process.communicate(b"\n")
    return known


@on_linux
def test_a_process_that_has_ended() -> None:
    assert is_gone(ended())


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


# What the host is asked


Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployLock:
    """The lock of a site, in a directory that stands for /run."""
    monkeypatch.setattr(host_module, "RUN", tmp_path)
    monkeypatch.setattr(module, "read_site", lambda *args: {"read of": args})
    return DeployLock(tmp_path / "srv" / "shop")


@pytest.fixture
def ask(lock: DeployLock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Ask for the lock by the action, whose module runs right here; something may happen after its first answer."""

    def asked(meanwhile: Callable[[], object] = lambda: None, **args: Any) -> dict[str, Any]:
        happens = iter([meanwhile])

        def execute(_action: ActionModule, _name: str, module_args: dict[str, Any], **_: Any) -> dict[str, Any]:
            with patch_module_args(module_args), pytest.raises(SystemExit):
                module.main()
            next(happens, lambda: None)()
            answer: dict[str, Any] = json.loads(capsys.readouterr().out)
            return answer

        action = ActionModule.__new__(ActionModule)
        action._task = SimpleNamespace(
            args={"name": "shop", "root": str(lock.root), **args}, no_log=False, _parent=None
        )
        action._display = SimpleNamespace(display=lambda *_, **__: None)
        with monkeypatch.context() as patch:
            patch.setattr(ActionBase, "run", lambda *_: {})
            patch.setattr(ActionModule, "_execute_module", execute)
            try:
                return action.run()
            except Refused as refused:
                return {"msg": refused.message, **refused.result}

    return asked


def holder(name: str, process: str) -> Holder:
    """One run, of this very control node."""
    return Holder(name, "laptop", process, 1_750_000_000)


@on_linux
def test_the_lock_of_a_run_that_has_died_is_taken_at_once(lock: DeployLock, ask: Ask) -> None:
    anna = holder("anna", ended())
    lock.take(anna, EXPIRES_S)
    answer = ask(operator="bert")
    assert lock.holder is not None
    assert (lock.holder.operator, lock.holder.token) == ("bert", answer["token"])


@on_linux
def test_two_runs_that_find_the_same_one_dead(lock: DeployLock, ask: Ask) -> None:
    """The second is refused; the first keeps the lock."""
    died, alive = ended(), identity(os.getpid())
    lock.take(holder("anna", died), EXPIRES_S)
    answer = ask(lambda: lock.take(holder("bert", alive), EXPIRES_S, gone=died), operator="carl")
    assert answer["msg"].startswith("shop is being deployed by bert on laptop")
    assert answer["holder"]["operator"] == "bert"
    assert lock.holder is not None
    assert lock.holder.operator == "bert"


@on_linux
def test_who_breaks_a_lock_breaks_any(lock: DeployLock, ask: Ask) -> None:
    lock.take(holder("anna", identity(os.getpid())), EXPIRES_S)
    assert "is being deployed by anna" in ask(operator="bert")["msg"]
    ask(operator="bert", force=True)
    assert lock.holder is not None
    assert lock.holder.operator == "bert"


def test_the_host_is_read_with_the_lock_in_hand(lock: DeployLock, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """One visit does both."""
    holders = []

    def read(*args: Any) -> dict[str, Any]:
        holders.append(lock.holder)
        return {"read of": args}

    monkeypatch.setattr(module, "read_site", read)
    answer = ask(operator="bert", files=["/etc/ssl/shop.pem"])
    assert answer["ansible_facts"] == {"read of": ["shop", str(lock.root), ["/etc/ssl/shop.pem"], None, [], {}]}
    assert [found and found.operator for found in holders] == ["bert"]


def test_check_mode_reads_the_host_and_takes_nothing(lock: DeployLock, ask: Ask) -> None:
    lock.take(holder("anna", "elsewhere"), EXPIRES_S)
    answer = ask(operator="bert", _ansible_check_mode=True)
    assert "ansible_facts" in answer
    assert "token" not in answer
    assert lock.holder is not None
    assert lock.holder.operator == "anna"


def test_a_host_that_cannot_be_read_is_not_held(lock: DeployLock, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, or by an error that nobody expected."""

    def unreadable(*_said: Any) -> None:
        raise CapacityError("no /proc/meminfo")

    monkeypatch.setattr(module, "read_site", unreadable)
    assert ask(operator="bert")["msg"] == "The site cannot be locked for this run: no /proc/meminfo."
    assert lock.holder is None
    broken = ValueError("a release.json that is none")
    monkeypatch.setattr(module, "read_site", lambda *_said: (_ for _ in ()).throw(broken))
    with pytest.raises(ValueError, match=r"release\.json"):
        ask(operator="bert")
    assert lock.holder is None
