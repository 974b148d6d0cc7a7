# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of expressions and of calls."""

from __future__ import annotations

import ast
import operator
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .calls import CONSTANTS, FUNCTIONS, database, method
from .findings import Place
from .readers import READER_CLASSES, READERS, UNSET, Readers, is_settings_class
from .tree import joined
from .values import (
    UNKNOWN,
    ClassValue,
    Dotted,
    Function,
    Instance,
    Lazy,
    MissingFile,
    Reader,
    Scope,
    in_source,
    known,
)

__all__ = ["Expressions", "truth_of"]

LARGEST: Final = 100_000
"""Characters or elements: nothing in settings is larger."""
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


class Expressions(Readers):
    """Expressions, under an environment."""

    _file_scope: Scope = Scope("")

    def run(self, file: str) -> Scope:
        """Read a module, once."""
        raise NotImplementedError

    def file_of(self, module: str, beside: str = "") -> str | None:
        """Return the file of a module."""
        raise NotImplementedError

    def _bind(self, target: ast.expr, value: Any, scope: Scope, line: int, names: tuple[str, ...] = ()) -> None:
        raise NotImplementedError

    def _note_missing(self, module: str, scope: Scope, line: int) -> None:
        raise NotImplementedError

    def _run_part(self, file: str, scope: Scope) -> None:
        raise NotImplementedError

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
        truth = truth_of(self.value(node.test, scope))
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
            truth = truth_of(value)
            if truth is None:
                unknown = True
            elif truth is stops:
                return value
        return UNKNOWN if unknown and not isinstance(value, str) else value

    def _of_unaryop(self, node: ast.UnaryOp, scope: Scope) -> Any:
        value = self.value(node.operand, scope)
        if isinstance(node.op, ast.Not):
            truth = truth_of(value)
            return UNKNOWN if truth is None else not truth
        return -value if isinstance(node.op, ast.USub) and isinstance(value, (int, float)) else UNKNOWN

    def _of_binop(self, node: ast.BinOp, scope: Scope) -> Any:
        return self._operate(node.op, self.value(node.left, scope), self.value(node.right, scope))

    def _operate(self, kind: ast.operator, left: Any, right: Any) -> Any:
        if _too_large(kind, left, right):
            return UNKNOWN
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
            if all(truth_of(self.value(test, inner)) is not False for test in generator.ifs):
                found.append(self.value(node.elt, inner))
        return found

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

    _of_tuple = _of_list
    _of_set = _of_list
    _of_generatorexp = _of_listcomp
    _of_setcomp = _of_listcomp

    # Calls

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
            if is_settings_class(called):
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
            truth = truth_of(first)
            return UNKNOWN if truth is None else truth
        if name == "map" and len(arguments) == 2 and isinstance(arguments[1], list):
            return [self._call(first, [one], {}, node, scope) for one in arguments[1]]
        if name == "filter" and len(arguments) == 2 and isinstance(arguments[1], list):
            if first is None:
                return [one for one in arguments[1] if truth_of(one) is not False]
            return [one for one in arguments[1] if truth_of(self._call(first, [one], {}, node, scope)) is not False]
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
                self._run_part(name, scope)


def _too_large(kind: ast.operator, left: Any, right: Any) -> bool:
    """Whether a result would take more memory than settings ever do."""
    sizes = [len(value) for value in (left, right) if isinstance(value, (str, bytes, list, dict))]
    if isinstance(kind, ast.Mult) and sizes:
        factors = [value for value in (left, right) if isinstance(value, int)]
        return any(size * factor > LARGEST for size in sizes for factor in factors)
    return sum(sizes) > LARGEST or any(isinstance(value, int) and abs(value) > 10**30 for value in (left, right))


def truth_of(value: Any) -> bool | None:
    """Return whether a value is true; None if it cannot be told."""
    if isinstance(value, (list, dict)):
        return bool(value)
    return bool(value) if known(value) else None
