# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a user adds to a release: their templates, and which of them hold a secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from .placeholders import texts

__all__ = ["KEYS", "find_template", "holds_secret", "template_directories"]

KEYS: Final = ("content", "template", "secret")
OURS: Final = ("pitcrew", "django", "playbooks")
"""The end of the directory of this collection's own playbooks, which has nobody's templates."""
SHORTEST: Final = 4
"""Fewer characters of a secret occur in a file by chance."""


def template_directories(variables: Mapping[str, Any], working_directory: str) -> list[Path]:
    """Return where a template may be: beside the playbook, beside the inventory, or where Ansible was started."""
    bases = [variables.get("playbook_dir"), variables.get("inventory_dir"), working_directory]
    places = [Path(str(base)) for base in bases if base]
    found = [place / name for place in places if place.parts[-3:] != OURS for name in ("templates", ".")]
    return list(dict.fromkeys(found))


def find_template(name: str, directories: Iterable[Path]) -> Path | None:
    """Return the template of that name in the first of the directories that has it; None if none has."""
    path = Path(name).expanduser()
    candidates = [path] if path.is_absolute() else [directory / path for directory in directories]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def holds_secret(content: str, secrets: Any) -> bool:
    """Whether a text contains one of the values that are secret."""
    return any(len(secret) >= SHORTEST and secret in content for secret in texts(secrets))
