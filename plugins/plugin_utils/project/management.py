# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that a source adds to manage.py, and which of them run for ever."""

from __future__ import annotations

import ast
import re
from typing import Final

from .tree import Tree

__all__ = ["runs_for_ever", "source_commands"]

COMMAND: Final = re.compile(r"(?:^|/)management/commands/([A-Za-z][\w-]*)\.py$")
SERVES: Final = ("run_forever", "run_until_disconnected", "start_consuming", "BlockingScheduler",
                 "run_polling", "infinity_polling", "asyncore.loop", "BackgroundScheduler")  # fmt: skip
WAITS: Final = ("sleep", "wait", "recv", "poll", "watch", "accept", "select", "listen")


def source_commands(tree: Tree) -> dict[str, str]:
    """Return the files of the source's commands by their names."""
    found: dict[str, str] = {}
    for name in sorted(tree.names):
        if (match := COMMAND.search(name)) and not re.search(r"(^|/)tests?/", name):
            found.setdefault(match[1], name)
    return found


def runs_for_ever(tree: Tree, command: str) -> bool:
    """Whether a command has a loop that waits and does not end by itself, or a server that does not."""
    path = source_commands(tree).get(command)
    parsed = tree.parsed(path) if path else None
    if parsed is None:
        return False
    text = tree.read(path or "") or ""
    return any(word in text for word in SERVES) or any(_waits_for_ever(node) for node in ast.walk(parsed))


def _waits_for_ever(node: ast.AST) -> bool:
    if not isinstance(node, ast.While):
        return False
    endless = (isinstance(node.test, ast.Constant) and bool(node.test.value)) or (
        isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
    )
    calls = [part.func for part in ast.walk(node) if isinstance(part, ast.Call)]
    named = [func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls]
    return endless and any(name in WAITS for name in named)
