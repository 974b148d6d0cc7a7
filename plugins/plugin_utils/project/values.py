# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a settings module is made of, as far as it can be told without running it.

Texts, numbers, lists and mappings are plain Python. A path inside the source is a text that begins with APP, wherever
the release will be; what cannot be told is UNKNOWN.
"""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .findings import Place

__all__ = [
    "APP",
    "RELEASE",
    "UNKNOWN",
    "ClassValue",
    "Dotted",
    "Function",
    "Instance",
    "Lazy",
    "MissingFile",
    "MissingModule",
    "Read",
    "Reader",
    "Scope",
    "Unknown",
    "in_source",
    "inside_release",
    "known",
]

RELEASE: Final = "/@releases@/@release@"
APP: Final = f"{RELEASE}/app"


@dataclass(frozen=True)
class Unknown:
    """A value that the source alone does not tell."""


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Dotted:
    """Something of Python itself or of an installed package, by its full name."""

    name: str


@dataclass(frozen=True)
class Lazy:
    """A module of the source, which is read once something of it is used."""

    file: str


@dataclass
class Scope:
    """The names of a module or of a function; where each was given its value, and whether that depends on something."""

    file: str
    parent: Scope | None = None
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    reads: dict[str, tuple[str, ...]] = field(default_factory=dict)
    conditional: set[str] = field(default_factory=set)

    def get(self, name: str) -> Any:
        """Return the value of a name, here or further out; UNKNOWN if it has none."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.parent
        return UNKNOWN

    def knows(self, name: str) -> bool:
        """Whether the name has a value, here or further out."""
        return name in self.values or (self.parent is not None and self.parent.knows(name))

    def copy(self) -> Scope:
        """Return a copy in which something can be tried."""
        kept = {name: _copied(value) for name, value in self.values.items()}
        return Scope(self.file, self.parent, kept, dict(self.places), dict(self.reads), set(self.conditional))


def _copied(value: Any) -> Any:
    return type(value)(value) if type(value) in (list, dict, set) else value


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the source."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope


@dataclass(frozen=True, eq=False)
class ClassValue:
    """A class of the source; bases are full names where these are known."""

    node: ast.ClassDef
    scope: Scope
    bases: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Instance:
    """An object with attributes."""

    attributes: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Reader:
    """An object that reads the environment: of django-environ and environs, or of decouple and starlette."""

    kind: str
    schemes: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = ""


@dataclass(frozen=True)
class Read:
    """An environment variable that the source reads; without a default, the source does not start without it.

    The cast is the name of what the text becomes, such as bool, int, list, db; optional is a read in a branch that is
    not taken by default.
    """

    name: str
    place: Place
    default: Any = None
    required: bool = False
    cast: str = ""
    optional: bool = False
    setting: str = ""


@dataclass(frozen=True)
class MissingModule:
    """A module of the project that is imported and not in the source."""

    module: str
    place: Place
    optional: bool


@dataclass(frozen=True)
class MissingFile:
    """A file that a settings module opens and that is not in the source; an absolute path, or one in the source."""

    path: str
    place: Place
    optional: bool


def known(value: Any) -> bool:
    """Whether a value is known with all its parts."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(known, value))
    if isinstance(value, dict):
        return all(map(known, value.values()))
    return value is None or isinstance(value, (str, int, float, bool, bytes))


def in_source(value: Any) -> str | None:
    """Return the path of a file or directory of the source, relative to its top; None for anything else."""
    if not isinstance(value, str) or not value.startswith(RELEASE):
        return None
    path = posixpath.normpath(value)
    if path == APP:
        return ""
    return path[len(APP) + 1 :] if path.startswith(f"{APP}/") else None


def inside_release(value: Any) -> bool:
    """Whether a path is in the release's directory, with the source or beside it."""
    return isinstance(value, str) and (value == RELEASE or posixpath.normpath(value).startswith(f"{RELEASE}/"))
