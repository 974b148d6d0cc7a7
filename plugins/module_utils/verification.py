# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a site is as planned: it is asked as a visitor would ask, and its processes are counted."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.pitcrew.django.plugins.module_utils.ask import Question, ask
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd

__all__ = ["VERIFY_SPEC", "NotAsPlannedError", "Verification"]

POLL_S = 0.1

# What modules are told beside the question.
VERIFY_SPEC = {
    "workers": {"type": "int"},
    "address": {"type": "str", "default": "127.0.0.1:80"},
    "protocol": {"type": "str", "choices": ["http", "https"], "default": "http"},
    "timeout": {"type": "int", "default": 10},
    "stop_timeout": {"type": "int", "default": 35},
}


class NotAsPlannedError(Exception):
    """The site is live, but not as planned; the message says in what."""


@dataclass(frozen=True)
class Verification:
    """What to ask through the proxy, and how many worker processes there should be; None where they do not count."""

    site: HostedSite
    systemd: Systemd
    question: Question
    workers: int | None
    timeout: int
    stop_timeout: int

    def run(self) -> None:
        """Wait until the site is as planned, and only one slot of it runs.

        Raises NotAsPlannedError where it is not in time.
        """
        self._wait_for(self._objection, self.timeout)
        if self.question.release is not None:  # A balancer has no slots.
            self._wait_for(self._remains, self.stop_timeout)

    def _wait_for(self, look: Callable[[], str | None], patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while found := look():
            if time.monotonic() > deadline:
                raise NotAsPlannedError(f"The site is live, but not as planned: {found}.")
            time.sleep(POLL_S)

    def _objection(self) -> str | None:
        """Say in words what is not as it should be, or None."""
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
        """Say that the slot before still runs, or None."""
        unit = self.site.idle.unit
        return None if self.systemd.show(unit).stopped else f"{unit} still runs beside the slot that serves"
