# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots and splits, pins, rules of thumb, overlap, and the settings that follow."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import Host, SizingError
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.planning import Plan, make_plan
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.queueing import Work
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.settings import NginxOfEventLoop
from sites import ORM, inputs_of, planned


def shape(plan: Plan) -> tuple[str, int, int]:
    """Reduce a plan to what runs."""
    return plan.worker_class, plan.workers, plan.threads


@pytest.mark.parametrize(
    ("cpu_ms", "wait_ms", "slots"),
    [
        (20.7, 0, {1: 2, 2: 2, 4: 4, 8: 8}),
        (12.7, 18, {1: 5, 2: 9, 4: 15, 8: 27}),
        (8.7, 50, {1: 12, 2: 21, 4: 37, 8: 68}),
        (8.7, 200, {1: 34, 2: 62, 4: 116, 8: 220}),
        (11.2, 14.5, {1: 5, 2: 8, 4: 14, 8: 25}),
    ],
)
def test_wanted_slots(cpu_ms: float, wait_ms: float, slots: dict[int, int]) -> None:
    """5.1: N* for five workloads on 1, 2, 4 and 8 CPUs."""
    assert {cpus: Work(cpu_ms, wait_ms).wanted_slots(cpus) for cpus in slots} == slots


@pytest.mark.parametrize(
    ("host", "inputs", "expected"),
    [
        pytest.param((2, 8192), {"profile": "cpu"}, ("sync", 2, 1), id="no waiting: a worker per CPU"),
        pytest.param((2, 8192), {"max_threads": 1}, ("sync", 10, 1), id="threads forbidden"),
        pytest.param((2, 8192), {"workers": 3}, ("gthread", 3, 4), id="workers pinned, threads adapt"),
        pytest.param((2, 8192), {"workers": 12}, ("sync", 12, 1), id="workers pinned, no need of threads"),
        pytest.param((2, 8192), {"workers": 1}, ("gthread", 1, 6), id="one worker pinned: threads for one CPU"),
        pytest.param((2, 8192), {"threads": 4}, ("gthread", 3, 4), id="threads pinned, workers adapt"),
        pytest.param((2, 8192), {"threads": 64}, ("gthread", 2, 64), id="threads pinned, a worker per CPU still"),
        pytest.param((2, 8192), {"threads": 1}, ("sync", 10, 1), id="threads pinned to one"),
        pytest.param((2, 8192), {"workers": 4, "threads": 2}, ("gthread", 4, 2), id="both pinned"),
        pytest.param((2, 8192), {"interface": "asgi"}, ("asgi", 2, 1), id="asgi: an event loop per CPU, two at least"),
        pytest.param((0.5, 8192), {"interface": "asgi", "workers": 1}, ("asgi", 1, 1), id="asgi pinned"),
        pytest.param((4, 8192), {"free_threaded": True}, ("gthread", 2, 9), id="free-threaded: two, for redundancy"),
        pytest.param(
            (4, 8192),
            {"free_threaded": True, "profile": "slow_api"},
            ("gthread", 3, 47),
            id="free-threaded: more where a worker has its most threads",
        ),
        pytest.param((4, 8192), {"free_threaded": True, "workers": 1}, ("gthread", 1, 18), id="free-threaded, pinned"),
        pytest.param((4, 8192), {"thread_safe": False}, ("sync", 18, 1), id="not thread-safe"),
        pytest.param((4, 8192), {"db_connections": 8}, ("sync", 4, 1), id="few connections"),
        pytest.param((4, 8192), {"db_connections": 2}, ("sync", 1, 1), id="one connection"),
        pytest.param((4, 8192), {"db_connections": 36, "db_aliases": 3}, ("sync", 6, 1), id="aliases"),
    ],
)
def test_layout(host: tuple[float, float], inputs: dict[str, Any], expected: tuple[str, int, int]) -> None:
    """5.2 to 5.6, one rule at a time."""
    assert shape(planned(*host, **inputs)) == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("one_worker", (1, 1)),
        ("one_worker_per_core", (4, 1)),
        ("one_and_a_half_to_two_cores", (7, 1)),
        ("two_n_plus_one", (9, 1)),
        ("two_n_plus_one_threads_2", (9, 2)),
        ("two_n_plus_one_threads_4", (9, 4)),
        ("four_per_core", (16, 1)),
        ("heroku", (9, 1)),
    ],
)
def test_rule_of_thumb(policy: str, expected: tuple[int, int]) -> None:
    """8.1 on four CPUs."""
    plan = planned(4, 16384, policy=policy)
    assert (plan.workers, plan.threads) == expected
    assert plan.policy == policy
    assert plan.unpinned is not None
    assert (plan.unpinned.workers, plan.unpinned.threads) == (18, 1)


