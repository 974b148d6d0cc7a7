# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a site lies on its host, and what its two slots hold.

Everything is named after the site (here C(shop)):

=====================================  =====================================================================
/srv/shop/releases/ID/                 code (app), virtual environment (venv), release.json once complete
/srv/shop/venvs/ID/                    a virtual environment that the venv of one or several releases points to
/srv/shop/slots/blue/, .../green/      what one slot runs: environment, secrets, server settings, links
/srv/shop/live                         link to the slot that serves; renaming it is the switch
/srv/shop/history                      one JSON object a line: which release went live when
/run/shop-blue/app.sock                the socket of the slot's server
/etc/systemd/system/shop@blue.service  the slot's own unit, complete in itself
/etc/systemd/system/shop-boot.service  starts, when the host does, the slot that the live link points to then
=====================================  =====================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "SLOTS",
    "Environment",
    "Layout",
    "Release",
    "Slot",
    "public_paths",
    "read_text",
    "remove_tree",
    "replace_link",
    "timed",
    "write_file",
]

SLOTS = ("blue", "green")
UNITS = Path("/etc/systemd/system")
WANTS = UNITS / "multi-user.target.wants"


def write_file(path: Path, content: str, mode: int) -> None:
    """Put the whole content in place of the old at once, never readable by more than the mode allows."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


def replace_link(link: Path, target: str) -> None:
    """Point the symbolic link to another target by one rename: no moment without a link."""
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    os.replace(new, link)


def remove_tree(path: Path) -> None:
    """Remove a directory and all that is in it, however deep: what a site's processes left there may be."""
    subprocess.run(["rm", "-rf", "--", str(path)], check=False)


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add how long the block takes, in seconds."""
    start = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - start, 2)


def public_paths(public: Mapping[str, str], allowed: Iterable[Path]) -> None:
    """See that what the settings want served is nothing but the site's own.

    They are code, and root makes links and nginx locations of them. Raises ValueError with the cure.
    """
    for path, directory in public.items():
        if not re.match(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*\Z", path):
            raise ValueError(f"the URL path {path!r} of static files or uploads is none; write it as in /static/")
        where = Path(os.path.normpath(directory))
        if not any(where.is_relative_to(parent) and where != parent for parent in allowed):
            raise ValueError(
                f"{directory!r} cannot be served as /{path}/; keep it below {' or '.join(map(str, allowed))}"
            )
        others = [other for other in public if other.startswith(f"{path}/")]
        if others:
            raise ValueError(f"/{others[0]}/ lies below /{path}/; give static files and uploads URLs of their own")


def read_text(path: Path) -> str | None:
    """Give the file's text, or None where there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _digest(text: str | None) -> str:
    return hashlib.sha256((text or "").encode()).hexdigest()


class Kept:
    """A directory that is complete as soon as it has its record, and never changes afterwards."""

    RECORD: str

    def __init__(self, path: Path) -> None:
        self.path = path
        self.venv = path / "venv"
        self.record = path / self.RECORD

    def finish(self, record: str = "") -> None:
        """Write the record, after all else is on the disk: what counts as complete is so after a power cut, too."""
        subprocess.run(["sync", "--file-system", str(self.path)], check=False)
        write_file(self.record, record, 0o644)

    def remove(self) -> None:
        """Remove it, the record first: a removal may be cut off."""
        self.record.unlink(missing_ok=True)
        remove_tree(self.path)


class Release(Kept):
    """One release: its code, and the virtual environment that it runs with."""

    RECORD = "release.json"

    @property
    def id(self) -> str:
        """Its name among the releases of the site."""
        return self.path.name

    @property
    def runs(self) -> bool:
        """Whether the host still has the Python that its packages are for: an upgrade takes that away."""
        version = re.search(r"python\d+\.\d+", os.path.basename(os.path.realpath(self.venv / "bin/python")))
        return not version or (self.venv / "lib" / version.group()).is_dir()

    @property
    def outdated(self) -> bool:
        """Whether it was finished and can be started no more."""
        return self.record.exists() and not self.runs

    @property
    def recorded(self) -> dict[str, Any] | None:
        """What Django said of itself when the release was built; None for one that is unfinished."""
        text = read_text(self.record)
        return json.loads(text) if text else None

    @property
    def description(self) -> dict[str, Any] | None:
        """The same of a release that can be started, and None for any other."""
        return self.recorded if self.runs else None


