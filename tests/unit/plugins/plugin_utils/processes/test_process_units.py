"""The units of background processes: their commands as the products take them, and the plan's numbers in them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.processes.units import process_units

STATE = "/var/lib/shop"


def units(first_host: bool = True, planned: dict[str, Any] | None = None, **processes: Any) -> list[dict[str, Any]]:
    return process_units(processes, site="shop", planned=planned or {}, state=STATE, first_host=first_host)


CELERY = "python -m celery --app=shop worker --loglevel=INFO --hostname=shop-x.%i@%%h"


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        ({"command": "python manage.py sendalerts"}, "python manage.py sendalerts"),
        ({"preset": "celery", "application": "shop"}, f"{CELERY} --concurrency=1"),
        (
            {"preset": "celery", "application": "shop", "concurrency": 4, "queues": ["default", "mail"]},
            f"{CELERY} --concurrency=4 --queues=default,mail",
        ),
        (
            {"preset": "celery", "application": "shop", "arguments": "--max-tasks-per-child=100 -O fair"},
            f"{CELERY} --concurrency=1 --max-tasks-per-child=100 -O fair",
        ),
        (
            {"preset": "celery_beat", "application": "shop.celery:app"},
            "python -m celery --app=shop.celery:app beat --loglevel=INFO "
            "--schedule=/var/lib/shop/x-schedule --pidfile=",
        ),
        ({"preset": "rq"}, "python manage.py rqworker"),
        ({"preset": "rq", "queues": ["high", "default"]}, "python manage.py rqworker high default"),
        (
            {"preset": "rq", "queues": ["high"], "arguments": "--with-scheduler"},
            "python manage.py rqworker high --with-scheduler",
        ),
        (
            {"preset": "rq", "queues": ["high"], "concurrency": 3},
            "python manage.py rqworker-pool --num-workers=3 high",
        ),
        ({"preset": "rq_scheduler", "arguments": "--interval=5"}, "python manage.py rqscheduler --interval=5"),
        ({"preset": "huey", "concurrency": 2}, "python manage.py run_huey --workers=2 --worker-type=thread"),
        (
            {"preset": "huey", "concurrency": 2, "arguments": "-k process"},
            "python manage.py run_huey --workers=2 -k process",
        ),
        (
            {"preset": "dramatiq", "concurrency": 2, "queues": ["a", "b"]},
            "python manage.py rundramatiq --processes=2 --threads=8 --worker-shutdown-timeout=590000 --queues a b",
        ),
        (
            {"preset": "dramatiq", "threads": 2, "drain": 12},
            "python manage.py rundramatiq --processes=1 --threads=2 --worker-shutdown-timeout=6000",
        ),
        (
            {"preset": "procrastinate", "concurrency": 5, "queues": ["a", "b"]},
            "python manage.py procrastinate worker --concurrency=5 --queues=a,b",
        ),
        ({"preset": "django_q", "concurrency": 2}, "python manage.py qcluster"),
        ({"preset": "django_tasks"}, "python manage.py db_worker"),
        ({"preset": "django_tasks", "queues": ["*"]}, 'python manage.py db_worker "--queue-name=*"'),
        (
            {"preset": "django_tasks_rq", "queues": ["high"]},
            "python manage.py rqworker --job-class=django_tasks_rq.Job high",
        ),
        (
            {"preset": "django_tasks_rq", "concurrency": 2},
            "python manage.py rqworker-pool --job-class=django_tasks_rq.Job --num-workers=2",
        ),
    ],
)
def test_the_command(process: dict[str, Any], expected: str) -> None:
    """Each of them was run with the versions that docs/processes-presets.md lists."""
    (unit,) = units(x=process)
    assert unit["exec"] == expected


@pytest.mark.parametrize(
    ("preset", "signal"),
    [
        *((name, "SIGTERM") for name in ("celery", "celery_beat", "rq", "rq_scheduler", "dramatiq", "procrastinate")),
        *((name, "SIGTERM") for name in ("django_q", "django_tasks", "django_tasks_rq")),
        ("huey", "SIGINT"),
    ],
)
def test_how_a_product_stops_gracefully(preset: str, signal: str) -> None:
    assert units(x={"preset": preset, "application": "shop"})[0]["kill_signal"] == signal
    assert units(x={"command": "true"})[0]["kill_signal"] == "SIGTERM"


def test_a_unit_in_full() -> None:
    """With the plan's concurrency, where none is set, and its limits."""
    planned = {
        "rq": {
            "concurrency": 3,
            "threads": 1,
            "memory_high_mb": 1000,
            "memory_max_mb": 1250,
            "tasks_max": 256,
            "cpu_weight": 12,
        }
    }
    (_first, second) = units(planned=planned, rq={"preset": "rq", "count": 2, "drain": 60, "startsecs": 9})
    assert second == {
        "process": "rq",
        "prefix": "shop-rq-2",
        "exec": "python manage.py rqworker-pool --num-workers=3",
        "words": ["python", "manage.py", "rqworker-pool", "--num-workers=3"],
        "package": "django-rq",
        "kill_signal": "SIGTERM",
        "drain": 60,
        "startsecs": 9,
        "single": False,
        "memory_high_mb": 1000,
        "memory_max_mb": 1250,
        "tasks_max": 256,
        "cpu_weight": 12,
        "description": "shop: process rq, RQ worker (2 of 2)",
    }


