# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Linux host grants its services: CPUs, memory, listen queue and open files, each with the file that limits it.

Limits are read for PID 1, never for this process: a login session has limits of its own that a service does
not share. The limits of the control group of PID 1 (in a container: those of the container), of all its
visible ancestors, and of system.slice, where services run, all apply. A file that does not exist sets no limit.
"""

from __future__ import annotations

import os

__all__ = ["CapacityError", "read_capacity"]

SERVICES = "system.slice"
NO_MEMORY_LIMIT = 1 << 60  # cgroup v1 expresses "no limit" as the largest multiple of its page size
MB = 1 << 20


class CapacityError(Exception):
    """The capacity of the host cannot be read."""


def read_capacity(root="/"):
    """Return cpus, memory_mb, somaxconn, nofile_max, and all limits of which these are the smallest."""
    host = _Host(root)
    limits = []
    for resource, readings in (
        ("cpus", _cpus(host)),
        ("memory_mb", _memory(host)),
        ("somaxconn", _number_in(host, "/proc/sys/net/core/somaxconn")),
        ("nofile_max", _open_files(host)),
    ):
        limits.extend({"resource": resource, "source": source, "value": value} for source, value in readings)

    def smallest(resource):
        values = [limit["value"] for limit in limits if limit["resource"] == resource]
        return min(values) if values else None

    cpus, memory_mb = smallest("cpus"), smallest("memory_mb")
    if cpus is None or memory_mb is None:
        missing = "/proc/meminfo" if memory_mb is None else "/sys/devices/system/cpu/online"
        raise CapacityError(f"cannot read {missing}: is this Linux, with /proc and /sys mounted?")
    return {
        "cpus": float(cpus),
        "memory_mb": memory_mb,
        "somaxconn": smallest("somaxconn"),
        "nofile_max": smallest("nofile_max"),
        "limits": limits,
    }


class _Host:
    """The files of a host; every path is absolute, as on the host itself."""

    def __init__(self, root):
        self.root = root

    def lines(self, path):
        try:
            with open(os.path.join(self.root, path.lstrip("/"))) as file:
                return file.read().splitlines()
        except (OSError, UnicodeDecodeError):
            return []

    def first(self, path):
        lines = self.lines(path)
        return lines[0].strip() if lines else ""

    def groups(self, controller):
        """Yield (directory, is it version 2) of each control group that limits services, outermost first."""
        for mount, top, unified in self._hierarchies(controller):
            names = [name for name in self._init_group(controller, top, unified).split("/") if name]
            if names and names[-1] == "init.scope":
                names.pop()
            directory = mount
            yield directory, unified
            for name in [*names, SERVICES]:
                directory = directory + "/" + name
                yield directory, unified

    def _hierarchies(self, controller):
        """Yield (mount point, group mounted there, is it version 2) of each hierarchy that may have the controller."""
        for line in self.lines("/proc/self/mountinfo"):
            before, _separator, after = line.partition(" - ")
            mounted, kind = before.split(), after.split()
            if len(mounted) < 5 or len(kind) < 3:
                continue
            if kind[0] == "cgroup2" or (kind[0] == "cgroup" and controller in kind[2].split(",")):
                yield mounted[4], mounted[3], kind[0] == "cgroup2"

    def _init_group(self, controller, top, unified):
        """Return the control group of PID 1, relative to the group that is mounted."""
        for line in self.lines("/proc/1/cgroup"):
            number, controllers, group = [*line.split(":", 2), "", ""][:3]
            found = number == "0" and not controllers if unified else controller in controllers.split(",")
            if not found or group.startswith("/.."):
                continue
            if top == "/":
                return group
            if group == top or group.startswith(top + "/"):
                return group[len(top) :]
        return "/"


def _cpus(host):
    """Yield the CPUs that are online, that PID 1 may use, and that each control group leaves to services."""
    path = "/sys/devices/system/cpu/online"
    online = _cpu_list(host.first(path))
    if online:
        yield path, len(online)
    for line in host.lines("/proc/1/status"):
        if line.startswith("Cpus_allowed_list:"):
            allowed = _cpu_list(line.split(":", 1)[1])
            yield "/proc/1/status", len(allowed & online if online else allowed)
    for group, unified in host.groups("cpuset"):
        path = group + ("/cpuset.cpus.effective" if unified else "/cpuset.effective_cpus")
        allowed = _cpu_list(host.first(path))
        if allowed:
            yield path, len(allowed & online if online else allowed)
    for group, unified in host.groups("cpu"):
        path = group + ("/cpu.max" if unified else "/cpu.cfs_quota_us")
        quota = host.first(path).split()
        if not unified:
            quota += [host.first(group + "/cpu.cfs_period_us")]
        if len(quota) == 2 and _is_number(quota[0]) and _is_number(quota[1]) and int(quota[1]):
            yield path, round(int(quota[0]) / int(quota[1]), 3)


def _memory(host):
    """Yield the MB of memory that the kernel has, and that each control group leaves to services."""
    for line in host.lines("/proc/meminfo"):
        if line.startswith("MemTotal:"):
            yield "/proc/meminfo", int(line.split()[1]) * 1024 // MB
    for group, unified in host.groups("memory"):
        for name in ("memory.max", "memory.high") if unified else ("memory.limit_in_bytes",):
            limit = host.first(group + "/" + name)
            if _is_number(limit) and int(limit) < NO_MEMORY_LIMIT:
                yield group + "/" + name, int(limit) // MB


def _open_files(host):
    """Yield what the kernel allows any process, and what an unprivileged PID 1 can pass on."""
    yield from _number_in(host, "/proc/sys/fs/nr_open")
    for line in host.lines("/proc/1/limits"):
        if line.startswith("Max open files"):
            hard = line.split()[4]
            if _is_number(hard):
                yield "/proc/1/limits", int(hard)


def _number_in(host, path):
    text = host.first(path)
    if _is_number(text):
        yield path, int(text)


def _is_number(text):
    return text.isdigit()


def _cpu_list(text):
    """Read the kernel's notation: '0-2,5' is {0, 1, 2, 5}."""
    cpus = set()
    for part in text.strip().split(","):
        first, _dash, last = part.partition("-")
        if _is_number(first) and (_is_number(last) or not last):
            cpus.update(range(int(first), int(last or first) + 1))
    return cpus