def test_rules_of_thumb_are_clipped_to_what_fits() -> None:
    """8.1: the warning has both what a rule requires and what fits."""
    plan = planned(4, 1024, policy="two_n_plus_one_threads_4")
    assert (plan.workers, plan.threads) == (2, 4)
    assert "policy=two_n_plus_one_threads_4 asks for 9 x 4; memory and database allow 2 x 4." in plan.warnings


def test_heroku_counts_256_mb_per_worker() -> None:
    """8.1: 1024 / 256 = 4, less than 2 x 4 + 1."""
    assert planned(4, 1024, policy="heroku", worker_unique_mb=20).workers == 4


def test_a_rule_of_thumb_has_one_thread_where_the_code_is_not_thread_safe() -> None:
    """8.1: no rule overrules what the code can bear."""
    assert shape(planned(2, 8192, policy="two_n_plus_one_threads_4", thread_safe=False)) == ("sync", 5, 1)


def test_a_pin_says_what_it_costs() -> None:
    """2.3: against what the model would choose."""
    plan = planned(2, 8192, workers=1)
    assert plan.limiting_factor == "pinned"
    assert plan.unpinned is not None
    assert (plan.unpinned.workers, plan.unpinned.threads) == (10, 1)
    assert plan.unpinned.cost_percent == pytest.approx(55, abs=2)
    assert (
        "1 x 6 serve 53 requests/s with 99 % of the answers within 475 ms: 55 % less than the 118 of 10 x 1."
        in plan.warnings
    )


def test_where_nothing_fits_without_the_pin_there_is_nothing_to_compare_with() -> None:
    """A second thread is too heavy for three generations: there will be one, and it has both connections."""
    inputs = {"cpus": 1, "memory_mb": 1450, "thread_mb": 40, "db_connections": 2, "reload_overlap": 3}
    assert planned(**inputs, threads=2).unpinned is None
    with pytest.raises(SizingError, match="overlap 3 / 1 alias leave 0 for one generation and not one"):
        planned(**inputs)


