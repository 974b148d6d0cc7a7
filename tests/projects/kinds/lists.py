"""Where a project has its list of dependencies and its modules, and what of the list it needs."""

from __future__ import annotations

import base64
import io
import shutil
import zipfile
from pathlib import Path

import django
from kind import Kind, Live, Refused, Visit

__all__ = ["KINDS"]

LOCKS = Path(__file__).parents[1] / "locks"
PACKAGE = "/usr/local/share/atelier-1-py3-none-any.whl"
PACKAGED = {
    "atelier/__init__.py": "",
    "atelier/settings.py": """
SECRET_KEY = "a key that only this test host knows, long enough for Django's check of it, 0123456789"
ALLOWED_HOSTS = [".test"]
ROOT_URLCONF = "atelier.urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.staticfiles"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/var/lib/atelier/db.sqlite3"}}
STATIC_URL = "/static/"
STATIC_ROOT = "static"
USE_TZ = True
""",
    "atelier/urls.py": """
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse("at home"))]
""",
    "atelier/wsgi.py": """
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
""",
    "atelier-1.dist-info/METADATA": (
        f"Metadata-Version: 2.1\nName: atelier\nVersion: 1\nRequires-Dist: Django=={django.__version__}\n"
    ),
    "atelier-1.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "atelier-1.dist-info/RECORD": "",
}


def wheel() -> str:
    """Return the command that puts the package on the host, as if an index had it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in PACKAGED.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return f"echo {base64.b64encode(buffer.getvalue()).decode()} | base64 --decode > {PACKAGE}"


def below_the_list(project: Path) -> None:
    """Put manage.py and its package into web/; the list stays at the top, and includes another one."""
    (project / "web").mkdir()
    for name in ("manage.py", "mysite"):
        (project / name).rename(project / "web" / name)
    (project / "lists").mkdir()
    (project / "requirements.txt").rename(project / "lists/base.txt")
    (project / "requirements.txt").write_text("-r lists/base.txt\n", encoding="utf-8")


def into_src(project: Path) -> None:
    """Put the package into src/, from which manage.py alone does not import it."""
    (project / "src").mkdir()
    (project / "mysite").rename(project / "src/mysite")


def with_lock(kind: str, project: Path) -> None:
    """Replace the list by a lock."""
    (project / "requirements.txt").unlink()
    for file in (LOCKS / kind).iterdir():
        shutil.copy(file, project)


def for_no_python(project: Path) -> None:
    """Ask for a Python that no host has."""
    text = '[project]\nname = "mysite"\nversion = "1"\nrequires-python = ">=3.99"\n'
    (project / "pyproject.toml").write_text(text, encoding="utf-8")


KINDS = [
    Kind(
        "list_above_manage",
        Live(visits=(Visit(body="at home"),), shows=("../requirements.txt",)),
        requirements="iniconfig==2.3.1\n",
        urls="import iniconfig\n",
        reshape=below_the_list,
        inspected=True,
        host="web12",
        asks_django=True,
    ),
    Kind(
        "new_line_in_a_list_above_manage",
        Live(visits=(Visit(body="at home"),)),
        requirements="iniconfig==2.3.1\nsix==1.17.0\n",
        urls="import iniconfig, six\n",
        reshape=below_the_list,
        inspected=True,
        host="web12",
        upon="list_above_manage",
    ),
    Kind(
        "src_layout",
        Live(visits=(Visit(body="at home"), Visit("/static/admin/css/base.css"))),
        reshape=into_src,
        inspected=True,
        host="web12",
    ),
    Kind(
        "poetry_lock_with_extras_and_groups",
        Live(visits=(Visit(body="at home"),), shows=("poetry.lock with extra ini", "group live")),
        urls="import iniconfig, six\n",
        reshape=lambda project: with_lock("poetry", project),
        variables={"site_requirements_extras": ["ini"]},
        inspected=True,
        host="web12",
    ),
    Kind(
        "pipenv_lock_with_a_category",
        Live(visits=(Visit(body="at home"),), shows=("Pipfile.lock with group live",)),
        urls="import six\n",
        reshape=lambda project: with_lock("pipenv", project),
        variables={"site_requirements_groups": ["live"]},
        inspected=True,
        host="web12",
        long=("gunicorn",),
    ),
    Kind(
        "unknown_extra",
        Refused(shows=("site_requirements_extras", "'postgres'", "it has ini")),
        reshape=lambda project: with_lock("poetry", project),
        variables={"site_requirements_extras": ["postgres"]},
        host="web12",
    ),
    Kind(
        "python_that_no_host_has",
        Refused(shows=("site_python", "pyproject.toml", ">=3.99")),
        reshape=for_no_python,
        inspected=True,
        host="web12",
    ),
    Kind(
        "application_that_is_a_package",
        Live(visits=(Visit(body="at home"),), shows=("site_package",)),
        variables={
            "site_source_directory": "",
            "site_package": f"atelier @ file://{PACKAGE}",
            "site_settings_module": "atelier.settings",
        },
        site="atelier",
        before=wheel(),
    ),
]
