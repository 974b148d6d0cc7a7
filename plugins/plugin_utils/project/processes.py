# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source wants to run beside its web processes, as site_processes and site_schedules."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from .celery import CeleryApp, find_celery
from .command_lines import Command, commands_of
from .findings import CERTAIN, GUESS, QUESTION, Finding, Place, fill_in
from .lists import Lists
from .management import runs_for_ever, source_commands
from .programs import COMPOSE, KEPT, ONCE, SCRIPT, Program, programs
from .proposed_commands import AROUND, Names, installed, left_out, words_in_source
from .schedules import schedule_findings
from .tree import Tree
from .values import Read, Scope, known
from .workers import Values, is_server, workers_of

__all__ = ["process_findings"]

NAMES: Final = {
    "celery": "worker",
    "celery_beat": "beat",
    "rq": "rq",
    "rq_scheduler": "rq_scheduler",
    "huey": "huey",
    "dramatiq": "dramatiq",
    "procrastinate": "procrastinate",
    "django_q": "django_q",
    "django_tasks": "tasks",
    "django_tasks_rq": "tasks",
}
"""The presets, and what a process of each is called."""
CELERY: Final = ("celery", "celery_beat")
APPS: Final = (
    ("django_q", "django_q", "django-q2"),
    ("django_rq", "rq", "RQ"),
    ("huey.contrib.djhuey", "huey", "Huey"),
    ("django_dramatiq", "dramatiq", "Dramatiq"),
    ("procrastinate.contrib.django", "procrastinate", "Procrastinate"),
    ("django_tasks.backends.database", "django_tasks", "django-tasks"),
    ("django_tasks_db", "django_tasks", "django-tasks"),
)
COMMANDS: Final = (("background_task", "process_tasks", "django-background-tasks"),)
"""Applications whose worker is a command of manage.py without a preset."""
ENDS: Final = re.compile(
    r"migrate|collectstatic|check|test|shell|shell_plus|createsuperuser|compilemessages|makemessages|makemigrations|"
    r"loaddata|compress|flush|dbshell|createcachetable|compilescss|dumpdata|help|wait_for\w*|diffsettings|startapp"
)
"""Commands that end, and that a deploy runs where they are needed."""
PREPARES: Final = re.compile(r"(init|load|create|seed|populate|setup|install|import|update|rebuild|sync|set)[\w-]*")


def process_findings(
    tree: Tree, project: str, scope: Scope, lists: Lists | None, reads: Sequence[Read] = ()
) -> Iterator[Finding]:
    """Propose processes and schedules, each once; name what is not proposed, and what cannot be found out."""
    names = Names()
    found = programs(tree)
    workers = _workers(found)
    celery = find_celery(tree, project, scope, reads)
    yield from _of_celery(celery, workers, names)
    yield from _of_products(workers, scope, lists, names)
    handled: set[str] = set()
    for program in found:
        if program.keeping != ONCE and program.rank != SCRIPT:
            yield from _commands(tree, project, program, names, handled)
    for app, command, what in COMMANDS:
        if installed(scope, app) and command not in handled:
            handled.add(command)
            value = {names.take(command): {"command": f"python manage.py {command}"}}
            yield Finding("site_processes", value, f"{what} is installed", scope.places.get("INSTALLED_APPS"))
    yield from _unnamed(tree, names, handled)
    yield from schedule_findings(tree, project, scope, found, names)


# Products with a preset

Workers = dict[str, list[tuple[Values, Program]]]


def _workers(found: Sequence[Program]) -> Workers:
    """Return the workers of each product, from the first files that start some."""
    workers: Workers = {}
    groups: dict[str, tuple[int, str]] = {}
    for program in found:
        if program.keeping == ONCE:
            continue
        group = (program.rank, posixpath.dirname(program.place.file))
        for command in commands_of(program.text):
            for values in workers_of(command):
                if "{{" in program.text:
                    values = {key: value for key, value in values.items() if "{{" not in str(value)}
                preset = values["preset"]
                same = [one for one, _program in workers.get(preset, [])]
                if groups.setdefault(preset, group) == group and values not in same:
                    workers.setdefault(preset, []).append((values, program))
    return workers


def _named(some: Sequence[tuple[Values, Program]], preset: str, names: Names) -> Iterator[tuple[str, Values, Program]]:
    for values, program in some:
        queues = "_".join(values.get("queues", [])[:1])
        wanted = [NAMES[preset]] if len(some) == 1 else [program.label or f"{NAMES[preset]}_{queues}", NAMES[preset]]
        yield names.take(*wanted), values, program


