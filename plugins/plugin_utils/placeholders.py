# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placeholders in what a user sets: places on the host that are known only once a release has its name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["PLACEHOLDERS", "replaced", "suspects", "texts"]

PLACEHOLDERS: Final = ("release", "project", "state")
"""`@release@` is the release's directory, `@project@` that of manage.py in it, `@state@` where the site writes."""

KNOWN: Final = re.compile(f"@({'|'.join(PLACEHOLDERS)})@")
# The beginning of a path, such as @home@/media: nothing else begins like that.
BEGINNING: Final = re.compile(r"@([A-Za-z_]{2,20})@(?=/|$)")
ANYWHERE: Final = re.compile(r"@([A-Za-z_]{2,20})@")


def replaced(value: Any, places: Mapping[str, str]) -> Any:
    """Replace the placeholders in every text of a value, whatever it is made of; keys stay as they are."""
    if isinstance(value, str):
        return KNOWN.sub(lambda match: places[match[1]], value) if "@" in value else value
    if isinstance(value, Mapping):
        return {name: replaced(one, places) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [replaced(one, places) for one in value]
    return value


def texts(value: Any) -> Iterator[str]:
    """Give every text of a value, whatever it is made of, except keys."""
    if isinstance(value, str):
        yield str(value)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from texts(one)


def suspects(text: str) -> Iterator[tuple[str, bool]]:
    """Give the names of what looks like a placeholder and is none, and whether a path begins with it."""
    for match in ANYWHERE.finditer(text):
        if match[1] not in PLACEHOLDERS:
            yield match[1], match.start() == 0 and BEGINNING.match(text) is not None
