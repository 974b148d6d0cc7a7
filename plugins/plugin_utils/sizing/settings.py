# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that follow from a layout and its throughput (docs/sizing.md, section 7)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from .inputs import Host, Inputs
from .queueing import Layout, System

__all__ = [
    "Database",
    "Demand",
    "Gunicorn",
    "Nginx",
    "Recycling",
    "Systemd",
    "backlog",
    "database",
    "demand",
    "gunicorn",
    "limit_nofile",
    "nginx",
    "recycling",
    "tasks_max",
    "threads",
    "timeout_start_s",
    "timeout_stop_s",
    "uwsgi",
    "wanted_backlog",
    "worker_class",
]

RECYCLING_COST: Final = 0.005
"""Part of a worker's time that may go into starting its successors."""
LEAST_MAX_REQUESTS: Final = 1000
RECYCLED_TOGETHER: Final = 100
"""Up to this many workers one may start at a time; of more, one in so many."""

SYNC_TIMEOUT_S: Final = 30
LIVENESS_TIMEOUT_S: Final = 60
"""gthread and asgi workers beat from their main loop: the time-out finds the dead, it bounds no request."""
GRACE_S: Final = 5
STOP_MARGIN_S: Final = 10
LEAST_START_S: Final = 60
BOOTS_PER_START: Final = 10

LEAST_BACKLOG: Final = 64
GUNICORN_BACKLOG: Final = 2048
DEFAULT_SOMAXCONN: Final = 4096

LEAST_NOFILE: Final = 4096
LEAST_TASKS: Final = 64
NGINX_COUNTED_WORKERS: Final = 16
NGINX_CONNECTIONS: Final = (16384, 65535)
"""Ten thousand visitors who are there and say nothing are no reason to refuse others; one connection takes 0.4 kB."""
NGINX_OWN_FILES: Final = 64
CLIENT_KEEPALIVE_S: Final = 10


@dataclass(frozen=True)
class Demand:
    """What the settings answer to: the layout, its rates, and the time to an answer."""

    layout: Layout
    saturation_rps: float
    target_rps: float
    mean_ms: float

    @property
    def rps_per_worker(self) -> float:
        """Requests that one worker serves at the target."""
        return self.target_rps / self.layout.processes


@dataclass(frozen=True)
class Recycling:
    """After how many requests a worker is replaced, and over how many more this is spread."""

    max_requests: int
    jitter: int
    delta: int
    cost: float


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
    """What nginx needs for this site; `max_conns` is 0 where the server itself bounds its concurrency."""

    worker_processes: int | str
    worker_connections: int
    worker_rlimit_nofile: int
    proxy_read_timeout_s: int
    balancer_read_timeout_s: int
    max_conns: int


def demand(system: System, inputs: Inputs) -> Demand:
    """Take the rates of a system, and its answers at the target."""
    target = inputs.target_utilisation * system.saturation_rps
    return Demand(system.layout, system.saturation_rps, target, system.response(target).mean_ms)


def threads(inputs: Inputs, layout: Layout) -> int:
    """Threads to configure: an event loop serves its slots in one."""
    return 1 if inputs.interface == "asgi" else layout.threads


def worker_class(inputs: Inputs, layout: Layout) -> str:
    """Name the worker in gunicorn's words."""
    if inputs.interface == "asgi":
        return "asgi"
    return "sync" if layout.threads == 1 else "gthread"


def wanted_backlog(inputs: Inputs, saturation_rps: float) -> int:
    """Count the requests that may queue: they are answered in time, or arrive while the server boots."""
    return _power_of_two(saturation_rps * max(inputs.max_queue_s, inputs.boot_s))


def backlog(inputs: Inputs, saturation_rps: float, somaxconn: int) -> int:
    """Bound the listen queue: uWSGI does not start with more than somaxconn, gunicorn is silently clipped."""
    most = min(somaxconn, GUNICORN_BACKLOG) if inputs.server == "gunicorn" else somaxconn
    return min(most, max(LEAST_BACKLOG, wanted_backlog(inputs, saturation_rps)))


def recycling(inputs: Inputs, demand: Demand) -> Recycling:
    """Recycle rarely enough to cost little, or early enough for a measured leak.

    With less than `delta` between two workers, more than one of them would be starting at a time.
    """
    started = inputs.boot_s * demand.rps_per_worker
    requests = max(LEAST_MAX_REQUESTS, started / RECYCLING_COST)
    if inputs.leak_kb_per_request:
        requests = min(requests, max(1, 1024 * inputs.growth_mb / inputs.leak_kb_per_request))
    spread = started * min(demand.layout.processes, RECYCLED_TOGETHER)
    return Recycling(
        max_requests=math.ceil(requests),
        jitter=math.ceil(max(0.1 * requests, spread)),
        delta=max(1, math.ceil(2 * started)),
        cost=started / requests,
    )