def _of_celery(celery: CeleryApp | None, workers: Workers, names: Names) -> Iterator[Finding]:
    application = celery.module if celery else ""
    named = next(
        (one["application"] for one, _program in workers.get("celery", []) if "application" in one), application
    )
    for preset in CELERY:
        for name, values, program in list(_named(workers.get(preset, []), preset, names)):
            made = {"preset": preset, **({"application": named} if named else {}), **values}
            certainty = CERTAIN if program.keeping == KEPT or celery else GUESS
            if "application" not in made:
                reason = f"{program.what}; which module has Celery's application?"
                yield Finding("site_processes", {name: made}, reason, program.place, QUESTION, commented=True)
                continue
            made = _with_scheduler(made, celery)
            yield _switched(Finding("site_processes", {name: made}, program.what, program.place, certainty), celery)
        if celery is None or preset in workers:
            continue
        made = {"preset": preset, "application": named}
        if preset == "celery":
            reason = "the source has an application of Celery, whose tasks need a worker"
            if celery.queues:
                made["queues"] = celery.queues
                reason += f"; {celery.routes} sends tasks to these queues"
            finding = Finding("site_processes", {names.take("worker"): made}, reason, celery.place)
            yield _switched(finding, celery)
        elif celery.schedule:
            made = _with_scheduler(made, celery)
            name = names.take("beat")
            finding = Finding("site_processes", {name: made}, celery.schedule, celery.schedule_place)
            yield _switched(finding, celery)


def _with_scheduler(made: Values, celery: CeleryApp | None) -> Values:
    arguments = str(made.get("arguments", ""))
    if (
        made["preset"] != "celery_beat"
        or celery is None
        or not celery.scheduler
        or re.search(r"(-S|--scheduler)\b", arguments)
    ):
        return made
    return {**made, "arguments": " ".join(filter(None, (arguments, f"--scheduler {celery.scheduler}")))}


def _switched(finding: Finding, celery: CeleryApp | None) -> Finding:
    """Propose as a comment what has nothing to do with the settings as they are."""
    if celery is None or not celery.off:
        return finding
    begun = finding.reason
    reason = f"{celery.off}. {begun[0].upper() if begun.startswith(('a ', 'the ', 'tasks ')) else begun[0]}{begun[1:]}"
    return replace(finding, reason=reason, certainty=QUESTION, commented=True)


def _of_products(workers: Workers, scope: Scope, lists: Lists | None, names: Names) -> Iterator[Finding]:
    """Propose the workers of all products but Celery: those that files start, then those that only settings tell of."""
    tasks = _tasks_backend(scope)
    by_rq = tasks is not None and tasks[0] == "django_tasks_rq"
    for preset in NAMES:
        for name, values, program in () if preset in CELERY else _named(workers.get(preset, []), preset, names):
            made, reason = dict(values), program.what
            if preset == "rq":
                if by_rq and not installed(scope, "django_rq"):
                    made["preset"] = "django_tasks_rq"
                if "queues" not in made and (queues := _rq_queues(scope)):
                    made = {"preset": "rq", "queues": queues, **made}
                    reason += "; RQ_QUEUES names the queues"
            yield Finding("site_processes", {name: _completed(made, scope)}, reason, program.place)
    if tasks is not None and tasks[0] not in workers and not (by_rq and "rq" in workers):
        preset, queues = tasks
        values = {"preset": preset, **({"queues": queues} if queues else {})}
        reason = "TASKS names a backend whose tasks need a worker"
        yield Finding("site_processes", {names.take("tasks"): values}, reason, scope.places.get("TASKS"))
    yield from _of_apps({*workers, *([tasks[0]] if tasks else [])}, scope, names)
    package = lists.has("rq-scheduler") if lists else None
    if package is not None and "rq_scheduler" not in workers and installed(scope, "django_rq"):
        value = {names.take("rq_scheduler"): {"preset": "rq_scheduler"}}
        yield Finding("site_processes", value, "rq-scheduler is installed", package.place, GUESS)


def _of_apps(seen: set[str], scope: Scope, names: Names) -> Iterator[Finding]:
    for app, preset, what in APPS:
        if preset in seen or not installed(scope, app):
            continue
        seen.add(preset)
        values: Values = {"preset": preset}
        reason, certainty = f"{what} is installed", CERTAIN
        if preset == "rq" and (queues := _rq_queues(scope)):
            values["queues"] = queues
            reason += ", and RQ_QUEUES names its queues"
        if preset == "django_tasks":
            if known(scope.get("TASKS")):
                continue  # They name another backend.
            certainty, reason = GUESS, f"{reason}; TASKS has to name its backend"
        value = {names.take(NAMES[preset]): _completed(values, scope)}
        yield Finding("site_processes", value, reason, scope.places.get("INSTALLED_APPS"), certainty)


