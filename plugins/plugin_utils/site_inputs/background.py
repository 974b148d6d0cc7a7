# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for what runs beside the web processes: each process by itself, and its name among the others."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from ..processes.presets import OPTIONS, PRESETS, Preset, is_there
from ..processes.process import KEYS, processes_of
from .commands import check_no_shell, check_unit_name, read_words
from .complaints import Complaint, listed, shown
from .kinds import check
from .names import nearest
from .patterns import MODULE, Range
from .relations import rule
from .specification import Option

__all__ = ["check_prefixes", "check_unit_names"]

TAKEN: Final = ("boot", "liveness", "waiting")
"""What units of the site are called already."""
CURE: Final = "write it as in {command: python manage.py sendalerts}, or as in {preset: rq, queues: [default]}"
QUEUE: Final = r"[^\s,\x00-\x1f\x7f-][^\s,\x00-\x1f\x7f]{0,199}"
RANGES: Final[Mapping[str, Range]] = {
    "concurrency": Range(1, 10_000, "set how many tasks a unit has at a time, or leave it to the plan"),
    "threads": Range(1, 1_024, "set how many threads each process has"),
    "count": Range(1, 100, "for no process, leave it out"),
    "drain": Range(1, 86_400, "set for how many seconds it may finish what it has begun"),
    "startsecs": Range(1, 300, "set for how many seconds it has to stay up before its release goes live"),
    "memory_mb": Range(1, 10**9, "set the memory of one unit, in MB"),
    "database_connections": Range(0, 1_000_000, "set how many connections one unit holds"),
}
LEAST_SECRET: Final = 8
"""How many characters a secret has that is found in a command."""
OF_PRESETS: Final = (*OPTIONS, "arguments")
"""What has a meaning with a preset only."""


@rule
def _processes(site_processes: dict[Any, Any]) -> Iterator[Complaint]:
    for name, given in site_processes.items():
        where = f"site_processes[{shown(name)}]"
        yield from check_unit_name("site_processes", name, TAKEN)
        if isinstance(given, Mapping):
            yield from _process(where, given)
        else:
            yield Complaint(where, f"{shown(given)} is not a mapping", CURE)


@rule
def _plan_inputs_without_processes(site_plan_inputs: dict[str, Any]) -> Iterator[Complaint]:
    if "processes" in site_plan_inputs:
        yield Complaint("site_plan_inputs", "processes is not only for the plan", "set site_processes instead")


@rule
def _secrets_in_commands(
    site_processes: dict[Any, Any],
    site_schedules: dict[Any, Any],
    site_command: str,
    site_secrets: dict[Any, Any],
    site_secret_settings: dict[Any, Any],
) -> Iterator[Complaint]:
    """Refuse what would show a secret: unit files and command lines can be read by every user of the host."""
    secrets = {"site_secrets": site_secrets, "site_secret_settings": site_secret_settings}
    texts = {
        f"{variable}[{shown(name)}].{key}": keys[key]
        for variable, given in (("site_processes", site_processes), ("site_schedules", site_schedules))
        for name, keys in given.items()
        if isinstance(keys, Mapping)
        for key in ("command", "arguments", "application")
        if isinstance(keys.get(key), str)
    }
    for where, text in {**texts, "site_command": site_command}.items():
        for source, name in _secrets_within(text, secrets):
            yield Complaint(
                where,
                f"has the value of {name} in {source}, and every user of the host can read commands",
                "leave it out, and have the command read it from its environment or from the settings",
            )


def _secrets_within(text: str, secrets: Mapping[str, Mapping[Any, Any]]) -> Iterator[tuple[str, str]]:
    """Find the secrets whose whole value is in a text; a short one may be there by chance."""
    for source, values in secrets.items():
        for name, value in values.items():
            if isinstance(value, str) and len(value) >= LEAST_SECRET and value in text:
                yield source, str(name)


def check_unit_names(values: Mapping[str, Any]) -> Iterator[Complaint]:
    """Refuse a name that both a process and a schedule have, since each names a unit."""
    schedules = values.get("site_schedules") or {}
    for name in values.get("site_processes") or {}:
        if name in schedules:
            yield Complaint("site_processes, site_schedules", f"both have {shown(name)}", "rename one of them")


def check_prefixes(site: str, processes: Mapping[str, Any], others: Collection[str]) -> Iterator[Complaint]:
    """Compare the names that units would have with those of other sites on the host."""
    for process in processes_of(processes):
        for prefix in process.prefixes(site):
            if prefix in others:
                yield Complaint(
                    f"site_processes[{shown(process.name)}]",
                    f"its unit would have the name of the site {prefix}, which is on this host",
                    "rename the process",
                )


