# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx may serve from disk, checked in the site's own process and once more by root."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["public_paths"]


def public_paths(public: Mapping[str, str], allowed: Iterable[Path]) -> None:
    """Check that the settings ask nginx to serve only what belongs to the site.

    Settings are code, and root creates links and nginx locations from them. Raises ValueError with the cure.
    """
    for path, directory in public.items():
        if not re.match(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*\Z", path):
            raise ValueError(f"the URL path {path!r} of static files or uploads is none; write it as in /static/")
        where = Path(os.path.normpath(directory))
        if not any(where.is_relative_to(parent) and where != parent for parent in allowed):
            raise ValueError(
                f"{directory!r} cannot be served as /{path}/; keep it below {' or '.join(map(str, allowed))}"
            )
        others = [other for other in public if other.startswith(f"{path}/")]
        if others:
            raise ValueError(f"/{others[0]}/ lies below /{path}/; give static files and uploads URLs of their own")
