"""A release is finished by a real process of its own Python.

A Django of a few lines lies in its source, and a runuser that changes no user in the PATH.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pitcrew.django.plugins.modules import django_release as module

ME = pwd.getpwuid(os.getuid())

DJANGO = {
    "django/__init__.py": """
import importlib, os
def setup():
    from django import conf
    conf.settings = importlib.import_module(os.environ["DJANGO_SETTINGS_MODULE"])
""",
    "django/conf.py": "settings = None\n",
    "django/http/request.py": "def validate_host(host, allowed): return host in allowed\n",
    "django/core/management.py": """
def call_command(name, **options):
    from django.conf import settings
    print("django:", name)
    getattr(settings, name, lambda: None)()
""",
}
SETTINGS = """
ALLOWED_HOSTS = ["shop.example.com"]
DEBUG = False
DATABASES = {}
INSTALLED_APPS = ["django.contrib.staticfiles"]
STATIC_URL, STATIC_ROOT = "/static/", "/srv/static"
MEDIA_URL, MEDIA_ROOT = "", ""
"""


class Hangs(BaseException):
    """Time is up; nothing that expects errors of a command takes it for one."""


@dataclass
class Site:
    """A release on disk, and the module for it."""

    release: Path
    state: Path
    capsys: pytest.CaptureFixture[str]
    started: Path
    owners: list[tuple[str, int, int, bool]] = field(default_factory=list)

    def settings(self, more: str) -> None:
        """Add to the settings."""
        with (self.release / "app/shop.py").open("a") as file:
            file.write(more)

    def finish(self, check: bool = False, **said: Any) -> dict[str, Any]:
        """Run the module and give its answer."""
        arguments = {
            "path": str(self.release),
            "user": ME.pw_name,
            "state": str(self.state),
            "domains": ["shop.example.com"],
            "environment": {"DJANGO_SETTINGS_MODULE": "shop"},
            "_ansible_check_mode": check,
            **said,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return answer


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    """Give a release; who would own its processes and its files is written down, since only root could do it."""
    release, state = tmp_path / "releases/r1", tmp_path / "state"
    state.mkdir()
    for name, text in {**DJANGO, "shop.py": SETTINGS}.items():
        path = release / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    python = release / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    site = Site(release, state, capsys, tmp_path / "started")
    runuser = tmp_path / "bin/runuser"
    runuser.parent.mkdir()
    runuser.write_text(f'#!/bin/sh\necho "$$ $1 $2 $3 $(umask)" >> {site.started}\nshift 3\nexec "$@"\n')
    runuser.chmod(0o755)
    monkeypatch.setenv("PATH", f"{runuser.parent}:{os.environ['PATH']}")

    def chown(path: str, user: int, group: int, *, follow_symlinks: bool = True) -> None:
        site.owners.append((os.path.relpath(path, release), user, group, follow_symlinks))

    monkeypatch.setattr(os, "chown", chown)
    with patch.dict(os.environ):  # the module clears it
        yield site
    if site.started.exists():
        with suppress(ProcessLookupError):
            os.kill(int(site.started.read_text().split()[0]), signal.SIGKILL)


# A release that passes


def test_a_finished_release(site: Site) -> None:
    """Its description is told and kept, and what Django wrote is told."""
    answer = site.finish()
    assert answer["changed"] is True
    assert answer["description"] == {"public": {"static": "/srv/static"}, "static": "static", "media": None}
    assert answer["output"] == "django: check\ndjango: collectstatic\ndjango: migrate\n"
    record = site.release / "release.json"
    assert json.loads(record.read_text()) == answer["description"]
    assert record.stat().st_mode & 0o777 == 0o644
    assert "warnings" not in answer


def test_the_process_is_the_site_s_user(site: Site) -> None:
    """And writes files that only the site's group may read."""
    site.finish()
    assert site.started.read_text().split()[1:] == ["-u", ME.pw_name, "--", "0027"]


