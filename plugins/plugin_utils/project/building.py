# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be built before Django collects static files: JavaScript, style sheets and translations."""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterator
from typing import Any

from .findings import CERTAIN, GUESS, NOTE, QUESTION, Finding, Place
from .tree import Tree
from .values import Scope

__all__ = ["build_findings"]

FOREIGN = r"sassc|node_modules|npx|lessc|coffee|postcss|yuglify"


def build_findings(tree: Tree, project: str, scope: Scope) -> Iterator[Finding]:
    """Propose the steps of site_build, in the order in which they have to run."""
    yield from _npm(tree, project, scope)
    yield from _messages(tree, project, scope)
    if _uses(scope, "sass_processor"):
        yield Finding(
            "site_build", ["sass"], "django-sass-processor compiles style sheets; in a release it cannot do that later",
            scope.places.get("INSTALLED_APPS"),
        )  # fmt: skip
    yield from _compressor(scope)
    yield from _foreign_programs(scope)


def _uses(scope: Scope, *apps: str) -> bool:
    installed = scope.get("INSTALLED_APPS")
    return isinstance(installed, list) and any(
        one == app or str(one).startswith(f"{app}.") for one in installed for app in apps
    )


def _npm(tree: Tree, project: str, scope: Scope) -> Iterator[Finding]:
    loader = next(
        (app for app in ("webpack_loader", "django_vite", "rails_vite", "manifest_loader") if _uses(scope, app)), ""
    )
    found = []
    workspaces: list[str] = []
    for name in tree.named(r"package\.json"):
        if re.search(r"(^|/)(node_modules|bower_components|vendor|static|tests?|docs?|examples?|\.github|e2e)/", name):
            continue
        if any(name.startswith(f"{other}/") if other else "/" in name for other in workspaces):
            continue  # It is built together with the one above.
        try:
            package: Any = json.loads(tree.read(name) or "")
        except ValueError:
            continue
        if isinstance(package, dict) and package.get("workspaces"):
            workspaces.append(posixpath.dirname(name))
        scripts = package.get("scripts") if isinstance(package, dict) else None
        if isinstance(scripts, dict) and "build" in scripts:
            found.append((name, str(scripts["build"]), _is_site_build(package)))
    if not found and loader:
        yield Finding(
            "site_build", None, f"{loader} reads a manifest of built files, and the source has no package.json with a "
            "script named build: what builds them?", scope.places.get("INSTALLED_APPS"), QUESTION,
        )  # fmt: skip
    for name, command, likely in found[:3]:
        directory = os.path.relpath(posixpath.dirname(name) or ".", project or ".")
        step: Any = "npm" if directory == "." else {"preset": "npm", "directory": directory}
        why = f"package.json has a script named build ({command[:40]})"
        if loader:
            why += f", and {loader} reads what it makes"
        place = Place(name, tree.line_of(name, r'"build"\s*:'))
        built = _already_built(tree, posixpath.dirname(name))
        if built and not loader:
            yield Finding(
                "", None, f"{why}. Its result seems to be in the source ({built}), so nothing is built", place, NOTE
            )
            continue
        yield Finding("site_build", [step], why, place, CERTAIN if loader or likely else GUESS)
    if found and not any(_lock(tree, posixpath.dirname(name)) for name, _command, _likely in found):
        yield Finding("", None, "package.json has no package-lock.json beside it, so versions may differ each time",
                      Place(found[0][0]), NOTE)  # fmt: skip


def _is_site_build(package: dict[str, Any]) -> bool:
    """Whether a package builds what a site serves, rather than a package of its own for others."""
    return bool(package.get("private")) or "main" not in package


def _lock(tree: Tree, directory: str) -> str:
    names = ("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml")
    return next((name for name in names if posixpath.join(directory, name) in tree.names), "")


def _already_built(tree: Tree, directory: str) -> str:
    prefix = f"{directory}/" if directory else ""
    pattern = re.compile(re.escape(prefix) + r"(.*/)?(dist|build|bundles?)/.*\.(js|css)$")
    return next((name for name in sorted(tree.names) if pattern.match(name) and "node_modules" not in name), "")


def _messages(tree: Tree, project: str, scope: Scope) -> Iterator[Finding]:
    sources = [
        name for name in tree.below(project)
        if re.search(r"(^|/)locale/[\w@-]+/LC_MESSAGES/django(js)?\.po$", name)
    ]  # fmt: skip
    missing = [name for name in sources if f"{name[:-2]}mo" not in tree.names]
    if missing and scope.get("USE_I18N") is not False:
        several = f"{len(missing)} translations (*.po) have no compiled *.mo beside them"
        reason = "a translation (*.po) has no compiled *.mo beside it" if len(missing) == 1 else several
        yield Finding("site_build", ["compilemessages"], reason, Place(missing[0]))


def _compressor(scope: Scope) -> Iterator[Finding]:
    if not _uses(scope, "compressor") or scope.get("COMPRESS_ENABLED") is False:
        return
    place = scope.places.get("COMPRESS_OFFLINE")
    if scope.get("COMPRESS_OFFLINE") is True:
        yield Finding("site_build", ["compress"], "COMPRESS_OFFLINE is True: files are compressed before", place)
        return
    reason = "django-compressor would write into the release at the first request, which the site cannot change"
    place = scope.places.get("INSTALLED_APPS")
    yield Finding("site_build", ["compress"], reason, place)
    yield Finding("site_settings", {"COMPRESS_OFFLINE": True, "COMPRESS_ENABLED": True}, reason, place)


def _foreign_programs(scope: Scope) -> Iterator[Finding]:
    """Name programs of Node that run when static files are collected."""
    names = [
        str(value) for setting in ("PIPELINE", "COMPRESS_PRECOMPILERS", "STATICFILES_STORAGE")
        for value in [scope.get(setting)] if re.search(FOREIGN, str(value))
    ]  # fmt: skip
    if names:
        yield Finding(
            "site_build", None, "the settings run programs such as sassc or those of Node when they compress files: "
            "site_build and site_system_packages have to bring them",
            scope.places.get("COMPRESS_PRECOMPILERS") or scope.places.get("PIPELINE"), QUESTION,
        )  # fmt: skip
