"""Which commands install the packages of a release."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.packages import Installer

VENV = Path("/srv/shop/venvs/v1/venv")
PROJECT = Path("/srv/shop/releases/r1/app/web")


def commands(uv: str | None, requirements: str, packages: list[str]) -> list[str]:
    """Install, and give the commands."""
    ran: list[str] = []

    def run(command: list[str], directory: Path, variables: dict[str, str]) -> None:
        assert directory == PROJECT
        assert variables["VIRTUAL_ENV"] == str(VENV)
        ran.append(" ".join(command))

    installer = Installer("/usr/bin/python3", Path("/cache"), None, None, {})
    installer.install(run, uv, PROJECT, VENV, requirements, packages, [])
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


# Packages of the collection's own


@pytest.mark.parametrize("uv", ["/opt/uv", None])
@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ([], ["python-json-logger==4.2.0", "prometheus_client==0.25.0"]),
        (["python_json_logger-2.0.7"], ["prometheus_client==0.25.0"]),
        (["Python.JSON-logger-2.0.7", "prometheus-client-0.17.0"], []),
        (["python_json_logger_extra-1.0"], ["python-json-logger==4.2.0", "prometheus_client==0.25.0"]),
    ],
)
def test_own_packages(tmp_path: Path, uv: str | None, there: list[str], missing: list[str]) -> None:
    """Last, without dependencies, and only those that nobody else has brought in any version."""
    for name in there:
        (tmp_path / f"lib/python3.11/site-packages/{name}.dist-info").mkdir(parents=True)
    ran: list[str] = []
    Installer("/usr/bin/python3", Path("/cache"), None, None, {}).install(
        lambda command, _directory, _variables: ran.append(" ".join(command)),
        uv,
        PROJECT,
        tmp_path,
        "requirements.txt",
        ["gunicorn"],
        ["python-json-logger==4.2.0", "prometheus_client==0.25.0"],
    )
    pip = f"{uv} pip" if uv else f"{tmp_path}/bin/pip"
    last = [f"{pip} install --quiet gunicorn"]
    if missing:
        last += [f"{pip} install --quiet --no-deps {' '.join(missing)}"]
    assert ran[2:] == last
