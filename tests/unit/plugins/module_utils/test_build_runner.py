"""What a step runs: by preset, by the lock that lies beside package.json, and by where things are."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import build_runner as runner
from ansible_collections.pitcrew.django.plugins.module_utils.build_steps import identity

BUILD = {"scripts": {"build": "vite build"}}


def write(place: Path, **files: Any) -> Path:
    """Create files; what is not text is written as JSON."""
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = place / name.replace("__", ".").replace("_", "-")
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return place


# package.json


def test_the_directory_that_is_named(tmp_path: Path) -> None:
    write(tmp_path / "web/frontend", package__json=BUILD)
    found = runner.package_directory(tmp_path, tmp_path / "web", "frontend")
    assert found == tmp_path / "web/frontend"


@pytest.mark.parametrize("place", [".", "web"])
def test_the_nearest_above(tmp_path: Path, place: str) -> None:
    """In the project, or in a directory above it; whatever else is below does not count."""
    write(tmp_path / "web/docs", package__json=BUILD)
    write(tmp_path / place, package__json=BUILD)
    assert runner.package_directory(tmp_path, tmp_path / "web", "") == (tmp_path / place).resolve()


def test_nothing_above_the_source(tmp_path: Path) -> None:
    """A package.json of the host is not the project's."""
    write(tmp_path, package__json=BUILD)
    (tmp_path / "app").mkdir()
    with pytest.raises(runner.StepRefused, match="source has no package"):
        runner.package_directory(tmp_path / "app", tmp_path / "app", "")


def test_the_only_one_below(tmp_path: Path) -> None:
    """Those of installed and of hidden packages are not looked at."""
    write(tmp_path / "theme/static_src", package__json=BUILD)
    write(tmp_path / "theme/node_modules/react", package__json=BUILD)
    write(tmp_path / ".github/action", package__json=BUILD)
    assert runner.package_directory(tmp_path, tmp_path, "") == tmp_path / "theme/static_src"


def test_several_below(tmp_path: Path) -> None:
    write(tmp_path / "a", package__json=BUILD)
    write(tmp_path / "b", package__json=BUILD)
    with pytest.raises(runner.StepRefused, match="in each of a, b") as refusal:
        runner.package_directory(tmp_path, tmp_path, "")
    assert refusal.value.cure == "name one, as in {preset: npm, directory: a}"


def test_a_directory_without_one(tmp_path: Path) -> None:
    with pytest.raises(runner.StepRefused, match=r"frontend has no package\.json"):
        runner.package_directory(tmp_path, tmp_path, "frontend")


# npm


NPM = ["npm", "run", "build"]
YARN = ["npx", "--yes", "yarn@1.22.22"]
BERRY = ["npx", "--yes", "--package", "@yarnpkg/cli-dist@3.6.1", "yarn"]
PNPM = ["npx", "--yes", "pnpm@8"]


@pytest.mark.parametrize(
    ("files", "manager", "expected"),
    [
        ({"package_lock__json": "{}"}, "", [["npm", "ci", "--include=dev"], NPM]),
        ({"npm_shrinkwrap__json": "{}"}, "", [["npm", "ci", "--include=dev"], NPM]),
        ({"package_lock__json": "{}", "yarn__lock": ""}, "", [["npm", "ci", "--include=dev"], NPM]),
        ({}, "", [["npm", "install", "--include=dev"], NPM]),
        (
            {"yarn__lock": ""},
            "",
            [
                [*YARN, "install", "--frozen-lockfile", "--non-interactive", "--production=false"],
                [*YARN, "run", "build"],
            ],
        ),
        ({"yarn__lock": ""}, "yarn@3.6.1+sha256.abc", [[*BERRY, "install", "--immutable"], [*BERRY, "run", "build"]]),
        (
            {"pnpm_lock__yaml": "lockfileVersion: '6.0'\n"},
            "",
            [[*PNPM, "install", "--frozen-lockfile", "--prod=false"], [*PNPM, "run", "build"]],
        ),
    ],
)
def test_installation_by_the_lock(
    tmp_path: Path, files: Mapping[str, str], manager: str, expected: list[list[str]]
) -> None:
    """Packages that only the build needs are installed even if NODE_ENV is production."""
    write(tmp_path, package__json={**BUILD, "packageManager": manager}, **files)
    assert runner.npm_commands(tmp_path) == expected


