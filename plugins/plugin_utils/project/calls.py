# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What well-known functions return, for values that are known."""

from __future__ import annotations

import ast
import json
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from .values import APP, UNKNOWN, Dotted, known

__all__ = ["CONSTANTS", "FUNCTIONS", "cast", "cast_name", "database", "method"]

TRUE: Final = ("true", "on", "ok", "y", "yes", "1", "t")
FALSE: Final = ("false", "off", "n", "no", "0", "f", "")
ENGINES: Final[Mapping[str, str]] = {
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "pgsql": "postgresql",
    "psql": "postgresql",
    "postgis": "postgis",
    "mysql": "mysql",
    "mariadb": "mysql",
    "mysql2": "mysql",
    "sqlite": "sqlite3",
    "sqlite3": "sqlite3",
    "spatialite": "spatialite",
    "oracle": "oracle",
}

CONSTANTS: Final[Mapping[str, Any]] = {
    "sys.argv": ["manage.py", "check"],
    "sys.platform": "linux",
    "os.name": "posix",
    "os.sep": "/",
    "os.path.sep": "/",
    "typing.TYPE_CHECKING": False,
    "dj_database_url.DEFAULT_ENV": "DATABASE_URL",
}
"""Values that are the same on every host, or that are those of a deploy."""


def cast_name(value: Any) -> str:
    """Return the name of what a cast makes: str, int, bool, list and so on; empty if it is not known."""
    if isinstance(value, Dotted):
        name = value.name.rpartition(".")[2]
        return {"strtobool": "bool", "Csv": "list", "CommaSeparatedStrings": "list", "loads": "json"}.get(name, name)
    if isinstance(value, type):
        return value.__name__
    # Some write a list as [str].
    return "list" if isinstance(value, (list, tuple)) else ""


def cast(value: Any, name: str) -> Any:
    """Turn a text of the environment into what a cast makes of it; UNKNOWN where that fails."""
    if not isinstance(value, str):
        return value
    try:
        if name == "bool":
            word = value.strip().lower()
            return True if word in TRUE else False if word in FALSE else UNKNOWN
        if name in ("int", "float"):
            return {"int": int, "float": float}[name](value)
        if name in ("list", "tuple", "set", "CSV", "csv"):
            return [part.strip() for part in value.strip("[]()").split(",") if part.strip()]
        if name in ("json", "dict"):
            return json.loads(value)
        if name in ("db", "db_url", "dj_db_url"):
            return database(value)
        return value if name in ("", "str", "url", "path", "Path", "unicode") else UNKNOWN
    except (ValueError, TypeError):
        return UNKNOWN


def database(url: Any) -> Any:
    """Return the settings of a database that is given as a URL."""
    if not isinstance(url, str) or not url:
        return UNKNOWN if url else {}
    scheme = url.partition(":")[0]
    engine = ENGINES.get(scheme)
    if engine is None:
        return {"ENGINE": UNKNOWN, "NAME": UNKNOWN}
    if engine in ("sqlite3", "spatialite"):
        name = re.sub(r"^[a-z0-9]+:/{0,3}", "", url).partition("?")[0] or ":memory:"
        # Three slashes and a relative path, or four and an absolute one.
        name = f"/{name}" if url.startswith(f"{scheme}:////") or name.startswith(APP.lstrip("/")) else name
        return {"ENGINE": f"django.db.backends.{engine}", "NAME": re.sub("^/+", "/", name)}
    try:
        parts = urlsplit(url)
    except ValueError:
        return UNKNOWN
    module = "django.contrib.gis.db.backends" if engine == "postgis" else "django.db.backends"
    return {"ENGINE": f"{module}.{engine}", "NAME": unquote(parts.path.lstrip("/")), "HOST": parts.hostname or ""}


def _path(*parts: Any) -> Any:
    return posixpath.normpath(posixpath.join(*parts)) if parts else "."


def _parent(path: str) -> str:
    return posixpath.dirname(posixpath.normpath(path))


