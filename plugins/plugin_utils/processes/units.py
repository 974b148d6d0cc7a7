# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of a site's background processes in a slot, with the numbers that the plan has for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .presets import Task
from .process import Process, processes_of
from .quoting import SLOT, quoted, split

__all__ = ["process_units"]


def process_units(
    site_processes: Mapping[str, Mapping[str, Any]],
    *,
    site: str,
    planned: Mapping[str, Mapping[str, Any]],
    state: str,
    first_host: bool,
    has_manage: bool = True,
) -> list[dict[str, Any]]:
    """Give one mapping for each unit, in the order of the inventory; those of single processes on the first host only.

    Without a manage.py (`has_manage`), presets run Django's commands as `python -m django`.

    `planned` is site_plan.processes. What it lacks is None, and a concurrency that it lacks is one: so the commands can
    be judged before there is a plan.
    """
    return [
        unit
        for process in processes_of(site_processes)
        if first_host or not process.single
        for unit in _units(process, site, planned.get(process.name) or {}, state, first_host, has_manage)
    ]


def _units(
    process: Process, site: str, planned: Mapping[str, Any], state: str, first_host: bool, has_manage: bool
) -> Iterator[dict[str, Any]]:
    preset = process.preset
    for number, prefix in enumerate(process.prefixes(site), 1):
        words = _words(process, planned, state, prefix, first_host and number == 1)
        if preset and not has_manage and words[:2] == ["python", "manage.py"]:
            words[:2] = ["python", "-m", "django"]
        title = f", {preset.title}" if preset else ""
        yield {
            "process": process.name,
            "prefix": prefix,
            "exec": quoted(words),
            "words": [word.replace(SLOT, "%i") for word in words],
            "package": preset.package if preset else "",
            "kill_signal": preset.kill_signal if preset else "SIGTERM",
            "drain": process.drain,
            "startsecs": process.startsecs,
            "single": process.single,
            "memory_high_mb": planned.get("memory_high_mb"),
            "memory_max_mb": planned.get("memory_max_mb"),
            "tasks_max": planned.get("tasks_max"),
            "cpu_weight": planned.get("cpu_weight"),
            "description": f"{site}: process {process.name}{title}"
            + (f" ({number} of {process.count})" if process.count > 1 else ""),
        }


def _words(process: Process, planned: Mapping[str, Any], state: str, node: str, leads: bool) -> list[str]:
    preset = process.preset
    if preset is None:
        return split(process.command)
    task = Task(
        node=node,
        schedule=f"{state}/{process.name}-schedule",
        application=process.application,
        queues=process.queues,
        concurrency=int(planned.get("concurrency") or process.concurrency or 1),
        threads=int(planned.get("threads") or process.threads or preset.threads),
        arguments=split(process.arguments),
        drain=process.drain,
        leads=leads,
    )
    return preset.command(task)
