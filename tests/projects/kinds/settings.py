"""Settings of the project with which no site should be in production."""

from __future__ import annotations

from kind import Kind, Live, Refused, Visit

__all__ = ["KINDS"]

GENERATED_KEY = 'SECRET_KEY = "django-insecure-k3pt-to-oneself-%s"\n' % ("0123456789" * 5)

KINDS = [
    Kind(
        "three_bad_settings",
        Refused(shows=("ALLOWED_HOSTS", "elsewhere.test", "DATABASES['default']", "db.sqlite3", "STATIC_ROOT")),
        settings="""
ALLOWED_HOSTS = ["elsewhere.test"]
DATABASES["default"]["NAME"] = BASE_DIR / "db.sqlite3"
STATIC_ROOT = None
""",
        host="web12",
    ),
    Kind(
        "debug_on",
        Refused(shows=("DEBUG", "site_settings", "site_allow_insecure_settings")),
        settings="DEBUG = True\n",
        host="web12",
    ),
    Kind(
        "generated_key",
        Refused(
            shows=("SECRET_KEY", "django-insecure-", "site_secret_settings", "site_allow_insecure_settings"),
            never=("k3pt-to-oneself",),
        ),
        settings=GENERATED_KEY,
        host="web12",
    ),
    Kind(
        "insecure_settings_allowed",
        Live(visits=(Visit(body="at home"),)),
        settings="DEBUG = True\n" + GENERATED_KEY,
        variables={"site_allow_insecure_settings": True},
        long=("gunicorn",),
    ),
]
