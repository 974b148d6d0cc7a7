# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a site is as planned: requests are sent as a visitor would send them, and processes are counted."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.health import HealthCheck, essential
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite, Slot
from ansible_collections.pitcrew.django.plugins.module_utils.journal import Refusal, of_unit
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd

__all__ = ["VERIFY_SPEC", "NotAsPlannedError", "Verification"]

POLL_S = 0.1

# The options of modules besides those of the health check.
VERIFY_SPEC = {
    "workers": {"type": "int"},
    "address": {"type": "str", "default": "127.0.0.1:80"},
    "protocol": {"type": "str", "choices": ["http", "https"], "default": "http"},
    "timeout": {"type": "int", "default": 10},
    "stop_timeout": {"type": "int", "default": 35},
}


class NotAsPlannedError(Refusal):
    """The site is live, but not as planned; the message has the difference."""


@dataclass(frozen=True)
class Verification:
    """What visitors have to get through the proxy, and how many worker processes to expect.

    Without a release, any may answer: the host balances, and runs none itself. Workers that are None are not counted.
    """

    site: HostedSite
    systemd: Systemd
    health: Mapping[str, Any]
    release: str | None
    address: str
    protocol: str
    workers: int | None
    timeout: int
    stop_timeout: int

    def run(self) -> None:
        """Wait until the site is as planned, and only one slot of it runs.

        Raises NotAsPlannedError if that takes too long.
        """
        self._wait_for(self._problem, self.timeout, self.site.live)
        if self.release is not None:  # A balancer has no slots.
            self._wait_for(self._old_slot, self.stop_timeout, self.site.idle)

    def _wait_for(self, problem: Callable[[], str | None], patience_s: float, slot: Slot | None) -> None:
        deadline = time.monotonic() + patience_s
        while found := problem():
            if time.monotonic() > deadline:
                journal = [of_unit(slot.unit, self.systemd.journal(slot.unit))] if slot else []
                raise NotAsPlannedError(f"The site is live, but not as planned: {found}", *journal)
            time.sleep(POLL_S)

    def _problem(self) -> str | None:
        """Return what is wrong as text, or None."""
        if self.workers is not None:
            live = self.site.live
            if live is None:
                return f"{self.site.live_link} points to no slot"
            workers = len(self.systemd.show(live.unit).processes)
            if workers != self.workers:
                return f"{live.unit} runs {workers} worker processes, the plan has {self.workers}"
        try:
            return ". ".join(self._health_check().problems()) or None
        except (OSError, http.client.HTTPException) as error:
            where = f"{self.health['host']} on {self.address}"
            return f"no response for {where}: {error or type(error).__name__}"

    def _health_check(self) -> HealthCheck:
        """The health path, and that nginx reaches the release's files: the home page and one file that it names.

        The switch has checked the rest. Through a balancer, page and file may come from different releases.
        """
        if self.release is None:
            return HealthCheck(essential(self.health), self.address, self.protocol, None)
        live = self.site.live
        health = {**self.health, "checks": []}
        static = live.static if live else None
        return HealthCheck(health, self.address, self.protocol, self.release, static, files=1)

    def _old_slot(self) -> str | None:
        """Return a sentence if the old slot still runs, or None. One with WebSockets may take its time to stop."""
        idle = self.site.idle
        unit = self.systemd.show(idle.unit)
        stopped = unit.ending if idle.lasts else unit.stopped
        return None if stopped else f"{idle.unit} still runs beside the slot that serves"
