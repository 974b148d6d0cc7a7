# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source wants to run by calendar, as site_schedules."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from .calendars import UntranslatableError, from_cron
from .command_lines import Command, commands_of
from .findings import CERTAIN, GUESS, QUESTION, Finding, Place
from .management import source_commands
from .programs import ONCE, Program
from .proposed_commands import AROUND, Names, installed, left_out, words_in_source
from .tree import Tree
from .values import Scope, known
from .workers import is_server

__all__ = ["schedule_findings"]


def schedule_findings(
    tree: Tree, project: str, scope: Scope, found: Sequence[Program], names: Names
) -> Iterator[Finding]:
    """Propose what cron, timers and the like run, then the jobs of applications that have calendars of their own."""
    for program in found:
        if program.keeping == ONCE:
            yield from _schedule(tree, project, program, names)
    yield from _of_crontab(scope, names)


def _schedule(tree: Tree, project: str, program: Program, names: Names) -> Iterator[Finding]:
    commands = [one for one in commands_of(program.text) if one.words[0] not in AROUND and not is_server(one)]
    if "{{" in program.text or not commands:
        return
    resolved = [_scheduled_command(tree, project, one) for one in commands]
    if all(one is None for one in resolved):
        yield left_out(program, commands[0], "it is no program of the site")
        return
    shown = " ".join(program.text.split())[:100]
    if len(commands) > 1:
        reason = (
            f"{program.what} in one line with others, as {shown!r}; write a command of manage.py that does all of it"
        )
        yield Finding("site_schedules", "", reason, program.place, QUESTION)
        return
    (command,), (found,) = commands, resolved
    words, through = found or ((), "")
    if program.trouble:
        reason = f"when does {shlex.join(words)!r} run? {program.what}, but {program.trouble}"
        yield Finding("site_schedules", "", reason, program.place, QUESTION)
        return
    label = words[2] if words[:2] == ("python", "manage.py") and len(words) > 2 else program.label or words[-1]
    value = {names.take(posixpath.basename(label)): {"command": shlex.join(words), "calendar": program.calendar}}
    if command.open:
        reason = f"{program.what} with values that the source does not tell"
        yield Finding("site_schedules", value, reason, program.place, QUESTION, commented=True)
        return
    certainty = GUESS if through or words[:2] != ("python", "manage.py") else CERTAIN
    yield Finding("site_schedules", value, f"{program.what}{through}", program.place, certainty)


def _scheduled_command(tree: Tree, project: str, command: Command) -> tuple[tuple[str, ...], str] | None:
    """Return the words to run, and through what program of its own the source does it."""
    words = command.words
    if words[:2] == ("python", "manage.py"):
        return words, ""
    found = source_commands(tree)
    for at, word in enumerate(words[1:], 1):
        if word in found or word == "clearsessions":
            return ("python", "manage.py", *words[at:]), f" through {posixpath.basename(words[0])}"
    of_source = words_in_source(tree, project, command)
    return None if of_source is None else (of_source, "")


def _of_crontab(scope: Scope, names: Names) -> Iterator[Finding]:
    """Propose the jobs of django-crontab, and the one that runs those of django-cron."""
    jobs, place = scope.get("CRONJOBS"), scope.places.get("CRONJOBS")
    if isinstance(jobs, list):
        for job in jobs:
            yield from _crontab_job(job, names, place)
    elif scope.knows("CRONJOBS"):
        yield Finding("site_schedules", "", "which jobs are in CRONJOBS?", place, QUESTION)
    if installed(scope, "django_cron"):
        value = {names.take("runcrons"): {"command": "python manage.py runcrons", "calendar": "*:0/5"}}
        reason = "django-cron is installed, which runs its jobs when they are due"
        yield Finding("site_schedules", value, reason, scope.places.get("INSTALLED_APPS"), GUESS)


def _crontab_job(job: Any, names: Names, place: Place | None) -> Iterator[Finding]:
    parts = list(job) if isinstance(job, (list, tuple)) else []
    if len(parts) < 2 or not isinstance(parts[0], str) or not isinstance(parts[1], str):
        yield Finding("site_schedules", "", "CRONJOBS has a job that cannot be told from the source", place, QUESTION)
        return
    arguments = parts[2] if len(parts) > 2 and isinstance(parts[2], (list, tuple)) else []
    keywords = parts[3] if len(parts) > 3 and isinstance(parts[3], dict) else {}
    module, _dot, function = parts[1].rpartition(".")
    if not module or not known(list(arguments)) or not known(keywords):
        reason = f"CRONJOBS has {parts[1]}, with arguments that cannot be told from the source"
        yield Finding("site_schedules", "", reason, place, QUESTION)
        return
    if parts[1] == "django.core.management.call_command" and arguments and not keywords:
        words = ["python", "manage.py", *map(str, arguments)]
        label = str(arguments[0])
    else:
        given = ", ".join([*map(repr, arguments), *(f"{name}={value!r}" for name, value in keywords.items())])
        code = f"from {module} import {function}; {function}({given})"
        words, label = ["python", "manage.py", "shell", "-c", code], function
    try:
        calendar = from_cron(parts[0])
    except UntranslatableError as error:
        reason = f"when does {parts[1]} run? CRONJOBS has it, but {error}"
        yield Finding("site_schedules", "", reason, place, QUESTION)
        return
    value = {names.take(label): {"command": shlex.join(words), "calendar": calendar}}
    yield Finding("site_schedules", value, "CRONJOBS has it", place)
