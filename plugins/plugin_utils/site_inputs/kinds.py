# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values against the types that an argument specification gives, more strictly than Ansible itself.

Ansible takes a list for a text, a text for a list and a number for a flag wherever it knows a way to convert it, and
then hands the value on unconverted. What counts here, too, is a number in a text, as C(--extra-vars name=7) gives it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from .complaints import Complaint, shown
from .names import nearest
from .patterns import PATH, PATTERNS
from .specification import Option

__all__ = ["Checked", "check"]

TRUE: Final = ("yes", "on", "true")
FALSE: Final = ("no", "off", "false")


@dataclass(frozen=True)
class Checked:
    """A value as plain Python, None where it is not set or not usable, and what is wrong with it."""

    value: Any
    complaints: tuple[Complaint, ...] = ()


@dataclass(frozen=True)
class _Kind:
    """What a value of a type is called, how it is read (ValueError if it is not one), and how to write one."""

    problem: str
    cure: str
    read: Callable[[Any], Any]


def _number(value: Any) -> float | int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", value):
        return float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError
    return value


def _whole(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise ValueError
    return int(number)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return str(value)


def _flag(value: Any) -> bool:
    word = value.lower() if isinstance(value, str) else value
    if not isinstance(value, bool) and word not in (*TRUE, *FALSE):
        raise ValueError
    return value if isinstance(value, bool) else word in TRUE


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError
    return list(value)


def _mapping(value: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise ValueError
    return dict(value)


KINDS: Final[Mapping[str, _Kind]] = {
    "str": _Kind("is not text", "write it as text, in quotes", _text),
    "path": _Kind("is not text", "write it as text, in quotes", _text),
    "int": _Kind("is not a whole number", "write one, such as 4", _whole),
    "float": _Kind("is not a number", "write one, such as 0.5", _number),
    "bool": _Kind("is neither true nor false", "write one of the two", _flag),
    "list": _Kind("is not a list", "write one, as in [a, b]", _list),
    "dict": _Kind("is not a mapping", "write one, as in {NAME: value}", _mapping),
    "raw": _Kind("", "", lambda value: value),
}


def check(option: Option, value: Any) -> Checked:
    """Read a value of an option; None is a value that is not set."""
    if value is None:
        return _check_absence(option)
    kind = KINDS[option.type]
    seen = shown(value, option.secret)
    try:
        read = kind.read(value)
    except ValueError:
        return _wrong(option, f"{seen} {kind.problem}", _cure(option, kind, value))
    if isinstance(read, str) and re.search(r"[\x00-\x08\x0b-\x1f\x7f]", read):
        return _wrong(option, f"{seen} has control characters", "remove them")
    if option.choices and option.type != "list" and read not in option.choices:
        choices = ", ".join(str(choice) for choice in option.choices if choice != "")
        return _wrong(option, f"{seen} is not one of {choices}", "set one of them")
    if option.type == "list" and option.elements:
        return _check_elements(option, read)
    if option.type == "dict" and option.options:
        return _check_parts(option, read)
    return Checked(read)


def _cure(option: Option, kind: _Kind, value: Any) -> str:
    """What to write instead: with the value in it, where that shows what was meant."""
    text = "" if option.secret else str(value)
    if option.type in ("int", "float"):
        with_unit = re.fullmatch(r"([0-9]{1,9}) ?[A-Za-z]{1,9}", text)
        example = with_unit[1] if with_unit else option.default
        return f"write one, such as {example}" if isinstance(example, (str, int, float)) and example else kind.cure
    if option.type == "list" and isinstance(value, str):
        # Without scheme and path, which nothing in a list of one's own has.
        words = [re.sub(r"^[a-z]+://([^/]+).*", r"\1", word) for word in re.split(r"[,\s]+", text) if word]
        if words and all(re.fullmatch(r"[\w.*<>=!\[\]/:-]{1,60}", word) for word in words):
            return f"write one, as in [{', '.join(words)}]"
    pattern = PATTERNS.get(option.name)
    return pattern.cure if pattern and pattern.pattern == PATH else kind.cure


def _check_absence(option: Option) -> Checked:
    if option.required:
        cure = f"set it, as in {option.example}" if option.example else "set it"
        return _wrong(option, "is not set, and has no default", cure)
    if option.default is not None:
        return _wrong(option, "null is not allowed", f"leave it out for its default, {shown(option.default)}")
    return Checked(None)


def _check_elements(option: Option, elements: list[Any]) -> Checked:
    of = replace(option, type=option.elements or "raw", elements=None, required=True, default=None, example="")
    parts = [check(replace(of, name=f"{option.name}[{index}]"), element) for index, element in enumerate(elements)]
    return _whole_of([part.value for part in parts], parts)


def _check_parts(option: Option, given: dict[Any, Any]) -> Checked:
    unknown = list(_unknown_parts(option, given))
    parts = {
        name: check(replace(inner, name=f"{option.name}.{name}"), given.get(name, inner.default))
        for name, inner in option.options.items()
    }
    whole = _whole_of({name: part.value for name, part in parts.items()}, list(parts.values()))
    return Checked(None if unknown else whole.value, (*unknown, *whole.complaints))


def _unknown_parts(option: Option, given: Mapping[Any, Any]) -> Iterator[Complaint]:
    for name in given:
        if name not in option.options:
            near = nearest(str(name), option.options)
            cure = f"did you mean {near}?" if near else f"they are {', '.join(option.options)}"
            yield Complaint(option.name, f"{shown(name)} is not one of its keys", cure)


def _whole_of(value: Any, parts: list[Checked]) -> Checked:
    complaints = tuple(complaint for part in parts for complaint in part.complaints)
    return Checked(None if complaints else value, complaints)


def _wrong(option: Option, problem: str, cure: str) -> Checked:
    return Checked(None, (Complaint(option.name, problem, cure),))
