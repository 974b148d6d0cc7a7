"""Settings of the depot: what differs between two hosts comes from the environment, as `site_services` sets it."""

import os
from pathlib import Path

import dj_database_url
from celery.schedules import crontab

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = os.environ["SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "").split(",")
RELEASE = os.environ.get("SITE_RELEASE", "") or "development"

INSTALLED_APPS = ["django_rq", "huey.contrib.djhuey", "django_tasks", "django_tasks_db", "runs"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "depot.urls"
WSGI_APPLICATION = "depot.wsgi.application"
DATABASES = {"default": dj_database_url.config()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "static"

REDIS_URL = os.environ["REDIS_URL"]

# A task counts as done when it has ended, so that another worker gets it if its own is killed: at once if that was one
# process of the pool, and after the visibility timeout if it was the whole worker. No task may take that long.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": int(os.environ.get("VISIBILITY_TIMEOUT", "3600")),
    # How often a worker looks for such tasks: without the second, only every tenth time, once in 100 s.
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
}
CELERY_TASK_IGNORE_RESULT = True
# Beat writes down each task that it has sent, so that a new one after kill -9 does not send it again.
CELERY_BEAT_SYNC_EVERY = 1
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "beat": {"task": "runs.tasks.ticked", "schedule": 2.0, "args": ["beat"]},
    "minute": {"task": "runs.tasks.ticked", "schedule": crontab(), "args": ["minute"]},
}

RQ_QUEUES = {"default": {"URL": REDIS_URL, "DEFAULT_TIMEOUT": 3600}}
HUEY = {"huey_class": "huey.RedisHuey", "name": "depot", "url": REDIS_URL, "immediate": False}
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

# Several processes write the log: to stderr only, and the service manager keeps it.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name} {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}
