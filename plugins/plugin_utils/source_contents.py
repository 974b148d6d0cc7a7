# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a packed source: whether a site can be built from it, and if not, everything that is missing at once.

Whether a module can be imported is only known where its packages are installed. What names of files can tell is told
here, before anything changes on a host: a module that a package of the source does not have, or a name that is almost
that of another one. Of all other modules that are not in the source, the release's own Python decides.
"""

from __future__ import annotations

import codecs
import difflib
import hashlib
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from .dependencies import (
    Dependencies,
    DependencyError,
    Request,
    find_dependencies,
    python_complaints,
    system_packages_of,
)
from .project.lists import compiled_packages
from .project.modules import asgi_applications, settings_modules, wsgi_applications
from .project.roots import module_roots
from .project.tree import Tree
from .server_version import (
    Listed,
    Server,
    ServerVersion,
    UnsupportedVersionError,
    choose_version,
    listed_in,
    listed_in_inventory,
)

__all__ = ["Contents", "Found", "Wanted", "examine"]

CANDIDATES_SHOWN: Final = 5
BYTE_ORDER_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class Wanted:
    """What a site needs of its source, or of the package that it is.

    `modules` are named by their variables; `guessed` are variables without a value: it follows from another one, so a
    complaint about it does not quote it as if it had been set. `requirements`, and `files` that the inventory adds, are
    relative to the project. `pythons` are the hosts' (`path` and `version`), by the names of the hosts.
    """

    project: str
    package: str
    modules: Mapping[str, str]
    guessed: Sequence[str]
    requirements: Sequence[str]
    extras: Sequence[str]
    groups: Sequence[str]
    installer: str
    python_packages: Sequence[str]
    files: Sequence[str]
    pythons: Mapping[str, Mapping[str, str]]
    servers: Mapping[str, Server]


@dataclass
class Found:
    """What was found: the lists of dependencies (None for a package), and everything that is wrong."""

    dependencies: Dependencies | None = None
    digest: str = ""
    system_packages: tuple[str, ...] = ()
    compiled: tuple[str, ...] = ()
    import_roots: tuple[str, ...] = ()
    hints: dict[str, str] = field(default_factory=dict)
    servers: dict[str, ServerVersion] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)


class Contents:
    """The files of an archive."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.names = {str(PurePosixPath(member.name)) for member in tar if not member.isdir()}

    def read(self, path: str | PurePosixPath) -> str | None:
        """Return the text of a file; None if there is no such file."""
        try:
            file = self._tar.extractfile(os.path.normpath(path))
        except KeyError:
            return None
        content = file.read() if file else b""
        # What Windows saves may begin with a mark of its encoding.
        encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8")
        return content.decode(encoding, errors="replace")


def examine(contents: Contents, wanted: Wanted) -> Found:
    """Check that the source has what the site needs, and find what installing it takes."""
    found = Found()
    texts = list(wanted.python_packages)
    if wanted.package:
        texts.append(wanted.package)
        found.digest = hashlib.sha256(wanted.package.encode()).hexdigest()[:12]
    else:
        project = _project(contents.names, wanted, found)
        if project is None:
            return found
        _check_modules(contents, project, wanted, found)
        _find_lists(contents, str(project), wanted, found)
    more = found.dependencies.system_packages if found.dependencies else ()
    found.system_packages = tuple(dict.fromkeys((*more, *system_packages_of(texts))))
    lists = found.dependencies.lists if found.dependencies else ()
    paths = [os.path.normpath(PurePosixPath(wanted.project, one.path)) for one in lists]
    found.compiled = compiled_packages(Tree(contents.names, contents.read), paths, texts)
    for name, server in wanted.servers.items():
        try:
            found.servers[name] = choose_version(server, _listed(contents, wanted, found, server.package))
        except UnsupportedVersionError as error:
            found.complaints.append(str(error))
    if found.complaints:  # The release is refused anyway, so its Python will not be asked.
        found.complaints = [*found.hints.values(), *found.complaints]
    return found


def _find_lists(contents: Contents, project: str, wanted: Wanted, found: Found) -> None:
    request = Request(project, wanted.requirements, wanted.extras, wanted.groups, wanted.installer)
    try:
        found.dependencies = find_dependencies(contents.names, contents.read, request)
    except DependencyError as error:
        found.complaints.append(str(error))
        return
    # The virtual environment of a release that imports from its own directories belongs to that release.
    found.digest = "" if found.import_roots else found.dependencies.digest
    found.complaints += python_complaints(found.dependencies.pythons, wanted.pythons)


def _listed(contents: Contents, wanted: Wanted, found: Found, package: str) -> list[Listed]:
    """Return what the inventory, and then the project's lists, ask of a package."""
    listed = listed_in_inventory(wanted.python_packages, package)
    for one in found.dependencies.lists if found.dependencies else ():
        listed += listed_in(lambda path: contents.read(wanted.project / path), PurePosixPath(one.path), package)
    return listed


