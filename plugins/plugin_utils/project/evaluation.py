# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads modules of a source as Python would run them, without running anything: what cannot be told is UNKNOWN.

Names are bound in order. Of an `if` whose condition is known, one branch counts, and the other is read for the
variables that it would take from the environment. What both branches bind, the first one decides. Functions of the
source are followed, such as those that read the environment.
"""

from __future__ import annotations

import ast
import operator
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from .calls import CONSTANTS, FUNCTIONS, cast, cast_name, database, method
from .findings import Place
from .tree import Tree, joined
from .values import (
    APP,
    UNKNOWN,
    ClassValue,
    Dotted,
    Function,
    Instance,
    Lazy,
    MissingFile,
    MissingModule,
    Read,
    Reader,
    Scope,
    in_source,
    known,
)

__all__ = ["Evaluation"]

MOST_STEPS: Final = 400_000
DEEPEST: Final = 40
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
OPERATORS: Final[Mapping[type[ast.AST], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitOr: operator.or_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: lambda one, other: one is other,
    ast.IsNot: lambda one, other: one is not other,
    ast.In: lambda one, other: one in other,
    ast.NotIn: lambda one, other: one not in other,
}
UNSET: Final = object()


class _Exhausted(Exception):
    """The module is too large to be followed to its end."""


class _Returned(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _Raised(Exception):
    """The source raises an exception here."""


class _MissingVariable(_Raised):
    """A variable of the environment is not set."""


class Evaluation:
    """The modules of a source under one environment; `roots` are the directories that its imports start from."""

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

    # Modules

    def file_of(self, module: str, beside: str = "") -> str | None:
        """Return the file of a module by its full name, or of a relative one, which begins with dots."""
        dots = len(module) - len(module.lstrip("."))
        parts = [part for part in module[dots:].split(".") if part]
        directories = self.roots
        if dots:
            directories = [joined(posixpath.dirname(beside), *[".."] * (dots - 1))]
        for directory in directories:
            path = joined(directory, *parts)
            for name in (f"{path}.py", joined(path, "__init__.py")):
                if name in self.tree.names:
                    return name
        return None

    def run(self, file: str) -> Scope:
        """Read a module, once."""
        if file in self.modules:
            return self.modules[file]
        scope = self.modules[file] = Scope(file)
        scope.values |= {"__file__": f"{APP}/{file}", "__name__": file.removesuffix(".py").replace("/", ".")}
        tree = self.tree.parsed(file)
        if tree is None or self._depth > DEEPEST:
            return scope
        self._depth += 1
        outer, self._catching = self._catching, 0
        try:
            for statement in tree.body:
                # What it needs to get past an exception, the inventory will set.
                with suppress(_Returned, _Raised):
                    self._statements([statement], scope)
        except (_Exhausted, RecursionError):
            pass  # What was bound before that still counts.
        finally:
            self._depth -= 1
            self._catching = outer
        return scope

    def follow(self, statements: Iterable[ast.stmt], scope: Scope) -> None:
        """Read statements as far as they can be read."""
        for statement in statements:
            with suppress(_Returned, _Raised, _Exhausted, RecursionError):
                self._statements([statement], scope)

    def configured(self, scope: Scope, name: str) -> Scope:
        """Return the settings of a class of django-configurations: its own before those of its bases in the source."""
        made = scope.get(name)
        settings = scope.copy()
        for one in reversed(self._with_bases(made) if isinstance(made, ClassValue) else []):
            inner = Scope(one.scope.file, one.scope, dict(settings.values), settings.places, settings.reads)
            self.follow(one.node.body, inner)
            settings.values |= {key: value for key, value in inner.values.items() if key.isupper()}
        return settings

    def _with_bases(self, made: ClassValue) -> list[ClassValue]:
        found = [made]
        for base in made.node.bases:
            value = self.value(base, made.scope)
            found += self._with_bases(value) if isinstance(value, ClassValue) else []
        return list(dict.fromkeys(found))

    # Statements

    def _statements(self, statements: Iterable[ast.stmt], scope: Scope) -> None:
        for statement in statements:
            self._step()
            handler = getattr(self, f"_do_{type(statement).__name__.lower()}", None)
            if handler is not None:
                handler(statement, scope)

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise _Exhausted

    def _do_expr(self, node: ast.Expr, scope: Scope) -> None:
        self.value(node.value, scope)

    def _do_return(self, node: ast.Return, scope: Scope) -> None:
        raise _Returned(self.value(node.value, scope) if node.value else None)

    def _do_raise(self, node: ast.Raise, scope: Scope) -> None:
        raise _Raised

    def _do_functiondef(self, node: ast.FunctionDef, scope: Scope) -> None:
        scope.values[node.name] = Function(node, scope)

    def _do_asyncfunctiondef(self, node: ast.AsyncFunctionDef, scope: Scope) -> None:
        scope.values[node.name] = Function(node, scope)

    def _do_classdef(self, node: ast.ClassDef, scope: Scope) -> None:
        bases: list[str] = []
        for base in node.bases:
            found = self.value(base, scope)
            bases += found.bases if isinstance(found, ClassValue) else []
            bases += [found.name] if isinstance(found, Dotted) else []
        made = scope.values[node.name] = ClassValue(node, scope, tuple(bases))
        if _is_settings_class(made):
            scope.values[node.name] = made
            self._fields(made)

    def _do_assign(self, node: ast.Assign, scope: Scope) -> None:
        name = next((target.id for target in node.targets if isinstance(target, ast.Name)), "")
        value, names = self._traced(node.value, scope, name)
        for target in node.targets:
            self._bind(target, value, scope, node.lineno, names)

    def _do_annassign(self, node: ast.AnnAssign, scope: Scope) -> None:
        if node.value is not None:
            name = node.target.id if isinstance(node.target, ast.Name) else ""
            value, names = self._traced(node.value, scope, name)
            self._bind(node.target, value, scope, node.lineno, names)

    def _do_augassign(self, node: ast.AugAssign, scope: Scope) -> None:
        before = self.value(_loaded(node.target), scope)
        name = node.target.id if isinstance(node.target, ast.Name) else ""
        added, names = self._traced(node.value, scope, name)
        if isinstance(before, list) and isinstance(added, list) and isinstance(node.op, ast.Add):
            self._bind(node.target, [*before, *added], scope, node.lineno, names)
        elif not (isinstance(before, list) and added is UNKNOWN):
            self._bind(node.target, self._operate(node.op, before, added), scope, node.lineno, names)

    def _traced(self, node: ast.expr, scope: Scope, setting: str) -> tuple[Any, tuple[str, ...]]:
        """Return a value, and the names of the environment variables that are read for it."""
        outer, self._setting = self._setting, setting if setting.isupper() else self._setting
        first = len(self.reads)
        try:
            value = self.value(node, scope)
        finally:
            self._setting = outer
        names = [read.name for read in self.reads[first:]]
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                names += scope.reads.get(part.id, ())
        return value, tuple(dict.fromkeys(names))

    def _bind(self, target: ast.expr, value: Any, scope: Scope, line: int, names: tuple[str, ...] = ()) -> None:
        if isinstance(target, ast.Name):
            scope.values[target.id] = value
            scope.places[target.id] = Place(scope.file, line)
            scope.reads[target.id] = names
            scope.conditional.discard(target.id)
        elif isinstance(target, (ast.Tuple, ast.List)):
            values = (
                value if isinstance(value, list) and len(value) == len(target.elts) else [UNKNOWN] * len(target.elts)
            )
            for one, part in zip(target.elts, values, strict=True):
                self._bind(one, part, scope, line, names)
        elif isinstance(target, ast.Subscript):
            base, key = self.value(target.value, scope), self.value(target.slice, scope)
            if isinstance(base, dict) and isinstance(key, (str, int)):
                base[key] = value
                if isinstance(target.value, ast.Name):
                    before = scope.reads.get(target.value.id, ())
                    scope.reads[target.value.id] = (*before, *names)
            elif base == Dotted("os.environ") and isinstance(key, str) and isinstance(value, str):
                self.environment.setdefault(key, value)

    def _do_if(self, node: ast.If, scope: Scope) -> None:
        first = len(self.reads)
        condition = self.value(node.test, scope)
        truth = _truth(condition)
        if truth and isinstance(node.body[-1], ast.Raise) and not self._catching:
            # Without this variable the source does not start, whatever its default.
            self.reads[first:] = [replace(read, required=not read.optional) for read in self.reads[first:]]
        if truth is None:
            self._both(node, scope)
            return
        taken, other = (node.body, node.orelse) if truth else (node.orelse, node.body)
        if not _is_main(node.test):
            self._observe(other, scope)
        self._statements(taken, scope)

    def _both(self, node: ast.If, scope: Scope) -> None:
        """Read both branches: of names that both bind, the first one with a known value counts."""
        before = dict(scope.values)
        results = []
        for branch in (node.body, node.orelse):
            trial = scope.copy()
            try:
                self._statements(branch, trial)
            except _Returned as returned:
                if known(returned.value) and returned.value is not None:
                    raise
                continue
            except _Raised:
                continue
            results.append(trial)
        for trial in reversed(results):
            for name, value in trial.values.items():
                if name not in before or value is not before[name]:
                    if value == UNKNOWN and known(scope.values.get(name, UNKNOWN)):
                        continue
                    if name in before and known(value) and known(before[name]) and value == before[name]:
                        continue
                    scope.values[name] = value
                    scope.places[name] = trial.places.get(name, Place(scope.file, node.lineno))
                    scope.reads[name] = trial.reads.get(name, ())
                    scope.conditional.add(name)

    def _observe(self, statements: Sequence[ast.stmt], scope: Scope) -> None:
        """Read statements that do not run by default, only for what they read from the environment."""
        if not statements or self._observing > 2:
            return
        self._observing += 1
        missing, additions, files = len(self.missing), len(self.path_additions), len(self.missing_files)
        try:
            self._statements(statements, scope.copy())
        except (_Returned, _Raised):
            pass
        finally:
            self._observing -= 1
            del self.missing[missing:], self.path_additions[additions:], self.missing_files[files:]

    def _do_try(self, node: ast.Try, scope: Scope) -> None:
        # What only raises another exception does not do without.
        if any(isinstance(part, ast.Raise) for handler in node.handlers for part in ast.walk(handler)):
            self._statements([*node.body, *node.orelse, *node.finalbody], scope)
            return
        self._catching += 1
        raised = False
        try:
            self._statements(node.body, scope)
        except _Raised:
            raised = True
        finally:
            self._catching -= 1
        if raised and node.handlers:
            self._statements(node.handlers[0].body, scope)
        elif not raised:
            self._statements(node.orelse, scope)
        self._statements(node.finalbody, scope)

    def _do_with(self, node: ast.With, scope: Scope) -> None:
        prefixes = []
        for item in node.items:
            opened = self.value(item.context_expr, scope)
            if item.optional_vars is not None:
                self._bind(item.optional_vars, opened, scope, node.lineno)
            if isinstance(opened, Instance) and "prefix" in opened.attributes:
                prefixes.append(opened.attributes["prefix"])
        before = dict(scope.values)
        for prefix in prefixes:
            for name, value in before.items():
                if isinstance(value, Reader):
                    scope.values[name] = Reader(value.kind, value.schemes, value.prefix + prefix)
        self._statements(node.body, scope)
        if prefixes:
            scope.values |= {name: value for name, value in before.items() if isinstance(value, Reader)}

    def _do_for(self, node: ast.For, scope: Scope) -> None:
        values = self.value(node.iter, scope)
        for value in (values if isinstance(values, list) else [])[:100]:
            self._bind(node.target, value, scope, node.lineno)
            self._statements(node.body, scope)
        if not isinstance(values, list):
            self._bind(node.target, UNKNOWN, scope, node.lineno)
            self._observe(node.body, scope)

    def _do_import(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            file = self.file_of(alias.name)
            name = alias.asname or alias.name.partition(".")[0]
            if file and alias.asname:
                scope.values[name] = Lazy(file)
            elif file and (first := self.file_of(name)):
                scope.values[name] = Lazy(first)
            else:
                self._note_missing(alias.name, scope, node.lineno)
                scope.values[name] = Dotted(alias.name if alias.asname else name)

    def _do_importfrom(self, node: ast.ImportFrom, scope: Scope) -> None:
        name = "." * node.level + (node.module or "")
        file = self.file_of(name, scope.file)
        if file is None:
            if any(alias.name != "*" and self.file_of(_sub(name, alias.name), scope.file) for alias in node.names):
                for alias in node.names:
                    if found := self.file_of(_sub(name, alias.name), scope.file):
                        scope.values[alias.asname or alias.name] = Lazy(found)
                return
            self._note_missing(name, scope, node.lineno)
            scope.values |= {
                alias.asname or alias.name: Dotted(f"{name}.{alias.name}") for alias in node.names if alias.name != "*"
            }
            return
        if [alias.name for alias in node.names] == ["*"]:
            module = self.run(file)
            for key, value in module.values.items():
                if not key.startswith("_"):
                    scope.values[key] = value
                    scope.reads[key] = module.reads.get(key, ())
                    if key in module.places:
                        scope.places[key] = module.places[key]
                    if key in module.conditional:
                        scope.conditional.add(key)
            return
        for alias in node.names:
            key = alias.asname or alias.name
            below = self.file_of(_sub(name, alias.name), scope.file)
            module = self.run(file)
            if below and not module.knows(alias.name):
                scope.values[key] = Lazy(below)
            else:
                scope.values[key] = module.get(alias.name)
                scope.reads[key] = module.reads.get(alias.name, ())
                if alias.name in module.places:
                    scope.places[key] = module.places[alias.name]

    def _note_missing(self, module: str, scope: Scope, line: int) -> None:
        """Remember a module of the project that is not in the source; in a `try`, the source goes on without it."""
        first = module.lstrip(".").partition(".")[0]
        own = module.startswith(".") or any(
            name in self.tree.directories or f"{name}.py" in self.tree.names
            for name in (joined(root, first) for root in self.roots)
        )
        local = re.fullmatch(r"(local|private|secrets?|site|my|user)?_?(settings|config|configuration|secrets?|conf)_?"
                             r"(local|private|secrets?|site|production|prod)?", first)  # fmt: skip
        if own or local:
            missing = MissingModule(module, Place(scope.file, line), bool(self._catching))
            if missing not in self.missing:
                self.missing.append(missing)
            if self._catching:
                raise _Raised

    # Expressions

    def value(self, node: ast.AST, scope: Scope) -> Any:
        """Return the value of an expression; UNKNOWN if it cannot be told."""
        self._step()
        handler = getattr(self, f"_of_{type(node).__name__.lower()}", None)
        return UNKNOWN if handler is None else handler(node, scope)

    def _of_constant(self, node: ast.Constant, scope: Scope) -> Any:
        return node.value

    def _of_name(self, node: ast.Name, scope: Scope) -> Any:
        if scope.knows(node.id):
            return scope.get(node.id)
        return Dotted(node.id)

    def _of_list(self, node: ast.List | ast.Tuple | ast.Set, scope: Scope) -> list[Any]:
        values: list[Any] = []
        for element in node.elts:
            if isinstance(element, ast.Starred):
                inner = self.value(element.value, scope)
                values += inner if isinstance(inner, list) else [UNKNOWN]
            else:
                values.append(self.value(element, scope))
        return values

    _of_tuple = _of_list
    _of_set = _of_list

    def _of_dict(self, node: ast.Dict, scope: Scope) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            found = self.value(value, scope)
            if key is None:
                values |= found if isinstance(found, dict) else {}
                continue
            name = self.value(key, scope)
            if isinstance(name, (str, int, bool)):
                values[name] = found
        return values

    def _of_joinedstr(self, node: ast.JoinedStr, scope: Scope) -> Any:
        parts = []
        for part in node.values:
            value = self.value(part.value if isinstance(part, ast.FormattedValue) else part, scope)
            if not known(value):
                return UNKNOWN
            parts.append(str(value))
        return "".join(parts)

    def _of_ifexp(self, node: ast.IfExp, scope: Scope) -> Any:
        truth = _truth(self.value(node.test, scope))
        if truth is None:
            first, second = self.value(node.body, scope), self.value(node.orelse, scope)
            return first if known(first) else second
        return self.value(node.body if truth else node.orelse, scope)

    def _of_boolop(self, node: ast.BoolOp, scope: Scope) -> Any:
        stops = isinstance(node.op, ast.Or)
        value: Any = UNKNOWN
        unknown = False
        for operand in node.values:
            value = self.value(operand, scope)
            truth = _truth(value)
            if truth is None:
                unknown = True
            elif truth is stops:
                return value
        return UNKNOWN if unknown and not isinstance(value, str) else value

    def _of_unaryop(self, node: ast.UnaryOp, scope: Scope) -> Any:
        value = self.value(node.operand, scope)
        if isinstance(node.op, ast.Not):
            truth = _truth(value)
            return UNKNOWN if truth is None else not truth
        return -value if isinstance(node.op, ast.USub) and isinstance(value, (int, float)) else UNKNOWN

    def _of_binop(self, node: ast.BinOp, scope: Scope) -> Any:
        return self._operate(node.op, self.value(node.left, scope), self.value(node.right, scope))

    def _operate(self, kind: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(left, str) and isinstance(right, str) and isinstance(kind, ast.Div):
            return posixpath.normpath(posixpath.join(left, right))
        if isinstance(left, str) and isinstance(right, int) and isinstance(kind, ast.Sub):
            return method(left, "ancestor", [right], {})  # A path of django-environ.
        if isinstance(left, list) and isinstance(right, list) and isinstance(kind, ast.Add):
            return [*left, *right]
        if isinstance(left, list) and right is UNKNOWN and isinstance(kind, ast.Add):
            return left
        if isinstance(left, dict) and isinstance(right, dict) and isinstance(kind, ast.BitOr):
            return {**left, **right}
        if isinstance(kind, ast.Mod) and isinstance(left, str) and isinstance(right, list):
            right = tuple(right)
        if not known(left) or not known(right) or isinstance(kind, ast.Pow):
            return UNKNOWN
        try:
            return OPERATORS[type(kind)](left, right)
        except Exception:
            return UNKNOWN

    def _of_compare(self, node: ast.Compare, scope: Scope) -> Any:
        left = self.value(node.left, scope)
        for kind, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.value(comparator, scope)
            found = self._compare(kind, left, right, node)
            if found is not True:
                return found
            left = right
        return True

    def _compare(self, kind: ast.cmpop, left: Any, right: Any, node: ast.Compare) -> Any:
        if isinstance(right, Dotted) and right.name == "os.environ" and isinstance(left, str):
            self._read(left, node, self._file_scope, default=None, required=False)
            present = left in self.environment
            return present if isinstance(kind, ast.In) else not present
        if isinstance(kind, (ast.Is, ast.IsNot)) and (left is None or right is None):
            other = right if left is None else left
            if not known(other) and not isinstance(other, (Dotted, Function, Reader, Instance, Lazy)):
                return UNKNOWN
            return (other is None) is isinstance(kind, ast.Is)
        if not known(left) or not known(right):
            return UNKNOWN
        try:
            return bool(OPERATORS[type(kind)](left, right))
        except Exception:
            return UNKNOWN

    def _of_subscript(self, node: ast.Subscript, scope: Scope) -> Any:
        base, key = self.value(node.value, scope), self.value(node.slice, scope)
        if isinstance(base, Dotted) and base.name == "os.environ":
            return self._variable(key, node, scope, UNSET) if isinstance(key, str) else UNKNOWN
        if isinstance(base, Reader) and isinstance(key, str):
            return self._variable(base.prefix + key, node, scope, UNSET)
        if isinstance(base, (str, list, dict)) and (known(key) or isinstance(key, slice)):
            try:
                return base[key]
            except Exception:
                return UNKNOWN
        # The ancestors of a path: parents[1].
        if isinstance(base, Instance) and "parents" in base.attributes and isinstance(key, int):
            return method(base.attributes["parents"], "ancestor", [key + 1], {})
        return UNKNOWN

    def _of_slice(self, node: ast.Slice, scope: Scope) -> Any:
        parts = [self.value(part, scope) if part else None for part in (node.lower, node.upper, node.step)]
        return slice(*parts) if all(part is None or isinstance(part, int) for part in parts) else UNKNOWN

    def _of_attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        return self._attribute(self.value(node.value, scope), node.attr)

    def _attribute(self, base: Any, name: str) -> Any:
        if isinstance(base, Dotted):
            full = f"{base.name}.{name}"
            found = CONSTANTS.get(full, UNSET)
            return Dotted(full) if found is UNSET else found
        if isinstance(base, Lazy):
            module = self.run(base.file)
            if module.knows(name):
                return module.get(name)
            below = joined(posixpath.dirname(base.file), name)
            files = [file for file in (f"{below}.py", f"{below}/__init__.py") if file in self.tree.names]
            return Lazy(files[0]) if files and base.file.endswith("__init__.py") else UNKNOWN
        if isinstance(base, Instance):
            return base.attributes.get(name, UNKNOWN)
        if isinstance(base, str):
            if name == "parent":
                return method(base, "ancestor", [1], {})
            if name == "parents":
                return Instance({"parents": base})
            if name in ("name", "stem"):
                last = posixpath.basename(base)
                return last if name == "name" else posixpath.splitext(last)[0]
            if name == "root":
                return base
        return UNKNOWN

    def _of_lambda(self, node: ast.Lambda, scope: Scope) -> Any:
        return Function(node, scope)

    def _of_namedexpr(self, node: ast.NamedExpr, scope: Scope) -> Any:
        value = self.value(node.value, scope)
        self._bind(node.target, value, scope, node.lineno)
        return value

    def _of_listcomp(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp, scope: Scope) -> Any:
        if len(node.generators) != 1:
            return UNKNOWN
        (generator,) = node.generators
        values = self.value(generator.iter, scope)
        if not isinstance(values, list):
            return UNKNOWN
        found = []
        for value in values[:500]:
            inner = Scope(scope.file, scope)
            self._bind(generator.target, value, inner, node.lineno)
            if all(_truth(self.value(test, inner)) is not False for test in generator.ifs):
                found.append(self.value(node.elt, inner))
        return found

    _of_generatorexp = _of_listcomp
    _of_setcomp = _of_listcomp

    def _of_call(self, node: ast.Call, scope: Scope) -> Any:
        arguments: list[Any] = []
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                inner = self.value(argument.value, scope)
                arguments += inner if isinstance(inner, list) else [UNKNOWN]
            else:
                arguments.append(self.value(argument, scope))
        options: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value, scope)
            if keyword.arg is not None:
                options[keyword.arg] = value
            elif isinstance(value, dict):
                options |= {key: part for key, part in value.items() if isinstance(key, str)}
        if isinstance(node.func, ast.Attribute):
            base = self.value(node.func.value, scope)
            if not isinstance(base, (Dotted, Lazy)):
                return self._call_method(base, node.func.attr, arguments, options, node, scope)
            return self._call(self._attribute(base, node.func.attr), arguments, options, node, scope)
        return self._call(self.value(node.func, scope), arguments, options, node, scope)

    # Calls

    _file_scope: Scope = Scope("")

    def _call(self, called: Any, arguments: list[Any], options: dict[str, Any], node: ast.Call, scope: Scope) -> Any:
        self._file_scope = scope
        if isinstance(called, Dotted):
            return self._call_dotted(called.name, arguments, options, node, scope)
        if isinstance(called, Function):
            return self._follow(called, arguments, options, node, scope)
        if isinstance(called, Reader):
            return self._read_by(called, "", arguments, options, node, scope)
        if isinstance(called, str):  # A path of django-environ: root("media").
            return method(called, "joinpath", arguments, {})
        if isinstance(called, ClassValue):
            if _is_settings_class(called):
                return Instance(self._fields(called))
            kind = next((READER_CLASSES[base] for base in called.bases if base in READER_CLASSES), "")
            if kind:
                return Reader(kind)
        return UNKNOWN

    def _call_method(
        self, base: Any, name: str, arguments: list[Any], options: dict[str, Any], node: ast.Call, scope: Scope
    ) -> Any:
        self._file_scope = scope
        if isinstance(base, Reader):
            return self._read_by(base, name, arguments, options, node, scope)
        path = in_source(base)
        if path is not None and name in ("exists", "is_file", "is_dir"):
            return self.tree.has(path)
        if path is not None and name == "read_text" and (text := self.tree.read(path)) is not None:
            return text
        if name in ("open", "read_text", "read_bytes"):
            self._open(base, node, scope)
            return UNKNOWN
        if isinstance(base, Instance) and isinstance(base.attributes.get(name), Function):
            return self._follow(base.attributes[name], arguments, options, node, scope)
        found = method(base, name, arguments, options)
        if isinstance(base, dict) and name == "update" and isinstance(node.func, ast.Attribute):
            return None
        return found

    def _call_dotted(
        self, name: str, arguments: list[Any], options: dict[str, Any], node: ast.Call, scope: Scope
    ) -> Any:
        first = arguments[0] if arguments else None
        if name in ("os.environ.get", "os.getenv", "os.environ.pop", "os.environ.setdefault"):
            key = options.get("key", first)
            if not isinstance(key, str):
                return UNKNOWN
            default = arguments[1] if len(arguments) > 1 else options.get("default")
            if name.endswith("setdefault"):
                if isinstance(default, str):
                    self.environment.setdefault(key, default)
                return default
            return self._variable(key, node, scope, default)
        if name in READER_CLASSES:
            return Reader(READER_CLASSES[name], {key: value for key, value in options.items() if key.isupper()})
        if name in READERS:
            return self._read_by(Reader(READERS[name]), "", arguments, options, node, scope)
        if name == "dj_database_url.config":
            given = options.get("env", first)
            variable = given if isinstance(given, str) and re.fullmatch(r"\w+", given) else "DATABASE_URL"
            return database(self._variable(variable, node, scope, options.get("default"), "db") or "")
        if name.startswith("configurations.values."):
            return self._configured(name.rpartition(".")[2], arguments, options, node, scope)
        if name in ("os.path.exists", "os.path.isfile", "os.path.isdir"):
            path = in_source(first)
            return UNKNOWN if path is None else self.tree.has(path)
        if name in ("split_settings.tools.include", "split_settings.include"):
            self._include(arguments, scope)
            return None
        if name in ("split_settings.tools.optional", "decouple.Csv", "starlette.datastructures.CommaSeparatedStrings"):
            return first if name.endswith("optional") else Dotted(name)
        if name in ("sys.path.insert", "sys.path.append"):
            if arguments and (directory := in_source(arguments[-1])) is not None:
                self.path_additions.append(directory)
                self.roots.append(directory)
            return None
        if name in ("importlib.import_module", "__import__") and isinstance(first, str):
            file = self.file_of(first)
            if file is None:
                self._note_missing(first, scope, node.lineno)
            return Lazy(file) if file else UNKNOWN
        if name == "getattr" and len(arguments) > 1 and isinstance(arguments[1], str):
            found = self._attribute(first, arguments[1])
            return arguments[2] if found is UNKNOWN and len(arguments) > 2 else found
        if name in ("open", "io.open", "json.load", "yaml.safe_load", "codecs.open"):
            self._open(first, node, scope)
            return UNKNOWN
        if name in ("bool",) and arguments:
            truth = _truth(first)
            return UNKNOWN if truth is None else truth
        if name == "map" and len(arguments) == 2 and isinstance(arguments[1], list):
            return [self._call(first, [one], {}, node, scope) for one in arguments[1]]
        if name == "filter" and len(arguments) == 2 and isinstance(arguments[1], list):
            if first is None:
                return [one for one in arguments[1] if _truth(one) is not False]
            return [one for one in arguments[1] if _truth(self._call(first, [one], {}, node, scope)) is not False]
        if re.fullmatch(r"str\.(strip|lower|upper)", name) and isinstance(first, str):
            return method(first, name.partition(".")[2], [], {})
        function = FUNCTIONS.get(name)
        if name == "list" and isinstance(first, list):
            return list(first)
        if name == "dict":
            return {**(first if isinstance(first, dict) else {}), **options}
        if function is None or not known(arguments) or not known(list(options.values())):
            return UNKNOWN
        try:
            found = function(*arguments, **options)
        except Exception:
            return UNKNOWN
        return list(found) if isinstance(found, tuple) else found

    def _open(self, path: Any, node: ast.AST, scope: Scope) -> None:
        """Remember a file that is read and that the source does not have."""
        name = in_source(path)
        if isinstance(path, str) and path.startswith("/") and not (name is not None and self.tree.has(name)):
            place = self._called_at or Place(scope.file, getattr(node, "lineno", 0))
            self.missing_files.append(MissingFile(path if name is None else name, place, bool(self._catching)))

    def _include(self, patterns: Sequence[Any], scope: Scope) -> None:
        """Read the files that django-split-settings would include, in its order."""
        directory = posixpath.dirname(scope.file)
        for pattern in patterns:
            if not isinstance(pattern, str):
                continue
            expression = re.escape(joined(directory, pattern)).replace(r"\*", "[^/]*")
            for name in sorted(name for name in self.tree.names if re.fullmatch(expression, name)):
                if (tree := self.tree.parsed(name)) is not None:
                    outer, scope.file = scope.file, name
                    self._statements(tree.body, scope)
                    scope.file = outer

    def _follow(
        self, function: Function, arguments: list[Any], options: dict[str, Any], node: ast.Call, scope: Scope
    ) -> Any:
        """Return what a function of the source returns."""
        if self._depth > DEEPEST:
            return UNKNOWN
        inner = Scope(scope.file, function.scope)
        given = function.node.args
        names = [one.arg for one in (*given.posonlyargs, *given.args)]
        for name, default in zip(reversed(names), reversed(given.defaults), strict=False):
            inner.values[name] = self.value(default, function.scope)
        for one, option in zip(given.kwonlyargs, given.kw_defaults, strict=True):
            inner.values[one.arg] = self.value(option, function.scope) if option else UNKNOWN
        inner.values |= dict(zip(names, arguments, strict=False))
        if given.vararg:
            inner.values[given.vararg.arg] = arguments[len(names) :]
        inner.values |= options
        for name in names:
            inner.values.setdefault(name, UNKNOWN)
        self._depth += 1
        outer, self._called_at = self._called_at, self._called_at or Place(scope.file, node.lineno)
        try:
            if isinstance(function.node, ast.Lambda):
                return self.value(function.node.body, inner)
            self._statements(function.node.body, inner)
        except _Returned as returned:
            return returned.value
        except _Raised:
            if self._catching:
                raise
            return UNKNOWN
        finally:
            self._depth -= 1
            self._called_at = outer
        return None

    # The environment

    _called_at: Place | None = None

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
            raise _MissingVariable
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


def _sub(module: str, name: str) -> str:
    return f"{module}{name}" if module.endswith(".") else f"{module}.{name}"


def _truth(value: Any) -> bool | None:
    """Return whether a value is true; None if it cannot be told."""
    if isinstance(value, (list, dict)):
        return bool(value)
    return bool(value) if known(value) else None


def _is_main(node: ast.expr) -> bool:
    return "__name__" in ast.unparse(node)


def _is_settings_class(made: ClassValue) -> bool:
    return any(base in ("pydantic_settings.BaseSettings", "pydantic.BaseSettings") for base in made.bases)


def _loaded(target: ast.expr) -> ast.expr:
    """Return the target of an assignment as an expression to read."""
    return ast.parse(ast.unparse(target), mode="eval").body
