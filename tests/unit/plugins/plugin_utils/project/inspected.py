"""Small projects, a few lines each, and what is proposed for them."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitcrew.django.plugins.plugin_utils.project.findings import merged
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.inspection import Inspection, inspect_source
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.tree import Tree

MANAGE = """\
import os, sys
if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""
WSGI = """\
import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
"""
START = """\
import os
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
INSTALLED_APPS = ["django.contrib.admin", "django.contrib.staticfiles"]
ROOT_URLCONF = "shop.urls"
"""
SAFE = """\
DEBUG = False
SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["shop.example.com"]
STATIC_ROOT = BASE_DIR / "static-files"
STATIC_URL = "static/"
DATABASES = {}
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache", "LOCATION": "10.0.0.1:11211"}}
"""
PROJECT = {
    "manage.py": MANAGE,
    "requirements.txt": "django\n",
    "shop/__init__.py": "",
    "shop/settings.py": START + SAFE,
    "shop/urls.py": "urlpatterns = [path('', home)]\n",
    "shop/wsgi.py": WSGI,
}
"""A project that needs nothing but its name, its module and its key."""


def inspect(files: dict[str, str | None], **given: Any) -> Inspection:
    """Inspect the project with other files; None takes one away."""
    tree = {name: text for name, text in {**PROJECT, **files}.items() if text is not None}
    return inspect_source(Tree.of(tree), "shop", given)


def with_settings(text: str, **files: str | None) -> Inspection:
    """Inspect the project with more settings."""
    return inspect({"shop/settings.py": START + SAFE + text, **files})


def proposed(inspection: Inspection) -> dict[str, Any]:
    """Return the variables that are proposed."""
    return merged(inspection.findings)


def of(inspection: Inspection, certainty: str) -> list[str]:
    """Return the findings of one kind."""
    return [str(finding) for finding in inspection.of(certainty)]
