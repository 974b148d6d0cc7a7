# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the proposals of processes and of schedules have in common: names, and commands that the source has."""

from __future__ import annotations

import re
from typing import Final

from ..schedules import RESERVED
from .command_lines import Command
from .findings import PROCESS, Finding
from .programs import Program
from .tree import Tree, joined
from .values import Scope

__all__ = ["AROUND", "Names", "installed", "left_out", "words_in_source"]

AROUND: Final = (
    "cd", "echo", "curl", "wget", "source", ".", "export", "true", "set", "test", "[", "sleep", "logger", "date",
    "exit", "wait", "trap",
)  # fmt: skip
"""What surrounds the command of a line."""


class Names:
    """Names of processes and schedules: small letters, digits and underscores, each taken once."""

    def __init__(self) -> None:
        self.taken = set(RESERVED)

    def take(self, *wanted: str) -> str:
        """Take the first name that is free, or the last one with a number."""
        for text in wanted:
            name = re.sub(r"^[^a-z]+", "", re.sub(r"[^a-z0-9]+", "_", text.lower()))[:26].strip("_") or "process"
            if name not in self.taken:
                self.taken.add(name)
                return name
        numbered = next(f"{name}_{number}" for number in range(2, 1000) if f"{name}_{number}" not in self.taken)
        self.taken.add(numbered)
        return numbered


def installed(scope: Scope, app: str) -> bool:
    """Whether an application is in INSTALLED_APPS, by its module or by its configuration."""
    apps = scope.get("INSTALLED_APPS")
    return isinstance(apps, list) and any(str(one) == app or str(one).startswith(f"{app}.") for one in apps)


def left_out(program: Program, command: Command, why: str) -> Finding:
    """Name a command that is not proposed, with the reason."""
    text = command.text if len(command.text) <= 80 else f"{command.text[:76]} ..."
    return Finding("", None, f"{text}: {program.what}, but {why}", program.place, PROCESS)


def words_in_source(tree: Tree, project: str, command: Command) -> tuple[str, ...] | None:
    """Return the words that run a program of the source in the project's directory; None if there is none."""
    words = command.words
    if words[0] == "python" and len(words) > 2 and words[1] == "-m":
        path = words[2].replace(".", "/")
        found = any(joined(project, one) in tree.names for one in (f"{path}.py", f"{path}/__main__.py"))
        return words if found else None
    at = 1 if words[0] in ("python", "bash", "sh") and len(words) > 1 else 0
    if "/" not in words[at] and not re.search(r"\.(py|sh)$", words[at]):
        return None
    for directory in dict.fromkeys((project, "")):
        path = joined(directory, words[at])
        if not path.startswith("..") and path in tree.names and not words[at].startswith("/"):
            # What is above the project's directory is not found from there.
            inside = path[len(project) + 1 :] if project and path.startswith(f"{project}/") else path
            if project and inside == path:
                return None
            return (*words[:at], inside if at else f"./{inside}", *words[at + 1 :])
    return None