def _completed(made: Values, scope: Scope) -> Values:
    """Add what the settings tell the product itself, where the preset has to know it."""
    if made["preset"] == "django_q":
        if "command" in made:
            return {"command": made["command"]}
        cluster = scope.get("Q_CLUSTER")
        workers = cluster.get("workers") if isinstance(cluster, dict) else None
        told = isinstance(workers, int) and not isinstance(workers, bool)
        return {**made, "concurrency": workers if told else fill_in("the number of workers in Q_CLUSTER")}
    huey = scope.get("HUEY")
    consumer = huey.get("consumer") if made["preset"] == "huey" and isinstance(huey, dict) else None
    if isinstance(consumer, dict):
        workers, kind = consumer.get("workers"), consumer.get("worker_type")
        if "concurrency" not in made and isinstance(workers, int):
            made = {"preset": "huey", "concurrency": workers, **made}
        if kind in ("process", "greenlet") and not re.search(r"-k|--worker-type", str(made.get("arguments", ""))):
            made = {**made, "arguments": " ".join(filter(None, (str(made.get("arguments", "")), f"-k {kind}")))}
    return made


def _rq_queues(scope: Scope) -> list[str]:
    """Return RQ's queues, if there is more than the usual one."""
    queues = scope.get("RQ_QUEUES")
    found = [str(name) for name in queues] if isinstance(queues, dict) else []
    return [] if found == ["default"] else found


def _tasks_backend(scope: Scope) -> tuple[str, list[str]] | None:
    """Return the preset for the backends of Django's tasks, and their queues if they name some."""
    tasks = scope.get("TASKS")
    for backend in tasks.values() if isinstance(tasks, dict) else ():
        path = str(backend.get("BACKEND", "")) if isinstance(backend, dict) else ""
        preset = "django_tasks_rq" if re.search(r"\bRQBackend$", path) else (
            "django_tasks" if re.search(r"\bDatabaseBackend$", path) else ""
        )  # fmt: skip
        if preset:
            queues = backend.get("QUEUES")
            named = [str(one) for one in queues] if isinstance(queues, list) and known(queues) else []
            return preset, [] if named == ["default"] else named
    return None


# Commands


def _commands(tree: Tree, project: str, program: Program, names: Names, handled: set[str]) -> Iterator[Finding]:
    commands = commands_of(program.text)
    for number, command in enumerate(commands):
        if is_server(command) or workers_of(command) or "{{" in command.text:
            continue
        if command.words[:2] == ("python", "manage.py"):
            if len(command.words) > 2:
                yield from _managed(tree, program, command, names, handled)
        elif number == len(commands) - 1:
            yield from _other(tree, project, program, command, names, handled)


def _managed(tree: Tree, program: Program, command: Command, names: Names, handled: set[str]) -> Iterator[Finding]:
    name = command.words[2]
    for_ever = runs_for_ever(tree, name)
    if (
        name in handled
        or ENDS.fullmatch(name)
        or (program.keeping != KEPT and not for_ever and PREPARES.fullmatch(name))
    ):
        return
    handled.add(name)
    value = {names.take(name, program.label or name): {"command": command.text}}
    if command.open or program.conditional:
        condition = (
            "only with a setting of its own" if program.conditional else "with values that the source does not tell"
        )
        reason = f"{program.what}, {condition}; is it wanted?"
        yield Finding("site_processes", value, reason, program.place, QUESTION, commented=True)
    elif program.keeping == KEPT:
        yield Finding("site_processes", value, program.what, program.place)
    elif for_ever:
        yield Finding("site_processes", value, f"{program.what}, and it runs for ever", program.place, GUESS)
    else:
        reason = f"{program.what}. Does it run for ever, or is it a job, for site_schedules?"
        yield Finding("site_processes", value, reason, program.place, QUESTION, commented=True)


def _other(
    tree: Tree, project: str, program: Program, command: Command, names: Names, handled: set[str]
) -> Iterator[Finding]:
    """Judge a program that is neither a worker nor a command of manage.py."""
    words = words_in_source(tree, project, command)
    if words is None:
        if program.keeping == KEPT and program.rank != COMPOSE and command.words[0] not in AROUND:
            yield left_out(program, command, "it is no program of the site")
        return
    text = shlex.join(words)
    if text in handled:
        return
    handled.add(text)
    label = posixpath.basename(words[-1 if words[0] == "python" and len(words) < 3 else 0])
    value = {names.take(program.label or label): {"command": text}}
    if program.keeping == KEPT and not command.open and not program.conditional:
        yield Finding("site_processes", value, program.what, program.place, GUESS)
    else:
        reason = f"{program.what}. Does it run for ever, or is it a job, for site_schedules?"
        yield Finding("site_processes", value, reason, program.place, QUESTION, commented=True)


def _unnamed(tree: Tree, names: Names, handled: set[str]) -> Iterator[Finding]:
    """Ask about commands of the source that run for ever, and that no file starts."""
    for name, path in source_commands(tree).items():
        if name not in handled and not ENDS.fullmatch(name) and runs_for_ever(tree, name):
            value = {names.take(name): {"command": f"python manage.py {name}"}}
            reason = "the command seems to run for ever, and no file of the source starts it; is it wanted?"
            yield Finding("site_processes", value, reason, Place(path), QUESTION, commented=True)
