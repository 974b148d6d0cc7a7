"""What commands run, and which of them need a terminal."""

from __future__ import annotations

import shlex

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.command_words import Target, target_of, why_a_terminal

QUESTIONS = "would ask questions, and nobody answers"
TERMINAL = "needs a terminal"


@pytest.mark.parametrize(
    ("command", "target"),
    [
        ("manage.py check --deploy", Target("django", "check", ("--deploy",), "manage.py")),
        ("python manage.py rqworker high", Target("django", "rqworker", ("high",), "manage.py")),
        ("/srv/venv/bin/python3.11 -u -W error ./manage.py x", Target("django", "x", (), "./manage.py")),
        ("python -m django x y", Target("django", "x", ("y",))),
        ("django-admin x", Target("django", "x")),
        ("python manage.py", Target("django", "", (), "manage.py")),
        ("python -m celery -A shop worker", Target("module", "celery", ("-A", "shop", "worker"))),
        ("python -m", Target("module", "")),
        ("python bin/report.py --all", Target("script", "bin/report.py", ("--all",))),
        ("python -c 'print(1)' a", Target("code", "print(1)", ("a",))),
        ("celery -A shop worker", Target("program", "celery", ("-A", "shop", "worker"))),
        ("./bin/report", Target("program", "./bin/report")),
        ("python -u", Target("program", "python")),
    ],
)
def test_what_is_run(command: str, target: Target) -> None:
    assert target_of(shlex.split(command)) == target


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("python manage.py shell", TERMINAL),
        ("manage.py shell_plus --ipython", TERMINAL),
        ("python -m django dbshell", TERMINAL),
        ("manage.py changepassword anna", TERMINAL),
        ("manage.py createsuperuser --username anna", QUESTIONS),
        ("manage.py flush", QUESTIONS),
        ("manage.py runserver", "does not end by itself"),
        ("python", TERMINAL),
        ("python -i report.py", TERMINAL),
        ("/bin/bash", TERMINAL),
        ("ipython", TERMINAL),
        ("manage.py check", ""),
        ("manage.py shell -c 'print(1)'", ""),
        ("manage.py shell --command=print(1)", ""),
        ("manage.py dbshell -- -c 'select 1'", ""),
        ("manage.py createsuperuser --noinput", ""),
        ("manage.py flush --no-input", ""),
        ("sh -c 'date; date'", ""),
        ("python report.py", ""),
        ("celery -A shop shell_plus", ""),
    ],
)
def test_what_needs_a_terminal(command: str, why: str) -> None:
    assert why_a_terminal(shlex.split(command)) == why
