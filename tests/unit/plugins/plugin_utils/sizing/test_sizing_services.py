# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL and Redis on the site's own host: what they take, what PostgreSQL grants, and how a plan names it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import SERVICE_INPUTS, Inputs, SizingError
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.planning import make_plan
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.report import report, summary
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.services import service_inputs
from sites import host, planned

POSTGRESQL = {"postgresql_connections": 100}
REDIS = {"redis_mb": 32, "redis_cache_mb": 32}
BOTH = {**POSTGRESQL, **REDIS}
BUSY = {"max_connections": 40, "reserved": 3, "others": 3, "shared_buffers_mb": 512.0}

BRIEF = """\
gunicorn sync: 2 workers, 2 requests at a time
  why       Memory is the limit: 592 MB beside PostgreSQL (200 MB) and Redis
            (104 MB) hold 2 x (100 MB + 2 workers of 95 MB) during a deploy, 2
            of the 4 slots the CPUs could use: 46 requests/s instead of 51.
  services  PostgreSQL 200 MB: shared_buffers 128, 32 for its processes, 40 for
            8 connections
            Redis 104 MB: maxmemory 32 and, for the cache, 32, the rest for its
            processes and for writing to disk
            92 connections to PostgreSQL: 100 max_connections - 3 reserved - 5
            kept
"""


def test_what_will_be_installed() -> None:
    """The distribution's defaults, and a Redis of a thirty-second of the memory for each purpose."""
    assert service_inputs(["postgresql", "redis"], {"postgresql": None}, host(1, 2000), 1.0) == {
        "postgresql_connections": 100,
        "postgresql_reserved": 3,
        "postgresql_databases": 1,
        "postgresql_buffers_mb": 128,
        "redis_mb": 56,
        "redis_cache_mb": 56,
    }


def test_what_is_there() -> None:
    """A server keeps its settings, and the site shares them with the databases of others."""
    assert service_inputs(["postgresql"], {"postgresql": BUSY}, host(1, 2000), 1.0) == {
        "postgresql_connections": 40,
        "postgresql_reserved": 3,
        "postgresql_databases": 4,
        "postgresql_buffers_mb": 512.0,
    }


@pytest.mark.parametrize(
    ("memory_mb", "share", "each"),
    [(256, 1.0, 16), (1024, 1.0, 32), (1279, 1.0, 32), (1280, 1.0, 40), (8192, 0.5, 128), (65536, 1.0, 512)],
)
def test_maxmemory(memory_mb: float, share: float, each: int) -> None:
    """In steps of 8 MB, and between 16 and 512 MB."""
    found = service_inputs(["redis"], {}, host(1, memory_mb), share)
    assert found == {"redis_mb": each, "redis_cache_mb": each}


def test_a_site_without_services_has_nothing_of_them_in_its_plan() -> None:
    """Neither the names nor any number."""
    assert service_inputs([], {"postgresql": BUSY}, host(1, 2000), 1.0) == {}
    plan = asdict(planned(1, 2000))
    assert not set(SERVICE_INPUTS) & set(plan["inputs"])
    assert "PostgreSQL" not in report(plan)
    assert "services" not in report(plan)


def test_memory_of_services_is_taken_from_the_site_s() -> None:
    """1024 - 128 reserve - 128 - 32 = 736; less 8 connections of 5 and 1.5 x 32 + 32 + 2 x 12 is 592."""
    plan = make_plan(host(1, 1024), Inputs.of(BOTH))
    assert plan.memory.available_mb == 592
    assert plan.memory.reserve_mb == 128
    # A slot may not grow into the memory of services: three quarters of the reserve, 96 MB, is all there is beyond.
    assert plan.systemd.memory_max_mb == 688


def test_what_is_shared_is_shared_and_what_is_the_site_s_is_its_own() -> None:
    """(4096 - 409.6 - 160) x 0.5 = 1763.2; less 4 connections of 5 and 104 is 1639.2."""
    plan = make_plan(host(1, 4096), Inputs.of({**BOTH, "capacity_share": 0.5}))
    assert plan.memory.available_mb == 1639.2


