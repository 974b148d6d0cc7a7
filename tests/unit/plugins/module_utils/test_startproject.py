"""A project as startproject creates it, with a real Django: everything is reported, and nothing once it is set."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import site_overrides
from ansible_collections.pitcrew.django.plugins.module_utils.settings_judgement import NEW_KEY

RUNNER = "from ansible_collections.pitcrew.django.plugins.module_utils.django_runner import main; main()"


class Site:
    """A new project in a release, and the inventory that it is deployed with."""

    def __init__(self, tmp_path: Path) -> None:
        self.release, self.home = tmp_path / "releases/r1", tmp_path / "home"
        self.project = self.release / "app"
        self.project.mkdir(parents=True)
        self.home.mkdir()
        django = [sys.executable, "-m", "django", "startproject", "mysite", str(self.project)]
        subprocess.run(django, check=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        overrides = self.release / "overrides"
        overrides.mkdir()
        shutil.copy(site_overrides.__file__, overrides / "site_overrides.py")

    def build(self, inventory: dict[str, Any]) -> dict[str, Any]:
        """Run the release's Django as a deploy does, and give its report."""
        settings = {**inventory.get("site_settings", {}), **inventory.get("site_secret_settings", {})}
        job = {
            "do": "build",
            "release": str(self.release),
            "home": str(self.home),
            "domains": ["shop.example.com", "www.shop.example.com"],
            "shared": inventory.get("site_shared_paths", []),
            "collectstatic": True,
            "migrate": True,
            "migrates_shared_database": True,
            "allow_destructive": False,
            "lock_timeout": 10,
            "statement_timeout": 10,
            "backup": False,
            "backups_kept": 5,
            "allow_insecure": False,
            "allow_lossy": False,
            "health_path": inventory.get("site_health_path", "/"),
            "middleware": inventory.get("site_wsgi_middleware", []),
            "recorded": [],
        }
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "site_overrides",
            "SITE_SETTINGS_MODULE": "mysite.settings",
            "SITE_OVERRIDES": json.dumps(settings),
            "PYTHONPATH": os.pathsep.join([str(self.release / "overrides"), os.environ.get("PYTHONPATH", "")]),
        }
        with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
            subprocess.run(
                [sys.executable, "-c", RUNNER],
                input=json.dumps({**job, "report": file.fileno()}),
                text=True,
                pass_fds=[file.fileno()],
                cwd=self.project,
                env=environment,
                check=True,
                capture_output=True,
            )
            file.seek(0)
            report: dict[str, Any] = json.loads(file.readlines()[-1])
        return report


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Give a new project."""
    return Site(tmp_path)


def test_a_new_project_is_told_everything_and_then_passes(site: Site) -> None:
    """What is to be set is in one piece; with it, and a key, the next attempt gets through to its migrations."""
    refused = site.build({})
    assert [complaint.split()[0] for complaint in refused["complaints"]] == [
        "ALLOWED_HOSTS",
        "DEBUG",
        "SECRET_KEY",
        "DATABASES['default']",
        "STATIC_ROOT",
        "site_health_path:",
    ]
    assert refused["stage"] == "refused"
    assert refused["inventory"] == {
        "site_settings": {
            "ALLOWED_HOSTS": ["shop.example.com", "www.shop.example.com"],
            "DEBUG": False,
            "STATIC_ROOT": "staticfiles",
        },
        "site_secret_settings": {"SECRET_KEY": f"<the output of {NEW_KEY}>"},
        "site_shared_paths": ["db.sqlite3"],
        "site_health_path": "/admin/login/",
    }
    made = subprocess.run(["sh", "-c", NEW_KEY], check=True, capture_output=True, text=True).stdout.strip()
    passed = site.build({**refused["inventory"], "site_secret_settings": {"SECRET_KEY": made}})
    assert (passed["error"], passed["complaints"], passed["stage"]) == (None, [], "done")
    assert "auth.0001_initial" in passed["migrations"]
    assert (site.project / "staticfiles/admin/css/base.css").exists()
    assert (site.home / "db.sqlite3").stat().st_size > 0


def test_an_application_whose_models_have_no_migration(site: Site) -> None:
    """It is reported; once its models cannot be imported, the place is, and none of our own frames is printed."""
    (site.project / "depot").mkdir()
    (site.project / "depot/models.py").write_text(
        "from django.db import models\nclass Bike(models.Model):\n    name = models.TextField()\n"
    )
    with (site.project / "mysite/settings.py").open("a") as file:
        file.write("INSTALLED_APPS += ['depot']\n")
    inventory = site.build({})["inventory"]
    inventory["site_secret_settings"] = {"SECRET_KEY": "of its own, and long enough not to be guessed 0123456789"}
    passed = site.build(inventory)
    assert (passed["stage"], passed["description"]["unmigrated"]) == ("done", ["depot"])
    (site.project / "depot/models.py").write_text("import pkg_resources_of_old\n")
    failed = site.build({**inventory, "site_shared_paths": []})
    assert (failed["stage"], failed["where"]) == ("apps", "depot/models.py")
    assert failed["error"] == "ModuleNotFoundError: No module named 'pkg_resources_of_old'"


def test_errors_of_real_checks_come_along(site: Site) -> None:
    """All of them, beside the complaints about the settings."""
    with (site.project / "mysite/settings.py").open("a") as file:
        file.write("MIDDLEWARE = []\nALLOWED_HOSTS = ['*']\nSTATIC_ROOT = BASE_DIR / 'static'\n")
    complaints = site.build({"site_settings": {"DEBUG": False}})["complaints"]
    errors = [complaint for complaint in complaints if complaint.startswith("manage.py check --deploy: ")]
    assert [number for number in ("E408", "E409", "E410") if any(number in error for error in errors)] == [
        "E408",
        "E409",
        "E410",
    ]
    assert complaints[0].startswith("SECRET_KEY in mysite.settings begins with django-insecure-")


def test_settings_that_read_the_environment(site: Site) -> None:
    """The variable is named, as another way."""
    settings = site.project / "mysite/settings.py"
    lines = {
        "ALLOWED_HOSTS = []": "import os\nALLOWED_HOSTS = os.environ.get('MY_HOSTS', '').split()",
        "DEBUG = True": "import os\nDEBUG = os.getenv('MY_DEBUG', 'on') == 'on'",
    }
    text = settings.read_text()
    for old, new in lines.items():
        assert old in text
        text = text.replace(old, new)
    settings.write_text(text)
    hosts, debug, *_others = site.build({})["complaints"]
    assert hosts.endswith(", or the environment variable MY_HOSTS, which it is read from")
    assert ", or the environment variable MY_DEBUG, which it is read from" in debug
