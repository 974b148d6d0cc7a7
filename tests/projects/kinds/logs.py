"""How projects log."""

from __future__ import annotations

from kind import Kind, Live, Refused, Visit

__all__ = ["KINDS"]

# In front of the view, so that the page fails once the site is live.
FAILS = """
def fails(request):
    raise RuntimeError("no spokes")

urlpatterns.append(path("broken/", fails))
"""
# As many tutorials have it, and a second one with a mistake less.
ROTATES = """
LOGGING = {{
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {{
        "file": {{
            "class": "logging.handlers.RotatingFileHandler",
            "filename": {file},
            "maxBytes": 1_000_000,
            "backupCount": 5,
        }},
        "orders": {{
            "class": "logging.handlers.TimedRotatingFileHandler",
            "filename": "/var/lib/{site}/orders.log",
            "when": "midnight",
        }},
    }},
    "loggers": {{"django": {{"handlers": ["file"]}}, "shop.orders": {{"handlers": ["orders"]}}}},
}}
"""
UNWRITABLE = """
LOGGING = {
    "version": 1,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "/var/log/mysite/django.log"}},
    "root": {"handlers": ["file"]},
}
"""
VERSION = """
from importlib.metadata import version

from django.http import HttpResponse

urlpatterns.append(path("version/", lambda request: HttpResponse(version("python-json-logger"))))
"""

KINDS = [
    Kind(
        "logs_that_lose_lines",
        Refused(
            shows=(
                "'file' (logging.handlers.RotatingFileHandler",
                "of the logger 'django' writes into the release",
                "'orders' (logging.handlers.TimedRotatingFileHandler",
                "of the logger 'shop.orders' loses lines",
                "WatchedFileHandler",
                "site_allow_lossy_logging: true",
            )
        ),
        settings=ROTATES.format(file='BASE_DIR / "django.log"', site="refused"),
    ),
    Kind(
        "logs_that_may_lose_lines",
        Live(),
        settings=ROTATES.format(file='"/var/lib/live/django.log"', site="live"),
        variables={"site_allow_lossy_logging": True},
        long=("gunicorn",),
    ),
    Kind(
        "a_log_that_cannot_be_written",
        Refused(shows=("/var/log/mysite/django.log", "StreamHandler", "/var/lib")),
        settings=UNWRITABLE,
    ),
    # With the project's own version of the library, which may be old.
    Kind(
        "json_logs",
        Live(
            visits=(Visit(body="at home"), Visit("/broken/", 500), Visit("/version/", body="2.0.7")),
            journal=('"level": "ERROR", "logger": "django.request", "message": "Internal Server Error: /broken/"',),
        ),
        urls=FAILS + VERSION,
        requirements="python-json-logger==2.0.7\n",
        variables={"site_json_logging": True},
    ),
]