def test_a_pin_that_costs_nothing_is_not_blamed() -> None:
    """2.2: the limit is what would help if it were lifted."""
    plan = planned(2, 8192, workers=10)
    assert plan.limiting_factor == "cpu"
    assert plan.warnings == []


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"workers": 40},
            "workers: (2048 MB - 205 MB reserve) = 1843 MB cannot hold 40 MB master + 40 MB shared + "
            "40 workers x 150 MB (120 unique + 30 growth) = 6080 MB; lower workers=40, give the site more "
            "memory, or set what its workers really take (worker_unique_mb, growth_mb)",
        ),
        (
            {"workers": 12, "threads": 8},
            "workers: (2048 MB - 205 MB reserve) = 1843 MB cannot hold 40 MB master + 40 MB shared + "
            "12 workers x 164 MB (120 unique + 30 growth + 7 x 2 for threads) = 2048 MB; lower workers=12 "
            "and threads=8, give the site more memory, or set what its workers really take "
            "(worker_unique_mb, growth_mb)",
        ),
        (
            {"threads": 1000},
            "threads: (2048 MB - 205 MB reserve) = 1843 MB cannot hold 40 MB master + 40 MB shared + "
            "1 worker x 2148 MB (120 unique + 30 growth + 999 x 2 for threads) = 2228 MB; lower "
            "threads=1000, give the site more memory, or set what its workers really take "
            "(worker_unique_mb, growth_mb)",
        ),
        (
            {"worker_unique_mb": 2000, "preload": False, "capacity_share": 0.5},
            "memory_mb: (2048 MB - 205 MB reserve) x share 0.5 = 922 MB cannot hold 40 MB master + "
            "1 worker x 2070 MB (2000 unique + 40 not shared without preload + 30 growth) = 2110 MB; give the site "
            "more memory, or set what its workers really take (worker_unique_mb, growth_mb)",
        ),
        (
            {"memory_reserve_mb": 4000},
            "memory_mb: (2048 MB - 4000 MB reserve) = 0 MB cannot hold 40 MB master + 40 MB shared + "
            "1 worker x 150 MB (120 unique + 30 growth) = 230 MB; give the site more memory, or set what its "
            "workers really take (worker_unique_mb, growth_mb)",
        ),
        (
            {"db_connections": 3, "db_hosts": 4},
            "db_connections: 3 connections / 4 hosts / overlap 2 / 1 alias leave 0 for one generation and not one; "
            "give more connections, or set reload_overlap=1 if a deploy may stop the old slot first",
        ),
        (
            {"db_connections": 12, "workers": 4, "threads": 2},
            "db_connections: 12 connections / 1 host / overlap 2 / 1 alias leave 6 for one generation, and workers=4 "
            "and threads=2 take 8; lower them, give more connections, or set reload_overlap=1 if a deploy may stop "
            "the old slot first",
        ),
    ],
)
def test_a_sum_that_can_not_fit_names_all_its_terms(inputs: dict[str, Any], message: str) -> None:
    """2.3: the reader can check the sum."""
    with pytest.raises(SizingError) as refused:
        planned(2, 2048, **inputs)
    assert str(refused.value) == message


def test_the_second_worker_is_worth_more_than_the_second_generation() -> None:
    """6.2: and the plan says so in a field of its own."""
    memory = planned(2, 700).memory
    assert memory.overlap_given_up
    assert memory.reload_overlap == 1.0
    assert memory.reload_peak_mb == memory.steady_mb


def test_overlap_is_kept_where_the_choice_leaves_room_for_it() -> None:
    """455 MB hold two workers once only, but 1.4 times the one of five threads that serves more."""
    plan = planned(1, 583, **ORM, thread_mb=20, reload_overlap=1.4)
    assert shape(plan) == ("gthread", 1, 5)
    assert not plan.memory.overlap_given_up
    assert (plan.memory.steady_mb, plan.memory.reload_peak_mb) == (310, 434)


def test_overlap_that_nobody_wants_is_not_given_up() -> None:
    """6.1: a wish for one generation is not a failure."""
    memory = planned(2, 700, reload_overlap=1).memory
    assert memory.reload_overlap == 1.0
    assert not memory.overlap_given_up


def test_without_preloading_each_worker_has_a_copy() -> None:
    """3.6: 120 + 30, or 120 + 40 + 30."""
    shared, copied = planned(2, 8192).memory, planned(2, 8192, preload=False).memory
    assert (shared.worker_mb, shared.steady_mb) == (150, 1580)
    assert (copied.worker_mb, copied.steady_mb) == (190, 1940)


def test_a_share_is_taken_of_cpus_and_of_memory_beyond_the_reserve() -> None:
    """3.3: nginx serves the whole host and gets all CPUs."""
    plan = planned(4, 8192, capacity_share=0.5)
    assert (plan.host.cpus, plan.host.cpus_total, plan.host.memory_mb) == (2, 4, 4096)
    assert plan.memory.available_mb == pytest.approx(0.5 * (8192 - 819.2), abs=0.1)
    assert plan.nginx.worker_processes == 4