def test_the_environment_of_the_process(site: Site) -> None:
    """The variables of the site, as texts, and a home that it may write to."""
    site.settings("import json, os\nprint(json.dumps(dict(os.environ)))\n")
    variables = {"DJANGO_SETTINGS_MODULE": "shop", "DEBUG": False, "TEXT": "a $b", "PATH": "/usr/bin:/bin"}
    found = json.loads(site.finish(environment=variables, secrets={"PORT": 5432})["output"].splitlines()[0])
    assert {name: found.get(name) for name in ("DEBUG", "TEXT", "PATH", "HOME")} == {
        "DEBUG": "false",
        "TEXT": "a $b",
        "PATH": "/usr/bin:/bin",
        "HOME": str(site.state),
    }
    assert "PORT" in found


def test_the_environment_of_the_process_is_the_site_s_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the release is judged by is what it will run with."""
    monkeypatch.setenv("DATABASE_URL", "of the administrator")
    site.settings("import os\nprint(os.environ.get('DATABASE_URL'))\n")
    assert site.finish()["output"].splitlines()[0] == "None"


def test_secrets_reach_the_settings_and_no_one_else(site: Site) -> None:
    """Not even where the settings print them."""
    site.settings("import os\nprint(os.environ['SECRET_KEY'])\nassert len(os.environ['SECRET_KEY']) == 13\n")
    answer = site.finish(secrets={"SECRET_KEY": "correct horse"})
    assert answer["changed"] is True
    assert "correct horse" not in json.dumps(answer)


def test_warnings_of_the_check(site: Site) -> None:
    """They are Ansible's warnings; the release passes."""
    site.settings("def check(): print('WARNINGS:\\n?: (security.W004) no HSTS')\n")
    answer = site.finish()
    assert answer["changed"] is True
    assert "security.W004" in json.dumps(answer["warnings"])


@pytest.mark.parametrize(
    ("said", "output"),
    [
        ({"migrate": False}, "django: check\ndjango: collectstatic\n"),
        ({"collectstatic": False}, "django: check\ndjango: migrate\n"),
        ({"leads": False, "collectstatic": False}, "django: check\ndjango: migrate\n"),
    ],
)
def test_what_the_site_does_not_want(site: Site, said: dict[str, bool], output: str) -> None:
    """The job reaches the process. Without any database there is none that hosts could share."""
    assert site.finish(**said)["output"] == output


def test_a_project_below_the_source(site: Site) -> None:
    """It is the working directory, and what is imported from."""
    (site.release / "app").rename(site.release / "web")
    (site.release / "app").mkdir()
    (site.release / "web").rename(site.release / "app/web")
    (site.release / "app/web/shop.py").open("a").write("import os\nprint(os.getcwd())\n")
    answer = site.finish(project="web", shared=["data/"])
    assert answer["output"].splitlines()[0] == str(site.release / "app/web")
    assert (site.release / "app/web/data").readlink() == site.state / "data"


def test_a_sealed_release(site: Site) -> None:
    """Root's, readable by the site's group; nobody else sees it, nobody writes to it, links stay as they are."""
    outside = site.state / "outside"
    outside.write_text("")
    outside.chmod(0o606)
    for name, mode in {"wide": 0o666, "narrow": 0o600, "program": 0o777, "bits": 0o6755}.items():
        (site.release / name).write_text("")
        (site.release / name).chmod(mode)
    (site.release / "directory").mkdir(mode=0o777)
    (site.release / "link").symlink_to(outside)
    (site.release / "broken").symlink_to("/nowhere")
    site.finish()
    names = ["wide", "narrow", "program", "bits", "directory"]
    assert {name: f"{(site.release / name).stat().st_mode & 0o7777:o}" for name in names} == {
        "wide": "640",
        "narrow": "640",
        "program": "750",
        "bits": "750",
        "directory": "750",
    }
    assert outside.stat().st_mode & 0o777 == 0o606
    given = {path: rest for path, *rest in site.owners}
    assert {".", "link", "broken", "directory", "app/shop.py", "venv/bin/python"} <= given.keys()
    assert list(given.values()) == [[0, ME.pw_gid, False]] * len(given)