def timeout_s(inputs: Inputs, kind: str) -> int:
    """Seconds after which a silent worker is killed. Only a sync worker is silent while it serves."""
    if kind == "sync":
        return math.ceil(max(SYNC_TIMEOUT_S, 2 * inputs.max_request_s))
    return LIVENESS_TIMEOUT_S


def graceful_timeout_s(inputs: Inputs) -> int:
    """Leave the longest legitimate request time to end."""
    return math.ceil(inputs.max_request_s) + GRACE_S


def timeout_stop_s(inputs: Inputs) -> int:
    """Leave the server time to kill its own workers first."""
    return graceful_timeout_s(inputs) + STOP_MARGIN_S


def timeout_start_s(inputs: Inputs) -> int:
    """Ten times the usual: an application that takes longer has failed to start."""
    return math.ceil(max(LEAST_START_S, BOOTS_PER_START * inputs.boot_s))


def gunicorn(inputs: Inputs, demand: Demand, backlog: int) -> Gunicorn:
    """Set gunicorn.

    A gthread worker takes connections that it has no thread for, up to `worker_connections`, while other
    workers idle; as many connections as threads, no keep-alive and one shared listening socket keep the queue
    in the kernel.
    """
    layout = demand.layout
    kind = worker_class(inputs, layout)
    recycle = recycling(inputs, demand)
    return Gunicorn(
        worker_class=kind,
        workers=layout.processes,
        threads=threads(inputs, layout),
        worker_connections=layout.threads,
        keepalive=0,
        reuse_port=False,
        preload_app=inputs.preload,
        backlog=backlog,
        timeout=timeout_s(inputs, kind),
        graceful_timeout=graceful_timeout_s(inputs),
        max_requests=recycle.max_requests,
        max_requests_jitter=recycle.jitter,
        worker_tmp_dir="/dev/shm",
    )


def uwsgi(inputs: Inputs, demand: Demand, backlog: int, worker_rss_mb: float) -> dict[str, int | bool]:
    """Set uWSGI. Its harakiri is one timer per worker, which the other threads keep resetting."""
    layout = demand.layout
    recycle = recycling(inputs, demand)
    options: dict[str, int | bool] = {
        "processes": layout.processes,
        "threads": layout.threads,
        "enable-threads": True,
        "lazy-apps": not inputs.preload,
        "listen": backlog,
        "max-requests": recycle.max_requests,
        "max-requests-delta": recycle.delta,
        "reload-on-rss": math.ceil(worker_rss_mb),
        "worker-reload-mercy": graceful_timeout_s(inputs),
    }
    if layout.threads == 1:
        options["harakiri"] = timeout_s(inputs, "sync")
    return options


def tasks_max(inputs: Inputs, layout: Layout) -> int:
    """Count threads and processes: a main thread, a pool and two helpers per worker, and room to reload."""
    generation = 1 + layout.processes * (layout.threads + 3)
    return max(LEAST_TASKS, math.ceil(1.5 * inputs.reload_overlap * generation) + 16)


def limit_nofile(layout: Layout, backlog: int, most: int | None) -> int:
    """Bound open files generously, but not above what the host can grant."""
    wanted = max(LEAST_NOFILE, _power_of_two(4 * (64 + 8 * layout.threads + 2 * backlog)))
    return wanted if most is None else min(wanted, most)


def nginx(inputs: Inputs, demand: Demand, host: Host, backlog: int) -> Nginx:
    """Two descriptors for each request that is served or queued, one for each client between two requests."""
    processes = math.ceil(host.cpus)
    rate = demand.saturation_rps
    open_at_once = 2 * (rate * demand.mean_ms / 1000 + backlog + CLIENT_KEEPALIVE_S * rate)
    least, most = NGINX_CONNECTIONS
    connections = min(most, max(least, _power_of_two(open_at_once / processes)))
    files = 2 * connections
    if host.nofile_max is not None:
        files = min(files, host.nofile_max)
        connections = max(1, min(connections, files - NGINX_OWN_FILES))
    answer_within = max(timeout_s(inputs, worker_class(inputs, demand.layout)), math.ceil(inputs.max_request_s))
    return Nginx(
        worker_processes=processes if processes <= NGINX_COUNTED_WORKERS else "auto",
        worker_connections=connections,
        worker_rlimit_nofile=files,
        proxy_read_timeout_s=answer_within + GRACE_S,
        balancer_read_timeout_s=answer_within + 2 * GRACE_S,
        max_conns=demand.layout.slots if inputs.interface == "asgi" else 0,
    )


def database(inputs: Inputs, layout: Layout, overlap: float, budget: float) -> Database:
    """Count the connections: every thread that serves holds one per alias."""
    pooled = layout.threads > 1
    return Database(
        connections_max=layout.slots * inputs.db_aliases,
        connections_during_deploy=math.ceil(layout.slots * inputs.db_aliases * overlap),
        pool_max_size=int(max(1, min(layout.threads, budget / layout.processes))) if pooled else 0,
    )


def _power_of_two(least: float) -> int:
    """Round up to a power of two."""
    return 1 << max(0, math.ceil(math.log2(max(1.0, least))))
