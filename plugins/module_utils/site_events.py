# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the journal of a site's units says about its last hours: tracebacks in groups, restarts, and ends of workers."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.discretion import discreet, printable
from ansible_collections.pitcrew.django.plugins.module_utils.output import LINKS, TRACEBACK, excerpt

__all__ = ["SiteEvents", "entries", "journal"]

FIELDS = (
    "MESSAGE",
    "MESSAGE_ID",
    "UNIT_RESULT",
    "EXIT_CODE",
    "_STREAM_ID",
    "_PID",
    "_SYSTEMD_UNIT",
    "__REALTIME_TIMESTAMP",
)

# systemd's own identifiers of its messages (sd-messages.h).
RESTART = "5eb03494b6584870a536b337290809b3"
OOM_KILL = "fe6faa94e7774663a0da52717891d8ef"
FAILED = "d9b373ed55a64feb8242e02dbe79a49c"

# Words of gunicorn 23 to 27 and of uWSGI 2.0. gunicorn also names SIGTERM, which is how a worker is asked to end.
RECYCLE = re.compile(r"Autorestarting worker after current request|The work of process \d+ is done")
TIMEOUT = re.compile(r"WORKER TIMEOUT \(pid: ?(\d+)\)|HARAKIRI ON WORKER \d+ \(pid: (\d+)")
KILLED = re.compile(r"Worker \(pid: ?(\d+)\) was sent (?!SIGTERM|SIGINT|SIGQUIT)|DAMN ! worker \d+ \(pid: (\d+)\) died")

# What the program of the process watch writes about the slot's unit, from a unit of its own.
HUNG = re.compile(r"Restarting \S+@\w+\.service: \d+ times in a row, ")

FRAME = re.compile(r'\s*(?:\| *)*File "([^"]+)", line \d+, in (.+)')
OF_THE_PROJECT = re.compile(r".*/releases/[^/]+/app/")
INSTALLED = re.compile(r".*/(?:site|dist)-packages/|.*/lib/python[0-9.]+/")
EXCEPTION = re.compile(r"([A-Za-z_][\w.]*)(?::\s?(.*))?$")
# Before each line of a group of exceptions.
MARGIN = re.compile(r" +\| ?")
REQUEST_ID = re.compile(r"\b[0-9a-f]{32}\b")

INNERMOST = 3
GROUPS = 100
EXAMPLES = 3
LONGEST_TRACEBACK = 2000
LINE_SHOWN = 500
UNFINISHED = 100
EVENTS_SHOWN = 50


def journal(units: Iterable[str], since: int, most: int) -> Iterator[str]:
    """The entries of units since a time, but at most the latest ones; those that systemd wrote about them included.

    It is read as it is written, since it may be long. Raises RuntimeError if it cannot be read.
    """
    command = [
        *("journalctl", *(f"--unit={unit}" for unit in units), f"--since=@{since}", f"--lines={most}"),
        *("--output=json", f"--output-fields={','.join(FIELDS)}", "--all", "--no-pager", "--quiet"),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace"
    ) as process:
        yield from process.stdout or ()
    if process.returncode:
        raise RuntimeError(f"journalctl exited with status {process.returncode}")


