# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load Django's settings, and write down those that decide about a deploy; run by the Python of an environment.

The arguments are the settings module, the file to write, a class of django-configurations or nothing, and the
directories that modules are imported from. Runs with Python 3.9 or later, and imports nothing of the collection.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any

SETTINGS = (
    "ALLOWED_HOSTS", "CACHES", "CELERYBEAT_SCHEDULE", "CELERY_ALWAYS_EAGER", "CELERY_BEAT_SCHEDULE",
    "CELERY_BEAT_SCHEDULER", "CELERY_TASK_ALWAYS_EAGER", "CELERY_TASK_ROUTES", "COMPRESS_ENABLED",
    "COMPRESS_OFFLINE", "CRONJOBS", "DATABASES", "DEBUG", "EMAIL_BACKEND", "EMAIL_FILE_PATH", "HUEY",
    "INSTALLED_APPS", "LOGGING", "MEDIA_ROOT", "MEDIA_URL", "MIDDLEWARE", "Q_CLUSTER", "ROOT_URLCONF", "RQ_QUEUES",
    "SECRET_KEY", "SECURE_PROXY_SSL_HEADER", "SECURE_SSL_REDIRECT", "SESSION_ENGINE", "STATICFILES_DIRS",
    "STATIC_ROOT", "STATIC_URL", "TASKS", "USE_I18N", "WSGI_APPLICATION",
)  # fmt: skip


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON has it; what has no such form becomes null, and what is in a mapping is left out."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return str(value)
    if depth > 8:
        return None
    if isinstance(value, dict):
        return {str(key): plain(part, depth + 1) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(part, depth + 1) for part in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if type(value).__name__ == "__proxy__":  # A translation, or an address that is looked up later.
        return str(value)
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return None


def main() -> None:
    """Write the settings as JSON; on failure, the exception in one line."""
    module, target, configuration, *directories = sys.argv[1:]
    sys.path[:0] = directories
    os.environ["DJANGO_SETTINGS_MODULE"] = module
    try:
        if configuration:
            os.environ["DJANGO_CONFIGURATION"] = configuration
            import_module("configurations").setup()
        settings = import_module("django.conf").settings
        found = {name: plain(getattr(settings, name, None)) for name in SETTINGS if settings.is_overridden(name)}
        report = {"settings": found, "error": ""}
    except BaseException as error:  # SystemExit, too: a settings module may end the process.
        report = {"settings": {}, "error": f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]}
    with open(target, "w", encoding="utf-8") as file:
        json.dump(report, file)


if __name__ == "__main__":
    main()
