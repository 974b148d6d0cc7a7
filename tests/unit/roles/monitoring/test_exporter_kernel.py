"""Control groups of both versions and processes, from trees of files as kernels show them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pitcrew_exporter.kernel import TICKS_PER_S, Kernel, Waits

GROUP = "/system.slice/system-shop.slice/shop@blue.service"
STAT = "{pid} (uWSGI ) w (1)) S 1 1 1 0 -1 4194560 100 0 0 0 {utime} {stime} {cutime} {cstime} 20 0 1 0 {started} 0 0"


def write(root: Path, files: dict[str, str]) -> None:
    """Write files below a directory that stands for the root."""
    for name, text in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def version_2(tmp_path: Path) -> Kernel:
    """A host as Debian 12 and later boot."""
    directory = f"/sys/fs/cgroup{GROUP}/"
    write(
        tmp_path,
        {
            directory + "memory.current": "734003200\n",
            directory + "memory.high": "943718400\n",
            directory + "memory.max": "1115684864\n",
            directory + "memory.events": "low 0\nhigh 12\nmax 3\noom 2\noom_kill 2\noom_group_kill 0\n",
            directory + "cpu.stat": "usage_usec 12345678\nuser_usec 9000000\nsystem_usec 3345678\nnr_throttled 0\n",
            directory + "cgroup.procs": "410\n411\n",
        },
    )
    return Kernel(tmp_path)


@pytest.fixture
def version_1(tmp_path: Path) -> Kernel:
    """A host whose controllers have trees of their own."""
    write(
        tmp_path,
        {
            f"/sys/fs/cgroup/memory{GROUP}/memory.usage_in_bytes": "734003200\n",
            f"/sys/fs/cgroup/memory{GROUP}/memory.limit_in_bytes": "1115684864\n",
            f"/sys/fs/cgroup/memory{GROUP}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
            f"/sys/fs/cgroup/cpuacct{GROUP}/cpuacct.usage": "12345678000\n",
            f"/sys/fs/cgroup/systemd{GROUP}/cgroup.procs": "410\n411\n",
        },
    )
    return Kernel(tmp_path)


def test_memory_and_cpu_of_version_2(version_2: Kernel) -> None:
    group = version_2.group(GROUP)
    assert group.memory == {
        "memory_bytes": 734003200,
        "memory_high_bytes": 943718400,
        "memory_max_bytes": 1115684864,
        "oom_kills": 2,
    }
    assert group.cpu_s == 12.345678
    assert group.processes == [410, 411]


def test_memory_and_cpu_of_version_1(version_1: Kernel) -> None:
    """It has no limit at which processes are slowed down."""
    group = version_1.group(GROUP)
    assert group.memory == {"memory_bytes": 734003200, "memory_max_bytes": 1115684864, "oom_kills": 2}
    assert group.cpu_s == 12.345678
    assert group.processes == [410, 411]


def test_limits_that_are_none(version_2: Kernel, tmp_path: Path) -> None:
    directory = f"/sys/fs/cgroup{GROUP}/"
    write(tmp_path, {directory + "memory.high": "max\n", directory + "memory.max": "max\n"})
    assert version_2.group(GROUP).memory == {"memory_bytes": 734003200, "oom_kills": 2}


def test_a_limit_of_version_1_that_is_none(version_1: Kernel, tmp_path: Path) -> None:
    write(tmp_path, {f"/sys/fs/cgroup/memory{GROUP}/memory.limit_in_bytes": "9223372036854771712\n"})
    assert "memory_max_bytes" not in version_1.group(GROUP).memory


def test_a_group_that_is_gone(tmp_path: Path) -> None:
    """Nothing is known, and nothing is taken from the host's own group."""
    write(tmp_path, {"/sys/fs/cgroup/memory.current": "1\n", "/sys/fs/cgroup/cgroup.procs": "1\n"})
    group = Kernel(tmp_path).group(GROUP)
    assert (group.memory, group.cpu_s, group.processes) == ({}, None, [])


def test_cpu_time_without_accounting(tmp_path: Path) -> None:
    """That of the processes, and of workers that the main process has waited for; a name may contain anything."""
    stats = {410: (100, 50, 1000, 500), 411: (20, 10, 7, 7)}
    for pid, (utime, stime, cutime, cstime) in stats.items():
        text = STAT.format(pid=pid, utime=utime, stime=stime, cutime=cutime, cstime=cstime, started=1)
        write(tmp_path, {f"/proc/{pid}/stat": text})
    assert Kernel(tmp_path).cpu_s([410, 411, 999], 410) == (150 + 1500 + 30) / TICKS_PER_S
    assert Kernel(tmp_path).cpu_s([411], 410) == 30 / TICKS_PER_S


def test_time_that_threads_waited(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "/proc/410/task/410/schedstat": "1000 2000 3\n",
            "/proc/410/task/412/schedstat": "1000 500 3\n",
            "/proc/411/task/411/schedstat": "\n",
        },
    )
    assert Kernel(tmp_path).waited_ns([410, 411, 999]) == {410: 2000, 412: 500}


def test_what_threads_waited_does_not_fall_when_they_end() -> None:
    """Nor does an id that is used again count twice."""
    waits = Waits()
    assert waits.add({1: 2_000_000_000, 2: 1_000_000_000}) == 3.0
    assert waits.add({1: 2_500_000_000}) == 3.5
    assert waits.add({1: 2_500_000_000, 2: 250_000_000}) == 3.75
    assert waits.add({1: 500_000_000}) == 4.25


def test_workers_and_their_memory(tmp_path: Path) -> None:
    """The oldest first; one that is about to end has none."""
    write(
        tmp_path,
        {
            "/proc/410/task/410/children": "413 411 412 ",
            "/proc/411/stat": STAT.format(pid=411, utime=0, stime=0, cutime=0, cstime=0, started=9000),
            "/proc/411/smaps_rollup": (
                "55a0-7ffd ---p 00000000 00:00 0 [rollup]\nRss:  71000 kB\nPss:  30000 kB\nPss_Anon: 29000 kB\n"
                "Shared_Clean: 9000 kB\nPrivate_Clean: 1000 kB\nPrivate_Dirty:  20000 kB\n"
            ),
            "/proc/413/stat": STAT.format(pid=413, utime=0, stime=0, cutime=0, cstime=0, started=5000),
            "/proc/413/smaps_rollup": "Pss:  10 kB\nPrivate_Dirty:  4 kB\n",
        },
    )
    workers = Kernel(tmp_path).workers(410)
    assert [(worker.pid, worker.memory) for worker in workers] == [
        (412, {}),
        (413, {"pss": 10240, "private": 4096}),
        (411, {"pss": 30720000, "private": 21504000}),
    ]
    assert Kernel(tmp_path).workers(999) == []


def test_this_machine_has_these_files() -> None:
    """Names of files and fields are not only those of these tests."""
    kernel, here = Kernel(), os.getpid()
    [worker] = [worker for worker in kernel.workers(os.getppid()) if worker.pid == here]
    assert worker.memory["pss"] >= worker.memory["private"] > 1 << 20
    assert worker.started > 0
    assert kernel.cpu_s([here], here) > 0
    assert here in kernel.waited_ns([here])


def test_a_lock_is_seen_and_not_taken(tmp_path: Path) -> None:
    import fcntl

    kernel, path = Kernel(), tmp_path / ".lock"
    assert not kernel.is_locked(path)
    with path.open("w") as file:
        assert not kernel.is_locked(path)
        fcntl.flock(file, fcntl.LOCK_EX)
        assert kernel.is_locked(path)
    assert not kernel.is_locked(path)
