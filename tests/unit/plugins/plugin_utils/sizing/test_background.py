"""What background processes take of a site, what is left for requests, and what a plan says of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import Inputs, SizingError
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.planning import (
    Plan,
    PlanWithProcesses,
    as_mapping,
    make_plan,
)
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.report import report, summary
from hypothesis import given
from hypothesis import strategies as st
from sites import planned
from test_properties import EXAMPLES, hosts, sites

POOL = {"kind": "pool", "attendants": 1}
# A worker of 120 + 40 shared, and two children of 120 + 30 each; 40 + 120 + 30; and the same twice.
THREE = {"worker": {**POOL, "concurrency": 2}, "beat": {"single": True}, "mail": {"count": 2}}

# Two and a half times 40 + 120 + 30 of one process.
COMMAND = 475


def with_processes(cpus: float, memory_mb: float, **inputs: Any) -> PlanWithProcesses:
    plan = planned(cpus, memory_mb, **inputs)
    assert isinstance(plan, PlanWithProcesses)
    return plan


def test_a_site_without_processes_has_nothing_of_them_in_its_plan() -> None:
    """Neither names nor numbers; only templates find them, empty."""
    without, empty = planned(2, 4096), planned(2, 4096, processes={}, processes_cpu_share=0.5)
    assert type(without) is Plan
    assert asdict(without) == asdict(empty)
    assert not {"processes", "background"} & set(asdict(without))
    assert not {"processes", "processes_cpu_share"} & set(without.inputs)
    assert "rocesses" not in report(asdict(without)) + summary(asdict(without))
    assert as_mapping(without) == {
        "processes": {},
        "background": {"memory_mb": 0.0, "cpu_share": 0.0, "database_connections": 0, "command_mb": COMMAND},
        **asdict(without),
    }


def test_a_unit_of_each() -> None:
    plan = as_mapping(with_processes(2, 8192, processes=THREE))
    assert plan["processes"]["worker"] == {
        "count": 1,
        "single": False,
        "concurrency": 2,
        "threads": 1,
        "memory_mb": 460.0,
        "memory_high_mb": 920,
        "memory_max_mb": 1150,
        "tasks_max": 256,
        "cpu_weight": 10,
        "database_connections": 2,
    }
    assert [one["memory_mb"] for one in plan["processes"].values()] == [460, 190, 190]
    assert plan["background"] == {
        "memory_mb": 1030.0,
        "cpu_share": 0.2,
        "database_connections": 5,
        "command_mb": COMMAND,
    }


def test_memory_counts_twice_during_a_deploy_and_what_exists_once_once() -> None:
    """1030 beside one generation, and 2 x 460 + 190 + 2 x 2 x 190 = 1870 beside two."""
    without, plan = (
        planned(2, 16_384, workers=2, threads=1),
        with_processes(2, 16_384, workers=2, threads=1, processes=THREE),
    )
    assert without.memory.steady_mb == 380
    assert (plan.memory.steady_mb, plan.memory.reload_peak_mb) == (1410, 2630)


def test_connections_count_twice_during_a_deploy_too() -> None:
    plan = with_processes(2, 16_384, workers=2, threads=1, processes=THREE)
    assert (plan.database.connections_max, plan.database.connections_during_deploy) == (7, 13)
    two = with_processes(2, 16_384, workers=2, threads=1, processes=THREE, db_aliases=2)
    assert (two.database.connections_max, two.database.connections_during_deploy) == (14, 26)


def test_requests_get_the_rest_of_the_memory() -> None:
    """3686.4 - 1870 hold 2 x (80 + 4 x 150); without processes there were ten workers."""
    plan = with_processes(2, 4096, processes=THREE)
    assert (planned(2, 4096).workers, plan.workers) == (10, 4)
    # 1.1 x 2 x (80 + 4 x 154): the limit of a slot follows what its requests take.
    assert plan.systemd.memory_high_mb == 1531
    assert plan.memory.reload_peak_mb <= plan.memory.available_mb


def test_requests_are_planned_with_the_rest_of_the_cpus() -> None:
    """1.6 of 2 CPUs, and half of 4 are as many as 2."""
    plan = with_processes(2, 16_384, processes=THREE)
    assert plan.explanation.startswith(
        "CPU is the limit: 1.6 CPU (2 less 20 % for background processes) / 15.7 ms of CPU per request = 102 "
        "requests/s;"
    )
    half = with_processes(4, 65_536, processes=THREE, processes_cpu_share=0.5)
    assert half.capacity == planned(2, 65_536).capacity
    assert (half.host.cpus, half.host.cpus_total) == (4, 4)


@pytest.mark.parametrize(
    ("share", "weights"),
    # All together 25, 100 or 900 beside the web unit's 100; each has one at least.
    [(0.2, [12, 6, 6]), (0.5, [50, 25, 25]), (0.9, [450, 225, 225]), (0.01, [1, 1, 1])],
)
def test_weights_give_the_share_to_all_units_together(share: float, weights: list[int]) -> None:
    """Split by concurrency."""
    processes = {"a": {**POOL, "concurrency": 2}, "b": {}, "c": {"single": True}}
    plan = with_processes(2, 16_384, processes=processes, processes_cpu_share=share)
    assert [one.cpu_weight for one in plan.processes.values()] == weights


def test_all_units_of_a_process_have_its_weight_together() -> None:
    plan = with_processes(
        2, 16_384, processes={"a": {"count": 4}, "b": {**POOL, "concurrency": 4}}, processes_cpu_share=0.5
    )
    assert [one.cpu_weight for one in plan.processes.values()] == [12, 50]


@pytest.mark.parametrize(
    ("cpus", "memory_mb", "chosen"),
    [
        # The CPUs are the limit.
        (0.5, 65_536, 1),
        (1.9, 65_536, 1),
        (2, 65_536, 2),
        (8, 65_536, 8),
        # 2 x 2 x (160 + c x 150) is at most a third of 7372.8 for c = 3, of 3686.4 for c = 1.
        (8, 8192, 3),
        (8, 4096, 1),
        # One at least.
        (8, 2048, 1),
    ],
)
def test_a_concurrency_that_is_not_set(cpus: float, memory_mb: float, chosen: int) -> None:
    """The whole CPUs, but no more than so many that both generations of all take a third of the memory."""
    plan = with_processes(cpus, memory_mb, processes={"a": POOL, "b": POOL})
    assert [one.concurrency for one in plan.processes.values()] == [chosen, chosen]


def test_a_concurrency_that_the_database_has_connections_for() -> None:
    """A third of 97 during a deploy: 2 x 2 x 8, and of 40 for one of two hosts: 2 x 2 x 1."""
    both = {"a": POOL, "b": POOL}
    plan = with_processes(32, 65_536, processes=both, db_connections=97)
    assert [one.concurrency for one in plan.processes.values()] == [8, 8]
    plan = with_processes(32, 65_536, processes=both, db_connections=40, db_hosts=2)
    assert [one.concurrency for one in plan.processes.values()] == [1, 1]


def test_what_is_set_is_an_input() -> None:
    """One that is set is kept, and the other gets what is left of the third."""
    plan = with_processes(8, 8192, processes={"a": {**POOL, "concurrency": 6}, "b": POOL})
    assert [one.concurrency for one in plan.processes.values()] == [6, 1]
    plan = with_processes(
        2, 8192, processes={"a": {**POOL, "concurrency": 9, "memory_mb": 300, "database_connections": 1}}
    )
    assert (plan.processes["a"].concurrency, plan.processes["a"].memory_mb) == (9, 300)
    assert plan.background.database_connections == 1


def test_limits_of_a_unit_are_wider_where_its_memory_is_assumed() -> None:
    plan = with_processes(2, 8192, processes={"assumed": {}, "known": {"memory_mb": 190}})
    assumed, known = plan.processes.values()
    assert (assumed.memory_high_mb, assumed.memory_max_mb) == (380, 475)
    assert (known.memory_high_mb, known.memory_max_mb) == (209, 247)


def test_limits_leave_half_of_the_reserve_to_the_system() -> None:
    """1024 - 64, and 1024 - 32, of 2 x 460 and 2.5 x 460."""
    unit = with_processes(2, 1024, processes={"a": {**POOL, "concurrency": 2}}).processes["a"]
    assert (unit.memory_high_mb, unit.memory_max_mb) == (920, 992)


@pytest.mark.parametrize(
    ("load", "tasks_max"),
    [
        ({}, 256),
        ({"kind": "threads", "concurrency": 500}, 772),
        ({"kind": "separate", "concurrency": 20, "threads": 8}, 363),
    ],
)
def test_tasks_of_a_unit(load: dict[str, Any], tasks_max: int) -> None:
    """Half as many again as its threads, of which each process has three more."""
    assert with_processes(8, 1_000_000, processes={"a": load}).processes["a"].tasks_max == tasks_max


def test_memory_that_cannot_hold_it_is_an_error_with_each_process_as_a_term() -> None:
    with pytest.raises(SizingError) as refused:
        planned(2, 1024, processes=THREE)
    assert str(refused.value) == (
        "processes: (1024 MB - 128 MB reserve) = 896 MB cannot hold 40 MB master + 40 MB shared + 1 worker x 150 MB "
        "(120 unique + 30 growth) = 230 MB beside the background processes worker 460 MB + beat 190 MB + mail 2 x 190 "
        "MB = 1030 MB; lower count or concurrency, set memory_mb to what a unit really takes, give the site more "
        "memory, or set what its workers really take (worker_unique_mb, growth_mb)"
    )


def test_the_only_process_is_named_as_the_input_at_fault() -> None:
    with pytest.raises(SizingError) as refused:
        planned(2, 700, processes={"worker": {**POOL, "concurrency": 8}})
    assert refused.value.input_name == "processes[worker]"
    assert "beside the background processes worker 1360 MB; lower count or concurrency" in str(refused.value)


def test_processes_are_not_at_fault_where_requests_alone_do_not_fit() -> None:
    with pytest.raises(SizingError) as refused:
        planned(2, 200, processes={"worker": {}})
    assert refused.value.input_name == "memory_mb"
    assert "beside the background processes worker 190 MB; give the site more memory" in str(refused.value)


def test_connections_that_do_not_suffice_are_an_error_with_each_process_as_a_term() -> None:
    with pytest.raises(SizingError) as refused:
        planned(
            2,
            16_384,
            processes={"worker": {**POOL, "concurrency": 4}, "beat": {"single": True}},
            db_connections=30,
            db_hosts=3,
        )
    assert str(refused.value) == (
        "processes: (30 connections - 3 x (worker 2 x 4 + beat 1) of background processes) / 3 hosts / overlap 2 / 1 "
        "alias leave 0 for one generation and not one; lower count or concurrency, set database_connections to what a "
        "unit really holds, give more connections, or set reload_overlap=1 if a deploy may stop the old slot first"
    )


def test_connections_that_bound_the_site() -> None:
    """(20 - 4 - 1 - 4) / 2 are 5."""
    plan = with_processes(2, 16_384, processes=THREE, db_connections=20)
    assert plan.explanation == (
        "Database connections are the limit: (20 connections - (worker 2 x 2 + beat 1 + mail 2 x 2 x 1) of background "
        "processes) / 1 host / overlap 2 / 1 alias leave 5 for one generation, 5 of the 9 slots the CPUs could use: "
        "87 requests/s instead of 102."
    )


def test_postgresql_on_the_host_needs_memory_for_their_connections() -> None:
    """8192 - 819.2 - 128 - 32, less 5 for each of 2 x 9 connections of requests and 9 of processes, is 7077.8."""
    plan = with_processes(2, 8192, workers=2, threads=1, processes=THREE, postgresql_connections=100)
    assert plan.memory.available_mb == 7077.8


def test_memory_for_one_generation() -> None:
    plan = with_processes(8, 1024, processes={"a": POOL, "b": POOL})
    assert plan.memory.overlap_given_up
    assert plan.warnings[0] == (
        "Memory holds one generation only: 2 x 240 MB + 1240 MB of background processes exceed the 896 MB there are. A "
        "switch stops the old one before it starts the new one: requests wait, for 3 s or so."
    )
    assert plan.warnings[1] == (
        "Background processes take 69 % of the memory during a deploy: a 310 MB + b 310 MB = 620 MB. Lower "
        "concurrency or count, or set memory_mb to what a unit takes."
    )
    assert plan.explanation.startswith(
        "Memory is the limit: 276 MB beside background processes (620 MB) hold one generation (80 MB + 1 worker of "
        "160 MB)"
    )


TABLE = """\
Background processes: tasks at a time, memory, database connections
  worker                    2       460 MB     2
  beat                      1       190 MB     1  one only
  mail                      1 *     280 MB     1
  together                          930 MB     4
  during a deploy                  1670 MB     7
  They have 20 % of the CPUs while requests want them, too.
  * chosen by the plan
