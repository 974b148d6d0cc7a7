# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source wants to run beside its web processes, as site_processes and site_schedules."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from ..schedules import RESERVED
from .calendars import UntranslatableError, from_cron
from .celery import CeleryApp, find_celery
from .command_lines import Command, commands_of
from .findings import CERTAIN, GUESS, PROCESS, QUESTION, Finding, Place, fill_in
from .lists import Lists
from .management import runs_for_ever, source_commands
from .programs import COMPOSE, KEPT, ONCE, SCRIPT, Program, programs
from .tree import Tree, joined
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
ASIDE_COMMANDS: Final = (
    "cd", "echo", "curl", "wget", "source", ".", "export", "true", "set", "test", "[", "sleep", "logger", "date",
    "exit", "wait", "trap",
)  # fmt: skip
"""What surrounds the command of a line."""


def process_findings(
    tree: Tree, project: str, scope: Scope, lists: Lists | None, reads: Sequence[Read] = ()
) -> Iterator[Finding]:
    """Propose processes and schedules, each once; name what is not proposed, and what cannot be found out."""
    names = _Names()
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
        if _installed(scope, app) and command not in handled:
            handled.add(command)
            value = {names.take(command): {"command": f"python manage.py {command}"}}
            yield Finding("site_processes", value, f"{what} is installed", scope.places.get("INSTALLED_APPS"))
    yield from _unnamed(tree, names, handled)
    for program in found:
        if program.keeping == ONCE:
            yield from _schedule(tree, project, program, names)
    yield from _of_crontab(scope, names)


class _Names:
    """Names of processes and schedules: small letters, digits and underscores, each taken once."""

    def __init__(self) -> None:
        self.taken = set(RESERVED)

    def take(self, *wanted: str) -> str:
        """Take the first name that is free, or the last one with a number."""
        for text in wanted:
            name = re.sub(r"^[^a-z]+", "", re.sub(r"[^a-z0-9]+", "_", text.lower()))[:26].strip("_") or "process"
            if name not in self.taken:
                self.taken.add(name)
                return name
        numbered = next(f"{name}_{number}" for number in range(2, 1000) if f"{name}_{number}" not in self.taken)
        self.taken.add(numbered)
        return numbered


def _installed(scope: Scope, app: str) -> bool:
    installed = scope.get("INSTALLED_APPS")
    return isinstance(installed, list) and any(str(one) == app or str(one).startswith(f"{app}.") for one in installed)


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


def _named(some: Sequence[tuple[Values, Program]], preset: str, names: _Names) -> Iterator[tuple[str, Values, Program]]:
    for values, program in some:
        queues = "_".join(values.get("queues", [])[:1])
        wanted = [NAMES[preset]] if len(some) == 1 else [program.label or f"{NAMES[preset]}_{queues}", NAMES[preset]]
        yield names.take(*wanted), values, program


def _of_celery(celery: CeleryApp | None, workers: Workers, names: _Names) -> Iterator[Finding]:
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


def _of_products(workers: Workers, scope: Scope, lists: Lists | None, names: _Names) -> Iterator[Finding]:
    """Propose the workers of all products but Celery: those that files start, then those that only settings tell of."""
    tasks = _tasks_backend(scope)
    by_rq = tasks is not None and tasks[0] == "django_tasks_rq"
    for preset in NAMES:
        for name, values, program in () if preset in CELERY else _named(workers.get(preset, []), preset, names):
            made, reason = dict(values), program.what
            if preset == "rq":
                if by_rq and not _installed(scope, "django_rq"):
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
    if package is not None and "rq_scheduler" not in workers and _installed(scope, "django_rq"):
        value = {names.take("rq_scheduler"): {"preset": "rq_scheduler"}}
        yield Finding("site_processes", value, "rq-scheduler is installed", package.place, GUESS)


def _of_apps(seen: set[str], scope: Scope, names: _Names) -> Iterator[Finding]:
    for app, preset, what in APPS:
        if preset in seen or not _installed(scope, app):
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


