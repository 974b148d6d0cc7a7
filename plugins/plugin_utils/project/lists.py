# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of dependencies of a source: which one a deploy installs, what it has, and what has to be there for it.

The only room that reads lists: the others ask for the names of packages.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from ...module_utils.system_packages import COMPILER, needs_of, packages_for
from ..dependencies import DependencyError, Request, find_dependencies
from ..server_version import parsed_toml
from .findings import CERTAIN, GUESS, NOTE, QUESTION, Finding, Place
from .tree import Tree, joined, upwards

# A dependency of ansible-core, without which ansible-test imports plugins.
with suppress(ImportError):
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

__all__ = [
    "Lists",
    "allows",
    "compiled_packages",
    "find_lists",
    "list_findings",
    "python_requirement",
    "system_packages",
]

OTHER_NAMES: Final = r"(?:requirements[\w.-]*|(?:prod|production|base|common|live|deploy)[\w.-]*)\.txt"


@dataclass(frozen=True)
class Package:
    """A package that a list names, with its extras."""

    name: str
    place: Place
    extras: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Lists:
    """What a deploy installs: the lists by their paths in the source, and all packages that they name.

    `found` tells whether a deploy finds the lists without being told.
    """

    paths: tuple[str, ...]
    reason: str
    found: bool
    certainty: str = CERTAIN
    packages: Mapping[str, Package] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    from_git: Place | None = None

    def has(self, *names: str) -> Package | None:
        """Return the first of these packages that is among them."""
        return next((self.packages[name] for name in names if name in self.packages), None)


def find_lists(tree: Tree, project: str, wanted: list[str] | None = None) -> Lists | None:
    """Find the list that a deploy takes, or the likeliest of others; None if the source has none."""
    with suppress(DependencyError):
        taken = find_dependencies(tree.names, tree.read, Request(project, wanted or ()))
        return _lists(tree, [joined(project, one.path) for one in taken.lists], taken.reason, found=True)
    for directory in upwards(project):
        path = joined(directory, "pyproject.toml")
        if _main_groups(parsed_toml(tree.read(path) or "")):
            return _lists(tree, [path], "its dependencies are groups", found=False)
    others = sorted(
        (name for name in tree.names if _is_other(name)), key=lambda name: (-_worth(name), name.count("/"), name)
    )
    if not others:
        return None
    reason = "no list of a usual name lies beside manage.py or above"
    if len(others) > 1:
        reason += f"; there are also {', '.join(others[1:4])}"
    certainty = CERTAIN if len(others) == 1 or _worth(others[0]) > 1 else GUESS
    return _lists(tree, others[:1], reason, found=False, certainty=certainty, others=others[1:])


def _is_other(name: str) -> bool:
    aside = re.search(r"(^|/)(docs?|tests?|node_modules|examples?)/", name)
    base = posixpath.basename(name)
    return not aside and (bool(re.fullmatch(OTHER_NAMES, base)) or ("requirements/" in name and base.endswith(".txt")))


def _worth(name: str) -> int:
    base = posixpath.basename(name)
    if re.search(r"dev|test|local|doc|lint|ci\b|build", base):
        return -1
    if re.search(r"prod|deploy|live|heroku", base):
        return 3
    return 2 if base == "requirements.txt" else 1 if re.search("base|common|default|main", base) else 0


def _main_groups(declared: dict[str, Any]) -> list[str]:
    """Return the groups that name Django where a project has no dependencies but groups (PEP 735)."""
    if _table(declared, "project").get("dependencies"):
        return []
    groups = _table(declared, "dependency-groups").items()
    return [name for name, wanted in groups if isinstance(wanted, list) and any(_is_django(one) for one in wanted)]


def _is_django(requirement: Any) -> bool:
    return isinstance(requirement, str) and bool(re.match(r"django\s*([\[<>=~!;]|$)", requirement, re.IGNORECASE))


