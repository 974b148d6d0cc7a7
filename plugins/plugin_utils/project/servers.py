# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application server, where lists of the source ask for a version that a deploy refuses, or for another one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from ..server_version import Server, UnsupportedVersionError, choose_version, listed_in
from .findings import NOTE, Finding
from .lists import Lists
from .tree import Tree

__all__ = ["server_findings"]


def server_findings(tree: Tree, lists: Lists | None, server: Server) -> Iterator[Finding]:
    """Propose the tested version instead of one that is too old; name a server that nobody runs."""
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
    unused = lists.has("uwsgi") if lists else None
    if unused is not None and server.package == "gunicorn":
        reason = (
            "uwsgi is in the list, but gunicorn serves the site: every host compiles it for nothing. Take it out of "
            "the list, or set site_server: uwsgi"
        )
        yield Finding("", None, reason, unused.place, NOTE)
