# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands by calendar: the timers of a site on its host, and how their last runs ended.

They belong to the site and not to a slot: each run takes the release that is live when it starts.

======================================  ====================================================================
/etc/systemd/system/shop-NAME.*         the timer, and the service that runs the command once
/srv/shop/schedules/NAME                exists as long as the units are the site's own
/srv/shop/schedules/NAME.last           how the last run ended; its time is when
/srv/shop/schedules/NAME.success        its time is when a run last succeeded
======================================  ====================================================================
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils import host
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text, write_file
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.lock import when
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd

__all__ = ["SCHEDULES_SPEC", "ScheduleRun", "Schedules", "examine", "unusable_calendars"]

SCHEDULES_SPEC = {
    "name": {"type": "str", "required": True},
    "timer": {"type": "str", "required": True},
    "service": {"type": "str", "required": True},
}
NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
TIMERS = Path("/var/lib/systemd/timers")
ENDS = {"timeout": "it did not end in time", "oom-kill": "it was killed for lack of memory"}

Texts = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ScheduleRun:
    """How the last run of a schedule ended; times are seconds since the epoch, None for what never was."""

    ended: float | None
    result: str
    code: str
    status: str
    succeeded_at: float | None

    @property
    def failed(self) -> bool:
        """Whether the last run did not succeed."""
        return self.ended is not None and self.result != "success"

    @property
    def reason(self) -> str:
        """How it ended, in words."""
        if self.result in ENDS:
            return ENDS[self.result]
        if self.code in ("killed", "dumped"):
            return f"it was killed by SIG{self.status.removeprefix('SIG')}"
        return f"status {self.status}" if self.code == "exited" else self.result or "for an unknown reason"


class Schedules:
    """The schedules of one site."""

    def __init__(self, site: HostedSite, systemd: Systemd) -> None:
        self.site = site
        self.systemd = systemd
        self.directory = site.root / "schedules"

    def timer(self, name: str) -> str:
        """The unit that starts the command by calendar."""
        return f"{self.site.name}-{name}.timer"

    def service(self, name: str) -> str:
        """The unit that runs the command once."""
        return f"{self.site.name}-{name}.service"

    @property
    def names(self) -> list[str]:
        """The schedules that the host has of this site."""
        try:
            return sorted(path.name for path in self.directory.iterdir() if NAME.fullmatch(path.name))
        except OSError:
            return []

    def foreign(self, names: Iterable[str]) -> list[str]:
        """Files that units of these schedules would replace, and that are not the site's own."""
        others = [name for name in names if name not in self.names]
        files = [host.UNITS / unit for name in others for unit in (self.timer(name), self.service(name))]
        return [str(file) for file in files if file.exists()]

    def last_run(self, name: str) -> ScheduleRun:
        """How the last run ended, which no reboot makes forget."""
        record, success = self.directory / f"{name}.last", self.directory / f"{name}.success"
        result, code, status = [*(read_text(record) or "").split(), "", "", ""][:3]
        return ScheduleRun(_time(record), result, code, status, _time(success))

    def starts_at_boot(self, name: str) -> bool:
        """Whether the timer starts at boot."""
        return (host.UNITS / "timers.target.wants" / self.timer(name)).is_symlink()

    def settled(self, wanted: Texts) -> bool:
        """Whether the host has exactly these schedules, with these texts, and systemd goes by them."""
        are_all = self.names == sorted(one["name"] for one in wanted)
        return are_all and not self._unsettled(wanted, self._unheeded(wanted))

    def establish(self, wanted: Texts) -> None:
        """Write what differs and start its timer, and remove schedules that are not wanted any more.

        A timer is restarted only if it has changed itself, or does not run. A run that is in progress continues.

        Raises OSError if systemd does not accept it.
        """
        names = {one["name"] for one in wanted}
        gone = [name for name in self.names if name not in names]
        unheeded = self._unheeded(wanted)
        changed = self._unsettled(wanted, unheeded)
        if not gone and not changed:
            return
        for name in gone:
            self._remove(name)
        restarted = []
        for one in changed:
            name = one["name"]
            self.directory.mkdir(mode=0o755, exist_ok=True)
            # Before the units: what is cut off here is still the site's own.
            write_file(self.directory / name, "", 0o644)
            is_new = read_text(host.UNITS / self.timer(name)) != one["timer"]
            if is_new or not self.starts_at_boot(name) or self.timer(name) in unheeded:
                restarted.append(self.timer(name))
            for unit, text in ((self.timer(name), one["timer"]), (self.service(name), one["service"])):
                if read_text(host.UNITS / unit) != text:
                    write_file(host.UNITS / unit, text, 0o644)
        self.systemd.order("daemon-reload")
        for timer in restarted:
            complaint = self.systemd.order("enable", timer) or self.systemd.order("restart", timer)
            if complaint:
                raise OSError(f"{timer} would not start its command: {complaint}")

    def _unsettled(self, wanted: Texts, unheeded: set[str]) -> list[Mapping[str, Any]]:
        """Those that differ, or that systemd does not go by: a run may have been cut off before it was told of them."""
        return [one for one in wanted if not self._is_written(one) or unheeded & {*self._units(one["name"])}]

    def _unheeded(self, wanted: Texts) -> set[str]:
        """The timers that do not run, and the units that systemd holds as they were before they were written."""
        units = [unit for one in wanted for unit in self._units(one["name"])]
        found = self.systemd.properties_of(units, "ActiveState", "NeedDaemonReload")
        return {
            unit
            for unit in units
            if (known := found.get(unit, {})).get("NeedDaemonReload") == "yes"
            or (unit.endswith(".timer") and known.get("ActiveState") != "active")
        }

    def _units(self, name: str) -> tuple[str, str]:
        return self.timer(name), self.service(name)

    def _is_written(self, wanted: Mapping[str, Any]) -> bool:
        name = wanted["name"]
        return (
            (self.directory / name).exists()
            and self.starts_at_boot(name)
            and read_text(host.UNITS / self.timer(name)) == wanted["timer"]
            and read_text(host.UNITS / self.service(name)) == wanted["service"]
        )

    def _remove(self, name: str) -> None:
        self.systemd.order("disable", "--now", self.timer(name))
        self.systemd.order("reset-failed", self.service(name))
        for unit in (self.timer(name), self.service(name)):
            (host.UNITS / unit).unlink(missing_ok=True)
        # With it, systemd would make up for what was missed if the schedule came back.
        (TIMERS / f"stamp-{self.timer(name)}").unlink(missing_ok=True)
        for file in (f"{name}.last", f"{name}.success", name):
            (self.directory / file).unlink(missing_ok=True)