def test_a_running_layout_that_is_nearly_as_good_is_kept() -> None:
    """5.7: eleven workers are as good as ten."""
    plan = planned(2, 8192, running_workers=11, running_threads=1)
    assert shape(plan) == ("sync", 11, 1)
    assert plan.kept_running


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({"running_workers": 3, "running_threads": 1}, id="it serves less"),
        pytest.param({"running_workers": 90, "running_threads": 1}, id="it does not fit"),
        pytest.param({"running_workers": 5, "running_threads": 2, "thread_safe": False}, id="threads are forbidden"),
        pytest.param({"running_workers": 11, "running_threads": 1, "workers": 10}, id="another is pinned"),
    ],
)
def test_a_running_layout_is_given_up_where(inputs: dict[str, Any]) -> None:
    """5.7: these are reasons to change production."""
    plan = planned(2, 8192, **inputs)
    assert shape(plan) == ("sync", 10, 1)
    assert not plan.kept_running


def test_gunicorn_settings() -> None:
    """7: all of them, under gunicorn's names."""
    assert planned(2, 1024, **ORM).gunicorn == {
        "worker_class": "gthread",
        "workers": 2,
        "threads": 5,
        "worker_connections": 5,
        "keepalive": 0,
        "reuse_port": False,
        "preload_app": True,
        "backlog": 1024,
        "timeout": 60,
        "graceful_timeout": 35,
        "max_requests": 33031,
        "max_requests_jitter": 3304,
        "worker_tmp_dir": "/dev/shm",
    }


def test_uwsgi_options() -> None:
    """7: all of them, under uWSGI's names."""
    plan = planned(2, 24576, **ORM, server="uwsgi")
    assert plan.gunicorn == {}
    assert plan.uwsgi == {
        "processes": 9,
        "threads": 1,
        "enable-threads": True,
        "lazy-apps": False,
        "listen": 1024,
        "max-requests": 7613,
        "max-requests-delta": 77,
        "reload-on-rss": 265,
        "worker-reload-mercy": 35,
        "harakiri": 60,
    }


def test_uwsgi_with_threads_has_no_harakiri() -> None:
    """7: it would not do what it promises."""
    plan = planned(2, 1024, server="uwsgi")
    assert plan.threads > 1
    assert "harakiri" not in plan.uwsgi
    assert any(warning.startswith("uWSGI has one harakiri timer per worker") for warning in plan.warnings)


@pytest.mark.parametrize(
    ("inputs", "timeout", "graceful", "stop", "proxy"),
    [
        ({}, 60, 35, 45, 65),
        ({"max_request_s": 10}, 30, 15, 25, 35),
        ({"max_request_s": 120}, 240, 125, 135, 245),
        ({"max_request_s": 120, "workers": 3}, 60, 125, 135, 125),
    ],
)
def test_every_time_out_follows_from_the_longest_request(
    inputs: dict[str, Any], timeout: int, graceful: int, stop: int, proxy: int
) -> None:
    """7: the server gives up before nginx, nginx before a balancer, systemd after the server."""
    plan = planned(2, 8192, **inputs)
    assert plan.gunicorn["timeout"] == timeout
    assert plan.gunicorn["graceful_timeout"] == graceful
    assert plan.systemd.timeout_stop_s == stop
    assert plan.nginx.proxy_read_timeout_s == proxy
    assert plan.nginx.balancer_read_timeout_s == proxy + 5


@pytest.mark.parametrize(
    ("inputs", "backlog"),
    [
        ({}, 1024),
        ({"somaxconn": 128}, 128),
        ({"cpu_ms": 1}, 2048),
        ({"cpu_ms": 1, "server": "uwsgi"}, 4096),
        ({"cpu_ms": 5000}, 64),
    ],
)
def test_backlog(inputs: dict[str, Any], backlog: int) -> None:
    """7: X times five seconds as a power of two, within the bounds."""
    plan = planned(2, 8192, **inputs)
    assert plan.systemd.backlog == backlog
    assert (plan.gunicorn.get("backlog") or plan.uwsgi.get("listen")) == backlog


def test_a_short_listen_queue_is_told() -> None:
    """7: the kernel has the last word."""
    assert (
        "A listen queue of 1024 is wanted; net.core.somaxconn allows 128." in planned(2, 8192, somaxconn=128).warnings
    )


