# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From which directories of a source, apart from that of manage.py, modules may be imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from ..server_version import parsed_toml, subtable
from .tree import Tree, joined, upwards

__all__ = ["module_roots"]


def module_roots(tree: Tree, project: str) -> list[str]:
    """Name these directories, the nearest first; a deploy adds those that it needs to the release's Python.

    They are those called src, beside manage.py and above; those that the metadata of a package names; and those that
    manage.py names where it adds to sys.path.
    """
    above = list(upwards(project))
    found = [joined(directory, "src") for directory in above]
    for directory in above:
        found += [joined(directory, name) for name in _declared(tree, directory)]
    manage = tree.parsed(joined(project, "manage.py"))
    if manage is not None and "sys.path" in (tree.read(joined(project, "manage.py")) or ""):
        found += [joined(project, name) for name in _texts_in(manage)]
        found += above[1:]
    return [
        name
        for name in dict.fromkeys(found)
        if name in tree.directories and name != project and joined(name, "__init__.py") not in tree.names
    ]


def _declared(tree: Tree, directory: str) -> Iterator[str]:
    declared = parsed_toml(tree.read(joined(directory, "pyproject.toml")) or "")
    tools = subtable(declared, "tool")
    roots: list[Any] = [subtable(tools, "setuptools", "package-dir").get("")]
    where = subtable(tools, "setuptools", "packages", "find").get("where")
    roots += where if isinstance(where, list) else []
    packages = subtable(tools, "poetry").get("packages")
    roots += [subtable(one).get("from") for one in packages] if isinstance(packages, list) else []
    roots.append(subtable(tools, "uv", "build-backend").get("module-root"))
    yield from (root for root in roots if isinstance(root, str) and root and not root.startswith(("/", "..")))


def _texts_in(tree: ast.Module) -> list[str]:
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text for text in texts if re.fullmatch(r"[\w.-]+(/[\w.-]+)*", text)]
