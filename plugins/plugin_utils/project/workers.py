# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which product for background tasks a command starts, as a preset of site_processes with its options."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any, Final

from .command_lines import VARIABLE, Command, Options

__all__ = ["SERVERS", "Values", "is_server", "workers_of"]

Values = dict[str, Any]
"""A process of site_processes, such as {"preset": "celery", "application": "shop"}."""

SERVERS: Final = (
    "gunicorn", "uwsgi", "daphne", "uvicorn", "hypercorn", "granian", "waitress-serve", "nginx", "apache2ctl", "httpd",
    "mod_wsgi-express", "caddy", "unitd",
)  # fmt: skip
COMMANDS_THAT_SERVE: Final = re.compile(
    r"runserver\w*|testserver|tailwind|livereload|runsslserver|runmodwsgi|run_gunicorn"
)
LOGGING: Final = (
    "-l", "--loglevel", "-f", "--logfile", "--pidfile", "--log-file", "--pid-file", "--pid", "-v", "--verbosity",
)  # fmt: skip
"""Options with values that are the unit's concern."""
CELERY_GLOBAL: Final = (
    *LOGGING, "-b", "--broker", "--result-backend", "--workdir", "--config", "--uid", "--gid", "--umask",
    "--executable", "-n", "--hostname", "--statedb",
)  # fmt: skip
"""Likewise for Celery: what its settings have, and names that the preset gives."""


def is_server(command: Command) -> bool:
    """Whether a command serves the site itself, as a deploy does."""
    words = command.words
    if posixpath.basename(words[0]) in SERVERS:
        return True
    if words[:2] == ("python", "manage.py"):
        return len(words) > 2 and bool(COMMANDS_THAT_SERVE.fullmatch(words[2]))
    return words[:2] == ("python", "-m") and words[2:3] != () and words[2] in SERVERS


def workers_of(command: Command) -> list[Values]:
    """Return the processes that a command starts, each as a preset with options; none if it starts no known product."""
    if command.words[0] == "celery":
        return _celery(command.words[1:])
    name, *words = _managed(command.words) or [""]
    for pattern, read in PRODUCTS:
        if re.fullmatch(pattern, name):
            return read(words)
    return []


def _managed(words: Sequence[str]) -> list[str]:
    """Return the command of manage.py with its options, also for a product's own program that does the same."""
    match [*words]:
        case ["python", "manage.py", *managed]:
            return managed
        case ["rq", "worker" | "worker-pool", *options]:
            return ["rqworker", *options]
        # Other modules than that of django_dramatiq have nothing to do with Django.
        case ["dramatiq", *options] if any(option.startswith("django_dramatiq") for option in options):
            return ["rundramatiq", *options]
        case ["rqscheduler" | "procrastinate", *_options]:
            return [*words]
    return []


def _made(preset: str, options: Options, *, separator: str = ",") -> Values:
    """Return a process with the options that all presets share as its keys, and the others as its arguments."""
    made: Values = {"preset": preset}
    if application := options.values.get("application"):
        made["application"] = application.removesuffix(":app")
    queues = [name for name in options.values.get("queues", "").split(separator) if name and not VARIABLE.search(name)]
    if queues:
        made["queues"] = queues
    for name in ("concurrency", "threads"):
        if options.values.get(name, "").isdecimal():
            made[name] = int(options.values[name])
    if arguments := [word for word in options.rest if not VARIABLE.search(word)]:
        made["arguments"] = shlex.join(arguments)
    return made


def _celery(words: Sequence[str]) -> list[Values]:
    command = next((word for word in words if word in ("worker", "beat", "multi", "flower")), "")
    if command not in ("worker", "beat", "multi"):
        return []
    meanings = {"-A": "application", "--app": "application"}
    flags = ["-D", "--detach", "-B", "--beat", "-q", "--quiet", "-C", "--no-color", command]
    valued = [*CELERY_GLOBAL]
    if command == "beat":
        valued += ["-s", "--schedule"]
        return [_made("celery_beat", Options.of(words, meanings, valued, flags))]
    meanings |= {
        "--autoscale": "most",
        "-Q": "queues",
        "--queues": "queues",
        "-c": "concurrency",
        "--concurrency": "concurrency",
    }
    with_beat = any(word in ("-B", "--beat") for word in words)
    valued += ["-S", "--scheduler", "-s", "--schedule", "--schedule-filename"]
    options = Options.of(words, meanings, valued, flags)
    if command == "multi":
        options = Options(options.values, ())
    worker = _made("celery", options)
    most = options.values.get("most", "").partition(",")[0]
    if most.isdecimal():
        worker["concurrency"] = int(most)
    beat = {"preset": "celery_beat", **{key: worker[key] for key in ("application",) if key in worker}}
    return [worker, beat] if with_beat else [worker]