"""
BRIEF = """\
  processes tasks at a time: worker 2, beat 1, mail 1; the plan chose those of
            mail
            930 MB and 4 connections, 1670 MB and 7 during a deploy
            20 % of the CPUs while requests want them, too
"""


def test_what_a_plan_tells_of_processes() -> None:
    """At length in its report, and in short at each deploy."""
    plan = asdict(planned(2, 4096, processes={**THREE, "mail": {"kind": "threads", "memory_mb": 280}}))
    assert f"\n\n{TABLE}\n" in report(plan)
    assert f"\n{BRIEF}" in summary(plan)


def test_long_names_stay_in_their_columns() -> None:
    loads = {"a" * 31: {"kind": "separate", "concurrency": 64, "threads": 8, "count": 10}, "b": {"single": True}}
    told = report(asdict(planned(64, 1_000_000, processes=loads))).splitlines()
    assert f"  {'a' * 31} 10 x 64 x 8    130760 MB  5120" in told
    assert max(map(len, told)) <= 80


@pytest.mark.parametrize(
    ("processes", "message"),
    [
        ([], "processes: expected a mapping of names, got []"),
        ({"a": 3}, "processes[a]: expected a mapping, got 3"),
        ({"a": {"cuont": 2}}, "processes[a].cuont: there is no such input; did you mean count?"),
        ({"a": {"count": 0}}, "processes[a].count: expected a whole number from 1 to 1000, got 0"),
        ({"a": {"kind": "fork"}}, "processes[a].kind: expected one of one, threads, pool, separate, got 'fork'"),
        ({"a": {"single": "yes"}}, "processes[a].single: expected true or false, got 'yes'; add `| bool` to it"),
    ],
)
def test_a_process_that_is_none(processes: Any, message: str) -> None:
    with pytest.raises(SizingError) as refused:
        Inputs.of({"processes": processes})
    assert str(refused.value) == message


@given(
    hosts,
    sites(),
    st.dictionaries(
        st.sampled_from("abcd"),
        st.fixed_dictionaries(
            {
                "count": st.integers(1, 3),
                "single": st.booleans(),
                "kind": st.sampled_from(["one", "threads", "pool", "separate"]),
                "concurrency": st.one_of(st.none(), st.integers(1, 8)),
                "threads": st.integers(1, 4),
                "attendants": st.integers(0, 3),
                "runs_alone": st.booleans(),
                "processes_per_slot": st.integers(1, 2),
                "memory_mb": st.one_of(st.none(), st.floats(1, 300)),
            }
        ),
        min_size=1,
    ),
    st.floats(0.01, 0.9),
)
@EXAMPLES
def test_whatever_the_numbers(of_host: Any, inputs: Inputs, processes: dict[str, Any], share: float) -> None:
    """Everything fits together, a unit's limits are above what it takes, and a plan can be told from itself."""
    values = {**inputs.known, "processes": processes, "processes_cpu_share": share}
    try:
        plan = make_plan(of_host, Inputs.of(values))
    except SizingError:
        return
    assert isinstance(plan, PlanWithProcesses)
    memory, background = plan.memory, plan.background
    assert memory.reload_peak_mb <= memory.available_mb + 0.2
    assert memory.steady_mb >= background.memory_mb
    assert plan.database.connections_during_deploy >= plan.database.connections_max >= background.database_connections
    for unit in plan.processes.values():
        assert unit.cpu_weight >= 1
        assert unit.memory_high_mb <= unit.memory_max_mb
    told = asdict(plan)
    assert json.loads(json.dumps(told["inputs"])) == told["inputs"]
    assert Inputs.of(told["inputs"]) == Inputs.of(values)
    assert max(map(len, report(told).splitlines())) <= 80
