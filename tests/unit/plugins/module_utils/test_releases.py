"""The life of a release, on a real disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import releases as module
from ansible_collections.pitcrew.django.plugins.module_utils.releases import Release, Releases


@pytest.fixture
def shop(tmp_path: Path) -> Releases:
    """Give the releases of a site that has none."""
    return Releases(tmp_path)


def test_releases_on_disk(shop: Releases) -> None:
    """By name; a release is finished once it has its record; files beside them are ignored."""
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


# Set aside


def manage_py(release: Release, project: str = "") -> None:
    """Give the release's project a manage.py."""
    (release.app / project).mkdir(parents=True, exist_ok=True)
    (release.app / project / "manage.py").touch()


def set_aside(shop: Releases, project: str = "", needs_secrets: bool = False, **environment: str) -> str:
    """Refuse the release r1, and keep it."""
    manage_py(shop.named("r1"), project)
    return shop.named("r1").set_aside("shop", project, environment, needs_secrets)


def runnable(shop: Releases) -> Release:
    """Finish a release that has a Python to run it with, and a manage.py in two places."""
    found = release(shop, sys.executable)
    for directory in (found.app, found.app / "web/shop"):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "manage.py").touch()
    return found


def test_a_release_that_is_set_aside(shop: Releases) -> None:
    """It is unfinished from then on; its environment is kept, for root to read, and the command reads it."""
    found = runnable(shop)
    path, root = found.path, shop.directory.parent
    message = set_aside(shop, project="web/shop", PATH="/usr/bin", SITE_RELEASE="r1")
    assert (found.complete, found.description, found.app.parent.exists()) == (False, None, True)
    assert (path / "environment").read_text() == 'PATH="/usr/bin"\nSITE_RELEASE="r1"\n'
    assert (path / "environment").stat().st_mode & 0o777 == 0o600
    assert message == (
        f"It is kept in {path} until a deploy succeeds (site_keep_refused). To run its manage.py there:\n"
        "  sudo systemd-run --pty --collect --uid=shop \\\n"
        f"    --working-directory={path}/app/web/shop \\\n"
        f"    -p EnvironmentFile={path}/environment \\\n"
        f"    {path}/venv/bin/python manage.py check"
    )
    assert str(root / "live") not in message


def test_an_application_that_is_a_package_is_set_aside(shop: Releases) -> None:
    """It has no manage.py; Django does the same."""
    found = runnable(shop)
    (found.app / "manage.py").unlink()
    message = found.set_aside("shop", "", {}, False)
    assert "To run Django's commands there:" in message
    assert message.endswith(f"{found.path}/venv/bin/python -m django check")


def test_a_release_that_can_take_back_what_it_did(shop: Releases) -> None:
    """It is kept for that, with a command for each application."""
    found = runnable(shop)
    manage_py(found)
    message = found.set_aside("shop", "", {}, False, ["migrate depot 0001_initial", "migrate shop zero"])
    assert message.startswith(f"It is kept in {found.path} until a deploy succeeds. To take back what it did to the ")
    assert [line.split()[-4:] for line in message.splitlines() if "manage.py" in line] == [
        ["manage.py", "migrate", "depot", "0001_initial"],
        ["manage.py", "migrate", "shop", "zero"],
    ]


def test_the_secrets_of_what_serves(shop: Releases) -> None:
    """They are read by systemd; if nothing serves, there are none, and the message states that."""
    runnable(shop)
    told = "The site's secrets are not on the host: add --setenv=NAME=VALUE for each that it needs."
    assert set_aside(shop, needs_secrets=True).splitlines()[-1] == told
    live = shop.directory.parent / "live"
    live.mkdir()
    (live / "secrets").write_text('SECRET_KEY="correct horse"\n')
    message = set_aside(shop, needs_secrets=True)
    assert f" -p EnvironmentFile={live}/secrets \\\n" in message
    assert told not in message
    assert "correct horse" not in message


@pytest.mark.parametrize("built", [True, False], ids=["no Python", "nothing"])
def test_a_release_that_could_not_be_run(shop: Releases, built: bool) -> None:
    """There is nothing to look at: it is removed."""
    found = release(shop, "/nowhere/python") if built else shop.named("r1")
    assert set_aside(shop) == ""
    assert not found.path.exists()


def test_a_disk_that_is_full(shop: Releases, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal is reported all the same, and nothing half kept is left."""

    def full(*_said: Any) -> None:
        raise OSError("No space left on device")

    found = runnable(shop)
    monkeypatch.setattr(module, "write_file", full)
    assert set_aside(shop) == "It could not be kept (site_keep_refused): No space left on device."
    assert not found.path.exists()


def test_what_was_set_aside_is_pruned(shop: Releases) -> None:
    """By the next switch that succeeds, with the packages that it alone had; what serves is kept."""
    shared = shop.shared_venv("packages")
    (shared.venv / "bin").mkdir(parents=True)
    (shared.venv / "bin/python").symlink_to(sys.executable)
    found = shop.named("r1")
    found.app.mkdir(parents=True)
    found.share(shared)
    found.finish("{}")
    set_aside(shop)
    shop.named("r2").app.mkdir(parents=True)
    shop.named("r2").finish("{}")
    shop.prune("r2", ["r2", None], 5)
    assert [left.id for left in shop] == ["r2"]
    assert not shared.path.exists()


def finished(shop: Releases, *names: str) -> None:
    """Put releases on disk that have served, the last one most recently."""
    for name in names:
        shop.named(name).app.mkdir(parents=True)
        shop.named(name).finish("{}")
        shop.add_to_history(name, "blue", None)


def test_a_release_in_which_a_process_works_is_kept(shop: Releases) -> None:
    """As long as it does, by its directory; the next switch removes it then."""
    finished(shop, "r1", "r2", "r3")
    with subprocess.Popen(["sleep", "60"], cwd=shop.named("r1").app) as process:
        shop.prune("r3", ["r3"], 1)
        assert [left.id for left in shop] == ["r1", "r3"]
        process.kill()
    shop.prune("r3", ["r3"], 1)
    assert [left.id for left in shop] == ["r3"]


def test_a_process_that_has_left_its_directory(shop: Releases) -> None:
    """It still has the PATH of its release."""
    finished(shop, "r1", "r2")
    environment = {"PATH": f"{shop.named('r1').venv}/bin:/usr/bin:/bin"}
    with subprocess.Popen(["sleep", "60"], cwd="/", env=environment) as process:
        shop.prune("r2", ["r2"], 1)
        assert [left.id for left in shop] == ["r1", "r2"]
        process.kill()


def test_a_name_that_begins_like_another(shop: Releases) -> None:
    """Only whole names count."""
    finished(shop, "r1", "r10", "r2")
    with subprocess.Popen(["sleep", "60"], cwd=shop.named("r10").app) as process:
        shop.prune("r2", ["r2"], 1)
        assert [left.id for left in shop] == ["r10", "r2"]
        process.kill()
