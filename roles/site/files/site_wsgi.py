"""What the server runs: the project's application in the site's middleware, ours around that, the release around all.

Either server imports this module from the slot's directory; site_wsgi.json beside it names what it consists of. It is
loaded whole before workers are forked, so that no visitor waits for it and all workers share its memory.
"""

import os
import traceback
from importlib import import_module

import site_application


class MiddlewareRefused(Exception):
    """Middleware of the site that cannot be used."""


def load(site):
    """Load the application, its URLs and the middleware; a release for which one of them fails does not start."""
    application = site_application.load(site, "wsgi", lambda found: in_middleware(found, site["middleware"]))
    return with_release(application, os.environ["SITE_RELEASE"])


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


application = load(site_application.read(__file__))
