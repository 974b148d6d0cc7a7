# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of hosts, read from small copies of their /proc and /sys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.capacity import CapacityError, read_capacity

BARE = {
    "proc/meminfo": "MemTotal:        8140800 kB\nMemFree:          123456 kB\n",
    "proc/1/status": "Name:\tsystemd\nCpus_allowed_list:\t0-255\n",
    "proc/1/limits": "Max open files            524288               524288               files     \n",
    "proc/1/cgroup": "0::/init.scope\n",
    "proc/self/cgroup": "0::/user.slice/user-0.slice/session-4.scope\n",
    "proc/self/mountinfo": "35 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
    "proc/sys/net/core/somaxconn": "4096\n",
    "proc/sys/fs/nr_open": "1048576\n",
    "sys/devices/system/cpu/online": "0-3\n",
}
V1 = {
    "proc/1/cgroup": "4:memory:/init.scope\n3:cpu,cpuacct:/\n1:name=systemd:/init.scope\n0::/init.scope\n",
    "proc/self/mountinfo": (
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "36 31 0:33 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    ),
}
POD = "/libpod_parent/libpod-5b86"
SHARED_NAMESPACE = {
    "proc/1/cgroup": f"4:memory:{POD}\n3:cpu,cpuacct:{POD}/init.scope\n0::{POD}\n",
    "proc/self/mountinfo": (
        f"363 362 0:29 {POD} /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
        f"366 362 0:32 {POD} /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    ),
}


def host(root: Path, *layers: dict[str, str]) -> dict[str, Any]:
    """Build a host out of layers of files, and read it."""
    for path, text in {name: text for layer in (BARE, *layers) for name, text in layer.items()}.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    found: dict[str, Any] = read_capacity(str(root))
    return found


def sources(capacity: dict[str, Any], resource: str) -> dict[str, float]:
    """Map the source of each limit of a resource to its value."""
    return {limit["source"]: limit["value"] for limit in capacity["limits"] if limit["resource"] == resource}


def test_a_machine_without_limits(tmp_path: Path) -> None:
    """The hardware counts, and PID 1 sees all that is online."""
    assert host(tmp_path) == {
        "cpus": 4.0,
        "memory_mb": 7950,
        "somaxconn": 4096,
        "nofile_max": 524288,
        "limits": [
            {"resource": "cpus", "source": "/sys/devices/system/cpu/online", "value": 4},
            {"resource": "cpus", "source": "/proc/1/status", "value": 4},
            {"resource": "memory_mb", "source": "/proc/meminfo", "value": 7950},
            {"resource": "somaxconn", "source": "/proc/sys/net/core/somaxconn", "value": 4096},
            {"resource": "nofile_max", "source": "/proc/sys/fs/nr_open", "value": 1048576},
            {"resource": "nofile_max", "source": "/proc/1/limits", "value": 524288},
        ],
    }


@pytest.mark.parametrize(
    ("layer", "cpus", "memory_mb", "source"),
    [
        pytest.param(
            {"sys/fs/cgroup/cpu.max": "50000 100000\n", "sys/fs/cgroup/memory.max": "536870912\n"},
            *(0.5, 512, "/sys/fs/cgroup/cpu.max"),
            id="version 2, a container with its own namespace",
        ),
        pytest.param(
            {"sys/fs/cgroup/cpu.max": "max 100000\n", "sys/fs/cgroup/memory.max": "max\n"},
            *(4.0, 7950, "/proc/1/status"),
            id="version 2, no limit",
        ),
        pytest.param(
            {
                "sys/fs/cgroup/system.slice/cpu.max": "150000 100000\n",
                "sys/fs/cgroup/system.slice/memory.high": "1073741824\n",
            },
            *(1.5, 1024, "/sys/fs/cgroup/system.slice/cpu.max"),
            id="version 2, a limit of all services",
        ),
        pytest.param(
            {
                "sys/fs/cgroup/user.slice/cpu.max": "10000 100000\n",
                "sys/fs/cgroup/user.slice/user-0.slice/session-4.scope/memory.max": "1048576\n",
            },
            *(4.0, 7950, "/proc/1/status"),
            id="version 2, a limit of the login session is none of ours",
        ),
        pytest.param(
            {
                "proc/1/cgroup": "0::/lxc/web1/init.scope\n",
                "sys/fs/cgroup/lxc/cpu.max": "300000 100000\n",
                "sys/fs/cgroup/lxc/web1/cpu.max": "200000 100000\n",
                "sys/fs/cgroup/lxc/web1/system.slice/memory.max": "2147483648\n",
            },
            *(2.0, 2048, "/sys/fs/cgroup/lxc/web1/cpu.max"),
            id="version 2, the narrowest of all ancestors",
        ),
        pytest.param(
            {"proc/1/cgroup": "0::/../..\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"},
            *(1.0, 7950, "/sys/fs/cgroup/cpu.max"),
            id="version 2, PID 1 outside of the namespace",
        ),
        pytest.param(
            {"sys/fs/cgroup/system.slice/cpuset.cpus.effective": "1-2\n"},
            *(2.0, 7950, "/sys/fs/cgroup/system.slice/cpuset.cpus.effective"),
            id="version 2, a set of CPUs",
        ),
        pytest.param(
            V1
            | {
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
            },
            *(0.5, 512, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us"),
            id="version 1, a container with its own namespace",
        ),
        pytest.param(
            V1
            | {
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            *(4.0, 7950, "/proc/1/status"),
            id="version 1, no limit",
        ),
        pytest.param(
            V1
            | {
                "sys/fs/cgroup/cpu,cpuacct/system.slice/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu,cpuacct/system.slice/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpuset/cpuset.effective_cpus": "0-2\n",
            },
            *(2.5, 7950, "/sys/fs/cgroup/cpu,cpuacct/system.slice/cpu.cfs_quota_us"),
            id="version 1, a limit of all services",
        ),
        pytest.param(
            SHARED_NAMESPACE
            | {
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
            },
            *(1.0, 1024, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us"),
            id="version 1, a container in the namespace of its host",
        ),
        pytest.param(
            V1 | {"sys/fs/cgroup/unified/cpu.max": "50000 100000\n"},
            *(0.5, 7950, "/sys/fs/cgroup/unified/cpu.max"),
            id="both versions side by side",
        ),
        pytest.param(
            {"proc/1/status": "Cpus_allowed_list:\t0,2-9\n"},
            *(3.0, 7950, "/proc/1/status"),
            id="affinity counts CPUs that are online",
        ),
    ],
)
def test_the_narrowest_limit(tmp_path: Path, layer: dict[str, str], cpus: float, memory_mb: int, source: str) -> None:
    """The narrowest limit counts, with the file that it was found in."""
    capacity = host(tmp_path, layer)
    assert (capacity["cpus"], capacity["memory_mb"]) == (cpus, memory_mb)
    assert sources(capacity, "cpus")[source] == cpus


def test_files_that_do_not_exist_do_not_limit(tmp_path: Path) -> None:
    """Older kernels and hidden files leave the rest intact."""
    for path in ("proc/1/limits", "proc/1/status", "proc/1/cgroup", "proc/self/mountinfo"):
        host(tmp_path)
        (tmp_path / path).unlink()
        capacity: dict[str, Any] = read_capacity(str(tmp_path))
        assert (capacity["cpus"], capacity["memory_mb"]) == (4.0, 7950)


def test_what_the_kernel_does_not_say_is_none(tmp_path: Path) -> None:
    """The plan has defaults for these two."""
    host(tmp_path)
    for path in ("proc/sys/net/core/somaxconn", "proc/sys/fs/nr_open", "proc/1/limits"):
        (tmp_path / path).unlink()
    capacity: dict[str, Any] = read_capacity(str(tmp_path))
    assert capacity["somaxconn"] is None
    assert capacity["nofile_max"] is None


def test_garbage_is_not_a_limit(tmp_path: Path) -> None:
    """Neither a quota of 0 / 0 nor an empty file nor a mount of another form."""
    capacity = host(
        tmp_path,
        {
            "proc/self/mountinfo": BARE["proc/self/mountinfo"] + "short\n1 2 3 - cgroup2\n",
            "sys/fs/cgroup/cpu.max": "0 0\n",
            "sys/fs/cgroup/memory.max": "\n",
            "proc/1/limits": "Max open files            unlimited            unlimited            files     \n",
        },
    )
    assert (capacity["cpus"], capacity["memory_mb"], capacity["nofile_max"]) == (4.0, 7950, 1048576)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (["proc/meminfo"], "cannot read /proc/meminfo: is this Linux, with /proc and /sys mounted?"),
        (
            ["sys/devices/system/cpu/online", "proc/1/status"],
            "cannot read /sys/devices/system/cpu/online: is this Linux, with /proc and /sys mounted?",
        ),
    ],
)
def test_a_host_that_says_nothing_is_an_error(tmp_path: Path, missing: list[str], message: str) -> None:
    """No CPUs or no memory: there is nothing to plan with."""
    host(tmp_path)
    for path in missing:
        (tmp_path / path).unlink()
    with pytest.raises(CapacityError) as refused:
        read_capacity(str(tmp_path))
    assert str(refused.value) == message
