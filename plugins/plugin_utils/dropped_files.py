# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of a build among the files that git ignores: a developer's site has them, a release would not."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

__all__ = ["dropped_results"]

RESULTS: Final = (".css", ".js", ".mjs", ".mo", ".woff2")
NAMES: Final = ("webpack-stats.json", "manifest.json", "asset-manifest.json")
# fmt: off
NO_RESULTS: Final = frozenset({
    ".git", ".hg", ".svn", ".venv", "venv", "env", ".env", "node_modules", "__pycache__", ".tox", ".nox", ".mypy_cache",
    ".ruff_cache", ".pytest_cache", ".idea", ".vscode", ".eggs", "htmlcov", "_build", "site-packages", ".cache",
    "media", "staticfiles", ".parcel-cache", ".next", ".nuxt", ".ansible",
})
# fmt: on
"""Directories of tools, of uploads, and of collectstatic, which every deploy runs."""
COLLECTED: Final = "admin/css/base.css"
ENTRIES_READ: Final = 20_000


def dropped_results(directory: Path, ignored: Iterable[str]) -> list[str]:
    """Name those of the ignored files and directories, relative to the directory, that look like a build's results.

    A name that ends with a slash is a directory. Files of one directory are named by their pattern.
    """
    found: dict[str, None] = {}
    names = sorted(ignored)
    for name, following in zip(names, [*names[1:], ""], strict=False):
        if name.endswith("/") and following.startswith(name):
            continue  # Everything in it is ignored by rules of its own.
        path = PurePosixPath(name)
        if NO_RESULTS & set(path.parts) or any(part.endswith(".egg-info") for part in path.parts):
            continue
        if name.endswith("/"):
            if _has_results(directory / name):
                found[name] = None
        elif path.name in NAMES:
            found[name] = None
        elif path.suffix in RESULTS:
            found[f"*{path.suffix}" if path.suffix == ".mo" else name] = None
    return list(found)


def _has_results(directory: Path) -> bool:
    if (directory / COLLECTED).exists() or (directory / "pyvenv.cfg").exists():
        return False
    for number, name in enumerate(_leaves(directory)):
        if PurePosixPath(name).suffix in RESULTS:
            return True
        if number >= ENTRIES_READ:
            break
    return False


def _leaves(directory: Path) -> Iterator[str]:
    for _parent, names, leaves in os.walk(directory):
        names[:] = sorted(name for name in names if name not in NO_RESULTS)
        yield from leaves