def examine(schedules: Schedules) -> tuple[list[dict[str, Any]], list[str]]:
    """Return how each schedule is, as C(schedule), C(state), C(last) and C(next), and what is wrong, in sentences.

    C(state) is C(running), C(failed), C(off), C(waiting) for its first run, or C(succeeded).
    """
    names = schedules.names
    if not names:
        return [], []
    systemd, next_elapses = schedules.systemd, schedules.systemd.next_elapses(map(schedules.timer, names))
    units = [unit for name in names for unit in (schedules.timer(name), schedules.service(name))]
    found = systemd.properties_of(units, "ActiveState")
    rows: list[dict[str, Any]] = []
    complaints: list[str] = []
    for name in names:
        timer, service, last = schedules.timer(name), schedules.service(name), schedules.last_run(name)
        timer_is_on = found.get(timer, {}).get("ActiveState") == "active"
        state = found.get(service, {}).get("ActiveState")
        if not timer_is_on:
            complaints.append(f"{timer} is not running: systemctl start {timer}, or deploy again")
        # systemd forgets at a reboot; what it could not start at all has no record.
        failed = last.failed or state == "failed"
        if failed:
            at = f" at {when(last.ended)} ({last.reason})" if last.failed and last.ended else ""
            complaints.append(f"{service} failed{at}: find the cause in journalctl -u {service}")
        if state in ("activating", "active", "deactivating"):
            shown = "running"
        elif failed:
            shown = "failed"
        elif not timer_is_on:
            shown = "off"
        else:
            shown = "succeeded" if last.ended else "waiting"
        rows.append({"schedule": name, "state": shown, "last": _iso(last.ended), "next": _iso(next_elapses.get(timer))})
    return rows, complaints


def _iso(at: float | None) -> str | None:
    return None if at is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _time(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def unusable_calendars(calendars: Mapping[str, str], run: Any) -> dict[str, str]:
    """Why systemd cannot use calendars, by the names of their schedules, without those that it can use.

    C(run) runs a command, as for Systemd.
    """
    found = {}
    for name, calendar in calendars.items():
        rc, out, err = run(["systemd-analyze", "calendar", "--", calendar])
        if rc:
            found[name] = "is not a calendar of systemd on this host"
            if "parse" not in err:
                found[name] = f"cannot be judged on this host: {' '.join(err.split()) or 'nothing'}"
        elif re.search(r"Next elapse: never", out):
            found[name] = "never comes"
    return found
