# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What settings read from the environment, by os.environ, django-environ, environs, decouple, starlette, pydantic."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .calls import cast, cast_name
from .findings import Place
from .tree import Tree
from .values import (
    UNKNOWN,
    ClassValue,
    Dotted,
    Function,
    Instance,
    MissingFile,
    MissingModule,
    Read,
    Reader,
    Scope,
)

__all__ = [
    "READERS",
    "READER_CLASSES",
    "UNSET",
    "Exhausted",
    "MissingVariable",
    "Raised",
    "Readers",
    "Returned",
    "is_settings_class",
]

MOST_STEPS: Final = 400_000
READER_CLASSES: Final[Mapping[str, str]] = {
    "environ.Env": "environ",
    "environ.FileAwareEnv": "environ",
    "environs.Env": "environ",
    "environs.FileAwareEnv": "environ",
    "decouple.Config": "decouple",
    "decouple.AutoConfig": "decouple",
    "starlette.config.Config": "decouple",
    "prettyconf.Configuration": "decouple",
}
READERS: Final[Mapping[str, str]] = {"decouple.config": "decouple", "prettyconf.config": "decouple"}
URL_VARIABLES: Final[Mapping[str, str]] = {
    "db": "DATABASE_URL",
    "db_url": "DATABASE_URL",
    "cache": "CACHE_URL",
    "cache_url": "CACHE_URL",
    "email": "EMAIL_URL",
    "email_url": "EMAIL_URL",
    "search_url": "SEARCH_URL",
}
UNSET: Final = object()


class Exhausted(Exception):
    """The module is too large to be followed to its end."""


