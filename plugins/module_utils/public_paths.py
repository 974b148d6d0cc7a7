# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories nginx may serve, checked in the site's own process and once more by root."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["public_path_complaints"]


def public_path_complaints(public: Mapping[str, str], allowed: Iterable[Path]) -> list[str]:
    """Return what is wrong with the directories that nginx is to serve, by their URL paths; each with the cure.

    Settings are code, and root creates links and nginx locations from them: they may name only what is the site's.
    """
    parents = list(allowed)
    complaints = []
    for path, directory in public.items():
        if not re.match(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*\Z", path):
            complaints.append(
                f"STATIC_URL, MEDIA_URL: the path {path!r} is not valid in an nginx location; write it as in /static/"
            )
        where = Path(os.path.normpath(directory))
        if not any(where.is_relative_to(parent) and where != parent for parent in parents):
            complaints.append(
                f"STATIC_ROOT, MEDIA_ROOT: {directory!r} cannot be served as /{path}/, since it is not the site's; "
                f"set a directory below {' or '.join(map(str, parents))}"
            )
        others = [other for other in public if other.startswith(f"{path}/")]
        if others:
            complaints.append(
                f"STATIC_URL, MEDIA_URL: /{others[0]}/ lies below /{path}/; give static files and uploads URLs of "
                "their own"
            )
    return complaints
