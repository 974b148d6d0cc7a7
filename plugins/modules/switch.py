#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: switch
short_description: Start a release in the idle slot, check its health, and make it live
version_added: 0.1.0
description:
  - A site has two slots, C(blue) and C(green), each with a unit of its own, such as C(shop@blue.service), and settings
    of its own. One of them is live; the symbolic link C(live) in the site's directory points to it.
  - If anything that the process would notice differs from what the live slot runs (release, unit, environment, secrets
    or the server's settings), the module writes the new state to the idle slot, the candidate. It starts the candidate
    beside the live slot and checks, on the candidate's own socket and with the site's own host name, that it is healthy
    and runs the right release.
  - A candidate that passes goes live by one rename of the link. The old slot then finishes the requests it has
    accepted, and stops.
  - A candidate that does not pass is stopped and removed, and so is its release if it never served, unless
    O(keep_refused) is set. The link, the live slot's files and what starts at boot are then unchanged. The
    module fails with the reason, and with what the candidate wrote to the journal, down to its last exception.
  - Background processes (O(processes)) belong to the slot. Those of the candidate start when it is healthy, and have to
    stay up before it goes live. Those of the old slot are told to stop when the candidate is live; the module does not
    wait until they have finished what they have. But their slot is used again only after that, so the next switch may
    have to wait.
author:
  - The pitcrew.django maintainers (@pitcrew)
extends_documentation_fragment:
  - pitcrew.django.process
  - pitcrew.django.health
attributes:
  action:
    description: Prints a refusal as text, on the control node.
    support: full
  check_mode:
    description: Reports whether a switch would take place, and writes nothing.
    support: full
  diff_mode:
    description: Shows what would change for the process. For secrets, it shows only that they differ.
    support: full
options:
  name:
    description: The site's name, after which its units and files are named.
    type: str
    required: true
  root:
    description: The site's directory on the host, for example C(/srv/shop).
    type: path
    required: true
  release:
    description: The id of the release to run, a directory below C(releases).
    type: str
    required: true
  unit:
    description:
      - The text of the slot's systemd unit. C(%i) stands for the slot's name; the link C(release) in the slot's
        directory points to the release.
    type: str
    required: true
  boot_unit:
    description: The text of the unit that starts the live slot at boot, such as C(shop-boot.service).
    type: str
    required: true
  files:
    description: The server's settings, by file name. The site's group may read them.
    type: dict
    default: {}
  protocol:
    description: The protocol of the slot's socket. The link to the socket is named after it, such as C(http.sock).
    type: str
    choices: [http, uwsgi]
    default: http
  boot_timeout:
    description: How many seconds a release may take until its first healthy response.
    type: int
    default: 60
  patience:
    description: For how many seconds after its first response a release may respond wrongly before it is refused.
    type: int
    default: 5
  drain_timeout:
    description: For how many seconds the old slot may go on with requests that it accepted before the switch.
    type: int
    default: 35
  keep:
    description: How many releases that have served to keep on disk, including the live one.
    type: int
    default: 5
  keep_refused:
    description:
      - Whether a refused release that never served stays on disk, for inspection, until a switch succeeds. It cannot be
        started, and the message says how to run its C(manage.py).
    type: bool
    default: false
  project:
    description: The directory of C(manage.py), relative to the source; to name it in that message.
    type: str
    default: ""
  overlap:
    description:
      - Whether the host has memory for both slots at once. If not, the old slot finishes the requests it has accepted
        and stops before the new one starts; requests that arrive in between wait at a socket held by systemd. If the
        release is refused, they wait for two starts.
      - A change to a server with another O(protocol) runs both slots at once all the same.
    type: bool
    default: true
  waiting_room:
    description:
      - Where requests wait if the host has no memory for both slots, such as at C(shop-waiting.socket). It exists only
        while they wait.
    type: dict
    required: true
    suboptions:
      socket:
        description: The text of the unit whose socket they wait at.
        type: str
        required: true
      service:
        description: The text of the unit that hands them over to a slot.
        type: str
        required: true
      script:
        description:
          - The text of the script that the service runs first, C(slots/waiting.sh). It exits when the requests can be
            answered, or when the deadline in the file C(/run/shop-waiting.shut) has passed.
        type: str
        required: true
  processes:
    description:
      - The units of the site's background processes, such as C(shop-rq@blue.service). A unit that was added, removed or
        changed is a reason to switch.
      - If the host has no memory for both slots, those of the old slot finish what they have and end before the old
        slot stops.
    type: list
    elements: dict
    default: []
    suboptions:
      prefix:
        description: The unit's name without the slot, such as C(shop-rq), or C(shop-rq-2) for the second of a process.
        type: str
        required: true
      text:
        description: The text of the unit. C(%i) stands for the slot's name.
        type: str
        required: true
      single:
        description:
          - Whether it may run only once on this host. It then ends in the old slot before it starts in the candidate,
            and starts again in the old slot if the candidate is refused.
        type: bool
        default: false
      startsecs:
        description: For how many seconds it has to stay up, without a restart, before the candidate goes live.
        type: int
        default: 5
      drain:
        description: How many seconds it may take to finish what it has, as in its C(TimeoutStopSec).
        type: int
        default: 600
  watch:
    description:
      - The timer that asks the live slot whether it is alive, C(shop-liveness.timer). Without it, none is left on the
        host.
    type: dict
    suboptions:
      timer:
        description: The text of the timer.
        type: str
        required: true
      service:
        description: The text of the service that it starts.
        type: str
        required: true
      files:
        description: The program that the service runs, in C(watch) of the site's directory, by file name.
        type: dict
        required: true
  schedules:
    description:
      - The commands that run by calendar, each by a timer such as C(shop-report.timer). The host then has exactly
        these. They belong to the site and not to a slot, so a difference in them alone is no reason to switch.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of the schedule.
        type: str
        required: true
      timer:
        description: The text of the timer.
        type: str
        required: true
      service:
        description: The text of the service that it starts, which runs the command in the release that is live then.
        type: str
        required: true
  record:
    description:
      - What other programs of the host may know of the site and its plan. It is written to C(site.json) in the site's
        directory once the release is live. No process of the site reads it, so a difference in it alone is no reason to
        switch.
      - It must not contain secrets, and is shown in diff mode.
    type: dict
    default: {}
  lock:
    description: The token of M(pitcrew.django.lock). If another run has taken over the lock, this one fails.
    type: str
  verify:
    description:
      - Options of M(pitcrew.django.verify), to verify the site after the switch in the same visit and to release
        O(lock). For a site whose proxy needs no change.
    type: dict
    suboptions:
      address:
        description: Where the proxy listens, as C(ip:port).
        type: str
        default: 127.0.0.1:80
      protocol:
        description: The protocol that the proxy speaks.
        type: str
        choices: [http, https]
        default: http
      workers:
        description: How many worker processes have to run. Without it, they are not counted.
        type: int
      timeout:
        description: For how many seconds to wait until the proxy answers and all workers run.
        type: int
        default: 10
      stop_timeout:
        description: For how many seconds to wait until the old slot has stopped.
        type: int
        default: 35
"""

EXAMPLES = r"""
- name: Make the release live
  pitcrew.django.switch:
    name: shop
    root: /srv/shop
    release: 3f2a9c1d04ab-1f3e2c
    unit: "{{ lookup('ansible.builtin.template', 'slot.service.j2') }}"
    boot_unit: "{{ lookup('ansible.builtin.template', 'boot.service.j2') }}"
    waiting_room:
      socket: "{{ lookup('ansible.builtin.template', 'waiting.socket.j2') }}"
      service: "{{ lookup('ansible.builtin.template', 'waiting.service.j2') }}"
      script: "{{ lookup('ansible.builtin.template', 'waiting.sh.j2') }}"
    files:
      gunicorn.conf.py: "{{ lookup('ansible.builtin.template', 'gunicorn.conf.py.j2') }}"
    health:
      host: shop.example.com
      path: /healthz/
"""

RETURN = r"""
slot:
  description: The slot that is live now.
  returned: success
  type: str
  sample: green
release:
  description: The release that is live now.
  returned: success
  type: str
  sample: 3f2a9c1d04ab-1f3e2c
differences:
  description: What differed from the live slot and made the switch necessary.
  returned: success
  type: list
  elements: str
  sample: [release, environment]
freed:
  description:
    - The token of the lock that was released, since the site was found as planned.
    - Null if there was no lock, or another run has taken it over.
  returned: if O(verify) was set, except in check mode
  type: str
seconds:
  description:
    - How many seconds the new slot took to boot and the old one to drain. If requests had to wait, C(wait) is how long
      the old slot took to stop. C(idle) is how long the other slot still took to stop, after an earlier switch.
    - With background processes, C(processes) is how long it took to see that they stay up, and C(tasks) how long others
      took to finish what they had, if the switch had to wait for them.
  returned: when a switch took place
  type: dict
  sample: {boot: 1.2, drain: 0.9}
"""

import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.demands import Demands, ways_back, what_stays
from ansible_collections.pitcrew.django.plugins.module_utils.environment_file import (
    environment_file,
    environment_values,
)
from ansible_collections.pitcrew.django.plugins.module_utils.files import (
    read_text,
    remove_tree,
    replace_link,
    write_file,
)
from ansible_collections.pitcrew.django.plugins.module_utils.health import HEALTH_SPEC, HealthCheck, essential
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite, Slot
from ansible_collections.pitcrew.django.plugins.module_utils.journal import Refusal, message, of_unit, with_exception
from ansible_collections.pitcrew.django.plugins.module_utils.lock import Busy, DeployLock, exclusive_visit
from ansible_collections.pitcrew.django.plugins.module_utils.process_watch import WATCH_SPEC, ProcessWatch
from ansible_collections.pitcrew.django.plugins.module_utils.schedules import SCHEDULES_SPEC, Schedules
from ansible_collections.pitcrew.django.plugins.module_utils.slot_processes import (
    PROCESS_SPEC,
    DownError,
    SlotProcesses,
)
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd
from ansible_collections.pitcrew.django.plugins.module_utils.timing import timed
from ansible_collections.pitcrew.django.plugins.module_utils.verification import (
    VERIFY_SPEC,
    NotAsPlannedError,
    Verification,
)
from ansible_collections.pitcrew.django.plugins.module_utils.waiting_room import WaitingRoom

POLL_S = 0.1
# systemd reads the environment as root before it becomes the site's user.
MODES = {"environment": 0o600, "secrets": 0o600}


class Refused(Refusal):
    """The candidate did not pass; the message says why."""


class Switch:
    """One switch of a site, from what the live slot runs to what is wanted."""

    def __init__(self, params: dict[str, Any], systemd: Systemd) -> None:
        self.params = params
        self.systemd = systemd
        self.site = HostedSite(params["name"], params["root"])
        self.live = self.site.live
        self.candidate = self.site.idle
        self.release = self.site.releases.named(params["release"])
        self.processes = SlotProcesses(self.site, systemd, params["processes"])
        self.wanted: dict[str, str] = {
            "unit": params["unit"],
            "environment": environment_file(environment_values(params["environment"], "site_environment")),
            "secrets": environment_file(environment_values(params["secrets"], "site_secrets")),
            **params["files"],
            **self.processes.texts,
        }
        self.record_text = json.dumps(params["record"], indent=2, sort_keys=True) + "\n" if params["record"] else None
        self.room = WaitingRoom(self.site, systemd)
        self.watch = ProcessWatch(self.site, systemd)
        self.schedules = Schedules(self.site, systemd)
        self.demands = Demands(self.site.root)
        self.seconds: dict[str, float] = {}
        self.details: list[str] = []
        self.warnings: list[str] = []

    # What there is to do

    def require_release(self) -> None:
        """Raise Refused if the release is not on this host."""
        if self.release.description is None:
            kept = [release.id for release in self.site.releases if release.description is not None]
            if not kept:
                raise Refused("site_release: no release is on this host; deploy one")
            raise Refused(
                f"site_release: {self.params['release'] or 'none'!r} is not on this host, which has "
                f"{', '.join(kept)}; name one of these, or deploy"
            )

    def differences(self) -> list[str]:
        """Name everything that differs from the live slot and that the process would notice."""
        if self.live is None:
            return ["release", *self.wanted]
        running = self.live.read(self.wanted)
        changed = [name for name, text in self.wanted.items() if running[name] != text]
        changed += self.processes.no_longer_wanted(self.live)
        return [*(["release"] if self.live.release != self.release.id else []), *changed]

    def diff(self) -> dict[str, str]:
        """What changes for the process, as Ansible's before and after; for secrets only the fact that they change."""
        names = [name for name in self.wanted if name != "secrets"]
        names += self.processes.no_longer_wanted(self.live) if self.live else []
        before = self.live.read(names) if self.live else {}
        pages = [
            [f"release: {release}\n", *(f"--- {name}\n{texts.get(name) or ''}" for name in names)]
            for release, texts in ((self.live and self.live.release, before), (self.release.id, self.wanted))
        ]
        if "secrets" in self.differences():
            pages[1].append("--- secrets: differ, not shown\n")
        if self.record_differs():
            for page, text in zip(pages, (read_text(self.site.record), self.record_text), strict=True):
                page.append(f"--- {self.site.record.name}\n{text or ''}")
        return {"before": "\n".join(pages[0]), "after": "\n".join(pages[1])}

    def record_differs(self) -> bool:
        """Whether what other programs are told of the site has to be written."""
        return self.record_text is not None and read_text(self.site.record) != self.record_text

    def settled(self) -> bool:
        """Whether the live slot runs and starts at boot, and the other one has stopped or is stopping."""
        return (
            self.live is not None
            and self.site.boots(self.params["boot_unit"])
            and self.watch.settled(self.params["watch"])
            and self.schedules.settled(self.params["schedules"])
            and self.systemd.show(self.live.unit).running
            and self.systemd.show(self.candidate.unit).ending
            and self.processes.settled(self.live, self.candidate)
            and not self.room.exists
        )

    @property
    def public(self) -> dict[str, str]:
        """What nginx serves from disk: URL paths, such as static, and the directory of each."""
        return (self.release.description or {}).get("public", {})

    # The steps of the story

    def prepare(self) -> None:
        """Write the candidate's files from scratch, once nothing in its slot runs any more."""
        slot = self.candidate
        # WebSockets of the release that it ran keep the time that they were promised (site_drain_long).
        with nullcontext() if self.systemd.show(slot.unit).stopped else timed(self.seconds, "idle"):
            self.stop(slot)
        self.let_finish(slot)
        remove_tree(slot.path)
        # A reload of systemd delays visitors more than a start does, and most releases have the unit of the one before.
        reload = read_text(slot.unit_file) != self.wanted["unit"]
        (slot.path / "public").mkdir(mode=0o755, parents=True)
        for name, text in self.wanted.items():
            if name not in self.processes.texts and (name != "unit" or reload):
                write_file(slot.file(name), text, MODES.get(name, 0o644))
        reload = self.processes.write(slot) or reload
        slot.record_deployed(self.wanted, self.params["overlap"], self.processes.record())
        for url_path, directory in self.public.items():
            link = slot.path / "public" / url_path
            link.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            link.symlink_to(directory)
            # The owner of the link must be the owner of its target: nginx follows no other link.
            with suppress(FileNotFoundError):
                owner = os.lstat(directory)
                os.chown(link, owner.st_uid, owner.st_gid, follow_symlinks=False)
        (slot.path / "release").symlink_to(self.release.path)
        (slot.path / f"{self.params['protocol']}.sock").symlink_to(slot.socket)
        if reload or self.systemd.outdated(slot.unit):
            self.systemd.order("daemon-reload")

    def let_finish(self, slot: Slot) -> None:
        """Wait until the slot's background processes have finished what they have, for their drain at most."""
        if not (busy := self.processes.not_stopped(slot)):
            return
        with timed(self.seconds, "tasks"):
            self.processes.stop(busy)
        if self.seconds["tasks"] >= 1:
            units = ", ".join(name[: -len(".service")] for name in busy)
            self.warnings.append(
                f"Waited {self.seconds['tasks']:.0f} s for {units} of release {slot.release} to finish what was begun"
            )

    def start(self, slot: Slot) -> None:
        """Start the slot and wait until it is healthy.

        A slot that has served before only has to answer for the health path: visitors wait for it. Raises Refused if
        systemd cannot start it, its processes exit, it does not respond in time, or its responses stay wrong.
        """
        deadline = time.monotonic() + self.params["boot_timeout"]
        self.systemd.order("reset-failed", slot.unit)
        if complaint := self.systemd.order("start", slot.unit):
            raise Refused(self.end_of(slot) or f"it does not start: {complaint}")
        health = self.params["health"] if slot is self.candidate else essential(self.params["health"])
        check = HealthCheck(
            health, f"unix:{slot.socket}", slot.protocol, slot.release, slot.static, slot.path / "public"
        )
        first_response: float | None = None
        while True:
            try:
                problems = check.problems(max(1.0, deadline - time.monotonic()))
                first_response = first_response or time.monotonic()
            except (OSError, http.client.HTTPException) as error:
                problems = [f"it does not respond on {slot.socket}: {error}"]
            if not problems:
                self.warnings += check.warnings
                return
            self.require_running(slot)
            now = time.monotonic()
            if now > deadline or (first_response and now > first_response + self.params["patience"]):
                raise Refused(".\n".join(problems))
            time.sleep(POLL_S)

    def end_of(self, slot: Slot) -> str | None:
        """How the processes of the slot ended right after their start, in a sentence, if systemd knows."""
        ended = self.systemd.how_it_ended(slot.unit)
        if ended == "timeout":
            return f"it was not ready within {self.params['boot_timeout']} s of its start (site_boot_timeout)"
        return f"its processes exited right after their start ({ended})" if ended else None

    def bring_up(self) -> None:
        """Start the candidate and make it the live slot; stop it again if it does not pass."""
        old, began = self.live, time.time()
        try:
            with timed(self.seconds, "boot"):
                self.start(self.candidate)
            if self.processes.wanted:
                # Requests that wait must not wait for longer than is set.
                longest_s = 0 if self.room.exists else self.params["boot_timeout"]
                with timed(self.seconds, "processes"):
                    self.processes.bring_up(self.candidate, old, longest_s)
                self.require_running(self.candidate)
            replace_link(self.site.live_link, f"slots/{self.candidate.name}")
        except (Exception, SystemExit) as refusal:
            journal = self.systemd.journal(self.candidate.unit, began)
            self.details = [of_unit(self.candidate.unit, journal)]
            if isinstance(refusal, DownError):
                self.details, journal = list(refusal.details), ""
            self.processes.request_stop(self.candidate)
            with suppress(OSError):  # A read-only disk has nothing of the candidate that could be removed.
                self.stop(self.candidate)
            if isinstance(refusal, (Refused, DownError)):
                raise Refused(with_exception(str(refusal), journal)) from None
            raise
        # At once, before anything else: an old worker may throw away a task that only the new release knows.
        self.processes.request_stop(old)

    def require_running(self, slot: Slot) -> None:
        """Raise Refused if the processes of the slot's unit have exited since its start."""
        unit = self.systemd.show(slot.unit)
        # systemd calls it activating again while it waits to restart it.
        if not unit.running or unit.restarts:
            raise Refused(self.end_of(slot) or "its processes exited right after their start")

    def enable(self) -> None:
        """Have the live slot started at boot and watched from now on, whichever it is then, and the schedules kept."""
        if not self.site.boots(self.params["boot_unit"]):
            write_file(self.site.boot_file, self.params["boot_unit"], 0o644)
            if complaint := self.systemd.order("enable", self.site.boot_unit):
                raise OSError(f"it would not start at boot: {complaint}")
        self.watch.establish(self.params["watch"])
        self.schedules.establish(self.params["schedules"])

    def record(self, slot: Slot) -> None:
        """Record in the history that the slot is live, unless the last entry does."""
        holder = DeployLock(self.site.root).holder
        by = holder.by if holder else None
        self.site.releases.add_to_history(slot.release, slot.name, by)

    def drain(self, slot: Slot) -> None:
        """Let the slot finish the requests it got before the link moved, including connections in its backlog.

        A slot whose connections may last for hours only has to accept them all: its workers finish requests by
        themselves once they are told to stop.
        """
        count = self.systemd.waiting if slot.lasts else self.systemd.under_way
        deadline = time.monotonic() + self.params["drain_timeout"]
        while time.monotonic() < deadline and count(slot.socket):
            time.sleep(POLL_S)

    def request_stop(self, slot: Slot) -> None:
        """Have a slot stop without waiting for it, and leave no secret in it. Verification checks that it stopped.

        WebSockets may stay for as long as they were promised (site_drain_long).
        """
        if slot.lasts:
            write_file(slot.drain_file, "", 0o644)
        self.systemd.order("stop", "--no-block", slot.unit)
        (slot.path / "secrets").unlink(missing_ok=True)

    def stop(self, slot: Slot) -> None:
        """Stop the slot, and leave no secret in it."""
        if not self.systemd.show(slot.unit).stopped:
            self.systemd.order("stop", slot.unit)
        self.systemd.order("reset-failed", slot.unit)
        (slot.path / "secrets").unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove the candidate, which has stopped, and its release if that never served, or set the release aside.

        It is set aside, too, if the live release cannot work with what it did to the database.
        """
        self.processes.remove(self.candidate)
        remove_tree(self.candidate.path)
        self.candidate.unit_file.unlink(missing_ok=True)
        self.systemd.order("daemon-reload")
        if self.release.id in {self.live and self.live.release, *self.site.releases.served()}:
            return
        unmet = self.demands.unmet_by(self.live.release if self.live else None)
        back = ways_back(entry for entry in unmet if self.release.id in entry["known_by"])
        if not (self.params["keep_refused"] or back):
            self.release.remove()
        elif kept := self.release.set_aside(
            self.site.name, self.params["project"], self.params["environment"], bool(self.params["secrets"]), back
        ):
            self.details.insert(0, kept)

    def what_stays(self, unmet: list[dict[str, Any]], old: Slot, keeps: str, cause: str) -> list[str]:
        """The lines of a refusal if the live release cannot work with what is applied to the database."""
        serving = "keeps serving" in keeps
        serves = f"release {old.release}, which keeps serving," if serving else "the live release"
        copies = dict.fromkeys(entry["backup"] for entry in unmet if entry.get("backup"))
        return [
            f"Release {self.release.id} is refused, and {what_stays(unmet, serves)}.",
            cause,
            *([] if serving else [f"Release {old.release} is not running: systemctl start {old.unit}."]),
            *(f"The database from before is {copy}." for copy in copies),
        ]

    def verify(self, address: str, protocol: str, **expected: Any) -> str | None:
        """Check that visitors get the release through the proxy, from the planned workers, and release the lock.

        Return the lock's token, or None if another run has taken it over. Raises NotAsPlannedError if visitors get
        something else.
        """
        health = self.params["health"]
        Verification(self.site, self.systemd, health, self.release.id, address, protocol, **expected).run()
        token: str | None = self.params["lock"]
        return token if token and DeployLock(self.site.root).free(token, succeeded=True) else None

    def write_record(self) -> None:
        """Tell other programs of the host what is planned for the release that is live."""
        if self.record_text is not None and self.record_differs():
            write_file(self.site.record, self.record_text, 0o644)

    # If there is no memory for both slots

    def must_wait(self, old: Slot) -> bool:
        """Whether requests have to wait between the stop of one slot and the start of the other, for lack of memory.

        A request that waits in one protocol cannot be answered in another: a change of server runs both slots at once.
        """
        same_protocol = old.protocol == self.params["protocol"]
        return not self.both_fit(old) and same_protocol and self.systemd.show(old.unit).running

    def both_fit(self, old: Slot) -> bool:
        """Whether the host has memory for both slots."""
        return bool(self.params["overlap"]) and old.overlaps

    @contextmanager
    def waiting(self, old: Slot) -> Iterator[None]:
        """Stop the old slot, and have requests wait while the block brings up the candidate, which then answers them.

        If the block raises, the old slot is started again and answers them.
        """
        # The longest that draining and stopping, starting, and stopping a refused candidate may take together.
        patience_s = 3 * self.params["drain_timeout"] + self.params["boot_timeout"] + self.params["patience"] + 10
        patience_s += self.processes.longest_start_s(self.candidate, old)
        self.room.open(old, self.candidate, self.params["waiting_room"], patience_s)
        try:
            with timed(self.seconds, "wait"):
                self.drain(old)
                self.systemd.order("stop", old.unit)
            yield
        except (Exception, SystemExit):
            self.resume(old)
            raise
        self.room.close(self.candidate, old, self.params["drain_timeout"])

    def resume(self, old: Slot) -> None:
        """Start the old slot again, if necessary, and let it answer the requests that wait."""
        if not self.systemd.show(old.unit).running:
            with suppress(Refused):  # The caller reports it if the slot does not run.
                self.start(old)
        self.room.close(old, old, self.params["drain_timeout"])

    def recover(self) -> None:
        """Let the live slot answer requests that have been waiting since an earlier run was cut off."""
        if self.live is not None and self.room.exists:
            self.processes.request_stop(self.candidate)
            self.stop(self.candidate)
            self.resume(self.live)

    # The two ways to the wanted state

    def switch(self) -> None:
        """Start the candidate, make it live, and have the old slot stop.

        Raises Refused if the candidate does not pass; nothing is left of it then.
        """
        old = self.live
        if old is not None:
            self.record(old)  # An earlier run may have been cut off before it could.
        try:
            self.prepare()
            if old is not None and not self.both_fit(old):
                self.let_finish(old)
            with self.waiting(old) if old is not None and self.must_wait(old) else nullcontext():
                self.bring_up()
        except (Exception, SystemExit) as refusal:
            if self.site.live is self.candidate:
                raise  # It is live, and there is nothing to undo.
            serves = old is not None and self.systemd.show(old.unit).running
            after_all = old is not None and not self.both_fit(old)
            self.processes.restore(old, self.candidate, all_of_it=serves, after_all=after_all)
            self.forget()
            if not isinstance(refusal, (Refused, ValueError, OSError)):
                raise
            keeps = f"release {old.release} keeps serving" if old else "nothing serves yet"
            if old and (down := self.processes.down(old)) and serves:
                keeps += f", but without {', '.join(down)} (start it: systemctl start {' '.join(down)})"
            if old and not serves:
                keeps = (
                    f"and release {old.release}, which is live, is not running (start it: systemctl start {old.unit})"
                )
            sentence = f"Release {self.release.id} is refused, {keeps}: {refusal}"
            if old and (unmet := self.demands.unmet_by(old.release)):
                sentence = "\n".join(self.what_stays(unmet, old, keeps, f"The cause: {refusal}."))
            raise Refused(sentence, *self.details) from None
        try:
            self.enable()
            self.record(self.candidate)
        except OSError as error:
            raise Refused(f"Release {self.release.id} serves, but the switch could not be finished: {error}") from error
        if old is not None:
            with timed(self.seconds, "drain"):
                self.drain(old)
            self.request_stop(old)

    def settle(self, live: Slot) -> None:
        """Bring the site back to a settled state after a run that was cut off, or after an operator stopped it."""
        began = time.time()
        try:
            if not self.systemd.show(live.unit).running:
                self.start(live)
        except Refused as refusal:
            raise Refused(
                f"Release {self.release.id}, which is live, does not start again: {refusal}",
                of_unit(live.unit, self.systemd.journal(live.unit, began)),
            ) from None
        self.enable()
        self.record(live)
        if not self.systemd.show(self.candidate.unit).ending:
            self.drain(self.candidate)
            if self.candidate.lasts:
                self.request_stop(self.candidate)
            else:
                self.stop(self.candidate)
        try:
            self.processes.settle(live, self.candidate)
        except DownError as refusal:
            raise Refused(f"Release {self.release.id} is live, but {refusal}", *refusal.details) from None


def run(module: AnsibleModule) -> dict[str, Any]:
    """Switch if there is a reason to.

    Raises Refused if the candidate does not pass, and ValueError for settings that cannot be written to a file.
    """
    switch = Switch(module.params, Systemd(module.run_command))
    differences = switch.differences()
    must_switch = bool(differences) or not switch.settled()
    result = {"differences": differences, "changed": must_switch or switch.record_differs()}
    if differences or switch.record_differs():
        result["diff"] = switch.diff()
    if must_switch and not module.check_mode:
        switch.require_release()
        # If the connection to the control node is lost, the switch still runs to its end.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        switch.recover()
        if differences or switch.live is None:
            switch.switch()
            slots = [slot.release for slot in switch.site.slots.values()]
            switch.site.releases.prune(switch.release.id, slots, module.params["keep"])
        else:
            switch.settle(switch.live)
        result["seconds"] = switch.seconds
        if differences and (unmet := switch.demands.unmet_by(switch.release.id)):
            switch.warnings.append(what_stays(unmet, f"release {switch.release.id}, which serves now,"))
        for warning in switch.warnings:
            module.warn(f"{warning}.")
    if not module.check_mode:
        switch.write_record()
    if module.params["verify"] and not module.check_mode:
        result["freed"] = switch.verify(**module.params["verify"])
    slot = switch.site.live or switch.candidate
    return {"slot": slot.name, "release": switch.release.id, **result}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "release": {"type": "str", "required": True},
            "unit": {"type": "str", "required": True},
            "boot_unit": {"type": "str", "required": True},
            "files": {"type": "dict", "default": {}},
            "environment": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "hidden": {"type": "dict", "default": {}, "no_log": True},
            "health": {"type": "dict", "required": True, "options": HEALTH_SPEC},
            "protocol": {"type": "str", "choices": ["http", "uwsgi"], "default": "http"},
            "boot_timeout": {"type": "int", "default": 60},
            "patience": {"type": "int", "default": 5},
            "drain_timeout": {"type": "int", "default": 35},
            "keep": {"type": "int", "default": 5},
            "keep_refused": {"type": "bool", "default": False},
            "project": {"type": "str", "default": ""},
            "overlap": {"type": "bool", "default": True},
            "waiting_room": {
                "type": "dict",
                "required": True,
                "options": {name: {"type": "str", "required": True} for name in ("socket", "service", "script")},
            },
            "processes": {"type": "list", "elements": "dict", "default": [], "options": PROCESS_SPEC},
            "watch": {"type": "dict", "options": WATCH_SPEC},
            "schedules": {"type": "list", "elements": "dict", "options": SCHEDULES_SPEC, "default": []},
            "record": {"type": "dict", "default": {}},
            "lock": {"type": "str", "no_log": False},
            "verify": {"type": "dict", "options": VERIFY_SPEC},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    try:
        # What is live is read while the lock is held. In check mode the directory of the lock may not exist yet.
        with nullcontext() if module.check_mode else exclusive_visit(module.params["root"], module.params["lock"]):
            result = run(module)
    except (Refused, NotAsPlannedError, Busy, ValueError, OSError) as error:
        module.fail_json(msg=message(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
