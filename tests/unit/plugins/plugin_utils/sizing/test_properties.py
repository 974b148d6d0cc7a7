# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every host and every site, whatever the numbers."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import (
    POLICIES,
    PROFILES,
    Host,
    Inputs,
    SizingError,
)
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.planning import Plan, make_plan
from form import LONG
from hypothesis import assume, given, settings
from hypothesis import strategies as st

EXAMPLES = settings(max_examples=400 if LONG else 60, deadline=None, derandomize=True)

TOLERANCE = 0.05
"""More of a resource may cost as much as that: the rules step from one shape to another on a flat plateau."""

ROUNDING_MB = 0.1

hosts = st.builds(
    Host,
    cpus=st.one_of(st.sampled_from([0.05, 0.5, 1.0, 2.0, 4.0, 8.0, 64.0, 256.0, 4096.0]), st.floats(0.05, 64)),
    memory_mb=st.one_of(st.floats(128, 65_536), st.floats(65_536, 16_000_000)),
    somaxconn=st.one_of(st.none(), st.integers(1, 65_535)),
    nofile_max=st.one_of(st.none(), st.integers(1024, 1_048_576)),
)


@st.composite
def sites(draw: st.DrawFn, pinned: bool = True) -> Inputs:
    """Draw a site; the combinations that are refused by name are tested elsewhere."""
    interface = draw(st.sampled_from(["wsgi", "wsgi", "asgi"]))
    server = "gunicorn" if interface == "asgi" else draw(st.sampled_from(["gunicorn", "uwsgi"]))
    thread_safe = draw(st.booleans())
    values: dict[str, Any] = {
        "server": server,
        "interface": interface,
        "profile": draw(st.sampled_from(list(PROFILES))),
        "cpu_ms": draw(st.one_of(st.none(), st.floats(0.1, 2_000))),
        "wait_ms": draw(st.one_of(st.none(), st.floats(0, 5_000))),
        "cv_cpu": draw(st.floats(0, 3)),
        "cv_wait": draw(st.floats(0, 3)),
        "thread_safe": thread_safe,
        "free_threaded": server == "gunicorn" and draw(st.booleans()),
        "worker_unique_mb": draw(st.floats(1, 1_000)),
        "thread_mb": draw(st.floats(0, 50)),
        "growth_mb": draw(st.floats(0, 200)),
        "leak_kb_per_request": draw(st.one_of(st.none(), st.floats(0.01, 1_000))),
        "preload": draw(st.booleans()),
        "capacity_share": draw(st.sampled_from([1.0, 0.5, 0.1])),
        "reload_overlap": draw(st.sampled_from([1.0, 1.5, 2.0])),
        "db_connections": draw(st.one_of(st.none(), st.integers(1, 2_000))),
        "db_hosts": draw(st.integers(1, 5)),
        "db_aliases": draw(st.integers(1, 3)),
        "target_utilisation": draw(st.floats(0.05, 0.95)),
        "slo_p99_ms": draw(st.one_of(st.none(), st.floats(1, 10_000))),
        "boot_s": draw(st.floats(0.1, 120)),
        "max_threads": draw(st.integers(1, 128)),
    }
    if pinned:
        values["policy"] = draw(st.sampled_from(POLICIES))
        if values["policy"] == "model":
            values["workers"] = draw(st.one_of(st.none(), st.integers(1, 64)))
            if interface == "wsgi":
                values["threads"] = draw(st.one_of(st.none(), st.integers(1, 16 if thread_safe else 1)))
    return Inputs.of(values)


def plan_or_skip(host: Host, inputs: Inputs) -> Plan:
    """Plan, or skip the example where nothing fits."""
    try:
        return make_plan(host, inputs)
    except SizingError:
        assume(False)
        raise


@EXAMPLES
@given(hosts, sites())
def test_a_plan_or_the_one_error(host: Host, inputs: Inputs) -> None:
    """Valid input never raises anything but the documented error."""
    try:
        plan = make_plan(host, inputs)
    except SizingError as refused:
        name = str(refused).partition(":")[0]
        assert name in {"memory_mb", "db_connections", "workers", "threads"}
    else:
        assert plan.workers >= 1
        assert plan.threads >= 1
        assert plan.concurrency >= plan.workers
        assert plan.explanation.endswith(".")
        assert 0 <= plan.capacity.p50_ms <= plan.capacity.p95_ms <= plan.capacity.p99_ms


@EXAMPLES
@given(hosts, sites())
def test_never_more_memory_than_there_is(host: Host, inputs: Inputs) -> None:
    """6.1: not even while two generations run."""
    memory = plan_or_skip(host, inputs).memory
    assert memory.reload_peak_mb <= memory.available_mb + ROUNDING_MB
    assert memory.available_mb <= host.memory_mb * inputs.capacity_share + ROUNDING_MB


