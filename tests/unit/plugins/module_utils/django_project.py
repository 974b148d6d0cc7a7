"""Small projects with a real Django, built by the archive that a deploy runs, as one user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils import django_process, django_runner, site_overrides

__all__ = ["MANAGE", "SETTINGS", "Project"]

MANAGE = """
import os, sys
if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""
WSGI = """
import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
"""
URLS = """
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("at home"))]
"""
SETTINGS = """
import os
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "long enough not to be guessed, and with many 0123456789 characters"
ALLOWED_HOSTS = ["shop.example.com"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
INSTALLED_APPS = ["django.contrib.staticfiles"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": HOME + "/db.sqlite3"}}
STATIC_URL, STATIC_ROOT = "/static/", BASE_DIR / "collected"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""


class Project:
    """A project in a release; its files by their names in the source."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp, self.home = tmp_path, tmp_path / "home"
        self.home.mkdir()
        self.release = tmp_path / "releases/r1"
        self.directory = ""
        self.files = {
            "manage.py": MANAGE,
            "shop/__init__.py": "",
            "shop/settings.py": f"HOME = {str(self.home)!r}\n{SETTINGS}",
            "shop/urls.py": URLS,
            "shop/wsgi.py": WSGI,
        }
        self.environment: dict[str, str] = {"DJANGO_SETTINGS_MODULE": "shop.settings"}
        self.overrides: dict[str, Any] = {}
        self.job: dict[str, Any] = {
            "domains": ["shop.example.com"],
            "shared": [],
            "collectstatic": False,
            "migrate": True,
            "migrates_shared_database": True,
            "allow_destructive": False,
            "lock_timeout": 10,
            "statement_timeout": 10,
            "backup": False,
            "backups_kept": 5,
            "allow_insecure": False,
            "allow_lossy": False,
            "health_path": "/",
            "middleware": [],
            "recorded": [],
            "application": "shop.wsgi:application",
            "application_guessed": True,
            "boot_timeout": 20,
            "commands": [],
            "first_commands": [],
            "workers": 4,
        }
        self.output = ""

    def settings(self, more: str) -> None:
        """Add to the settings."""
        self.files["shop/settings.py"] += more

    def application(self, name: str, **files: str) -> None:
        """Add an application; the names of its files have two underscores for each slash."""
        self.files[f"{name}/__init__.py"] = ""
        for file, text in files.items():
            *parents, last = file.split("__")
            for depth in range(len(parents)):
                self.files["/".join([name, *parents[: depth + 1], "__init__.py"])] = ""
            self.files["/".join([name, *parents, f"{last}.py"])] = text
        self.settings(f"INSTALLED_APPS += [{name!r}]\n")

    def use(self, release: str) -> None:
        """Build the next one in another release."""
        self.release = self.tmp / "releases" / release

    def unpack(self) -> Path:
        """Write the files; return the directory of manage.py."""
        app = self.release / "app"
        for name, text in self.files.items():
            path = app / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            os.utime(path, (315532800, 315532800))
        (self.release / "overrides").mkdir(exist_ok=True)
        shutil.copy(site_overrides.__file__, self.release / "overrides/site_overrides.py")
        return app / self.directory

    def build(self, do: str = "build", again: bool = False, **job: Any) -> dict[str, Any]:
        """Run the archive in a new release, or once more in the same; give its report."""
        project = self.release / "app" / self.directory if again else self.unpack()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self.home),
            **self.environment,
        }
        environment = {name: value.replace("@release@", str(self.release)) for name, value in environment.items()}
        if self.overrides:
            environment |= {
                "DJANGO_SETTINGS_MODULE": "site_overrides",
                "SITE_SETTINGS_MODULE": environment["DJANGO_SETTINGS_MODULE"],
                "SITE_OVERRIDES": json.dumps(self.overrides, sort_keys=True),
                "PYTHONPATH": ":".join(filter(None, [f"{self.release}/overrides", environment.get("PYTHONPATH", "")])),
            }
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8") as file,
            tempfile.NamedTemporaryFile(suffix=".pyz") as archive,
        ):
            django_process.write_application(archive, django_runner)
            archive.flush()
            given = {**self.job, **job, "do": do, "release": str(self.release), "home": str(self.home)}
            done = subprocess.run(
                [sys.executable, archive.name],
                input=json.dumps({**given, "report": file.fileno()}),
                text=True,
                pass_fds=[file.fileno()],
                cwd=project,
                env=environment,
                check=False,
                capture_output=True,
            )
            file.seek(0)
            report: dict[str, Any] = json.loads(file.readlines()[-1])
        self.output = done.stdout + done.stderr
        return report

    def live(self, **job: Any) -> dict[str, Any]:
        """Build a release that nothing is wrong with."""
        report = self.build(**job)
        assert (report["stage"], report["error"], report["complaints"]) == ("done", None, []), self.output
        return report

    def refused(self, **job: Any) -> list[str]:
        """Build a release that is refused; give what is wrong with it."""
        report = self.build(**job)
        assert report["stage"] == "refused", (report["error"], self.output)
        self.inventory: dict[str, Any] = report["inventory"]
        return list(report["complaints"])
