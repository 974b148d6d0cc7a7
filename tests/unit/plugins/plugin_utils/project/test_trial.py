"""Settings that are loaded for real, in an environment that is gone afterwards; no package is fetched."""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.project import trial
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.loaded import explained, with_loaded
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.trial import Loaded, load_settings
from inspected import PROJECT, SAFE, START, inspect, proposed

# As much of Django as the settings are asked through.
CONF = """\
import importlib, os
class Settings:
    def __init__(self):
        self.module = importlib.import_module(os.environ["DJANGO_SETTINGS_MODULE"])
    def __getattr__(self, name):
        return getattr(self.module, name)
    def is_overridden(self, name):
        return hasattr(self.module, name)
settings = Settings()
"""
COMPUTED = (
    "import base64\nDEBUG = bool(base64.b64decode('eA=='))\nSTATIC_ROOT = os.path.join(os.getcwd(), 'collected')\n"
)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the Python of the tests for one that has the packages: to install them takes seconds."""

    def install(_inspection: Any, _app: Path, directory: Path, executable: str, _environment: Any) -> str:
        (directory / "venv/bin").mkdir(parents=True)
        (directory / "venv/bin/python").symlink_to(executable)
        return ""

    monkeypatch.setattr(trial, "_install", install)


def load(cache: Path, settings: str, **more: str) -> tuple[Any, Loaded]:
    """Inspect a project with these settings, and load them."""
    files: dict[str, Any] = {
        **PROJECT,
        "requirements.txt": "",
        "django/__init__.py": "",
        "django/conf.py": CONF,
        "shop/settings.py": START + SAFE + settings,
        **more,
    }
    archive = cache.parent / "source.tar"
    with tarfile.open(archive, "w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    inspection = inspect(files)
    return inspection, load_settings(inspection, str(archive), cache)


def test_packages_that_are_installed(cache: Path) -> None:
    _inspection, loaded = load(cache, "")
    assert (loaded.error, loaded.settings["DEBUG"]) == ("", False)
    assert list(cache.iterdir()) == []


@pytest.mark.usefixtures("installed")
def test_what_was_read_is_corrected(cache: Path) -> None:
    inspection, loaded = load(cache, COMPUTED)
    assert loaded.error == ""
    assert (loaded.settings["DEBUG"], loaded.settings["STATIC_ROOT"]) == (True, "/@releases@/@release@/app/collected")
    assert [one.certainty for one in inspection.proposed if one.variable == "site_settings"] == ["guess"]
    corrected = with_loaded(inspection, loaded)
    assert [(one.value, one.certainty) for one in corrected.proposed if one.variable == "site_settings"] == [
        ({"DEBUG": False}, "certain")
    ]
    assert explained(loaded, inspection).endswith("and confirms this.")
    assert list(cache.iterdir()) == []


def test_what_was_read_wrongly_is_named() -> None:
    inspection = inspect({})
    loaded = Loaded({"DEBUG": True, "STATIC_URL": "/static/", "STATIC_ROOT": "/srv/x"}, "", "3.11")
    assert explained(loaded, inspection) == (
        "Django loaded the settings in a throw-away environment on the control node (Python 3.11), and corrects DEBUG, "
        "STATIC_ROOT."
    )
    assert proposed(with_loaded(inspection, loaded))["site_settings"] == {"DEBUG": False, "STATIC_ROOT": "staticfiles"}


@pytest.mark.usefixtures("installed")
def test_settings_that_cannot_be_loaded(cache: Path) -> None:
    inspection, loaded = load(cache, "raise RuntimeError('no licence')\n")
    assert loaded.error == "RuntimeError: no licence"
    assert with_loaded(inspection, loaded) == inspection
    assert explained(loaded, inspection) == (
        "The settings could not be loaded in a throw-away environment on the control node, so this is from "
        "reading alone: "
        "RuntimeError: no licence."
    )


@pytest.mark.usefixtures("installed")
def test_the_environment_is_that_which_is_proposed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the user who inspects")
    text = "MEDIA_URL = os.environ.get('AWS_SECRET_ACCESS_KEY', 'unset')\nMEDIA_ROOT = os.environ['MEDIA_DIRECTORY']\n"
    _inspection, loaded = load(cache, text, **{".env.example": "MEDIA_DIRECTORY=/uploads\n"})
    assert (loaded.settings["MEDIA_URL"], loaded.settings["MEDIA_ROOT"]) == ("unset", "/uploads")


@pytest.mark.usefixtures("installed")
def test_settings_that_never_end(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LOAD_LIMIT", 1)
    _inspection, loaded = load(cache, "import time\ntime.sleep(600)\n")
    assert loaded.error == "loading the settings took more than 1 s"
    assert list(cache.iterdir()) == []


def test_packages_that_cannot_be_installed(cache: Path) -> None:
    _inspection, loaded = load(cache, "", **{"requirements.txt": "./missing-package\n"})
    assert loaded.error.startswith("the packages of requirements.txt cannot be installed on the control node: ")


def test_a_python_that_the_control_node_lacks(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    own = ".".join(map(str, sys.version_info[:2]))
    _inspection, loaded = load(cache, "", **{"pyproject.toml": needing(">=3.99")})
    assert loaded.error == (
        f"the project needs Python >=3.99, and the control node runs {own}, with no other that fits"
    )
    _inspection, loaded = load(cache, "", **{"pyproject.toml": needing("==3.9.*")})
    assert loaded.error == (
        f"the project needs Python ==3.9.*, and the control node runs {own}, with no other that fits; install one "
        "there, for example by uv python install 3.9"
    )


def needing(python: str) -> str:
    return f'[project]\nname = "shop"\nrequires-python = "{python}"\n'


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def pythons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control node with a Python on PATH, and another one of uv's; they are the one of the tests otherwise."""
    for name, version in (("bin/python3.14", "3.14.2"), ("uv/python3.9", "3.9.25"), ("bin/python3.12", "")):
        answer = f"echo Python {version}" if version else "exit 127"
        program(tmp_path / name, f'[ "$1" = --version ] && {{ {answer}; exit; }}\nexec {sys.executable} "$@"')
    program(tmp_path / "bin/uv", f"echo cpython-3.9.25-linux-x86_64-gnu {tmp_path}/uv/python3.9\necho 'x <download>'")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return tmp_path


