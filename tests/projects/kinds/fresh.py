"""A project just as `django-admin startproject` makes it, and what it takes until that is a site."""

from __future__ import annotations

from pathlib import Path

from kind import Kind, Live, Refused, Visit

__all__ = ["CURED", "CURED_VARIABLES", "KINDS"]


def without_a_list(project: Path) -> None:
    """Take the list of packages away: startproject makes none."""
    (project / "requirements.txt").unlink()


CURED = """
import os

DEBUG = False
SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["cured.test"]
STATIC_ROOT = BASE_DIR / "static"
DATABASES["default"]["NAME"] = "/var/lib/cured/db.sqlite3"
"""
KEY = "a key that only this test host knows, long enough for Django's check of it, 0123456789"
CURED_VARIABLES = {"site_health_path": "/admin/", "site_secrets": {"SECRET_KEY": KEY}}

KINDS = [
    Kind(
        "untouched",
        Refused(says=("ALLOWED_HOSTS", "DATABASES['default']", "STATIC_ROOT", "DEBUG", "SECRET_KEY")),
        ready=False,
    ),
    # With all five cured, and its only page as what the health check asks for.
    Kind(
        "untouched_and_cured",
        Live(visits=(Visit("/admin/login/", body="Log in"), Visit("/static/admin/css/base.css"), Visit("/", 404))),
        ready=False,
        settings=CURED,
        variables=CURED_VARIABLES,
        site="cured",
    ),
    # The same, with variables only.
    Kind(
        "untouched_and_overridden",
        Live(visits=(Visit("/admin/login/", body="Log in"),)),
        ready=False,
        variables={
            "site_health_path": "/admin/",
            "site_settings": {
                "DEBUG": False,
                "ALLOWED_HOSTS": ["live.test"],
                "STATIC_ROOT": "/var/lib/live/static",
                "DATABASES": {
                    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/var/lib/live/overridden.sqlite3"}
                },
            },
            "site_secret_settings": {"SECRET_KEY": KEY},
        },
    ),
    Kind(
        "no_list_of_packages",
        Refused(says=("site_requirements", "requirements.txt")),
        ready=False,
        reshape=without_a_list,
    ),
]
