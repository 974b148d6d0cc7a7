# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: capacity_plan
short_description: Plan workers, threads, memory and connections of a Django site on a host
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Computes one consistent plan from what a host offers and what is known about the workload. It has the numbers
    of workers and threads, the limits that the unit, the server, nginx and the database need for them, what the
    site will serve, and, in one sentence, what keeps it from serving more.
  - The plan is a pure function of its input. The same input gives the same plan, so that a template filled with
    it does not change between two runs.
  - What is pinned (O(workers), O(threads), the memory of a worker) is an input. The rest adapts, and
    RV(_value.unpinned) says what the pin costs. A sum that cannot fit is an error that names all its terms.
  - The model, its sources and its limits are described in C(docs/sizing.md) of this collection.
  - In every option, None means that it is not set.
options:
  _input:
    description:
      - Either a mapping with C(cpus) and C(memory_mb), and perhaps C(somaxconn) and C(nofile_max).
      - Or gathered facts, with or without C(ansible_) before their names. Then the smallest of
        C(processor_nproc), C(processor_vcpus) and the C(cpus) of M(pitcrew.django.capacity_facts) counts, and
        the smallest of C(memtotal_mb) and its C(memory_mb).
    type: dict
    required: true
  server:
    description: The application server.
    type: str
    choices: [gunicorn, uwsgi]
    default: gunicorn
  interface:
    description: The interface of the application. V(asgi) needs O(server=gunicorn).
    type: str
    choices: [wsgi, asgi]
    default: wsgi
  profile:
    description:
      - Which of six workloads stands in for O(cpu_ms) and O(wait_ms) until they are measured.
      - CPU and waiting in milliseconds are 20 and 0 for V(cpu), 5 and 2 for V(template), 10 and 6 for
        V(orm), 19 and 11 for V(mixed), 8 and 60 for V(api), 8 and 250 for V(slow_api).
    type: str
    choices: [cpu, template, orm, mixed, api, slow_api]
    default: mixed
  cpu_ms:
    description: CPU time of the application per request, in milliseconds. The server adds its own.
    type: float
  wait_ms:
    description: Time per request spent waiting for the database, the network or a disk, in milliseconds.
    type: float
  cv_cpu:
    description: Coefficient of variation of O(cpu_ms), at most 3. V(1) is that of an exponential distribution.
    type: float
    default: 1.0
  cv_wait:
    description: Coefficient of variation of O(wait_ms), at most 3.
    type: float
    default: 1.0
  max_request_s:
    description: Longest legitimate request, in seconds. All time-outs follow from it.
    type: float
    default: 30.0
  boot_s:
    description: Time a worker needs until it serves, in seconds.
    type: float
    default: 3.0
  drain_long_s:
    description:
      - With O(interface=asgi), how long WebSockets and streams of events may stay with a release that was replaced, in
        seconds.
    type: float
    default: 0.0
  thread_safe:
    description: Whether the application may serve several requests in one process at a time.
    type: bool
    default: true
  free_threaded:
    description: Whether the interpreter runs without its global lock. Needs O(server=gunicorn).
    type: bool
    default: false
  worker_unique_mb:
    description: Memory that a warm worker shares with no other, in MB.
    type: float
    default: 65.0
  worker_shared_mb:
    description: Memory that all workers share if the application is preloaded, in MB.
    type: float
    default: 35.0
  thread_mb:
    description: Memory of each thread beyond the first of a worker while it serves, in MB.
    type: float
    default: 2.0
  growth_mb:
    description: Memory by which a worker may grow before it is recycled, in MB.
    type: float
    default: 30.0
  leak_kb_per_request:
    description: Measured growth of a worker per request, in kB. Workers are recycled before it fills
      O(growth_mb).
    type: float
  master_mb:
    description: Memory of the process that supervises the workers, in MB.
    type: float
    default: 65.0
  preload:
    description: Whether the application is loaded once, before the workers are forked. If not, they share
      nothing.
    type: bool
    default: true
  capacity_share:
    description: Share of the host's CPUs and memory that the plan may use.
    type: float
    default: 1.0
  memory_reserve_mb:
    description: Memory of the host that no site may use, in MB. By default a tenth of it, from 128 to
      4096.
    type: float
  reload_overlap:
    description:
      - How many generations of the site exist side by side during a deploy. V(2.0) counts both slots, V(1.0)
        stops the old one first.
      - Where memory holds one generation only, the plan has RV(_value.memory.overlap_given_up) set.
    type: float
    default: 2.0
  db_connections:
    description: Connections that the database offers to all hosts of the site together. By default
      not limited.
    type: int
  db_hosts:
    description: Hosts that share O(db_connections).
    type: int
    default: 1
  db_aliases:
    description: Databases to which each thread holds a connection.
    type: int
    default: 1
  somaxconn:
    description: Longest listen queue that the kernel allows. By default that of the facts, or
      V(4096).
    type: int
  postgresql_connections:
    description:
      - C(max_connections) of a PostgreSQL on the same host. Its memory is then subtracted, and unless
        O(db_connections) is set, the site gets its part of these connections.
    type: int
  postgresql_reserved:
    description: How many of O(postgresql_connections) it reserves. Not set means 3, its default.
    type: int
  postgresql_databases:
    description: How many databases share O(postgresql_connections). Not set means 1.
    type: int
  postgresql_buffers_mb:
    description: C(shared_buffers) of that PostgreSQL, in MB. Not set means 128, its default.
    type: float
  redis_mb:
    description: How much the site's Redis on the same host may fill (C(maxmemory)), in MB.
    type: float
  redis_cache_mb:
    description: The same for a Redis that is a cache only, so that it is never written to disk.
    type: float
  processes:
    description:
      - The background processes beside the web processes, by name. Their memory and their database connections are
        subtracted from what requests get, for each generation during a deploy, as is O(processes_cpu_share) of the
        CPUs.
      - Each is a mapping. C(count) is its number of units; all that follows is of one unit. C(single) is whether it may
        exist once only, even during a deploy.
      - C(kind) is V(one) process, V(threads) of one process, a V(pool) of processes that were forked from one that had
        loaded the application, or V(separate) processes that share nothing, each of C(threads) threads.
      - C(concurrency) is how many of these there are. If it is not set, the plan chooses at most the whole CPUs of the
        site, and so few that all processes take a third of its memory at most.
      - A pool has C(attendants) beside it, processes that have loaded the application, too, and C(processes_per_slot)
        for each task. With C(runs_alone) and a concurrency of one, there are no attendants.
      - C(memory_mb) and C(database_connections) are computed unless they are set, the latter as one for each task and
        C(attendant_connections) more.
    type: dict
  processes_cpu_share:
    description: Part of the site's CPUs that all O(processes) together get while requests want them, too.
    type: float
    default: 0.2
  target_utilisation:
    description: Part of the greatest possible rate at which the response times are predicted.
    type: float
    default: 0.7
  slo_p99_ms:
    description: Time within which 99 % of the responses must come, in milliseconds. By default three times
      that of an idle server.
    type: float
  max_queue_s:
    description: Time in the listen queue beyond which a response comes too late, in seconds.
    type: float
    default: 5.0
  max_threads:
    description: Most threads of a worker, unless O(threads) is higher.
    type: int
    default: 64
  policy:
    description:
      - Who chooses workers and threads. All but V(model) are rules of thumb, clipped to what memory and
        database allow. They are included for comparison.
    type: str
    choices:
      - model
      - one_worker
      - one_worker_per_core
      - one_and_a_half_to_two_cores
      - two_n_plus_one
      - two_n_plus_one_threads_2
      - two_n_plus_one_threads_4
      - four_per_core
      - heroku
    default: model
  workers:
    description: Pin the number of workers.
    type: int
  threads:
    description: Pin the number of threads of each worker.
    type: int
  running_workers:
    description:
      - Workers of the plan in force. It is kept as long as it serves within 5 % of the best, so that noise in
        a measured input does not change production.
      - Goes with O(running_threads).
    type: int
  running_threads:
    description: Threads of the plan in force.
    type: int
