# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of manage.py that a release needs after its migrations, or an empty database once."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from .findings import GUESS, Finding, Place
from .tree import Tree
from .values import Scope

__all__ = ["command_findings"]

RUNS: Final = re.compile(r"manage\.py\s+([a-z]\w*)((?:\s+[\w./:=@%+-]+)*)")
DONE_ANYWAY: Final = (
    "migrate", "collectstatic", "check", "runserver", "test", "shell", "makemigrations", "makemessages", "help",
    "compilemessages", "compress", "compilescss", "createsuperuser", "wait_for_db", "showmigrations", "dbshell",
    "rqworker", "qcluster", "run_huey", "rundramatiq", "db_worker", "process_tasks", "diffsettings", "sendtestemail",
)  # fmt: skip
"""Commands that a deploy runs by itself, or that nobody wants at each deploy."""
KNOWN: Final = ("createcachetable", "update_index", "rebuild_index", "loaddata", "search_index", "setup_periodic_tasks")
INITIAL: Final = re.compile(r"loaddata|load_initial_data|seed\w*|populate\w*|create_initial\w*|init_data")


def command_findings(tree: Tree, scope: Scope) -> Iterator[Finding]:
    """Propose site_release_commands and site_first_commands."""
    seen: set[str] = set()
    installed = scope.get("INSTALLED_APPS")
    if isinstance(installed, list) and "django.contrib.admin" in installed:
        reason = (
            "an account for the admin, with DJANGO_SUPERUSER_USERNAME, DJANGO_SUPERUSER_EMAIL and "
            "DJANGO_SUPERUSER_PASSWORD in site_secrets"
        )
        place = scope.places.get("INSTALLED_APPS")
        yield Finding("site_first_commands", ["createsuperuser --noinput"], reason, place, commented=True)
    caches = scope.get("CACHES")
    parts = caches.values() if isinstance(caches, dict) else ()
    backends = [str(one.get("BACKEND", "")) for one in parts if isinstance(one, dict)]
    if any(backend.endswith("db.DatabaseCache") for backend in backends):
        seen.add("createcachetable")
        reason = "the cache is in the database, and this makes its table"
        yield Finding("site_release_commands", ["createcachetable"], reason, scope.places.get("CACHES"))
    for name, number, line, all_count in _lines(tree):
        for match in RUNS.finditer(line):
            command, words = match[1], match[2].split()
            counts = all_count or command in KNOWN or INITIAL.match(command)
            if command in seen or command in DONE_ANYWAY or not counts:
                continue
            seen.add(command)
            text = " ".join([command, *words])
            variable = "site_first_commands" if INITIAL.match(command) else "site_release_commands"
            yield Finding(variable, [text], f"{posixpath.basename(name)} runs it", Place(name, number), GUESS)


def _lines(tree: Tree) -> Iterator[tuple[str, int, str, bool]]:
    """Give the lines that run when a release starts, and whether every command in them counts."""
    for name in sorted(tree.names):
        base = posixpath.basename(name)
        if re.search(r"(^|/)(node_modules|tests?|docs?|dev)/", name):
            continue
        if base == "Procfile":
            yield from ((name, number, line, True) for number, line in tree.lines(name) if line.startswith("release:"))
        elif re.fullmatch(r".*entrypoint.*|(start|bootstrap|release|post_?compile|predeploy)[\w-]*(\.sh)?", base):
            for number, line in tree.lines(name):
                if not line.lstrip().startswith("#"):
                    yield name, number, line, False
