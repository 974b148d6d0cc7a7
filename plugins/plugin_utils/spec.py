# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether values are of the types that an argument specification says, more strictly than Ansible itself.

Ansible takes a list for a text, a text for a list and a number for a flag wherever it knows a way to convert it, and
then hands the value on unconverted. What counts here, too, is a number in a text, as C(--extra-vars name=7) gives it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

__all__ = ["complaints"]

SHOWN: Final = 60
FLAGS: Final = ("yes", "no", "on", "off", "true", "false")


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", value) is not None
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and float(value).is_integer()


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and value.lower() in FLAGS)


TYPES: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "str": ("a text without control characters", _is_text),
    "int": ("a whole number", _is_whole),
    "float": ("a number", _is_number),
    "bool": ("true or false", _is_flag),
    "list": ("a list", lambda value: isinstance(value, list)),
    "dict": ("a mapping", lambda value: isinstance(value, Mapping)),
}


def complaints(options: Mapping[str, Mapping[str, Any]], said: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that does not fit its option, or is missing; None is as good as not said.

    A value is shown, but not of an option whose name has to do with secrets.
    """
    for name, option in options.items():
        value = said.get(name)
        if value is None:
            if option.get("required"):
                yield f"{name}: missing, it has no default"
            continue
        expected, fits = TYPES[option["type"]]
        if not fits(value):
            yield f"{name}: expected {expected}, got {_shown(name, value)}"
        elif "choices" in option and value not in option["choices"]:
            yield f"{name}: expected one of {', '.join(filter(None, option['choices']))}, got {_shown(name, value)}"
        elif option["type"] == "list" and "elements" in option:
            expected, fits = TYPES[option["elements"]]
            if wrong := [element for element in value if not fits(element)]:
                yield f"{name}: expected a list in which each is {expected}, got {_shown(name, wrong[0])} in it"


def _shown(name: str, value: Any) -> str:
    if "secret" in name:
        return f"a {type(value).__name__}, which is not shown"
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