def test_limits_of_the_unit() -> None:
    """7: 1.1 times the peak, and all but a quarter of the reserve."""
    systemd = planned(4, 2048, **ORM, worker_unique_mb=350).systemd
    assert (systemd.memory_high_mb, systemd.memory_max_mb) == (1883, 1996)
    assert (systemd.tasks_max, systemd.limit_nofile) == (67, 16384)
    assert (systemd.timeout_start_s, systemd.timeout_stop_s) == (60, 45)


def test_a_slot_may_use_its_part_of_ample_memory() -> None:
    """7: half of what the site may use, though a tenth is expected."""
    systemd = planned(2, 24576, **ORM).systemd
    assert (systemd.memory_high_mb, systemd.memory_max_mb) == (11059, 13069)


def test_open_files_stay_within_what_the_host_grants() -> None:
    """7: a unit that asks for more does not start."""
    host = Host.of({"cpus": 2, "memory_mb": 8192, "nofile_max": 5000})
    assert make_plan(host, inputs_of()).systemd.limit_nofile == 5000


def test_a_slow_application_has_time_to_start() -> None:
    """7: ten times the usual."""
    assert planned(2, 8192, boot_s=40).systemd.timeout_start_s == 400


def test_nginx() -> None:
    """7: powers of two, and auto on large hosts."""
    nginx = planned(2, 24576, **ORM).nginx
    assert (nginx.worker_processes, nginx.worker_connections, nginx.worker_rlimit_nofile) == (2, 16384, 32768)
    assert nginx.max_conns == 0
    assert planned(2, 24576, cpu_ms=0.1).nginx.worker_connections == 32768
    assert planned(64, 262144).nginx.worker_processes == "auto"


def test_connections_of_nginx_stay_within_what_the_host_grants() -> None:
    """7: each of them is an open file, and nginx has some of its own."""
    host = Host.of({"cpus": 2, "memory_mb": 8192, "nofile_max": 20000})
    nginx = make_plan(host, inputs_of()).nginx
    assert (nginx.worker_connections, nginx.worker_rlimit_nofile) == (16384, 20000)
    host = Host.of({"cpus": 2, "memory_mb": 8192, "nofile_max": 4096})
    nginx = make_plan(host, inputs_of()).nginx
    assert (nginx.worker_connections, nginx.worker_rlimit_nofile) == (4032, 4096)


def test_nginx_bounds_what_asgi_does_not() -> None:
    """5.6: requests beyond the plan's wait in the worker, as many as in a listen queue; what lasts is counted apart."""
    plan = planned(2, 8192, interface="asgi")
    assert (plan.concurrency, plan.gunicorn["worker_connections"], plan.gunicorn["backlog"]) == (10, 5, 1024)
    assert isinstance(plan.nginx, NginxOfEventLoop)
    assert (plan.nginx.max_conns, plan.nginx.max_lasting) == (1034, 3686)


@pytest.mark.parametrize(
    ("inputs", "graceful", "stop"),
    [
        ({"drain_long_s": 60}, 72, 82),
        # Requests may take longer than WebSockets may stay.
        ({"drain_long_s": 10}, 35, 45),
        ({"drain_long_s": 0, "max_request_s": 3}, 12, 22),
        # Nothing lasts under the other interface.
        ({"interface": "wsgi", "drain_long_s": 60}, 35, 45),
    ],
)
def test_websockets_have_time_to_end(inputs: dict[str, Any], graceful: int, stop: int) -> None:
    """Until they are closed, plus the seconds over which that is spread, and for clients to answer."""
    plan = planned(2, 8192, **{"interface": "asgi", **inputs})
    assert (plan.gunicorn["graceful_timeout"], plan.systemd.timeout_stop_s) == (graceful, stop)


def test_an_event_loop_is_replaced_for_a_measured_leak_only() -> None:
    """That closes its WebSockets."""
    plan = planned(2, 8192, interface="asgi")
    assert (plan.gunicorn["max_requests"], plan.gunicorn["max_requests_jitter"]) == (0, 0)
    assert planned(2, 8192, interface="asgi", leak_kb_per_request=10).gunicorn["max_requests"] == 3072


