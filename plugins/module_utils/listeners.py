# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which programs listen on a host's ports, from the kernel's tables in /proc."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text

__all__ = ["has_ipv6", "other_listeners"]

PROC = Path("/proc")
LISTENING = "0A"


def has_ipv6() -> bool:
    """Whether a program of this host can listen on an IPv6 address."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as trial:
            trial.bind(("::", 0))
    except OSError:
        return False
    return True


def _listening(ports: Collection[int]) -> Iterator[tuple[str, int]]:
    """Yield the sockets that listen on these ports, named as in the descriptors of a process, each with its port."""
    for table in ("tcp", "tcp6"):
        try:
            with open(PROC / "net" / table, encoding="ascii") as lines:
                next(lines, None)
                for line in lines:
                    _number, local, _remote, state, *rest = line.split()
                    # The kernel lists those that listen first (Documentation/networking/proc_net_tcp.rst); there may be
                    # very many others.
                    if state != LISTENING:
                        break
                    if (port := int(local.rpartition(":")[2], 16)) in ports:
                        yield f"socket:[{rest[5]}]", port
        except FileNotFoundError:  # A kernel without IPv6.
            continue


def _sockets(process: Path) -> Iterator[str]:
    """Yield what the descriptors of a process refer to; nothing once it has ended."""
    try:
        for descriptor in os.scandir(process / "fd"):
            yield os.readlink(descriptor.path)
    except OSError:
        return


def _name(process: Path) -> str:
    return (read_text(process / "comm") or "").strip()


def _described(process: Path) -> dict[str, Any]:
    """The name of a process, its number, and the service of the system's that it belongs to, if any."""
    unit = re.search(r"/system\.slice/(?:[^/\n]+\.slice/)*([^/\n]+\.service)", read_text(process / "cgroup") or "")
    return {
        "program": _name(process),
        "pid": int(process.name),
        "unit": unit.group(1) if unit else None,
    }


def other_listeners(ports: Collection[int], program: str, pid: str) -> list[dict[str, Any]]:
    """Which programs other than the one named listen on these ports: C(port), C(program), C(pid) and C(unit) of each.

    A process that cannot be seen from here has neither name nor number. That of the named program's main process saves
    looking at all others.
    """
    expected = set(_sockets(PROC / pid)) if _name(PROC / pid) == program else set()
    foreign = {name: port for name, port in _listening(ports) if name not in expected}
    if not foreign:
        return []
    found: dict[int, dict[str, Any]] = {}
    # A server's children have its sockets, too; the server itself has the lowest number.
    for process in sorted((path for path in PROC.iterdir() if path.name.isdigit()), key=lambda path: int(path.name)):
        for port in {foreign[name] for name in _sockets(process) if name in foreign}:
            found.setdefault(port, _described(process))
    unseen = {"program": None, "pid": None, "unit": None}
    holders = ({"port": port, **found.get(port, unseen)} for port in sorted(set(foreign.values())))
    return [holder for holder in holders if holder["program"] != program]
