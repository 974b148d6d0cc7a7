# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version of the application server a release gets: the user's, else the project's pin, else the tested one.

A project that pins its server has usually run with that version for a while, so its pin wins where the collection
supports it. A version in the inventory wins over the project's list, which is also for other hosts and for developers.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import PurePosixPath
from typing import Any

# A dependency of ansible-core, without which ansible-test imports plugins.
with suppress(ImportError):
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

__all__ = [
    "INCLUDE",
    "Listed",
    "Server",
    "ServerVersion",
    "UnsupportedVersionError",
    "choose_version",
    "listed_in",
    "listed_in_inventory",
    "parsed_toml",
    "poetry_specifier",
    "subtable",
]

INCLUDE = re.compile(r"\s*(?:-r|--requirement|-c|--constraint)[\s=]*(\S+)")
"""A line of a list of requirements that includes another list."""
INVENTORY = "site_python_packages"
# What a marker may ask about the host; its Python may differ from the control node's, and is not known here.
HOST = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "extra": ""}


@dataclass(frozen=True)
class Server:
    """A package that serves the site.

    `wanted` is the version that the user has set in `variable`, or empty; `reason` tells what is wrong with versions
    before `oldest`.
    """

    package: str
    variable: str
    wanted: str
    tested: str
    oldest: str
    reason: str


@dataclass(frozen=True)
class Listed:
    """The versions of a package that a list allows, such as `==26.0.0`; empty for any, or a direct address."""

    specifier: str
    place: str
    direct: bool = False


@dataclass(frozen=True)
class ServerVersion:
    """What to install; the version if it is known before; where it comes from, unless it is simply the tested one."""

    requirement: str
    version: str
    explanation: str


class UnsupportedVersionError(Exception):
    """The version that the project or the inventory asks for cannot be used; the message has the cure."""


def choose_version(server: Server, listed: Sequence[Listed]) -> ServerVersion:
    """Choose the version, with what lists ask for in the order of their precedence.

    Raises UnsupportedVersionError.
    """
    pin = _pin(listed)
    if server.wanted:
        return _wanted(server, pin)
    if pin is None and (direct := next((one for one in listed if one.direct), None)):
        # It is installed by then, and stays if it is not too old.
        return ServerVersion(
            f"{server.package}>={server.oldest}", "", f"Server: {server.package}, as {direct.place} asks"
        )
    if pin is None or _allows(pin.specifier, server.tested):
        return ServerVersion(f"{server.package}=={server.tested}", server.tested, "")
    required = f"{server.package}{pin.specifier}"
    exact = re.fullmatch(r"={2,3}\s*([^,*\s]+)", pin.specifier)
    if exact and _is_version(exact[1]) and Version(exact[1]) >= Version(server.oldest):
        version = exact[1]
        return ServerVersion(
            f"{server.package}=={version}", version, f"Server: {server.package} {version}, pinned in {pin.place}"
        )
    if not exact and any(_allows(pin.specifier, version) for version in _supported(server)):
        return ServerVersion(f"{required},>={server.oldest}", "", f"Server: {required}, as {pin.place} requires")
    raise UnsupportedVersionError(
        f"{server.variable}: {pin.place} asks for {required}, and versions before {server.oldest} are not supported: "
        f"{server.reason}. Set {server.variable}: {server.tested}, which is then installed instead, or change that line"
    )


def _pin(listed: Sequence[Listed]) -> Listed | None:
    """Choose what counts: the inventory's, else an exact version, which constraints often have, else the first one."""
    limited = [one for one in listed if one.specifier]
    limited = [one for one in limited if one.place == INVENTORY] or limited
    return next((one for one in limited if re.match(r"={2,3}[^,*]+\Z", one.specifier)), next(iter(limited), None))


def _wanted(server: Server, pin: Listed | None) -> ServerVersion:
    """Take the user's version: the server is installed last, and so replaces what the project's list asks for."""
    if not _is_version(server.wanted):
        raise UnsupportedVersionError(
            f"{server.variable}: {server.wanted!r} is not a version; write it as in {server.tested}"
        )
    explanation = ""
    if pin and not _allows(pin.specifier, server.wanted):
        required = f"{server.package}{pin.specifier}"
        if pin.place == INVENTORY:
            raise UnsupportedVersionError(
                f"{server.variable} is {server.wanted!r}, and {INVENTORY} has {required!r}; remove one of the two"
            )
        explanation = (
            f"Server: {server.package} {server.wanted}, set by {server.variable}, instead of {required} in {pin.place}"
        )
    return ServerVersion(f"{server.package}=={server.wanted}", server.wanted, explanation)


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _allows(specifier: str, version: str) -> bool:
    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except InvalidSpecifier:
        return False


def _supported(server: Server) -> Iterator[str]:
    """Name versions from the oldest to the tested one, whether or not they were ever released."""
    oldest, tested = Version(server.oldest), Version(server.tested)
    for parts in product(range(oldest.major, tested.major + 1), range(10), range(41)):
        version = Version(".".join(map(str, parts)))
        if oldest <= version <= tested:
            yield str(version)


# The requirements in the lists


def listed_in_inventory(requirements: Sequence[str], package: str) -> list[Listed]:
    """Find the package among the requirements that the inventory adds."""
    return [found for text in requirements if (found := _listed(text, package, INVENTORY)) is not None]


