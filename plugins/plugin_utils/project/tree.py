# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a source: in an archive, or given as a mapping."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

__all__ = ["Tree", "joined", "upwards"]

MOST_READ = 2_000_000
"""Bytes of a file that are read; a list of dependencies may have a megabyte."""


def joined(directory: str, *names: str) -> str:
    """Return a path relative to the source's top; the top itself is empty."""
    path = os.path.normpath("/".join(filter(None, (directory, *names))) or ".")
    return "" if path == "." else path


def upwards(directory: str) -> Iterator[str]:
    """Give a directory, and each one above it up to the source's top."""
    while directory:
        yield directory
        directory = directory.rpartition("/")[0]
    yield ""


class Tree:
    """The names of all files, relative to the source's top, and how to read one; None if there is no such file."""

    def __init__(self, names: Iterable[str], read: Callable[[str], str | None]) -> None:
        self.names = frozenset(names)
        self._read = read
        self._texts: dict[str, str | None] = {}
        self._parsed: dict[str, ast.Module | None] = {}

    @classmethod
    def of(cls, files: Mapping[str, str]) -> Tree:
        """Make a tree of texts by their names."""
        return cls(files, files.get)

    def read(self, name: str) -> str | None:
        """Return the text of a file."""
        if name not in self._texts:
            text = self._read(name) if name in self.names else None
            self._texts[name] = text if text is None else text[:MOST_READ]
        return self._texts[name]

    def parsed(self, name: str) -> ast.Module | None:
        """Return a Python file as a tree; None if there is none, or none that can be parsed."""
        if name not in self._parsed:
            try:
                text = self.read(name)
                self._parsed[name] = None if text is None else ast.parse(text)
            except (SyntaxError, ValueError, RecursionError):
                self._parsed[name] = None
        return self._parsed[name]

    @cached_property
    def directories(self) -> frozenset[str]:
        """All directories that have files, the top among them."""
        found = {""}
        for name in self.names:
            while "/" in name:
                name = name.rpartition("/")[0]
                if name in found:
                    break
                found.add(name)
        return frozenset(found)

    def has(self, name: str) -> bool:
        """Whether there is such a file or directory."""
        return name in self.names or name in self.directories

    def below(self, directory: str) -> list[str]:
        """Return the files below a directory, in order."""
        prefix = f"{directory}/" if directory else ""
        return sorted(name for name in self.names if name.startswith(prefix))

    def named(self, pattern: str) -> list[str]:
        """Return the files whose own name matches a pattern, those nearest to the top first."""
        found = [name for name in self.names if re.fullmatch(pattern, name.rpartition("/")[2])]
        return sorted(found, key=lambda name: (name.count("/"), name))

    def lines(self, name: str) -> list[tuple[int, str]]:
        """Return the lines of a file with their numbers."""
        return list(enumerate((self.read(name) or "").splitlines(), 1))

    def line_of(self, name: str, pattern: str) -> int:
        """Return the number of the first line that matches a pattern; 0 if none does."""
        return next((number for number, line in self.lines(name) if re.search(pattern, line)), 0)
