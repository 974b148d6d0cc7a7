# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A background process as a user writes it, in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .presets import PRESETS, Preset

__all__ = ["DRAIN", "KEYS", "STARTSECS", "Process", "processes_of"]

DRAIN: Final = 600
"""How many seconds a process may take for what it has begun, unless it says otherwise: systemd's 90 kill real tasks."""
STARTSECS: Final = 5
"""How many seconds a process has to stay up before its release goes live, unless it says otherwise."""
KEYS: Final[Mapping[str, str]] = {
    "command": "str",
    "preset": "str",
    "application": "str",
    "queues": "list",
    "concurrency": "int",
    "threads": "int",
    "arguments": "str",
    "count": "int",
    "single": "bool",
    "drain": "int",
    "startsecs": "int",
    "memory_mb": "float",
    "database_connections": "int",
}
"""What can be said of a process, and the types."""


@dataclass(frozen=True)
class Process:
    """A process in full; None where the preset or the plan decides. `drain` and `startsecs` are in seconds."""

    name: str
    command: str = ""
    preset: Preset | None = None
    application: str = ""
    queues: tuple[str, ...] = ()
    concurrency: int | None = None
    threads: int | None = None
    arguments: str = ""
    count: int = 1
    single: bool = False
    drain: int = DRAIN
    startsecs: int = STARTSECS
    memory_mb: float | None = None
    database_connections: int | None = None

    @classmethod
    def of(cls, name: str, given: Mapping[str, Any]) -> Process:
        """Read what a user has written, and site_inputs has accepted."""
        values = {key: value for key, value in given.items() if value is not None}
        preset = PRESETS[values["preset"]] if values.get("preset") else None
        return cls(
            name=name,
            command=str(values.get("command", "")),
            preset=preset,
            application=str(values.get("application", "")),
            queues=tuple(map(str, values.get("queues", ()))),
            concurrency=_whole(values, "concurrency"),
            threads=_whole(values, "threads"),
            arguments=str(values.get("arguments", "")),
            count=_whole(values, "count") or 1,
            single=_flag(values.get("single", False)) or (preset is not None and preset.single),
            drain=int(values.get("drain", DRAIN)),
            startsecs=int(values.get("startsecs", STARTSECS)),
            memory_mb=float(values["memory_mb"]) if "memory_mb" in values else None,
            database_connections=_whole(values, "database_connections"),
        )

    def prefixes(self, site: str) -> list[str]:
        """What the names of its units have before the @ and the slot."""
        first = f"{site}-{self.name}"
        return [first, *(f"{first}-{number}" for number in range(2, self.count + 1))]


def processes_of(site_processes: Mapping[str, Mapping[str, Any]]) -> Iterator[Process]:
    """Read all of them, in the order of the inventory."""
    for name, given in site_processes.items():
        yield Process.of(str(name), given)


def _whole(values: Mapping[str, Any], key: str) -> int | None:
    return int(values[key]) if key in values else None


def _flag(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() in ("yes", "on", "true")
