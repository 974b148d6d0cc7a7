"""Which steps of site_build are proposed, in which order; and what runs in the background."""

from __future__ import annotations

from typing import Any

import pytest
from inspected import PROJECT, inspect, of, proposed, with_settings

BUILD = '{"private": true, "scripts": {"build": "vite build"}}'


@pytest.mark.parametrize(
    ("files", "steps"),
    [
        ({"package.json": BUILD, "package-lock.json": "{}"}, ["npm"]),
        (
            {"frontend/package.json": BUILD, "frontend/package-lock.json": "{}"},
            [{"preset": "npm", "directory": "frontend"}],
        ),
        ({"package.json": '{"scripts": {"lint": "eslint"}}'}, None),
        ({"package.json": BUILD, "shop/dist/app.js": ""}, None),  # It has been built into the source.
        ({"package.json": BUILD, "dist/app.js": ""}, None),
        ({"node_modules/x/package.json": BUILD}, None),
        ({"shop/static/vendor/bulma/package.json": BUILD}, None),
        (
            {"package.json": BUILD.replace('"private"', '"workspaces": ["a"], "private"'), "a/package.json": BUILD},
            ["npm"],
        ),
        ({"locale/de/LC_MESSAGES/django.po": ""}, ["compilemessages"]),
        ({"shop/locale/de/LC_MESSAGES/djangojs.po": ""}, ["compilemessages"]),
        ({"locale/de/LC_MESSAGES/django.po": "", "locale/de/LC_MESSAGES/django.mo": ""}, None),
    ],
)
def test_files(files: dict[str, Any], steps: list[Any] | None) -> None:
    assert proposed(inspect(files)).get("site_build") == steps


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("INSTALLED_APPS += ['sass_processor']\n", ["sass"]),
        ("INSTALLED_APPS += ['compressor']\nCOMPRESS_OFFLINE = True\n", ["compress"]),
        ("INSTALLED_APPS += ['compressor']\nCOMPRESS_ENABLED = False\n", None),
        ("INSTALLED_APPS += ['compressor']\n", ["compress"]),
        ("USE_I18N = False\n", None),
    ],
)
def test_settings(text: str, steps: list[Any] | None) -> None:
    files = {"locale/de/LC_MESSAGES/django.po": ""} if "I18N" in text else {}
    found = proposed(with_settings(text, **files))
    assert found.get("site_build") == steps
    if text.endswith("['compressor']\n"):
        assert found["site_settings"] == {"COMPRESS_OFFLINE": True, "COMPRESS_ENABLED": True}


def test_the_order() -> None:
    text = "INSTALLED_APPS += ['compressor', 'sass_processor']\nCOMPRESS_OFFLINE = True\n"
    files = {"locale/de/LC_MESSAGES/django.po": "", "package.json": BUILD, "package-lock.json": "{}"}
    assert proposed(with_settings(text, **files))["site_build"] == ["npm", "compilemessages", "sass", "compress"]


def test_a_manifest_that_nothing_makes() -> None:
    (question,) = with_settings("INSTALLED_APPS += ['webpack_loader']\n").questions
    assert question.reason == (
        "webpack_loader reads a manifest of built files, and the source has no package.json with a script named build: "
        "what builds them?"
    )


@pytest.mark.parametrize(
    ("files", "release", "first"),
    [
        (
            {"Procfile": "release: python manage.py migrate && python manage.py sync_roles --all\n"},
            ["sync_roles --all"],
            None,
        ),
        ({"Procfile": "web: python manage.py sync_roles && gunicorn shop\n"}, None, None),
        (
            {"docker/entrypoint.sh": "./manage.py migrate\npython manage.py loaddata shop/start.json\n"},
            None,
            ["loaddata shop/start.json"],
        ),
        (
            {"entrypoint.sh": "python manage.py update_index\n# ./manage.py loaddata x\n./manage.py odd_one\n"},
            ["update_index"],
            None,
        ),
    ],
)
def test_commands(files: dict[str, Any], release: list[str] | None, first: list[str] | None) -> None:
    found = proposed(inspect(files))
    assert (found.get("site_release_commands"), found.get("site_first_commands")) == (release, first)


