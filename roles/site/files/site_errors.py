"""What goes wrong in the site's processes is written to the journal, whatever the project's LOGGING says.

While DEBUG is off, Django's own logging only mails an error to the administrators, and a project's may drop it. The
main process of either server imports this module from the slot's directory.
"""

import faulthandler
import logging
import signal
import sys
import traceback
from functools import wraps
from urllib.parse import quote

# On this signal, a process writes the stacks of all its threads: site_liveness.py sends it before a restart.
faulthandler.register(signal.SIGRTMIN + 8, all_threads=True)


def show_errors():
    """From now on, write the traceback of every request that fails, unless the project's logging writes it."""
    from django.core.signals import got_request_exception

    got_request_exception.connect(show, dispatch_uid="site_errors")


def show(request=None, **_others):
    """Write the exception that is being handled, once for a request.

    Django sends its signal again if the page for the error fails as well; that exception then reaches the server, which
    writes it.
    """
    error = sys.exc_info()[1]
    if error is None or getattr(request, "site_errors_seen", False):
        return
    if request is not None:
        request.site_errors_seen = True
    if not written_by_the_project(error, request):
        # The query string may have secrets in it.
        where = f"{getattr(request, 'method', '')} {quote(str(getattr(request, 'path', '')), errors='replace')}"
        # As nginx has it in its log; the health check has none.
        if request_id := getattr(request, "META", {}).get("HTTP_X_REQUEST_ID"):
            where += f" (request {quote(request_id)})"
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        # In one piece: other workers write to the same journal.
        print(f"Internal Server Error (500): {where}\n{text}", end="", file=sys.stderr, flush=True)


def written_by_the_project(error, request):
    """Return whether a handler of the project's logging will write the exception to stdout or stderr."""
    logger = logging.getLogger("django.request")
    if not logger.isEnabledFor(logging.ERROR):
        return False
    try:
        record = logger.makeRecord(
            logger.name,
            logging.ERROR,
            __file__,
            0,
            "%s: %s",
            ("Internal Server Error", getattr(request, "path", "")),
            (type(error), error, error.__traceback__),
            extra={"request": request, "status_code": 500},
        )
        return bool(logger.filter(record)) and any(writes(handler, record, error) for handler in reached_from(logger))
    except Exception:  # The project's filters and formatters may fail in any way.
        return False


def reached_from(logger):
    """Return the handlers that get the logger's records; without any, logging has one of last resort."""
    handlers = []
    while logger:
        handlers += logger.handlers
        logger = logger.parent if logger.propagate else None
    return handlers or [logging.lastResort]


def writes(handler, record, error):
    """Return whether the handler will write the record to stdout or stderr, and the exception with it."""
    return (
        isinstance(handler, logging.StreamHandler)
        and not isinstance(handler, logging.FileHandler)
        and record.levelno >= handler.level
        and handler.stream.fileno() in (1, 2)
        and handler.filter(record)
        and type(error).__name__ in handler.format(record)
    )


class AlwaysEnabled(logging.Logger):
    """A logger that a project's LOGGING with `disable_existing_loggers` does not silence."""

    @property
    def disabled(self):
        """Return False."""
        return False

    @disabled.setter
    def disabled(self, value):
        """Ignore what was meant for loggers of the project's libraries."""


def keep_enabled(*names):
    """Create the server's own loggers, before anything uses them, such that they stay enabled."""
    usual = logging.getLoggerClass()
    logging.setLoggerClass(AlwaysEnabled)
    for name in names:
        logging.getLogger(name)
    logging.setLoggerClass(usual)


def with_traceback(function):
    """Have gunicorn's main process write the traceback of a RuntimeError: on its own it writes only the message."""

    @wraps(function)
    def run(*arguments):
        try:
            return function(*arguments)
        except RuntimeError:
            traceback.print_exc()
            sys.exit(1)

    return run
