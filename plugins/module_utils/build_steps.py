# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a build (site_build): what presets need, and the sandbox that each step runs in.

A step runs in a transient unit of systemd, as the site's user. It can write to the release's code and to a /tmp of its
own, has a network only if it asks for one, gains no privileges, and has limits of memory and time. What it leaves
running ends with it, and it ends with the module.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["PRESETS", "Outcome", "Preset", "Sandbox", "unit_properties"]


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

SYSTEMCTL = "/usr/bin/systemctl"
SYSTEMD_RUN = "/usr/bin/systemd-run"
SETPRIV = "/usr/bin/setpriv"
SHOWN = 200_000
"""How many bytes of the end of what a step wrote are read."""
# No dollar sign: systemd would replace what follows it.
BEGIN = """
import json, sys
job = json.loads(sys.stdin.readline())
scope = {"__name__": "build_runner"}
exec(compile(job.pop("program"), "build_runner", "exec"), scope)
scope["main"](job)
"""
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


@dataclass
class Outcome:
    """How a step ended: the status of its last command, what it wrote, and what its host could not confine.

    C(error) and C(cure) are those of a step that could not begin; C(result) is systemd's, such as C(timeout). C(note)
    is what a person should know even if it succeeds.
    """

    status: int | None = None
    output: str = ""
    runs: str = ""
    error: str = ""
    cure: str = ""
    result: str = ""
    note: str = ""
    unconfined: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether everything ran, and returned 0."""
        return self.status == 0


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
            "source": str(app),
            "project": str(app / self.project),
            "read_only": str(self.release),
            "host": {"tmp": identity("/tmp"), "network": identity("/proc/self/ns/net")},
            "environment": dict(environment),
            "collects": collects,
            **{name: step[name] for name in ("preset", "command", "directory", "network")},
        }
        properties = unit_properties(self.user, app, step["network"], step["timeout"], step["memory"], hidden)
        command = [
            *(SETPRIV, "--pdeathsig=KILL", "--"),
            *(SYSTEMD_RUN, "--wait", "--pipe", "--collect", "--service-type=exec", f"--unit={self.unit}"),
            f"--description={self.user}: a step of site_build",
            *(f"--property={one}" for one in properties),
            *("--", self.python, "-ISc", BEGIN),
        ]
        # Of a run that was cut off: its step has ended, or is about to.
        subprocess.run([SYSTEMCTL, "stop", f"{self.unit}.service"], capture_output=True, check=False)
        with tempfile.TemporaryFile() as written, tempfile.TemporaryFile() as reported:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=written, stderr=reported)
            job_input: Any = process.stdin
            with suppress(BrokenPipeError):  # If systemd-run fails, it says why.
                job_input.write(f"{json.dumps(job)}\n".encode())
                job_input.flush()
            try:
                process.wait()
            finally:
                # The step ends when this is closed, and not before: it watches that.
                with suppress(BrokenPipeError):
                    job_input.close()
            return outcome(_end_of(written), _end_of(reported))


def identity(path: str) -> list[int]:
    """What distinguishes a file from every other one of the host, also for processes that see others."""
    status = os.stat(path)
    return [status.st_dev, status.st_ino]


def _end_of(file: Any) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - SHOWN))
    text = file.read().decode("utf-8", errors="replace")
    # Colours, and lines that a progress bar writes over each other.
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def outcome(written: str, reported: str) -> Outcome:
    """Read what a step has written, and the lines that it and systemd-run have reported."""
    found = Outcome(output=written)
    others = []
    for line in reported.splitlines():
        try:
            report = json.loads(line)
        except ValueError:
            report = None
        if isinstance(report, dict):
            for name in ("status", "runs", "error", "cure", "note", "unconfined"):
                setattr(found, name, report.get(name, getattr(found, name)))
        else:
            others.append(line)
    text = "\n".join(others)
    if ended := re.search(r"Finished with result: (\S+)", text):
        found.result = ended[1]
    elif found.status is None and not found.error:
        found.error = "its unit does not start"
        found.output = "\n".join(filter(None, [written, text]))
    return found
