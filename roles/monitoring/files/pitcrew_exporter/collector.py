# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the sites of the host, and find out everything about each of them.

A site is read in a thread of its own, part by part: whatever goes wrong in one part leaves the others as they are, and
a site that takes too long is left out until it has finished.
"""

from __future__ import annotations

import calendar
import json
import os
import re
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils import host
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite, Slot
from ansible_collections.pitcrew.django.plugins.module_utils.last_run import LastRun
from ansible_collections.pitcrew.django.plugins.module_utils.lock import DeployLock
from ansible_collections.pitcrew.django.plugins.module_utils.schedules import Schedules
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd
from prometheus_client import Metric
from prometheus_client.registry import Collector

from pitcrew_exporter import VERSION
from pitcrew_exporter.catalogue import EXPORTER
from pitcrew_exporter.kernel import Kernel, Waits
from pitcrew_exporter.processes import Families, merged, worker_pids
from pitcrew_exporter.servers import GUNICORN, UWSGI, Server, ask
from pitcrew_exporter.suspicion import names_in, opened_directory

__all__ = ["SiteCollector"]

COMMAND_S = 2
SITE_S = 3
"""How long commands may take, and how long all sites together; Prometheus waits for ten seconds by default."""
NAME = re.compile(r"[a-z][a-z0-9_-]{0,23}")
PROPERTIES = ("ActiveState", "MainPID", "NRestarts", "InvocationID", "ControlGroup")
BACKUP = re.compile(r"\d{8}T\d{6}Z-before-.+")


def command(words: list[str]) -> tuple[int, str, str]:
    """Run a command for a few seconds at most; one that does not end has failed."""
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, "", str(error)
    return done.returncode, done.stdout, done.stderr


@dataclass
class Host:
    """What is asked once for all sites of the host."""

    units: Mapping[str, Mapping[str, str]]
    queues: Mapping[str, tuple[int, int]]
    servers: Mapping[Path, Mapping[str, float] | None]
    kernel: Kernel
    systemd: Systemd


@dataclass
class Memory:
    """What is kept of a site from one scrape to the next."""

    waits: dict[str, Waits] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)
    certificate: tuple[tuple[str, int, int], float] | None = None


class Reading:
    """One reading of one site, part by part."""

    def __init__(self, site: HostedSite, asked: Host, memory: Memory) -> None:
        self.site = site
        self.asked = asked
        self.memory = memory
        self.samples: list[tuple[str, dict[str, str], float]] = []
        self.processes: list[Metric] = []
        self.problems: dict[str, str] = {}
        self.record: dict[str, Any] = {}

    def run(self) -> None:
        """Read all parts."""
        parts: dict[str, Callable[[], str | None]] = {
            "site": self.read_record,
            "units": self.read_units,
            "releases": self.read_releases,
            "runs": self.read_runs,
            "queue": self.read_queue,
            "server": self.read_server,
            "kernel": self.read_kernel,
            "processes": self.read_processes,
            "background": self.read_background,
            "schedules": self.read_schedules,
            "certificate": self.read_certificate,
            "backup": self.read_backup,
            "liveness": self.read_liveness,
        }
        for part, read in parts.items():
            try:
                self.problems[part] = read() or ""
            except Exception as error:
                self.problems[part] = f"{type(error).__name__}: {error}"

    def add(self, name: str, value: float | None, **labels: str) -> None:
        """Note a value, unless there is none."""
        if value is not None:
            self.samples.append((f"pitcrew_{name}", labels, float(value)))

    def unit(self, slot: Slot) -> Mapping[str, str]:
        """What systemd says of the slot's unit."""
        return self.asked.units.get(slot.unit, {})

    @property
    def slots(self) -> list[Slot]:
        """The slots that something was deployed to."""
        return [slot for slot in self.site.slots.values() if slot.path.is_dir()]

    @property
    def running(self) -> list[tuple[Slot, Mapping[str, str]]]:
        """The slots that have processes, also those that finish the last requests, and what systemd says of them."""
        units = [(slot, self.unit(slot)) for slot in self.slots]
        return [(slot, unit) for slot, unit in units if unit.get("MainPID", "0") != "0"]

    # The parts

    def read_record(self) -> None:
        """site.json, with the plan."""
        self.record = json.loads(read_text(self.site.record) or "")
        for name, value in self.record["plan"].items():
            self.add(f"plan_{name}", value)

    def read_units(self) -> str | None:
        """What systemd says."""
        live = self.site.live
        for slot in self.slots:
            self.add("slot_live", slot is live, slot=slot.name)
            if unit := self.unit(slot):
                self.add("slot_active", unit["ActiveState"] == "active", slot=slot.name)
                self.add("unit_failed", unit["ActiveState"] == "failed", slot=slot.name)
                self.add("restarts_total", int(unit["NRestarts"] or 0), slot=slot.name)
        return None if self.asked.units else "systemd does not answer"

    def read_releases(self) -> None:
        """Which release is where, and since when."""
        for slot in self.slots:
            if slot.release:
                self.add("release_info", 1, slot=slot.name, release=slot.release, server=server_of(slot).name)
        if (live := self.site.live) and (history := self.site.releases.history()):
            times = [entry["at"] for entry in history if entry["release"] == live.release]
            if times:
                self.add(
                    "release_live_timestamp_seconds", calendar.timegm(time.strptime(times[-1], "%Y-%m-%dT%H:%M:%SZ"))
                )

    def read_runs(self) -> None:
        """How the last run ended: one that holds the site and has been silent for too long was cut off."""
        lock, last = DeployLock(self.site.root), LastRun.read(self.site.root)
        holder, silent_s = lock.holder, lock.silent_s or 0.0
        is_silent = silent_s > self.record.get("lock_expires_seconds", float("inf"))
        if holder and is_silent and not self.asked.kernel.is_locked(lock.visit_lock):
            last = LastRun(holder.by, holder.since, time.time() - silent_s, succeeded=False)
        if last:
            self.add("deploy_timestamp_seconds", last.ended)
            self.add("deploy_success", last.succeeded)
            self.add("deploy_info", 1, by=last.by)

    def read_queue(self) -> str | None:
        """How many connections wait, which no server reports of a unix socket."""
        problem = None
        for slot, unit in self.running:
            if found := self.asked.queues.get(str(slot.socket)):
                self.add("listen_queue", found[0], slot=slot.name)
                self.add("listen_queue_limit", found[1], slot=slot.name)
            elif slot is self.site.live and unit["ActiveState"] == "active":
                problem = f"nothing listens on {slot.socket}"
        return problem

    def read_server(self) -> str | None:
        """What the server's main process counts."""
        silent = []
        for slot, _unit in self.running:
            server = server_of(slot)
            answer = self.asked.servers.get(path_of(slot, server), {})
            if answer is None:
                silent.append(f"{server.name} of {slot.unit} does not answer on {server.socket}")
                continue
            for name, value in answer.items():
                self.add(f"server_{name}" + ("" if name == "workers_busy" else "_total"), value, slot=slot.name)
        return ", ".join(silent)

    def read_kernel(self) -> str | None:
        """CPU and memory of the slot, and of each worker."""
        kernel, invocations, problems = self.asked.kernel, set(), []
        for slot, unit in self.running:
            group, main_pid, invocation = kernel.group(unit["ControlGroup"]), int(unit["MainPID"]), unit["InvocationID"]
            invocations.add(invocation)
            for name, value in group.memory.items():
                self.add(name + ("_total" if name == "oom_kills" else ""), value, slot=slot.name)
            pids = group.processes
            cpu_s = group.cpu_s
            if cpu_s is None:
                # Without accounting, what a process leaves behind may be counted late, but never twice.
                cpu_s = max(kernel.cpu_s(pids, main_pid), self.memory.cpu_s.get(invocation, 0.0))
                self.memory.cpu_s[invocation] = cpu_s
            self.add("cpu_seconds_total", cpu_s, slot=slot.name)
            if waited := kernel.waited_ns(pids):
                self.add(
                    "cpu_waiting_seconds_total",
                    self.memory.waits.setdefault(invocation, Waits()).add(waited),
                    slot=slot.name,
                )
            problems += self.read_workers(slot, main_pid)
        for kept in (self.memory.cpu_s, self.memory.waits):
            for gone in kept.keys() - invocations:
                del kept[gone]
        return ", ".join(problems)

    def read_workers(self, slot: Slot, main_pid: int) -> list[str]:
        """Memory of each worker, by the number that it has noted, or else by the next one that is free."""
        workers = self.asked.kernel.workers(main_pid)
        self.add("workers", len(workers), slot=slot.name)
        with opened_directory(slot.socket.parent) as run:
            noted = worker_pids(run)
        pids = {worker.pid for worker in workers}
        names = {pid: name for pid, name in noted.items() if pid in pids}
        free = (str(number) for number in range(1, len(workers) * 2 + 1) if str(number) not in names.values())
        for worker in workers:
            name = names.get(worker.pid) or next(free)
            for kind, size in worker.memory.items():
                self.add(f"worker_{kind}_bytes", size, slot=slot.name, worker=name)
        unread = [worker for worker in workers if not worker.memory]
        return (
            [f"no memory of any worker of {slot.unit} can be read"] if workers and len(unread) == len(workers) else []
        )

    def read_processes(self) -> str | None:
        """What the processes themselves count."""
        problems = []
        for slot, _unit in self.running:
            try:
                with opened_directory(slot.socket.parent) as run:
                    metrics, found = merged(run, self.site.name, slot.name)
            except FileNotFoundError:
                continue
            self.processes += metrics
            problems += found
        return ", ".join(problems[:5])

    def read_background(self) -> str | None:
        """The background processes of the live slot; those of the other one only finish what they have."""
        live, silent = self.site.live, []
        for process, number, unit in process_units(self.record, live):
            found = self.asked.units.get(unit)
            if live is None or found is None:
                silent.append(unit)
                continue
            labels = {"slot": live.name, "process": process, "number": str(number)}
            self.add("process_active", found["ActiveState"] == "active", **labels)
            self.add("process_restarts_total", int(found["NRestarts"] or 0), **labels)
            if found["ControlGroup"]:
                memory = self.asked.kernel.group(found["ControlGroup"]).memory
                self.add("process_memory_bytes", memory.get("memory_bytes"), **labels)
                self.add("process_oom_kills_total", memory.get("oom_kills"), **labels)
        return f"systemd does not tell of {', '.join(silent)}" if silent else None

    def read_schedules(self) -> str | None:
        """Whether timers run, and how the last runs of their commands ended."""
        schedules, silent = Schedules(self.site, self.asked.systemd), []
        for name in schedule_names(self.record):
            timer = self.asked.units.get(schedules.timer(name))
            service = self.asked.units.get(schedules.service(name))
            if timer is None or service is None:
                silent.append(schedules.timer(name))
                continue
            last = schedules.last_run(name)
            failed = last.failed or service["ActiveState"] == "failed"
            self.add("schedule_active", timer["ActiveState"] == "active", schedule=name)
            self.add("schedule_success", not failed if failed or last.ended else None, schedule=name)
            self.add("schedule_last_run_timestamp_seconds", last.ended, schedule=name)
            self.add("schedule_last_success_timestamp_seconds", last.succeeded_at, schedule=name)
        return f"systemd does not tell of {', '.join(silent)}" if silent else None

    def read_certificate(self) -> None:
        """When the certificate expires; it is read again when its file has changed."""
        path = self.record.get("certificate")
        if not path:
            return
        found = os.stat(path)
        key = (path, found.st_ino, found.st_mtime_ns)
        if self.memory.certificate is None or self.memory.certificate[0] != key:
            rc, out, err = command(["openssl", "x509", "-noout", "-enddate", "-in", path])
            if rc:
                raise ValueError(err.strip() or "openssl cannot read it")
            self.memory.certificate = (key, ssl.cert_time_to_seconds(out.strip().removeprefix("notAfter=")))
        self.add("certificate_expiry_timestamp_seconds", self.memory.certificate[1])

    def read_backup(self) -> None:
        """The latest copy of the database. The directory is in one that the site's processes write to."""
        path = self.record.get("backups")
        if not path:
            return
        times = []
        try:
            with opened_directory(Path(path).parent) as state, opened_directory(Path(path).name, state) as directory:
                for name in names_in(directory):
                    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
                    if BACKUP.fullmatch(name) and stat.S_ISREG(found.st_mode):
                        times.append(found.st_mtime)
        except FileNotFoundError:
            return
        self.add("backup_timestamp_seconds", max(times, default=None))

    def read_liveness(self) -> None:
        """What the liveness probe has noted."""
        text = read_text(host.RUN / "pitcrew" / f"{self.site.name}-liveness.json")
        if text is not None:
            found = json.loads(text)
            self.add("liveness_failures", found["failures"])
            self.add("liveness_restarts_total", found["restarts"])