def _rq(words: Sequence[str]) -> list[Values]:
    if "--burst" in words or "-b" in words:
        return []  # It ends when the queues are empty.
    meanings = {"--num-workers": "concurrency", "-n": "concurrency"}
    valued = [*LOGGING, "--name", "--url", "-u", "--sentry-dsn", "--config", "--logging_level", "--path", "-P"]
    options = Options.of(words, meanings, valued, ["--quiet", "-q"])
    queues = [word for word in options.rest if not word.startswith("-")]
    kept, waiting = [], list(options.rest)
    while waiting:
        word = waiting.pop(0)
        if word.startswith("--") and "=" not in word and waiting and "." in waiting[0]:
            queues.remove(waiting[0])  # The name of a class.
            kept += [word, waiting.pop(0)]
        elif word.startswith("-"):
            kept.append(word)
    options = Options({**options.values, "queues": " ".join(queues)}, tuple(kept))
    return [_made("rq", options, separator=" ")]


def _rq_scheduler(words: Sequence[str]) -> list[Values]:
    return [{"preset": "rq_scheduler"}]


def _huey(words: Sequence[str]) -> list[Values]:
    meanings = {"-w": "concurrency", "--workers": "concurrency"}
    options = Options.of(words, meanings, [*(one for one in LOGGING if one != "-f")], ["-V", "--verbose", "-q", "-S"])
    return [_made("huey", options)]


def _dramatiq(words: Sequence[str]) -> list[Values]:
    meanings = {"-p": "concurrency", "--processes": "concurrency", "-t": "threads", "--threads": "threads"}
    options = Options.of(
        words, meanings, LOGGING, ["--reload", "--reload-use-polling", "--watch", "--watch-use-polling"]
    )
    queues: list[str] = []
    kept: list[str] = []
    listing = False
    for word in options.rest:
        if word in ("-Q", "--queues"):
            listing = True
        elif word.startswith("-"):
            listing = False
            kept.append(word)
        elif listing:
            queues.append(word)
        elif kept:
            kept.append(word)
    return [_made("dramatiq", Options({**options.values, "queues": ",".join(queues)}, tuple(kept)))]


def _procrastinate(words: Sequence[str]) -> list[Values]:
    if "worker" not in words:
        return []
    meanings = {"-q": "queues", "--queues": "queues", "-c": "concurrency", "--concurrency": "concurrency"}
    options = Options.of(words, meanings, [*LOGGING, "-n", "--name", "-a", "--app"], ["worker"])
    return [_made("procrastinate", options)]


def _django_q(words: Sequence[str]) -> list[Values]:
    options = Options.of(words, {"-n": "name", "--name": "name"}, LOGGING, [])
    if name := options.values.get("name"):
        # Its own option for this comes too late for the processes that it starts.
        return [{"preset": "django_q", "command": f"env Q_CLUSTER_NAME={shlex.quote(name)} python manage.py qcluster"}]
    return [_made("django_q", options)]


def _django_tasks(words: Sequence[str]) -> list[Values]:
    if "--batch" in words:
        return []  # It ends when the queues are empty.
    meanings = {"--queue-name": "queues", "--queue": "queues"}
    return [_made("django_tasks", Options.of(words, meanings, [*LOGGING, "--worker-id"], ["--reload", "--no-reload"]))]


PRODUCTS: Final[tuple[tuple[str, Callable[[Sequence[str]], list[Values]]], ...]] = (
    (r"rqworker(-pool)?", _rq),
    (r"rqscheduler", _rq_scheduler),
    (r"run_huey", _huey),
    (r"rundramatiq", _dramatiq),
    (r"procrastinate", _procrastinate),
    (r"qcluster", _django_q),
    (r"db_worker", _django_tasks),
)