def test_what_a_deploy_shows() -> None:
    assert summary(asdict(make_plan(host(1, 1024), Inputs.of(BOTH)))) == BRIEF


def test_the_whole_report_has_it_too() -> None:
    told = report(asdict(make_plan(host(1, 1024), Inputs.of(BOTH))))
    assert BRIEF.partition("  services")[2] in told


@pytest.mark.parametrize(
    ("inputs", "workers", "sum_"),
    [
        (
            {**POSTGRESQL, "postgresql_databases": 8},
            5,
            "11 connections of PostgreSQL ((100 max_connections - 3 reserved - 5 kept) / 8 databases) / 1 host / "
            "overlap 2 / 1 alias leave 5",
        ),
        (
            {"postgresql_connections": 20, "postgresql_reserved": 5},
            5,
            "10 connections of PostgreSQL (20 max_connections - 5 reserved - 5 kept) / 1 host / overlap 2 / 1 alias "
            "leave 5",
        ),
    ],
)
def test_connections_of_postgresql_are_the_limit(inputs: dict[str, Any], workers: int, sum_: str) -> None:
    """Without a word of the user: its own number, and where it comes from."""
    plan = planned(4, 16384, **inputs)
    assert (plan.limiting_factor, plan.concurrency) == ("db_connections", workers)
    assert f"Database connections are the limit: {sum_} for one generation" in plan.explanation


def test_a_number_that_the_user_sets_wins() -> None:
    """Also one that the server cannot keep; that is told."""
    plan = planned(4, 16384, **POSTGRESQL, db_connections=200)
    assert "PostgreSQL (" not in plan.explanation
    assert plan.inputs["db_connections"] == 200
    assert plan.warnings == [
        "db_connections=200 is more than PostgreSQL on this host has for all: max_connections 100 - 3 reserved. Raise "
        "that, or lower this."
    ]
    assert planned(4, 16384, **POSTGRESQL, db_connections=97).warnings == []


def test_too_few_connections() -> None:
    with pytest.raises(SizingError) as refused:
        planned(1, 4096, **POSTGRESQL, postgresql_databases=60)
    assert str(refused.value) == (
        "db_connections: 1 connection of PostgreSQL ((100 max_connections - 3 reserved - 5 kept) / 60 databases) / "
        "1 host / overlap 2 / 1 alias leave 0 for one generation and not one; raise max_connections of PostgreSQL, or "
        "set reload_overlap=1 if a deploy may stop the old slot first"
    )


def test_too_little_memory() -> None:
    """Each term of the sum is there."""
    with pytest.raises(SizingError) as refused:
        make_plan(host(1, 512), Inputs.of({**BOTH, "capacity_share": 0.9}))
    assert str(refused.value) == (
        "memory_mb: (512 MB - 128 MB reserve - 160 MB PostgreSQL) x share 0.9 - 30 MB for its 6 connections - 104 MB "
        "Redis = 68 MB cannot hold 65 MB master + 35 MB shared + 1 worker x 95 MB (65 unique + 30 growth) = 195 MB; "
        "give the site more memory, or set what its workers really take (worker_unique_mb, growth_mb)"
    )


def test_a_part_of_postgresql_alone_means_nothing() -> None:
    with pytest.raises(SizingError) as refused:
        Inputs.of({"postgresql_buffers_mb": 512})
    assert str(refused.value) == (
        "postgresql_buffers_mb: 512.0 has no effect without postgresql_connections; set that to the max_connections "
        "of the PostgreSQL on this host, or leave it out"
    )


def test_pinned_workers_need_their_connections() -> None:
    """Ten workers of four threads, twice: 80 connections of 5 MB."""
    plan = planned(1, 16384, **POSTGRESQL, workers=10, threads=4)
    assert "400 for 80 connections" in " ".join(report(asdict(plan)).split())
