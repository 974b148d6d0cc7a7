"""What a line of a shell runs, without what only leads to the program."""

from __future__ import annotations

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.command_lines import commands_of


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("./manage.py sendalerts", ["python manage.py sendalerts"]),
        ("python3.11 -u web/manage.py sendalerts --loop", ["python manage.py sendalerts --loop"]),
        ("django-admin clearsessions", ["python manage.py clearsessions"]),
        ("/srv/shop/venv/bin/python manage.py x > /dev/null 2>&1", ["python manage.py x"]),
        ("/opt/shop/.venv/bin/celery -A shop worker", ["celery -A shop worker"]),
        ("python -m celery -A shop beat", ["celery -A shop beat"]),
        ("exec gosu shop celery -A shop worker", ["celery -A shop worker"]),
        ("newrelic-admin run-program celery -A shop worker", ["celery -A shop worker"]),
        ("uv run --env-file .env python manage.py x", ["python manage.py x"]),
        ("nice -n 10 timeout 600 ./manage.py x", ["python manage.py x"]),
        ("sudo -u shop ./manage.py x", ["python manage.py x"]),
        ("DEBUG=0 PYTHONUNBUFFERED=1 ./manage.py x", ["python manage.py x"]),
        ("/bin/bash -c 'cd /app && ./manage.py x'", ["cd /app", "python manage.py x"]),
        (
            "./manage.py migrate && ./manage.py bot | tee log",
            ["python manage.py migrate", "python manage.py bot", "tee log"],
        ),
        ('python manage.py x "$@"', ["python manage.py x"]),
        ("celery -A shop worker -c ${WORKERS:-4}", ["celery -A shop worker -c 4"]),
        ("./manage.py x --port $PORT", ["python manage.py x --port '<fill in: PORT>'"]),
        ("./manage.py x --port %(_) -v", ["python manage.py x --port '<fill in: value>' -v"]),
        ("./manage.py x 'unclosed", []),
        ("", []),
    ],
)
def test_commands(line: str, commands: list[str]) -> None:
    assert [command.text for command in commands_of(line)] == commands


def test_what_is_open() -> None:
    assert [command.open for command in commands_of("./manage.py x $PORT; ./manage.py y")] == [True, False]
