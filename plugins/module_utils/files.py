# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, links and directories that are complete at any moment, even if a run is cut off."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

__all__ = ["make_directory", "read_text", "remove_tree", "replace_link", "write_file"]


def read_text(path: Path) -> str | None:
    """Return the file's text, or None if there is no such file, or in /proc no longer such a process."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        return None


def write_file(path: Path, content: str, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Replace the file's content atomically; at no time is it readable by more users than the mode allows.

    C(owner) are the numbers of a user and a group. What was read with C(surrogateescape) is written as it was.
    """
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        if owner is not None:
            os.fchown(file.fileno(), *owner)
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


def replace_link(link: Path, target: str) -> None:
    """Point the symbolic link to another target by one rename, so that the link exists at any moment."""
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    os.replace(new, link)


def remove_tree(path: Path) -> None:
    """Remove a directory with all its content, which a site's processes may have nested to any depth."""
    subprocess.run(["rm", "-rf", "--", str(path)], check=False)


def make_directory(path: Path, owner: int, group: int) -> None:
    """Create the directory if it is missing. It belongs to the owner, and only the group may look into it."""
    path.mkdir(mode=0o750, parents=True, exist_ok=True)
    os.chown(path, owner, group)
    path.chmod(0o750)
