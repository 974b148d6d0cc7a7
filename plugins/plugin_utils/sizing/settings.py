# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that follow from the layout chosen and its throughput (docs/sizing.md, section 7)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Final

from .choice import Choice
from .inputs import Inputs

__all__ = ["RECYCLING_COST", "Database", "Gunicorn", "Nginx", "Recycling", "Settings", "Systemd", "settings_of"]

RECYCLING_COST: Final = 0.005
"""Part of a worker's time that may go into starting its successors."""
LEAST_MAX_REQUESTS: Final = 1000
RECYCLED_TOGETHER: Final = 100
"""With up to this many workers, one restarts at a time; with more, one in this many."""

SYNC_TIMEOUT_S: Final = 30
LIVENESS_TIMEOUT_S: Final = 60
"""gthread and asgi workers report from their main loop: the time-out detects dead workers and bounds no request."""
GRACE_S: Final = 5
STOP_MARGIN_S: Final = 10
CLOSING_S: Final = 12
"""For closing WebSockets: two seconds until the worker knows, five over which they are spread, five for the clients."""
LEAST_START_S: Final = 60
BOOTS_PER_START: Final = 10

LEAST_BACKLOG: Final = 64
GUNICORN_BACKLOG: Final = 2048

MEMORY_HIGH: Final = 1.1
MEMORY_MAX: Final = 1.3
RSS: Final = 1.5
"""How far above its expected memory a generation is throttled, is stopped, and a worker is replaced."""

LEAST_NOFILE: Final = 4096
LEAST_TASKS: Final = 64
NGINX_COUNTED_WORKERS: Final = 16
NGINX_CONNECTIONS: Final = (16384, 65535)
"""Ten thousand idle visitors are no reason to refuse others; one connection takes 0.4 kB."""
NGINX_OWN_FILES: Final = 64
EXECUTOR_THREADS: Final = 32
"""Most threads of an event loop's own pool: Python has four more than CPUs, up to this many."""
LASTING_PART: Final = 0.1
LASTING_MB: Final = 0.1
LASTING: Final = (64, 16384)
"""WebSockets and streams at a time: what a tenth of a generation's memory holds, 0.1 MB each, within these bounds."""
CLIENT_KEEPALIVE_S: Final = 10


@dataclass(frozen=True)
class Recycling:
    """After how many requests a worker is replaced, and over how many more this is spread."""

    max_requests: int
    jitter: int
    delta: int
    cost: float


@dataclass(frozen=True)
class Timeouts:
    """Whole seconds: for a silent worker, for the requests in progress when a worker exits, for the unit, for nginx."""

    worker_s: int
    graceful_s: int
    start_s: int
    stop_s: int
    proxy_read_s: int
    balancer_read_s: int


@dataclass(frozen=True)
class Gunicorn:
    """Settings under gunicorn's own names."""

    worker_class: str
    workers: int
    threads: int
    worker_connections: int
    keepalive: int
    reuse_port: bool
    preload_app: bool
    backlog: int
    timeout: int
    graceful_timeout: int
    max_requests: int
    max_requests_jitter: int
    worker_tmp_dir: str


@dataclass(frozen=True)
class Systemd:
    """Limits of the unit of one slot, and of the socket."""

    memory_high_mb: int
    memory_max_mb: int
    tasks_max: int
    limit_nofile: int
    timeout_start_s: int
    timeout_stop_s: int
    backlog: int


@dataclass(frozen=True)
class Database:
    """Connections of this host; `pool_max_size` is 0 where a pool would only keep idle ones."""

    connections_max: int
    connections_during_deploy: int
    pool_max_size: int


@dataclass(frozen=True)
class Nginx:
    """What nginx needs for this site; `max_conns` is 0 where the server itself bounds what it accepts."""

    worker_processes: int | str
    worker_connections: int
    worker_rlimit_nofile: int
    proxy_read_timeout_s: int
    balancer_read_timeout_s: int
    max_conns: int


@dataclass(frozen=True)
class NginxOfEventLoop(Nginx):
    """The same for an event loop: `max_lasting` are the WebSockets and streams of events that it may have open."""

    max_lasting: int


@dataclass(frozen=True)
class Settings:
    """All settings for a layout; either `gunicorn` or `uwsgi` is None.

    `backlog` is the listen queue, `backlog_wanted` what it would be if nothing bounded it.
    """

    worker_class: str
    backlog_wanted: int
    backlog: int
    recycling: Recycling
    systemd: Systemd
    database: Database
    nginx: Nginx
    gunicorn: Gunicorn | None
    uwsgi: dict[str, int | bool] | None


