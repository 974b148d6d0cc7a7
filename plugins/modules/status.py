#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: status
short_description: Report the state of a site on a host
version_added: 0.1.0
description:
  - Inspects the live slot, its unit and its processes, sends the requests of O(health) on the slot's own socket and
    through the proxy, and compares what it finds with what was deployed and with what the inventory wants.
  - Counts responses of the last day, or since the slot went live, that nginx turned into a 502 for their long headers.
  - Reports what is wrong, one sentence per fault, with what to do about it. Changes nothing, and does not fail if the
    site is unhealthy.
author:
  - The pitcrew.django maintainers (@pitcrew)
extends_documentation_fragment:
  - pitcrew.django.health
  - pitcrew.django.health.proxy
  - pitcrew.django.site
attributes:
  check_mode:
    description: Does the same.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  name:
    description: The site's name.
    type: str
    required: true
  root:
    description: The site's directory on the host.
    type: path
    required: true
  boot_unit:
    description: The text of the unit that starts the live slot at boot, as for M(pitcrew.django.switch).
    type: str
    required: true
  workers:
    description: How many worker processes are planned. Without it, they are counted but not compared.
    type: int
  differences:
    description:
      - What differs between the live slot and the inventory, as M(pitcrew.django.switch) returns it in check mode.
    type: list
    elements: str
    default: []
  pending:
    description: Migrations that are not applied, as M(pitcrew.django.migrations) returns them.
    type: list
    elements: str
    default: []
  unknown:
    description: Migrations that the release does not know, as M(pitcrew.django.migrations) returns them.
    type: list
    elements: str
    default: []
  problems:
    description: What could not be determined, in sentences.
    type: list
    elements: str
    default: []
  monitored:
    description: Whether the inventory has hosts that monitor the site, so that its metrics have to be read.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Inspect the site
  pitcrew.django.status:
    name: shop
    root: /srv/shop
    boot_unit: "{{ lookup('ansible.builtin.template', 'boot.service.j2') }}"
    workers: 9
    health:
      host: shop.example.com
      path: /healthz/
  register: found

- name: Show what is wrong with it
  ansible.builtin.debug:
    var: found.status.complaints
"""

RETURN = r"""
status:
  description: The state of the site. Values that are not known are null.
  returned: success
  type: dict
  contains:
    site:
      description: The site's name.
      type: str
    healthy:
      description: Whether there are no complaints.
      type: bool
    complaints:
      description: What is wrong, in sentences.
      type: list
      elements: str
    notes:
      description: What is worth knowing, in sentences.
      type: list
      elements: str
    slot:
      description: The live slot.
      type: str
    release:
      description: The live release.
      type: str
    since:
      description: When it went live.
      type: str
    by:
      description: Who deployed it.
      type: str
    state:
      description: The state of its unit according to systemd, for example C(active) or C(start-limit-hit).
      type: str
    restarts:
      description: How often systemd has restarted the unit by itself.
      type: int
    liveness_restarts:
      description:
        - How often C(shop-liveness.timer) has restarted the live slot since the host was booted, because it did not
          answer. Null if there is no such timer.
      type: int
    workers:
      description: How many worker processes run, and how many are planned.
      type: dict
    memory_mb:
      description: Memory of the unit in MB, and its limit.
      type: dict
    oom_kills:
      description: How many of its processes were killed for lack of memory since the unit started.
      type: int
    response_ms:
      description: How long a healthy response took in ms, on the slot's own socket and through the proxy.
      type: dict
    edited:
      description: Files that differ from what was deployed.
      type: list
      elements: str
    drop_ins:
      description: Drop-in files of the unit.
      type: list
      elements: str
    differences:
      description: What differs between the live slot and the inventory.
      type: list
      elements: str
    pending:
      description: Migrations that are not applied.
      type: list
      elements: str
    unknown:
      description: Migrations that the release does not know.
      type: list
      elements: str
    releases:
      description: Releases that a rollback can return to, the latest first.
      type: list
      elements: str
    lock:
      description: The run that holds the lock, if any.
      type: str
    processes:
      description:
        - The units of the site's background processes on this host, each with the name of its C(process), its C(unit),
          its C(state), how often systemd has restarted it (C(restarts)), and its memory and the limit of that
          (C(memory_mb)).
        - A unit that is C(restarting) has exited and is about to be started again. One that is C(draining) belongs to
          the release before, and finishes what it has.
      type: list
      elements: dict
      sample:
        - {process: rq, unit: shop-rq@blue.service, state: active, restarts: 0, memory_mb: {now: 85.2, most: 200.0}}
    services:
      description: The services of the site on this host, each with its C(service), C(state) and C(use).
      type: list
      elements: dict
      sample: [{service: PostgreSQL 15, state: running, use: "database shop: 8 MB, 5 connections"}]
    schedules:
      description:
        - The commands that run by calendar on this host, each with its C(schedule), C(state), and the times of its
          C(last) run and its C(next) one.
        - The state is C(running), C(succeeded) or C(failed) as the last run, C(waiting) for the first one, or C(off).
      type: list
      elements: dict
      sample: [{schedule: report, state: succeeded, last: "2026-11-30T03:00:12Z", next: "2026-12-01T03:00:41Z"}]
