# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two Redis instances of a site: their files, how they are brought up, and whom they leave alone."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import host as host_module
from ansible_collections.pitcrew.django.plugins.module_utils import redis_instances as module
from ansible_collections.pitcrew.django.plugins.module_utils.redis_instances import Redis, RedisError, instances
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd

UNIT = "redis-server@shop.service"
CACHE_UNIT = "redis-server@shop.cache.service"
KEPT = """\
# pitcrew.django: shop
# Written by deploys: what is changed here is overwritten. The sizes are the plan's.

# No port: who may open the socket may read and write everything.
port 0
unixsocket /run/redis-shop/redis-server.sock
unixsocketperm 770
pidfile /run/redis-shop/redis-server.pid
# To the journal.
logfile ""
dir {data}/shop
# Every change is written at once: it survives a reboot, and a power cut but for its last second.
appendonly yes
save ""
# When it is full, entries that expire by themselves give way, such as those of a cache, and never a queue.
maxmemory-policy volatile-lru
maxmemory 64mb
"""


@dataclass
class Host:
    """A host whose systemd and Redis are played: units run once they were started."""

    root: Path
    running: set[str] = field(default_factory=set)
    enabled: set[str] = field(default_factory=set)
    orders: list[str] = field(default_factory=list)
    broken: str = ""

    def run(self, words: list[str], _text: str = "") -> tuple[int, str, str]:
        """Answer as systemctl, journalctl and redis-cli do, and remember what changes something."""
        if words[0] == "redis-cli":
            self.orders.append(" ".join(words[3:]))
            info = "# Memory\r\nused_memory:1572864\r\nmaxmemory:67108864\r\n"
            return 0, info if words[3] == "INFO" else "OK\n", ""
        if words[0] == "journalctl":
            return 0, "Fatal: can't open /etc/redis/redis-shop.conf\n", ""
        verb, unit = words[1], words[-1]
        if verb == "show":
            state = "active" if unit in self.running else "inactive"
            return 0, f"ActiveState={state}\nMainPID=0\nNRestarts=0\nInvocationID=\n", ""
        if verb == "is-enabled":
            return (0 if unit in self.enabled else 1), "", ""
        self.orders.append(" ".join(words[1:]))
        if verb == "start" and self.broken:
            return 1, "", self.broken
        if verb in ("start", "restart"):
            self.running.add(unit)
        if verb == "enable":
            self.enabled.add(unit)
        return 0, "", ""

    @property
    def redis(self) -> Redis:
        """Give the instances of sites on this host."""
        return Redis(self.run, Systemd(self.run))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Give a host on which this account is the one of Redis."""
    for name in ("etc", "lib", "units"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(module, "CONFIGURATION", tmp_path / "etc")
    monkeypatch.setattr(module, "DATA", tmp_path / "lib")
    monkeypatch.setattr(host_module, "UNITS", tmp_path / "units")
    own, group = pwd.getpwuid(os.getuid()), grp.getgrgid(os.getgid())
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: own)
    monkeypatch.setattr(grp, "getgrnam", lambda _name: group)
    return Host(tmp_path)


def test_the_instance_for_what_is_kept(host: Host) -> None:
    """Its configuration in full: a socket, no port, on disk, and a policy that drops no queue."""
    kept, _cache = instances("shop")
    host.redis.bring_up(kept, 64)
    assert kept.file.read_text() == KEPT.format(data=host.root / "lib")
    assert oct(kept.file.stat().st_mode)[-3:] == "640"
    assert oct(kept.directory.stat().st_mode)[-3:] == "750"
    assert (host.root / f"units/{UNIT}.d/pitcrew.conf").read_text() == (
        "# pitcrew.django: shop\n# The socket is for the site's group only.\n"
        "[Service]\nGroup=shop\nRuntimeDirectoryMode=2750\n"
    )
    assert host.orders == ["daemon-reload", f"enable --quiet {UNIT}", f"reset-failed {UNIT}", f"start {UNIT}"]
    assert host.redis.is_up(kept)
    assert host.redis.outdated(kept, 64) == []


def test_the_cache_is_another_one(host: Host) -> None:
    """So that clearing it, or filling it, does nothing to a queue; nothing of it is written."""
    _kept, cache = instances("shop")
    host.redis.bring_up(cache, 32)
    lines = cache.file.read_text().splitlines()
    assert (cache.unit, cache.socket) == (CACHE_UNIT, "/run/redis-shop.cache/redis-server.sock")
    assert {'save ""', "appendonly no", "maxmemory-policy allkeys-lru", "maxmemory 32mb"} <= set(lines)


def test_a_second_time_nothing_happens(host: Host) -> None:
    kept, _cache = instances("shop")
    host.redis.bring_up(kept, 64)
    host.orders.clear()
    host.redis.bring_up(kept, 64)
    assert host.orders == [f"enable --quiet {UNIT}"]


def test_another_size_needs_no_restart(host: Host) -> None:
    kept, _cache = instances("shop")
    host.redis.bring_up(kept, 64)
    host.orders.clear()
    host.redis.bring_up(kept, 128)
    assert host.orders == [f"enable --quiet {UNIT}", "CONFIG SET maxmemory 128mb"]
    assert "maxmemory 128mb\n" in kept.file.read_text()


def test_what_was_edited_by_hand_is_in_force_again(host: Host) -> None:
    kept, _cache = instances("shop")
    host.redis.bring_up(kept, 64)
    kept.file.write_text(kept.file.read_text().replace("port 0", "port 6380"))
    host.orders.clear()
    assert host.redis.outdated(kept, 64) == [kept.file]
    host.redis.bring_up(kept, 64)
    assert host.orders == [f"enable --quiet {UNIT}", f"restart {UNIT}"]


def test_an_instance_that_does_not_start(host: Host) -> None:
    """Its journal is in the message."""
    host.broken = "Job failed."
    kept, _cache = instances("shop")
    with pytest.raises(RedisError, match=r"(?s)^redis-server@shop\.service does not start\..*Fatal: can't open"):
        host.redis.bring_up(kept, 64)


@pytest.mark.parametrize(
    ("text", "is_foreign"), [(None, False), ("port 0\n", True), ("# pitcrew.django: shop\n", False)]
)
def test_an_instance_of_somebody_else(host: Host, text: str | None, is_foreign: bool) -> None:
    """A configuration of that name without the site's mark."""
    kept, _cache = instances("shop")
    if text is not None:
        kept.file.write_text(text)
    assert kept.is_foreign() is is_foreign
    assert host.redis.read("shop") == {"foreign": [str(kept.file)] if is_foreign else []}


def test_the_package_s_own_instance(host: Host) -> None:
    """If this run brought it, nobody uses it."""
    host.redis.leave_out_default()
    assert host.orders == ["disable --quiet --now redis-server.service", "reset-failed redis-server.service"]


def test_how_full_it_is(host: Host) -> None:
    sizes: dict[str, Any] = host.redis.use(instances("shop")[0])
    assert sizes == {"used_mb": 1.5, "most_mb": 64.0}
