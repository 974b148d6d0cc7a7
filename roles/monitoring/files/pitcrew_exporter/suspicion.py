# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what a site's processes have left in their directories.

That may be anything: links to files that only root can read, pipes that nobody writes to, files that are never complete
or as large as a disk. Only regular files and sockets of the directory's owner are opened, and no more is read than is
agreed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Suspicious", "names_in", "opened_directory", "opened_file", "read", "socket_path"]

MAX_NAMES = 4096


class Suspicious(Exception):
    """It is not what a well-behaved process would have left there."""


@contextmanager
def _opened(path: Path | str, flags: int, parent: int | None = None) -> Iterator[int]:
    """Open something that is no link. Raises FileNotFoundError if it does not exist, and Suspicious for any reason."""
    try:
        number = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Suspicious(f"{str(path)!r} cannot be opened: {error.strerror}") from error
    try:
        yield number
    finally:
        os.close(number)


@contextmanager
def opened_directory(path: Path | str, parent: int | None = None) -> Iterator[int]:
    """Open a directory; one inside a parent that is not root's has to have the same owner."""
    with _opened(path, os.O_RDONLY | os.O_DIRECTORY, parent) as number:
        if parent is not None:
            _require_owner(number, parent, path)
        yield number


@contextmanager
def opened_file(name: str, parent: int) -> Iterator[int]:
    """Open a regular file in a directory, without waiting for the other end of a pipe."""
    with _opened(name, os.O_RDONLY | os.O_NONBLOCK, parent) as number:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise Suspicious(f"{name!r} is not a regular file")
        _require_owner(number, parent, name)
        yield number


@contextmanager
def socket_path(path: Path) -> Iterator[str]:
    """Return a path by which to connect to a socket, and to nothing that has replaced it since."""
    with opened_directory(path.parent) as parent, _opened(path.name, os.O_PATH, parent) as number:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            raise Suspicious(f"{str(path)!r} is not a socket")
        _require_owner(number, parent, path)
        yield f"/proc/self/fd/{number}"


def names_in(directory: int) -> list[str]:
    """Return the names in a directory, sorted."""
    names: list[str] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            names.append(entry.name)
            if len(names) > MAX_NAMES:
                raise Suspicious(f"there are more than {MAX_NAMES} files in one directory")
    return sorted(names)


def read(name: str, parent: int, limit: int) -> bytes:
    """Return the content of a file. Raises Suspicious if it has more bytes than the limit."""
    with opened_file(name, parent) as number:
        data = os.pread(number, limit + 1, 0)
    if len(data) > limit:
        raise Suspicious(f"{name!r} has more than {limit} bytes")
    return data


def _require_owner(number: int, parent: int, name: Path | str) -> None:
    if os.fstat(number).st_uid != os.fstat(parent).st_uid:
        raise Suspicious(f"{str(name)!r} does not belong to the owner of its directory")