"""

import calendar
import http.client
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils import host
from ansible_collections.pitcrew.django.plugins.module_utils.demands import Demands, what_stays
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text
from ansible_collections.pitcrew.django.plugins.module_utils.health import HEALTH_SPEC, HealthCheck
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite, Slot
from ansible_collections.pitcrew.django.plugins.module_utils.last_run import LastRun
from ansible_collections.pitcrew.django.plugins.module_utils.lock import DeployLock, when
from ansible_collections.pitcrew.django.plugins.module_utils.migrations import warning_of_changes
from ansible_collections.pitcrew.django.plugins.module_utils.nginx_log import requests_with_long_headers
from ansible_collections.pitcrew.django.plugins.module_utils.process_watch import ProcessWatch
from ansible_collections.pitcrew.django.plugins.module_utils.schedules import Schedules
from ansible_collections.pitcrew.django.plugins.module_utils.schedules import examine as examine_schedules
from ansible_collections.pitcrew.django.plugins.module_utils.services import SERVICES, examine, read_services
from ansible_collections.pitcrew.django.plugins.module_utils.site_state import packages_installed
from ansible_collections.pitcrew.django.plugins.module_utils.slot_processes import ProcessUnit, SlotProcesses, predicate
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd
from ansible_collections.pitcrew.django.plugins.module_utils.waiting_room import WaitingRoom, uptime

CGROUPS = Path("/sys/fs/cgroup")
MB = 1 << 20
DAY_S = 86400
EXPORTER = "pitcrew-exporter.socket"
# Many times the interval at which Prometheus usually reads.
UNREAD_S = 600
# A process that was restarted more often than that, and has not run for so long since, does not stay up.
RESTARTS_SEEN = 3
STEADY_S = 600
STOPPED = ("", "inactive", "failed")
PROPERTIES = (
    *("ActiveState", "Result", "NRestarts", "NeedDaemonReload", "DropInPaths"),
    *("InactiveExitTimestampMonotonic", "ExecMainExitTimestampMonotonic"),
    *("ControlGroup", "MemoryCurrent", "MemoryMax"),
)

PROCESS_PROPERTIES = (
    *PROPERTIES,
    *("SubState", "ExecMainStartTimestampMonotonic", "ActiveExitTimestampMonotonic"),
)


def counted(number: int, one: str, more: str) -> str:
    """Write a number with its noun."""
    return f"{number} {one if number == 1 else more}"


def state_of(unit: dict[str, str]) -> str:
    """Return the state of a unit, or the reason if it has failed.

    For a unit that it has given up on, systemd keeps reporting the reason of the last exit. But such a unit was about
    to be started again after that exit, and a unit that failed in another way, such as by a slow stop, was not (systemd
    252 to 257).
    """
    if unit["ActiveState"] != "failed":
        return unit["ActiveState"] or "inactive"
    to_start, ended = (int(unit[f"{event}TimestampMonotonic"] or 0) for event in ("InactiveExit", "ExecMainExit"))
    return "start-limit-hit" if to_start > ended else unit["Result"]


def state_of_process(unit: dict[str, str], is_live: bool) -> str:
    """Return the state of the unit of a background process, in the live slot or in the other one."""
    if unit["SubState"].startswith("auto-restart"):
        return "restarting"
    return "draining" if unit["ActiveState"] == "deactivating" and not is_live else state_of(unit)


def megabytes(size: str) -> float | None:
    """The MB of a size as systemd prints it; None for the words and the huge number that stand for no value."""
    return round(int(size) / MB, 1) if size.isdigit() and int(size) < 1 << 60 else None


def oom_kills(group: str) -> int | None:
    """How many processes of a control group (version 2 or 1) the kernel has killed for lack of memory."""
    if not group:  # The unit does not run: the path would be that of the host's own group.
        return None
    for file in (CGROUPS / f".{group}" / "memory.events", CGROUPS / "memory" / f".{group}" / "memory.oom_control"):
        if found := re.search(r"^oom_kill (\d+)$", read_text(file) or "", re.MULTILINE):
            return int(found.group(1))
    return None


class Examination:
    """One inspection of a site."""

    def __init__(self, params: dict[str, Any], systemd: Systemd) -> None:
        self.params = params
        self.systemd = systemd
        self.site = HostedSite(params["name"], params["root"])
        self.complaints: list[str] = list(params["problems"])
        self.notes: list[str] = []

    def status(self) -> dict[str, Any]:
        """Inspect the site and return its status."""
        live, holder = self.site.live, DeployLock(self.site.root).holder
        if holder:
            self.notes.append(f"The site is being deployed by {holder}, unless that run was cut off.")
        self.see_last_run()
        self.see_monitoring()
        if WaitingRoom(self.site, self.systemd).exists:
            self.complaints.append(
                "Requests are waiting for a slot to start: a switch is under way; if none is, deploy again"
            )
        found = self.of(live) if live else self.of_nothing()
        processes = self.processes(live, found["since"])
        services = self.services()
        schedules, problems = examine_schedules(Schedules(self.site, self.systemd))
        self.complaints += problems
        return {
            "site": self.site.name,
            "healthy": not self.complaints,
            "complaints": self.complaints,
            "notes": self.notes,
            "lock": str(holder) if holder else None,
            "services": services,
            "schedules": schedules,
            "processes": processes,
            **found,
        }

    def services(self) -> list[dict[str, str]]:
        """Return how the services of the site on this host are."""
        wanted = self.params["services"]
        if not wanted:
            return []
        found = read_services(self.site.name, wanted, packages_installed())
        rows, complaints = examine(self.site.name, found)
        self.complaints += complaints
        return rows

    def processes(self, live: Slot | None, since: str | None) -> list[dict[str, Any]]:
        """Return the state of the site's background processes: of the live slot, and of the other one if they run."""
        every, idle = SlotProcesses(self.site, self.systemd), self.site.idle
        of_live, of_idle = every.of(live), every.of(idle) if live else {}
        units = {**of_live, **of_idle}
        told = self.systemd.properties_of(units, *PROCESS_PROPERTIES) if units else {}
        found = {name: {**dict.fromkeys(PROCESS_PROPERTIES, ""), **told.get(name, {})} for name in units}
        rows = []
        for name, unit in units.items():
            process, state = every.process(unit), state_of_process(found[name], name in of_live)
            if name in of_live:
                self.see_process(name, process, state, since, found[name])
            elif found[name]["ActiveState"] in STOPPED:
                continue
            memory = {"now": megabytes(found[name]["MemoryCurrent"]), "most": megabytes(found[name]["MemoryMax"])}
            restarts = int(found[name]["NRestarts"] or 0)
            rows.append({"process": process, "unit": name, "state": state, "restarts": restarts, "memory_mb": memory})
        self.see_old_processes(idle, of_idle, found)
        return rows

    def see_process(self, unit: str, process: str, state: str, since: str | None, found: dict[str, str]) -> None:
        """Complain about what is wrong with a unit of the live slot."""
        restarts = int(found["NRestarts"] or 0)
        counts_from = self.counts_from(since)
        times = f"{counted(restarts, 'time', 'times')} since {when(counts_from)}"
        ran_s = time.monotonic() - int(found["ExecMainStartTimestampMonotonic"] or 0) / 1e6
        if state == "restarting":
            how = predicate(self.systemd.how_it_ended(unit))
            again = f", and systemd has restarted it {times}" if restarts else ""
            self.complaints.append(
                f"{unit} does not stay up: it {how}{again}; see journalctl -u {unit}, and site_processes.{process}"
            )
        elif state != "active":
            self.complaints.append(f"{unit} is not running ({state}): systemctl start {unit}, or deploy")
        elif restarts >= RESTARTS_SEEN and ran_s < STEADY_S:
            self.complaints.append(
                f"{unit} keeps exiting: systemd has restarted it {times}, and {ran_s:.0f} s ago for the last time; "
                f"see journalctl -u {unit}, and site_processes.{process}"
            )
        elif restarts:
            self.notes.append(f"systemd has restarted {unit} {times}: see journalctl -u {unit}.")
        killed = oom_kills(found["ControlGroup"]) or 0
        if restarts or state == "restarting":
            killed = max(killed, self.systemd.killed_for_memory(unit, counts_from))
        if killed:
            processes = counted(killed, "process", "processes")
            self.complaints.append(
                f"The kernel has killed {processes} of {unit} for lack of memory: find what uses it, "
                f"or raise site_processes.{process}.memory_mb"
            )
        if found["NeedDaemonReload"] == "yes":
            self.complaints.append(f"{unit} has changed on disk since systemd read it: systemctl daemon-reload")
        if found["DropInPaths"]:
            self.notes.append(f"{unit} has drop-in files: {', '.join(found['DropInPaths'].split())}.")

    def see_old_processes(
        self, slot: Slot, units: Mapping[str, ProcessUnit], found: Mapping[str, dict[str, str]]
    ) -> None:
        """Note which units of the other slot are still busy, or were when they were killed."""
        draining, running = {}, []
        for name, unit in units.items():
            state = state_of_process(found[name], False)
            if state == "draining":
                stopping_s = time.monotonic() - int(found[name]["ActiveExitTimestampMonotonic"] or 0) / 1e6
                draining[name] = max(0.0, unit.drain - stopping_s)
            elif state == "timeout":
                self.notes.append(
                    f"{name} had not finished what it had within {unit.drain} s, and was killed: see journalctl -u "
                    f"{name}, or raise the drain of this process in site_processes."
                )
            elif found[name]["ActiveState"] not in STOPPED:
                running.append(name)
        if draining:
            left_s = max(draining.values())
            left = f"{left_s / 60:.0f} min" if left_s >= 120 else f"{left_s:.0f} s"
            finish = "finishes what it has" if len(draining) == 1 else "finish what they have"
            self.notes.append(
                f"{', '.join(draining)} still {finish}, with release {slot.release}: for at most another {left}."
            )
        if running:
            are = "is" if len(running) == 1 else "are"
            self.notes.append(f"{', '.join(running)} {are} running too: a deploy is under way, or was cut off.")

    @staticmethod
    def counts_from(since: str | None) -> float:
        """From when on systemd counts the restarts of a unit: since the slot went live, or since a later boot."""
        went_live = calendar.timegm(time.strptime(since, "%Y-%m-%dT%H:%M:%SZ")) if since else 0
        return max(went_live, time.time() - uptime())

    def see_last_run(self) -> None:
        last = LastRun.read(self.site.root)
        if last and not last.succeeded:
            self.notes.append(f"The last run, by {last.by}, failed or was cut off; it ended at {when(last.ended)}.")

    def see_monitoring(self) -> None:
        expected, now = self.params["monitored"], time.time()
        if not (host.UNITS / EXPORTER).exists():
            if expected:
                self.complaints.append(
                    "The inventory has monitoring hosts, but this host exports no metrics: run pitcrew.django.monitor"
                )
            return
        if not self.systemd.show(EXPORTER).running:
            self.complaints.append(f"{EXPORTER} is not running: systemctl start {EXPORTER}")
            return
        scraped = host.RUN / "pitcrew-exporter/scraped"
        at = scraped.stat().st_mtime if scraped.exists() else 0
        if now - at > UNREAD_S:
            since = f"since {when(at)}" if at else "yet"
            unread = f"Nothing has read the metrics of this host {since}: is Prometheus running, and can it connect?"
            (self.complaints if expected else self.notes).append(unread)

    def of_nothing(self) -> dict[str, Any]:
        """Return the status of a site that was never deployed to this host."""
        self.complaints.append(f"{self.site.name} is not on this host; deploy it")
        names = ("slot", "release", "since", "by", "restarts", "liveness_restarts", "oom_kills")
        lists = ("edited", "drop_ins", "differences", "pending", "unknown", "releases")
        return {
            **dict.fromkeys(names),
            "state": "absent",
            "workers": {"running": 0, "planned": self.params["workers"]},
            "memory_mb": {"now": None, "most": None},
            "response_ms": {"socket": None, "proxy": None},
            **{name: [] for name in lists},
        }

    def of(self, live: Slot) -> dict[str, Any]:
        """Return the status of the live slot, whether or not it serves."""
        unit = self.systemd.properties(live.unit, *PROPERTIES)
        entries = [entry for entry in self.site.releases.history() if entry["release"] == live.release]
        last = entries[-1] if entries else {}
        state, restarts, killed = state_of(unit), int(unit["NRestarts"] or 0), oom_kills(unit["ControlGroup"])
        self.see_unit(live, state, restarts, killed)
        watch = ProcessWatch(self.site, self.systemd)
        self.see_watch(live, watch)
        running = len(self.systemd.show(live.unit).processes)
        self.see_workers(live, running)
        edited = [str(path) for path in live.edited()]
        drop_ins = unit["DropInPaths"].split()
        self.see_files(live, edited, drop_ins, unit["NeedDaemonReload"] == "yes")
        self.see_database(live)
        self.see_long_headers(last.get("at"))
        served = self.site.releases.served()
        kept = {release.id for release in self.site.releases if release.description is not None}
        return {
            "slot": live.name,
            "release": live.release,
            "since": last.get("at"),
            "by": last.get("by"),
            "state": state,
            "restarts": restarts,
            "liveness_restarts": watch.found.get("restarts", 0) if watch.exists else None,
            "workers": {"running": running, "planned": self.params["workers"]},
            "memory_mb": {"now": megabytes(unit["MemoryCurrent"]), "most": megabytes(unit["MemoryMax"])},
            "oom_kills": killed,
            "response_ms": self.response_times(live) if state == "active" else {"socket": None, "proxy": None},
            "edited": edited,
            "drop_ins": drop_ins,
            **{name: self.params[name] for name in ("differences", "pending", "unknown")},
            "releases": [release for release in served if release in kept and release != live.release],
        }

    def see_unit(self, live: Slot, state: str, restarts: int, killed: int | None) -> None:
        if state == "start-limit-hit":
            self.complaints.append(
                f"{live.unit} crashed repeatedly, and systemd no longer restarts it (start-limit-hit): find the cause "
                f"in journalctl -u {live.unit}, then systemctl reset-failed {live.unit} and deploy"
            )
        elif state != "active":
            self.complaints.append(f"{live.unit} is not running ({state}): systemctl start {live.unit}, or deploy")
        if restarts:
            times = counted(restarts, "time", "times")
            self.notes.append(f"systemd has restarted {live.unit} {times}: see journalctl -u {live.unit}.")
        if killed:
            processes = counted(killed, "process", "processes")
            self.notes.append(
                f"The kernel has killed {processes} of {live.unit} for lack of memory since it started: find "
                "what uses it, or raise worker_unique_mb or growth_mb in site_plan_inputs."
            )
        if not self.site.boots(self.params["boot_unit"]):
            self.complaints.append(
                f"{live.unit} may not start at boot: {self.site.boot_unit} is disabled or out of date; deploy again"
            )
        idle = self.site.idle
        unit = self.systemd.show(idle.unit)
        # WebSockets may stay with it for a while.
        if not (unit.ending if idle.lasts else unit.stopped):
            self.notes.append(f"{idle.unit} is running too: a deploy is under way, or was cut off.")

    def see_watch(self, live: Slot, watch: ProcessWatch) -> None:
        if not watch.exists:
            return
        found = watch.found
        if found.get("gave_up"):
            self.complaints.append(
                f"{live.unit} does not answer, and restarts did not cure it ({found.get('reason')}): "
                f"see journalctl -u {live.unit}"
            )
        elif found.get("failures"):
            self.complaints.append(
                f"{live.unit} did not answer {found['failures']} times in a row ({found.get('reason')})"
            )
        if count := found.get("restarts"):
            times = "once" if count == 1 else f"{count} times"
            self.notes.append(
                f"{live.unit} was restarted {times} because it did not answer: its threads are in journalctl -u "
                f"{live.unit}."
            )
        if not self.systemd.show(watch.timer).running:
            self.complaints.append(f"{watch.timer} is not running: systemctl start {watch.timer}")

    def see_workers(self, live: Slot, running: int) -> None:
        planned = self.params["workers"]
        if planned is not None and running != planned:
            self.complaints.append(f"{live.unit} runs {running} worker processes; the plan has {planned}")

    def see_files(self, live: Slot, edited: list[str], drop_ins: list[str], stale: bool) -> None:
        self.complaints += [
            f"{path} was edited by hand: redeploy, or move the change into the inventory" for path in edited
        ]
        if stale:
            self.complaints.append(f"{live.unit} has changed on disk since systemd read it: systemctl daemon-reload")
        if drop_ins:
            self.notes.append(f"{live.unit} has drop-in files: {', '.join(drop_ins)}.")
        if self.params["differences"]:
            differing = ", ".join(self.params["differences"])
            self.notes.append(f"The inventory differs from what is live in {differing}: a deploy would switch.")

    def see_database(self, live: Slot) -> None:
        recorded = self.site.releases.named(live.release or "").recorded or {}
        if unmigrated := recorded.get("unmigrated"):
            self.notes.append(warning_of_changes(unmigrated))
        if self.params["pending"]:
            self.complaints.append(f"The database lacks migrations of the release: {', '.join(self.params['pending'])}")
        unknown = self.params["unknown"]
        if unmet := [entry for entry in Demands(self.site.root).recorded() if entry["migration"] in unknown]:
            self.complaints.append(
                f"{what_stays(unmet, 'the live release')}: deploy such a release, "
                "or take back what was applied (docs/operations.md, Migrations)"
            )
        if unknown:
            self.notes.append(f"The database is ahead of the release by {', '.join(unknown)}.")

    def see_long_headers(self, since: str | None) -> None:
        went_live = calendar.timegm(time.strptime(since, "%Y-%m-%dT%H:%M:%SZ")) if since else 0
        if requests := requests_with_long_headers(self.site.root, max(went_live, time.time() - DAY_S)):
            responses = counted(len(requests), "response", "responses")
            self.complaints.append(
                f"nginx returned 502 for {responses} with more than 32k of headers, the last one to "
                f"{requests[-1]}: send fewer or smaller cookies, or a shorter Content-Security-Policy"
            )

    def response_times(self, live: Slot) -> dict[str, float | None]:
        """How long the health path took in ms, on the slot's socket and through the proxy; None if it is unhealthy."""
        health, release = self.params["health"], live.release
        checks = {
            "socket": HealthCheck(
                health, f"unix:{live.socket}", live.protocol, release, live.static, live.path / "public"
            ),
            "proxy": HealthCheck(health, self.params["address"], self.params["protocol"], release, live.static),
        }
        for check in checks.values():
            try:
                problems = check.problems()
            except (OSError, http.client.HTTPException) as error:
                problems = [f"{health['host']} does not respond: {error or type(error).__name__}"]
            self.complaints += [f"On {check.address.removeprefix('unix:')}, {problem}" for problem in problems]
        # The files on disk: what nginx adds to them is no concern of the release.
        self.notes += [f"{warning}." for warning in checks["socket"].warnings]
        return {name: check.took_s and round(1000 * check.took_s, 1) for name, check in checks.items()}


def main() -> None:
    lists = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "boot_unit": {"type": "str", "required": True},
            "address": {"type": "str", "default": "127.0.0.1:80"},
            "protocol": {"type": "str", "choices": ["http", "https"], "default": "http"},
            "health": {"type": "dict", "required": True, "options": HEALTH_SPEC},
            "workers": {"type": "int"},
            "differences": lists,
            "pending": lists,
            "unknown": lists,
            "problems": lists,
            "services": {"type": "list", "elements": "str", "choices": list(SERVICES), "default": []},
            "monitored": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    examination = Examination(module.params, Systemd(module.run_command))
    module.exit_json(changed=False, status=examination.status())


if __name__ == "__main__":
    main()
