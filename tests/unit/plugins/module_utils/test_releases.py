"""The life of a release, on a real disk."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.releases import Release, Releases


@pytest.fixture
def shop(tmp_path: Path) -> Releases:
    """Give the releases of a site that has none."""
    return Releases(tmp_path)


def test_releases_on_disk(shop: Releases) -> None:
    """By name; a release is finished once it has its record; files between them are none."""
    for name in ("b", "a"):
        (shop.directory / name).mkdir(parents=True)
    (shop.directory / "readme").write_text("")
    (shop.directory / "a/release.json").write_text('{"static": "static"}\n')
    assert [(release.id, release.description) for release in shop] == [("a", {"static": "static"}), ("b", None)]


def release(shop: Releases, python: str) -> Release:
    """Finish a release whose packages are for that version of Python."""
    found = shop.named("r1")
    (found.venv / "bin").mkdir(parents=True)
    (found.venv / "lib/python3.11").mkdir(parents=True)
    (found.venv / "bin/python").symlink_to(python)
    found.finish('{"static": "static"}')
    return found


@pytest.mark.parametrize(
    ("python", "runs"), [("/usr/bin/python3.11", True), ("/usr/bin/python3.13", False), ("/opt/mine/python", True)]
)
def test_the_python_of_a_release(shop: Releases, python: str, runs: bool) -> None:
    """One that the distribution's upgrade took away makes the release outdated; of others nothing is known."""
    assert release(shop, python).description == ({"static": "static"} if runs else None)


def test_what_is_complete_is_on_the_disk(shop: Releases, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is the last that is written."""
    seen = []
    run = subprocess.run

    def noted(command: list[str], **options: Any) -> Any:
        seen.append((command[0], (shop.directory / "r1/release.json").exists()))
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", noted)
    release(shop, "/usr/bin/python3.11")
    assert seen == [("sync", False)]


def test_a_removal_that_is_cut_off(shop: Releases, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of it does not count as complete."""
    found = release(shop, "/usr/bin/python3.11")
    monkeypatch.setattr(subprocess, "run", lambda *_words, **_options: None)
    found.remove()
    assert found.path.exists()
    assert found.description is None


def test_history(shop: Releases) -> None:
    """One object a line, oldest first."""
    shop.history_file.write_text(
        '{"at": "2025-01-01T00:00:00Z", "release": "r1", "slot": "blue"}\n'
        '{"at": "2025-01-02T00:00:00Z", "release": "r2", "slot": "green"}\n'
    )
    assert [(entry["release"], entry["slot"]) for entry in shop.history()] == [("r1", "blue"), ("r2", "green")]


@pytest.mark.parametrize("torn", ['{"at": "2025-01-0', "\0\0\0"])
def test_a_history_that_was_cut_off(shop: Releases, torn: str) -> None:
    """By a full disk or a power cut: what is whole still counts."""
    shop.history_file.write_text(f'{{"release": "r1", "slot": "blue"}}\n{torn}\n{{"release": "r2", "slot": "green"}}\n')
    assert [entry["release"] for entry in shop.history()] == ["r1", "r2"]
