# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations after which the database demands a value of each new row that a release without them does not provide.

They are recorded on the host when they are applied, with the releases that know them. Until one of those is live, the
live release cannot add rows, and no run that is refused in the meantime leaves the site as it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text, write_file

__all__ = ["Demands", "ways_back", "what_stays"]


class Demands:
    """The record of one site: `migration`, `tables`, `before` (what to migrate to, to take it back), `known_by`."""

    def __init__(self, root: Path) -> None:
        self.file = root / "demands"

    def recorded(self) -> list[dict[str, Any]]:
        """All entries, oldest first."""
        with suppress(ValueError):  # A full disk or a power cut left it incomplete.
            found: list[dict[str, Any]] = json.loads(read_text(self.file) or "[]")
            return found
        return []

    def record(self, release: str, applied: Iterable[Mapping[str, Any]], known: Mapping[str, bool] | None) -> None:
        """Add what a release has applied; for the recorded ones that are still applied, C(known) has if it knows them.

        It is None if the release did not get as far as to compare them with the database.
        """
        before = self.recorded()
        entries = {entry["migration"]: entry for entry in before if known is None or entry["migration"] in known}
        for name, is_known in (known or {}).items():
            # Those that were removed from the disk cannot become live again.
            others = [other for other in entries[name]["known_by"] if other != release and self._is_on_disk(other)]
            entries[name] = {**entries[name], "known_by": [*others, *([release] if is_known else [])]}
        entries.update({demand["migration"]: {**demand, "known_by": [release]} for demand in applied})
        if [*entries.values()] != before:
            write_file(self.file, json.dumps([*entries.values()]) + "\n", 0o644)

    def _is_on_disk(self, release: str) -> bool:
        return (self.file.parent / "releases" / release).exists()

    def unmet_by(self, release: str | None) -> list[dict[str, Any]]:
        """The entries that a release does not know; none if nothing is live."""
        return [entry for entry in self.recorded() if release and release not in entry["known_by"]]


def what_stays(entries: Sequence[Mapping[str, Any]], live: str) -> str:
    """Say, as the end of a sentence, what stays applied and what the live release cannot do because of it."""
    names, tables = _listed(entry["migration"] for entry in entries), sorted({t for e in entries for t in e["tables"]})
    stays, it = ("stays", "it is") if len(entries) == 1 else ("stay", "them is")
    return f"{names} {stays} applied: until a release that knows {it} live, {live} cannot add rows to {_listed(tables)}"


def ways_back(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """The arguments of manage.py that take the entries back: one migration of each application to return to."""
    targets: dict[str, str] = {}
    for entry in entries:  # The oldest of each application: what follows it is taken back with it.
        targets.setdefault(entry["migration"].partition(".")[0], entry["before"])
    return [f"migrate {application} {before}" for application, before in targets.items()]


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