@pytest.mark.xfail(
    strict=True,
    reason="built under a hardened umask (077), directories stay closed to the group and programs do not run: "
    "the site's user cannot enter its release",
)
@pytest.mark.parametrize("name", ["directory", "program"])
def test_a_sealed_release_that_was_the_user_s_alone(site: Site, name: str) -> None:
    """What its owner could enter and run, the site's group can."""
    (site.release / "directory").mkdir(mode=0o700)
    (site.release / "program").write_text("")
    (site.release / "program").chmod(0o700)
    site.finish()
    assert (site.release / name).stat().st_mode & 0o777 == 0o750


# A release that does not


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("import missing_package\n", "the settings cannot be used: ModuleNotFoundError: No module named 'missing_"),
        ("raise SystemExit('no KEY')\n", "the settings cannot be used: SystemExit: no KEY"),
        ("ALLOWED_HOSTS = []\n", "the settings cannot be used: site_domains: 'shop.example.com' is not among"),
        ("def check(): raise ValueError('E1')\n", "manage.py check --deploy finds errors: ValueError: E1"),
        ("def collectstatic(): raise OSError('full')\n", "manage.py collectstatic fails: OSError: full"),
        ("def migrate(): raise ValueError('locked')\n", "manage.py migrate fails: ValueError: locked"),
        ("import os; os._exit(3)\n", "Django cannot be imported: Python ended with 3"),
    ],
)
def test_a_refused_release_is_removed(site: Site, settings: str, words: str) -> None:
    """The sentence names the stage and the reason."""
    site.settings(settings)
    answer = site.finish()
    assert answer["failed"] is True
    assert answer["msg"].startswith(f"Release r1 is refused, the site is as it was: {words}")
    assert not site.release.exists()
    assert site.owners == []


def test_the_traceback_is_shown(site: Site) -> None:
    """With what was written before, as far as it is not too long."""
    site.settings("print('long ago' + 9000 * '.')\nprint('just before')\ndef check(): raise ValueError('E1')\n")
    message = site.finish()["msg"]
    assert "just before\n" in message
    assert "Traceback" in message
    assert "long ago" not in message


def test_without_django(site: Site) -> None:
    """The requirements forgot it."""
    (site.release / "app/django/__init__.py").write_text("raise ModuleNotFoundError('No module named django')\n")
    assert "Django cannot be imported: ModuleNotFoundError" in site.finish()["msg"]


def test_without_a_virtual_environment(site: Site) -> None:
    """A sentence, not a traceback."""
    (site.release / "venv/bin/python").unlink()
    answer = site.finish()
    assert answer["msg"].startswith("Release r1 is refused, the site is as it was: ")
    assert "Python ended with 127" in answer["msg"]
    assert "venv/bin/python" in answer["msg"]
    assert not site.release.exists()


def test_a_variable_that_cannot_be_one(site: Site) -> None:
    """Nothing is started for it."""
    assert "site_secrets: 'MY-KEY' is not the name" in site.finish(secrets={"MY-KEY": "x"})["msg"]
    assert not site.started.exists()


def test_what_outlives_a_release_outlives_a_refused_one(site: Site) -> None:
    """Removing it does not go through its links."""
    (site.state / "data").mkdir()
    (site.state / "data/kept").write_text("kept")
    site.settings("def migrate(): raise ValueError('locked')\n")
    site.finish(shared=["data/"])
    assert not site.release.exists()
    assert (site.state / "data/kept").read_text() == "kept"


@pytest.fixture
def alarm() -> Iterator[None]:
    """End a test that hangs."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(2)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.xfail(
    strict=True,
    raises=Hangs,
    reason="an answer longer than a pipe holds (64 kB) is never read: the process waits for the module and the module "
    "for the process, as with the errors and warnings of a project of some hundred models",
)
@pytest.mark.usefixtures("alarm")
def test_a_long_answer(site: Site) -> None:
    """Check puts all it has found into one error."""
    site.settings("def check(): raise ValueError(100_000 * 'x')\n")
    assert "manage.py check --deploy finds errors" in site.finish()["msg"]


def test_check_mode(site: Site) -> None:
    """Nothing runs and nothing goes, not even a release whose virtual environment is only imagined."""
    (site.release / "venv/bin/python").unlink()
    answer = site.finish(check=True)
    assert answer["changed"] is True
    assert (site.release / "app/shop.py").exists()
    assert not (site.release / "release.json").exists()
    assert not site.started.exists()
