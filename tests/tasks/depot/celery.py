"""Celery's application; the broker is the one that CELERY_BROKER_URL names."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "depot.settings")

app = Celery("depot")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