# The project


def _project(names: set[str], wanted: Wanted, found: Found) -> PurePosixPath | None:
    """Return the directory of manage.py, or the one that is meant; None if only the user can tell."""
    project = PurePosixPath(wanted.project)
    if str(project / "manage.py") in names or "manage.py" in wanted.files:
        return project
    others = sorted(PurePosixPath(name).parent for name in names if PurePosixPath(name).name == "manage.py")
    found.complaints.append(_no_project(wanted.project, others))
    if len(others) > 1:
        return None  # Which of them is meant decides all the rest.
    return others[0] if others else project


def _no_project(project: str, others: Sequence[PurePosixPath]) -> str:
    if not others:
        return (
            f"site_project_directory: {project!r} has no manage.py, nor has any other directory in the source; add one"
        )
    shown = ["" if str(other) == "." else str(other) for other in others]
    cure = f"set site_project_directory: {json.dumps(shown[0]) if not shown[0] else shown[0]}"
    if len(shown) > 1:
        cure = f"set it to one of {', '.join(map(repr, shown))}"
    return f"site_project_directory: {project!r} has no manage.py in the source; {cure}"


# Its modules


def _check_modules(contents: Contents, project: PurePosixPath, wanted: Wanted, found: Found) -> None:
    names = contents.names | {_below(str(project), name) for name in wanted.files}
    tree = Tree(names, contents.read)
    first = "" if str(project) == "." else str(project)
    others = module_roots(tree, first)
    roots = [first, *others]
    used: dict[str, None] = {}
    meant: list[str] = []
    for variable, value in wanted.modules.items():
        module = value.partition(":")[0]
        root = next((root for root in roots if _module_files(root, module) & names), None)
        if root is not None:
            used[root] = None
            continue
        of_asgi = variable == "site_asgi_application"
        of_wsgi = not of_asgi and (":" in value or "wsgi" in variable)
        find = asgi_applications if of_asgi else wsgi_applications if of_wsgi else settings_modules
        candidates = find(tree, first, others)
        guess = variable in wanted.guessed
        # It follows from the settings module, and from the right one it would be right.
        packages = {f"{settings.partition('.')[0]}." if "." in settings else "" for settings in meant}
        entry = "asgi" if of_asgi else "wsgi"
        if guess and any(_module_files(root, f"{package}{entry}") & names for package in packages for root in roots):
            continue
        meant = candidates if variable == "site_settings_module" else meant
        if _names_tell(module, candidates, names, roots):
            path = _below(str(project), module.replace(".", "/"))
            found.complaints.append(_no_module(variable, value, path, candidates, guess))
        elif candidates:
            cure = _set(variable, candidates)
            found.hints[module] = f"{variable}: {value!r} is not in the source. If no package has it: {cure}"
    found.import_roots = tuple(root or "." for root in used if root != first)


def _names_tell(module: str, candidates: Sequence[str], names: set[str], roots: Sequence[str]) -> bool:
    """Whether names of files tell that a module does not exist.

    They do if the source has the package that it would be in, or something of almost the same name.
    """
    top = module.partition(".")[0]
    if any(_below(root, f"{top}/__init__.py") in names or _below(root, f"{top}.py") in names for root in roots):
        return True
    known = {candidate.partition(":")[0] for candidate in candidates}
    if any(one.endswith(f".{module}") for one in known):
        return True
    # A directory without __init__.py is a package, too.
    packages = tuple(f"{_below(root, top)}/" for root in roots)
    if any(name.startswith(packages) and name.endswith(".py") for name in names):
        return True
    return bool(difflib.get_close_matches(top, {one.partition(".")[0] for one in known}, 1, 0.75))


def _below(project: str, name: str) -> str:
    return os.path.normpath(PurePosixPath(project, name))


def _module_files(root: str, module: str) -> set[str]:
    path = _below(root, module.replace(".", "/"))
    return {f"{path}.py", f"{path}/__init__.py"}


def _no_module(variable: str, module: str, path: str, candidates: Sequence[str], guessed: bool) -> str:
    missing = f"the source has neither {path}.py nor {path}/__init__.py"
    where = (
        f"{variable} is not set, and the guess from site_settings_module, {module!r}, is wrong: {missing}"
        if guessed
        else f"{variable}: {module!r} does not exist: {missing}"
    )
    return f"{where}. {_set(variable, candidates)}"


def _set(variable: str, candidates: Sequence[str]) -> str:
    if not candidates:
        return f"Set {variable} to a module of the project, or set site_project_directory"
    if len(candidates) == 1:
        return f"Set {variable}: {candidates[0]}"
    return f"Set {variable} to one of {', '.join(candidates[:CANDIDATES_SHOWN])}"