class Returned(Exception):
    """A function of the source returns."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class Raised(Exception):
    """The source raises an exception here."""


class MissingVariable(Raised):
    """A variable of the environment is not set."""


class Readers:
    """The environment that modules are followed under, and what they read from it."""

    def __init__(self, tree: Tree, roots: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.tree = tree
        self.roots = list(dict.fromkeys(roots))
        self.environment = dict(environment or {})
        self.reads: list[Read] = []
        self.missing: list[MissingModule] = []
        self.missing_files: list[MissingFile] = []
        self.path_additions: list[str] = []
        self.modules: dict[str, Scope] = {}
        self._steps = 0
        self._depth = 0
        self._catching = 0
        self._observing = 0
        self._setting = ""
        self._called_at: Place | None = None

    def value(self, node: ast.AST, scope: Scope) -> Any:
        """Return the value of an expression."""
        raise NotImplementedError

    def _follow(
        self, function: Function, arguments: list[Any], options: dict[str, Any], node: ast.Call, scope: Scope
    ) -> Any:
        raise NotImplementedError

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise Exhausted

    def _read(self, name: str, node: ast.AST, scope: Scope, default: Any, required: bool, cast_to: str = "") -> None:
        place = self._called_at or Place(scope.file, getattr(node, "lineno", 0))
        read = Read(name, place, default, required, cast_to, self._observing > 0, self._setting)
        if name and read not in self.reads:
            self.reads.append(read)

    def _variable(self, name: str, node: ast.AST, scope: Scope, default: Any, cast_to: str = "") -> Any:
        """Return the text of a variable, or its default; without either, the source raises an exception."""
        required = default is UNSET
        self._read(name, node, scope, None if required else default, required and not self._catching, cast_to)
        if name in self.environment:
            return self.environment[name]
        if not required:
            return default
        if self._catching:
            raise MissingVariable
        return UNKNOWN

    def _read_by(
        self, reader: Reader, name: str, arguments: list[Any], options: dict[str, Any], node: ast.Call, scope: Scope
    ) -> Any:
        """Read a variable as django-environ, environs, decouple or starlette do."""
        if name in ("read_env", "read_envfile", "seal", "add_parser"):
            return None
        if name == "prefixed" and arguments and isinstance(arguments[0], str):
            return Instance({"prefix": arguments[0]})
        first = arguments[0] if arguments else options.get("var", options.get("name"))
        variable = first if isinstance(first, str) else URL_VARIABLES.get(name)
        if not isinstance(variable, str):
            return UNKNOWN
        variable = reader.prefix + variable
        casting: Any = options.get("cast")
        default = options.get("default", UNSET)
        rest = arguments[1:]
        if rest and casting is None and (isinstance(rest[0], Dotted) or (name == "" and reader.kind == "decouple" and
                                         isinstance(rest[0], Function))):  # fmt: skip
            casting, rest = rest[0], rest[1:]
        if rest and default is UNSET:
            default = rest[0]
        kind = name if name not in ("", "get_value", "get", "__call__") else cast_name(casting)
        if variable in reader.schemes:
            scheme = reader.schemes[variable]
            pair = scheme if isinstance(scheme, list) else [scheme]
            kind = kind or cast_name(pair[0])
            default = pair[1] if default is UNSET and len(pair) > 1 else default
        value = self._variable(variable, node, scope, default, kind)
        if value is UNSET or value is UNKNOWN:
            return UNKNOWN
        if isinstance(casting, Function):
            return self._follow(casting, [value], {}, node, scope)
        return cast(value, kind)

    def _fields(self, made: ClassValue) -> dict[str, Any]:
        """Read the variables that a settings class of pydantic has as its fields."""
        prefix, values = "", {}
        for part in ast.walk(made.node):
            if (isinstance(part, ast.keyword) and part.arg == "env_prefix") or (
                isinstance(part, ast.Assign)
                and any(isinstance(target, ast.Name) and target.id == "env_prefix" for target in part.targets)
            ):
                prefix = str(self.value(part.value, made.scope))
        for statement in made.node.body:
            if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
                continue
            name, default = statement.target.id, UNSET
            if (
                name in ("model_config", "Config")
                or name.startswith("_")
                or "ClassVar" in ast.dump(statement.annotation)
            ):
                continue
            variable = f"{prefix}{name}".upper()
            if isinstance(statement.value, ast.Call):
                options = {option.arg: option.value for option in statement.value.keywords}
                for alias in ("validation_alias", "alias", "env"):
                    named = self.value(options[alias], made.scope) if alias in options else None
                    variable = named if isinstance(named, str) else variable
                places = [options.get("default"), *statement.value.args[:1]]
                given = next((place for place in places if place is not None), None)
                ellipsis = isinstance(given, ast.Constant) and given.value is ...
                if given is not None and not ellipsis:
                    default = self.value(given, made.scope)
                elif "default_factory" in options:
                    default = UNKNOWN
            elif statement.value is not None:
                default = self.value(statement.value, made.scope)
            annotation = ast.unparse(statement.annotation)
            optional = "None" in annotation or "Optional" in annotation
            kind = next(
                (one for one in ("bool", "int", "float", "list", "dict") if re.search(rf"\b{one}\b", annotation)), ""
            )
            found = self._variable(variable, statement, made.scope, default, {"list": "json"}.get(kind, kind))
            values[name] = cast(found, {"list": "json"}.get(kind, kind)) if found is not UNSET else UNKNOWN
            if optional and found is UNSET:
                values[name] = None
        return values

    def _configured(
        self, kind: str, arguments: list[Any], options: dict[str, Any], node: ast.Call, scope: Scope
    ) -> Any:
        """Read a value of django-configurations, whose variable has the name of its setting and a prefix."""
        prefix = options.get("environ_prefix", "DJANGO")
        name = options.get("environ_name") or self._setting
        if not isinstance(name, str) or not name:
            return UNKNOWN
        if isinstance(prefix, str) and prefix and kind not in ("DatabaseURLValue", "CacheURLValue", "EmailURLValue"):
            name = f"{prefix}_{name}"
        elif kind == "DatabaseURLValue":
            name = options.get("environ_name") or "DATABASE_URL"
        required = kind == "SecretValue" or options.get("environ_required") is True
        default = UNSET if required else (arguments[0] if arguments else options.get("default"))
        casts = {"BooleanValue": "bool", "ListValue": "list", "IntegerValue": "int", "DatabaseURLValue": "db"}
        return cast(self._variable(name, node, scope, default, casts.get(kind, "")), casts.get(kind, ""))


def is_settings_class(made: ClassValue) -> bool:
    """Whether a class reads its fields from the environment, as those of pydantic do."""
    return any(base in ("pydantic_settings.BaseSettings", "pydantic.BaseSettings") for base in made.bases)
