"""What Django and the project log to stderr is JSON, one line for each record, with the id that nginx gave the request.

The server imports this module from the slot's directory, and calls `write_json` in each process once the project's
LOGGING is in force.
"""

import json
import logging
import sys
import time
from contextvars import ContextVar

import site_errors

try:
    from pythonjsonlogger.json import JsonFormatter
except ImportError:
    try:  # Before version 3.1.
        from pythonjsonlogger.jsonlogger import JsonFormatter
    except ImportError:  # A release that was built without it, to which the site has been rolled back.
        JsonFormatter = None

# In characters, of up to three bytes: journald splits a line beyond 48 KiB.
LONGEST_TRACEBACK = 15_000

request_id = ContextVar("request_id", default="")


def write_json():
    """From now on, write JSON to stderr; where the project's logging does not write there, have it do so, too."""
    if JsonFormatter is None:
        print("python-json-logger is not in this release, which logs as its LOGGING says.", file=sys.stderr)
        return
    from django.core.signals import request_finished, request_started

    request_started.connect(begin, dispatch_uid="site_logging")
    request_finished.connect(end, dispatch_uid="site_logging")
    if not isinstance(logging.getLogRecordFactory(), RecordFactory):
        logging.setLogRecordFactory(RecordFactory(logging.getLogRecordFactory()))
    formatter = make_formatter()
    for logger in loggers():
        for handler in logger.handlers:
            for writer in (handler, *handed_on(handler)):
                if to_console(writer):
                    writer.setFormatter(formatter)
    console = logging.StreamHandler()
    console.setFormatter(formatter)
    # From the root down: a logger gets one of its own only if it does not hand its records to one that has it.
    for logger in loggers():
        if logger.name.partition(".")[0] in ("root", "django") and not has_console(logger):
            logger.addHandler(console)


def begin(environ=None, **_others):
    """Remember the id of the request that this thread begins to answer."""
    request_id.set((environ or {}).get("HTTP_X_REQUEST_ID", ""))


def end(**_others):
    """Forget it."""
    request_id.set("")


class RecordFactory:
    """Makes records that carry the id of the request, since a handler may write them in another thread."""

    def __init__(self, make):
        """Take the factory that makes them otherwise."""
        self.make = make

    def __call__(self, *args, **kwargs):
        """Make a record."""
        record = self.make(*args, **kwargs)
        record._request_id = request_id.get()
        return record


def make_formatter():
    """Make a formatter whose records begin with what all of them have."""

    class Formatter(JsonFormatter):
        def format(self, record):
            try:
                return super().format(record)
            except (TypeError, ValueError, RecursionError):  # Something in `extra` cannot be JSON.
                fields = common(record)
                if record.exc_info:
                    fields["exc_info"] = self.formatException(record.exc_info)
                return json.dumps(fields, ensure_ascii=False)

        def add_fields(self, log_data, record, message_dict):
            super().add_fields(log_data, record, message_dict)
            # Django's records have the request, whose text has the query string, and that may have secrets in it.
            own = common(record)
            own["request_id"] = own["request_id"] or log_data.get("request_id", "")  # Perhaps the project's own.
            others = {name: value for name, value in log_data.items() if name != "request" and name not in own}
            log_data.clear()
            log_data.update({**own, **others})

        def formatException(self, ei):
            text = super().formatException(ei)
            cut = len(text) - LONGEST_TRACEBACK
            if cut <= 0:
                return text
            half = LONGEST_TRACEBACK // 2
            return f"{text[:half]}\n[... {cut} characters ...]\n{text[-half:]}"

    return Formatter(json_ensure_ascii=False)


def common(record):
    """Return what every record has, in this order."""
    return {
        "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
        "level": record.levelname,
        "logger": record.name,
        "message": record.getMessage() if isinstance(record.msg, str) else str(record.msg),
        "request_id": getattr(record, "_request_id", ""),
    }


def loggers():
    """Return the root logger and all others, each before those below it; not the server's own."""
    named = sorted(logging.root.manager.loggerDict.items())
    return [
        logging.root,
        *(found for name, found in named if isinstance(found, logging.Logger) and not name.startswith("gunicorn.")),
    ]


def handed_on(handler):
    """Return the handlers to which this one hands its records, at any depth."""
    listener = getattr(handler, "listener", None)  # Of a QueueHandler, from Python 3.12 on.
    found = [getattr(handler, "target", None), *getattr(listener, "handlers", ())]
    return [
        each
        for one in found
        if isinstance(one, logging.Handler) and one is not handler
        for each in (one, *handed_on(one))
    ]


def to_console(handler):
    """Return whether the handler writes to stdout or stderr."""
    if not isinstance(handler, logging.StreamHandler) or isinstance(handler, logging.FileHandler):
        return False
    try:
        return handler.stream.fileno() in (1, 2)
    except (AttributeError, OSError, ValueError):  # Another kind of stream.
        return False


def has_console(logger):
    """Return whether an error that the logger gets will be written to stdout or stderr."""
    record = logger.makeRecord(logger.name, logging.ERROR, __file__, 0, "", (), None)
    return any(
        record.levelno >= handler.level
        and handler.filter(record)
        and any(map(to_console, (handler, *handed_on(handler))))
        for handler in site_errors.reached_from(logger)
        if handler is not logging.lastResort
    )
