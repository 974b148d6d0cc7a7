# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directory is the project, which module has its settings for production, and which is its application."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from .evaluation import Evaluation
from .findings import CERTAIN, GUESS, QUESTION, Finding, Place
from .tree import Tree, joined
from .values import Scope

__all__ = [
    "Choice",
    "Naming",
    "applications",
    "asgi_applications",
    "choose_application",
    "choose_project",
    "choose_settings",
    "import_roots",
    "namings",
    "project_directories",
    "settings_modules",
    "wsgi_applications",
]

PRODUCTION: Final = r"prod(uction)?|live|deploy(ment|ed)?|release|heroku|server|online"
DEVELOPMENT: Final = r"dev(el|elop|elopment)?|local(host)?|debug|sandbox|demo|staging|stage|docs?|sphinx|build|example"
TEST: Final = r"tests?|testing|ci|travis|pytest|unittest|e2e|integration|tox|github"
BASE: Final = r"base|common|defaults?|shared|core|main|components?"
ASIDE: Final = r"tests?|testing|examples?|docs?|documentation|demo|sandbox|samples?|templates?|.*\{\{.*|fixtures"
"""Directories that rarely hold the project that is deployed."""
MOST_TRIED: Final = 15
NAMES_SETTINGS: Final = re.compile(
    r"(?:DJANGO_SETTINGS_MODULE[\"']?\]?\s*(?:[:=,]|\s)\s*|--settings[= ])[\"']?([A-Za-z_]\w*(?:\.\w+)*)"
)
# What mentions the settings module, and how much that counts.
MENTIONS: Final = (
    (r"wsgi\w*\.py|\w*wsgi\.py", 60),
    (r"asgi\w*\.py", 50),
    (r"Procfile|.*\.service|app\.json|fly\.toml|render\.ya?ml", 55),
    (r"(Dockerfile|Containerfile).*|.*\.[Dd]ockerfile|(docker-)?compose.*\.ya?ml", 45),
    (r"manage\.py", 35),
    (r"\.?env.*|.*\.env(\..*)?|.*entrypoint.*|.*start.*\.sh", 25),
    (r"celery\w*\.py", 20),
)


@dataclass(frozen=True)
class Choice:
    """What was chosen, why, and how sure that is."""

    value: str
    reason: str
    place: Place | None
    certainty: str
    others: tuple[str, ...] = ()

    def finding(self, variable: str) -> Finding:
        """Return it as the value of a variable."""
        return Finding(variable, self.value, self.reason, self.place, self.certainty)


@dataclass(frozen=True)
class Naming:
    """A file that names a settings module, and how much that counts."""

    module: str
    place: Place
    weight: int


# manage.py


def project_directories(tree: Tree) -> list[str]:
    """Return the directories that have a manage.py, the likeliest first; the source's top is empty."""
    found = [posixpath.dirname(name) for name in tree.names if posixpath.basename(name) == "manage.py"]

    def rank(directory: str) -> tuple[bool, bool, int, str]:
        parts = directory.split("/") if directory else []
        aside = any(re.fullmatch(ASIDE, part, re.IGNORECASE) for part in parts)
        text = tree.read(joined(directory, "manage.py")) or ""
        return aside, "django" not in text.lower(), len(parts), directory

    return sorted(found, key=rank)


def choose_project(tree: Tree) -> Choice | None:
    """Choose the directory of manage.py; None if the source has none."""
    found = project_directories(tree)
    if not found:
        return None
    first, *others = found
    place = Place(joined(first, "manage.py"))
    if not others:
        where = "at the top of the source" if not first else "the only one in the source"
        return Choice(first, f"manage.py is {where}", place, CERTAIN)
    named = ", ".join(joined(other, "manage.py") for other in others[:5])
    depth = "nearest to the top" if first.count("/") <= others[0].count("/") else "outside of tests and examples"
    return Choice(first, f"manage.py here is {depth}; there is also {named}", place, GUESS, tuple(others))


def import_roots(tree: Tree, project: str) -> list[str]:
    """Return the directories that modules are imported from: the project's, and those that manage.py adds."""
    started = _started(tree, joined(project, "manage.py"))
    return list(dict.fromkeys([project, *started.path_additions]))