def listed_in(read: Callable[[PurePosixPath], str | None], path: PurePosixPath, package: str) -> list[Listed]:
    """Find the package in a list, `read` from the source, and in the lists that this one includes."""
    text = read(path) or ""
    if path.name in ("uv.lock", "poetry.lock"):
        return _in_lock(text, path, package)
    if path.name == "Pipfile.lock":
        return _in_pipfile_lock(text, path, package)
    if path.name == "pyproject.toml":
        return _in_pyproject(text, path, package)
    if path.name == "setup.py":  # A program, which only the installer runs.
        return []
    found, waiting, seen = [], [path], set()
    while waiting:
        path = waiting.pop(0)
        if path in seen or (text := read(path) or "") == "":
            continue
        seen.add(path)
        for number, line in _lines(text):
            if included := INCLUDE.match(line):
                waiting.append(path.parent / included[1])
            elif (one := _listed(line, package, f"{path}, line {number}")) is not None:
                found.append(one)
    return found


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Give the logical lines with the number of the first physical one, without comments and options."""
    begun, number = "", 1
    for index, line in enumerate(text.splitlines(), 1):
        number = number if begun else index
        begun += line
        if line.endswith("\\"):
            begun = begun[:-1] + " "
            continue
        yield number, re.sub(r"(^|\s)#.*", "", begun).partition(" --")[0].strip()
        begun = ""


def _listed(text: Any, package: str, place: str) -> Listed | None:
    """Return which versions a requirement asks for, None if it is for another package or for other hosts."""
    if egg := re.match(r"(?:-e\s+|--editable[\s=]+)?[a-z+]+://\S+#(?:\S*&)?egg=([\w.-]+)", str(text)):
        return Listed("", place, direct=True) if canonicalize_name(egg[1]) == package else None
    try:
        requirement = Requirement(str(text))
    except InvalidRequirement:
        return None
    if canonicalize_name(requirement.name) != package:
        return None
    if requirement.marker and not requirement.marker.evaluate(HOST):
        return None
    return Listed(str(requirement.specifier), place, direct=requirement.url is not None)


def parsed_toml(text: str) -> dict[str, Any]:
    """Read TOML; what is not TOML is empty, since the installer reports it."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _place(text: str, path: PurePosixPath, pattern: str) -> str:
    numbers = [number for number, line in enumerate(text.splitlines(), 1) if re.search(pattern, line, re.IGNORECASE)]
    return f"{path}, line {numbers[0]}" if numbers else str(path)


def subtable(table: Any, *names: str) -> dict[str, Any]:
    """Return a table inside of others; an empty one if there is none."""
    for name in names:
        table = table.get(name) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else {}


def _in_lock(text: str, path: PurePosixPath, package: str) -> list[Listed]:
    packages = parsed_toml(text).get("package")
    found = [one for one in (packages if isinstance(packages, list) else []) if subtable(one).get("name") == package]
    place = _place(text, path, rf'^name = "{package}"')
    # A package has no version there if its source decides on it.
    return [Listed(f"=={one['version']}" if "version" in one else "", place, "version" not in one) for one in found]


def _in_pipfile_lock(text: str, path: PurePosixPath, package: str) -> list[Listed]:
    try:
        lock = json.loads(text)
    except ValueError:  # pipenv reports it.
        return []
    found = [(name, one) for name, one in subtable(lock, "default").items() if canonicalize_name(name) == package]
    place = _place(text, path, rf'^\s*"{package}":')
    versions = [str(subtable(one).get("version", "")) for _name, one in found]
    return [Listed(version, place, not version) for version in versions]


def _in_pyproject(text: str, path: PurePosixPath, package: str) -> list[Listed]:
    project = parsed_toml(text)
    place = _place(text, path, rf"^\s*[\"']?{package}\b|[\"']{package}\b")
    dependencies = subtable(project, "project").get("dependencies")
    listed = [_listed(one, package, place) for one in (dependencies if isinstance(dependencies, list) else [])]
    found = [one for one in listed if one is not None]
    for name, dependency in subtable(project, "tool", "poetry", "dependencies").items():
        if canonicalize_name(name) == package:
            found += _from_poetry(dependency, place)
    return found


def _from_poetry(dependency: Any, place: str) -> list[Listed]:
    """Translate a dependency as Poetry writes it: a version, a table, or a list of them for different hosts."""
    if isinstance(dependency, list):
        # The last one is for the newest Python.
        return _from_poetry(dependency[-1], place) if dependency else []
    if isinstance(dependency, dict):
        direct = not {"git", "url", "path", "file"}.isdisjoint(dependency)
        return [Listed(poetry_specifier(str(dependency.get("version", ""))), place, direct)]
    return [Listed(poetry_specifier(str(dependency)), place)]


def poetry_specifier(versions: str) -> str:
    """Translate versions as Poetry writes them, such as `^3.11`: of alternatives, the last one."""
    parts = [_poetry_part(part) for part in re.split(r",|(?<=\w)\s+(?=[<>=!~^])", versions.rpartition("||")[2])]
    return ",".join(filter(None, parts))


def _poetry_part(condition: str) -> str:
    """Translate one condition: `^24.1` and `~24.1` have an upper bound, `24.1.0` is exact, `*` is any."""
    condition = condition.strip()
    if bounded := re.fullmatch(r"([~^])\s*((\d+)(?:\.(\d+))?[\w.]*)", condition):
        sign, version, major, minor = bounded.groups()
        end = f"{major}.{int(minor) + 1}" if sign == "~" and minor else f"{int(major) + 1}"
        return f">={version},<{end}"
    if re.fullmatch(r"\d[\w.]*(\.\*)?", condition):
        return f"=={condition}"
    return "" if condition == "*" else condition