class Environment(Kept):
    """One virtual environment for all releases with the same packages."""

    RECORD = "complete"

    @property
    def complete(self) -> bool:
        """Whether all its packages are in it."""
        return self.record.exists()


class Slot:
    """One of the two places a release can run in."""

    def __init__(self, layout: Layout, name: str) -> None:
        self.name = name
        self.path = layout.root / "slots" / name
        self.unit = f"{layout.name}@{name}.service"
        self.unit_file = UNITS / self.unit
        self.socket = Path(f"/run/{layout.name}-{name}/app.sock")

    @property
    def release(self) -> str | None:
        """The id of the release that this slot runs or last ran."""
        try:
            return Path(os.readlink(self.path / "release")).name
        except OSError:
            return None

    @property
    def door(self) -> Path:
        """The link that nginx follows to the slot's socket, named after how it is spoken to."""
        return next(iter(self.path.glob("*.sock")), self.path / "http.sock")

    @property
    def protocol(self) -> str:
        """How the slot's socket is spoken to."""
        return self.door.stem

    def file(self, name: str) -> Path:
        """Where one of the slot's own files lies; C(unit) is the name of its unit."""
        return self.unit_file if name == "unit" else self.path / name

    def read(self, names: Iterable[str]) -> dict[str, str | None]:
        """Give the texts of the slot's own files."""
        return {name: read_text(self.file(name)) for name in names}

    def seal(self, texts: Mapping[str, str], overlaps: bool) -> None:
        """Write down what was deployed: digests of the files, and whether there was memory for another slot beside it.

        Only root may read it: secrets are among the files.
        """
        files = {name: _digest(text) for name, text in texts.items()}
        write_file(self.path / "deployed", json.dumps({"files": files, "overlaps": overlaps}), 0o600)

    @property
    def _deployed(self) -> dict[str, Any]:
        deployed: dict[str, Any] = json.loads(read_text(self.path / "deployed") or "{}")
        return deployed

    @property
    def overlaps(self) -> bool:
        """Whether it was sized so that another slot can run beside it."""
        return bool(self._deployed.get("overlaps", True))

    def edited(self) -> list[Path]:
        """The files that are not what was deployed: changed by hand, or gone."""
        files = self._deployed.get("files", {})
        return [self.file(name) for name, digest in files.items() if _digest(read_text(self.file(name))) != digest]


class Layout:
    """The paths of one site."""

    def __init__(self, name: str, root: str) -> None:
        self.name = name
        self.root = Path(root)
        self.live_link = self.root / "live"
        self.history = self.root / "history"
        self.slots = {slot: Slot(self, slot) for slot in SLOTS}
        self.boot_unit = f"{name}-boot.service"
        self.boot_file = UNITS / self.boot_unit
        self.boot_link = WANTS / self.boot_unit

    @property
    def live(self) -> Slot | None:
        """The slot that serves, or None before the first deploy."""
        try:
            return self.slots.get(Path(os.readlink(self.live_link)).name)
        except OSError:
            return None

    @property
    def idle(self) -> Slot:
        """The slot the next release comes up in."""
        return self.slots["green" if self.live is self.slots["blue"] else "blue"]

    def boots(self, text: str) -> bool:
        """Whether the slot that serves starts when the host does, by a unit of that text."""
        return self.boot_link.exists() and read_text(self.boot_file) == text

    def release(self, release_id: str) -> Release:
        """The release of that id, whether or not it is on disk."""
        return Release(self.root / "releases" / release_id)

    def releases(self) -> list[Release]:
        """All releases on disk, finished or not, by name."""
        try:
            return [Release(path) for path in sorted((self.root / "releases").iterdir()) if path.is_dir()]
        except OSError:
            return []

    def environments(self) -> list[Environment]:
        """All virtual environments that releases share."""
        try:
            return [Environment(path) for path in sorted((self.root / "venvs").iterdir())]
        except OSError:
            return []

    def live_history(self) -> list[dict[str, Any]]:
        """Every release that ever went live, oldest first."""
        entries = []
        for line in (read_text(self.history) or "").splitlines():
            try:
                entries.append(json.loads(line))
            except ValueError:  # A line that a full disk or a power cut left half written.
                continue
        return entries