def _started(tree: Tree, file: str) -> Evaluation:
    """Follow what a program does when it is started."""
    evaluation = Evaluation(tree, [posixpath.dirname(file)])
    parsed = tree.parsed(file)
    if parsed is not None:
        scope = Scope(file)
        scope.values["__file__"] = f"/@releases@/@release@/app/{file}"
        scope.values["__name__"] = "__main__"
        evaluation.follow(parsed.body, scope)
    return evaluation


# Settings


def _modules(tree: Tree, roots: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name the modules below the roots as Python does, with their files."""
    seen = set()
    for root in roots:
        layout = f"{root}/src/" if root else "src/"
        is_layout = f"{layout}__init__.py" not in tree.names
        for name in tree.below(root):
            # What is in src is imported without it.
            if not name.endswith(".py") or (is_layout and name.startswith(layout)):
                continue
            parts = (name[len(root) + 1 :] if root else name).removesuffix(".py").split("/")
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            if parts and all(part.isidentifier() for part in parts) and ".".join(parts) not in seen:
                seen.add(".".join(parts))
                yield ".".join(parts), name


def _kind(module: str) -> str:
    """Return what a settings module is for, by its name: production, development, test, base, or empty."""
    words = re.split(r"[._]", module)
    for kind, pattern in (("test", TEST), ("production", PRODUCTION), ("development", DEVELOPMENT), ("base", BASE)):
        if any(re.fullmatch(pattern, word, re.IGNORECASE) for word in words[-2:]):
            return kind
    return ""


def settings_modules(tree: Tree, project: str, roots: Iterable[str] = ()) -> list[str]:
    """Find modules that may be Django's settings, by their names; those for production first, those for tests last."""
    order = {"production": 0, "": 1, "base": 2, "development": 3, "test": 4}
    found = [
        module
        for module, _name in _modules(tree, [project, *roots])
        if re.search(r"(^|\.)settings\w*(\.\w+)?$|(^|\.)\w+_settings$", module)
    ]
    return sorted(found, key=lambda module: (order[_kind(module)], module))


def namings(tree: Tree, project: str) -> list[Naming]:
    """Find which files name a settings module, such as manage.py, wsgi.py, a Dockerfile or a Procfile."""
    found = []
    for name in sorted(tree.names):
        base = posixpath.basename(name)
        weight = next((weight for pattern, weight in MENTIONS if re.fullmatch(pattern, base)), None)
        if weight is None or any(re.fullmatch(ASIDE, part, re.IGNORECASE) for part in name.split("/")[:-1]):
            continue
        if base == "manage.py" and posixpath.dirname(name) != project:
            continue
        if re.search(rf"(^|[._-])({DEVELOPMENT}|{TEST})([._-]|$)", name.lower()):
            weight = weight if "example" in base else 5
        text = tree.read(name) or ""
        for match in NAMES_SETTINGS.finditer(text):
            begun = text.rfind("\n", 0, match.start()) + 1
            if not text[begun : match.start()].lstrip().startswith("#"):
                found.append(Naming(match[1], Place(name, text.count("\n", 0, match.start(1)) + 1), weight))
    return found


def choose_settings(tree: Tree, project: str, roots: list[str]) -> Choice | None:
    """Choose the settings module for production; None if the source has none."""
    finder = Evaluation(tree, roots)
    named = [naming for naming in namings(tree, project) if finder.file_of(naming.module)]
    candidates = settings_modules(tree, project, roots[1:])
    candidates += [naming.module for naming in named if finder.file_of(naming.module)]
    scores: dict[str, int] = {}
    for module in list(dict.fromkeys(candidates))[: 4 * MOST_TRIED]:
        if finder.file_of(module) is None or _is_aside(module):
            continue
        score = {"production": 100, "": 20, "base": -10, "development": -100, "test": -200}[_kind(module)]
        score += max((one.weight for one in named if one.module == module), default=0)
        score -= 5 * module.count(".")
        scores[module] = score
    ranked = [module for module in sorted(scores, key=lambda one: -scores[one]) if _has_settings(tree, roots, module)]
    if not ranked:
        return None
    return _explained(ranked, named, finder)


def _is_aside(module: str) -> bool:
    return any(re.fullmatch(ASIDE, part, re.IGNORECASE) for part in module.split(".")[:-2])


def _has_settings(tree: Tree, roots: list[str], module: str) -> bool:
    """Whether a module, with all that it imports, sets what only Django's settings set."""
    evaluation = Evaluation(tree, roots)
    scope = evaluation.run(evaluation.file_of(module) or "")
    bases = [base for value in scope.values.values() for base in getattr(value, "bases", ())]
    if any(base.startswith("configurations.") for base in bases):
        return True
    return scope.knows("INSTALLED_APPS") or scope.knows("ROOT_URLCONF")


def _explained(ranked: list[str], named: list[Naming], finder: Evaluation) -> Choice:
    first, *others = ranked
    mentions = sorted((one for one in named if one.module == first), key=lambda one: -one.weight)
    place = mentions[0].place if mentions else Place(finder.file_of(first) or "")
    file = posixpath.basename(place.file)
    other = sorted((one for one in named if one.module != first), key=lambda one: -one.weight)
    differs = f"; {other[0].place} names {other[0].module}" if other else ""
    if _kind(first) == "production":
        reason = "its name says that it is for production" + (f", and {file} names it" if mentions else "") + differs
        return Choice(first, reason, place, CERTAIN if mentions or len(ranked) == 1 else GUESS, tuple(others))
    if mentions and not any(one.weight >= 35 for one in other):
        what = "; none in the source is named after production" if others else ""
        certainty = GUESS if _kind(first) in ("development", "test") else CERTAIN
        return Choice(first, f"{file} names it{what}", place, certainty, tuple(others))
    if mentions:
        return Choice(first, f"{file} names it{differs}", place, GUESS, tuple(others))
    if not others:
        return Choice(first, "the only settings module in the source", place, CERTAIN)
    return Choice(first, f"the likeliest of {', '.join(ranked[:5])}", place, GUESS, tuple(others))


# Applications


def applications(tree: Tree, roots: Iterable[str], kind: str) -> list[str]:
    """Find applications of a kind, wsgi or asgi: names that are bound in a module whose own name has the kind in it."""
    found = []
    for module, name in _modules(tree, roots):
        if kind not in module.rpartition(".")[2]:
            continue
        parsed = tree.parsed(name)
        defined = _top_level_names(parsed) if parsed else set()
        found += [f"{module}:{one}" for one in ("application", "app") if one in defined][:1]
    return sorted(found, key=lambda one: (_is_aside(one.partition(":")[0]), one.count("."), one))


def wsgi_applications(tree: Tree, project: str, roots: Iterable[str] = ()) -> list[str]:
    """Find WSGI applications, the likeliest first."""
    return applications(tree, [project, *roots], "wsgi")


def asgi_applications(tree: Tree, project: str, roots: Iterable[str] = ()) -> list[str]:
    """Find ASGI applications, the likeliest first."""
    return applications(tree, [project, *roots], "asgi")


def _top_level_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            names |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.add(statement.target.id)
        elif isinstance(statement, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in statement.names}
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names.add(statement.name)
    return names


def choose_application(
    tree: Tree, project: str, roots: list[str], settings: str, named: object, kind: str = "wsgi"
) -> Choice | None:
    """Choose the application of a kind, wsgi or asgi; None if the usual one is right.

    It is `named` by the setting WSGI_APPLICATION or ASGI_APPLICATION.
    """
    package = f"{settings.partition('.')[0]}." if "." in settings else ""
    usual = f"{package}{kind}:application"
    found = applications(tree, [project, *roots[1:]], kind)
    if usual in found:
        return None
    if isinstance(named, str) and "." in named:
        module, _dot, name = named.rpartition(".")
        if f"{module}:{name}" in found or Evaluation(tree, roots).file_of(module):
            return Choice(f"{module}:{name}", f"{kind.upper()}_APPLICATION names it", None, CERTAIN)
    if found:
        certainty = CERTAIN if len(found) == 1 else GUESS
        more = f"; the source also has {', '.join(found[1:4])}" if found[1:] else ""
        return Choice(found[0], f"the source has no {usual}{more}", None, certainty, tuple(found[1:]))
    others = asgi_applications(tree, project, roots[1:]) if kind == "wsgi" else []
    only = f", only the ASGI application {others[0]}, which site_interface: asgi serves" if others else ""
    return Choice(
        "", f"the source has no {kind.upper()} application{only}; add {usual.partition(':')[0]}", None, QUESTION
    )
