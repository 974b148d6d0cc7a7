"""What the project says of its packages and modules."""

from __future__ import annotations

from pathlib import Path

from kind import Kind, Live, Refused, Visit

__all__ = ["KINDS"]


def flatten(project: Path) -> None:
    """Put all modules beside manage.py, as some do who want no package for three files."""
    for file in [*(project / "mysite").glob("*.py"), project / "manage.py"]:
        text = file.read_text(encoding="utf-8")
        flat = text.replace("mysite.", "").replace("parent.parent", "parent")
        (project / file.name).write_text(flat, encoding="utf-8")
        if file.parent != project:
            file.unlink()
    (project / "mysite").rmdir()
    (project / "__init__.py").unlink()


def without_an_application(project: Path) -> None:
    """Take away the module that a server loads."""
    (project / "mysite/wsgi.py").unlink()


KINDS = [
    Kind(
        "pins_gunicorn",
        Live(visits=(Visit(body="at home"),), journal=("Starting gunicorn 26.0.0",), shows=("26.0.0",)),
        requirements="gunicorn==26.0.0\n",
        together="pages and headers",
    ),
    Kind(
        "pins_a_gunicorn_that_is_too_old",
        Refused(shows=("gunicorn_version", "gunicorn==19.9.0", "requirements.txt")),
        requirements="gunicorn==19.9.0\n",
        host="web12",
    ),
    # The application is not where startproject puts it, and is found.
    Kind(
        "flat_settings",
        Live(visits=(Visit(body="at home"),)),
        reshape=flatten,
        variables={"site_settings_module": "settings"},
        long=("gunicorn",),
    ),
    Kind(
        "no_application",
        Refused(shows=("site_wsgi_application", "wsgi.py")),
        reshape=without_an_application,
        host="web12",
    ),
    # psycopg2 is compiled, and neither a compiler nor PostgreSQL's headers are on the host.
    Kind(
        "packages_to_compile",
        Refused(shows=("psycopg2", "pg_config", "site_system_packages")),
        requirements="psycopg2==2.9.10\n",
        long=("gunicorn",),
        host="web12",
    ),
]
