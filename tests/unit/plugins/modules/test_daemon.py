"""Files that a program tests together and runs with, or that leave all as it was; program and systemd are played."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pitcrew.django.plugins.modules import daemon as module

DROP_IN = "[Service]\nRestart=on-failure\n"
LOG = "level=error msg=broken"


@dataclass
class Host:
    """A host whose service runs, and whatever a test changes about that."""

    root: Path
    capsys: pytest.CaptureFixture[str]
    active: bool = True
    enabled: bool = True
    listening: bool = True
    objection: str | None = None
    restarts: list[int] = field(default_factory=lambda: [0])
    orders: list[tuple[str, ...]] = field(default_factory=list)
    tested: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The program's directory."""
        return self.root / "etc"

    # What the module calls

    def run(self, command: list[str], **_how: Any) -> tuple[int, str, str]:
        """Copy for real, and test as a program does that knows no `foo`."""
        if command[0] != "unshare":
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout, done.stderr
        copy = Path(command[5])
        assert command[:5] == ["unshare", "--mount", "sh", "-c", module.TEST]
        assert command[6:] == [str(self.home), "true", f"{self.home}/main.yml"]
        self.tested = {str(path.relative_to(copy)): path.read_text() for path in copy.rglob("*") if path.is_file()}
        wrong = [path for path, text in sorted(self.tested.items()) if "foo" in text]
        return (1, "", f"{wrong[0]}: unknown field foo\n") if wrong else (0, "", "")

    def properties(self, unit: str, *_names: str) -> dict[str, str]:
        """Tell the state of the service."""
        assert unit == "tool.service"
        return {
            "ActiveState": "active" if self.active else "inactive",
            "UnitFileState": "enabled" if self.enabled else "disabled",
        }

    def show(self, _unit: str) -> Any:
        """Tell how often it was started again."""
        restarts = self.restarts.pop(0) if len(self.restarts) > 1 else self.restarts[0]
        return SimpleNamespace(restarts=restarts, stopped=False)

    def outdated(self, _unit: str) -> bool:
        """Tell that systemd knows the unit as it is."""
        return False

    def order(self, *words: str) -> str | None:
        """Do as systemctl does."""
        self.orders.append(words)
        return None if words[0] == "daemon-reload" else self.objection

    def journal(self, _unit: str, _since: float) -> str:
        """Tell what the service wrote."""
        return LOG

    # What a test does

    def play(self, check: bool = False, **params: Any) -> dict[str, Any]:
        """Run the module with a file and a drop-in, and give its answer."""
        arguments = {
            "name": "tool",
            "drop_in": DROP_IN,
            "listens": "127.0.0.1:9999",
            "directory": str(self.home),
            "files": {"main.yml": "a: 1\n"},
            "tests": [["true", f"{self.home}/main.yml"]],
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            **params,
        }
        self.orders.clear()
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(self.capsys.readouterr().out.splitlines()[-1])
        return answer

    def written(self) -> dict[str, str]:
        """Give all files below the host's root, but for the time stamps."""
        return {
            str(path.relative_to(self.root)): path.read_text()
            for path in self.root.rglob("*")
            if path.is_file() and path.suffix != ".stamp"
        }


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    played = Host(tmp_path, capsys)
    monkeypatch.setattr(module, "Systemd", lambda _run: played)
    monkeypatch.setattr(module.AnsibleModule, "run_command", lambda _self, command, **how: played.run(command, **how))
    monkeypatch.setattr(module.host, "UNITS", tmp_path / "units")
    monkeypatch.setattr(module, "STAMPS", tmp_path / "stamps")
    monkeypatch.setattr(module, "WATCHED_S", 0.1)
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    monkeypatch.setattr(module, "listens", lambda _address, _port: played.listening)
    # Only root can give files away.
    monkeypatch.setattr(os, "fchown", lambda *_arguments: None)
    played.home.mkdir()
    return played


def test_a_first_run(host: Host) -> None:
    host.active = host.enabled = False
    answer = host.play()
    assert (answer["changed"], answer["files"]) == (True, ["main.yml"])
    assert host.written() == {"etc/main.yml": "a: 1\n", "units/tool.service.d/pitcrew.conf": DROP_IN}
    assert host.orders == [("daemon-reload",), ("enable", "tool.service"), ("restart", "tool.service")]
    assert [change["after"] for change in answer["diff"]] == ["a: 1\n", DROP_IN]


def test_a_second_run_does_nothing(host: Host) -> None:
    host.play()
    answer = host.play()
    assert (answer["changed"], answer["files"], host.orders) == (False, [], [])


def test_a_changed_file_is_read_again(host: Host) -> None:
    host.play()
    assert host.play(files={"main.yml": "a: 2\n"})["changed"]
    assert host.orders == [("reload-or-restart", "tool.service")]