def _lists(
    tree: Tree,
    paths: list[str],
    reason: str,
    *,
    found: bool,
    certainty: str = CERTAIN,
    others: list[str] | None = None,
) -> Lists:
    packages: dict[str, Package] = {}
    groups: list[str] = []
    extras: list[str] = []
    git = None
    for path in paths:
        for package in _packages(tree, path, set()):
            packages.setdefault(package.name, package)
        line = tree.line_of(path, r"\bgit\+(ssh|https?|file)://|^git = |type = \"git\"|\bgit = \"")
        git = git or (Place(path, line) if line else None)
        declared = parsed_toml(tree.read(joined(posixpath.dirname(path), "pyproject.toml")) or "")
        if posixpath.basename(path) == "Pipfile.lock":
            # What `default` and `develop` are not is a category of the user's.
            groups += [name for name in _json(tree.read(path) or "") if name not in ("_meta", "default", "develop")]
        if posixpath.basename(path) in ("uv.lock", "poetry.lock", "pyproject.toml"):
            groups += [*_table(declared, "dependency-groups"), *_table(declared, "tool", "poetry", "group")]
            extras += [
                *_table(declared, "project", "optional-dependencies"),
                *_table(declared, "tool", "poetry", "extras"),
            ]
    return Lists(
        tuple(paths), reason, found, certainty, packages, tuple(dict.fromkeys(groups)), tuple(dict.fromkeys(extras)),
        tuple(others or ()), git,
    )  # fmt: skip


def _name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def _packages(tree: Tree, path: str, seen: set[str]) -> Iterator[Package]:
    if path in seen:
        return
    seen.add(path)
    text, base = tree.read(path) or "", posixpath.basename(path)
    if base in ("uv.lock", "poetry.lock"):
        wanted = _locked(parsed_toml(text or ""))
        for number, line in tree.lines(path):
            if (match := re.match(r'name = "([^"]+)"', line)) and (wanted is None or _name(match[1]) in wanted):
                yield Package(_name(match[1]), Place(path, number))
    elif base == "Pipfile.lock":
        for name in _json(text).get("default") or {}:
            yield Package(_name(name), Place(path, tree.line_of(path, f'"{re.escape(name)}"')))
    elif base == "pyproject.toml":
        declared = parsed_toml(text or "")
        for requirement in _table(declared, "project").get("dependencies") or []:
            yield from _requirement(str(requirement), Place(path, tree.line_of(path, re.escape(str(requirement)))))
        for group in _main_groups(declared):
            for requirement in _table(declared, "dependency-groups")[group]:
                if isinstance(requirement, str):
                    place = Place(path, tree.line_of(path, re.escape(requirement)))
                    yield from _requirement(requirement, place)
        for name, wanted in _table(declared, "tool", "poetry", "dependencies").items():
            extras = wanted.get("extras") if isinstance(wanted, dict) else None
            place = Place(path, tree.line_of(path, rf"^{re.escape(name)}\s*="))
            yield Package(_name(name), place, frozenset(extras or ()))
    elif base in ("setup.py", "setup.cfg"):
        for name in (path, joined(posixpath.dirname(path), "setup.cfg")):
            for number, line in tree.lines(name):
                if match := re.match(r"""\s*["']?([A-Za-z][\w.-]*)(\[[^\]]*\])?\s*(?:[<>=~!;,"']|$)""", line):
                    yield from _requirement("".join(filter(None, match.groups())), Place(name, number))
    else:
        for number, line in tree.lines(path):
            if included := re.match(r"\s*(?:-r|--requirement)[\s=]*(\S+)", line):
                yield from _packages(tree, joined(posixpath.dirname(path), included[1]), seen)
            else:
                yield from _requirement(line, Place(path, number))


