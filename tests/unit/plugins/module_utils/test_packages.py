"""Which commands install the packages of a release."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.packages import (
    KINDS,
    Installer,
    PackageList,
    installed_version,
    program_of,
    tools_for,
)

VENV = Path("/srv/shop/venvs/v1/venv")
PROJECT = Path("/srv/shop/releases/r1/app/web")


TOOLS = {"poetry": "/opt/poetry", "pipenv": "/opt/pipenv"}


def commands(
    uv: str | None,
    lists: Sequence[PackageList],
    packages: list[str],
    if_absent: tuple[str, ...] = (),
    venv: Path = VENV,
    index: str | None = None,
) -> list[str]:
    """Install, and give the commands, each after the directory in which it ran, below the source."""
    ran: list[str] = []

    def run(command: list[str], directory: Path, variables: dict[str, str]) -> None:
        assert variables["VIRTUAL_ENV"] == str(venv)
        place = os.path.relpath(directory, PROJECT)
        ran.append(" ".join([*([f"({place})"] if place != "." else []), *command]))

    installer = Installer("/usr/bin/python3", Path("/cache"), index, None, {})
    tools = {**TOOLS, **({"uv": uv} if uv else {})}
    installer.install(run, tools, PROJECT, venv, lists, [packages], if_absent)
    return ran


def listed(path: str, **options: Any) -> PackageList:
    """Give a list; its kind is its name, or that of a list of requirements."""
    name = path.rpartition("/")[2]
    return PackageList(path, name if name in KINDS else "requirements.txt", **options)


@pytest.mark.parametrize(
    ("lists", "installed"),
    [
        ([listed("requirements.txt")], "{pip} --requirement requirements.txt"),
        ([listed("requirements/live.txt")], "{pip} --requirement requirements/live.txt"),
        # Paths in a list are relative to where its author installs it.
        ([listed("../requirements/live.txt")], "(..) {pip} --requirement requirements/live.txt"),
        ([listed("pyproject.toml")], "{pip} ."),
        ([listed("../pyproject.toml", extras=("sql", "s3"))], "(..) {pip} .[sql,s3]"),
        ([listed("../setup.py", extras=("sql",))], "(..) {pip} .[sql]"),
        (
            [listed("../base.txt"), listed("live.txt")],
            "(..) {pip} --requirement base.txt --requirement web/live.txt",
        ),
    ],
)
def test_pip(lists: list[PackageList], installed: str) -> None:
    """A list is read; a project is installed."""
    assert commands(None, lists, ["x", "gunicorn==27.0.1"]) == [
        f"/usr/bin/python3 -m venv {VENV}",
        installed.format(pip=f"{VENV}/bin/pip install --quiet"),
        f"{VENV}/bin/pip install --quiet x gunicorn==27.0.1",
    ]


@pytest.mark.parametrize(
    ("lists", "installed"),
    [
        ([listed("requirements.txt")], "{pip} --requirement requirements.txt"),
        ([listed("../pyproject.toml")], "(..) {pip} --requirement pyproject.toml"),
        (
            [listed("../pyproject.toml", extras=("sql",), groups=("live", "docs"))],
            "(..) {pip} --requirement pyproject.toml --extra sql --group pyproject.toml:live "
            "--group pyproject.toml:docs",
        ),
        ([listed("setup.py", extras=("sql",))], "{pip} --requirement setup.py --extra sql"),
        ([listed("a.txt"), listed("lists/b.txt")], "{pip} --requirement a.txt --requirement lists/b.txt"),
    ],
)
def test_uv(lists: list[PackageList], installed: str) -> None:
    """It reads all of them, in one installation."""
    assert commands("/opt/uv", lists, []) == [
        f"/opt/uv venv --quiet --allow-existing --python /usr/bin/python3 {VENV}",
        installed.format(pip="/opt/uv pip install --quiet"),
    ]


EXPORT = "/opt/uv export --quiet --frozen"


@pytest.mark.parametrize(
    ("one", "exported"),
    [
        (listed("uv.lock"), f"{EXPORT} --no-dev --no-emit-project --output-file {{file}}"),
        (listed("../uv.lock"), f"(..) {EXPORT} --no-dev --no-emit-project --output-file {{file}}"),
        # With --no-dev, uv would leave out this group in silence.
        (
            listed("uv.lock", extras=("sql",), groups=("dev", "live")),
            f"{EXPORT} --no-emit-project --extra sql --group dev --group live --output-file {{file}}",
        ),
        (listed("poetry.lock"), "/opt/poetry export --quiet --no-interaction --output {file}"),
        (
            listed("../poetry.lock", extras=("sql",), groups=("live",), hashed=False),
            "(..) /opt/poetry export --quiet --no-interaction --extras sql --with live --without-hashes "
            "--output {file}",
        ),
        (
            listed("Pipfile.lock", groups=("live",)),
            '/bin/sh -c exec "$@" > "$0" {file} /opt/pipenv requirements --hash --categories packages,live',
        ),
    ],
)
@pytest.mark.parametrize("uv", ["/opt/uv", None])
def test_a_lock(uv: str | None, one: PackageList, exported: str) -> None:
    """It becomes a list first, where it lies; that is installed there, since its paths are relative."""
    if one.kind == "uv.lock" and uv is None:
        pytest.skip("refused on the control node")
    pip = f"{uv} pip" if uv else f"{VENV}/bin/pip"
    place = "(..) " if one.path.startswith("..") else ""
    file = f"{VENV}/{one.kind}.txt"
    assert commands(uv, [one], [])[1:] == [
        exported.format(file=file),
        f"{place}{pip} install --quiet --requirement {file}",
    ]


def test_an_index_instead_of_that_of_a_lock() -> None:
    """Poetry and pipenv would name the one that the lock was made with."""
    ran = commands("/opt/uv", [listed("poetry.lock"), listed("Pipfile.lock")], [], index="https://pypi.example.com/")
    assert "--without-urls" in ran[1]
    assert "--exclude-index" in ran[2]
    files = [f"{VENV}/1-poetry.lock.txt", f"{VENV}/2-Pipfile.lock.txt"]
    assert ran[3] == f"/opt/uv pip install --quiet --requirement {files[0]} --requirement {files[1]}"


def test_what_the_lists_need() -> None:
    """The programs that export locks, and the one that a command runs."""
    assert tools_for([listed("poetry.lock"), listed("uv.lock"), listed("a.txt")]) == {"poetry", "uv"}
    assert program_of(["/bin/sh", "-c", 'exec "$@" > "$0"', "/x", "/opt/bin/pipenv", "requirements"]) == "pipenv"
    assert program_of(["/opt/bin/uv", "pip"]) == "uv"


@pytest.mark.parametrize("uv", [None, "/opt/uv"])
@pytest.mark.parametrize(("there", "missing"), [(None, ["prometheus_client>=0.17,<=0.26.0"]), ("0.14.1", [])])
def test_what_nobody_brings(tmp_path: Path, uv: str | None, there: str | None, missing: list[str]) -> None:
    """It comes last and alone; a version that the project has brought, whichever, stays."""
    packages = tmp_path / "lib/python3.11/site-packages"
    packages.mkdir(parents=True)
    (packages / "prometheus_client_extra-1.0.dist-info").mkdir()
    if there:
        (packages / f"prometheus_client-{there}.dist-info").mkdir()
    ran = commands(uv, [listed("requirements.txt")], ["gunicorn"], ("prometheus_client>=0.17,<=0.26.0",), tmp_path)
    tool = f"{uv} pip" if uv else f"{tmp_path}/bin/pip"
    assert ran[2:] == [f"{tool} install --quiet {one}" for one in ["gunicorn", *missing]]
    assert installed_version(tmp_path, "prometheus_client") == there