def test_before_there_is_a_plan() -> None:
    (unit,) = units(alerts={"command": "python manage.py sendalerts 'a b'"})
    assert unit["words"] == ["python", "manage.py", "sendalerts", "a b"]
    assert (unit["drain"], unit["startsecs"], unit["memory_max_mb"]) == (600, 5, None)
    assert unit["description"] == "shop: process alerts"


def test_the_order_is_that_of_the_inventory() -> None:
    found = units(
        worker={"preset": "celery", "application": "shop", "count": 3},
        alerts={"command": "true"},
        beat={"preset": "celery_beat", "application": "shop"},
    )
    assert [unit["prefix"] for unit in found] == [
        "shop-worker",
        "shop-worker-2",
        "shop-worker-3",
        "shop-alerts",
        "shop-beat",
    ]
    assert [unit["single"] for unit in found] == [False, False, False, False, True]


def test_what_exists_once_is_on_the_first_host_only() -> None:
    found = units(
        first_host=False,
        beat={"preset": "celery_beat", "application": "shop"},
        scheduler={"preset": "rq_scheduler"},
        mine={"command": "true", "single": True},
        worker={"preset": "rq"},
    )
    assert [unit["process"] for unit in found] == ["worker"]


def test_no_two_node_names_are_the_same() -> None:
    """Celery's workers find each other by them: units, slots, and sites that share a broker."""
    first, second = units(worker={"preset": "celery", "application": "shop", "count": 2})
    assert "--hostname=shop-worker.%i@%h" in first["words"]
    assert "--hostname=shop-worker-2.%i@%h" in second["words"]


def test_periodic_tasks_of_huey_are_queued_once() -> None:
    """Each consumer would queue them: only the first unit on the first host does."""
    huey = {"preset": "huey", "count": 2}
    assert ["--no-periodic" in unit["words"] for unit in units(x=huey)] == [False, True]
    assert ["--no-periodic" in unit["words"] for unit in units(x=huey, first_host=False)] == [True, True]
    (unit,) = units(x={"preset": "huey", "arguments": "-n"}, first_host=False)
    assert unit["words"][-1] == "-n"
    assert "--no-periodic" not in unit["words"]


def test_numbers_may_be_texts() -> None:
    """As --extra-vars gives them."""
    (first, _second) = units(x={"preset": "rq", "count": "2", "concurrency": "3", "single": "no", "drain": "60"})
    assert (first["words"][-1], first["drain"], first["single"]) == ("--num-workers=3", 60, False)