def _locked(lock: dict[str, Any]) -> set[str] | None:
    """Return the packages of a lock that are installed without extras and groups; None if it does not tell."""
    packages = [one for one in lock.get("package") or [] if isinstance(one, dict)]
    if any("groups" in one for one in packages):
        main = [one for one in packages if "main" in one.get("groups", []) and not one.get("optional")]
        return {_name(str(one.get("name"))) for one in main}
    roots = [one for one in packages if {"virtual", "editable"} & set(_table(one, "source"))]
    if not roots:
        return None
    by_name = {str(one.get("name")): one for one in packages}
    found: set[str] = set()
    waiting = [part for one in roots for part in one.get("dependencies") or []]
    while waiting:
        part = waiting.pop()
        name = str(part.get("name"))
        package = by_name.get(name, {})
        if name not in found:
            found.add(name)
            waiting += package.get("dependencies") or []
        for extra in part.get("extra") or []:
            more = _table(package, "optional-dependencies").get(extra) or []
            waiting += [one for one in more if one.get("name") not in found]
    return {_name(name) for name in found}


def _requirement(text: str, place: Place) -> Iterator[Package]:
    if match := re.match(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[([^\]]*)\])?", text):
        extras = frozenset(part.strip() for part in (match[2] or "").split(",") if part.strip())
        yield Package(_name(match[1]), place, extras)


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _table(table: Any, *names: str) -> dict[str, Any]:
    for name in names:
        table = table.get(name) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else {}


# What follows from them


def compiled_packages(tree: Tree, paths: Iterable[str], others: Iterable[str] = ()) -> tuple[str, ...]:
    """Name the packages of lists and of other requirements that every host compiles, since no wheel of them exists."""
    listed = [package for path in paths for package in _packages(tree, path, set())]
    requirements = [*(f"{one.name}[{','.join(one.extras)}]" for one in listed), *others]
    needs = [found for found in map(needs_of, requirements) if found]
    return tuple(dict.fromkeys(name for name, need in needs if need.always_built))


def list_findings(tree: Tree, project: str, lists: Lists | None) -> Iterator[Finding]:
    """Propose the lists, and name what of them is left out."""
    if lists is None:
        try:
            find_dependencies(tree.names, tree.read, Request(project))
        except DependencyError as error:
            text = str(error).partition("\n")[0].removeprefix("site_requirements: ")
            yield Finding("site_requirements", "", text, certainty=QUESTION)
        return
    shown = [os.path.relpath(path, project or ".") for path in lists.paths]
    value: Any = shown[0] if len(shown) == 1 else shown
    if not lists.found:
        yield Finding("site_requirements", value, lists.reason, Place(lists.paths[0]), lists.certainty)
    declared = parsed_toml(tree.read(joined(posixpath.dirname(lists.paths[0]), "pyproject.toml")) or "")
    main = _main_groups(declared)
    if main:
        reason = "Django is in this group, and no other dependencies are declared"
        yield Finding("site_requirements_groups", main, reason, Place(lists.paths[0]))
    pipenv = posixpath.basename(lists.paths[0]) == "Pipfile.lock"
    named = r"(prod(uction)?|deploy(ment)?|server|live)([-_]packages)?"
    production = [name for name in lists.groups if re.fullmatch(named, name)]
    extras = [name for name in lists.extras if re.fullmatch(r"prod(uction)?|deploy\w*|server", name)]
    for variable, names in (("site_requirements_groups", production), ("site_requirements_extras", extras)):
        if names:
            what = "categories" if pipenv else variable.rpartition("_")[2]
            place = Place(joined(posixpath.dirname(lists.paths[0]), "Pipfile" if pipenv else "pyproject.toml"))
            yield Finding(variable, names, f"{what} that are named after production", place, GUESS)
    left = [f"{'category' if pipenv else 'group'} {name}" for name in lists.groups if name not in (*production, *main)]
    left += [f"extra {name}" for name in lists.extras if name not in extras]
    if left:
        reason = f"Packages come from {shown[0]}, without {', '.join(left[:8])}: site_requirements_groups and "
        yield Finding("", None, f"{reason}site_requirements_extras add some", None, NOTE)
    if not lists.has("django"):
        yield Finding(
            "site_requirements",
            "",
            f"{shown[0]} does not name Django: is it the right list? If not, set site_requirements",
            certainty=QUESTION if not any(name.startswith("django") for name in lists.packages) else NOTE,
        )


