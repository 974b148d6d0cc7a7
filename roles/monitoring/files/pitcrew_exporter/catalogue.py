# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every metric: its name, its type, its labels, and what it is. docs/monitoring-metrics.md is tested against this."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EXPORTER", "PROCESSES", "Description"]


@dataclass(frozen=True)
class Description:
    """What a metric is. C(labels) are those beside C(site)."""

    name: str
    type: str
    labels: tuple[str, ...]
    text: str


def _gauge(name: str, labels: str, text: str) -> Description:
    return Description(f"pitcrew_{name}", "gauge", tuple(labels.split()), text)


def _counter(name: str, labels: str, text: str) -> Description:
    return Description(f"pitcrew_{name}_total", "counter", tuple(labels.split()), text)


def _histogram(name: str, labels: str, text: str) -> Description:
    return Description(f"pitcrew_{name}", "histogram", tuple(labels.split()), text)


EXPORTER = (
    _gauge("exporter_info", "version", "1; the version of the collection that the exporter comes from"),
    _gauge("scrape_error", "part", "1 if this part of the site's metrics could not be read, else 0"),
    # Slots
    _gauge("slot_active", "slot", "1 if systemd considers the slot's unit running, else 0"),
    _gauge("slot_live", "slot", "1 for the slot that gets the visitors' requests, 0 for the other one"),
    _gauge("unit_failed", "slot", "1 if the slot's unit has failed, and systemd does not start it again"),
    _counter("restarts", "slot", "How often systemd has restarted the slot's unit by itself since it was started"),
    # Releases and runs
    _gauge("release_info", "slot release server", "1; the release that the slot runs or last ran, and its server"),
    _gauge("release_live_timestamp_seconds", "", "When the live release went live"),
    _gauge("deploy_timestamp_seconds", "", "When the last deploy or rollback ended"),
    _gauge("deploy_success", "", "1 if the last deploy or rollback succeeded, 0 if it failed or was cut off"),
    _gauge("deploy_info", "by", "1; who started the last deploy or rollback"),
    # Queue and server
    _gauge("listen_queue", "slot", "Connections that wait for a worker to accept them"),
    _gauge("listen_queue_limit", "slot", "How many connections can wait; nginx answers 502 to any more"),
    _counter("server_requests", "slot", "Requests that the workers have handled, as uWSGI counts them"),
    _gauge("server_workers_busy", "slot", "Workers that handle at least one request, as uWSGI counts them"),
    _counter("server_worker_starts", "slot", "Workers that the server has started since its own start"),
    # CPU and memory
    _counter("cpu_seconds", "slot", "CPU time of the slot's processes, in user and kernel mode"),
    _counter("cpu_waiting_seconds", "slot", "Time that threads of the slot were ready to run and had no CPU"),
    _gauge("memory_bytes", "slot", "Memory of the slot's control group, with the files that it has cached"),
    _gauge("memory_high_bytes", "slot", "Memory above which the kernel slows the slot down (MemoryHigh)"),
    _gauge("memory_max_bytes", "slot", "Memory above which the kernel kills a process of the slot (MemoryMax)"),
    _counter("oom_kills", "slot", "Processes of the slot that the kernel has killed for lack of memory"),
    _gauge("workers", "slot", "Child processes of the server's main process"),
    _gauge("worker_pss_bytes", "slot worker", "A worker's memory, with its part of what it shares with others"),
    _gauge("worker_private_bytes", "slot worker", "A worker's memory that it shares with no other process"),
    # Background processes and schedules
    _gauge("process_active", "slot process number", "1 if the unit of the background process runs, else 0"),
    _counter("process_restarts", "slot process number", "How often systemd has restarted the unit by itself"),
    _gauge("process_memory_bytes", "slot process number", "Memory of the unit's control group, with cached files"),
    _counter("process_oom_kills", "slot process number", "Its processes that were killed for lack of memory"),
    _gauge("schedule_active", "schedule", "1 if the timer of the schedule runs, else 0"),
    _gauge("schedule_success", "schedule", "1 if the last run of the schedule succeeded, 0 if it failed"),
    _gauge("schedule_last_run_timestamp_seconds", "schedule", "When the last run of the schedule ended"),
    _gauge("schedule_last_success_timestamp_seconds", "schedule", "When a run of the schedule last succeeded"),
    # The plan
    _gauge("plan_workers", "", "Worker processes that are planned"),
    _gauge("plan_threads", "", "Threads of each worker that are planned"),
    _gauge("plan_request_slots", "", "Requests that can be handled at the same time"),
    _gauge("plan_backlog", "", "Requests that may wait for a worker"),
    _gauge("plan_worker_memory_bytes", "", "Memory that one worker is expected to use for itself"),
    _gauge("plan_memory_max_bytes", "", "MemoryMax of a slot"),
    _gauge("plan_p99_seconds", "", "99th percentile of response times that is predicted at the planned rate"),
    _gauge("plan_requests_per_second", "", "The planned rate: what the site answers with room to spare"),
    _gauge("plan_request_timeout_seconds", "", "The longest that a request may take (site_request_timeout)"),
    _gauge("plan_database_connections", "", "Database connections of one slot at most"),
    # What ends some day
    _gauge("certificate_expiry_timestamp_seconds", "", "When the certificate of site_tls_certificate expires"),
    _gauge("backup_timestamp_seconds", "", "When the latest copy of the database was made (site_backup)"),
    # Process watch
    _gauge("liveness_failures", "", "Liveness probes in a row that have failed up to now"),
    _counter("liveness_restarts", "", "Restarts by the liveness probe since the host was booted"),
)
"""What the exporter itself finds out."""

PROCESSES = (
    _histogram("request_duration_seconds", "slot route status", "How long a request took in its worker"),
    _counter("request_cpu_seconds", "slot route", "CPU time of the thread that handled a request"),
    _histogram("request_queue_seconds", "slot", "How long a request waited from nginx to its worker"),
    _gauge("requests_in_progress", "slot", "Requests that workers are handling now"),
    _counter("worker_starts", "slot", "Workers that were forked"),
)
"""What processes count (site_metrics). No other metric of a process may begin with C(pitcrew_)."""
