# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a build as a user writes them, and in full."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ansible_collections.pitcrew.django.plugins.module_utils.build_steps import PRESETS

__all__ = ["KEYS", "MEMORY", "TIMEOUT", "Step", "steps"]

TIMEOUT: Final = 900
"""How many seconds a step may take, unless it says otherwise."""
MEMORY: Final = "50%"
"""How much memory a step may take, in systemd's notation, unless it says otherwise."""
KEYS: Final = ("command", "preset", "directory", "network", "environment", "timeout", "memory")
NODE_PROGRAMS: Final = re.compile(r"(?:^|[\s;&|(])(?:node|npm|npx)(?:\s|$)")


@dataclass(frozen=True)
class Step:
    """A step in full: a command or a preset, and how it runs.

    `directory` is relative to the project, `timeout` in seconds; `packages` are what it needs of the distribution, and
    `node` is whether it needs Node.
    """

    command: str = ""
    preset: str = ""
    directory: str = ""
    network: bool = False
    environment: Mapping[str, Any] = field(default_factory=dict)
    timeout: int = TIMEOUT
    memory: str = MEMORY
    packages: tuple[str, ...] = ()
    node: bool = False


def steps(build: Iterable[Any]) -> list[Step]:
    """Write steps in full. They have been validated."""
    return [_step({"preset" if one in PRESETS else "command": one} if isinstance(one, str) else one) for one in build]


def _step(given: Mapping[str, Any]) -> Step:
    preset = PRESETS.get(str(given.get("preset") or ""))
    command = str(given.get("command") or "")
    return Step(
        command=command,
        preset=str(given.get("preset") or ""),
        directory=str(given.get("directory") or "").rstrip("/"),
        network=bool(given.get("network", preset.network if preset else False)),
        environment={str(name): value for name, value in (given.get("environment") or {}).items()},
        timeout=int(given.get("timeout", TIMEOUT)),
        memory=str(given.get("memory", MEMORY)),
        packages=preset.packages if preset else (),
        node=preset.node if preset else bool(NODE_PROGRAMS.search(command)),
    )
