# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of a site on all its hosts, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .text import table, wrapped

__all__ = ["report"]

RUNNING: Final = ("host", "state", "workers", "memory", "answers in")
LIVE: Final = ("host", "slot", "release", "since (UTC)", "by")
SERVICES: Final = ("host", "service", "state", "use")
SCHEDULES: Final = ("host", "schedule", "state", "last run (UTC)", "next run")
PROCESSES: Final = ("host", "process", "state", "restarts", "memory")
UNREACHABLE: Final = "unreachable"


def report(statuses: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out the results of the module status by host; a host that was not reached has an empty one.

    Two tables, how the site runs and what is live, since one does not fit 80 columns; one each of its background
    processes, the services that it has on its hosts and its commands by calendar, if any; then what is wrong.
    """
    processes = [row for host, status in statuses.items() for row in _processes(host, status)]
    services = [row for host, status in statuses.items() for row in _services(host, status)]
    schedules = [row for host, status in statuses.items() for row in _schedules(host, status)]
    live = [_live(host, status) for host, status in statuses.items() if status and status["slot"]]
    sections = [
        table([RUNNING, *(_running(host, status) for host, status in statuses.items())]),
        table([LIVE, *live]) if live else [],
        table([PROCESSES, *processes]) if processes else [],
        table([SERVICES, *services]) if services else [],
        table([SCHEDULES, *schedules]) if schedules else [],
        [line for host, status in statuses.items() for line in _sentences(host, status)],
        [_verdict(statuses)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _running(host: str, status: Mapping[str, Any]) -> tuple[str, ...]:
    if not status:
        return (host, UNREACHABLE, *[""] * (len(RUNNING) - 2))
    running, planned = status["workers"]["running"], status["workers"]["planned"]
    response = status["response_ms"]["proxy"]
    return (
        host,
        status["state"],
        f"{running} of {planned}" if planned is not None else str(running),
        _memory(status["memory_mb"]),
        "-" if response is None else f"{response:.0f} ms",
    )


def _memory(found: Mapping[str, float | None]) -> str:
    now, most = found["now"], found["most"]
    return "-" if now is None else f"{now:.0f} MB" if most is None else f"{now:.0f} of {most:.0f} MB"


def _live(host: str, status: Mapping[str, Any]) -> tuple[str, ...]:
    return (host, status["slot"], status["release"] or "-", _minute(status["since"]), status["by"] or "-")


def _minute(time: str | None) -> str:
    return (time or "-")[: len("2026-11-27T08:12")].replace("T", " ")


def _processes(host: str, status: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for found in status.get("processes", ()):
        # All units begin with the name of the site. The slot is named unless it is the live one.
        process = found["unit"].removeprefix(f"{status['site']}-").removesuffix(".service")
        process = process.removesuffix(f"@{status['slot']}")
        yield (host, process, found["state"], str(found["restarts"]), _memory(found["memory_mb"]))


def _services(host: str, status: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for found in status.get("services", ()):
        yield (host, found["service"], found["state"], found["use"] or "-")


def _schedules(host: str, status: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for found in status.get("schedules", ()):
        yield (host, found["schedule"], found["state"], _minute(found["last"]), _minute(found["next"]))


def _sentences(host: str, status: Mapping[str, Any]) -> Iterator[str]:
    if not status:
        yield wrapped(f"{host}: could not be reached or inspected", "! ", "    ")
    for sentence in status.get("complaints", ()):
        yield wrapped(f"{host}: {sentence}", "! ", "    ")
    for sentence in status.get("notes", ()):
        yield wrapped(f"{host}: {sentence}", "  ", "    ")


def _verdict(statuses: Mapping[str, Mapping[str, Any]]) -> str:
    ill = sum(not status.get("healthy") for status in statuses.values())
    return f"Attention is needed on {ill} of {len(statuses)} hosts." if ill else "All is well."
