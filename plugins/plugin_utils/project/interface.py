# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a source is served by WSGI or by ASGI, and its application."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .findings import CERTAIN, GUESS, Finding, Place
from .modules import asgi_applications, choose_application, wsgi_applications
from .programs import ASIDE, DEVELOPMENT
from .tree import Tree
from .values import Scope

__all__ = ["interface_findings"]

SOCKETS: Final = re.compile(
    r"\b(URLRouter|AsyncWebsocketConsumer|websocket_urlpatterns)\b|^\s*[\"']websocket[\"']\s*:", re.M
)
SERVED: Final = re.compile(r"\b(daphne|uvicorn|hypercorn|granian)\b(?!.*--interface[= ]wsgi)")
SERVING: Final = (
    r"(Dockerfile|Containerfile).*|Procfile|(docker-)?compose[\w.-]*\.ya?ml|.*\.service|.*supervisor.*\.conf|.*\.sh"
)
STREAMS: Final = re.compile(r"text/event-stream")


def interface_findings(
    tree: Tree, project: str, roots: list[str], settings: str, scope: Scope, given: Mapping[str, Any]
) -> Iterator[Finding]:
    """Propose the interface where it is ASGI, and the application where it is not the usual one."""
    interface = given.get("site_interface", "")
    asked = None if interface else _asynchronous(tree, project, roots, scope)
    if asked is not None:
        yield asked
    kind = "asgi" if interface == "asgi" or asked is not None else "wsgi"
    choice = choose_application(tree, project, roots, settings, scope.get(f"{kind.upper()}_APPLICATION"), kind)
    if choice is not None:
        yield choice.finding(f"site_{kind}_application")


def _asynchronous(tree: Tree, project: str, roots: list[str], scope: Scope) -> Finding | None:
    applications = asgi_applications(tree, project, roots[1:])
    if not applications:
        return None
    file = _file_of(tree, roots, applications[0].partition(":")[0])
    if SOCKETS.search(tree.read(file) or ""):
        place = Place(file, tree.line_of(file, SOCKETS.pattern))
        return Finding("site_interface", "asgi", "the application serves WebSockets", place)
    installed = scope.get("INSTALLED_APPS")
    apps = [str(one) for one in installed] if isinstance(installed, list) else []
    if "channels" in apps:
        certainty = CERTAIN if scope.knows("ASGI_APPLICATION") else GUESS
        return Finding("site_interface", "asgi", "channels is installed", scope.places.get("INSTALLED_APPS"), certainty)
    if not wsgi_applications(tree, project, roots[1:]):
        return Finding("site_interface", "asgi", "the source has an ASGI application only", Place(file))
    for name in sorted(tree.names, key=lambda one: (one.count("/"), one)):
        base = posixpath.basename(name)
        if not re.fullmatch(SERVING, base) or ASIDE.search(name) or DEVELOPMENT.search(base):
            continue
        for number, line in tree.lines(name):
            match = SERVED.search(line)
            if match and not re.search(r"^\s*#|\binstall\b|image:|--reload", line) and re.search(r"asgi|^web:", line):
                reason = f"{base} serves it by {match[1]}"
                return Finding("site_interface", "asgi", reason, Place(name, number), GUESS)
    if "daphne" in apps:
        reason = "daphne is installed, which serves ASGI"
        return Finding("site_interface", "asgi", reason, scope.places.get("INSTALLED_APPS"), GUESS)
    return _streaming(tree, project)


def _streaming(tree: Tree, project: str) -> Finding | None:
    for name in tree.below(project):
        text = tree.read(name) if name.endswith(".py") and not ASIDE.search(name) else None
        if text and "async def" in text and (match := STREAMS.search(text)):
            line = text.count("\n", 0, match.start()) + 1
            reason = "an asynchronous view streams events"
            return Finding("site_interface", "asgi", reason, Place(name, line), GUESS)
    return None


def _file_of(tree: Tree, roots: list[str], module: str) -> str:
    path = module.replace(".", "/")
    names = [f"{root}/{path}{end}" if root else f"{path}{end}" for root in roots for end in (".py", "/__init__.py")]
    return next((name for name in names if name in tree.names), "")
