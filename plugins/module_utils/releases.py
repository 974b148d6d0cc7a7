# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a release: created, given its packages, finished, live, kept for a rollback, removed.

One that is refused is removed, too, or set aside for inspection: unfinished again, until a switch succeeds.

========================  ================================================================================
/srv/shop/releases/ID/    code (app), virtual environment (venv), overrides, release.json once complete, or the
                          environment it was refused with
/srv/shop/venvs/ID/       a virtual environment that the venv of one or several releases points to
/srv/shop/history         one JSON object per line: which release went live when
========================  ================================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils import host
from ansible_collections.pitcrew.django.plugins.module_utils.environment_file import (
    environment_file,
    environment_values,
)
from ansible_collections.pitcrew.django.plugins.module_utils.files import (
    make_directory,
    read_text,
    remove_tree,
    write_file,
)

__all__ = ["Release", "Releases", "SharedVenv", "line_to_type"]

UNSERVED_KEPT_S = 24 * 3600


class RecordedDirectory:
    """A directory that is complete as soon as it has its record file, and never changes afterwards."""

    RECORD: str
    FILLED: str
    """The subdirectory into which the site's user puts files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.venv = path / "venv"
        self.record = path / self.RECORD

    @property
    def complete(self) -> bool:
        """Whether it has everything that belongs in it."""
        return self.record.exists()

    def create(self, user: int, group: int) -> None:
        """Start from scratch. The user owns the place for files; root owns the rest, and alone writes the record."""
        self.remove()
        make_directory(self.path.parent, 0, group)
        self.path.mkdir(mode=0o750)  # This fails if an earlier one could not be removed.
        make_directory(self.path, 0, group)
        make_directory(self.path / self.FILLED, user, group)

    def seal(self, group: int) -> None:
        """Give it to root with all its content: the group can read it, and nobody but root can write to it."""
        _seal(self.path, group)

    def finish(self, record: str = "") -> None:
        """Write the record once all else is on the disk: a power cut leaves nothing incomplete with a record."""
        subprocess.run(["sync", "--file-system", str(self.path)], check=False)
        write_file(self.record, record, 0o644)

    def remove(self) -> None:
        """Remove it, the record first, since a removal may be cut off."""
        self.record.unlink(missing_ok=True)
        remove_tree(self.path)


class SharedVenv(RecordedDirectory):
    """One virtual environment for all releases with the same packages."""

    RECORD = "complete"
    FILLED = "venv"


class Release(RecordedDirectory):
    """One release: its code, and the virtual environment that it runs with."""

    RECORD = "release.json"
    FILLED = "app"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.app = path / self.FILLED
        self.overrides = path / "overrides"

    @property
    def id(self) -> str:
        """Its name among the releases of the site."""
        return self.path.name

    def share(self, shared: SharedVenv) -> None:
        """Use a virtual environment that releases share."""
        self.venv.symlink_to(os.path.relpath(shared.venv, self.path))

    def set_aside(
        self,
        user: str,
        project: str,
        environment: Mapping[str, Any],
        needs_secrets: bool,
        ways_back: Sequence[str] = (),
    ) -> str:
        """Keep a refused release, and return where it is and how to run its manage.py, or Django without one.

        C(ways_back) are the arguments that take back what it did to the database, if it is kept for that.

        Without its record it is unfinished: no deploy takes it for built, no rollback finds it, and the next switch
        that succeeds removes it. Its secrets are not kept. One that has no Python to run it with is removed at once;
        the result is empty then.
        """
        if not (self.venv / "bin/python").exists():
            self.remove()
            return ""
        why = "" if ways_back else " (site_keep_refused)"
        variables = self.path / "environment"
        try:
            self.record.unlink(missing_ok=True)
            write_file(variables, environment_file(environment_values(environment, "site_environment")), 0o600)
        except OSError as error:
            self.remove()
            return f"It could not be kept{why}: {error}."
        secrets = self.path.parents[1] / "live/secrets"
        # An application that is a package has none.
        has_manage = (self.app / project / "manage.py").exists()
        program, what = ("manage.py", "its manage.py there") if has_manage else ("-m django", "Django's commands there")
        files = [file for file in (variables, secrets) if file.exists()]
        what = "take back what it did to the database" if ways_back else f"run {what}"
        lines = [f"It is kept in {self.path} until a deploy succeeds{why}. To {what}:"]
        for arguments in ways_back or ["check"]:
            lines.append(line_to_type(user, self.app / project, files, f"{self.venv}/bin/python {program} {arguments}"))
        if needs_secrets and not secrets.exists():
            lines.append("The site's secrets are not on the host: add --setenv=NAME=VALUE for each that it needs.")
        return "\n".join(lines)

    @property
    def runs(self) -> bool:
        """Whether the host still has the Python that its packages were built for: an upgrade removes that."""
        version = re.search(r"python\d+\.\d+", os.path.basename(os.path.realpath(self.venv / "bin/python")))
        return not version or (self.venv / "lib" / version.group()).is_dir()

    @property
    def outdated(self) -> bool:
        """Whether it was finished but can no longer be started."""
        return self.complete and not self.runs

    @property
    def recorded(self) -> dict[str, Any] | None:
        """What Django reported about the release when it was built; None for an unfinished one."""
        text = read_text(self.record)
        return json.loads(text) if text else None

    @property
    def description(self) -> dict[str, Any] | None:
        """The same for a release that can be started, and None for any other."""
        return self.recorded if self.runs else None


class Releases:
    """All releases of a site, the virtual environments that they share, and which of them went live when."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "releases"
        self.venvs = root / "venvs"
        self.history_file = root / "history"

    def __iter__(self) -> Iterator[Release]:
        """All releases on disk, finished or not, sorted by name."""
        return (Release(path) for path in _directories(self.directory))

    def named(self, release_id: str) -> Release:
        """The release of that id, whether or not it is on disk."""
        return Release(self.directory / release_id)

    def shared_venv(self, *ingredients: str) -> SharedVenv:
        """The virtual environment for these ingredients, whether or not it exists yet."""
        digest = hashlib.sha256(json.dumps(ingredients).encode()).hexdigest()
        return SharedVenv(self.venvs / digest[:12])

    def history(self) -> list[dict[str, Any]]:
        """An entry for each time that a release went live, oldest first."""
        entries = []
        for line in (read_text(self.history_file) or "").splitlines():
            try:
                entries.append(json.loads(line))
            except ValueError:  # A line that a full disk or a power cut left incomplete.
                continue
        return entries

    def served(self) -> list[str]:
        """The ids of all releases that ever served, each once, the latest first."""
        return list(dict.fromkeys(entry["release"] for entry in reversed(self.history())))

    def add_to_history(self, release_id: str | None, slot: str, by: str | None) -> None:
        """Record that the release is live in the slot, and who deployed it, unless the last entry does."""
        entries = self.history()
        if entries and (entries[-1]["release"], entries[-1]["slot"]) == (release_id, slot):
            return
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        entry = {"at": at, "release": release_id, "slot": slot, **({"by": by} if by else {})}
        with open(self.history_file, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def in_use(self) -> set[str]:
        """The ids of releases that processes of this host work in: by the directory that they are in, or their PATH."""
        below = os.fsencode(f"{self.directory.resolve()}/")
        found = set()
        for process in host.PROC.glob("[0-9]*"):
            with suppress(OSError):  # It has ended meanwhile.
                found |= _names_below(below, os.fsencode(os.readlink(process / "cwd")))
                # A program may have left the directory; one that sets its title may have overwritten its environment.
                found |= _names_below(below, (process / "environ").read_bytes())
        return found

    def prune(self, serving: str, in_slots: Iterable[str | None], keep: int) -> None:
        """Remove releases that are not among the last that served, and virtual environments that only they used.

        A release that never served may belong to another run, which is about to switch to it: it is left alone for a
        day. The one that the other slot ran stays: it may still be answering, and visitors have its pages open. So does
        one in which a process still works, such as a task of a worker or a command by calendar.
        """
        served = self.served()
        on_disk = {release.id: release for release in self}
        latest = [release_id for release_id in dict.fromkeys([serving, *served]) if release_id in on_disk]
        kept = {*latest[:keep], *in_slots, *self.in_use()}
        for release in on_disk.values():
            fresh = release.complete and time.time() - release.record.stat().st_mtime < UNSERVED_KEPT_S
            if release.id not in kept and (release.id in served or not fresh):
                release.remove()
        used = {release.venv.resolve() for release in self}
        for shared in map(SharedVenv, _directories(self.venvs)):
            if shared.venv.resolve() not in used:
                shared.remove()


def line_to_type(user: str, directory: Path, environment: Iterable[Path], command: str) -> str:
    """How a person runs a command of a release on its host, in a terminal, as the site's user with its environment."""
    words = [
        f"  sudo systemd-run --pty --collect --uid={user}",
        f"--working-directory={directory}",
        *(f"-p EnvironmentFile={file}" for file in environment),
        command,
    ]
    return " \\\n    ".join(words)


def _names_below(directory: bytes, text: bytes) -> set[str]:
    return {os.fsdecode(name) for name in re.findall(re.escape(directory) + rb"([^/:\0]+)", text)}


def _directories(path: Path) -> list[Path]:
    try:
        return [directory for directory in sorted(path.iterdir()) if directory.is_dir()]
    except OSError:
        return []


def _seal(name: str | Path, group: int, parent: int | None = None) -> None:
    """Give a directory and all its content to root.

    Each directory is given to root before its entries are inspected. From then on the site's user, whose processes may
    still run, cannot replace them.
    """
    directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        os.fchown(directory, 0, group)
        os.fchmod(directory, 0o750)
        with os.scandir(directory) as entries:
            names = [entry.name for entry in entries]
        for entry in names:
            status = os.lstat(entry, dir_fd=directory)
            if stat.S_ISDIR(status.st_mode):
                _seal(entry, group, directory)
                continue
            if stat.S_ISLNK(status.st_mode):
                continue  # It stays the user's: nginx follows a link only to files of the link's owner.
            if status.st_uid or status.st_gid != group:
                os.chown(entry, 0, group, dir_fd=directory, follow_symlinks=False)
            # Inspected again, since until now its owner could change its mode.
            status = os.lstat(entry, dir_fd=directory)
            mode = 0o750 if status.st_mode & 0o111 else 0o640
            if stat.S_IMODE(status.st_mode) != mode:
                os.chmod(entry, mode, dir_fd=directory)
    finally:
        os.close(directory)
