# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the JSON access log of a site says about its last hours, in one pass and in little memory.

A line is read with a regular expression that fits lines as nginx writes them, with all keys in their order and no
backslash in a value; that takes half the time of the module json. Whatever it does not fit is given to json, which is
the judge of what is a line.

Tables of what visitors choose, such as paths, are bounded: when one is full, the half of it that weighs least is
dropped. What one dropped entry weighed at most is reported.
"""

from __future__ import annotations

import heapq
import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from ansible_collections.pitcrew.django.plugins.module_utils.discretion import printable
from ansible_collections.pitcrew.django.plugins.module_utils.histogram import Histogram

__all__ = ["APPLICATION", "NGINX", "NO_RESPONSE", "AccessLog", "slot_width", "time_of"]

APPLICATION = "(application)"
"""The route of a response whose application does not name it."""
NGINX = "(nginx)"
"""The route of what nginx answers alone: static files, redirects, requests that it refuses."""
NO_RESPONSE = "(no response)"
"""The route of a request that was passed to the application, which did not answer in time or at all."""
OTHER = "(other)"
# The status of a WebSocket, which ends when it is closed: how long it was open is no response time.
_UPGRADED = b"101"
_APPLICATION, _NGINX, _NO_RESPONSE = (name.encode() for name in (APPLICATION, NGINX, NO_RESPONSE))

# The times of lines are grouped by their first eight digits.
GROUP_S = 100
WIDTHS = (100, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
SLOTS = 100

ROUTES = 200
KEPT = 10_000
SHOWN = 20
OFTEN = 5
TEXT = 200

TEXT_VALUE = rb'[^"\\\x00-\x1f]*'
# For each key in its order, what a value that is a number looks like, and whether it is needed.
KEYS = (
    ("time", rb"\d{10}\.\d+", True),
    ("request_id", None, True),
    ("remote_addr", None, False),
    ("method", None, True),
    ("scheme", None, False),
    ("host", None, False),
    ("path", None, True),
    ("protocol", None, False),
    ("status", rb"\d{1,3}", True),
    ("bytes", rb"\d{1,15}", True),
    ("request_length", rb"\d{1,15}", False),
    ("request_time", rb"\d{1,9}\.\d+", True),
    ("upstream", None, True),
    ("upstream_status", None, False),
    ("upstream_connect_time", None, False),
    ("upstream_header_time", None, False),
    ("upstream_response_time", None, False),
    ("queue", None, True),
    ("route", None, True),
    ("release", None, True),
)
NEEDED = tuple(name for name, _number, needed in KEYS if needed)


def _pattern(name: str, number: bytes | None, needed: bool) -> bytes:
    value = b"(" + (number or TEXT_VALUE) + b")" if needed else number or TEXT_VALUE
    return b'"' + name.encode() + b'":' + (value if number else b'"' + value + b'"')


LINE = re.compile(rb"\{" + b",".join(_pattern(*key) for key in KEYS) + b"[,}]")
TIME = re.compile(rb'\{"time":(\d{10})\b')


def time_of(line: bytes) -> float | None:
    """The time of a line in seconds since the epoch, if it begins with one."""
    found = TIME.match(line)
    return float(found[1]) if found else None


def slot_width(hours: int) -> int:
    """The width of a slot of time in seconds, such that a chart has at most a hundred of them."""
    return next((width for width in WIDTHS if hours * 3600 <= SLOTS * width), WIDTHS[-1])


class Heaviest:
    """What occurred most among more than there is memory for: a count, a weight, a maximum and an example each."""

    def __init__(self) -> None:
        self.entries: dict[Any, list[Any]] = {}
        self.dropped = 0.0
        """No entry that was dropped, at any one time, weighed more than this."""

    def add(self, key: Any, weight: float, example: bytes) -> None:
        """Count it once more."""
        entry = self.entries.get(key)
        if entry is None:
            if len(self.entries) >= 2 * KEPT:
                self._drop()
            self.entries[key] = [1, weight, weight, example]
            return
        entry[0] += 1
        entry[1] += weight
        if weight > entry[2]:
            entry[2] = weight
            entry[3] = example

    def _drop(self) -> None:
        ordered = sorted(self.entries.items(), key=lambda item: item[1][1], reverse=True)
        self.dropped = max(self.dropped, ordered[KEPT][1][1])
        self.entries = dict(ordered[:KEPT])


class Route:
    """The responses of one route."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.seconds = 0.0
        self.durations = Histogram()

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {"statuses": dict(self.statuses), "seconds": self.seconds, "durations": self.durations.as_dict()}


