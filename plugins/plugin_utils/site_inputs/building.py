# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for what a release gets beyond its source and packages: steps of a build, files, directories, placeholders."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from ansible_collections.pitcrew.django.plugins.module_utils.build_steps import PRESETS

from ..build_steps import KEYS as STEP_KEYS
from ..placeholders import PLACEHOLDERS, suspects, texts
from ..project_files import KEYS as FILE_KEYS
from ..project_files import find_template
from .complaints import Complaint, listed, shown
from .names import nearest
from .patterns import LINE
from .relations import environment_variables, rule, rule_for_each

__all__ = ["check_templates"]

STEP_CURE: Final = "write it as in npm, or as in {command: npm run build, network: true}"
FILE_CURE: Final = "write it as in {content: 'DEBUG = False'}, or as in {template: local.py.j2, secret: true}"
PATH: Final = r"(?!/)[^\x00-\x1f\x7f]{1,500}"
STATE: Final = "@state@/"
PROJECT: Final = "@project@/"
LONGEST: Final = 86400
PLACES: Final = listed([f"@{name}@" for name in PLACEHOLDERS])


# Steps


@rule
def _build(site_build: list[Any], site_project_directory: str) -> Iterator[Complaint]:
    for number, step in enumerate(site_build):
        name = f"site_build[{number}]"
        if isinstance(step, str):
            yield from _word(name, step)
        elif isinstance(step, Mapping):
            yield from _step(name, step, site_project_directory)
        else:
            yield Complaint(name, f"{shown(step)} is neither a preset nor a command", STEP_CURE)


def _word(name: str, step: str) -> Iterator[Complaint]:
    if not step.strip():
        yield Complaint(name, f"{shown(step)} is neither a preset nor a command", STEP_CURE)
    elif step not in PRESETS and re.fullmatch(r"[\w.-]+", step) and (near := nearest(step, PRESETS)):
        yield Complaint(
            name, f"there is no preset {shown(step)}", f"did you mean {near}? For a command, write {{command: {step}}}"
        )


def _step(name: str, step: Mapping[Any, Any], project: str) -> Iterator[Complaint]:
    yield from _unknown_keys(name, step, STEP_KEYS)
    if bool(step.get("command")) == bool(step.get("preset")):
        found = "both a command and a preset" if step.get("command") else "neither a command nor a preset"
        yield Complaint(name, f"has {found}", STEP_CURE)
    if "command" in step and not isinstance(step["command"], str):
        yield Complaint(f"{name}.command", f"{shown(step['command'])} is not text", "write it as text, in quotes")
    if "preset" in step and step["preset"] not in PRESETS:
        near = nearest(str(step["preset"]), PRESETS)
        cure = f"did you mean {near}?" if near else f"the presets are {listed([*PRESETS])}"
        yield Complaint(f"{name}.preset", f"there is no preset {shown(step['preset'])}", cure)
    yield from _step_directory(f"{name}.directory", step.get("directory", ""), project)
    if not isinstance(step.get("network", False), bool):
        yield Complaint(f"{name}.network", f"{shown(step['network'])} is neither true nor false", "write one of them")
    environment = step.get("environment", {})
    if isinstance(environment, Mapping):
        yield from environment_variables(f"{name}.environment", environment, secret=False)
    else:
        yield Complaint(f"{name}.environment", f"{shown(environment)} is not a mapping", "write it as in {NAME: value}")
    timeout = step.get("timeout", 1)
    if isinstance(timeout, bool) or not isinstance(timeout, int) or not 1 <= timeout <= LONGEST:
        yield Complaint(
            f"{name}.timeout", f"{shown(timeout)} is not 1 to {LONGEST} seconds", "set how long the step may take"
        )
    memory = step.get("memory", "50%")
    if not re.fullmatch(r"[1-9][0-9]{0,5}[KMG]|[1-9][0-9]?%|100%", str(memory)):
        yield Complaint(
            f"{name}.memory", f"{shown(memory)} is not a size in systemd's notation", "write it as in 2G or 75%"
        )


def _step_directory(name: str, directory: Any, project: str) -> Iterator[Complaint]:
    if not isinstance(directory, str) or (directory and not re.fullmatch(PATH, directory)):
        yield Complaint(
            name, f"{shown(directory)} is not a directory in the source", "write it as in frontend or ../frontend"
        )
    elif posixpath.normpath(posixpath.join(project, directory)).split("/")[0] == "..":
        yield Complaint(
            name,
            f"{shown(directory)} leads out of the source",
            "write it relative to site_project_directory, as in frontend or ../frontend",
        )


# Files


@rule
def _files(site_files: dict[Any, Any], site_shared_paths: list[str]) -> Iterator[Complaint]:
    names = [str(name) for name in site_files]
    for name, file in site_files.items():
        yield from _file_path(name, names, site_shared_paths)
        yield from _file(f"site_files[{shown(name)}]", file)


