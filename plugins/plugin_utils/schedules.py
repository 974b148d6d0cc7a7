# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands by calendar: schedules as a user writes them, and in full."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .processes.quoting import systemd_words
from .site_inputs.kinds import check
from .site_inputs.specification import Option

__all__ = ["OPTIONS", "RESERVED", "Schedule", "schedules"]

OPTIONS: Final[Mapping[str, Option]] = {
    option.name: option
    for option in (
        Option("command", required=True, example="command: python manage.py clearsessions"),
        Option("calendar", required=True, example="calendar: daily"),
        Option("random_delay", type="int", default=60),
        Option("persistent", type="bool", default=True),
        Option("all_hosts", type="bool", default=False),
        Option("timeout", type="int", default=3600),
        Option("memory_mb", type="int"),
    )
}
"""The keys of a schedule; delays and time-outs are in seconds."""

RESERVED: Final = ("boot", "build", "liveness", "run", "waiting")
"""Names of units that a site has anyway: C(shop-boot.service) and the like."""


@dataclass(frozen=True)
class Schedule:
    """A schedule in full.

    `exec` are the words of its command as systemd takes them in ExecStart=, `words` as the command gets them.
    `random_delay` and `timeout` are in seconds; `memory_mb` is None where the plan decides.
    """

    schedule: str
    exec: str
    words: tuple[str, ...]
    calendar: str
    random_delay: int
    persistent: bool
    all_hosts: bool
    timeout: int
    memory_mb: int | None


def schedules(given: Mapping[str, Mapping[str, Any]], first_host: bool = True) -> Iterator[Schedule]:
    """Write schedules in full, those of a host: one that is not the first has only those for all hosts.

    They have been validated.
    """
    for name, keys in given.items():
        values = {key: check(option, keys.get(key, option.default)).value for key, option in OPTIONS.items()}
        command = str(values.pop("command"))
        if first_host or values["all_hosts"]:
            yield Schedule(
                schedule=str(name),
                exec=systemd_words(command),
                words=tuple(shlex.split(command)),
                **{**values, "calendar": " ".join(str(values["calendar"]).split())},
            )