def test_a_cache_in_the_database() -> None:
    text = "CACHES = {'default': {'BACKEND': 'django.core.cache.backends.db.DatabaseCache', 'LOCATION': 'cache'}}\n"
    assert proposed(with_settings(text))["site_release_commands"] == ["createcachetable"]


@pytest.mark.parametrize(
    ("files", "processes"),
    [
        (
            {"shop/celery.py": "from celery import Celery\napp = Celery('shop')\n"},
            ["celery -A shop worker (Celery) (shop/celery.py, line 2)"],
        ),
        (
            {"Procfile": "web: gunicorn shop.wsgi\nrelease: ./manage.py migrate\nworker: ./manage.py rqworker\n"},
            ["./manage.py rqworker (the process 'worker' of the Procfile) (Procfile, line 3)"],
        ),
        (
            {"docker-compose.yml": "services:\n  tasks:\n    command: python manage.py send_alerts --loop\n"},
            ["python manage.py send_alerts --loop (docker-compose.yml runs a command) (docker-compose.yml, line 3)"],
        ),
        (
            {"compose.yaml": "services:\n  beat:\n    command: celery -A shop beat\n  x:\n    command: true\n"},
            ["celery -A shop beat (compose.yaml runs a worker) (compose.yaml, line 3)"],
        ),
        (
            {"deploy/queue.service": "[Service]\nExecStart=/srv/venv/bin/celery -A shop worker\n"},
            ["/srv/venv/bin/celery -A shop worker (queue.service runs a worker) (deploy/queue.service, line 2)"],
        ),
        (
            {"docker/uwsgi.ini": "attach-daemon = ./manage.py sendalerts\n"},
            ["./manage.py sendalerts (uwsgi.ini runs a command) (docker/uwsgi.ini, line 1)"],
        ),
        (
            {"deploy/crontab": "# m h\n*/5 * * * * cd /srv && ./manage.py clearsessions\n"},
            ["*/5 * * * * cd /srv && ./manage.py clearsessions (a cron line) (deploy/crontab, line 2)"],
        ),
    ],
)
def test_processes_in_files(files: dict[str, Any], processes: list[str]) -> None:
    inspection = inspect(files)
    assert of(inspection, "process") == processes
    assert proposed(inspection)["site_settings_module"] == "shop.settings"


@pytest.mark.parametrize(
    ("app", "command"),
    [
        ("django_q", "manage.py qcluster"),
        ("django_rq", "manage.py rqworker"),
        ("huey.contrib.djhuey", "manage.py run_huey"),
        ("django_dramatiq", "manage.py rundramatiq"),
        ("procrastinate.contrib.django", "manage.py procrastinate worker"),
    ],
)
def test_processes_of_installed_apps(app: str, command: str) -> None:
    (found,) = of(with_settings(f"INSTALLED_APPS += ['{app}']\n"), "process")
    assert found.startswith(f"{command} (")


def test_a_celery_below_a_directory() -> None:
    moved = {name: None for name in PROJECT if name.startswith(("shop/", "manage"))}
    files = {**moved, **{f"web/{name}": PROJECT[name] for name in moved}, "web/shop/celery.py": "app = Celery()\n"}
    assert of(inspect(files), "process") == ["celery -A shop worker (Celery) (web/shop/celery.py, line 1)"]


def test_the_same_process_is_named_once() -> None:
    files = {"shop/celery.py": "app = Celery('shop')\n", "Procfile": "worker: celery -A shop worker -l info\n"}
    assert len(of(inspect(files), "process")) == 1


def test_a_schedule_of_celery() -> None:
    (found,) = of(with_settings("CELERY_BEAT_SCHEDULE = {'a': {}, 'b': {}}\n"), "process")
    assert found == "celery beat (2 tasks) (a schedule of Celery) (shop/settings.py, line 14)"
