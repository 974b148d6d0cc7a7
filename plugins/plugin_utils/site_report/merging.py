# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Add up what the module site_report found on each host, and compute what people and programs read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ansible_collections.pitcrew.django.plugins.module_utils.access_log import NGINX, NO_RESPONSE
from ansible_collections.pitcrew.django.plugins.module_utils.histogram import Histogram

__all__ = ["EVENTS", "SCHEMA", "merged"]

SCHEMA: Final = 1
"""The version of the document; it grows when something is renamed or removed, or changes its meaning."""

EVENTS: Final[Mapping[str, str]] = {
    "restarts": "Restarts of the server by systemd",
    "hung": "Restarts among them because the site no longer answered",
    "gave_up": "Times that systemd gave up",
    "oom_kills": "Processes killed for lack of memory",
    "timeouts": "Workers killed at the time-out of a request",
    "killed_workers": "Workers killed otherwise",
    "recycles": "Workers replaced in their turn: after many requests, or for their memory",
}
"""What may happen to processes, with its name for people; the worst first."""

SHOWN: Final = 20

Report = Mapping[str, Any]


def merged(site: str, reports: Mapping[str, Report | None]) -> dict[str, Any]:
    """Return the report about all hosts; one that was not reached has none.

    Durations are in seconds, times are in UTC, and what cannot be known is null.
    """
    found = {host: report for host, report in reports.items() if report}
    access = [report["access"] for report in found.values()]
    many = len(reports) > 1
    notes = [f"{host}: {note}" if many else note for host, report in found.items() for note in report["notes"]]
    return {
        "schema": SCHEMA,
        "site": site,
        "since": _time(min((report["since"] for report in found.values()), default=None)),
        "until": _time(max((report["until"] for report in found.values()), default=None)),
        "summary": _summary(access),
        "hosts": {host: _summary([report["access"]]) if report else None for host, report in reports.items()},
        "routes": _routes(access),
        "slots": _slots(list(found.values())),
        "slow_paths": _slow_paths(access),
        "slow_requests": [
            {**one, "at": _time(one["at"])}
            for one in sorted(_all(access, "slow_requests"), key=lambda one: -one["seconds"])[:SHOWN]
        ],
        "errors": _added(_all(access, "errors"), "requests", ("status", "path", "by_nginx")),
        "events": _events([report["journal"]["events"] for report in found.values()]),
        "tracebacks": _tracebacks(found, many),
        "tracebacks_total": sum(report["journal"]["tracebacks_total"] for report in found.values()),
        "nginx": [
            {**one, "last": _time(one["last"])}
            for one in _added(_all(list(found.values()), "nginx"), "count", ("level", "reason"))
        ],
        "releases": _releases(found, many),
        "log": {
            "lines": sum(one["lines"] for one in access),
            "outside": sum(one["outside"] for one in access),
            "unreadable": dict(_counted(one["unreadable"] for one in access)),
        },
        "notes": notes,
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _all(reports: Sequence[Report], name: str) -> list[dict[str, Any]]:
    return [one for report in reports for one in report[name]]


def _counted(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return total


def _histogram(counts: Iterable[Mapping[str, int]]) -> Histogram:
    total = Histogram()
    for one in counts:
        total.merge(Histogram(one))
    return total


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _percentiles(histogram: Histogram) -> dict[str, float | None]:
    return {f"p{share}": _rounded(histogram.percentile(share / 100)) for share in (50, 95, 99)}


def _failed(statuses: Mapping[str, int]) -> int:
    return sum(count for status, count in statuses.items() if status >= "500")


def _summary(access: Sequence[Report]) -> dict[str, Any]:
    """The numbers of one host or of all."""
    statuses = _counted(one["statuses"] for one in access)
    requests, errors = sum(statuses.values()), _failed(statuses)
    routes = [(name, route) for one in access for name, route in one["routes"].items()]
    passed = [route for name, route in routes if name != NGINX]
    by_nginx = _counted(route["statuses"] for name, route in routes if name == NO_RESPONSE)
    waited, of_seconds = (sum(one["queue"][name] for one in access) for name in ("seconds", "of_seconds"))
    return {
        "requests": requests,
        "application_requests": sum(sum(route["statuses"].values()) for route in passed),
        "errors": errors,
        "error_ratio": errors / requests if requests else None,
        "bytes": sum(one["bytes"] for one in access),
        "statuses": dict(sorted(statuses.items())),
        "nginx_errors": {status: by_nginx[status] for status in ("499", "502", "503", "504") if by_nginx[status]},
        "seconds": _percentiles(_histogram(route["durations"] for route in passed)),
        "queue_share": waited / of_seconds if of_seconds else None,
        "queue_seconds": _percentiles(_histogram(one["queue"]["durations"] for one in access)),
    }


def _routes(access: Sequence[Report]) -> list[dict[str, Any]]:
    """Each route, the one that took most time first."""
    found: dict[str, list[Report]] = {}
    for one in access:
        for name, route in one["routes"].items():
            found.setdefault(name, []).append(route)
    total = sum(route["seconds"] for name, parts in found.items() if name != NGINX for route in parts)
    rows = []
    for name, parts in found.items():
        statuses = _counted(part["statuses"] for part in parts)
        seconds = sum(part["seconds"] for part in parts)
        rows.append(
            {
                "route": name,
                "requests": sum(statuses.values()),
                "errors": _failed(statuses),
                "client_errors": sum(count for status, count in statuses.items() if "400" <= status < "500"),
                "seconds": _percentiles(_histogram(part["durations"] for part in parts)),
                "total_seconds": round(seconds, 3),
                "share": seconds / total if total and name != NGINX else None,
            }
        )
    return sorted(rows, key=lambda row: (row["route"] == NGINX, -row["total_seconds"]))


def _slots(reports: Sequence[Report]) -> list[dict[str, Any]]:
    """All slots of time in their order, those without a request too."""
    if not reports:
        return []
    width = reports[0]["slot_seconds"]
    found: dict[int, list[Report]] = {}
    for report in reports:
        for start, slot in report["access"]["slots"].items():
            found.setdefault(int(start), []).append(slot)
    first, last = min(report["since"] for report in reports), max(report["until"] for report in reports)
    slots = []
    for start in range(first, last + 1, width):
        parts = found.get(start, [])
        slots.append(
            {
                "at": _time(start),
                "seconds": width,
                "requests": sum(part["requests"] for part in parts),
                "errors": sum(part["errors"] for part in parts),
                "p95": _rounded(_histogram(part["durations"] for part in parts).percentile(0.95)),
            }
        )
    return slots


def _grouped(entries: Iterable[Report], names: Sequence[str]) -> list[list[Report]]:
    groups: dict[Any, list[Report]] = {}
    for entry in entries:
        groups.setdefault(tuple(entry[name] for name in names), []).append(entry)
    return list(groups.values())


def _added(entries: Iterable[Report], count: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Add up entries that have the same names; of anything else, the latest is kept."""
    rows = [{**parts[-1], count: sum(part[count] for part in parts)} for parts in _grouped(entries, names)]
    return sorted(rows, key=lambda row: -row[count])


def _slow_paths(access: Sequence[Report]) -> list[dict[str, Any]]:
    rows = []
    for parts in _grouped(_all(access, "slow_paths"), ["path"]):
        requests, seconds = (sum(part[name] for part in parts) for name in ("requests", "seconds"))
        slowest = max(parts, key=lambda part: float(part["longest"]))
        rows.append(
            {
                "path": slowest["path"],
                "requests": requests,
                "mean": _rounded(seconds / requests),
                "longest": slowest["longest"],
                "request_id": slowest["request_id"],
            }
        )
    return sorted(rows, key=lambda row: -row["mean"])[:SHOWN]


def _events(found: Sequence[Report]) -> dict[str, Any]:
    return {
        name: {
            "count": sum(one[name]["count"] for one in found),
            "last": [_time(at) for at in sorted(at for one in found for at in one[name]["last"])],
        }
        for name in EVENTS
    }


def _tracebacks(found: Mapping[str, Report], many: bool) -> list[dict[str, Any]]:
    """Tracebacks of all hosts in groups, the most frequent first."""
    entries = [{**group, "host": host} for host, report in found.items() for group in report["journal"]["tracebacks"]]
    rows = []
    for parts in _grouped([{**entry, "key": (entry["exception"], *entry["where"])} for entry in entries], ["key"]):
        latest = max(parts, key=lambda part: float(part["last"]))
        rows.append(
            {
                **{name: latest[name] for name in ("exception", "message", "where", "traceback")},
                "count": sum(part["count"] for part in parts),
                "first": _time(min(part["first"] for part in parts)),
                "last": _time(latest["last"]),
                "requests": _distinct(parts, "requests"),
                "request_ids": _distinct(parts, "request_ids"),
                **({"hosts": sorted({part["host"] for part in parts})} if many else {}),
            }
        )
    return sorted(rows, key=lambda row: -row["count"])


def _distinct(parts: Sequence[Report], name: str) -> list[str]:
    return list(dict.fromkeys(one for part in parts for one in part[name]))


def _releases(found: Mapping[str, Report], many: bool) -> list[dict[str, Any]]:
    """Which releases went live when; a release that went live on several hosts is one for each."""
    entries = [
        {**entry, **({"host": host} if many else {})} for host, report in found.items() for entry in report["releases"]
    ]
    by_time: Callable[[Report], str] = lambda entry: str(entry["at"])  # noqa: E731
    return sorted(entries, key=by_time)
