# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site's background processes are to the plan, which knows no products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .process import Process, processes_of
from .quoting import split

__all__ = ["loads"]


def loads(site_processes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Give the input `processes` of the plan: by name, what each process is made of."""
    return {process.name: _load(process) for process in processes_of(site_processes)}


def _load(process: Process) -> dict[str, Any]:
    load: dict[str, Any] = {
        "count": process.count,
        "single": process.single,
        "memory_mb": process.memory_mb,
        "database_connections": process.database_connections,
    }
    if process.preset is None:
        return load
    arguments = split(process.arguments)
    preset = process.preset.with_arguments(arguments)
    alone = preset.kind == "one" or preset.is_alone(arguments)
    return {
        **load,
        "kind": preset.kind,
        "concurrency": process.concurrency or (1 if alone else None),
        "threads": process.threads or preset.threads,
        "attendants": preset.attendants,
        "runs_alone": preset.runs_alone,
        "processes_per_slot": preset.per_slot,
        "attendant_connections": preset.connections,
    }
