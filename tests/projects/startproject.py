"""Write the project of a kind: what Django's own startproject makes, and what the kind adds to it."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import django
from kind import Kind

__all__ = ["HOME_PAGE", "READY", "commit", "write_project"]

# What every site needs beyond startproject: the lines that its refusal asks for.
READY = """
DEBUG = False
SECRET_KEY = "a key that only this test host knows, long enough for Django's check of it, 0123456789"
ALLOWED_HOSTS = [".test"]
STATIC_ROOT = BASE_DIR / "static"
DATABASES["default"]["NAME"] = "/var/lib/{site}/db.sqlite3"
"""
HOME_PAGE = """
from django.http import HttpResponse

urlpatterns.append(path("", lambda request: HttpResponse("at home")))
"""


@functools.cache
def untouched() -> Path:
    """Have Django make a project, once for all kinds."""
    directory = Path(tempfile.mkdtemp(prefix="startproject-"))
    atexit.register(shutil.rmtree, directory)
    subprocess.run([sys.executable, "-m", "django", "startproject", "mysite", str(directory)], check=True)
    return directory


def write_project(kind: Kind, directory: Path) -> None:
    """Write the kind's project into a new directory."""
    shutil.copytree(untouched(), directory)
    settings = READY.format(site=kind.site_name) if kind.ready else ""
    for name, text in {
        "mysite/settings.py": settings + kind.settings,
        # The first URL that matches counts: a kind's own come before the home page.
        "mysite/urls.py": kind.urls + (HOME_PAGE if kind.ready else ""),
        "requirements.txt": f"Django=={django.__version__}\n{kind.requirements}",
    }.items():
        with open(directory / name, "a", encoding="utf-8") as file:
            file.write(text)
    if kind.reshape:
        kind.reshape(directory)
    if kind.git:
        commit(directory)


def commit(directory: Path) -> None:
    """Make a directory a repository whose only commit has all of its files."""
    author = ("-c", "user.name=anna", "-c", "user.email=anna@example.com")
    for words in (("init", "--quiet"), ("add", "."), (*author, "commit", "--quiet", "--message=All of it")):
        subprocess.run(["git", *words], cwd=directory, check=True)
