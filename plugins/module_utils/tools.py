# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs from the Python package index, for all sites of the host, each version in a directory of its own."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.pitcrew.django.plugins.module_utils.django_process import NICE
from ansible_collections.pitcrew.django.plugins.module_utils.files import remove_tree

__all__ = ["ToolError", "Toolbox"]

TOOLS = Path("/opt")
FORGOTTEN_S = 86400
"""After how many seconds nobody is still filling a directory."""


class ToolError(Exception):
    """C(tool), a name and a version, cannot be installed; the message is what the command wrote."""

    def __init__(self, tool: str, output: str) -> None:
        super().__init__(output)
        self.tool = tool


@dataclass(frozen=True)
class Toolbox:
    """Where programs are installed, by a Python of the host. C(run_command) is that of an AnsibleModule.

    Everything runs as root, so C(variables) lead to nothing that a site can write to.
    """

    run_command: Callable[..., tuple[int, str, str]]
    python: str
    variables: Mapping[str, str]
    parent: Path = field(default_factory=lambda: TOOLS)

    def program(self, name: str, requirements: Sequence[str]) -> str:
        """Return the path of a program.

        The first of its requirements is the program, the others are what it is extended with; all name exact versions.
        Raises ToolError.
        """
        version = "-".join(requirement.rpartition("=")[2] for requirement in requirements)
        home = self.parent / f"{name}-{version}"

        def fill(new: Path) -> None:
            tool = f"{name} {version}"
            self.run(tool, [self.python, "-I", "-m", "venv", str(new)])
            self.run(tool, [str(new / "bin/python"), "-I", "-m", "pip", "install", "--quiet", *requirements])
            moved_scripts(new, home)

        self.install(home, fill)
        return str(home / "bin" / name)

    def install(self, home: Path, fill: Callable[[Path], None]) -> None:
        """Have a directory filled, unless it exists: it is complete as soon as it does."""
        if home.exists():
            return
        for left in self.parent.glob(f".{home.name}-*"):  # By runs that were cut off.
            if time.time() - left.lstat().st_mtime > FORGOTTEN_S:
                remove_tree(left)
        # Elsewhere first: other sites may be about to do the same.
        new = Path(tempfile.mkdtemp(prefix=f".{home.name}-", dir=self.parent))
        try:
            fill(new)
            new.chmod(0o755)
            try:
                new.rename(home)
            except OSError:  # Another site was faster.
                if not home.exists():
                    raise
        finally:
            remove_tree(new)

    def run(self, tool: str, command: Sequence[str]) -> None:
        """Run a command that installs a tool.

        Raises ToolError.
        """
        returncode, out, err = self.run_command([*NICE, *command], environ_update=dict(self.variables))
        if returncode:
            raise ToolError(tool, out + err)


def moved_scripts(new: Path, home: Path) -> None:
    """Rewrite the first lines of a tool's scripts, which name its Python, for its last directory."""
    for script in (new / "bin").iterdir():
        if script.is_symlink() or not script.is_file():
            continue
        content = script.read_bytes()
        if content.startswith(b"#!") and os.fsencode(new) in content:
            script.write_bytes(content.replace(os.fsencode(new), os.fsencode(home)))
