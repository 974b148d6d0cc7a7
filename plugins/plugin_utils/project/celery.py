# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Celery's application in a source: its module, its queues, its schedule, and whether the settings use it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .findings import Place
from .roots import module_roots
from .tree import Tree
from .values import Read, Scope

__all__ = ["CeleryApp", "find_celery"]

MADE: Final = re.compile(r"^\w+\s*(?::\s*[\w.]+\s*)?=\s*(?:\w+\.)?Celery\(", re.MULTILINE)
ASIDE: Final = re.compile(r"(^|/)(tests?|docs?|examples?|node_modules)/|(^|/)(test_\w+|conftest)\.py$")
SCHEDULES: Final = re.compile(r"\.add_periodic_task\(|\bconf\.beat_schedule\b")
SCHEDULER: Final = re.compile(r"^class (\w+)\([^)]*\w*DatabaseScheduler\b", re.MULTILINE)
EAGER: Final = ("CELERY_TASK_ALWAYS_EAGER", "CELERY_ALWAYS_EAGER")
SWITCHES: Final = ("CELERY_ENABLED", "USE_CELERY", "ENABLE_CELERY", "CELERY_ACTIVE", "USES_CELERY")


@dataclass(frozen=True)
class CeleryApp:
    """What the source tells of Celery; `off` says why a worker has nothing to do with the settings as they are."""

    module: str
    place: Place
    queues: list[str]
    routes: str = ""
    schedule: str = ""
    schedule_place: Place | None = None
    scheduler: str = ""
    off: str = ""


def find_celery(tree: Tree, project: str, scope: Scope, reads: Sequence[Read]) -> CeleryApp | None:
    """Find Celery's application; None if the source has none."""
    files = [name for name in tree.names if name.endswith(".py") and not ASIDE.search(name)]
    made = [name for name in files if MADE.search(tree.read(name) or "")]
    roots = [project, *module_roots(tree, project)]
    modules = [(module, name) for name in made if (module := _module(name, roots))]
    if not modules:
        return None
    module, file = min(modules, key=lambda one: (posixpath.basename(one[1]) != "celery.py", one[1].count("/"), one))
    setting, queues = _queues(scope)
    schedule, place = _schedule(tree, scope, files)
    line = next((number for number, text in tree.lines(file) if MADE.search(text)), 0)
    return CeleryApp(
        module, Place(file, line), queues, setting, schedule, place, _scheduler(tree, scope, files, roots),
        _off(scope, reads),
    )  # fmt: skip


def _module(name: str, roots: Sequence[str]) -> str:
    """Return what `celery --app` is told: a package finds its own module `celery` by itself."""
    inside = [name[len(root) + 1 :] if root else name for root in roots if not root or name.startswith(f"{root}/")]
    if not inside:
        return ""
    parts = min(inside, key=len).removesuffix(".py").split("/")
    if parts[-1] == "__init__" or (parts[-1] == "celery" and len(parts) > 1):
        parts = parts[:-1]
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else ""


def _queues(scope: Scope) -> tuple[str, list[str]]:
    """Return the queues of routes, which a worker that is told nothing would leave alone, and their setting."""
    if any(scope.knows(name) for name in ("CELERY_TASK_QUEUES", "CELERY_QUEUES")):
        return "", []  # A worker takes from all of these.
    for setting in ("CELERY_TASK_ROUTES", "CELERY_ROUTES"):
        queues = list(dict.fromkeys(_routed(scope.get(setting))))
        if queues:
            default = scope.get("CELERY_TASK_DEFAULT_QUEUE")
            usual = default if isinstance(default, str) else "celery"
            return setting, list(dict.fromkeys([usual, *queues]))
    return "", []


def _routed(routes: Any) -> Iterator[str]:
    for route in routes.values() if isinstance(routes, dict) else ():
        queue = route.get("queue") if isinstance(route, dict) else None
        if isinstance(queue, str):
            yield queue


def _schedule(tree: Tree, scope: Scope, files: Sequence[str]) -> tuple[str, Place | None]:
    """Return why beat is needed, and where that is; nothing if there is no schedule."""
    for setting in ("CELERY_BEAT_SCHEDULE", "CELERYBEAT_SCHEDULE"):
        if scope.knows(setting) and scope.get(setting) != {}:
            value = scope.get(setting)
            count = f" has {len(value)} tasks" if isinstance(value, dict) and len(value) > 1 else " has a schedule"
            return f"{setting}{count}", scope.places.get(setting)
    installed = scope.get("INSTALLED_APPS")
    if isinstance(installed, list) and any(str(one).startswith("django_celery_beat") for one in installed):
        return "django-celery-beat keeps a schedule in the database", scope.places.get("INSTALLED_APPS")
    for name in sorted(files):
        if match := SCHEDULES.search(tree.read(name) or ""):
            line = (tree.read(name) or "").count("\n", 0, match.start()) + 1
            return "tasks are scheduled here", Place(name, line)
    return "", None


def _scheduler(tree: Tree, scope: Scope, files: Sequence[str], roots: Sequence[str]) -> str:
    """Return the scheduler that beat has to be told: one of the source, or that of django-celery-beat."""
    installed = scope.get("INSTALLED_APPS")
    stored = isinstance(installed, list) and any(str(one).startswith("django_celery_beat") for one in installed)
    if not stored or scope.knows("CELERY_BEAT_SCHEDULER") or scope.knows("CELERYBEAT_SCHEDULER"):
        return ""
    for name in sorted(files):
        text = tree.read(name) or ""
        if "django_celery_beat.schedulers" in text and (match := SCHEDULER.search(text)):
            module = _module(name, roots)
            if module:
                return f"{module}:{match[1]}"
    return "django_celery_beat.schedulers:DatabaseScheduler"


def _off(scope: Scope, reads: Sequence[Read]) -> str:
    for setting in EAGER:
        if scope.get(setting) is True:
            return f"{setting} is True, so tasks run within requests{_cure(setting, False, scope)}"
    for setting in SWITCHES:
        if scope.get(setting) is False:
            return f"{setting} is False{_cure(setting, True, scope)}"
    for read in reads:
        if read.name in SWITCHES and str(read.default).lower() in ("false", "0", "no", "off", ""):
            return f"{read.name} is off by default; set it in site_environment, then use this"
    return ""


def _cure(setting: str, value: bool, scope: Scope) -> str:
    names = scope.reads.get(setting, ())
    what = f"set {' or '.join(names)} in site_environment" if names else f"set it to {value} in site_settings"
    return f"; {what}, then use this"
