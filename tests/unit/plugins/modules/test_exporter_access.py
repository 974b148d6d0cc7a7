"""The certificate and the password of a host's exporters, made by the real openssl."""

from __future__ import annotations

import grp
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pitcrew.django.plugins.modules import exporter_access as module

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

PASSWORD = "correct-horse-battery"
Play = Callable[..., dict[str, Any]]


@pytest.fixture
def play(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Play:
    """Run the module, and give its answer."""
    # Only root can give files away.
    monkeypatch.setattr(os, "fchown", lambda *_arguments: None)

    def run(check: bool = False, **params: Any) -> dict[str, Any]:
        arguments = {
            "directory": str(tmp_path / "pitcrew"),
            "address": "10.0.0.11",
            "user": "prometheus",
            "password": PASSWORD,
            "group": grp.getgrgid(os.getgid()).gr_name,
            "_ansible_check_mode": check,
            **params,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return answer

    return run


def about(path: Path, *what: str) -> str:
    return subprocess.run(
        ["openssl", "x509", "-noout", "-in", str(path), *what], check=True, capture_output=True, text=True
    ).stdout


def test_what_it_creates(play: Play, tmp_path: Path) -> None:
    answer = play()
    assert answer["changed"]
    directory = tmp_path / "pitcrew"
    assert answer["certificate"] == (directory / "certificate.pem").read_text()
    assert (directory / "key.pem").stat().st_mode & 0o777 == 0o600
    assert (directory / "users").stat().st_mode & 0o777 == 0o640
    assert re.fullmatch(r"prometheus:\$6\$[^$]+\$[./0-9A-Za-z]{86}\n", (directory / "users").read_text())


def test_the_certificate_is_for_one_address_and_signs_nothing(play: Play, tmp_path: Path) -> None:
    play()
    text = about(tmp_path / "pitcrew/certificate.pem", "-text")
    assert "IP Address:10.0.0.11" in text
    assert text.count("CA:") == 1
    assert "CA:FALSE" in text
    assert "TLS Web Server Authentication" in text


def test_a_host_name(play: Play, tmp_path: Path) -> None:
    play(address="Web1.example.com")
    assert "DNS:web1.example.com" in about(tmp_path / "pitcrew/certificate.pem", "-text")
    assert not play(address="web1.example.com")["changed"]


def test_the_second_time_nothing_changes(play: Play) -> None:
    first = play()
    assert play() == {**first, "changed": False}


@pytest.mark.parametrize("address", ["10.0.0.12", "web1.example.com", "fd00::11"])
def test_another_address_gets_another_certificate(play: Play, address: str) -> None:
    first = play()
    second = play(address=address)
    assert second["changed"]
    assert second["certificate"] != first["certificate"]
    assert not play(address=address)["changed"]


def test_it_is_renewed_before_it_ends(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DAYS", 300)
    first = play()
    monkeypatch.setattr(module, "DAYS", 3650)
    assert play()["certificate"] != first["certificate"]


def test_a_key_that_is_gone(play: Play, tmp_path: Path) -> None:
    first = play()
    (tmp_path / "pitcrew/key.pem").unlink()
    assert play()["certificate"] != first["certificate"]


@pytest.mark.parametrize("params", [{"password": "another-password-here"}, {"user": "other"}])
def test_another_user_or_password(play: Play, tmp_path: Path, params: dict[str, str]) -> None:
    first = play()
    before = (tmp_path / "pitcrew/users").read_text()
    second = play(**params)
    assert second["changed"]
    assert second["certificate"] == first["certificate"]
    assert (tmp_path / "pitcrew/users").read_text() != before
    assert not play(**params)["changed"]


def test_a_second_user_does_not_stay(play: Play, tmp_path: Path) -> None:
    play()
    users = tmp_path / "pitcrew/users"
    users.write_text(users.read_text() + "guest:$6$salt$hash\n")
    assert play()["changed"]
    assert users.read_text().count("\n") == 1


def test_check_mode(play: Play, tmp_path: Path) -> None:
    answer = play(check=True)
    assert (answer["changed"], answer["certificate"]) == (True, "")
    assert not (tmp_path / "pitcrew").exists()


def test_a_group_that_is_none(play: Play) -> None:
    assert "no-such-group" in play(group="no-such-group")["msg"]