def settings_of(choice: Choice) -> Settings:
    """Set the server, systemd, nginx and the use of the database for a layout."""
    inputs = choice.site.inputs
    worker_class = "asgi" if inputs.event_loop else "sync" if choice.layout.threads == 1 else "gthread"
    timeouts = _timeouts(inputs, worker_class)
    recycling = _recycling(choice)
    wanted = _wanted_backlog(choice)
    backlog = _backlog(choice, wanted)
    is_gunicorn = inputs.server == "gunicorn"
    return Settings(
        worker_class=worker_class,
        backlog_wanted=wanted,
        backlog=backlog,
        recycling=recycling,
        systemd=_systemd(choice, timeouts, backlog),
        database=_database(choice),
        nginx=_nginx(choice, timeouts, backlog),
        gunicorn=_gunicorn(choice, worker_class, timeouts, recycling, backlog) if is_gunicorn else None,
        uwsgi=None if is_gunicorn else _uwsgi(choice, timeouts, recycling, backlog),
    )


def _timeouts(inputs: Inputs, worker_class: str) -> Timeouts:
    """Let each layer give up before the one around it: worker, unit, nginx, balancer.

    Only a sync worker is silent while it serves. An application that takes ten times as long as usual has failed to
    start.
    """
    longest_s = math.ceil(inputs.max_request_s)
    worker_s = LIVENESS_TIMEOUT_S
    if worker_class == "sync":
        worker_s = math.ceil(max(SYNC_TIMEOUT_S, 2 * inputs.max_request_s))
    answered_s = max(worker_s, longest_s)
    graceful_s = longest_s + GRACE_S
    if inputs.event_loop:
        graceful_s = max(graceful_s, math.ceil(inputs.drain_long_s) + CLOSING_S)
    return Timeouts(
        worker_s=worker_s,
        graceful_s=graceful_s,
        start_s=math.ceil(max(LEAST_START_S, BOOTS_PER_START * inputs.boot_s)),
        stop_s=graceful_s + STOP_MARGIN_S,
        proxy_read_s=answered_s + GRACE_S,
        balancer_read_s=answered_s + 2 * GRACE_S,
    )


def _recycling(choice: Choice) -> Recycling:
    """Recycle rarely enough to cost little, or early enough for a measured leak.

    With less than `delta` between two workers, more than one of them would be starting at a time.
    """
    inputs, workers = choice.site.inputs, choice.layout.processes
    started = inputs.boot_s * (choice.target_rps / workers)
    requests = max(LEAST_MAX_REQUESTS, started / RECYCLING_COST)
    if inputs.leak_kb_per_request:
        requests = min(requests, max(1, 1024 * inputs.growth_mb / inputs.leak_kb_per_request))
    spread = started * min(workers, RECYCLED_TOGETHER)
    return Recycling(
        max_requests=math.ceil(requests),
        jitter=math.ceil(max(0.1 * requests, spread)),
        delta=max(1, math.ceil(2 * started)),
        cost=started / requests,
    )


def _wanted_backlog(choice: Choice) -> int:
    """Count the requests that may queue: they are answered in time, or arrive while the server starts."""
    inputs = choice.site.inputs
    return _power_of_two(choice.saturation_rps * max(inputs.max_queue_s, inputs.boot_s))


def _backlog(choice: Choice, wanted: int) -> int:
    """Bound the listen queue: uWSGI does not start with more than somaxconn, gunicorn is silently clipped."""
    most = choice.site.somaxconn
    if choice.site.inputs.server == "gunicorn":
        most = min(most, GUNICORN_BACKLOG)
    return min(most, max(LEAST_BACKLOG, wanted))


def _gunicorn(choice: Choice, worker_class: str, timeouts: Timeouts, recycling: Recycling, backlog: int) -> Gunicorn:
    """Set gunicorn.

    A gthread worker takes connections that it has no thread for, up to `worker_connections`, while other
    workers idle; as many connections as threads, no keep-alive and one shared listening socket keep the queue
    in the kernel. An asgi worker takes every connection, and `worker_connections` is how many requests our code in it
    answers at a time. Replacing it would close its WebSockets, so it is replaced for a measured leak only.
    """
    recycles = worker_class != "asgi" or choice.site.inputs.leak_kb_per_request is not None
    return Gunicorn(
        worker_class=worker_class,
        workers=choice.layout.processes,
        threads=choice.threads,
        worker_connections=choice.layout.threads,
        keepalive=0,
        reuse_port=False,
        preload_app=choice.site.inputs.preload,
        backlog=backlog,
        timeout=timeouts.worker_s,
        graceful_timeout=timeouts.graceful_s,
        max_requests=recycling.max_requests if recycles else 0,
        max_requests_jitter=recycling.jitter if recycles else 0,
        worker_tmp_dir="/dev/shm",
    )


