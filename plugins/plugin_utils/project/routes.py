# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path that answers without a login: a health check of the project, or its home page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, Final

from .findings import GUESS, Finding, Place
from .settings import Settings

__all__ = ["health_findings"]

HEALTH: Final = re.compile(r"(^|/)(healthz?|health[_-]?check|livez?|readyz|heartbeat|ping|up|_health|ht|alive)/?$")


def health_findings(settings: Settings) -> Iterator[Finding]:
    """Look for a path that answers without a login: a health check of the project, or its home page."""
    routes = _routes(settings, settings.get("ROOT_URLCONF"), "", 0)
    if routes is None:
        return
    for path, file, line in routes:
        if HEALTH.search(path) and "<" not in path:
            yield Finding("site_health_path", f"/{path}", "it looks like a health check", Place(file, line), GUESS)
            return
    paths = [path for path, _file, _line in routes]
    if "" in paths or any("LocaleMiddleware" in str(one) for one in settings.get("MIDDLEWARE", []) or []):
        return
    admin = next((path for path in paths if re.fullmatch(r".*admin/", path)), None)
    if routes and admin is not None:
        reason = "no URL of the project answers to / itself, so the page to log in is requested"
        yield Finding("site_health_path", f"/{admin}login/", reason, None, GUESS)


def _routes(settings: Settings, module: Any, prefix: str, depth: int) -> list[tuple[str, str, int]] | None:
    """Return the paths of URLs that can be told from the source; None if none can."""
    file = settings.evaluation.file_of(module) if isinstance(module, str) and module else None
    tree = settings.tree.parsed(file) if file else None
    if file is None or tree is None or depth > 3:
        return None
    found: list[tuple[str, str, int]] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called not in ("path", "re_path", "url") or not isinstance(node.args[0], ast.Constant):
            continue
        path = str(node.args[0].value)
        if called != "path":
            path = path.lstrip("^").rstrip("$") if re.fullmatch(r"\^?[\w/-]*\$?", path) else f"<{path}>"
            if not path and not str(node.args[0].value).endswith("$"):
                path = "" if _included(node) else "<any>"
        target = _included(node)
        if target:
            inner = _routes(settings, target, f"{prefix}{path}", depth + 1) if not path else None
            found += inner or []
            # What is included may answer to the path itself.
            found.append((f"{prefix}{path}" if path or inner is None else "<included>", file, node.lineno))
        else:
            found.append((f"{prefix}{path}", file, node.lineno))
    return found


def _included(node: Any) -> str:
    """Return the module that a route includes; empty if it includes none."""
    for argument in node.args[1:]:
        if not isinstance(argument, ast.Call):
            continue
        if getattr(argument.func, "id", getattr(argument.func, "attr", "")) == "include":
            target = argument.args[0] if argument.args else None
            if isinstance(target, ast.Constant):
                return str(target.value)
            if isinstance(target, ast.Tuple) and target.elts and isinstance(target.elts[0], ast.Constant):
                return str(target.elts[0].value)
            return "<unknown>"
    return ""
