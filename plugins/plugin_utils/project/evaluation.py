# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads modules of a source as Python would run them, without running anything: what cannot be told is UNKNOWN.

Names are bound in order. Of an `if` whose condition is known, one branch counts, and the other is read for the
variables that it would take from the environment. What both branches bind, the first one decides. Functions of the
source are followed, such as those that read the environment.
"""

from __future__ import annotations

import ast
import posixpath
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from .expressions import Expressions, truth_of
from .findings import Place
from .readers import Exhausted, Raised, Returned, is_settings_class
from .tree import joined
from .values import (
    APP,
    UNKNOWN,
    ClassValue,
    Dotted,
    Function,
    Instance,
    Lazy,
    MissingModule,
    Reader,
    Scope,
    known,
)

__all__ = ["Evaluation"]

DEEPEST: Final = 40
UNFOLLOWED: Final = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
"""What a value of an unexpected kind leads to here: the statement is left out."""


class Evaluation(Expressions):
    """The modules of a source under one environment; `roots` are the directories that its imports start from."""

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
                with suppress(Returned, Raised, *UNFOLLOWED):
                    self._statements([statement], scope)
        except (Exhausted, RecursionError):
            pass  # What was bound before that still counts.
        finally:
            self._depth -= 1
            self._catching = outer
        return scope

    def follow(self, statements: Iterable[ast.stmt], scope: Scope) -> None:
        """Read statements as far as they can be read."""
        for statement in statements:
            with suppress(Returned, Raised, Exhausted, RecursionError, *UNFOLLOWED):
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

    def _statements(self, statements: Iterable[ast.stmt], scope: Scope) -> None:
        for statement in statements:
            self._step()
            handler = getattr(self, f"_do_{type(statement).__name__.lower()}", None)
            if handler is not None:
                handler(statement, scope)

    def _do_expr(self, node: ast.Expr, scope: Scope) -> None:
        self.value(node.value, scope)

    def _do_return(self, node: ast.Return, scope: Scope) -> None:
        raise Returned(self.value(node.value, scope) if node.value else None)

    def _do_raise(self, node: ast.Raise, scope: Scope) -> None:
        raise Raised

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
        if is_settings_class(made):
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
        truth = truth_of(condition)
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
            except Returned as returned:
                if known(returned.value) and returned.value is not None:
                    raise
                continue
            except Raised:
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
        except (Returned, Raised):
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
        except Raised:
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
            if any(
                alias.name != "*" and self.file_of(_submodule(name, alias.name), scope.file) for alias in node.names
            ):
                for alias in node.names:
                    if found := self.file_of(_submodule(name, alias.name), scope.file):
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
            below = self.file_of(_submodule(name, alias.name), scope.file)
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
        if first in sys.stdlib_module_names:
            return
        local = re.fullmatch(r"(local|private|secrets?|site|my|user)?_?(settings|config|configuration|secrets?|conf)_?"
                             r"(local|private|secrets?|site|production|prod)?", first)  # fmt: skip
        if own or local:
            missing = MissingModule(module, Place(scope.file, line), bool(self._catching))
            if missing not in self.missing:
                self.missing.append(missing)
            if self._catching:
                raise Raised

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
        except Returned as returned:
            return returned.value
        except Raised:
            if self._catching:
                raise
            return UNKNOWN
        finally:
            self._depth -= 1
            self._called_at = outer
        return None

    def _run_part(self, file: str, scope: Scope) -> None:
        """Read a file into the scope of another one."""
        if (tree := self.tree.parsed(file)) is not None:
            outer, scope.file = scope.file, file
            self._statements(tree.body, scope)
            scope.file = outer


def _submodule(module: str, name: str) -> str:
    return f"{module}{name}" if module.endswith(".") else f"{module}.{name}"


def _is_main(node: ast.expr) -> bool:
    return "__name__" in ast.unparse(node)


def _loaded(target: ast.expr) -> ast.expr:
    """Return the target of an assignment as an expression to read."""
    return ast.parse(ast.unparse(target), mode="eval").body
