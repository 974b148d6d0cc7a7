# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a build (site_build): what presets need, and the sandbox that each step runs in.

A step runs in a transient unit of systemd, as the site's user. It can write to the release's code and to a /tmp of its
own, has a network only if it asks for one, gains no privileges, and has limits of memory and time. What it leaves
running ends with it, and it ends with the module.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.transient_unit import Outcome, run_in_unit

__all__ = ["PRESETS", "Preset", "Sandbox", "unit_properties"]

SYSTEMCTL = "/usr/bin/systemctl"


@dataclass(frozen=True)
class Preset:
    """What a preset needs: a network, Node, packages of the distribution.

    C(django) are those that load the project's settings, and so need its secrets. The others run code of strangers.
    """

    network: bool = False
    node: bool = False
    django: bool = True
    packages: tuple[str, ...] = ()


PRESETS: dict[str, Preset] = {
    "npm": Preset(network=True, node=True, django=False),
    "compilemessages": Preset(packages=("gettext",)),
    "compress": Preset(),
    "sass": Preset(),
}

# That of the slots, except RemoveIPC: the shared memory of the live release belongs to the same user.
SANDBOX = (
    "CapabilityBoundingSet=",
    "LockPersonality=true",
    "NoNewPrivileges=true",
    "PrivateDevices=true",
    "PrivateMounts=true",
    "PrivateTmp=true",
    "ProtectClock=true",
    "ProtectControlGroups=true",
    "ProtectHome=true",
    "ProtectHostname=true",
    "ProtectKernelLogs=true",
    "ProtectKernelModules=true",
    "ProtectKernelTunables=true",
    "ProtectProc=invisible",
    "ProtectSystem=strict",
    # Node lists the network's interfaces over netlink.
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "RestrictNamespaces=true",
    "RestrictRealtime=true",
    "RestrictSUIDSGID=true",
    "SystemCallArchitectures=native",
    "SystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service",
    "UMask=0027",
)
# The live release comes first, for the CPU, for the disk, and if memory runs out.
PRIORITY = ("Nice=10", "CPUWeight=20", "IOWeight=20", "OOMScoreAdjust=500", "TasksMax=2048")


def unit_properties(
    user: str, writable: Path, network: bool, timeout: int, memory: str, hidden: tuple[Path, ...] = ()
) -> list[str]:
    """Return the properties of a step's unit; C(timeout) in seconds, C(memory) as systemd writes it."""
    return [
        f"User={user}",
        f"Group={user}",
        *SANDBOX,
        f"ReadWritePaths={writable}",
        *(f"InaccessiblePaths=-{path}" for path in hidden),
        *([] if network else ["PrivateNetwork=true"]),
        *PRIORITY,
        f"MemoryMax={memory}",
        f"RuntimeMaxSec={timeout}",
        "TimeoutStopSec=5",
    ]


@dataclass(frozen=True)
class Sandbox:
    """The place where steps of one release run. C(program) is the source of build_runner."""

    user: str
    unit: str
    python: str
    release: Path
    project: str
    home: Path
    program: str

    def run(self, step: Mapping[str, Any], environment: Mapping[str, str], collects: bool) -> Outcome:
        """Run a step with an environment; C(collects) tells whether the site collects static files."""
        app = self.release / "app"
        preset = PRESETS.get(step["preset"])
        hidden = () if preset is None or preset.django else (self.home,)
        job = {
            "program": self.program,
            "entry": "main",
            "source": str(app),
            "project": str(app / self.project),
            "read_only": str(self.release),
            "host": {"tmp": identity("/tmp"), "network": identity("/proc/self/ns/net")},
            "environment": dict(environment),
            "collects": collects,
            **{name: step[name] for name in ("preset", "command", "directory", "network")},
        }
        properties = unit_properties(self.user, app, step["network"], step["timeout"], step["memory"], hidden)
        # Of a run that was cut off: its step has ended, or is about to.
        subprocess.run([SYSTEMCTL, "stop", f"{self.unit}.service"], capture_output=True, check=False)
        return run_in_unit(self.unit, f"{self.user}: a step of site_build", self.python, properties, job)


def identity(path: str) -> list[int]:
    """What distinguishes a file from every other one of the host, also for processes that see others."""
    status = os.stat(path)
    return [status.st_dev, status.st_ino]
