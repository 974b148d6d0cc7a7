# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commands of manage.py a host still owes its database: those for an empty one, and those that run only once.

The record belongs to root and lies beside that of demands. That the first commands are due is written before the
database is migrated, since it is not empty any more afterwards; that a command is done, once it has succeeded. A run
that is cut off in between leaves it due, so a command may run twice, and none is lost.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text, write_file

__all__ = ["CommandsRecord", "parsed"]


def parsed(commands: Iterable[Any]) -> list[dict[str, Any]]:
    """Return commands as they are written in an inventory as C(words) and C(once).

    Raises ValueError for one that has no words.
    """
    found = []
    for command in commands:
        text, once = (
            (command["command"], bool(command.get("once"))) if isinstance(command, Mapping) else (command, False)
        )
        words = shlex.split(str(text))
        if not words:
            raise ValueError(f"site_release_commands, site_first_commands: {text!r} has no command")
        found.append({"words": words, "once": once})
    return found


class CommandsRecord:
    """The record of one site: `first_due`, `first_done` and `once_done`, the last two with texts of commands."""

    def __init__(self, root: Path) -> None:
        self.file = root / "commands"

    def read(self) -> dict[str, Any]:
        """The whole record."""
        empty: dict[str, Any] = {"first_due": False, "first_done": [], "once_done": []}
        with suppress(ValueError):  # A full disk or a power cut left it incomplete.
            return {**empty, **json.loads(read_text(self.file) or "{}")}
        return empty

    def _write(self, record: Mapping[str, Any]) -> None:
        if dict(record) != self.read():
            write_file(self.file, json.dumps(record) + "\n", 0o644)

    def owe_first(self) -> None:
        """Note that the database is empty, so that all first commands are due."""
        self._write({**self.read(), "first_due": True, "first_done": []})

    def due(self, first: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Which of the commands of the inventory are due now, for a job of the runner."""
        record = self.read()
        owed = [one for one in first if shlex.join(one["words"]) not in record["first_done"]]
        rest = [one for one in others if not (one["once"] and shlex.join(one["words"]) in record["once_done"])]
        return {
            "first_commands": owed if record["first_due"] else list(first),
            "first_due": bool(record["first_due"]),
            "commands": rest,
        }

    def note(self, ran: Iterable[Mapping[str, Any]], complete: bool) -> None:
        """Note the commands that have succeeded; C(complete) if that was all of them."""
        record = self.read()
        for one in ran:
            kind = {"first": "first_done", "once": "once_done"}.get(str(one["why"]))
            if kind and one["command"] not in record[kind]:
                record[kind] = [*record[kind], str(one["command"])]
        if complete and record["first_due"]:
            record |= {"first_due": False, "first_done": []}
        self._write(record)
