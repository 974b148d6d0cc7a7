# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of dependencies in a source: which of them is installed and why, what of it, and what it needs.

========================  ==============================================================================
uv.lock                   exported by uv; its pyproject.toml has to lie beside it
poetry.lock               exported by Poetry; likewise
Pipfile.lock              exported by pipenv
requirements.txt          and any other text file that is named
pyproject.toml            its dependencies (PEP 621, or those of Poetry with poetry-core as build backend)
setup.py, setup.cfg       likewise
========================  ==============================================================================

Paths are relative to the source, unless a parameter or a field says that they are relative to the project, the
directory of manage.py. Nothing here reads a file: `read` gives the text of one, None if there is none.
"""

from __future__ import annotations

import ast
import configparser
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from .server_version import INCLUDE, parsed_toml, poetry_specifier, subtable

# A dependency of ansible-core, without which ansible-test imports plugins.
with suppress(ImportError):
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.utils import canonicalize_name

__all__ = [
    "LISTS",
    "Dependencies",
    "DependencyError",
    "DependencyList",
    "PythonRequirement",
    "Request",
    "find_dependencies",
    "lists_in",
    "python_complaints",
    "system_packages_of",
]

Read = Callable[[str], "str | None"]

LISTS: Final = ("uv.lock", "poetry.lock", "Pipfile.lock", "requirements.txt", "pyproject.toml", "setup.py")
"""The names that are looked for, in the order of their precedence in one directory."""
LOCKS: Final = ("uv.lock", "poetry.lock", "Pipfile.lock")
PROGRAMS: Final = {"uv.lock": "uv", "poetry.lock": "Poetry", "Pipfile.lock": "pipenv"}
CANDIDATES_SHOWN: Final = 5
PYTHONS: Final = tuple(f"3.{minor}" for minor in range(14, 8, -1))
"""Versions of Python to offer, the newest first."""
FROM_GIT: Final = re.compile(r"\bgit\+|\bgit\s*=\s*[\"']|^type = \"git\"|\"git\":|\bgit@", re.MULTILINE)
OVER_SSH: Final = re.compile(r"\bssh://|\bgit@[\w.-]+:")


class DependencyError(Exception):
    """The list that is wanted cannot be used: a complaint with variable, value and cure on each line."""


@dataclass(frozen=True)
class Request:
    """What the inventory asks for: lists relative to the project, extras and groups."""

    project: str
    lists: Sequence[str] = ()
    extras: Sequence[str] = ()
    groups: Sequence[str] = ()
    installer: str = "uv"


@dataclass(frozen=True)
class PythonRequirement:
    """Which versions of Python a file asks for: alternatives, each as in `>=3.11,<4`."""

    alternatives: tuple[str, ...]
    place: str

    def allows(self, version: str) -> bool:
        """Whether a version such as 3.13.5 is one of them; what nobody can read allows every version."""
        try:
            return any(SpecifierSet(one).contains(version, prereleases=True) for one in self.alternatives)
        except InvalidSpecifier:
            return True

    def __str__(self) -> str:
        return " or ".join(self.alternatives)


@dataclass(frozen=True)
class DependencyList:
    """One list: its path, relative to the project, and which of the wanted extras and groups it has.

    `kind` is one of LISTS. It is not `hashed` if some of its packages have no checksum, since they are built here.
    """

    path: str
    kind: str
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    hashed: bool = True


@dataclass(frozen=True)
class Dependencies:
    """The lists to install, and what else a deploy has to know of them.

    `digest` is a checksum of everything that decides which packages are installed; it is empty if some of them come
    from the source itself. `others` are lists of the same directories that are not read.
    """

    lists: tuple[DependencyList, ...]
    reason: str
    extras_left_out: tuple[str, ...] = ()
    groups_left_out: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    pythons: tuple[PythonRequirement, ...] = ()
    system_packages: tuple[str, ...] = ()
    digest: str = ""

    @property
    def sentence(self) -> str:
        """What was taken, and what was left out, in one line."""
        taken = " and ".join(f"{one.path}{_with(one.extras, one.groups)}" for one in self.lists)
        left = [_named("group", self.groups_left_out), _named("extra", self.extras_left_out), ", ".join(self.others)]
        without = "; ".join(filter(None, left))
        return f"Packages: {taken}, {self.reason}" + (f"; left out: {without}" if without else "")


def _named(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    shown = names if len(names) <= CANDIDATES_SHOWN else (*names[:CANDIDATES_SHOWN], "...")
    return f"{what}{'s' if len(names) > 1 else ''} {', '.join(shown)}"


def _with(extras: Sequence[str], groups: Sequence[str]) -> str:
    more = " and ".join(filter(None, [_named("extra", extras), _named("group", groups)]))
    return f" with {more}" if more else ""


@dataclass(frozen=True)
class _Project:
    """What the files of one directory declare; extras and groups are None if only a program could tell."""

    extras: Mapping[str, str] | None = field(default_factory=dict)
    groups: Mapping[str, str] | None = field(default_factory=dict)
    pythons: tuple[PythonRequirement, ...] = ()


def lists_in(names: Iterable[str]) -> list[str]:
    """Name everything in the source that may be a list of dependencies, the nearest to its root first."""
    found = [name for name in names if not name.startswith("../") and _may_be_list(PurePosixPath(name))]
    return sorted(found, key=lambda name: (name.count("/"), name))


def _may_be_list(path: PurePosixPath) -> bool:
    if path.name in LISTS:
        return True
    return path.suffix == ".txt" and ("requirements" in path.stem or "requirements" in path.parts[:-1])


def find_dependencies(names: Iterable[str], read: Read, request: Request) -> Dependencies:
    """Return which lists are installed, why, and what they need.

    Raises DependencyError with everything that is wrong.
    """
    files = set(names)
    paths, reason = _named_lists(files, request) if request.lists else _first_list(files, read, request)
    complaints: list[str] = [text for path in paths if (text := _unusable(path, files, read, request))]
    if complaints:
        raise DependencyError("\n".join(complaints))
    projects = {path: _declared(path, read) for path in paths}
    complaints += _unknown("extra", request.extras, [one.extras for one in projects.values()], paths)
    complaints += _unknown("group", request.groups, [one.groups for one in projects.values()], paths)
    for path in paths:
        complaints += [
            f"site_requirements: {other!r}, which {place} includes, is not in the source; add it, or remove that line"
            for place, other in _missing_includes(path, files, read)
        ]
    if complaints:
        raise DependencyError("\n".join(complaints))
    texts = [text for path in paths for text in _texts(path, read).values()]
    digest = _digest(paths, read, request)
    lists = [
        DependencyList(
            path=os.path.relpath(path, request.project or "."),
            kind=_kind(path),
            extras=_taken(request.extras, projects[path].extras),
            groups=_taken(request.groups, projects[path].groups),
            hashed=bool(digest) and not any(map(FROM_GIT.search, texts)),
        )
        for path in paths
    ]
    # A directory called requirements belongs to the one that it is in.
    directories = {_parent(path) for path in paths}
    directories |= {os.path.normpath(PurePosixPath(directory, "requirements")) for directory in directories}
    others = [name for name in lists_in(files) if _parent(name) in directories and _kind(name) != "pyproject.toml"]
    return Dependencies(
        lists=tuple(lists),
        reason=reason,
        extras_left_out=_left(request.extras, [one.extras for one in projects.values()]),
        groups_left_out=_left(request.groups, [one.groups for one in projects.values()]),
        others=tuple(
            os.path.relpath(name, request.project or ".")
            for name in others
            if name not in paths and name not in {other for path in paths for other in _texts(path, read)}
        ),
        pythons=_pythons(paths, request.project, projects, read),
        system_packages=system_packages_of(texts),
        digest=digest,
    )


def system_packages_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Name the distribution's packages with which an installer fetches what requirements name: git, and ssh for it."""
    fetched = [text for text in texts if FROM_GIT.search(text)]
    ssh = any(OVER_SSH.search(text) for text in fetched)
    return (*(["git"] if fetched else []), *(["openssh-client"] if ssh else []))


