"""What the server runs: the project's application in the site's middleware, ours around that, the release around all.

Either server imports this module from the slot's directory; site_wsgi.json beside it names what it consists of. It is
loaded whole before workers are forked, so that no visitor waits for it and all workers share its memory.
"""

import json
import os
import traceback
from importlib import import_module

import site_errors


class MiddlewareRefused(Exception):
    """Middleware of the site that cannot be used."""


def load(site):
    """Load the application, its URLs and the middleware; a release for which one of them fails does not start."""
    metrics = None
    if site["metrics"]:
        import site_metrics as metrics

        # Before the project has a handler.
        metrics.learn_routes()
    application = project(site["application"])
    site_errors.show_errors()
    if site["json_logging"]:
        import site_logging

        site_logging.write_json()
    application = in_middleware(application, site["middleware"])
    if metrics:
        metrics.stay()
        application = metrics.measured(application)
    from django.db import connections

    # Let no two processes share a database connection.
    connections.close_all()
    return with_release(application, os.environ["SITE_RELEASE"])


def project(address):
    """Return the project's application, with its URLs."""
    module, _colon, name = address.partition(":")
    application = getattr(import_module(module), name or "application")
    from django.urls import get_resolver

    get_resolver().url_patterns  # noqa: B018
    return application


def in_middleware(application, middleware):
    """Wrap the application in the middleware of the site, of which the first is outermost.

    Raises MiddlewareRefused with everything that is wrong.
    """
    complaints = []
    for one in reversed(middleware):
        path, arguments = (one, {}) if isinstance(one, str) else (one["path"], one.get("arguments") or {})
        try:
            outer = imported(path)(application, **arguments)
            if not callable(outer):
                raise TypeError(f"it returned {outer!r}, which is not callable")
            application = outer
        except Exception as error:
            traceback.print_exc()
            complaints.append(
                f"site_wsgi_middleware: {path!r} cannot be used: {type(error).__name__}: {error}. Correct it, remove "
                "it, or add its package to the project's list"
            )
    if complaints:
        raise MiddlewareRefused("\n".join(reversed(complaints)))
    return application


def imported(path):
    """Return what a dotted path names."""
    module, _dot, name = path.rpartition(".")
    return getattr(import_module(module), name)


def with_release(application, release):
    """Name the release in every response, whatever the application calls itself, and say that this process is alive.

    The switch checks the name, and nginx hides it from visitors. Whether a worker still has a free thread is known
    without Django: an answer to that needs no database, and no session.
    """
    header = ("X-Pitcrew-Release", release)

    def named(environ, start_response):
        if environ.get("HTTP_X_PITCREW_PROBE") == "alive":
            start_response("204 No Content", [header])
            return []

        def start(status, headers, exc_info=None):
            others = [other for other in headers if other[0].lower() != "x-pitcrew-release"]
            return start_response(status, [*others, header], exc_info)

        return application(environ, start)

    return named


with open(os.path.join(os.path.dirname(__file__), "site_wsgi.json"), encoding="utf-8") as file:
    application = load(json.load(file))