@pytest.mark.parametrize(("version", "lock"), [("7", "5.4"), ("9", "'9.0'"), ("9", "77")])
def test_the_version_of_pnpm(tmp_path: Path, version: str, lock: str) -> None:
    write(tmp_path, package__json=BUILD, pnpm_lock__yaml=f"lockfileVersion: {lock}\n")
    assert runner.npm_commands(tmp_path)[0][2] == f"pnpm@{version}"


def test_another_script(tmp_path: Path) -> None:
    """The cure is what to write for the one that is meant."""
    write(tmp_path, package__json={"scripts": {"dev": "webpack serve", "production": "webpack"}})
    with pytest.raises(runner.StepRefused, match="no script named build; its scripts: dev, production") as refusal:
        runner.npm_commands(tmp_path)
    assert "npm ci && npm run production" in refusal.value.cure


def test_a_package_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path, package__json="{")
    with pytest.raises(runner.StepRefused, match=r"package\.json is not JSON"):
        runner.npm_commands(tmp_path)


# Django


@pytest.mark.parametrize(
    ("preset", "collects", "expected"),
    [
        ("compilemessages", True, [["compilemessages"]]),
        ("sass", True, [["compilescss"]]),
        ("compress", True, [["collectstatic", "--noinput", "--verbosity=0"], ["compress"]]),
        ("compress", False, [["compress"]]),
    ],
)
@pytest.mark.parametrize("manage", [["manage.py"], ["-m", "django"]])
def test_commands_of_django(
    tmp_path: Path, preset: str, collects: bool, expected: list[list[str]], manage: list[str]
) -> None:
    """What is installed as the site has no manage.py."""
    if manage == ["manage.py"]:
        (tmp_path / "manage.py").touch()
    found = runner.django_commands(tmp_path, preset, collects)
    assert found == [["python", *manage, *words] for words in expected]


# The whole step


def job(tmp_path: Path, **values: Any) -> dict[str, Any]:
    """Give a job that runs nothing."""
    return {
        "source": str(tmp_path),
        "project": str(tmp_path),
        "read_only": str(tmp_path),
        "host": {"tmp": identity("/tmp"), "network": identity("/proc/self/ns/net")},
        "environment": {"PATH": os.environ["PATH"]},
        "collects": True,
        "preset": "",
        "command": "true",
        "directory": "",
        "network": False,
        **values,
    }


def test_a_command_of_the_user(tmp_path: Path) -> None:
    """The shell runs it, and stops at the first line that fails."""
    (tmp_path / "frontend").mkdir()
    directory, found = runner.commands(job(tmp_path, command="a\nb", directory="frontend"))
    assert (directory, found) == (tmp_path / "frontend", [["/bin/sh", "-ec", "a\nb"]])


def test_a_directory_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(runner.StepRefused, match="no directory frontend"):
        runner.commands(job(tmp_path, directory="frontend"))


def test_a_host_that_confines_nothing(tmp_path: Path) -> None:
    """It is asked by what the step sees, since systemd leaves out in silence what it may not do."""
    assert runner.unconfined(job(tmp_path)) == ["a read-only file system", "a private /tmp", "a private network"] + (
        [] if "NoNewPrivs:\t1" in Path("/proc/self/status").read_text() else ["a bar to new privileges"]
    )


def test_a_step_that_may_use_the_network(tmp_path: Path) -> None:
    assert "a private network" not in runner.unconfined(job(tmp_path, network=True))
