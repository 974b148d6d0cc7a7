"""Projects as their authors run them at home, which go live with what pitcrew.django.inspect proposes.

Kinds of other modules are inspected, too: lists of dependencies, what is built, initial data.
"""

from __future__ import annotations

import sqlite3
import subprocess
from functools import partial
from pathlib import Path

from kind import Kind, Live, Refused, Visit

__all__ = ["KINDS"]

ENVIRON = """
import environ
env = environ.Env()
SECRET_KEY = env("SECRET_KEY")
DEBUG = env.bool("DEBUG", default=True)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR}/db.sqlite3")}
"""
PLACE = """
from django.conf import settings
from django.http import HttpResponse

urlpatterns += [path("place/", lambda request: HttpResponse(settings.PLACE))]
"""
UPLOADS = """
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import HttpResponse

def upload(request):
    if not default_storage.exists("bell.txt"):
        default_storage.save("bell.txt", ContentFile("a bell"))
    return HttpResponse(default_storage.url("bell.txt"))

urlpatterns += [path("upload/", upload)]
"""
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{64 * 'a'}\nsize 5\n"
NOT_PUSHED = "echo 'Object does not exist on the server' >&2; exit 2"
UPLOADED = (Visit("/upload/", body="/media/bell.txt"), Visit("/media/bell.txt", body="a bell"))
REPORTS = """
from django.db import connections
from django.http import HttpResponse

def report(request):
    with connections["reports"].cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS report (spokes INTEGER)")
    return HttpResponse("reported")

urlpatterns += [path("report/", report)]
"""
LOGS = """
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": BASE_DIR / "logs/shop.log"}},
    "root": {"handlers": ["file"], "level": "INFO"},
}
"""
LOGGED = """
import logging
from pathlib import Path
from django.conf import settings
from django.http import HttpResponse

def logged(request):
    logging.getLogger("shop").info("a bell was sold")
    return HttpResponse(Path(settings.LOGGING["handlers"]["file"]["filename"]).read_text())

urlpatterns += [path("logged/", logged)]
"""
CONFIGURED = """
import mysite.configuration
SHELVES = f"{mysite.configuration.PLACE}, {mysite.configuration.COUNT}"
"""
SHELVES = """
from django.conf import settings
from django.http import HttpResponse

urlpatterns += [path("shelves/", lambda request: HttpResponse(settings.SHELVES))]
"""
RINGS = """
import bells
from django.http import HttpResponse

urlpatterns += [path("rings/", lambda request: HttpResponse(bells.SOUND))]
"""


def package_of_settings(project: Path) -> None:
    """Divide the settings into those for production and those for a laptop, which manage.py names."""
    file, directory = project / "mysite/settings.py", project / "mysite/settings"
    text = file.read_text(encoding="utf-8")
    file.unlink()
    directory.mkdir()
    for name, lines in {
        "__init__.py": "",
        "base.py": text.replace("parent.parent", "parent.parent.parent"),
        "production.py": "from .base import *\n\nPLACE = 'in production'\n",
        "local.py": "from .base import *\n\nDEBUG, PLACE = True, 'at home'\n",
    }.items():
        (directory / name).write_text(lines, encoding="utf-8")
    for name, module in {"manage.py": "local", "mysite/wsgi.py": "production"}.items():
        text = (project / name).read_text(encoding="utf-8")
        (project / name).write_text(text.replace("mysite.settings", f"mysite.settings.{module}"), encoding="utf-8")


def with_groups(project: Path) -> None:
    """Turn the list into a pyproject.toml with an extra and a group."""
    file = project / "requirements.txt"
    lines = file.read_text(encoding="utf-8").split()
    file.unlink()
    text = f"""
[project]
name = "mysite"
version = "1"
dependencies = {lines}

[project.optional-dependencies]
production = ["iniconfig==2.3.1"]

[dependency-groups]
live = ["six==1.17.0"]
dev = ["no-such-package-of-anyone"]
"""
    (project / "pyproject.toml").write_text(text, encoding="utf-8")


def with_data(project: Path) -> None:
    """Add a database and an upload, as they lie in the source after an afternoon's work."""
    with sqlite3.connect(project / "db.sqlite3") as database:
        database.execute("CREATE TABLE afternoon (bells INTEGER)")
    database.close()
    (project / "media").mkdir()
    (project / "media/wheel.txt").write_text("a wheel\n", encoding="utf-8")


