# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worked examples of docs/sizing.md, section 10, number by number."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import SizingError
from sites import ORM, planned

GB = 1024


EXAMPLES = [
    # host, what is said | class, workers, threads, limit, rps at most and at 70 %, p95 and p99 there
    (0.5, 512, {}, "gthread", 2, 2, "cpu", 31.4, 22, 357, 561),
    (1, 512, ORM, "gthread", 1, 5, "cpu", 78, 54, 186, 264),
    (2, 24 * GB, {**ORM, "db_connections": 97}, "sync", 9, 1, "cpu", 157, 110, 102, 144),
    (4, 2 * GB, {**ORM, "worker_unique_mb": 350}, "gthread", 2, 5, "memory", 157, 110, 149, 212),
    (8, 8 * GB, {"profile": "slow_api"}, "gthread", 16, 17, "cpu", 918, 643, 756, 1155),
    (
        8,
        32 * GB,
        {"profile": "slow_api", "db_connections": 97, "db_hosts": 2},
        *("sync", 24, 1, "db_connections", 93, 65, 753, 1155),
    ),
    (64, 256 * GB, {}, "sync", 209, 1, "cpu", 4072, 2851, 111, 158),
    (256, 1024 * GB, {"profile": "api"}, "gthread", 512, 5, "cpu", 29425, 20598, 192, 283),
    (
        4,
        16 * GB,
        {"profile": "slow_api", "thread_safe": False, "server": "uwsgi"},
        *("sync", 48, 1, "thread_safety", 186, 130, 750, 1154),
    ),
    (
        2,
        2 * GB,
        {"profile": "orm", "db_connections": 97, "worker_unique_mb": 65, "worker_shared_mb": 35, "master_mb": 65},
        *("sync", 6, 1, "cpu", 186, 130, 72, 104),
    ),
    (0.05, 1 * GB, {}, "sync", 2, 1, "cpu", 3.2, 2.2, 3314, 5028),
    (3, 4 * GB, {}, "gthread", 6, 3, "cpu", 191, 134, 140, 196),
    (4096, 16384 * GB, {}, "sync", 12100, 1, "cpu", 260860, 182602, 111, 158),
    (4096, 16384 * GB, {"profile": "slow_api"}, "gthread", 8192, 15, "cpu", 470803, 329562, 753, 1154),
]


@pytest.mark.parametrize(
    ("cpus", "memory_mb", "inputs", "worker_class", "workers", "threads", "limit", "most", "target", "p95", "p99"),
    EXAMPLES,
)
def test_worked_example(
    cpus: float,
    memory_mb: float,
    inputs: dict[str, Any],
    worker_class: str,
    workers: int,
    threads: int,
    limit: str,
    most: float,
    target: float,
    p95: float,
    p99: float,
) -> None:
    """10: the table, and four hosts beyond it."""
    plan = planned(cpus, memory_mb, **inputs)
    assert (plan.worker_class, plan.workers, plan.threads) == (worker_class, workers, threads)
    assert plan.limiting_factor == limit
    assert plan.capacity.rps_saturation == pytest.approx(most, rel=0.01)
    assert plan.capacity.rps_at_target == pytest.approx(target, rel=0.01)
    assert plan.capacity.p95_ms == pytest.approx(p95, rel=0.005)
    assert plan.capacity.p99_ms == pytest.approx(p99, rel=0.005)


def test_memory_of_one_generation_and_of_two() -> None:
    """10.1: 80 + 9 x 150, twice."""
    memory = planned(2, 24 * GB, **ORM, db_connections=97).memory
    assert (memory.steady_mb, memory.reload_peak_mb, memory.reload_overlap) == (1430, 2860, 2.0)


def test_memory_for_less_than_one_worker_is_refused_with_all_terms() -> None:
    """6.2: not even one worker."""
    with pytest.raises(SizingError) as refused:
        planned(1, 256)
    assert str(refused.value) == (
        "memory_mb: (256 MB - 128 MB reserve) = 128 MB cannot hold 40 MB master + 40 MB shared + 1 worker x 150 MB "
        "(120 unique + 30 growth) = 230 MB; give the site more memory, "
        "or set what its workers really take (worker_unique_mb, growth_mb)"
    )


EXPLANATIONS = {
    "cpu": (
        (2, 24 * GB, {**ORM, "db_connections": 97}),
        "CPU is the limit: 2 CPU / 12.7 ms of CPU per request = 157 requests/s; "
        "9 request slots keep them busy through 18 ms of waiting per request.",
    ),
    "cpu without waiting": (
        (2, 24 * GB, {"profile": "cpu"}),
        "CPU is the limit: 2 CPU / 20.7 ms of CPU per request = 97 requests/s; "
        "2 request slots keep them busy, as no request waits.",
    ),
    "memory": (
        (4, 2 * GB, {**ORM, "worker_unique_mb": 350}),
        "Memory is the limit: 1843 MB hold 2 x (80 MB + 2 workers of 388 MB) during a deploy, "
        "10 of the 15 slots the CPUs could use: 157 requests/s instead of 315.",
    ),
    "memory of one generation": (
        (4, 2 * GB, {**ORM, "worker_unique_mb": 1500}),
        "Memory is the limit: 1843 MB hold one generation (80 MB + 1 worker of 1538 MB), "
        "5 of the 15 slots the CPUs could use: 78 requests/s instead of 315.",
    ),
    "database": (
        (8, 32 * GB, {"profile": "slow_api", "db_connections": 97, "db_hosts": 2}),
        "Database connections are the limit: 97 connections / 2 hosts / overlap 2 / 1 alias leave 24 for one "
        "generation, 24 of the 269 slots the CPUs could use: 93 requests/s instead of 920.",
    ),
    "thread safety": (
        (4, 16 * GB, {"profile": "slow_api", "thread_safe": False, "server": "uwsgi"}),
        "Thread safety is the limit: one request per worker, and the 7373 MB of one generation hold 80 MB + "
        "48 workers of 150 MB, 48 of the 149 slots the CPUs could use: 186 requests/s instead of 488.",
    ),
    "pin": (
        (2, 8 * GB, {"workers": 1}),
        "workers=1 is the limit: 1 x 6 is 6 of the 10 slots the CPUs could use: 63 requests/s instead of 127; "
        "left free it would be 10 x 1 and 126 requests/s.",
    ),
    "rule of thumb": (
        (2, 8 * GB, {"policy": "two_n_plus_one"}),
        "policy=two_n_plus_one is the limit: 5 x 1 is 5 of the 10 slots the CPUs could use: "
        "98 requests/s instead of 127; left free it would be 10 x 1 and 126 requests/s.",
    ),
}


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_explanation(name: str) -> None:
    """2.1: one sentence for each limit."""
    (cpus, memory_mb, inputs), sentence = EXPLANATIONS[name]
    assert planned(cpus, memory_mb, **inputs).explanation == sentence
