# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a site is as planned: requests are sent as a visitor would send them, and processes are counted.

Background processes have to run in the live slot only. In the other one, they may finish what they have.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.health import HealthCheck, essential
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.journal import Refusal, of_unit
from ansible_collections.pitcrew.django.plugins.module_utils.slot_processes import SlotProcesses
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


Problem = tuple[str, str]
"""What is wrong, in a sentence, and the unit whose journal may show why; that is empty if there is none."""


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
        self._wait_for(self._problem, self.timeout)
        if self.release is not None:  # A balancer has no slots.
            self._wait_for(self._old_slot, self.stop_timeout)

    def _wait_for(self, problem: Callable[[], Problem | None], patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while found := problem():
            if time.monotonic() > deadline:
                sentence, unit = found
                journal = [of_unit(unit, self.systemd.journal(unit))] if unit else []
                raise NotAsPlannedError(f"The site is live, but not as planned: {sentence}", *journal)
            time.sleep(POLL_S)

    def _problem(self) -> Problem | None:
        """Return what is wrong with the live slot, or None."""
        live = self.site.live
        unit = live.unit if live else ""
        if self.workers is not None:
            if live is None:
                return f"{self.site.live_link} points to no slot", ""
            workers = len(self.systemd.show(live.unit).processes)
            if workers != self.workers:
                return f"{live.unit} runs {workers} worker processes, the plan has {self.workers}", unit
        if down := SlotProcesses(self.site, self.systemd).down(live):
            return f"{', '.join(down)} {'does' if len(down) == 1 else 'do'} not run", down[0]
        try:
            problems = ". ".join(self._health_check().problems())
        except (OSError, http.client.HTTPException) as error:
            problems = f"no response for {self.health['host']} on {self.address}: {error or type(error).__name__}"
        return (problems, unit) if problems else None

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

    def _old_slot(self) -> Problem | None:
        """Return what of the old slot still runs, or None.

        WebSockets may keep a slot open, and its background processes may take long to finish what they have: such a
        slot only has to be stopping.
        """
        idle = self.site.idle
        unit = self.systemd.show(idle.unit)
        beside = [] if unit.stopped or (idle.lasts and unit.ending) else [idle.unit]
        beside += SlotProcesses(self.site, self.systemd).not_stopping(idle)
        if not beside:
            return None
        verb = "runs" if len(beside) == 1 else "run"
        return f"{', '.join(beside)} still {verb} beside the slot that serves", beside[0]
