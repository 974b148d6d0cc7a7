"""Which commands install the packages of a release."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.packages import Installer, installed_version

VENV = Path("/srv/shop/venvs/v1/venv")
PROJECT = Path("/srv/shop/releases/r1/app/web")


def commands(
    uv: str | None, requirements: str, packages: list[str], if_absent: tuple[str, ...] = (), venv: Path = VENV
) -> list[str]:
    """Install, and give the commands."""
    ran: list[str] = []

    def run(command: list[str], directory: Path, variables: dict[str, str]) -> None:
        assert directory == PROJECT
        assert variables["VIRTUAL_ENV"] == str(venv)
        ran.append(" ".join(command))

    installer = Installer("/usr/bin/python3", Path("/cache"), None, None, {})
    installer.install(run, uv, PROJECT, venv, requirements, packages, [*if_absent])
    return ran


@pytest.mark.parametrize(
    ("requirements", "installed"),
    [
        ("requirements.txt", "--requirement requirements.txt"),
        ("../requirements/live.txt", "--requirement ../requirements/live.txt"),
        ("pyproject.toml", "."),
        ("../pyproject.toml", ".."),
    ],
)
def test_pip(requirements: str, installed: str) -> None:
    """A list is read; a project is installed."""
    assert commands(None, requirements, ["x", "gunicorn==27.0.1"]) == [
        f"/usr/bin/python3 -m venv {VENV}",
        f"{VENV}/bin/pip install --quiet {installed}",
        f"{VENV}/bin/pip install --quiet x gunicorn==27.0.1",
    ]


@pytest.mark.parametrize("requirements", ["requirements.txt", "../pyproject.toml"])
def test_uv(requirements: str) -> None:
    """It reads both."""
    assert commands("/opt/uv", requirements, []) == [
        f"/opt/uv venv --quiet --allow-existing --python /usr/bin/python3 {VENV}",
        f"/opt/uv pip install --quiet --requirement {requirements}",
    ]


@pytest.mark.parametrize("requirements", ["uv.lock", "../uv.lock"])
def test_a_lock(requirements: str) -> None:
    """It becomes a list first, wherever it lies: uv looks for it further up."""
    assert commands("/opt/uv", requirements, [])[1:] == [
        f"/opt/uv export --quiet --frozen --no-dev --no-emit-project --output-file {VENV}/uv.lock.txt",
        f"/opt/uv pip install --quiet --requirement {VENV}/uv.lock.txt",
    ]


@pytest.mark.parametrize("uv", [None, "/opt/uv"])
@pytest.mark.parametrize(("there", "missing"), [(None, ["prometheus_client>=0.17,<=0.26.0"]), ("0.14.1", [])])
def test_what_nobody_brings(tmp_path: Path, uv: str | None, there: str | None, missing: list[str]) -> None:
    """It comes last and alone; a version that the project has brought, whichever, stays."""
    packages = tmp_path / "lib/python3.11/site-packages"
    packages.mkdir(parents=True)
    (packages / "prometheus_client_extra-1.0.dist-info").mkdir()
    if there:
        (packages / f"prometheus_client-{there}.dist-info").mkdir()
    ran = commands(uv, "requirements.txt", ["gunicorn"], ("prometheus_client>=0.17,<=0.26.0",), tmp_path)
    tool = f"{uv} pip" if uv else f"{tmp_path}/bin/pip"
    assert ran[2:] == [f"{tool} install --quiet {one}" for one in ["gunicorn", *missing]]
    assert installed_version(tmp_path, "prometheus_client") == there
