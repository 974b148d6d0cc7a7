"""What site_wsgi and site_asgi have in common: the project's application, loaded whole before workers are forked.

The server imports one of the two from the slot's directory, where a file in JSON of the same name tells what the site
consists of.
"""

import json
import os
from importlib import import_module

import site_errors


def read(module):
    """Return what the file beside a module of the slot says of the site."""
    with open(os.path.splitext(module)[0] + ".json", encoding="utf-8") as file:
        return json.load(file)


def load(site, interface, wrap):
    """Load the application and its URLs, and wrap it; a release for which one of them fails does not start."""
    metrics = None
    if site["metrics"]:
        import site_metrics as metrics

        # Before the project has a handler.
        metrics.learn_routes(interface)
    application = project(site["application"])
    site_errors.show_errors()
    if site["json_logging"]:
        import site_logging

        site_logging.write_json()
    application = wrap(application)
    if metrics:
        metrics.stay()
        application = metrics.measured(application, interface)
    from django.db import connections

    # Let no two processes share a database connection.
    connections.close_all()
    return application


def project(address):
    """Return the project's application, with its URLs."""
    module, _colon, name = address.partition(":")
    application = getattr(import_module(module), name or "application")
    from django.urls import get_resolver

    get_resolver().url_patterns  # noqa: B018
    return application


def is_stream_of_events(headers):
    """Return whether an ASGI response has server-sent events, and so no end that visitors wait for."""
    return any(
        bytes(name).lower() == b"content-type" and bytes(value).lower().startswith(b"text/event-stream")
        for name, value in headers
    )