def test_a_changed_drop_in_needs_a_restart(host: Host) -> None:
    host.play()
    assert host.play(drop_in=DROP_IN + "Nice=5\n")["changed"]
    assert host.orders == [("daemon-reload",), ("restart", "tool.service")]


@pytest.mark.parametrize(
    ("path", "order"), [("etc/main.yml", "reload-or-restart"), ("units/tool.service.d/pitcrew.conf", "restart")]
)
def test_what_a_run_has_left_that_was_cut_off(host: Host, path: str, order: str) -> None:
    """The file is there, but the service has not read it."""
    host.play()
    later = time.time() + 5
    os.utime(host.root / path, (later, later))
    assert host.play()["changed"]
    assert host.orders == [(order, "tool.service")]


@pytest.mark.parametrize(("state", "order"), [("active", "restart"), ("enabled", "enable")])
def test_a_service_that_somebody_has_stopped(host: Host, state: str, order: str) -> None:
    host.play()
    setattr(host, state, False)
    assert host.play()["changed"]
    assert (order, "tool.service") in host.orders


def test_a_refusal_leaves_everything_as_it_was(host: Host) -> None:
    host.play()
    before = host.written()
    answer = host.play(files={"main.yml": "foo: 1\n", "more.yml": "a: 1\n"})
    assert answer["msg"] == "tool does not accept its new files: main.yml: unknown field foo"
    assert host.written() == before
    assert host.orders == []


def test_the_test_sees_the_other_files_too(host: Host) -> None:
    (host.home / "mine.yml").write_text("b: 1\n")
    host.play(absent=["gone.yml"])
    assert host.tested == {"mine.yml": "b: 1\n", "main.yml": "a: 1\n"}


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ({"objection": "Job failed."}, "tool does not run with its new files: Job failed."),
        ({"listening": False}, "tool.service has not listened on 127.0.0.1:9999 for 0.2 s."),
        ({"restarts": [0, 0, 1]}, "tool.service ends right after its start."),
    ],
)
def test_a_service_that_does_not_run_gets_its_files_back(host: Host, trouble: dict[str, Any], words: str) -> None:
    host.play()
    before = host.written()
    for name, value in trouble.items():
        setattr(host, name, value)
    answer = host.play(files={"main.yml": "a: 2\n", "more/b.yml": "b: 1\n"}, drop_in="[Service]\n")
    assert words in answer["msg"]
    assert answer["msg"].endswith(LOG)
    assert host.written() == before
    assert host.orders[-2:] == [("daemon-reload",), ("restart", "tool.service")]


def test_a_first_drop_in_stays(host: Host) -> None:
    """Otherwise the package's own unit would start at the next boot, and listen on all addresses."""
    host.active = host.enabled = host.listening = False
    assert "has not listened" in host.play()["msg"]
    assert host.written() == {"units/tool.service.d/pitcrew.conf": DROP_IN}


def test_secrets_are_not_for_everybody(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.grp, "getgrnam", lambda _name: SimpleNamespace(gr_gid=7))
    answer = host.play(secrets={"password": "secret"}, group="tool")
    assert (host.home / "password").stat().st_mode & 0o777 == 0o640
    assert (host.home / "main.yml").stat().st_mode & 0o777 == 0o644
    assert "secret" not in json.dumps(answer["diff"])
    assert host.written()["etc/password"] == "secret"


def test_files_that_consist_of_others(host: Host) -> None:
    """Those that are there, and those that come, in the order of their names."""
    (host.home / "main.d").mkdir()
    (host.home / "main.d/20-mine").write_text("mine\n")
    (host.home / "main.d/30-old").write_text("old\n")
    play = {"files": {"main.d/10-ours": "ours\n"}, "absent": ["main.d/30-old"], "assembled": {"all": "main.d"}}
    assert host.play(**play)["files"] == ["main.d/10-ours", "main.d/30-old", "all"]
    assert (host.home / "all").read_text() == "ours\nmine\n"
    assert not host.play(**play)["changed"]


def test_check_mode(host: Host) -> None:
    answer = host.play(check=True)
    assert (answer["changed"], host.written(), host.orders) == (True, {}, [])
    assert host.tested == {"main.yml": "a: 1\n"}
    assert "unknown field foo" in host.play(check=True, files={"main.yml": "foo: 1\n"})["msg"]


def test_check_mode_without_the_program(host: Host) -> None:
    """Nothing can be tested there, and its directory need not exist."""
    shutil.rmtree(host.home)
    answer = host.play(check=True, tests=[["no-such-program"]])
    assert (answer["changed"], answer["files"]) == (True, ["main.yml"])
    assert host.written() == {}


def test_a_service_without_files(host: Host) -> None:
    answer = host.play(directory=None, files={}, tests=[])
    assert (answer["changed"], answer["files"]) == (True, [])
    assert not host.play(directory=None, files={}, tests=[])["changed"]