def test_threads_of_views_that_are_not_asynchronous_are_tasks() -> None:
    """One for each request, and those of the event loop's own pool, six on two CPUs; 1.5 times twice two workers."""
    plan = planned(2, 8192, interface="asgi", wait_ms=500)
    per_worker = plan.gunicorn["worker_connections"] + 3 + 6
    assert plan.systemd.tasks_max == 3 * (1 + 2 * per_worker) + 16


@pytest.mark.parametrize(("interface", "known"), [("wsgi", False), ("asgi", True)])
def test_how_long_websockets_stay_is_an_input_of_asgi_only(interface: str, known: bool) -> None:
    assert ("drain_long_s" in planned(2, 8192, interface=interface).inputs) is known


@pytest.mark.parametrize(
    ("inputs", "connections", "during", "pool"),
    [
        (ORM, 9, 18, 0),
        ({"workers": 3}, 12, 24, 4),
        ({"workers": 3, "db_connections": 22}, 9, 18, 3),
        ({**ORM, "db_aliases": 2}, 18, 36, 0),
        ({**ORM, "reload_overlap": 1}, 9, 9, 0),
    ],
)
def test_database(inputs: dict[str, Any], connections: int, during: int, pool: int) -> None:
    """3.7 and 7: a connection per slot and alias, a pool only where threads share it."""
    database = planned(2, 8192, **inputs).database
    assert database.connections_max == connections
    assert database.connections_during_deploy == during
    assert database.pool_max_size == pool


def test_a_leak_recycles_early_and_is_told_if_that_is_dear() -> None:
    """7: 30 MB / 6 kB = 5120 requests."""
    slight = planned(2, 8192, leak_kb_per_request=6)
    assert slight.gunicorn["max_requests"] == 5120
    assert not [warning for warning in slight.warnings if "leak" in warning]
    grave = planned(2, 8192, leak_kb_per_request=100)
    assert grave.gunicorn["max_requests"] == 308
    assert grave.warnings == [
        "A leak of 100 kB per request fills growth_mb=30 after 308 requests: starting workers takes 8.6 % of their "
        "time. Raise growth_mb, or fix the leak."
    ]


@pytest.mark.parametrize(
    ("host", "inputs", "warning"),
    [
        (
            (1, 512),
            ORM,
            "Memory holds one generation only: 2 x 238 MB exceed the 384 MB there are. "
            "A switch stops the old one before it starts the new one: requests wait, for 3 s or so.",
        ),
        ((1, 512), ORM, "One worker: while it starts again, nothing is served."),
        (
            (1.5, 8192),
            {},
            "1.5 CPU looks like a quota: once it is spent, the kernel stops everything until the next period of "
            "100 ms. A CPU weight has no such stalls.",
        ),
        (
            (64, 262144),
            {},
            "A deploy opens 418 database connections from this host; PostgreSQL offers 97 unless configured. "
            "Set db_connections, or put a pooler in between.",
        ),
        (
            (2, 8192),
            {"interface": "asgi"},
            "gunicorn's asgi worker takes every connection: 5 requests at a time are answered by each, and others "
            "wait. The rates take an event loop for one CPU that its requests share; they were not measured.",
        ),
        (
            (2, 8192),
            {"free_threaded": True},
            "An extension can switch the interpreter lock back on: ask sys._is_gil_enabled() in a worker.",
        ),
        ((2, 8192), {"slo_p99_ms": 20}, "slo_p99_ms=20 cannot be met: an idle server needs 158 ms."),
    ],
)
def test_warning(host: tuple[float, float], inputs: dict[str, Any], warning: str) -> None:
    """Each consequence that the plan can only state."""
    assert warning in planned(*host, **inputs).warnings


def test_a_goal_out_of_reach_is_served_at_no_rate() -> None:
    """4.6: and that is no error."""
    assert planned(2, 8192, slo_p99_ms=20).capacity.rps_at_slo == 0


def test_both_scarce_names_the_database() -> None:
    """80 + 4 x 150 MB twice are 1360 MB, and four connections: neither alone would help."""
    plan = planned(4, 1360 + 136 + 16, db_connections=8, thread_safe=False, memory_reserve_mb=152)
    assert plan.workers == 4
    assert plan.limiting_factor == "db_connections"
