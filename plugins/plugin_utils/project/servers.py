# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The version of the application server, where the lists of the source ask for one that a deploy refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from ..server_version import Server, UnsupportedVersionError, choose_version, listed_in
from .findings import Finding
from .lists import Lists
from .tree import Tree

__all__ = ["server_findings"]


def server_findings(tree: Tree, lists: Lists | None, server: Server) -> Iterator[Finding]:
    """Propose the tested version instead of one that is too old."""
    paths = lists.paths if lists else ()
    listed = [
        one
        for path in paths
        for one in listed_in(lambda name: tree.read(str(name)), PurePosixPath(path), server.package)
    ]
    try:
        choose_version(server, listed)
    except UnsupportedVersionError:
        asked = ", ".join(f"{one.place} asks for {server.package}{one.specifier}" for one in listed if one.specifier)
        reason = f"{asked}; versions before {server.oldest} are not supported"
        yield Finding(server.variable, server.tested, reason)
