# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timer that asks the live slot whether it is alive: what of it has to be on the host, and what it has found.

It belongs to the site and not to a slot, since it looks at whichever slot is live.

======================================  ====================================================================
/etc/systemd/system/shop-liveness.*     the timer, and the service that asks once
/srv/shop/watch/                        the program that the service runs
/run/pitcrew/shop-liveness.json         what it found since the host was booted
======================================  ====================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils import host
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text, remove_tree, write_file
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd

__all__ = ["WATCH_SPEC", "ProcessWatch"]

WATCH_SPEC = {
    "timer": {"type": "str", "required": True},
    "service": {"type": "str", "required": True},
    "files": {"type": "dict", "required": True},
}


class ProcessWatch:
    """The process watch of one site."""

    def __init__(self, site: HostedSite, systemd: Systemd) -> None:
        self.systemd = systemd
        name = f"{site.name}-liveness"
        self.timer, self.service = f"{name}.timer", f"{name}.service"
        self.directory = site.root / "watch"
        self.wanted_by = host.UNITS / "timers.target.wants" / self.timer
        self.state = host.RUN / "pitcrew" / f"{name}.json"

    @property
    def exists(self) -> bool:
        """Whether the timer starts at boot."""
        return self.wanted_by.is_symlink()

    @property
    def found(self) -> dict[str, Any]:
        """What the program found since the host was booted; empty before it has run."""
        try:
            found = json.loads(read_text(self.state) or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def settled(self, texts: Mapping[str, Any] | None) -> bool:
        """Whether the host has exactly these texts of the units and of the program, or none if there are to be none."""
        if texts is None:
            return not self.exists
        return self.exists and all(read_text(path) == text for path, text in self._files(texts).items())

    def establish(self, texts: Mapping[str, Any] | None) -> None:
        """Write what differs and start the timer, or remove all of it.

        Raises OSError if systemd does not accept it.
        """
        if self.settled(texts):
            return
        if texts is None:
            self._remove()
            return
        self.directory.mkdir(mode=0o755, exist_ok=True)
        for path, text in self._files(texts).items():
            write_file(path, text, 0o644)
        self.systemd.order("daemon-reload")
        complaint = self.systemd.order("enable", self.timer) or self.systemd.order("restart", self.timer)
        if complaint:
            raise OSError(f"the live slot would not be watched: {complaint}")

    def _files(self, texts: Mapping[str, Any]) -> dict[Any, str]:
        return {
            host.UNITS / self.timer: texts["timer"],
            host.UNITS / self.service: texts["service"],
            **{self.directory / name: text for name, text in texts["files"].items()},
        }

    def _remove(self) -> None:
        self.systemd.order("disable", "--now", self.timer)
        for unit in (self.timer, self.service):
            (host.UNITS / unit).unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)
        remove_tree(self.directory)
        self.systemd.order("daemon-reload")
