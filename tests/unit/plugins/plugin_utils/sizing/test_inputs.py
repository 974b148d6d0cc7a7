# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which inputs are allowed, and the messages for those that are not."""

from __future__ import annotations

import ast
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing import inputs as module
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.facts import host_of
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import Inputs, SizingError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"cpu_ms": "12"},
            "cpu_ms: expected a number above 0 and at most 600000, got the text '12'; add `| float` to it",
        ),
        ({"db_hosts": "2"}, "db_hosts: expected a whole number from 1 to 100000, got the text '2'; add `| int` to it"),
        ({"cpu_ms": True}, "cpu_ms: expected a number above 0 and at most 600000, got True"),
        ({"cpu_ms": 0}, "cpu_ms: expected a number above 0 and at most 600000, got 0"),
        ({"cpu_ms": [1]}, "cpu_ms: expected a number above 0 and at most 600000, got [1]"),
        ({"wait_ms": -1}, "wait_ms: expected a number from 0 to 3600000, got -1"),
        ({"cv_wait": 3.1}, "cv_wait: expected a number from 0 to 3, got 3.1"),
        ({"wait_ms": math.nan}, "wait_ms: expected a number from 0 to 3600000, got nan"),
        ({"wait_ms": math.inf}, "wait_ms: expected a number from 0 to 3600000, got inf"),
        ({"target_utilisation": 1.2}, "target_utilisation: expected a number from 0.05 to 0.95, got 1.2"),
        ({"capacity_share": 0}, "capacity_share: expected a number above 0 and at most 1, got 0"),
        (
            {"db_connections": 48.5},
            "db_connections: expected a whole number from 1 to 1000000, got 48.5; add `| int` to round it down",
        ),
        ({"workers": 0}, "workers: expected a whole number from 1 to 100000, got 0"),
        ({"thread_safe": "yes"}, "thread_safe: expected true or false, got 'yes'; add `| bool` to it"),
        ({"thread_safe": 3.5}, "thread_safe: expected true or false, got 3.5"),
        ({"server": "waitress"}, "server: expected one of gunicorn, uwsgi, got 'waitress'"),
        ({"profile": "ORM"}, "profile: expected one of cpu, template, orm, mixed, api, slow_api, got 'ORM'"),
        (
            {"policy": "2n+1"},
            "policy: expected one of model, one_worker, one_worker_per_core, one_and_a_half_to_two_cores, "
            "two_n_plus_one, two_n_plus_one_threads_2, two_n_plus_one_threads_4, four_per_core, heroku, got '2n+1'",
        ),
        ({"wokers": 3}, "wokers: there is no such input; did you mean workers?"),
        (
            {"server": "uwsgi", "interface": "asgi"},
            "interface: uWSGI does not support 'asgi'; use server='gunicorn' or interface='wsgi'",
        ),
        (
            {"server": "uwsgi", "free_threaded": True},
            "free_threaded: uWSGI needs the interpreter lock; use server='gunicorn'",
        ),
        ({"interface": "asgi", "threads": 4}, "threads: 4 has no effect with 'asgi'; leave it out"),
        ({"thread_safe": False, "threads": 4}, "threads: 4 contradicts thread_safe=false; change one of them"),
        (
            {"policy": "heroku", "workers": 4},
            "workers: 4 and policy='heroku' choose the same thing; leave one of them out",
        ),
        (
            {"policy": "heroku", "threads": 2},
            "threads: 2 and policy='heroku' choose the same thing; leave one of them out",
        ),
        ({"running_workers": 4}, "running_threads: missing; give running_workers and running_threads, or neither"),
        ({"running_threads": 4}, "running_workers: missing; give running_workers and running_threads, or neither"),
    ],
)
def test_what_may_not_be_said(values: dict[str, Any], message: str) -> None:
    """One sentence: the name, what is allowed, the value, and the way out."""
    with pytest.raises(SizingError) as refused:
        Inputs.of(values)
    assert str(refused.value) == message


