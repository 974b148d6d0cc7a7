# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the last run of a playbook that worked on a site ended: C(last-run.json) in the site's directory."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text, write_file

__all__ = ["LastRun"]

FILE = "last-run.json"


@dataclass(frozen=True)
class LastRun:
    """By whom, from when to when (seconds since the epoch), and whether every stage succeeded."""

    by: str
    began: float
    ended: float
    succeeded: bool

    @classmethod
    def read(cls, root: Path) -> LastRun | None:
        """Return the record in a site's directory, or None if no run has ended there."""
        with suppress(OSError, ValueError, TypeError):
            return cls(**json.loads(read_text(root / FILE) or ""))
        return None

    def write(self, root: Path) -> None:
        """Replace the record. A run that ends before the site has a directory leaves none, nor does a full disk."""
        with suppress(OSError):
            write_file(root / FILE, json.dumps(asdict(self)) + "\n", 0o644)
