# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that root writes into a release although others decide what is in it: no symbolic link leads root elsewhere."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

__all__ = ["ProjectFileError", "write_project_file"]


class ProjectFileError(Exception):
    """A file cannot be written; the message is a sentence with the cure."""


def write_project_file(app: Path, name: str, content: str, user: int, group: int) -> bool:
    """Write a file below a directory, for root and the group to read; return whether it replaces one.

    Directories that are missing belong to the user. Raises ProjectFileError if something else is in the way.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise ProjectFileError(f"site_files: {name!r} is not a path inside the project")
    with _directory(app, path, user, group) as directory:
        there = _kind(path.name, directory)
        if there == "directory":
            raise ProjectFileError(f"site_files: {name!r} is a directory of the source; choose another path")
        # Whatever the source has, it does not have this name.
        new = f".{path.name}.{secrets.token_hex(8)}"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=directory)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(content)
            file.flush()
            os.fchown(file.fileno(), 0, group)
            os.fchmod(file.fileno(), 0o640)
        os.replace(new, path.name, src_dir_fd=directory, dst_dir_fd=directory)
    return there != ""


@contextmanager
def _directory(app: Path, path: PurePosixPath, user: int, group: int) -> Iterator[int]:
    """Open the directory of a file, one step after the other, and create what is missing."""
    current = os.open(app, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for depth, part in enumerate(path.parts[:-1], 1):
            try:
                os.mkdir(part, 0o750, dir_fd=current)
                made = True
            except FileExistsError:
                made = False
            try:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=current)
            except OSError:
                what = _kind(part, current) or "not there"
                raise ProjectFileError(
                    f"site_files: {str(path)!r} cannot be written, since "
                    f"{str(PurePosixPath(*path.parts[:depth]))!r} is a {what} in the source; choose another path"
                ) from None
            os.close(current)
            current = below
            if made:
                os.fchown(current, user, group)
        yield current
    finally:
        os.close(current)


def _kind(name: str, directory: int) -> str:
    try:
        mode = os.lstat(name, dir_fd=directory).st_mode
    except FileNotFoundError:
        return ""
    if stat.S_ISLNK(mode):
        return "symbolic link"
    return "directory" if stat.S_ISDIR(mode) else "file"
