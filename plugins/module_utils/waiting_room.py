# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where requests wait while nobody serves: at a socket that systemd holds, to which nginx is sent meanwhile.

Where the memory holds one generation only, the old slot has to end before the next one begins. The kernel queues the
connections at the socket of C(shop-waiting.socket). As soon as somebody serves again and was found healthy, systemd's
own C(systemd-socket-proxyd) hands them over, and when the room is empty all of it is removed.

A run may be cut off in the middle. The room is kept shut by a file in /run, which counts for a limited time only: then
whoever waits brings back the slot that the live link names, by the script that the service runs first. That time is
counted from the boot: the clock of a host may be set meanwhile. A reboot clears /run, and the room is open from the
beginning.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.pitcrew.django.plugins.module_utils import host
from ansible_collections.pitcrew.django.plugins.module_utils.files import replace_link, write_file
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite, Slot
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd

__all__ = ["WaitingRoom"]

UPTIME = Path("/proc/uptime")
POLL_S = 0.1


def uptime() -> int:
    """Give the full seconds since the host was booted, from where the script reads them, too."""
    # Not by clock_gettime: some containers have a file of their own here, but the clock of their host.
    return int(float(UPTIME.read_text(encoding="ascii").split()[0]))


class WaitingRoom:
    """The waiting room of one site."""

    def __init__(self, site: HostedSite, systemd: Systemd) -> None:
        self.systemd = systemd
        name = f"{site.name}-waiting"
        self.socket = host.RUN / f"{name}.sock"
        self.shut = host.RUN / f"{name}.shut"
        slots = site.root / "slots"
        self.target = slots / "waiting.sock"
        self.units = (f"{name}.socket", f"{name}.service")
        socket, service = (host.UNITS / unit for unit in self.units)
        self.files = {"socket": socket, "service": service, "script": slots / "waiting.sh"}
        self.wanted_by = host.UNITS / "sockets.target.wants" / socket.name

    @property
    def exists(self) -> bool:
        """Whether there is one, perhaps of a run that was cut off."""
        return self.files["socket"].exists() or self.files["service"].exists()

    def open(self, old: Slot, new: Slot, texts: Mapping[str, str], patience_s: int) -> None:
        """Send all new requests there, away from a slot that serves. They wait for so long at the most.

        C(texts) are those of the units and of the script. Raises OSError where it cannot be opened; nothing is left of
        it then, and the slot goes on serving.
        """
        try:
            write_file(self.shut, f"{uptime() + patience_s} {old.name} {new.name}\n", 0o644)
            replace_link(self.target, str(old.socket))
            for name in ("script", "socket", "service"):
                write_file(self.files[name], texts[name], 0o644)
            self.wanted_by.parent.mkdir(exist_ok=True)
            replace_link(self.wanted_by, str(self.files["socket"]))
            self.systemd.order("daemon-reload")
            if complaint := self.systemd.order("start", self.units[0]):
                raise OSError(f"requests cannot wait: {complaint}")
            replace_link(old.socket_link, str(self.socket))
        except OSError:
            self._remove()
            raise

    def close(self, slot: Slot, old: Slot, patience_s: float) -> None:
        """Hand over to the slot, which serves, all who wait, lead nginx past the room again, and remove it."""
        replace_link(self.target, str(slot.socket))
        self.shut.unlink(missing_ok=True)
        replace_link(old.socket_link, str(old.socket))
        deadline = time.monotonic() + patience_s
        while self.systemd.under_way(self.socket) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        self._remove()

    def _remove(self) -> None:
        self.systemd.order("stop", *self.units)
        for path in (self.wanted_by, *self.files.values(), self.target, self.shut, self.socket):
            path.unlink(missing_ok=True)
        self.systemd.order("daemon-reload")