@pytest.mark.usefixtures("installed", "pythons")
@pytest.mark.parametrize(("wanted", "python"), [(">=3.14", "3.14"), ("==3.9.*", "3.9")])
def test_another_python_of_the_control_node(cache: Path, wanted: str, python: str) -> None:
    _inspection, loaded = load(cache, "", **{"pyproject.toml": needing(wanted)})
    assert (loaded.error, loaded.python) == ("", python)


@pytest.mark.usefixtures("pythons")
def test_packages_that_need_another_python(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project does not say so: the next Python is tried."""
    tried: list[str] = []

    def install(_inspection: Any, _app: Path, directory: Path, executable: str, _environment: Any) -> str:
        tried.append(executable)
        if len(tried) == 1:
            return "the packages of requirements.txt cannot be installed on the control node: Requires-Python >=3.99"
        (directory / "venv/bin").mkdir(parents=True)
        (directory / "venv/bin/python").symlink_to(executable)
        return ""

    monkeypatch.setattr(trial, "_install", install)
    _inspection, loaded = load(cache, "")
    assert (loaded.error, loaded.python) == ("", "3.14")
    assert list(cache.iterdir()) == []


@pytest.mark.usefixtures("pythons")
def test_packages_that_need_a_python_that_is_not_there(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    why = "the packages of x cannot be installed on the control node: the current Python version does not satisfy it"
    monkeypatch.setattr(trial, "_install", lambda *_arguments: why)
    _inspection, loaded = load(cache, "")
    assert loaded.error == (
        f"{why}; the control node may need a newer Python; install one there, for example by uv python install 3.14"
    )