seealso:
  - plugin: pitcrew.django.capacity_report
    plugin_type: filter
  - module: pitcrew.django.capacity_facts
"""

EXAMPLES = r"""
- name: Plan for a small virtual machine
  ansible.builtin.debug:
    msg: "{{ {'cpus': 2, 'memory_mb': 2048} | pitcrew.django.capacity_plan(profile='orm', db_connections=97)
      }}"

- name: Gather what the host allows its services
  pitcrew.django.capacity_facts:

- name: Plan for this host
  ansible.builtin.set_fact:
    plan: "{{ ansible_facts | pitcrew.django.capacity_plan(cpu_ms=14.2, wait_ms=31.0, worker_unique_mb=180)
      }}"

- name: Show what limits it
  pitcrew.django.report:
    text: "{{ plan | pitcrew.django.capacity_report(brief=true) }}"
"""

RETURN = r"""
_value:
  description: The plan. Times, sizes and rates carry their unit in their name.
  type: dict
  contains:
    server:
      description: The application server.
      type: str
    policy:
      description: Who chose workers and threads.
      type: str
    worker_class:
      description: Kind of worker, in gunicorn's words. One of V(sync), V(gthread) and V(asgi).
      type: str
    workers:
      description: Number of worker processes.
      type: int
    threads:
      description: Number of threads of each worker.
      type: int
    concurrency:
      description: Requests that are served at a time (slots).
      type: int
    concurrency_wanted:
      description: Slots that would keep the CPUs busy 98 % of the time.
      type: int
    wait_cpu_ratio:
      description: Waiting per CPU time of a request.
      type: float
    limiting_factor:
      description: What bounds the throughput. One of V(cpu), V(memory), V(db_connections), V(thread_safety),
        V(pinned), V(policy).
      type: str
    explanation:
      description: One sentence on the limit, with its arithmetic.
      type: str
      sample: >-
        CPU is the limit: 2 CPU / 12.7 ms of CPU per request = 157 requests/s; 9 request slots keep them busy through
        18 ms of waiting per request.
    warnings:
      description: Consequences that the plan can state but not repair.
      type: list
      elements: str
    input_source:
      description: Where C(cpu_ms) and C(wait_ms) come from. One of V(profile), V(profile and inputs),
        V(inputs).
      type: str
    kept_running:
      description: Whether the layout is the running one.
      type: bool
    capacity:
      description: What the model predicts, with the response times at C(rps_at_target).
      type: dict
      contains:
        rps_saturation: {description: Greatest possible rate., type: float}
        rps_at_target: {description: The part of it that was asked for., type: float}
        target_utilisation: {description: That part., type: float}
        mean_ms: {description: Mean response time., type: float}
        p50_ms: {description: Median response time., type: float}
        p95_ms: {description: 95th percentile., type: float}
        p99_ms: {description: 99th percentile., type: float}
        slo_p99_ms: {description: Longest good 99th percentile., type: float}
        rps_at_slo: {description: Greatest rate at which the 99th percentile stays good., type: float}
    memory:
      description: Memory that the plan counts with.
      type: dict
      contains:
        worker_mb: {description: A worker with its threads and its growth., type: float}
        steady_mb: {description: "One generation, background processes included.", type: float}
        reload_peak_mb: {description: All generations that exist side by side during a deploy., type: float}
        available_mb: {description: What the site may use., type: float}
        reserve_mb: {description: What stays with the system., type: float}
        reload_overlap: {description: Generations that exist side by side., type: float}
        overlap_given_up: {description: Whether memory holds one generation only., type: bool}
    systemd:
      description: Limits of the unit of one slot.
      type: dict
      contains:
        memory_high_mb: {description: C(MemoryHigh)., type: int}
        memory_max_mb: {description: C(MemoryMax)., type: int}
        tasks_max: {description: C(TasksMax)., type: int}
        limit_nofile: {description: C(LimitNOFILE)., type: int}
        timeout_start_s: {description: C(TimeoutStartSec)., type: int}
        timeout_stop_s: {description: C(TimeoutStopSec)., type: int}
        backlog: {description: C(Backlog) of a socket unit., type: int}
    database:
      description: Connections that this host opens.
      type: dict
      contains:
        connections_max: {description: Connections of one generation., type: int}
        connections_during_deploy: {description: Connections of all generations., type: int}
        pool_max_size: {description: Size of a pool per worker and alias. V(0) stands for no pool., type: int}
    nginx:
      description: What nginx needs for the site.
      type: dict
      contains:
        worker_processes: {description: C(worker_processes). A number or V(auto)., type: raw}
        worker_connections: {description: C(worker_connections)., type: int}
        worker_rlimit_nofile: {description: C(worker_rlimit_nofile)., type: int}
        proxy_read_timeout_s: {description: C(proxy_read_timeout) or C(uwsgi_read_timeout)., type: int}
        balancer_read_timeout_s: {description: C(proxy_read_timeout) of a balancer in front., type: int}
        max_conns: {description: C(max_conns) of the upstream server. V(0) stands for no limit., type: int}
    gunicorn:
      description: Settings under gunicorn's names. Empty for O(server=uwsgi).
      type: dict
    uwsgi:
      description: Options under uWSGI's names. Empty for O(server=gunicorn).
      type: dict
    host:
      description: What the plan used of the host.
      type: dict
      contains:
        cpus: {description: CPUs that the plan uses., type: float}
        memory_mb: {description: "Memory that the site plans with, the reserve included.", type: float}
        cpus_total: {description: CPUs of the host., type: float}
        memory_total_mb: {description: Memory of the host., type: float}
        cpus_source: {description: The fact or the file that bounds the CPUs., type: str}
        memory_source: {description: The fact or the file that bounds the memory., type: str}
        somaxconn: {description: Longest listen queue., type: int}
    unpinned:
      description: What the model would choose if nothing were pinned. V(none) if nothing is.
      type: dict
      contains:
        workers: {description: Number of workers., type: int}
        threads: {description: Number of threads of each., type: int}
        rps_saturation: {description: Greatest possible rate., type: float}
        p99_ms: {description: 99th percentile., type: float}
        rps_at_slo: {description: Greatest rate at which the 99th percentile stays good., type: float}
        cost_percent: {description: How much less the pin or the rule serves., type: float}
    processes:
      description: What one unit of each of the processes gets, by name.
      type: dict
      returned: with O(processes)
      contains:
        count: {description: Number of units., type: int}
        single: {description: Whether it may exist once only., type: bool}
        concurrency: {description: Threads of a unit of kind V(threads); processes of any other., type: int}
        threads: {description: Threads of each process., type: int}
        memory_mb: {description: Memory that the plan counts with., type: float}
        memory_high_mb: {description: C(MemoryHigh)., type: int}
        memory_max_mb: {description: C(MemoryMax)., type: int}
        tasks_max: {description: C(TasksMax)., type: int}
        cpu_weight: {description: "C(CPUWeight), where that of the web unit is 100.", type: int}
        database_connections: {description: Connections that it may hold., type: int}
    background:
      description: What one generation of all processes takes.
      type: dict
      returned: with O(processes)
      contains:
        memory_mb: {description: Memory., type: float}
        cpu_share: {description: "Part of the site's CPUs while requests want them, too.", type: float}
        database_connections: {description: Connections., type: int}
        command_mb: {description: "What a command that runs beside them, once, may take at most.", type: int}
    inputs:
      description: All inputs as understood, the defaults included.
      type: dict
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.facts import host_of
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import Inputs, SizingError
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.planning import make_plan


def capacity_plan(host: Mapping[str, Any], **inputs: Any) -> dict[str, Any]:
    try:
        return asdict(make_plan(host_of(host), Inputs.of(inputs)))
    except SizingError as error:
        raise AnsibleFilterError(f"pitcrew.django.capacity_plan: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"capacity_plan": capacity_plan}