def _process(where: str, given: Mapping[Any, Any]) -> Iterator[Complaint]:
    for key in given:
        if key not in KEYS:
            near = nearest(str(key), KEYS)
            cure = f"did you mean {near}?" if near else f"they are {listed([*KEYS])}"
            yield Complaint(where, f"{shown(key)} is not one of its keys", cure)
    values = {}
    for key in (key for key in KEYS if given.get(key) is not None):
        elements = "str" if KEYS[key] == "list" else None
        checked = check(Option(f"{where}.{key}", KEYS[key], elements), given[key])
        yield from checked.complaints
        if not checked.complaints:
            values[key] = checked.value
    yield from _numbers(where, values)
    if bool(given.get("command")) == bool(given.get("preset")):
        found = "both a command and a preset" if given.get("command") else "neither a command nor a preset"
        yield Complaint(where, f"has {found}", CURE)
    elif given.get("command"):
        yield from _command(where, values)
    elif isinstance(values.get("preset"), str):
        yield from _preset(where, values)


def _numbers(where: str, values: Mapping[str, Any]) -> Iterator[Complaint]:
    for key, allowed in RANGES.items():
        if key in values:
            yield from allowed.check(f"{where}.{key}", values[key])
    preset = PRESETS.get(str(values.get("preset")))
    if values.get("count", 1) > 1 and (values.get("single") or (preset and preset.single)):
        why = "that is single" if values.get("single") else f"with the preset {values['preset']}, which is single"
        yield Complaint(f"{where}.count", f"{values['count']} units of a process {why}", "leave it out")


def _command(where: str, values: Mapping[str, Any]) -> Iterator[Complaint]:
    if "command" in values:
        yield from _program(f"{where}.command", values["command"])
    for key in OF_PRESETS:
        if key in values:
            yield Complaint(
                f"{where}.{key}",
                f"{shown(values[key])} has no effect on a command",
                "write it in the command; if the plan should count it, set memory_mb and database_connections",
            )


def _program(name: str, text: str) -> Iterator[Complaint]:
    words, complaints = read_words(name, text)
    if complaints:
        yield from complaints
    elif not words or not words[0]:
        yield Complaint(name, f"{shown(text)} names no program", CURE)
    elif words[0].startswith("-"):
        yield Complaint(name, f"{shown(text)} begins with an option", "begin with the program")
    elif "=" in words[0]:
        yield Complaint(name, f"{shown(text)} begins with a variable, and no shell reads it", "set site_environment")
    else:
        yield from check_no_shell(name, text, words)


def _preset(where: str, values: Mapping[str, Any]) -> Iterator[Complaint]:
    name = values["preset"]
    preset = PRESETS.get(name)
    if preset is None:
        near = nearest(name, PRESETS)
        cure = f"did you mean {near}?" if near else f"the presets are {listed([*PRESETS])}"
        yield Complaint(f"{where}.preset", f"there is no preset {shown(name)}", cure)
        return
    yield from _options(where, name, preset, values)
    for queue in values.get("queues", ()):
        if not re.fullmatch(QUEUE, queue):
            yield Complaint(f"{where}.queues", f"{shown(queue)} is not the name of a queue", "write it as in default")
    application = values.get("application", "")
    if application and not re.fullmatch(f"{MODULE}(:[A-Za-z_][A-Za-z0-9_.]*)?", application):
        yield Complaint(
            f"{where}.application",
            f"{shown(application)} is not the module of an application of Celery",
            "write it as in shop or shop.celery:app",
        )
    yield from _arguments(f"{where}.arguments", preset, values)


def _options(where: str, name: str, preset: Preset, values: Mapping[str, Any]) -> Iterator[Complaint]:
    for key in OPTIONS:
        if key in preset.needed and not values.get(key):
            yield Complaint(f"{where}.{key}", f"is not set, and the preset {name} needs it", preset.needed[key])
        elif values.get(key) and key not in preset.takes:
            cure = preset.elsewhere.get(key, "leave it out")
            yield Complaint(f"{where}.{key}", f"{shown(values[key])} has no effect with the preset {name}", cure)


def _arguments(name: str, preset: Preset, values: Mapping[str, Any]) -> Iterator[Complaint]:
    text = values.get("arguments", "")
    words, complaints = read_words(name, text)
    yield from complaints
    for options, cure in preset.refused.items():
        if found := next((option for option in options if is_there(words, option)), ""):
            yield Complaint(name, f"{found} in {shown(text)} contradicts the preset", cure)
    many = (values.get("concurrency") or 1) > 1
    if many and (found := next((option for option in preset.alone if is_there(words, option)), "")):
        yield Complaint(
            name,
            f"{found} in {shown(text)} is not an option of a pool, and concurrency is {values['concurrency']}",
            "set count instead of concurrency",
        )
