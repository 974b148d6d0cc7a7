# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to set if the release's Python cannot import the settings or the application: the modules that it could."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["missing_application", "missing_settings", "placeholder"]

SHOWN = 5
DEEPEST = 5
SKIPPED = {"node_modules", "site-packages", "tests", "test", "migrations", "__pycache__", "static", "docs"}
SETTINGS = re.compile(
    r"^(?:INSTALLED_APPS|ROOT_URLCONF)\s*[:+]?=|^from\s+\S*(?:base|common|settings|defaults)\S*\s+import\s+\*", re.M
)
CHOSEN = re.compile(r"""DJANGO_SETTINGS_MODULE["']\s*[,\]]\s*=?\s*["']([\w.]+)["']""")


def placeholder(directory: Path, release: Path, project: Path) -> str:
    """Write a directory of a release as it can stand in an inventory, where the release has no name yet."""
    real = directory.resolve()
    for name, root in (("@project@", project.resolve()), ("@release@", release.resolve())):
        if real.is_relative_to(root):
            below = str(real.relative_to(root))
            return name if below == "." else f"{name}/{below}"
    return str(directory)


def _python_files(root: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(root):
        depth = len(Path(directory).relative_to(root).parts)
        names[:] = sorted(
            name for name in names if depth < DEEPEST and name not in SKIPPED and not name.startswith((".", "venv"))
        )
        yield from (Path(directory, name) for name in sorted(files) if name.endswith(".py"))


def _module(file: Path, roots: Iterable[Path]) -> tuple[str, Path | None]:
    """The name of a module in a file, and the directory that sys.path lacks for it; None if it lacks none."""
    for root in sorted(roots, key=lambda one: -len(one.parts)):
        if file.is_relative_to(root):
            parts = list(file.relative_to(root).with_suffix("").parts)
            top = root / parts[0]
            # A directory without __init__.py is a package too, but src and apps are not meant to be one.
            if len(parts) == 1 or (top / "__init__.py").exists() or not _package_below(top, file):
                parts = parts[:-1] if parts[-1] == "__init__" else parts
                return (".".join(parts) if all(part.isidentifier() for part in parts) else ""), None
    top = file
    while (top.parent / "__init__.py").exists():
        top = top.parent
    parts = list(file.relative_to(top.parent).with_suffix("").parts)
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return (".".join(parts) if all(part.isidentifier() for part in parts) else ""), top.parent


def _package_below(top: Path, file: Path) -> bool:
    """Whether the file is in a package that begins below a directory that is none itself."""
    directory = file.parent
    while directory != top and directory.is_relative_to(top):
        if (directory / "__init__.py").exists():
            return True
        directory = directory.parent
    return False


def _roots(source: Path) -> list[Path]:
    entries = [Path(entry or os.getcwd()).resolve() for entry in sys.path]
    return [entry for entry in dict.fromkeys(entries) if entry.is_dir() and entry.is_relative_to(source)]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _settings(source: Path) -> list[tuple[str, Path | None]]:
    """Modules that are settings by their content or by their name; those that the project chooses itself come first."""
    found, chosen = [], []
    for file in _python_files(source):
        text = _text(file)
        chosen += CHOSEN.findall(text)
        module, lacking = _module(file, _roots(source))
        named = re.search(r"(^|\.)settings\w*(\.\w+)?$", module)
        if module and SETTINGS.search(text) and (named or "INSTALLED_APPS" in text):
            found.append((module, lacking))
    order = {module: place for place, module in enumerate(dict.fromkeys(chosen))}
    return sorted(found, key=lambda one: (order.get(one[0], len(order)), one[1] is not None))


def _applications(source: Path, interface: str) -> list[tuple[str, Path | None]]:
    found = []
    for file in _python_files(source):
        module, lacking = _module(file, _roots(source))
        if not module or interface not in module.rpartition(".")[2]:
            continue
        try:
            tree = ast.parse(_text(file))
        except (SyntaxError, ValueError):
            continue
        defined = {name for statement in tree.body for name in _defined(statement)}
        found += [(f"{module}:{name}", lacking) for name in ("application", "app") if name in defined][:1]
    return sorted(found, key=lambda one: one[1] is not None)


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    if isinstance(statement, ast.ImportFrom):
        return [alias.asname or alias.name for alias in statement.names]
    return [statement.name] if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) else []


def _sentence(
    variable: str, problem: str, wanted: str, candidates: list[tuple[str, Path | None]], release: Path, otherwise: str
) -> tuple[str, dict[str, Any]]:
    """The problem with its cure, and the variables of the inventory if there is only one choice."""
    project = Path.cwd()
    same = [lacking for name, lacking in candidates if name.partition(":")[0] == wanted.partition(":")[0] and lacking]
    if same:
        directory = placeholder(same[0], release, project)
        cure = (
            f'its file is in {directory}, which is not on sys.path: set site_environment: {{PYTHONPATH: "{directory}"}}'
        )
        return f"{problem}; {cure}", {"site_environment": {"PYTHONPATH": directory}}
    names = [name for name, lacking in candidates if lacking is None]
    if not names and candidates:
        name, lacking = candidates[0]
        directory = placeholder(lacking, release, project) if lacking else ""
        cure = f'set {variable}: {name}, and site_environment: {{PYTHONPATH: "{directory}"}}'
        return f"{problem}; {cure}", {variable: name, "site_environment": {"PYTHONPATH": directory}}
    if not names:
        return f"{problem}; {otherwise}", {}
    if len(names) == 1:
        return f"{problem}; set {variable}: {names[0]}", {variable: names[0]}
    return f"{problem}; set {variable} to one of {', '.join(names[:SHOWN])}", {}


def missing_settings(module: str, missing: str, release: Path) -> tuple[str, dict[str, Any]]:
    """Say that the settings module cannot be imported, and what to set instead, also as variables of the inventory."""
    problem = f"site_settings_module: {module!r} cannot be imported by the release's Python (no module {missing!r})"
    otherwise = "set it to a module of the project, or set site_project_directory to the directory of its manage.py"
    return _sentence("site_settings_module", problem, module, _settings(release / "app"), release, otherwise)


def missing_application(
    application: str, why: str, release: Path, job: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """The same for the application: of which C(interface) the job tells, and whether it was C(application_guessed).

    It is guessed if it follows from site_settings_module.
    """
    interface = job.get("interface", "wsgi")
    variable = f"site_{interface}_application"
    problem = (
        f"{variable} is not set, and {application!r}, which follows from site_settings_module, does not exist ({why})"
        if job.get("application_guessed", False)
        else f"{variable}: {application!r} does not exist ({why})"
    )
    otherwise = (
        f"the project has no {interface.upper()} application: add a {interface}.py such as startproject creates, with "
        f"application = django.core.{interface}.get_{interface}_application()"
    )
    found = _applications(release / "app", interface)
    return _sentence(variable, problem, application, found, release, otherwise)
