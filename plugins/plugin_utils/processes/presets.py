# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The products that a site's background processes usually are of, as their own code shows them.

Read were celery 5.7.0, rq 3.0.0, django-rq 4.2.0, rq-scheduler 0.14.0, huey 3.5.4, dramatiq 2.2.1, django-dramatiq
0.15.0, procrastinate 3.10.0, django-q2 1.11.1, django-tasks 0.12.0, django-tasks-db 0.13.0 and django-tasks-rq 0.12.0
(docs/processes-presets.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from .quoting import SLOT

__all__ = ["OPTIONS", "PRESETS", "Preset", "Task", "is_there", "value_of"]

OPTIONS: Final = ("application", "queues", "concurrency", "threads")
"""What a preset may take beside arguments."""

APPLICATION: Final = "set the module of Celery's application, as in application: shop"
FOREGROUND: Final = "leave it out: systemd runs it in the foreground"
ENDLESS: Final = "leave it out: systemd would start it again whenever it ends"
BY_CONCURRENCY: Final = "set concurrency, which the plan counts"
BY_QUEUES: Final = "set queues"
BY_THREADS: Final = "set threads, which the plan counts"
PUT_BACK_S: Final = 10
"""How much earlier than systemd Dramatiq gives up, so that it still hands back what it has fetched."""


@dataclass(frozen=True)
class Task:
    """What a command is built from.

    `node` names the unit among all units of the host, `schedule` is a file that outlives releases, `leads` is whether
    no other unit of the process, on any host, comes before this one, and `drain` is in seconds.
    """

    node: str
    schedule: str
    application: str
    queues: Sequence[str]
    concurrency: int
    threads: int
    arguments: Sequence[str]
    drain: int
    leads: bool


@dataclass(frozen=True)
class Preset:
    """What a product needs, and what it is to the plan.

    `words` build its command, which stays in the foreground; `arguments` are added at its end. `takes` are those of
    OPTIONS that have a meaning, `needed` those that it cannot do without, with their cure. `elsewhere` says of the
    others what to set instead, and `refused` the same of arguments.

    To the plan, it is a `kind` (sizing.inputs.Load): a pool of processes that share what was loaded before they were
    forked, separate processes of threads, threads of one process, or one process. A task of a pool takes so many
    processes (`per_slot`). Beside them there are `attendants`, processes that hold the application, too; none if it
    `runs_alone` with a concurrency of one. `connections` are those to the database beyond one for each task.

    Arguments with one of `alone` are for a single worker only, and a value of one of `kind_options` may choose another
    kind (`kinds`).
    """

    title: str
    package: str
    words: Callable[[Task], Iterator[str]]
    takes: tuple[str, ...] = ()
    kill_signal: str = "SIGTERM"
    single: bool = False
    kind: str = "one"
    attendants: int = 0
    runs_alone: bool = False
    per_slot: int = 1
    threads: int = 1
    connections: int = 0
    needed: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    alone: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    kind_options: tuple[str, ...] = ()

    def command(self, task: Task) -> list[str]:
        """Build the command, word by word."""
        return [*self.words(task), *task.arguments]

    def with_arguments(self, arguments: Sequence[str]) -> Preset:
        """Give what it is to the plan with arguments that choose another kind of worker."""
        kind = self.kinds.get(value_of(arguments, self.kind_options) or "")
        return replace(self, kind=kind) if kind else self

    def is_alone(self, arguments: Sequence[str]) -> bool:
        """Whether the arguments have one that only a single worker knows."""
        return any(is_there(arguments, option) for option in self.alone)


def is_there(arguments: Sequence[str], option: str) -> bool:
    """Whether an option is among arguments, with its value or without."""
    if option.startswith("--"):
        return any(word.partition("=")[0] == option for word in arguments)
    return any(word.startswith(option) and not word.startswith("--") for word in arguments)


def value_of(arguments: Sequence[str], options: Sequence[str]) -> str | None:
    """Find the value of an option that may have several names; the last counts, as in every parser."""
    found = None
    for place, word in enumerate(arguments):
        for option in options:
            if word == option:
                found = "".join(arguments[place + 1 : place + 2])
            elif option.startswith("--") and word.startswith(f"{option}="):
                found = word.partition("=")[2]
            elif not option.startswith("--") and word.startswith(option) and not word.startswith("--"):
                found = word.removeprefix(option)
    return found


def _celery(task: Task) -> Iterator[str]:
    """Two generations on one host need two node names: they would take each other's mail of control."""
    yield from ("python", "-m", "celery", f"--app={task.application}", "worker", "--loglevel=INFO")
    yield f"--hostname={task.node}.{SLOT}@%h"
    yield f"--concurrency={task.concurrency}"
    if task.queues:
        yield f"--queues={','.join(task.queues)}"


def _celery_beat(task: Task) -> Iterator[str]:
    """An empty pidfile is none, whatever the settings have: systemd sees to it that there is one beat."""
    yield from ("python", "-m", "celery", f"--app={task.application}", "beat", "--loglevel=INFO")
    yield from (f"--schedule={task.schedule}", "--pidfile=")


def _rq(task: Task) -> Iterator[str]:
    if task.concurrency > 1:
        yield from ("python", "manage.py", "rqworker-pool", f"--num-workers={task.concurrency}")
    else:
        yield from ("python", "manage.py", "rqworker")
    yield from task.queues


def _django_tasks_rq(task: Task) -> Iterator[str]:
    for word in _rq(task):
        yield word
        if word.startswith("rqworker"):
            yield "--job-class=django_tasks_rq.Job"


def _rq_scheduler(_task: Task) -> Iterator[str]:
    yield from ("python", "manage.py", "rqscheduler")


def _huey(task: Task) -> Iterator[str]:
    """Each consumer queues periodic tasks: only one of them may."""
    yield from ("python", "manage.py", "run_huey", f"--workers={task.concurrency}")
    if not value_of(task.arguments, HUEY_KIND):
        yield "--worker-type=thread"
    if not task.leads and not any(word in ("-n", "--no-periodic") for word in task.arguments):
        yield "--no-periodic"


def _dramatiq(task: Task) -> Iterator[str]:
    patience = max(task.drain - PUT_BACK_S, task.drain / 2)
    yield from ("python", "manage.py", "rundramatiq", f"--processes={task.concurrency}", f"--threads={task.threads}")
    yield f"--worker-shutdown-timeout={patience * 1000:.0f}"
    if task.queues:
        yield from ("--queues", *task.queues)


def _procrastinate(task: Task) -> Iterator[str]:
    yield from ("python", "manage.py", "procrastinate", "worker", f"--concurrency={task.concurrency}")
    if task.queues:
        yield f"--queues={','.join(task.queues)}"


def _django_q(_task: Task) -> Iterator[str]:
    yield from ("python", "manage.py", "qcluster")


def _django_tasks(task: Task) -> Iterator[str]:
    yield from ("python", "manage.py", "db_worker")
    if task.queues:
        yield f"--queue-name={','.join(task.queues)}"


HUEY_KIND: Final = ("--worker-type", "-k")
RQ_REFUSED: Final[Mapping[tuple[str, ...], str]] = {
    ("--burst",): ENDLESS,
    ("--num-workers",): BY_CONCURRENCY,
    ("--pid",): FOREGROUND,
}
RQ: Final = Preset(
    title="RQ worker",
    package="django-rq",
    words=_rq,
    takes=("queues", "concurrency"),
    # The worker forks for each job; a pool has a process of its own, and one that queues what is due.
    kind="pool",
    attendants=2,
    runs_alone=True,
    per_slot=2,
    refused=RQ_REFUSED,
    # rqworker-pool does not know them.
    alone=("--with-scheduler", "--name", "--worker-ttl", "--max-jobs", "--max-idle-time"),
)

PRESETS: Final[Mapping[str, Preset]] = {
    "celery": Preset(
        title="Celery worker",
        package="celery",
        words=_celery,
        takes=("application", "queues", "concurrency"),
        needed={"application": APPLICATION},
        kind="pool",
        attendants=1,
        kinds={"threads": "threads", "gevent": "threads", "eventlet": "threads", "solo": "one"},
        kind_options=("--pool", "-P"),
        refused={
            ("-B", "--beat"): "make it a process of its own, with preset: celery_beat; two workers would be two beats",
            ("-D", "--detach"): FOREGROUND,
            ("--pidfile",): FOREGROUND,
            ("-c", "--concurrency", "--autoscale"): BY_CONCURRENCY,
            ("-Q", "--queues"): BY_QUEUES,
            ("-n", "--hostname"): "leave it out: each slot has a node name of its own",
            ("-A", "--app"): "set application",
        },
    ),
    "celery_beat": Preset(
        title="Celery beat",
        package="celery",
        words=_celery_beat,
        takes=("application",),
        needed={"application": APPLICATION},
        single=True,
        refused={
            ("--detach",): FOREGROUND,
            ("--pidfile",): FOREGROUND,
            ("-A", "--app"): "set application",
        },
    ),
    "rq": RQ,
    "rq_scheduler": Preset(
        title="RQ scheduler",
        package="rq-scheduler",
        words=_rq_scheduler,
        single=True,
        elsewhere={"queues": "set arguments: --queue=NAME; it has one"},
        refused={("--pid",): FOREGROUND},
    ),
    "huey": Preset(
        title="Huey consumer",
        package="huey",
        words=_huey,
        takes=("concurrency",),
        # SIGTERM interrupts the tasks.
        kill_signal="SIGINT",
        kind="threads",
        # As processes, the consumer and its scheduler are two more.
        kinds={"process": "pool"},
        kind_options=HUEY_KIND,
        attendants=2,
        elsewhere={"queues": "leave it out: the queue is that of HUEY in the settings"},
        refused={
            ("-w", "--workers"): BY_CONCURRENCY,
            ("-g", "--graceful-signal"): "leave it out: the unit stops it with SIGINT",
        },
    ),
    "dramatiq": Preset(
        title="Dramatiq workers",
        package="django-dramatiq",
        words=_dramatiq,
        takes=("queues", "concurrency", "threads"),
        # Each process loads the application itself.
        kind="separate",
        threads=8,
        refused={
            ("-p", "--processes"): BY_CONCURRENCY,
            ("-t", "--threads"): BY_THREADS,
            ("-Q", "--queues"): BY_QUEUES,
            ("--reload", "--watch"): "leave it out: a deploy brings new code",
            ("--pid-file",): FOREGROUND,
            ("--worker-shutdown-timeout",): "set drain, in seconds",
        },
    ),
    "procrastinate": Preset(
        title="Procrastinate worker",
        package="procrastinate[django]",
        words=_procrastinate,
        takes=("queues", "concurrency"),
        # Tasks that are not coroutines run in threads. Its own connections are a pool of psycopg with four.
        kind="threads",
        connections=4,
        refused={
            ("-c", "--concurrency"): BY_CONCURRENCY,
            ("-q", "--queues"): BY_QUEUES,
            ("--one-shot",): ENDLESS,
        },
    ),
    "django_q": Preset(
        title="Django Q cluster",
        package="django-q2",
        words=_django_q,
        takes=("concurrency",),
        # It has no option for it.
        needed={"concurrency": "set it to the number of workers in Q_CLUSTER of the settings, which alone decides"},
        # The cluster, its sentinel, its monitor and its pusher; all but the first use the database.
        kind="pool",
        attendants=4,
        connections=3,
        elsewhere={
            "queues": "leave it out: the queue is the cluster's name in Q_CLUSTER; for another one, write "
            "command: env Q_CLUSTER_NAME=NAME python manage.py qcluster",
        },
        refused={
            ("--run-once",): ENDLESS,
            ("-n", "--name"): "on Linux, it comes too late; write "
            "command: env Q_CLUSTER_NAME=NAME python manage.py qcluster",
        },
    ),
    "django_tasks": Preset(
        title="worker of Django's tasks",
        package="django-tasks-db",
        words=_django_tasks,
        takes=("queues",),
        elsewhere={"concurrency": "set count: each worker has one task at a time"},
        refused={
            ("--batch", "--max-tasks"): ENDLESS,
            ("--queue-name",): BY_QUEUES,
            ("--reload",): "leave it out: a deploy brings new code",
        },
    ),
    "django_tasks_rq": replace(
        RQ,
        title="RQ worker of Django's tasks",
        package="django-tasks-rq",
        words=_django_tasks_rq,
        refused={**RQ_REFUSED, ("--job-class",): "leave it out: it is the one of django-tasks-rq"},
    ),
}
"""The presets by their names in an inventory."""