# Which list


def _parent(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _kind(path: str) -> str:
    name = PurePosixPath(path).name
    if name == "setup.cfg":
        return "setup.py"
    return name if name in LISTS else "requirements.txt"


def _upwards(project: str) -> Iterator[str]:
    """Name the project's directory and each one above it, up to the source."""
    path = PurePosixPath(project or ".")
    yield str(path)
    yield from map(str, path.parents)


def _first_list(files: set[str], read: Read, request: Request) -> tuple[list[str], str]:
    for directory in _upwards(request.project):
        paths = [os.path.normpath(PurePosixPath(directory, name)) for name in LISTS]
        found = [path for path in paths if path in files and not _skipped(path, files, read, request)]
        if found:
            where = "beside manage.py" if directory == str(PurePosixPath(request.project or ".")) else "above it"
            return found[:1], f"the first of {len(found)} {where}" if len(found) > 1 else f"the only one {where}"
    raise DependencyError(_no_list(files, read, request))


def _skipped(path: str, files: set[str], read: Read, request: Request) -> bool:
    """Whether a list is passed over: one that cannot be read, or a pyproject.toml that only has settings of tools."""
    if _kind(path) == "pyproject.toml":
        return not _lists_packages(read(path) or "", path, files, request)
    return bool(_unusable(path, files, read, request))


def _lists_packages(text: str, path: str, files: set[str], request: Request) -> bool:
    declared = parsed_toml(text)
    project = subtable(declared, "project")
    if "dependencies" in project or "dependencies" in (project.get("dynamic") or ()):
        return True
    if subtable(declared, "tool", "poetry", "dependencies"):
        return True
    groups = {canonicalize_name(name) for name in subtable(declared, "dependency-groups")}
    if groups & {canonicalize_name(name) for name in request.groups} or "optional-dependencies" in project:
        return True
    # A project of setuptools that has its metadata in setup.cfg; one with setup.py is found by that.
    beside = {os.path.normpath(PurePosixPath(_parent(path), name)) for name in ("setup.cfg", "setup.py")}
    return (
        "build-system" in declared and len(beside & files) == 1 and not any("setup.py" in one for one in beside & files)
    )


def _no_list(files: set[str], read: Read, request: Request) -> str:
    readable = [name for name in LISTS if not (request.installer == "pip" and name == "uv.lock")]
    others = [name for name in lists_in(files) if not _skipped(name, files, read, request)]
    shown = [os.path.relpath(name, request.project or ".") for name in others][:CANDIDATES_SHOWN]
    where = "beside manage.py or above it" if request.project.strip(".") else "beside manage.py"
    what = f"the source has no {', '.join(readable[:-1])} or {readable[-1]} {where}"
    return f"site_requirements: {what}; {_cure(shown, files)}"


def _cure(shown: Sequence[str], files: set[str]) -> str:
    if len(shown) == 1:
        return f"set site_requirements: {shown[0]}"
    if shown:
        return f"set site_requirements to one of {', '.join(shown)}"
    if any(PurePosixPath(name).name == "Pipfile" for name in files):
        return "it has a Pipfile: commit its lock, which pipenv lock writes"
    return "add one, or set site_requirements to the list that the project has"


def _named_lists(files: set[str], request: Request) -> tuple[list[str], str]:
    paths = [os.path.normpath(PurePosixPath(request.project, name)) for name in request.lists]
    complaints = []
    for name, path in zip(request.lists, paths, strict=True):
        if path.startswith("..") or path.startswith("/"):
            complaints.append(
                f"site_requirements: {name!r} is not in the source: it is relative to site_project_directory, "
                f"{request.project!r}; name a file of the source"
            )
        elif path not in files:
            others = [os.path.relpath(one, request.project or ".") for one in lists_in(files)]
            complaints.append(
                f"site_requirements: {name!r} is not in the source; {_cure(others[:CANDIDATES_SHOWN], files)}"
            )
    if complaints:
        raise DependencyError("\n".join(complaints))
    return list(dict.fromkeys(paths)), "set by site_requirements"


def _unusable(path: str, files: set[str], read: Read, request: Request) -> str:
    """Say why a list cannot be installed, and the cure; empty if it can."""
    name, kind = os.path.relpath(path, request.project or "."), _kind(path)
    if PurePosixPath(path).name == "Pipfile":
        return f"site_requirements: {name!r} has no versions; name its lock, Pipfile.lock, which pipenv lock writes"
    if kind == "uv.lock" and request.installer == "pip":
        return f"site_requirements: pip cannot read {name!r}; set another list, or site_installer: uv"
    if kind in ("uv.lock", "poetry.lock"):
        beside = os.path.normpath(PurePosixPath(_parent(path), "pyproject.toml"))
        if beside not in files:
            return (
                f"site_requirements: {name!r} has no pyproject.toml beside it, without which {PROGRAMS[kind]} cannot "
                "read it; add that, or set another list"
            )
    if kind == "pyproject.toml":
        declared = parsed_toml(read(path) or "")
        of_poetry = bool(subtable(declared, "tool", "poetry", "dependencies")) and "project" not in declared
        if of_poetry and "build-system" not in declared:
            return (
                f"site_requirements: {name!r} can only be read by Poetry, since it has neither [project] nor "
                "[build-system]; commit its lock, which poetry lock writes"
            )
        if request.installer == "pip" and request.groups:
            return (
                f"site_requirements_groups: pip cannot install groups of {name!r}; set site_installer: uv, or leave "
                "them out"
            )
    return ""


# What it declares


def _declared(path: str, read: Read) -> _Project:
    kind = _kind(path)
    if kind == "requirements.txt":
        return _Project()
    beside = {name: read(os.path.normpath(PurePosixPath(_parent(path), name))) or "" for name in _BESIDE}
    if kind == "Pipfile.lock":
        return _of_pipfile(path, read(path) or "")
    if kind == "setup.py":
        return _of_setup(path, beside)
    declared = parsed_toml(beside["pyproject.toml"])
    if kind == "pyproject.toml" and "project" not in declared and not subtable(declared, "tool", "poetry"):
        return _of_setup(path, beside)
    poetry = subtable(declared, "tool", "poetry")
    project = subtable(declared, "project")
    extras = _names(subtable(project, "optional-dependencies")) | _names(subtable(poetry, "extras"))
    dynamic = project.get("dynamic")
    unknown = isinstance(dynamic, list) and "optional-dependencies" in dynamic
    groups = _names(subtable(declared, "dependency-groups")) | _names(subtable(poetry, "group"))
    if "dev-dependencies" in poetry or "dev-dependencies" in subtable(declared, "tool", "uv"):
        groups |= {"dev": "dev"}
    if kind == "pyproject.toml":
        groups = _names(subtable(declared, "dependency-groups"))
    place = os.path.normpath(PurePosixPath(_parent(path), "pyproject.toml"))
    pythons = []
    if isinstance(asked := project.get("requires-python"), str):
        pythons.append(PythonRequirement((asked,), place))
    elif isinstance(asked := subtable(poetry, "dependencies").get("python"), str):
        pythons.append(_of_poetry(asked, place))
    if kind in ("uv.lock", "poetry.lock"):
        lock = parsed_toml(read(path) or "")
        if isinstance(asked := lock.get("requires-python"), str):
            pythons.append(PythonRequirement((asked,), path))
        elif isinstance(asked := subtable(lock, "metadata").get("python-versions"), str):
            pythons.append(_of_poetry(asked, path))
    return _Project(None if unknown else extras, groups, tuple(pythons))


_BESIDE: Final = ("pyproject.toml", "setup.cfg", "setup.py")


def _names(table: Mapping[str, Any]) -> dict[str, str]:
    """Give names as they are written, by their canonical forms."""
    return {canonicalize_name(name): name for name in table}


def _of_poetry(versions: str, place: str) -> PythonRequirement:
    return PythonRequirement(tuple(poetry_specifier(one) for one in versions.split("||")), place)


def _of_pipfile(path: str, text: str) -> _Project:
    try:
        lock = json.loads(text)
    except ValueError:
        raise DependencyError(
            f"site_requirements: {path!r} is not JSON, so pipenv cannot read it; write it anew with pipenv lock"
        ) from None
    asked = subtable(lock, "_meta", "requires")
    pythons = [f"=={asked['python_version']}.*"] if isinstance(asked.get("python_version"), str) else []
    pythons = [f"=={asked['python_full_version']}"] if isinstance(asked.get("python_full_version"), str) else pythons
    categories = {name: name for name in subtable(lock) if name not in ("_meta", "default", "develop")}
    develop = {"dev-packages": "dev-packages"} if subtable(lock, "develop") else {}
    return _Project({}, categories | develop, tuple(PythonRequirement((one,), path) for one in pythons))


def _of_setup(path: str, beside: Mapping[str, str]) -> _Project:
    """Read setup.cfg, and of setup.py what it says literally."""
    config = configparser.ConfigParser(interpolation=None, strict=False)
    with suppress(configparser.Error):
        config.read_string(beside["setup.cfg"])
    extras = dict(config["options.extras_require"]) if config.has_section("options.extras_require") else {}
    asked = config.get("options", "python_requires", fallback="").strip()
    place = "setup.cfg" if asked else "setup.py"
    found: Mapping[str, str] | None = _names(extras)
    for keyword in _keywords_of_setup(beside["setup.py"]):
        if keyword.arg == "python_requires" and isinstance(keyword.value, ast.Constant):
            asked, place = str(keyword.value.value), "setup.py"
        if keyword.arg == "extras_require":
            keys = keyword.value.keys if isinstance(keyword.value, ast.Dict) else [None]
            literal = [str(key.value) for key in keys if isinstance(key, ast.Constant)]
            found = None if len(literal) < len(keys) or found is None else {**found, **_names(dict.fromkeys(literal))}
        if keyword.arg is None:  # setup(**options)
            found = None
    place = os.path.normpath(PurePosixPath(_parent(path), place))
    return _Project(found, {}, (PythonRequirement((asked,), place),) if asked else ())


def _keywords_of_setup(text: str) -> list[ast.keyword]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [keyword for call in calls if ast.unparse(call.func).endswith("setup") for keyword in call.keywords]


def _unknown(
    what: str, wanted: Sequence[str], known: Sequence[Mapping[str, str] | None], paths: Sequence[str]
) -> Iterator[str]:
    """Complain about extras or groups that no list has, and name those that exist."""
    if any(one is None for one in known):
        return
    there = {key: name for one in known for key, name in (one or {}).items()}
    where = " and ".join(paths)
    for name in wanted:
        if canonicalize_name(name) in there or name in there:
            continue
        if there:
            cure = f"it has {', '.join(sorted(there.values()))}"
        elif all(_kind(path) == "requirements.txt" for path in paths):
            cure = "a list of requirements has none; leave it out, or add the file that has them to site_requirements"
        else:
            cure = "it has none; leave it out"
        variable = f"site_requirements_{what}s"
        yield f"{variable}: {name!r} is not {'an' if what == 'extra' else 'a'} {what} of {where}; {cure}"


def _taken(wanted: Sequence[str], known: Mapping[str, str] | None) -> tuple[str, ...]:
    if known is None:
        return tuple(wanted)
    found = [known.get(canonicalize_name(name)) or known.get(name) for name in wanted]
    return tuple(name for name in found if name)


def _left(wanted: Sequence[str], known: Sequence[Mapping[str, str] | None]) -> tuple[str, ...]:
    taken = {canonicalize_name(name) for name in wanted}
    left = {name for one in known for key, name in (one or {}).items() if canonicalize_name(key) not in taken}
    return tuple(sorted(left))


# Python


def _pythons(
    paths: Sequence[str], project: str, projects: Mapping[str, _Project], read: Read
) -> tuple[PythonRequirement, ...]:
    """Collect what the lists ask of Python, and the metadata beside a list of requirements and beside manage.py."""
    found = [one for path in paths for one in projects[path].pythons]
    for directory in dict.fromkeys([*map(_parent, paths), project or "."]):
        beside = os.path.normpath(PurePosixPath(directory, "pyproject.toml"))
        if (text := read(beside)) is not None:
            asked = subtable(parsed_toml(text), "project").get("requires-python")
            if isinstance(asked, str):
                found.append(PythonRequirement((asked,), beside))
    return tuple(dict.fromkeys(found))


def python_complaints(asked: Iterable[PythonRequirement], hosts: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Compare what the source asks of Python with the hosts: by name, `path` and `version` of their Python.

    A complaint is for the first host that has another version.
    """
    for requirement in asked:
        for name, python in hosts.items():
            version = python.get("version", "")
            if version and not requirement.allows(version):
                other = _nearest_python(requirement, version)
                cure = (
                    f"set site_python to a Python {other} of the host; if it has none, install it from the "
                    f"distribution (site_system_packages: [python{other}-venv]) or with uv python install {other} "
                    "(docs/projects-lists.md, Python)"
                    if other
                    else f"no Python is known that does; correct {requirement.place}"
                )
                yield (
                    f"site_python: {python.get('path')!r} on {name} is Python {version.removesuffix('.99')}, and "
                    f"{requirement.place} requires {requirement}; {cure}"
                )
                break


def _nearest_python(requirement: PythonRequirement, version: str) -> str:
    """Return the allowed version of Python that differs least from that one; empty if none is allowed."""
    has = int((re.match(r"3\.(\d+)", version) or ["", "0"])[1])
    allowed = [one for one in PYTHONS if requirement.allows(f"{one}.99")]
    return min(allowed, key=lambda one: abs(int(one.partition(".")[2]) - has), default="")


# What decides which packages are installed


def _texts(path: str, read: Read) -> dict[str, str]:
    """Give the texts of a list and of all lists that it includes, by their paths."""
    texts: dict[str, str] = {}
    waiting = [path]
    while waiting:
        one = waiting.pop()
        if one in texts or (text := read(one)) is None:
            continue
        texts[one] = text
        if _kind(one) == "requirements.txt":
            waiting += [os.path.normpath(PurePosixPath(_parent(one), other)) for other in _includes(text)]
    return texts


def _lines(text: str) -> list[str]:
    return re.sub(r"\\\r?\n", " ", text).splitlines()


def _includes(text: str) -> list[str]:
    return [included[1].strip("\"'") for line in _lines(text) if (included := INCLUDE.match(line))]


def _missing_includes(path: str, files: set[str], read: Read) -> Iterator[tuple[str, str]]:
    for place, text in _texts(path, read).items():
        if _kind(place) != "requirements.txt":
            continue
        for other in _includes(text):
            there = os.path.normpath(PurePosixPath(_parent(place), other))
            # Not what the installer fetches, or takes from the environment.
            if there not in files and not re.search(r"://|[$]", other):
                yield place, other


def _from_disk(text: str) -> bool:
    """Whether a list of requirements names packages by their place on disk."""
    for line in _lines(text):
        if INCLUDE.match(line):
            continue
        wanted = re.sub(r"(^|\s)#.*", "", line)
        if re.match(r"\s*(?:-e\b|--editable|-f\b|--find-links|\.)|.*\bfile:", wanted):
            return True
        # With a slash outside of an address or of an option, it is a path.
        if not wanted.lstrip().startswith("-") and "/" in re.sub(r"[a-z+]+://\S+", "", wanted.partition(" --")[0]):
            return True
    return False


def _comes_from_source(kind: str, text: str, installer: str) -> bool:
    """Whether packages come from the source itself, so that every change of the source may change them."""
    if kind == "uv.lock":
        # Everything is pinned, except what comes from the source itself; the project "." is not installed.
        return bool(re.search(r'source = \{ (?:editable|directory|path|virtual) = "(?!\.")', text))
    if kind == "poetry.lock":
        return bool(re.search(r'^type = "(?:directory|file)"', text, re.MULTILINE))
    if kind == "Pipfile.lock":
        return bool(re.search(r'"(?:path|file|editable)":', text))
    if kind == "pyproject.toml":
        # pip installs the project itself.
        dynamic = re.search(r"^dynamic\s*=|^\[tool\.uv\.sources|file:|\bpath\s*=", text, re.MULTILINE)
        return installer == "pip" or bool(dynamic) or "[project]" not in text
    return kind == "setup.py" or _from_disk(text)


def _digest(paths: Sequence[str], read: Read, request: Request) -> str:
    texts: dict[str, str] = {}
    for path in paths:
        found = _texts(path, read)
        for one, text in found.items():
            if _comes_from_source(_kind(one), text, request.installer):
                return ""
            if _kind(one) == "requirements.txt" and any(
                os.path.normpath(PurePosixPath(_parent(one), other)) not in found for other in _includes(text)
            ):
                return ""
        texts |= found
        if _kind(path) in LOCKS:
            texts |= _read_beside(_parent(path), ("pyproject.toml", "Pipfile"), read)
    if request.installer == "uv":
        # uv looks for its own settings, an index or constraints, here and further up.
        for directory in _upwards(request.project):
            texts |= _read_beside(directory, ("uv.toml", "pyproject.toml"), read)
    ingredients = [list(paths), list(request.extras), list(request.groups), texts]
    return hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()[:12]


def _read_beside(directory: str, names: Iterable[str], read: Read) -> dict[str, str]:
    paths = [os.path.normpath(PurePosixPath(directory, name)) for name in names]
    return {path: text for path in paths if (text := read(path)) is not None}