def _file_path(name: Any, names: list[str], shared: list[str]) -> Iterator[Complaint]:
    path = PurePosixPath(str(name))
    if not isinstance(name, str) or not re.fullmatch(PATH, name) or name.endswith("/") or not path.name:
        problem, cure = "is not a path in the project's directory", "write it as in shop/local_settings.py"
    elif ".." in path.parts:
        problem, cure = "leads out of the project's directory", "write it without .."
    elif ".git" in path.parts:
        problem, cure = "is in the directory of git, which no release has", "choose another path"
    elif str(path) == "manage.py":
        problem, cure = "is the project's own program", "change it in the source"
    elif above := next((one for one in names if one != name and str(PurePosixPath(one)) in map(str, path.parents)), ""):
        problem, cure = f"is below {shown(above)}, which is a file", "rename one of the two"
    elif kept := next((one for one in shared if _is_within(path, one)), ""):
        problem, cure = f"is in {shown(kept)} of site_shared_paths, which outlives the release", "leave out one of them"
    else:
        return
    yield Complaint("site_files", f"{shown(name)} {problem}", cure)


def _is_within(path: PurePosixPath, other: str) -> bool:
    return PurePosixPath(other.rstrip("/")) in (path, *path.parents)


def _file(name: str, file: Any) -> Iterator[Complaint]:
    if isinstance(file, str):
        return
    if not isinstance(file, Mapping):
        yield Complaint(name, "the value (not shown) is neither text nor a mapping", FILE_CURE)
        return
    yield from _unknown_keys(name, file, FILE_KEYS)
    if ("content" in file) == ("template" in file):
        found = "both content and template" if "content" in file else "neither content nor template"
        yield Complaint(name, f"has {found}", FILE_CURE)
    if "content" in file and not isinstance(file["content"], str):
        yield Complaint(f"{name}.content", "the value (not shown) is not text", "write it as text, as after | in YAML")
    template = file.get("template", "-")
    if not isinstance(template, str) or not re.fullmatch(LINE, template):
        yield Complaint(
            f"{name}.template", f"{shown(template)} is not the path of a template", "write it as in local.py.j2"
        )
    if not isinstance(file.get("secret", False), bool):
        yield Complaint(f"{name}.secret", f"{shown(file['secret'])} is neither true nor false", "write one of them")


def check_templates(values: Mapping[str, Any], directories: Iterable[Path]) -> Iterator[Complaint]:
    """Look for the templates of files, on the control node."""
    places = list(directories)
    for name, file in (values.get("site_files") or {}).items():
        template = file.get("template") if isinstance(file, Mapping) else None
        if isinstance(template, str) and template and find_template(template, places) is None:
            where = listed([str(place) for place in places if place.name != "templates"])
            yield Complaint(
                f"site_files[{shown(name)}].template",
                f"there is no file {shown(template)}",
                f"put it into {where}, or into templates there" if where else "correct its path",
            )


# Directories


@rule
def _directories(site_directories: list[str]) -> Iterator[Complaint]:
    for directory in site_directories:
        rest = directory.removeprefix(STATE).removeprefix(PROJECT)
        if directory.startswith("/") or directory.startswith("@release@"):
            problem = "is neither in the project nor in the state directory"
        elif ".." in rest.split("/"):
            problem = "leads out of its place"
        elif rest.strip("/.") == "" or not re.fullmatch(PATH, rest):
            problem = "is not the path of a directory"
        else:
            continue
        yield Complaint(
            "site_directories",
            f"{shown(directory)} {problem}",
            "write it as in data/imports, which is read-only for the site, or as in @state@/imports",
        )


# Placeholders


@rule_for_each(
    "site_settings", "site_secret_settings", "site_environment", "site_secrets", "site_files", "site_directories"
)
def _placeholders(variable: str, given: Any) -> Iterator[Complaint]:
    """Refuse what is meant as a placeholder and is none: a slip of a letter, or any other at the beginning of a path.

    Whatever else is between two @ may be an address, or part of a password.
    """
    values = given if isinstance(given, Mapping) else dict.fromkeys(given, given)
    for name, value in values.items():
        found = {word: begins for text in texts(value) for word, begins in suspects(text)}
        for word, begins in found.items():
            near = nearest(word.lower(), PLACEHOLDERS)
            if near or begins:
                cure = f"did you mean @{near}@?" if near else f"the placeholders are {PLACES}"
                where = "" if variable == "site_directories" else f"{shown(name)}: "
                yield Complaint(variable, f"{where}there is no placeholder @{word}@", cure)


# All of them


def _unknown_keys(name: str, given: Mapping[Any, Any], known: tuple[str, ...]) -> Iterator[Complaint]:
    for key in given:
        if key not in known:
            near = nearest(str(key), known)
            cure = f"did you mean {near}?" if near else f"they are {listed([*known])}"
            yield Complaint(name, f"{shown(key)} is not one of its keys", cure)