def _uwsgi(choice: Choice, timeouts: Timeouts, recycling: Recycling, backlog: int) -> dict[str, int | bool]:
    """Set uWSGI. Its harakiri is one timer per worker, which the other threads keep resetting."""
    inputs, layout = choice.site.inputs, choice.layout
    options: dict[str, int | bool] = {
        "processes": layout.processes,
        "threads": layout.threads,
        "enable-threads": True,
        "lazy-apps": not inputs.preload,
        "listen": backlog,
        "max-requests": recycling.max_requests,
        "max-requests-delta": recycling.delta,
        "reload-on-rss": math.ceil(inputs.worker_shared_mb + RSS * choice.worker_mb),
        "worker-reload-mercy": timeouts.graceful_s,
    }
    if layout.threads == 1:
        options["harakiri"] = timeouts.worker_s
    return options


def _systemd(choice: Choice, timeouts: Timeouts, backlog: int) -> Systemd:
    """Limit the unit of a slot.

    The memory limits catch a runaway; they must not punish an estimate. So a slot may always use its part of
    the memory, even where the plan expects far less, and eat into half (a quarter) of the reserve, but no
    further. The limit of files is generous, but no more than the host can grant.
    """
    site, layout, part = choice.site, choice.layout, choice.limits.memory_mb
    high = max(MEMORY_HIGH * choice.peak_mb, part)
    most = max(MEMORY_MAX * choice.peak_mb, MEMORY_MAX / MEMORY_HIGH * part)
    wanted_files = 4 * (64 + 8 * layout.threads + 2 * backlog)
    # A main thread, a pool and two helpers per worker, and room to reload.
    per_worker = layout.threads + 3
    if site.inputs.event_loop:
        wanted_files += 2 * _lasting(choice)
        per_worker += min(EXECUTOR_THREADS, math.ceil(site.host.cpus) + 4)
    files = max(LEAST_NOFILE, _power_of_two(wanted_files))
    generation = 1 + layout.processes * per_worker
    return Systemd(
        memory_high_mb=math.floor(min(high, site.memory_beyond(site.reserve_mb / 2))),
        memory_max_mb=math.floor(min(most, site.memory_beyond(site.reserve_mb / 4))),
        tasks_max=max(LEAST_TASKS, math.ceil(1.5 * site.inputs.reload_overlap * generation) + 16),
        limit_nofile=files if site.host.nofile_max is None else min(files, site.host.nofile_max),
        timeout_start_s=timeouts.start_s,
        timeout_stop_s=timeouts.stop_s,
        backlog=backlog,
    )


def _nginx(choice: Choice, timeouts: Timeouts, backlog: int) -> Nginx:
    """Two descriptors for each request that is served or queued, one for each client between two requests.

    An event loop accepts whatever comes: nginx lets as many requests through as it may answer and as would wait in the
    listen queue of another server, and counts connections that last apart from them.
    """
    host, rate = choice.site.host, choice.saturation_rps
    event_loop = choice.site.inputs.event_loop
    lasting = _lasting(choice) if event_loop else 0
    processes = math.ceil(host.cpus)
    open_at_once = 2 * (rate * choice.response.mean_ms / 1000 + backlog + CLIENT_KEEPALIVE_S * rate + lasting)
    least, most = NGINX_CONNECTIONS
    connections = min(most, max(least, _power_of_two(open_at_once / processes)))
    files = 2 * connections
    if host.nofile_max is not None:
        files = min(files, host.nofile_max)
        connections = max(1, min(connections, files - NGINX_OWN_FILES))
    nginx = Nginx(
        worker_processes=processes if processes <= NGINX_COUNTED_WORKERS else "auto",
        worker_connections=connections,
        worker_rlimit_nofile=files,
        proxy_read_timeout_s=timeouts.proxy_read_s,
        balancer_read_timeout_s=timeouts.balancer_read_s,
        max_conns=choice.layout.slots + backlog if event_loop else 0,
    )
    return NginxOfEventLoop(**asdict(nginx), max_lasting=lasting) if event_loop else nginx


def _lasting(choice: Choice) -> int:
    """Count the WebSockets and streams of events that an event loop may have open at a time."""
    least, most = LASTING
    return int(min(most, max(least, LASTING_PART * choice.limits.memory_mb / LASTING_MB)))


def _database(choice: Choice) -> Database:
    """Count the connections: every thread that serves holds one per alias, and background processes hold theirs."""
    layout, background = choice.layout, choice.site.background
    connections = layout.slots * choice.site.inputs.db_aliases
    pool = int(max(1, min(layout.threads, choice.limits.slots / layout.processes)))
    during = math.ceil(connections * choice.overlap) + background.connections_during(choice.overlap)
    return Database(
        connections_max=connections + background.connections_during(1),
        connections_during_deploy=during,
        pool_max_size=pool if layout.threads > 1 else 0,
    )


def _power_of_two(least: float) -> int:
    """Round up to a power of two."""
    return 1 << max(0, math.ceil(math.log2(max(1.0, least))))