def with_submodule(project: Path) -> None:
    """Add a package that is a repository of its own."""
    other = project.with_name(f"{project.name}-bells")
    other.mkdir()
    (other / "__init__.py").write_text('SOUND = "ding"\n', encoding="utf-8")
    author = ("-c", "user.name=anna", "-c", "user.email=anna@example.com")
    for words in (("init", "--quiet"), ("add", "."), (*author, "commit", "--quiet", "--message=Bells")):
        subprocess.run(["git", *words], cwd=other, check=True)
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", f"../{other.name}", "bells")
    subprocess.run(["git", *add], cwd=project, check=True)


def with_large_file(program: str, project: Path) -> None:
    """Add a picture that Git LFS keeps, and a program in its place: not all machines have it, and it needs a server."""
    (project / "pictures").mkdir()
    (project / "pictures/bell.svg").write_text(POINTER, encoding="utf-8")
    file = project.with_name("bin") / "git-lfs"
    file.parent.mkdir()
    file.write_text(f"#!/bin/sh\ncat >/dev/null\n{program}\n", encoding="utf-8")
    file.chmod(0o755)


KINDS = [
    Kind(
        "settings_package_with_environ",
        Live(visits=(Visit("/place/", body="in production"), Visit("/", 404))),
        ready=False,
        settings=ENVIRON,
        urls=PLACE,
        requirements="django-environ==0.12.0\n",
        reshape=package_of_settings,
        inspected=True,
        asks_django=True,
        site="found",
        host="web12",
        together="inspected",
    ),
    Kind(
        "extra_and_group_for_production",
        Live(visits=(Visit("/admin/login/"),), shows=("pyproject.toml with extra production and group live",)),
        ready=False,
        urls="import iniconfig, six\n",
        reshape=with_groups,
        inspected=True,
        site="found",
        host="web12",
        together="inspected",
    ),
    Kind(
        "media_beside_the_code",
        Live(visits=UPLOADED),
        ready=False,
        settings='MEDIA_ROOT, MEDIA_URL = BASE_DIR.parent / "media", "/media/"\n',
        urls=UPLOADS,
        inspected=True,
        site="found",
        host="web12",
        together="inspected",
    ),
    Kind(
        "two_databases",
        Live(visits=(Visit("/report/", body="reported"),)),
        ready=False,
        settings="""
DATABASES["reports"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "reports.sqlite3"}
""",
        urls=REPORTS,
        inspected=True,
        site="found",
        host="web12",
        together="inspected",
    ),
    Kind(
        "data_in_the_source",
        Live(visits=UPLOADED, shows=("The source contains the SQLite file",)),
        ready=False,
        settings='MEDIA_ROOT, MEDIA_URL = BASE_DIR / "media", "/media/"\n',
        urls=UPLOADS,
        reshape=with_data,
        inspected=True,
        git=True,
        site="found",
        host="web12",
        together="as it lies there",
    ),
    Kind(
        "log_in_the_source",
        Live(visits=(Visit("/logged/", body="a bell was sold"),)),
        ready=False,
        settings=LOGS,
        urls=LOGGED,
        inspected=True,
        git=True,
        site="found",
        host="web12",
        together="as it lies there",
    ),
    # Overrides of settings come after it has been read.
    Kind(
        "configuration_module_of_its_own",
        Live(visits=(Visit("/shelves/", body="/var/lib/found/shelves, 7"),), never=("7 that nobody",)),
        ready=False,
        settings=CONFIGURED,
        urls=SHELVES,
        variables={
            "site_files": {
                "mysite/configuration.py": {
                    "content": "PLACE = '@state@/shelves'\nCOUNT = 7  # 7 that nobody sees\n",
                    "secret": True,
                }
            }
        },
        inspected=True,
        git=True,
        site="found",
        host="web12",
        together="as it lies there",
    ),
    Kind(
        "submodule",
        Live(visits=(Visit("/rings/", body="ding"),)),
        ready=False,
        urls=RINGS,
        reshape=with_submodule,
        inspected=True,
        git=True,
        site="found",
        host="web12",
        together="as it lies there",
    ),
    Kind(
        "large_file",
        Live(visits=(Visit("/static/bell.svg", body="<svg/>"),)),
        ready=False,
        settings='STATICFILES_DIRS = [BASE_DIR / "pictures"]\n',
        reshape=partial(with_large_file, "echo '<svg/>'"),
        inspected=True,
        git=True,
        site="found",
        host="web12",
        together="as it lies there",
    ),
    Kind(
        "large_file_that_was_not_pushed",
        Refused(shows=("'pictures/bell.svg'", "Git LFS", "git lfs push"), untouched=True),
        reshape=partial(with_large_file, NOT_PUSHED),
        git=True,
        host="web12",
    ),
]