def _commands(tree: Tree, project: str, program: Program, names: _Names, handled: set[str]) -> Iterator[Finding]:
    commands = commands_of(program.text)
    for number, command in enumerate(commands):
        if is_server(command) or workers_of(command) or "{{" in command.text:
            continue
        if command.words[:2] == ("python", "manage.py"):
            if len(command.words) > 2:
                yield from _managed(tree, program, command, names, handled)
        elif number == len(commands) - 1:
            yield from _other(tree, project, program, command, names, handled)


def _managed(tree: Tree, program: Program, command: Command, names: _Names, handled: set[str]) -> Iterator[Finding]:
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
    tree: Tree, project: str, program: Program, command: Command, names: _Names, handled: set[str]
) -> Iterator[Finding]:
    """Judge a program that is neither a worker nor a command of manage.py."""
    words = _of_source(tree, project, command)
    if words is None:
        if program.keeping == KEPT and program.rank != COMPOSE and command.words[0] not in ASIDE_COMMANDS:
            yield _left_out(program, command, "it is no program of the site")
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


def _left_out(program: Program, command: Command, why: str) -> Finding:
    text = command.text if len(command.text) <= 80 else f"{command.text[:76]} ..."
    return Finding("", None, f"{text}: {program.what}, but {why}", program.place, PROCESS)


def _of_source(tree: Tree, project: str, command: Command) -> tuple[str, ...] | None:
    """Return the words that run a program of the source in the project's directory; None if there is none."""
    words = command.words
    if words[0] == "python" and len(words) > 2 and words[1] == "-m":
        path = words[2].replace(".", "/")
        found = any(joined(project, one) in tree.names for one in (f"{path}.py", f"{path}/__main__.py"))
        return words if found else None
    at = 1 if words[0] in ("python", "bash", "sh") and len(words) > 1 else 0
    if "/" not in words[at] and not re.search(r"\.(py|sh)$", words[at]):
        return None
    for directory in dict.fromkeys((project, "")):
        path = joined(directory, words[at])
        if not path.startswith("..") and path in tree.names and not words[at].startswith("/"):
            # What is above the project's directory is not found from there.
            inside = path[len(project) + 1 :] if project and path.startswith(f"{project}/") else path
            if project and inside == path:
                return None
            return (*words[:at], inside if at else f"./{inside}", *words[at + 1 :])
    return None


def _unnamed(tree: Tree, names: _Names, handled: set[str]) -> Iterator[Finding]:
    """Ask about commands of the source that run for ever, and that no file starts."""
    for name, path in source_commands(tree).items():
        if name not in handled and not ENDS.fullmatch(name) and runs_for_ever(tree, name):
            value = {names.take(name): {"command": f"python manage.py {name}"}}
            reason = "the command seems to run for ever, and no file of the source starts it; is it wanted?"
            yield Finding("site_processes", value, reason, Place(path), QUESTION, commented=True)


# Schedules


def _schedule(tree: Tree, project: str, program: Program, names: _Names) -> Iterator[Finding]:
    commands = [one for one in commands_of(program.text) if one.words[0] not in ASIDE_COMMANDS and not is_server(one)]
    if "{{" in program.text or not commands:
        return
    resolved = [_scheduled_command(tree, project, one) for one in commands]
    if all(one is None for one in resolved):
        yield _left_out(program, commands[0], "it is no program of the site")
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
    of_source = _of_source(tree, project, command)
    return None if of_source is None else (of_source, "")


def _of_crontab(scope: Scope, names: _Names) -> Iterator[Finding]:
    """Propose the jobs of django-crontab, and the one that runs those of django-cron."""
    jobs, place = scope.get("CRONJOBS"), scope.places.get("CRONJOBS")
    if isinstance(jobs, list):
        for job in jobs:
            yield from _crontab_job(job, names, place)
    elif scope.knows("CRONJOBS"):
        yield Finding("site_schedules", "", "which jobs are in CRONJOBS?", place, QUESTION)
    if _installed(scope, "django_cron"):
        value = {names.take("runcrons"): {"command": "python manage.py runcrons", "calendar": "*:0/5"}}
        reason = "django-cron is installed, which runs its jobs when they are due"
        yield Finding("site_schedules", value, reason, scope.places.get("INSTALLED_APPS"), GUESS)


def _crontab_job(job: Any, names: _Names, place: Place | None) -> Iterator[Finding]:
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
