# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where requests wait while nobody serves: at a socket that systemd holds, to which nginx is sent meanwhile.

Where the memory holds one generation only, the old slot has to end before the next one begins. The kernel queues the
connections at the socket of C(shop-waiting.socket). As soon as somebody serves again and was found healthy, systemd's
own C(systemd-socket-proxyd) hands them over, and when the room is empty all of it is removed.

A run may be cut off in the middle. The room is kept shut by a file in /run, which counts for a limited time only: then
whoever waits brings back the slot that the live link names. That time is counted from the boot: the clock of a host
may be set meanwhile. A reboot clears /run, and the room is open from the beginning.
"""

from __future__ import annotations

import time
from pathlib import Path

from ansible_collections.pitcrew.django.plugins.module_utils import layout as layout_module
from ansible_collections.pitcrew.django.plugins.module_utils.files import replace_link, write_file
from ansible_collections.pitcrew.django.plugins.module_utils.layout import Layout, Slot
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd

__all__ = ["WaitingRoom"]

RUN = Path("/run")
UPTIME = Path("/proc/uptime")
POLL_S = 0.1
# Two sockets and two pipes, each of two ends.
DESCRIPTORS_PER_CONNECTION = 6

SOCKET = """\
# Made by pitcrew.django for the moment in which {name} changes its release, and removed afterwards.
[Unit]
Description=Requests to {name} that wait for its next release

[Socket]
ListenStream={socket}
SocketGroup={name}
SocketMode=0660
Backlog={backlog}

[Install]
WantedBy=sockets.target
"""
# Of the old unit only the order is said: wanting it would start it as soon as a request waits.
SERVICE = """\
# Made by pitcrew.django for the moment in which {name} changes its release, and removed afterwards.
[Unit]
Description=Requests to {name} that waited for its next release
After={boot} {old}

[Service]
User={name}
ExecStartPre=+/bin/sh {script}
ExecStart=/lib/systemd/systemd-socket-proxyd --connections-max={backlog} {target}
LimitNOFILE={descriptors}
TimeoutStartSec=infinity
"""
SCRIPT = """\
# Keeps those who wait until somebody can answer them. If nobody says so in time, the run that should have is gone.
while read -r deadline 2> /dev/null < {shut}; do
    IFS=. read -r now _ < {uptime}
    if test "$now" -gt "$deadline"; then
        case $(readlink {live}) in
            {old_target}) systemctl stop {new}; systemctl start {old} ;;
            *) ln --symbolic --force --no-dereference {new_socket} {target} ;;
        esac
        rm --force {shut}
    fi
    sleep 0.1
done
"""


def uptime() -> int:
    """Give the full seconds since the host was booted, from where the script reads them, too."""
    # Not by clock_gettime: some containers have a file of their own here, but the clock of their host.
    return int(float(UPTIME.read_text(encoding="ascii").split()[0]))


class WaitingRoom:
    """The waiting room of one site."""

    def __init__(self, layout: Layout, systemd: Systemd) -> None:
        self.layout = layout
        self.systemd = systemd
        name = f"{layout.name}-waiting"
        self.socket = RUN / f"{name}.sock"
        self.shut = RUN / f"{name}.shut"
        slots = layout.root / "slots"
        self.target, self.script = slots / "waiting.sock", slots / "waiting.sh"
        self.units = (f"{name}.socket", f"{name}.service")
        self.files = [layout_module.UNITS / unit for unit in self.units]
        self.wanted_by = layout_module.UNITS / "sockets.target.wants" / self.units[0]

    @property
    def exists(self) -> bool:
        """Whether there is one, perhaps of a run that was cut off."""
        return any(file.exists() for file in self.files)

    def open(self, old: Slot, new: Slot, backlog: int, patience_s: int) -> None:
        """Send all new requests there, away from a slot that serves. They wait for so long at the most.

        Raises OSError where systemd does not open it; the slot goes on serving then.
        """
        words = {
            "name": self.layout.name,
            "boot": self.layout.boot_unit,
            "old": old.unit,
            "old_target": f"slots/{old.name}",
            "new": new.unit,
            "new_socket": new.socket,
            "live": self.layout.live_link,
            "socket": self.socket,
            "shut": self.shut,
            "script": self.script,
            "target": self.target,
            "backlog": backlog,
            "descriptors": DESCRIPTORS_PER_CONNECTION * backlog + 64,
            "uptime": UPTIME,
        }
        write_file(self.shut, f"{uptime() + patience_s}\n", 0o644)
        replace_link(self.target, str(old.socket))
        for file, text in zip([self.script, *self.files], (SCRIPT, SOCKET, SERVICE), strict=True):
            write_file(file, text.format(**words), 0o644)
        self.wanted_by.parent.mkdir(exist_ok=True)
        replace_link(self.wanted_by, str(self.files[0]))
        self.systemd.order("daemon-reload")
        if complaint := self.systemd.order("start", self.units[0]):
            self._remove()
            raise OSError(f"requests cannot wait: {complaint}")
        replace_link(old.door, str(self.socket))

    def close(self, slot: Slot, old: Slot, patience_s: float) -> None:
        """Hand over to the slot, which serves, all who wait; give the one before its own door back, and remove it."""
        replace_link(self.target, str(slot.socket))
        self.shut.unlink(missing_ok=True)
        replace_link(old.door, str(old.socket))
        deadline = time.monotonic() + patience_s
        while self.systemd.under_way(self.socket) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        self._remove()

    def _remove(self) -> None:
        self.systemd.order("stop", *self.units)
        for path in (self.wanted_by, *self.files, self.script, self.target, self.shut, self.socket):
            path.unlink(missing_ok=True)
        self.systemd.order("daemon-reload")