def _bool_of(value: Any) -> bool:
    word = str(value).strip().lower()
    if word not in (*TRUE, *FALSE):
        raise ValueError(word)
    return word in TRUE


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list,
    # What is known of a tuple is the same.
    "tuple": list,
    "set": lambda *of: list(dict.fromkeys(*of)) if of else [],
    "frozenset": lambda *of: list(dict.fromkeys(*of)) if of else [],
    "dict": dict,
    "len": len,
    "any": any,
    "all": all,
    "sorted": sorted,
    "min": min,
    "max": max,
    "sum": sum,
    "abs": abs,
    "json.loads": json.loads,
    "json.dumps": json.dumps,
    "ast.literal_eval": ast.literal_eval,
    "distutils.util.strtobool": _bool_of,
    "setuptools.distutils.util.strtobool": _bool_of,
    "os.path.join": _path,
    "os.path.dirname": _parent,
    "os.path.abspath": _path,
    "os.path.realpath": _path,
    "os.path.normpath": _path,
    "os.path.basename": posixpath.basename,
    "os.path.expanduser": _path,
    "os.fspath": str,
    "os.makedirs": lambda *_of, **_options: None,
    "pathlib.Path": _path,
    "pathlib.PosixPath": _path,
    "pathlib.PurePath": _path,
    "environ.Path": _path,
    "path.Path": _path,
    "unipath.Path": _path,
    "dj_database_url.parse": lambda url, *_more, **_options: database(url),
    "django.utils.translation.gettext_lazy": lambda text: text,
    "django.utils.translation.gettext": lambda text: text,
    "django.utils.translation.ugettext_lazy": lambda text: text,
    "django.urls.reverse_lazy": lambda *_of, **_options: UNKNOWN,
    "warnings.warn": lambda *_of, **_options: None,
    "print": lambda *_of, **_options: None,
}
"""Functions without side effects, by their full names; they get known values only."""


def _up(path: str, levels: int) -> str:
    for _level in range(levels):
        path = _parent(path)
    return path


PATHS: Final[Mapping[str, Callable[..., Any]]] = {
    **dict.fromkeys(("resolve", "absolute", "expanduser", "as_posix"), lambda path, *_of, **_options: _path(path)),
    **dict.fromkeys(("joinpath", "path", "child"), _path),
    "ancestor": _up,
    "with_suffix": lambda path, suffix: posixpath.splitext(path)[0] + suffix,
    "mkdir": lambda *_of, **_options: None,
    "touch": lambda *_of, **_options: None,
}
TEXTS: Final = (
    "split", "rsplit", "lower", "upper", "strip", "lstrip", "rstrip", "replace", "startswith", "endswith", "format",
    "join", "partition", "rpartition", "title", "casefold", "capitalize", "splitlines", "isdigit", "encode", "decode",
    "removeprefix", "removesuffix",
)  # fmt: skip
LISTS: Final = ("append", "extend", "insert", "remove", "index", "count", "copy", "pop", "add", "reverse", "sort")
MAPPINGS: Final = ("get", "update", "setdefault", "items", "keys", "values", "pop", "copy")


def method(base: Any, name: str, arguments: list[Any], options: dict[str, Any]) -> Any:
    """Call a method of a text, a path, a list or a mapping; lists and mappings change in place."""
    try:
        if isinstance(base, str) and name in PATHS and known(arguments):
            return PATHS[name](base, *arguments)
        if isinstance(base, (str, bytes)) and name in TEXTS and known(arguments):
            found = getattr(base, name)(*arguments, **options)
            return list(found) if isinstance(found, tuple) else found
        if isinstance(base, list) and name in LISTS:
            # A set is a list here, too.
            return getattr(base, "append" if name == "add" else name)(*arguments)
        if isinstance(base, dict) and name in MAPPINGS:
            found = getattr(base, name)(*arguments, **options)
            return [list(pair) if name == "items" else pair for pair in found] if _is_view(name) else found
    except Exception:  # Whatever a method of Python raises: then its value is not known.
        return UNKNOWN
    return UNKNOWN


def _is_view(name: str) -> bool:
    return name in ("items", "keys", "values")
