# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything of a site is on its host, and what its two slots contain.

Everything is named after the site (here C(shop)). The module C(releases) describes its releases.

=====================================  =====================================================================
/srv/shop/slots/blue/, .../green/      what one slot runs: environment, secrets, server settings, links
/srv/shop/site.json                    what other programs of the host may know of the site and its plan
/srv/shop/live                         link to the live slot; the switch is a rename of it
/run/shop-blue/app.sock                the socket of the slot's server
/etc/systemd/system/shop@blue.service  the slot's own unit, complete in itself
/etc/systemd/system/shop-rq@blue.service
                                       the unit of a background process of the slot, likewise
/etc/systemd/system/shop-boot.service  starts, at boot, the slot that the live link points to at that time
/srv/shop/watch/                       the program that asks the live slot whether it is alive
=====================================  =====================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils import host
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text, write_file
from ansible_collections.pitcrew.django.plugins.module_utils.releases import Release, Releases

__all__ = ["SLOTS", "UNIT_OF", "HostedSite", "Slot"]

SLOTS = ("blue", "green")
UNIT_OF = "unit of "
"""What precedes, in the name of one of the slot's own files, the prefix of a unit of a background process."""


def _digest(text: str | None) -> str:
    return hashlib.sha256((text or "").encode()).hexdigest()


class Slot:
    """One of the two places in which a release can run."""

    def __init__(self, site: HostedSite, name: str) -> None:
        self.name = name
        self.path = site.root / "slots" / name
        self.unit = f"{site.name}@{name}.service"
        self.unit_file = host.UNITS / self.unit
        self.socket = host.RUN / f"{site.name}-{name}" / "app.sock"

    @property
    def release(self) -> str | None:
        """The id of the release that this slot runs or last ran."""
        try:
            return Path(os.readlink(self.path / "release")).name
        except OSError:
            return None

    @property
    def static(self) -> str | None:
        """The URL path of the static files that nginx serves from the slot's directory C(public), if any."""
        try:
            release = Release(Path(os.readlink(self.path / "release")))
        except OSError:
            return None
        static: str | None = (release.recorded or {}).get("static")
        return static

    @property
    def socket_link(self) -> Path:
        """The link that nginx follows to the slot's socket, named after the protocol."""
        return next(iter(self.path.glob("*.sock")), self.path / "http.sock")

    @property
    def protocol(self) -> str:
        """The protocol of the slot's socket."""
        return self.socket_link.stem

    @property
    def lasts(self) -> bool:
        """Whether connections to the slot may last for hours: WebSockets and streams of an ASGI application."""
        return (self.path / "site_asgi.py").exists()

    @property
    def drain_file(self) -> Path:
        """What tells the slot, when it is stopped, that such connections may stay for a while: site_asgi.py."""
        return self.path / "drain"

    def file(self, name: str) -> Path:
        """The path of one of the slot's own files.

        The name C(unit) stands for its unit, and C(unit of shop-rq) for the unit of a background process.
        """
        if name.startswith(UNIT_OF):
            return host.UNITS / f"{name[len(UNIT_OF) :]}@{self.name}.service"
        return self.unit_file if name == "unit" else self.path / name

    def read(self, names: Iterable[str]) -> dict[str, str | None]:
        """Return the texts of the slot's own files."""
        return {name: read_text(self.file(name)) for name in names}

    def record_deployed(
        self, texts: Mapping[str, str], overlaps: bool, processes: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        """Record what was deployed: digests of the files, and whether there was memory for another slot beside it.

        Of each unit of a background process, what has to be known to stop it and to start it again. Only root may read
        the record: secrets are among the files.
        """
        files = {name: _digest(text) for name, text in texts.items()}
        record = {"files": files, "overlaps": overlaps, "processes": list(processes)}
        write_file(self.path / "deployed", json.dumps(record), 0o600)

    @property
    def _deployed(self) -> dict[str, Any]:
        deployed: dict[str, Any] = json.loads(read_text(self.path / "deployed") or "{}")
        return deployed

    @property
    def overlaps(self) -> bool:
        """Whether the slot was sized so that another one can run beside it."""
        return bool(self._deployed.get("overlaps", True))

    @property
    def processes(self) -> list[dict[str, Any]]:
        """What was recorded of the units of its background processes."""
        return list(self._deployed.get("processes", []))

    def edited(self) -> list[Path]:
        """The files that differ from what was deployed: changed by hand, or removed."""
        files = self._deployed.get("files", {})
        return [self.file(name) for name, digest in files.items() if _digest(read_text(self.file(name))) != digest]


class HostedSite:
    """One site: its slots, its releases, and which slot is live now and after a boot."""

    def __init__(self, name: str, root: str) -> None:
        self.name = name
        self.root = Path(root)
        self.live_link = self.root / "live"
        self.record = self.root / "site.json"
        self.releases = Releases(self.root)
        self.slots = {slot: Slot(self, slot) for slot in SLOTS}
        self.boot_unit = f"{name}-boot.service"
        self.boot_file = host.UNITS / self.boot_unit
        self.boot_link = host.UNITS / "multi-user.target.wants" / self.boot_unit

    @property
    def live(self) -> Slot | None:
        """The live slot, or None before the first deploy."""
        try:
            return self.slots.get(Path(os.readlink(self.live_link)).name)
        except OSError:
            return None

    @property
    def idle(self) -> Slot:
        """The slot in which the next release starts."""
        return self.slots["green" if self.live is self.slots["blue"] else "blue"]

    def boots(self, text: str) -> bool:
        """Whether the live slot starts at boot, by a unit with this text."""
        return self.boot_link.exists() and read_text(self.boot_file) == text