def system_packages(lists: Lists | None) -> Iterator[Finding]:
    """Propose the distribution's packages that the listed ones are built with, or that they load."""
    if lists is None:
        return
    wanted = packages_for(f"{name}[{','.join(package.extras)}]" for name, package in lists.packages.items())
    for name, packages in wanted.items():
        package = lists.packages.get(name) or lists.packages[name.partition("-")[0]]
        built = set(COMPILER) <= set(packages)
        reason = f"{name} is compiled on the host" if built else f"{name} loads it when it runs"
        yield Finding("site_system_packages", list(packages), reason, package.place)
    if lists.from_git:
        yield Finding("site_system_packages", ["git"], "a requirement comes from a git repository", lists.from_git)


def python_requirement(tree: Tree, project: str) -> tuple[str, Place, str] | None:
    """Return which versions of Python the source asks for, as in >=3.12, where, and how sure that is."""
    for directory in upwards(project):
        for name, pattern in (
            ("pyproject.toml", r"^requires-python\s*=\s*[\"']([^\"']+)"),
            ("pyproject.toml", r"^python\s*=\s*[\"']([^\"']+)"),
            ("uv.lock", r"^requires-python\s*=\s*[\"']([^\"']+)"),
            ("setup.py", r"python_requires\s*=\s*[\"']([^\"']+)"),
            ("setup.cfg", r"^python_requires\s*=\s*(\S.*)"),
            ("Pipfile", r"^python_(?:full_)?version\s*=\s*[\"']([^\"']+)"),
        ):
            path = joined(directory, name)
            number = tree.line_of(path, pattern) if path in tree.names else 0
            if number and (match := re.search(pattern, tree.lines(path)[number - 1][1])):
                return _specifier(match[1]), Place(path, number), CERTAIN
        for name in ("runtime.txt", ".python-version"):
            path = joined(directory, name)
            match = re.search(r"(?:python-)?(3\.\d+)", tree.read(path) or "")
            if match:
                return f"=={match[1]}.*", Place(path, 1), GUESS
    for path in tree.named(r"(?i:readme|install(ing|ation)?)(\.\w+)?"):
        for number, line in tree.lines(path):
            # As in: Python 3.12+, Python 3.12 or later, Python >= 3.12.
            if match := re.search(
                r"\bPython(?: version)?\s*(?:>=\s*(3\.\d+)|(3\.\d+)(?:\+|\s+(?:or|and)\s+\w+er))", line
            ):
                return f">={match[1] or match[2]}", Place(path, number), GUESS
    for path in tree.named(r"(Dockerfile|Containerfile).*"):
        for number, line in tree.lines(path):
            if match := re.match(r"FROM\s+(?:\S+/)?python:(3\.\d+)", line):
                return f"=={match[1]}.*", Place(path, number), GUESS
    return None


def _specifier(text: str) -> str:
    """Write a version as in Poetry or in a Pipfile as others do: ^3.11 is >=3.11,<4."""
    text = text.strip()
    if caret := re.fullmatch(r"\^\s*(3[\d.]*)", text):
        return f">={caret[1]},<4"
    if tilde := re.fullmatch(r"~\s*(3\.\d+)[\d.]*", text):
        return f"=={tilde[1]}.*"
    if re.fullmatch(r"3\.\d+", text):
        return f"=={text}.*"
    return f"=={text}" if re.fullmatch(r"3\.\d+\.\d+", text) else text


def allows(wanted: str, version: str) -> bool:
    """Whether a version of Python is among those that are wanted; what nobody can read allows every version."""
    try:
        return any(SpecifierSet(one.strip()).contains(version, prereleases=True) for one in wanted.split("||"))
    except InvalidSpecifier:
        return True
