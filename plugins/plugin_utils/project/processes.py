# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Background workers and schedules that a source names, none of which a deploy runs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from .findings import PROCESS, Finding, Place
from .lists import Lists
from .tree import Tree
from .values import Scope

__all__ = ["process_findings"]

APPS: Final = (
    ("django_q", "django-q2", "manage.py qcluster"),
    ("django_rq", "RQ", "manage.py rqworker"),
    ("huey.contrib.djhuey", "Huey", "manage.py run_huey"),
    ("django_dramatiq", "Dramatiq", "manage.py rundramatiq"),
    ("procrastinate.contrib.django", "Procrastinate", "manage.py procrastinate worker"),
    ("django_tasks.backends.database", "django-tasks", "manage.py db_worker"),
    ("django_tasks_db", "django-tasks", "manage.py db_worker"),
    ("background_task", "django-background-tasks", "manage.py process_tasks"),
    ("django_apscheduler", "APScheduler", "manage.py runapscheduler"),
    ("django_cron", "django-cron", "manage.py runcrons"),
    ("django_crontab", "django-crontab", "manage.py crontab add"),
)
WORKER: Final = re.compile(
    r"\b(celery\b.*\b(worker|beat)\b|rqworker|rqscheduler|run_huey|huey_consumer|rundramatiq|dramatiq\b|qcluster"
    r"|procrastinate\b.*\bworker|db_worker|process_tasks|daphne\b|uvicorn\b|runworker|taskiq\b)"
)
MANAGE: Final = re.compile(r"manage\.py\s+([a-z][\w-]*)")
ONCE: Final = re.compile(
    r"(migrate|collectstatic|runserver|check|test|shell|createsuperuser|compilemessages|makemessages|makemigrations|"
    r"loaddata|compress|flush|dbshell|createcachetable|compilescss|makemigrations|dumpdata|help|wait_for_db)$"
)


def process_findings(tree: Tree, project: str, scope: Scope, lists: Lists | None) -> Iterator[Finding]:
    """Name what the source wants to run beside its web processes, each once."""
    seen: set[str] = set()
    for what, command, place in _all(tree, project, scope, lists):
        key = _same(command)
        if key not in seen:
            seen.add(key)
            yield Finding("", None, f"{command} ({what})", place, PROCESS)


def _same(command: str) -> str:
    """Return what two commands have in common that run the same: Celery's worker, or a command of manage.py."""
    if match := re.search(r"celery\b.*?\b(worker|beat)\b", command):
        return f"celery {match[1]}"
    match = MANAGE.search(command)
    return match[1] if match else command


def _all(tree: Tree, project: str, scope: Scope, lists: Lists | None) -> Iterator[tuple[str, str, Place | None]]:
    installed = scope.get("INSTALLED_APPS")
    for app, name, command in APPS:
        if isinstance(installed, list) and any(str(one) == app or str(one).startswith(f"{app}.") for one in installed):
            yield f"{name} is installed", command, scope.places.get("INSTALLED_APPS")
    for name in sorted(tree.names):
        base = posixpath.basename(name)
        if re.search(r"(^|/)(node_modules|tests?|docs?)/", name):
            continue
        if base.endswith(".py") and re.search(r"\bCelery\(", tree.read(name) or "") and "celery" in base:
            begun = tree.line_of(name, r"=\s*\w*\.?Celery\(")
            if begun:
                inside = name[len(project) + 1 :] if project and name.startswith(f"{project}/") else name
                module = inside.removesuffix(".py").replace("/", ".")
                package = module.rpartition(".")[0] or module
                yield "Celery", f"celery -A {package} worker", Place(name, begun)
        elif base == "Procfile":
            for number, line in tree.lines(name):
                match = re.match(r"(\w+):\s*(.+)", line)
                if match and match[1] not in ("web", "release"):
                    yield f"the process {match[1]!r} of the Procfile", match[2].strip()[:120], Place(name, number)
        elif re.fullmatch(r"(docker-)?compose[\w.-]*\.ya?ml|.*\.service|.*(supervisor|uwsgi).*\.(conf|ini)", base):
            yield from _commands(tree, name)
        elif re.search(r"cron", base) and "." not in base.replace(".txt", "").replace(".tab", ""):
            yield from _cron_lines(tree, name)
    place = scope.places.get("CELERY_BEAT_SCHEDULE") or scope.places.get("CELERYBEAT_SCHEDULE")
    schedule = scope.get("CELERY_BEAT_SCHEDULE")
    if place or (lists and lists.has("django-celery-beat")):
        names = f" ({len(schedule)} tasks)" if isinstance(schedule, dict) else ""
        yield "a schedule of Celery", f"celery beat{names}", place
    if scope.knows("CRONJOBS"):
        yield "a schedule of django-crontab", "manage.py crontab add", scope.places.get("CRONJOBS")


def _commands(tree: Tree, name: str) -> Iterator[tuple[str, str, Place]]:
    for number, line in tree.lines(name):
        if line.lstrip().startswith("#"):
            continue
        match = WORKER.search(line)
        command = MANAGE.search(line)
        text = line.strip().strip("-").strip()
        text = re.sub(r"^(command|entrypoint|ExecStart|attach-daemon2?)\s*[:=]\s*", "", text).strip("'\"[] ")
        if match:
            yield f"{posixpath.basename(name)} runs a worker", text[:120], Place(name, number)
        elif command and not ONCE.match(command[1]):
            yield f"{posixpath.basename(name)} runs a command", text[:120], Place(name, number)


def _cron_lines(tree: Tree, name: str) -> Iterator[tuple[str, str, Place]]:
    for number, line in tree.lines(name):
        if re.match(r"\s*(@\w+|[\d*/,-]+\s+[\d*/,-]+\s+\S+\s+\S+\s+\S+)\s+\S", line):
            yield "a cron line", " ".join(line.split())[:120], Place(name, number)