class Slot:
    """The responses of one slot of time: all, errors, and how long the application's took."""

    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self.durations = Histogram()


class AccessLog:
    """The responses between two times, in seconds since the epoch."""

    def __init__(self, since: float, until: float, width: int) -> None:
        self.first, self.last, self.width = int(since) // GROUP_S, int(until) // GROUP_S, width
        self.lines = 0
        self.outside = 0
        self.unreadable: Counter[str] = Counter()
        self.bytes = 0
        self.statuses: Counter[str] = Counter()
        self.routes: dict[str, Route] = {}
        self.slots: dict[int, Slot] = {}
        self.queue_seconds = self.queued_seconds = 0.0
        self.queue = Histogram()
        self.paths = Heaviest()
        self.errors = Heaviest()
        self.slowest: list[tuple[float, float, bytes, bytes, bytes, bytes]] = []
        self._buckets: dict[bytes, int] = {}
        self._names: dict[bytes, str] = {}

    def read(self, blocks: Iterable[list[bytes]]) -> None:
        """Count all lines; those of the same hundred seconds and of the same kind are counted together."""
        match, add_path, add_error = LINE.match, self.paths.add, self.errors.add
        group, wanted = b"", False
        kinds: Counter[tuple[bytes, bytes, bytes]] = Counter()
        queued: Counter[bytes] = Counter()
        size, queued_seconds, threshold = 0, 0.0, -1.0
        for lines in blocks:
            self.lines += len(lines)
            for line in lines:
                found = match(line)
                fields = found.groups() if found and line[-1:] == b"}" else self._read_slowly(line)
                if fields is None:
                    continue
                time, request, method, path, status, length, duration, upstream, queue, route, release = fields
                if time[:8] != group:
                    self._add(group, kinds)
                    kinds = Counter()
                    group = time[:8]
                    wanted = self.first <= int(group) <= self.last
                if not wanted:
                    self.outside += 1
                    continue
                passed = upstream not in (b"", b"-")
                kinds[route or (_APPLICATION if release else _NO_RESPONSE if passed else _NGINX), status, duration] += 1
                size += int(length)
                if passed and status != _UPGRADED:
                    seconds = float(duration)
                    add_path(path, seconds, request)
                    if seconds > threshold:
                        heapq.heappush(self.slowest, (seconds, float(time), method, path, status, request))
                        if len(self.slowest) > SHOWN:
                            heapq.heappop(self.slowest)
                            threshold = self.slowest[0][0]
                    if queue:
                        queued[queue] += 1
                        queued_seconds += seconds
                if status >= b"400":
                    add_error((status, path, release == b""), 1, request)
            if len(queued) > KEPT:
                self._add_queue(queued)
                queued = Counter()
        self._add(group, kinds)
        self._add_queue(queued)
        self.bytes += size
        self.queued_seconds += queued_seconds

    def _read_slowly(self, line: bytes) -> list[bytes] | None:
        """Return the needed values of any other line, or count why it is not one of a request."""
        try:
            values = json.loads(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            if line:
                self.unreadable["incomplete" if line.startswith(b"{") else "not JSON"] += 1
            return None
        try:
            found = [f"{values[name]}".encode("utf-8", "replace") for name in NEEDED]
            for name, number, needed in KEYS:
                # nginx writes 0 as the status of a request that ended before there was one.
                most = {"time": 1e10, "status": 1e3}.get(name, 1e15)
                if number and needed and not (1e9 if name == "time" else 0) <= values[name] < most:
                    raise ValueError
            times = [values["time"], values["request_time"]]
            found[NEEDED.index("time")], found[NEEDED.index("request_time")] = (b"%.3f" % number for number in times)
            for name in ("status", "bytes"):
                found[NEEDED.index(name)] = b"%d" % max(int(values[name]), 0)
        except (KeyError, TypeError, ValueError, OverflowError):
            self.unreadable["other keys or values than those of a request"] += 1
            return None
        return found

    def _add(self, group: bytes, kinds: Counter[tuple[bytes, bytes, bytes]]) -> None:
        """Add up responses that ended within the same hundred seconds."""
        if not kinds:
            return
        start = int(group) * GROUP_S // self.width * self.width
        slot = self.slots.setdefault(start, Slot())
        buckets = self._buckets
        for (name, code, duration), count in kinds.items():
            route = self._route(name)
            status = code.decode()
            seconds = float(duration)
            bucket = buckets.get(duration)
            if bucket is None:
                bucket = Histogram.bucket(seconds)
                if len(buckets) < 10 * KEPT:
                    buckets[duration] = bucket
            self.statuses[status] += count
            route.statuses[status] += count
            slot.requests += count
            if code >= b"500":
                slot.errors += count
            if code == _UPGRADED:
                continue
            route.seconds += count * seconds
            route.durations.add(bucket, count)
            if name != _NGINX:
                slot.durations.add(bucket, count)

    def _add_queue(self, queued: Counter[bytes]) -> None:
        for text, count in queued.items():
            try:
                seconds = max(float(text), 0.0)
            except ValueError:  # A list, or what the application made up.
                continue
            if math.isfinite(seconds):
                self.queue_seconds += count * seconds
                self.queue.add(Histogram.bucket(seconds), count)

    def _route(self, name: bytes) -> Route:
        known = self._names.get(name)
        if known is None:
            known = printable(unquote(name.decode("utf-8", "replace")), TEXT)
            if known not in self.routes and len(self.routes) >= ROUTES:
                known = OTHER
            if len(self._names) < 2 * ROUTES:
                self._names[name] = known
        return self.routes.setdefault(known, Route())

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON has it, with nothing that is unbounded."""
        enough = self._enough
        by_mean = [item for item in self.paths.entries.items() if item[1][0] >= enough]
        by_mean.sort(key=lambda item: item[1][1] / item[1][0], reverse=True)
        errors = sorted(self.errors.entries.items(), key=lambda item: item[1][0], reverse=True)
        return {
            "lines": self.lines,
            "outside": self.outside,
            "unreadable": dict(self.unreadable),
            "bytes": self.bytes,
            "statuses": dict(self.statuses),
            "routes": {name: route.as_dict() for name, route in self.routes.items()},
            "slots": {
                str(start): {
                    "requests": slot.requests,
                    "errors": slot.errors,
                    "durations": slot.durations.as_dict(),
                }
                for start, slot in sorted(self.slots.items())
            },
            "queue": {
                "seconds": self.queue_seconds,
                "of_seconds": self.queued_seconds,
                "durations": self.queue.as_dict(),
            },
            "slow_paths": [
                {
                    "path": _text(path),
                    "requests": count,
                    "seconds": seconds,
                    "longest": longest,
                    "request_id": _text(request),
                }
                for path, (count, seconds, longest, request) in by_mean[:SHOWN]
            ],
            "slow_paths_dropped_seconds": self.paths.dropped,
            "slow_requests": [
                {
                    "seconds": seconds,
                    "at": at,
                    "method": _text(method),
                    "path": _text(path),
                    "status": status.decode(),
                    "request_id": _text(request),
                }
                for seconds, at, method, path, status, request in sorted(self.slowest, reverse=True)
            ],
            "errors": [
                {
                    "status": status.decode(),
                    "path": _text(path),
                    "by_nginx": by_nginx,
                    "requests": count,
                    "request_id": _text(request),
                }
                for (status, path, by_nginx), (count, _weight, _most, request) in _of_both_kinds(errors)
            ],
            "errors_dropped": int(self.errors.dropped),
        }

    @property
    def _enough(self) -> int:
        """How often a path must have been asked for to be among the slow ones, where there are enough such paths."""
        often = sum(entry[0] >= OFTEN for entry in self.paths.entries.values())
        return OFTEN if often >= SHOWN // 2 else 1


def _of_both_kinds(errors: list[Any]) -> list[Any]:
    """The most frequent failures, and the most frequent refusals, of which there are usually many more."""
    failures = [item for item in errors if item[0][0] >= b"500"]
    refusals = [item for item in errors if item[0][0] < b"500"]
    return failures[:SHOWN] + refusals[:SHOWN]


def _text(value: bytes) -> str:
    return printable(value.decode("utf-8", "replace"), TEXT)
