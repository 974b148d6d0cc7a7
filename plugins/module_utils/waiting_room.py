# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where requests wait while no slot serves: at a socket that systemd holds, to which nginx is pointed meanwhile.

If memory holds one generation only, the old slot has to stop before the new one starts. Meanwhile the kernel queues
connections at the socket of C(shop-waiting.socket). As soon as a slot serves and has passed its health check, systemd's
own C(systemd-socket-proxyd) hands the requests over to it, and when none waits any more, the room is removed.

A run may be cut off in between. A file in /run keeps the room shut, but only until a deadline. After that, the script
that the service runs first leads the waiting requests to the slot that the live link names, and starts that slot if it
is the old one. The deadline is counted from the boot, since the clock of a host may be set meanwhile. A reboot clears
/run, so after a reboot the room is open.
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
    """Return the full seconds since the host was booted, from the same file as the script."""
    # Not clock_gettime: in some containers /proc/uptime is their own, but the clock is that of their host.
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
        """Whether the room exists, perhaps left by a run that was cut off."""
        return self.files["socket"].exists() or self.files["service"].exists()

    def open(self, old: Slot, new: Slot, texts: Mapping[str, str], patience_s: int) -> None:
        """Send all new requests to the room, away from the slot that serves. They wait there for at most that time.

        C(texts) are those of the units and of the script. Raises OSError if the room cannot be opened; nothing is left
        of it then, and the slot keeps serving.
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
        """Hand all waiting requests over to the slot, which serves; point nginx past the room, and remove the room."""
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
