# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment variables as systemd's EnvironmentFile= reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["environment_file", "environment_values"]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# systemd drops a variable whose value has a control character other than these.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def environment_values(variables: Mapping[str, Any], source: str) -> dict[str, str]:
    """Return the variables as strings, with C(True) and C(False) as Python writes them.

    Raises ValueError naming the variable, what is wrong with it and where it was set.
    """
    values = {}
    for name, value in variables.items():
        if not NAME.match(name):
            raise ValueError(
                f"{source}: {name!r} is not the name of an environment variable; "
                "use letters, digits and underscores, and do not begin with a digit"
            )
        if isinstance(value, (dict, list)) or value is None:
            raise ValueError(
                f"{source}: {name} is a {type(value).__name__}, not a text; give a string (for a "
                'structure, its JSON: "{{ value | to_json }}")'
            )
        text = str(value)
        if CONTROL.search(text):
            raise ValueError(f"{source}: {name} has a control character, which systemd does not pass on")
        values[name] = text
    return values


def environment_file(values: Mapping[str, str]) -> str:
    """Return the text of a file, one variable per line, from which systemd reads exactly these values."""
    escaped = ((name, re.sub(r'(["\\`$])', r"\\\1", value)) for name, value in sorted(values.items()))
    return "".join(f'{name}="{value}"\n' for name, value in escaped)
