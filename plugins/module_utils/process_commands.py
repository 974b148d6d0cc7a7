# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that a site runs beside its web processes, judged in the release that is to run them.

They begin in the directory of manage.py, with the PATH of the release; no shell is between.
"""

from __future__ import annotations

import difflib
import importlib.machinery
import importlib.util
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.command_words import Target, target_of, why_a_terminal
from ansible_collections.pitcrew.django.plugins.module_utils.release_commands import judge_commands

__all__ = ["judge_process_commands"]

ADD = "add the package that has it to the project's list or to site_python_packages"


@dataclass(frozen=True)
class OfDjango:
    """A command of manage.py, and the variable that has it."""

    variable: str
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        """As it stands in messages."""
        return shlex.join(self.words)


def judge_process_commands(commands: Iterable[Mapping[str, Any]], complain: Callable[[str], None]) -> None:
    """Complain about commands that the release cannot run; each has its C(variable) and its C(words).

    Django has been set up, and the working directory is that of manage.py.
    """
    for command in commands:
        variable, words = command["variable"], list(command["words"])
        # env takes what stands before a program for variables.
        while words and "=" in words[0]:
            words.pop(0)
        if not words:
            complain(f"{variable}: {shlex.join(command['words'])!r} has no command; add one after the variables")
            continue
        target = target_of(words)
        problem = _problem(words, target)
        if problem:
            complain(f"{variable}: {problem}")
        elif target.kind == "django":
            judge_commands([OfDjango(variable, (target.name, *target.arguments))], complain)


def _problem(words: list[str], target: Target) -> str:
    program = words[0]
    if program == "manage.py":
        return f"manage.py is not on the PATH of the release; write it as in python {shlex.join(words)}"
    if missing := _missing_program(program):
        return missing
    if why := why_a_terminal(words):
        return f"{shlex.join(words)!r} {why}; " + ("add --no-input" if "questions" in why else "leave it out")
    if target.kind == "django":
        if target.script and not Path(target.script).is_file():
            return f"the project has no {target.script}; write it as in python -m django {target.name}".rstrip()
        return "" if target.name else f"{shlex.join(words)!r} names no command of the project; add one"
    if target.kind == "module" and not _is_importable(target.name):
        return f"there is no module {target.name!r} in the release; {ADD}"
    if target.kind == "script" and not Path(target.name).is_file():
        return f"the project has no file {target.name!r}; correct its path, which begins in the directory of manage.py"
    return ""


def _missing_program(name: str) -> str:
    if "/" in name:
        path = Path(name)
        if not path.is_file():
            return f"the project has no file {name!r}; correct its path, which begins in the directory of manage.py"
        if not os.access(path, os.X_OK):
            return f"{name!r} is not executable; make it so in the source, with chmod +x"
        return ""
    own = Path(sys.executable).parent
    if shutil.which(name, path=os.pathsep.join([str(own), os.environ.get("PATH", os.defpath)])):
        return ""
    near = difflib.get_close_matches(name, sorted(path.name for path in own.iterdir()), 1)
    return f"there is no program {name!r} in the release; " + (f"did you mean {near[0]}?" if near else ADD)


def _is_importable(name: str) -> bool:
    """Whether Python finds a module, without importing what is above it."""
    found, *parts = name.split(".")
    with suppress(ValueError):  # Of a module that is loaded and has no specification, such as __main__.
        spec = importlib.util.find_spec(found) if found else None
        spec = spec or importlib.machinery.PathFinder.find_spec(found, [os.getcwd()])
        for part in parts:
            found = f"{found}.{part}"
            spec = spec and importlib.machinery.PathFinder.find_spec(found, list(spec.submodule_search_locations or []))
        return spec is not None
    return True
