"""A project just as `django-admin startproject` makes it, and the same once its refusal has been heeded."""

from __future__ import annotations

from pathlib import Path

from kind import Kind, Live, Refused, Visit

__all__ = ["KINDS"]


def without_a_list(project: Path) -> None:
    """Take the list of packages away: startproject makes none."""
    (project / "requirements.txt").unlink()


KINDS = [
    Kind(
        "untouched",
        Refused(
            shows=("ALLOWED_HOSTS", "DATABASES['default']", "STATIC_ROOT", "DEBUG", "SECRET_KEY", "site_health_path")
        ),
        ready=False,
        site="fresh",
    ),
    Kind(
        "untouched_and_heeded",
        Live(visits=(Visit("/admin/login/", body="Log in"), Visit("/static/admin/css/base.css"), Visit("/", 404))),
        ready=False,
        site="fresh",
        upon="untouched",
        merges_proposal=True,
    ),
    Kind(
        "no_list_of_packages",
        Refused(shows=("site_requirements", "requirements.txt")),
        ready=False,
        reshape=without_a_list,
        host="web12",
    ),
]
