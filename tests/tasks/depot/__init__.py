"""The project: settings, addresses, entry points, and Celery's application."""

from depot.celery import app

__all__ = ["app"]