def entries(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Read what `journalctl --output=json` writes."""
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:  # journalctl was cut off.
            continue
        message = entry.get("MESSAGE")
        if isinstance(message, list):  # Bytes that are not UTF-8, or that have control characters among them.
            try:
                entry["MESSAGE"] = bytes(message).decode("utf-8", "replace")
            except (TypeError, ValueError):  # Several values of the field.
                continue
        elif not isinstance(message, str):
            continue
        yield entry


class Unfinished:
    """The lines of a traceback so far, and the line before them, which often names the request."""

    def __init__(self, at: float, introduction: str, line: str) -> None:
        self.at = at
        self.introduction = introduction
        self.lines = [line]
        self.ended = False
        self.indented = not line.startswith(TRACEBACK) and line[:1] in " +"

    def takes(self, line: str) -> bool:
        """Take the line if it belongs to the traceback; a chained exception does."""
        if len(self.lines) >= LONGEST_TRACEBACK:
            return False
        if self.ended:
            waiting = self.lines[-1] == "" or self.lines[-1] in LINKS
            if line == "" or line in LINKS or (waiting and line.endswith(TRACEBACK)):
                self.ended = not line.endswith(TRACEBACK)
            elif waiting or line[:1] not in (" ", "\t"):
                return False
        elif line[:1] not in (" ", "\t", ""):
            if self.indented:  # A group of exceptions, all of which is indented.
                return False
            self.ended = True
        self.lines.append(line)
        return True


class SiteEvents:
    """Events of both slots of a site."""

    def __init__(self) -> None:
        self.entries = 0
        self.events: dict[str, list[float]] = {
            name: []
            for name in (
                "recycles",
                "timeouts",
                "killed_workers",
                "restarts",
                "hung",
                "oom_kills",
                "gave_up",
            )
        }
        self.groups: dict[Any, dict[str, Any]] = {}
        self.tracebacks = 0
        self._unfinished: dict[str, Unfinished] = {}
        self._previous: dict[str, str] = {}
        self._timed_out: set[str] = set()

    def read(self, found: Iterable[Mapping[str, Any]]) -> None:
        """Take in entries of the journal, the oldest first."""
        for entry in found:
            self.entries += 1
            at = int(entry.get("__REALTIME_TIMESTAMP", 0)) / 1e6
            kind = entry.get("MESSAGE_ID")
            if kind == RESTART:
                self.events["restarts"].append(at)
            elif kind == OOM_KILL:
                self.events["oom_kills"].append(at)
            elif kind == FAILED and entry.get("UNIT_RESULT") == "start-limit-hit":
                self.events["gave_up"].append(at)
            elif str(entry.get("_SYSTEMD_UNIT")).endswith("-liveness.service"):
                if HUNG.match(entry["MESSAGE"]):
                    self.events["hung"].append(at)
            else:
                stream = str(entry.get("_STREAM_ID") or entry.get("_PID"))
                for line in entry["MESSAGE"].split("\n"):
                    self._see(stream, at, line.rstrip("\r"))
        for stream in list(self._unfinished):
            self._finish(stream)

    def _see(self, stream: str, at: float, line: str) -> None:
        unfinished = self._unfinished.get(stream)
        if unfinished:
            if unfinished.takes(line):
                return
            self._finish(stream)
        if line.startswith("{") and TRACEBACK in line:
            self._see_json(at, line)
        elif line.endswith(TRACEBACK):
            if len(self._unfinished) >= UNFINISHED:
                self._finish(next(iter(self._unfinished)))
            self._unfinished[stream] = Unfinished(at, self._previous.get(stream, ""), line)
        else:
            self._see_server(at, line)
        if len(self._previous) >= UNFINISHED:
            self._previous.clear()
        self._previous[stream] = line[:LINE_SHOWN]

    def _see_server(self, at: float, line: str) -> None:
        """Recognise what gunicorn and uWSGI write about their workers."""
        if found := TIMEOUT.search(line):
            if (pid := found[1] or found[2]) not in self._timed_out:
                self.events["timeouts"].append(at)
                self._timed_out.add(pid)
        elif found := KILLED.search(line):
            pid = found[1] or found[2]
            if pid in self._timed_out:  # That is how a time-out ends.
                self._timed_out.discard(pid)
            else:
                self.events["killed_workers"].append(at)
        elif RECYCLE.search(line):
            self.events["recycles"].append(at)

    def _see_json(self, at: float, line: str) -> None:
        """Take the traceback out of a line of JSON logging."""
        try:
            record = json.loads(line)
            text = next(value for value in record.values() if isinstance(value, str) and TRACEBACK in value)
        except (ValueError, AttributeError, StopIteration):
            return
        introduction = f"{record.get('message', '')} {record.get('request_id', '')}"
        self._add(at, introduction, text.strip("\n").split("\n")[:LONGEST_TRACEBACK])

    def _finish(self, stream: str) -> None:
        unfinished = self._unfinished.pop(stream)
        self._add(unfinished.at, unfinished.introduction, unfinished.lines)

    def _add(self, at: float, introduction: str, lines: list[str]) -> None:
        lines = list(lines)
        while lines and (not lines[-1] or lines[-1] in LINKS):
            lines.pop()
        kind, message = exception(lines)
        where = innermost(lines)
        self.tracebacks += 1
        key = (kind, *where)
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) >= GROUPS:
                return
            group = self.groups[key] = {
                "exception": printable(kind, LINE_SHOWN),
                "where": [printable(place, LINE_SHOWN) for place in where],
                "count": 0,
                "first": at,
                "requests": [],
                "request_ids": [],
            }
        group["count"] += 1
        group["last"] = at
        group["message"] = printable(discreet(message), LINE_SHOWN)
        group["traceback"] = "\n".join(
            printable(line, LINE_SHOWN) for line in excerpt(discreet("\n".join(lines)), 100).split("\n")
        )
        found = REQUEST_ID.search(introduction)
        _remember(group["request_ids"], found and found[0])
        _remember(group["requests"], _request(introduction))

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON has it; of events, how many there were and when the latest were."""
        groups = sorted(self.groups.values(), key=lambda group: -group["count"])
        return {
            "entries": self.entries,
            "events": {
                name: {"count": len(times), "last": times[-EVENTS_SHOWN:]} for name, times in self.events.items()
            },
            "tracebacks": groups,
            "tracebacks_total": self.tracebacks,
        }


def _remember(examples: list[str], one: str | None) -> None:
    """Keep the latest few, each once."""
    if one and one not in examples:
        examples.append(one)
        del examples[:-EXAMPLES]


def _request(introduction: str) -> str | None:
    """The method and the path, or the path, that Django and our handler write before a traceback."""
    found = re.search(r"Internal Server Error(?: \(500\))?: ((?:[A-Z]+ )?/\S*)", introduction)
    return printable(discreet(found[1]), LINE_SHOWN) if found else None


def exception(lines: list[str]) -> tuple[str, str]:
    """Return the type of the exception that a traceback ends with, and its message."""
    start = max((number for number, line in enumerate(lines) if line.endswith(TRACEBACK)), default=0)
    for number in range(start + 1, len(lines)):
        line = MARGIN.sub("", lines[number])
        if line and line[0] not in " \t":
            found = EXCEPTION.match(line)
            return (found[1], "\n".join([found[2] or "", *lines[number + 1 :]]).strip()) if found else (line, "")
    return ("(incomplete)", "")


def innermost(lines: list[str]) -> list[str]:
    """Return the innermost functions of the project in the last part of a traceback, the innermost first.

    Lines are left out, since they differ between releases. Without any of the project, it is the innermost of all.
    """
    start = max((number for number, line in enumerate(lines) if line.endswith(TRACEBACK)), default=0)
    frames = [found.groups() for line in lines[start:] if (found := FRAME.match(line))]
    own = [f"{OF_THE_PROJECT.sub('', file)}: {function}" for file, function in frames if OF_THE_PROJECT.match(file)]
    return own[: -INNERMOST - 1 : -1] or [f"{INSTALLED.sub('', file)}: {function}" for file, function in frames[-1:]]