def record_of(site: HostedSite) -> dict[str, Any]:
    """What the site's site.json has; nothing where that cannot be read, which its own part of a reading tells."""
    try:
        found = json.loads(read_text(site.record) or "{}")
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def process_units(record: Mapping[str, Any], slot: Slot | None) -> Iterator[tuple[str, int, str]]:
    """The units of the background processes in a slot: the process, the number of the unit, and its name."""
    if slot is not None:
        for process, prefixes in record.get("processes", {}).items():
            for number, prefix in enumerate(prefixes, 1):
                yield process, number, f"{prefix}@{slot.name}.service"


def schedule_names(record: Mapping[str, Any]) -> list[str]:
    """The commands that run by calendar."""
    return list(record.get("schedules", []))


def background_units(site: HostedSite) -> Iterator[str]:
    """Everything beside the slots of a site that systemd is asked about."""
    record = record_of(site)
    yield from (unit for _process, _number, unit in process_units(record, site.live))
    for name in schedule_names(record):
        yield from (f"{site.name}-{name}.timer", f"{site.name}-{name}.service")


def server_of(slot: Slot) -> Server:
    """The server of a slot, by its settings."""
    return UWSGI if (slot.path / UWSGI.file).exists() else GUNICORN


def path_of(slot: Slot, server: Server) -> Path:
    """Where a server can be asked."""
    return slot.socket.parent / server.socket