def test_an_unknown_name_without_a_near_one_lists_what_there_is() -> None:
    """No guess is better than a wild one."""
    with pytest.raises(SizingError, match=r"^zzz: there is no such input; the inputs are server, interface, profile, "):
        Inputs.of({"zzz": 1})


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (None, "host: expected a mapping of cpus and memory_mb or gathered facts, got None"),
        ({"cpus": 2}, "memory_mb: missing; give both cpus and memory_mb, or gathered facts"),
        ({"cpus": None, "memory_mb": 1024}, "cpus: missing; give both cpus and memory_mb, or gathered facts"),
        (
            {"cpus": "2", "memory_mb": 1024},
            "cpus: expected a number from 0.01 to 65536, got the text '2'; add `| float` to it",
        ),
        ({"cpus": 0, "memory_mb": 1024}, "cpus: expected a number from 0.01 to 65536, got 0"),
        ({"cpus": 2, "memory_mb": False}, "memory_mb: expected a number from 1 to 1000000000, got False"),
        (
            {},
            "cpus: not in the facts, which offer none of processor_nproc, processor_vcpus, pitcrew_capacity.cpus; "
            "gather facts first, or give a mapping of cpus and memory_mb",
        ),
        (
            {"processor_nproc": 2},
            "memory_mb: not in the facts, which offer none of memtotal_mb, pitcrew_capacity.memory_mb; "
            "gather facts first, or give a mapping of cpus and memory_mb",
        ),
        (
            {"processor_nproc": "2", "memtotal_mb": 1024},
            "cpus: the fact processor_nproc is '2' and not a number; gather facts again",
        ),
    ],
)
def test_what_may_not_be_a_host(host: Any, message: str) -> None:
    """The left side of the filter is checked like its arguments."""
    with pytest.raises(SizingError) as refused:
        host_of(host)
    assert str(refused.value) == message


def test_none_means_not_said() -> None:
    """A variable without a value is as good as none."""
    assert Inputs.of({field.name: None for field in fields(Inputs)}) == Inputs()


def test_whole_numbers_may_come_from_a_division() -> None:
    """In Jinja 96 / 2 is 48.0."""
    assert Inputs.of({"db_connections": 96 / 2}).db_connections == 48


@pytest.mark.parametrize(
    ("values", "source", "cpu_ms", "wait_ms"),
    [
        ({}, "profile", 19.7, 11),
        ({"profile": "orm"}, "profile", 10.7, 6),
        ({"server": "uwsgi"}, "profile", 19.2, 11),
        ({"cpu_ms": 9}, "profile and inputs", 9.7, 11),
        ({"cpu_ms": 9, "wait_ms": 0}, "inputs", 9.7, 0),
    ],
)
def test_times_of_a_request(values: dict[str, Any], source: str, cpu_ms: float, wait_ms: float) -> None:
    """3.4: profile or inputs, and the CPU of the server on top."""
    inputs = Inputs.of(values)
    assert inputs.source == source
    assert inputs.cpu_per_request_ms == pytest.approx(cpu_ms)
    assert inputs.wait_per_request_ms == wait_ms


FACTS = {"processor_nproc": 4, "processor_vcpus": 8, "memtotal_mb": 7950, "memory_mb": {"real": {"total": 7950}}}
CAPACITY = {
    "cpus": 1.5,
    "memory_mb": 2048,
    "somaxconn": 512,
    "nofile_max": 20000,
    "limits": [
        {"resource": "cpus", "source": "/sys/devices/system/cpu/online", "value": 8},
        {"resource": "cpus", "source": "/sys/fs/cgroup/cpu.max", "value": 1.5},
        {"resource": "memory_mb", "source": "/sys/fs/cgroup/memory.max", "value": 2048},
    ],
}


@pytest.mark.parametrize("prefix", ["", "ansible_"])
def test_the_smallest_fact_counts(prefix: str) -> None:
    """3.1 and 3.2, with the facts of ansible.builtin.setup."""
    host = host_of({prefix + name: value for name, value in FACTS.items()})
    assert (host.cpus, host.cpus_source) == (4, "processor_nproc")
    assert (host.memory_mb, host.memory_source) == (7950, "memtotal_mb")
    assert host.somaxconn is None


@pytest.mark.parametrize("name", ["pitcrew_capacity", "ansible_pitcrew_capacity"])
def test_the_limits_of_the_host_count_where_they_are_smaller(name: str) -> None:
    """3.1 and 3.2, with the facts of capacity_facts."""
    host = host_of({**FACTS, name: CAPACITY})
    assert (host.cpus, host.cpus_source) == (1.5, "/sys/fs/cgroup/cpu.max")
    assert (host.memory_mb, host.memory_source) == (2048, "/sys/fs/cgroup/memory.max")
    assert (host.somaxconn, host.nofile_max) == (512, 20000)


def test_the_model_knows_nothing_of_ansible() -> None:
    """It can be read, run and tested without."""
    for path in Path(module.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names.append(node.module or "")
            assert not [name for name in names if name.startswith("ansible")], path.name
