# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of all roles, as their argument specifications describe them, and the names that follow from options."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml

__all__ = ["Option", "Roles", "read_roles"]

ROLES: Final = ("site", "release", "gunicorn", "uwsgi", "nginx", "monitoring")
OWN: Final = "site_custom_variables"
# The fast one where PyYAML has been built with it; both read the same.
LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Option:
    """What a variable may be. A secret's value is never shown; `example` is a line that sets a required one."""

    name: str
    type: str = "str"
    elements: str | None = None
    required: bool = False
    default: Any = None
    choices: tuple[Any, ...] = ()
    secret: bool = False
    options: Mapping[str, Option] = field(default_factory=dict)
    example: str = ""

    @classmethod
    def of(cls, name: str, spec: Mapping[str, Any], example: str = "") -> Option:
        """Read an option of an argument specification."""
        return cls(
            name=name,
            type=spec.get("type", "str"),
            elements=spec.get("elements"),
            required=spec.get("required", False),
            default=spec.get("default"),
            choices=tuple(spec.get("choices", ())),
            secret=spec.get("no_log", False),
            options={key: cls.of(key, inner) for key, inner in spec.get("options", {}).items()},
            example=example,
        )


@dataclass(frozen=True)
class Roles:
    """Every option by its name, and the public names that the roles compute from options.

    `prefixes` are those of the names that count; without any, all do that belong to this collection.
    """

    options: Mapping[str, Option]
    computed: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    def of(self, roles: Collection[str]) -> Roles:
        """Give only the variables of these roles, and the list of the user's own; all, if no role is named."""
        prefixes = tuple(f"{role}_" for role in roles)
        kept = {name: option for name, option in self.options.items() if name.startswith(prefixes) or name == OWN}
        return replace(self, options=kept, prefixes=prefixes) if roles else self

    def requiring(self, names: Collection[str]) -> Roles:
        """Give the same with more options that are required."""
        required = {name: replace(self.options[name], required=True) for name in names}
        return replace(self, options={**self.options, **required})


def read_roles(directory: Path) -> Roles:
    """Read the specifications, and the names of the variables, of the roles in a directory."""
    options: dict[str, Option] = {}
    computed: set[str] = set()
    for role in ROLES:
        defaults = (directory / role / "defaults/main.yml").read_text(encoding="utf-8")
        # A variable without a default is shown there in a comment.
        examples = dict(re.findall(r"^# (\w+)(: .+)$", defaults, re.MULTILINE))
        points = _load(directory / role / "meta/argument_specs.yml")["argument_specs"].values()
        for name, spec in ((name, spec) for point in points for name, spec in point["options"].items()):
            options[name] = Option.of(name, spec, name + examples[name] if name in examples else "")
        computed.update(name for name in _load(directory / role / "vars/main.yml") or {} if not name.startswith("_"))
    return Roles(options, frozenset(computed))


def _load(path: Path) -> Any:
    if not path.exists():
        return {}
    return yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
