# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a release cannot be built."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.output import excerpt

__all__ = ["BuildError"]


class BuildError(Exception):
    """The release cannot be built: the reason, what to do about it, and the output of the command that failed."""

    def __init__(
        self, reason: str, output: str, cures: Iterable[str] = (), inventory: Mapping[str, Any] | None = None
    ) -> None:
        text = "\n".join([f"{reason.rstrip('.')}.", *cures])
        if inventory:
            # In one piece, since several of them may be about the same variable.
            text = "\n".join([text, "", "To merge into the inventory:", *inventory_lines(inventory)])
        super().__init__(text)
        self.output = excerpt(output)


def inventory_lines(variables: Mapping[str, Any]) -> list[str]:
    """Write variables as they can be pasted into an inventory."""
    lines = []
    for name, value in variables.items():
        if isinstance(value, dict):
            lines += [f"{name}:", *(f"  {key}: {json.dumps(one)}" for key, one in value.items())]
        else:
            lines.append(f"{name}: {json.dumps(value)}")
    return lines