@EXAMPLES
@given(hosts, sites())
def test_never_more_connections_than_the_budget(host: Host, inputs: Inputs) -> None:
    """6.1: not even while two generations run."""
    assume(inputs.db_connections is not None)
    plan = plan_or_skip(host, inputs)
    assert inputs.db_connections is not None
    assert plan.database.connections_during_deploy <= inputs.db_connections / inputs.db_hosts + 1
    assert plan.concurrency * inputs.db_aliases * inputs.db_hosts * plan.memory.reload_overlap <= inputs.db_connections
    assert plan.database.pool_max_size <= plan.threads or inputs.interface == "asgi"


@EXAMPLES
@given(hosts, sites())
def test_the_same_input_gives_the_same_answer_and_it_is_plain(host: Host, inputs: Inputs) -> None:
    """A template that is filled twice is the same, and JSON holds it."""
    answer = asdict(plan_or_skip(host, inputs))
    assert answer == asdict(make_plan(host, inputs))
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


@EXAMPLES
@given(hosts, sites())
def test_limits_of_the_unit_hold_what_is_planned(host: Host, inputs: Inputs) -> None:
    """7: no limit is in the way of the plan itself."""
    plan = plan_or_skip(host, inputs)
    assert plan.systemd.memory_high_mb + 1 >= plan.memory.steady_mb
    assert plan.systemd.memory_high_mb <= plan.systemd.memory_max_mb <= host.memory_mb
    assert plan.systemd.tasks_max > plan.workers * plan.threads
    assert plan.systemd.timeout_stop_s > inputs.max_request_s
    assert plan.nginx.proxy_read_timeout_s > inputs.max_request_s


def serves_no_less(less: Plan, more: Plan) -> bool:
    """Compare what can be served, as long as a deploy may still run both slots, or still may not."""
    if less.memory.reload_overlap != more.memory.reload_overlap:
        return True
    return more.capacity.rps_saturation >= (1 - TOLERANCE) * less.capacity.rps_saturation - 0.1


@EXAMPLES
@given(hosts, sites(pinned=False), st.floats(1, 8))
def test_more_cpus_serve_no_less(host: Host, inputs: Inputs, factor: float) -> None:
    """The plan is monotone in CPUs."""
    assert serves_no_less(plan_or_skip(host, inputs), plan_or_skip(replace(host, cpus=factor * host.cpus), inputs))


@EXAMPLES
@given(hosts, sites(pinned=False), st.floats(1, 8))
def test_more_memory_serves_no_less(host: Host, inputs: Inputs, factor: float) -> None:
    """The plan is monotone in memory, but for the step of 6.3."""
    more = replace(host, memory_mb=factor * host.memory_mb)
    assert serves_no_less(plan_or_skip(host, inputs), plan_or_skip(more, inputs))


@EXAMPLES
@given(hosts, sites(pinned=False), st.integers(1, 100))
def test_more_connections_serve_no_less(host: Host, inputs: Inputs, more: int) -> None:
    """The plan is monotone in connections."""
    assume(inputs.db_connections is not None)
    assert inputs.db_connections is not None
    raised = replace(inputs, db_connections=inputs.db_connections + more)
    assert serves_no_less(plan_or_skip(host, inputs), plan_or_skip(host, raised))


@EXAMPLES
@given(hosts, sites(pinned=False))
def test_a_kept_layout_is_nearly_as_good(host: Host, inputs: Inputs) -> None:
    """5.7: whatever is kept."""
    best = plan_or_skip(host, inputs)
    running = replace(inputs, running_workers=best.workers + 1, running_threads=best.concurrency // best.workers)
    kept = make_plan(host, running)
    assert kept.capacity.rps_at_slo >= 0.95 * best.capacity.rps_at_slo - 0.1


@EXAMPLES
@given(hosts, sites(pinned=False))
def test_the_limit_that_is_named_is_the_one_to_lift(host: Host, inputs: Inputs) -> None:
    """2.2: lifting the other instead serves no more."""
    plan = plan_or_skip(host, inputs)
    assume(plan.limiting_factor in {"memory", "db_connections"})
    if plan.limiting_factor == "memory":
        lifted = make_plan(replace(host, memory_mb=1e9), inputs)
    else:
        lifted = make_plan(host, replace(inputs, db_connections=None))
    other = make_plan(
        host if plan.limiting_factor == "memory" else replace(host, memory_mb=1e9),
        replace(inputs, db_connections=None) if plan.limiting_factor == "memory" else inputs,
    )
    assert lifted.capacity.rps_saturation >= 0.97 * other.capacity.rps_saturation - 0.1
