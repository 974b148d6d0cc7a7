# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a site is as planned: a request is sent as a visitor would send it, and processes are counted."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.pitcrew.django.plugins.module_utils.ask import Question, ask
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite, Slot
from ansible_collections.pitcrew.django.plugins.module_utils.journal import Refusal, of_unit
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd

__all__ = ["VERIFY_SPEC", "NotAsPlannedError", "Verification"]

POLL_S = 0.1

# The options of modules besides the question.
VERIFY_SPEC = {
    "workers": {"type": "int"},
    "address": {"type": "str", "default": "127.0.0.1:80"},
    "protocol": {"type": "str", "choices": ["http", "https"], "default": "http"},
    "timeout": {"type": "int", "default": 10},
    "stop_timeout": {"type": "int", "default": 35},
}


class NotAsPlannedError(Refusal):
    """The site is live, but not as planned; the message says in what way."""


@dataclass(frozen=True)
class Verification:
    """The request to send through the proxy, and how many worker processes to expect; None if they are not counted."""

    site: HostedSite
    systemd: Systemd
    question: Question
    workers: int | None
    timeout: int
    stop_timeout: int

    def run(self) -> None:
        """Wait until the site is as planned, and only one slot of it runs.

        Raises NotAsPlannedError if that takes too long.
        """
        self._wait_for(self._objection, self.timeout, self.site.live)
        if self.question.release is not None:  # A balancer has no slots.
            self._wait_for(self._remains, self.stop_timeout, self.site.idle)

    def _wait_for(self, look: Callable[[], str | None], patience_s: float, slot: Slot | None) -> None:
        deadline = time.monotonic() + patience_s
        while found := look():
            if time.monotonic() > deadline:
                journal = [of_unit(slot.unit, self.systemd.journal(slot.unit))] if slot else []
                raise NotAsPlannedError(f"The site is live, but not as planned: {found}", *journal)
            time.sleep(POLL_S)

    def _objection(self) -> str | None:
        """Return what is wrong, in words, or None."""
        if self.workers is not None:
            live = self.site.live
            if live is None:
                return f"{self.site.live_link} points to no slot"
            workers = len(self.systemd.show(live.unit).processes)
            if workers != self.workers:
                return f"{live.unit} runs {workers} worker processes, the plan has {self.workers}"
        try:
            return self.question.objection(ask(self.question))
        except (OSError, http.client.HTTPException) as error:
            where = f"{self.question.host} on {self.question.address}"
            return f"no answer for {where}: {error or type(error).__name__}"

    def _remains(self) -> str | None:
        """Return in words that the old slot still runs, or None."""
        unit = self.site.idle.unit
        return None if self.systemd.show(unit).stopped else f"{unit} still runs beside the slot that serves"
