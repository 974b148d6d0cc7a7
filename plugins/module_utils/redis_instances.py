# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two Redis instances of a site, each a unit of the distribution's own template, C(redis-server@.service).

========================  ==============================================================================================
redis-server@shop         what must not get lost: queues, sessions, locks. It is written to disk, and only entries that
                          expire by themselves give way when it is full.
redis-server@shop.cache   the cache: never written to disk, and whatever was not used for longest gives way.
========================  ==============================================================================================

They listen on a socket each, which only the site's group may open, and on no port. Nothing of the instance that the
package brings, C(redis-server.service) with C(redis.conf), is read or changed. No site can have a name with a dot.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils import host
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text, write_file
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd

__all__ = ["Instance", "Redis", "RedisError", "instances"]

Run = Callable[[list[str], str], "tuple[int, str, str]"]

CONFIGURATION = Path("/etc/redis")
DATA = Path("/var/lib/redis")
ACCOUNT = "redis"
MARK = "# pitcrew.django: "
DEFAULT_UNIT = "redis-server.service"

KEPT = """\
# Every change is written at once: it survives a reboot, and a power cut but for its last second.
appendonly yes
save ""
# When it is full, entries that expire by themselves give way, such as those of a cache, and never a queue.
maxmemory-policy volatile-lru
"""
CACHE = """\
# Nothing is written to disk.
save ""
appendonly no
# When it is full, what was not used for longest gives way.
maxmemory-policy allkeys-lru
"""


class RedisError(Exception):
    """An instance does not run; the message has the reason."""


@dataclass(frozen=True)
class Instance:
    """One instance of a site."""

    site: str
    suffix: str

    @property
    def name(self) -> str:
        """Its name in the distribution's template."""
        return f"{self.site}{self.suffix}"

    @property
    def unit(self) -> str:
        """The unit that runs it."""
        return f"redis-server@{self.name}.service"

    @property
    def file(self) -> Path:
        """Its configuration, where the template expects it."""
        return CONFIGURATION / f"redis-{self.name}.conf"

    @property
    def drop_in(self) -> Path:
        """What its unit has in addition to the template."""
        return host.UNITS / f"{self.unit}.d" / "pitcrew.conf"

    @property
    def directory(self) -> Path:
        """Its data. The template's sandbox has only the directory above this one."""
        return DATA / self.name

    @property
    def socket(self) -> str:
        """Where it listens."""
        return f"/run/redis-{self.name}/redis-server.sock"

    def is_foreign(self) -> bool:
        """Whether there is a configuration of that name that was not written for the site."""
        text = read_text(self.file)
        return text is not None and not text.startswith(f"{MARK}{self.site}\n")

    def texts(self, maxmemory_mb: int) -> dict[Path, str]:
        """Return its files as they have to be."""
        policy = CACHE if self.suffix else KEPT
        run = Path(self.socket).parent
        return {
            self.file: f"{MARK}{self.site}\n"
            "# Written by deploys: what is changed here is overwritten. The sizes are the plan's.\n\n"
            "# No port: who may open the socket may read and write everything.\n"
            f"port 0\nunixsocket {self.socket}\nunixsocketperm 770\npidfile {run}/redis-server.pid\n"
            f'# To the journal.\nlogfile ""\ndir {self.directory}\n{policy}maxmemory {maxmemory_mb}mb\n',
            self.drop_in: f"{MARK}{self.site}\n"
            "# The socket is for the site's group only.\n"
            f"[Service]\nGroup={self.site}\nRuntimeDirectoryMode=2750\n",
        }


def instances(site: str) -> tuple[Instance, Instance]:
    """Return the instance for what is kept, and the one for the cache."""
    return Instance(site, ""), Instance(site, ".cache")


class Redis:
    """The instances of one site: what they lack, and how it is brought about."""

    def __init__(self, run: Run, systemd: Systemd) -> None:
        self._run = run
        self._systemd = systemd

    def read(self, site: str) -> dict[str, Any]:
        """Return the configurations that belong to somebody else."""
        return {"foreign": [str(one.file) for one in instances(site) if one.is_foreign()]}

    def outdated(self, one: Instance, maxmemory_mb: int) -> list[Path]:
        """Return the files of an instance that differ from what they have to be."""
        return [path for path, text in one.texts(maxmemory_mb).items() if read_text(path) != text]

    def is_up(self, one: Instance) -> bool:
        """Whether it runs now, and after a boot."""
        rc, _out, _err = self._run(["systemctl", "is-enabled", "--quiet", one.unit], "")
        return rc == 0 and self._systemd.show(one.unit).running

    def bring_up(self, one: Instance, maxmemory_mb: int) -> None:
        """Write its files, and have them in force: a new size without a restart. Raises RedisError."""
        before, texts = read_text(one.file), one.texts(maxmemory_mb)
        owner = (pwd.getpwnam(ACCOUNT).pw_uid, grp.getgrnam(ACCOUNT).gr_gid)
        changed = self.outdated(one, maxmemory_mb)
        if not one.directory.exists():
            one.directory.mkdir(mode=0o750)
            # Redis may put links into the directory above.
            os.chown(one.directory, *owner, follow_symlinks=False)
        if one.file in changed:
            write_file(one.file, texts[one.file], 0o640, owner)
        if one.drop_in in changed:
            one.drop_in.parent.mkdir(parents=True, exist_ok=True)
            write_file(one.drop_in, texts[one.drop_in], 0o644)
            self._order("daemon-reload")
        self._order("enable", "--quiet", one.unit)
        if not self._systemd.show(one.unit).running:
            # systemd may have given it up.
            self._systemd.order("reset-failed", one.unit)
            self._order("start", one.unit, of=one)
        elif changed == [one.file] and _without_size(before) == _without_size(texts[one.file]):
            self._set(one, "maxmemory", f"{maxmemory_mb}mb")
        elif changed:
            self._order("restart", one.unit, of=one)

    def leave_out_default(self) -> None:
        """Stop and disable the instance that the package has just brought: nobody has asked for it."""
        self._order("disable", "--quiet", "--now", DEFAULT_UNIT)
        self._systemd.order("reset-failed", DEFAULT_UNIT)

    def use(self, one: Instance) -> dict[str, float]:
        """How many MB the instance holds, and how many it may. Raises RedisError."""
        text = self._ask(one, "INFO", "memory")
        values = dict(line.strip().split(":", 1) for line in text.splitlines() if ":" in line)
        return {name: round(int(values.get(key, 0)) / (1 << 20), 1) for name, key in USE.items()}

    def _set(self, one: Instance, name: str, value: str) -> None:
        if self._ask(one, "CONFIG", "SET", name, value).strip() != "OK":
            raise RedisError(f"{one.unit} does not take {name} {value}")

    def _ask(self, one: Instance, *words: str) -> str:
        rc, out, err = self._run(["redis-cli", "-s", one.socket, *words], "")
        if rc or out.startswith(("ERR", "Could not")):
            raise RedisError(f"{one.unit} does not answer: {' '.join((err or out).split())}")
        return out

    def _order(self, *words: str, of: Instance | None = None) -> None:
        error = self._systemd.order(*words)
        if error and of:
            raise RedisError(f"{of.unit} does not start.\n\n{self._systemd.journal(of.unit)}")
        if error:
            raise RedisError(f"systemctl {' '.join(words)} failed: {error}")


USE = {"used_mb": "used_memory", "most_mb": "maxmemory"}


def _without_size(text: str | None) -> list[str]:
    return [line for line in (text or "").splitlines() if not line.startswith("maxmemory ")]
