# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a log and of its rotated files, only as far back as needed, in little memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["LONGEST", "LogFiles"]

LONGEST = 1 << 18
"""Longer lines are left out, in bytes: nginx writes none, but a power cut may leave megabytes of zeros."""
BLOCK = LONGEST
COMPRESSED = (".bz2", ".lz4", ".xz", ".zst")
# Several processes write to a log, so that its lines are only almost in order; in seconds.
DISORDER = 60
LINES_TRIED = 100


class LogFiles:
    """A log with its rotated files: shop.access.log, shop.access.log.1, shop.access.log.2.gz, and so on."""

    def __init__(self, path: Path, since: float, time_of: Callable[[bytes], float | None]) -> None:
        """Look for the files that have lines since then, in seconds since the epoch."""
        self.time_of = time_of
        self.since = since
        self.too_long = 0
        self.problems: list[str] = []
        """Why files, or parts of them, could not be read."""
        found = {}
        for file in [path, *path.parent.glob(f"{path.name}[.-]*")]:
            # gzip removes the file only after it has written the compressed one.
            if not file.is_file() or (file.suffix == ".gz" and file.with_suffix("").exists()):
                continue
            changed = file.stat().st_mtime
            if changed >= since and file.suffix in COMPRESSED:
                self.problems.append(f"{file} is compressed with something other than gzip")
            elif changed >= since:
                found[file] = changed
        self.files = sorted(found, key=lambda file: (found[file], file == path))
        """The files, the oldest first."""

    def blocks(self) -> Iterator[list[bytes]]:
        """Whole lines, without their ends, many at a time."""
        for path in self.files:
            try:
                with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
                    if path.suffix != ".gz":
                        self._skip(file)
                    yield from self._lines(file)
            except (EOFError, OSError, zlib.error) as error:
                self.problems.append(f"{path} cannot be read to its end: {error}")

    def _lines(self, file: BinaryIO | gzip.GzipFile) -> Iterator[list[bytes]]:
        rest = b""
        dropping = False
        while block := file.read(BLOCK):
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            if dropping and lines:
                del lines[0]
                dropping = False
            # All others lie within one block.
            if lines and len(lines[0]) > LONGEST:
                self.too_long += 1
                del lines[0]
            if len(rest) > LONGEST or dropping:
                self.too_long += not dropping
                rest = b""
                dropping = True
            yield lines
        if rest:
            yield [rest]

    def _skip(self, file: BinaryIO) -> None:
        """Go forward to a line that is a little earlier than the first one wanted, by bisection."""
        low, high = 0, file.seek(0, 2)
        while high - low > BLOCK:
            middle = (low + high) // 2
            time = self._time_after(file, middle)
            if time is not None and time < self.since - DISORDER:
                low = middle
            else:
                high = middle
        file.seek(low)
        if low:
            file.readline(LONGEST)

    def _time_after(self, file: BinaryIO, place: int) -> float | None:
        """The time of the first line that has one and begins after the place."""
        file.seek(place)
        file.readline(LONGEST)
        for _try in range(LINES_TRIED):
            time = self.time_of(file.readline(LONGEST))
            if time is not None:
                return time
        return None