class SiteCollector(Collector):
    """All sites of the host, for prometheus_client."""

    def __init__(self, srv: Path = Path("/srv"), kernel: Kernel | None = None, run: Any = command) -> None:
        self.srv = srv
        self.kernel = kernel or Kernel()
        self.systemd = Systemd(run)
        self.memories: dict[str, Memory] = {}
        self.threads: dict[str, threading.Thread] = {}
        self.told: dict[tuple[str, str], str] = {}

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before a scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read all sites."""
        sites = self.sites()
        readings = self.read(sites)
        by_name: dict[str, Metric] = {
            description.name: Metric(description.name.removesuffix("_total"), description.text, description.type)
            for description in EXPORTER
        }
        by_name["pitcrew_exporter_info"].add_sample("pitcrew_exporter_info", {"version": VERSION}, 1)
        families = Families()
        for site in sites:
            problems = {"time": "" if site.name in readings else f"it takes longer than {SITE_S} s"}
            if reading := readings.get(site.name):
                for name, labels, value in reading.samples:
                    # A site.json of another version may have more in its plan.
                    if name in by_name:
                        by_name[name].add_sample(name, {"site": site.name, **labels}, value)
                problems |= reading.problems
                if clash := families.add(reading.processes):
                    problems["processes"] = ", ".join(filter(None, [problems["processes"], *clash[:5]]))
            for part, problem in problems.items():
                self.tell(site.name, part, problem)
                by_name["pitcrew_scrape_error"].add_sample(
                    "pitcrew_scrape_error", {"site": site.name, "part": part}, bool(problem)
                )
        yield from (metric for metric in by_name.values() if metric.samples)
        yield from families

    def sites(self) -> list[HostedSite]:
        """The sites that were deployed to this host."""
        found = sorted(path.parent for path in self.srv.glob("*/site.json"))
        return [HostedSite(root.name, str(root)) for root in found if NAME.fullmatch(root.name)]

    def read(self, sites: list[HostedSite]) -> dict[str, Reading]:
        """Read the sites at the same time; return the readings of those that were quick enough, by name."""
        # A site that has not finished since an earlier scrape is not waited for.
        sites = [site for site in sites if not (thread := self.threads.get(site.name)) or not thread.is_alive()]
        asked = self.ask(sites)
        readings = {site.name: Reading(site, asked, self.memories.setdefault(site.name, Memory())) for site in sites}
        deadline = time.monotonic() + SITE_S
        for name, reading in readings.items():
            self.threads[name] = threading.Thread(target=reading.run, name=name, daemon=True)
            self.threads[name].start()
        for name in readings:
            self.threads[name].join(max(0.0, deadline - time.monotonic()))
        return {name: reading for name, reading in readings.items() if not self.threads[name].is_alive()}

    def ask(self, sites: list[HostedSite]) -> Host:
        """Ask systemd, the kernel and all servers, once for all sites."""
        slots = [slot for site in sites for slot in site.slots.values() if slot.path.is_dir()]
        questions = ((path_of(slot, server), server) for slot in slots for server in [server_of(slot)])
        # Each of the three mostly waits.
        with ThreadPoolExecutor(3) as pool:
            names = [*(slot.unit for slot in slots), *(unit for site in sites for unit in background_units(site))]
            units = pool.submit(self.systemd.properties_of, names, *PROPERTIES)
            queues = pool.submit(self.systemd.listen_queues)
            servers = pool.submit(ask, questions)
            return Host(units.result(), queues.result(), servers.result(), self.kernel, self.systemd)

    def tell(self, site: str, part: str, problem: str) -> None:
        """Write a problem to the journal when it is a new one."""
        # Numbers differ from scrape to scrape.
        if problem and re.sub(r"\d+", "", problem) != re.sub(r"\d+", "", self.told.get((site, part), "")):
            print(f"{site}: {part}: {problem[:500]!r}", file=sys.stderr, flush=True)
        self.told[site, part] = problem
