"""What each preset is to the plan."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.processes.loads import loads
from ansible_collections.pitcrew.django.plugins.plugin_utils.processes.presets import PRESETS
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import Host, Inputs
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.planning import PlanWithProcesses, make_plan


def planned(cpus: float = 4, **processes: Any) -> PlanWithProcesses:
    """Plan them with a worker of 100 MB, of which 40 are shared, and which grows by 30."""
    memory = {"worker_unique_mb": 60, "worker_shared_mb": 40, "growth_mb": 30, "thread_mb": 2}
    plan = make_plan(Host.of({"cpus": cpus, "memory_mb": 65_536}), Inputs.of({**memory, "processes": loads(processes)}))
    assert isinstance(plan, PlanWithProcesses)
    return plan


@pytest.mark.parametrize(
    ("process", "concurrency", "threads", "memory_mb", "connections"),
    [
        # One process: 40 + 60 + 30.
        ({"command": "true"}, 1, 1, 130, 1),
        ({"preset": "celery_beat"}, 1, 1, 130, 1),
        ({"preset": "rq_scheduler"}, 1, 1, 130, 1),
        ({"preset": "django_tasks"}, 1, 1, 130, 1),
        # The worker and its children: 40 + 60 + 4 x 90.
        ({"preset": "celery", "concurrency": 4}, 4, 1, 460, 4),
        # 40 + 60 + 30 + 4 x 2.
        ({"preset": "celery", "concurrency": 4, "arguments": "--pool=threads"}, 4, 1, 138, 4),
        ({"preset": "celery", "concurrency": 100, "arguments": "-P gevent"}, 100, 1, 330, 100),
        ({"preset": "celery", "arguments": "-Psolo"}, 1, 1, 130, 1),
        # A worker and its horse: 40 + 60 + 90; a pool of two: the pool, its scheduler, and 2 x (60 + 90).
        ({"preset": "rq", "concurrency": 1}, 1, 1, 190, 1),
        ({"preset": "rq", "concurrency": 2}, 2, 1, 460, 2),
        ({"preset": "django_tasks_rq", "concurrency": 2}, 2, 1, 460, 2),
        ({"preset": "huey", "concurrency": 3}, 3, 1, 136, 3),
        # The consumer, its scheduler, and 2 x 90.
        ({"preset": "huey", "concurrency": 2, "arguments": "--worker-type process"}, 2, 1, 340, 2),
        # A supervisor of 20, and 2 x (130 + 7 x 2), for nothing is shared.
        ({"preset": "dramatiq", "concurrency": 2}, 2, 8, 308, 16),
        ({"preset": "dramatiq", "concurrency": 2, "threads": 1}, 2, 1, 280, 2),
        # Four connections are Procrastinate's own.
        ({"preset": "procrastinate", "concurrency": 5}, 5, 1, 140, 9),
        # The cluster, its sentinel, monitor and pusher, of which three use the database: 40 + 4 x 60 + 2 x 90.
        ({"preset": "django_q", "concurrency": 2}, 2, 1, 460, 5),
        ({"preset": "celery", "concurrency": 4, "memory_mb": 900, "database_connections": 0}, 4, 1, 900, 0),
    ],
)
def test_what_a_unit_takes(
    process: dict[str, Any], concurrency: int, threads: int, memory_mb: float, connections: int
) -> None:
    unit = planned(x=process).processes["x"]
    assert (unit.concurrency, unit.threads) == (concurrency, threads)
    assert (unit.memory_mb, unit.database_connections) == (memory_mb, connections)


@pytest.mark.parametrize("preset", [name for name, preset in PRESETS.items() if "concurrency" in preset.takes])
def test_the_plan_chooses_a_concurrency(preset: str) -> None:
    """As many as there are whole CPUs."""
    assert planned(cpus=3.5, x={"preset": preset}).processes["x"].concurrency == 3


@pytest.mark.parametrize("arguments", ["--with-scheduler", "--name=a", "--max-jobs 5"])
def test_what_only_a_single_worker_of_rq_knows_makes_it_one(arguments: str) -> None:
    """Its pool would refuse the argument."""
    assert planned(x={"preset": "rq", "arguments": arguments}).processes["x"].concurrency == 1
