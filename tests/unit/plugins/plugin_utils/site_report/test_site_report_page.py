"""What people and programs read of a site on several hosts."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_report import wording
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_report.chart import charts, marks, ticks
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_report.merging import EVENTS, merged
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_report.page import page
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_report.text import text

SINCE = 1764500400
HOSTILE = "</title><script>alert(1)</script>{{ 7*7 }}\"'><img src=x>"
# Buckets of 0.1 s and of 1 s.
TENTH, SECOND = "-115", "0"


def event(*times: int) -> dict[str, Any]:
    """An event that happened at these times."""
    return {"count": len(times), "last": list(times)}


WEB1: dict[str, Any] = {
    **{"since": SINCE, "until": SINCE + 3600, "slot_seconds": 900, "notes": []},
    "access": {
        **{"lines": 101, "outside": 1, "unreadable": {}, "bytes": 2_000_000},
        "statuses": {"200": 90, "404": 8, "500": 1, "502": 1},
        "routes": {
            "shop/<slug>/": {"statuses": {"200": 49, "500": 1}, "seconds": 14.0, "durations": {TENTH: 40, SECOND: 10}},
            "(no response)": {"statuses": {"502": 1}, "seconds": 0.0, "durations": {"-1000": 1}},
            "(nginx)": {"statuses": {"200": 41, "404": 8}, "seconds": 0.0, "durations": {"-1000": 49}},
        },
        "slots": {str(SINCE + 900): {"requests": 100, "errors": 2, "durations": {TENTH: 40, SECOND: 10}}},
        "queue": {"seconds": 1.4, "of_seconds": 14.0, "durations": {TENTH: 14}},
        "slow_paths": [{"path": "/shop/wheel/", "requests": 5, "seconds": 5.0, "longest": 1.5, "request_id": "a" * 32}],
        "slow_paths_dropped_seconds": 0.0,
        "slow_requests": [
            {
                "seconds": 1.5,
                "at": SINCE + 1000.5,
                "method": "GET",
                "path": "/shop/wheel/",
                "status": "200",
                "request_id": "a" * 32,
            }
        ],
        "errors": [
            {"status": "500", "path": HOSTILE, "by_nginx": False, "requests": 1, "request_id": "b" * 32},
            {"status": "404", "path": "/wp-login.php", "by_nginx": True, "requests": 8, "request_id": "c" * 32},
        ],
        "errors_dropped": 0,
    },
    "nginx": [{"reason": "connect() failed", "level": "error", "count": 1, "last": SINCE + 60.0}],
    "journal": {
        "entries": 10,
        "events": {name: event() for name in EVENTS} | {"restarts": event(SINCE + 60), "recycles": event(SINCE + 70)},
        "tracebacks": [
            {
                **{
                    "exception": "ValueError",
                    "where": ["shop/views.py: pay"],
                    "count": 1,
                    "first": SINCE,
                    "last": SINCE,
                },
                **{"message": HOSTILE, "requests": ["GET /pay/"], "request_ids": ["b" * 32]},
                "traceback": f"Traceback (most recent call last):\nValueError: {HOSTILE}",
            }
        ],
        "tracebacks_total": 1,
    },
    "releases": [{"at": "2025-11-30T11:15:00Z", "release": "r2", "slot": "blue", "by": "anna on laptop"}],
}


def other() -> dict[str, Any]:
    """Another host, with other requests to the same addresses."""
    found = deepcopy(WEB1)
    found["access"]["slow_paths"][0] |= {"requests": 15, "seconds": 5.0, "longest": 2.5, "request_id": "d" * 32}
    found["access"]["slots"] = {str(SINCE): {"requests": 100, "errors": 0, "durations": {}}}
    found["journal"]["tracebacks"][0] |= {"last": SINCE + 5, "request_ids": ["e" * 32]}
    found["notes"] = ["Something could not be read"]
    return found


@pytest.fixture
def one() -> dict[str, Any]:
    """The report about one host."""
    return merged("shop", {"web1": WEB1})


@pytest.fixture
def several() -> dict[str, Any]:
    """The report about two hosts, and one that was not reached."""
    return merged("shop", {"web1": WEB1, "web2": other(), "web3": None})


def test_the_numbers_of_one_host(one: dict[str, Any]) -> None:
    summary = one["summary"]
    assert (one["schema"], one["since"], one["until"]) == (1, "2025-11-30T11:00:00Z", "2025-11-30T12:00:00Z")
    assert (summary["requests"], summary["application_requests"], summary["errors"]) == (100, 51, 2)
    assert summary["error_ratio"] == pytest.approx(0.02)
    assert summary["queue_share"] == pytest.approx(0.1)
    assert summary["nginx_errors"] == {"502": 1}
    assert summary["seconds"]["p50"] == pytest.approx(0.1, rel=0.02)
    assert summary["seconds"]["p95"] == pytest.approx(1, rel=0.02)
    assert [(slot["at"][11:16], slot["requests"], slot["errors"]) for slot in one["slots"]] == [
        *[("11:00", 0, 0), ("11:15", 100, 2), ("11:30", 0, 0), ("11:45", 0, 0), ("12:00", 0, 0)]
    ]
    assert [row["route"] for row in one["routes"]] == ["shop/<slug>/", "(no response)", "(nginx)"]
    assert one["routes"][0]["share"] == 1


def test_several_hosts_are_added_up(several: dict[str, Any]) -> None:
    assert several["summary"]["requests"] == 200
    assert several["hosts"]["web1"]["requests"] == 100
    assert several["hosts"]["web3"] is None
    assert several["slow_paths"] == [
        {"path": "/shop/wheel/", "requests": 20, "mean": 0.5, "longest": 2.5, "request_id": "d" * 32}
    ]
    assert [(row["path"], row["requests"]) for row in several["errors"]] == [("/wp-login.php", 16), (HOSTILE, 2)]
    (group,) = several["tracebacks"]
    assert (group["count"], group["hosts"], group["last"]) == (2, ["web1", "web2"], "2025-11-30T11:00:05Z")
    assert group["request_ids"] == ["b" * 32, "e" * 32]
    assert several["events"]["restarts"] == {"count": 2, "last": ["2025-11-30T11:01:00Z"] * 2}
    assert several["nginx"][0]["count"] == 2
    assert [release["host"] for release in several["releases"]] == ["web1", "web2"]
    assert several["notes"] == ["web2: Something could not be read"]
    assert json.loads(json.dumps(several)) == several


class Page(HTMLParser):
    """The elements of a page, with whether each is closed."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Compare it with the one that is open."""
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("hosts", [{"web1": WEB1}, {"web1": WEB1, "web2": other(), "web3": None}, {"web1": None}])
def test_the_page_is_whole_in_itself(hosts: dict[str, Any]) -> None:
    html = page(merged("shop", hosts), 24, {"GoAccess's page": "goaccess.html"})
    found = Page(html)
    assert found.open == []
    assert not {"script", "img", "link", "iframe", "object"} & set(found.tags)
    assert not re.search(r"https?://|url\(|@import", html)
    assert {value for name, value in found.attributes if name in ("href", "src")} == {"goaccess.html"}
    assert not [name for name, _value in found.attributes if name.startswith("on")]


def test_what_visitors_wrote_is_escaped(several: dict[str, Any]) -> None:
    html = page(several, 24, {})
    assert HOSTILE not in html
    assert html.count("&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}&#34;&#39;&gt;") >= 3
    hostile = merged(HOSTILE, {HOSTILE: WEB1, "b": None})
    hostile["releases"][0] |= {"release": HOSTILE, "by": HOSTILE}
    hostile["notes"] = [HOSTILE]
    hostile["nginx"][0]["reason"] = hostile["routes"][0]["route"] = HOSTILE
    assert HOSTILE not in page(hostile, 24, {HOSTILE: HOSTILE})
    assert not {"script", "img"} & set(Page(page(hostile, 24, {})).tags)


def test_the_page_says_what_is_missing(several: dict[str, Any]) -> None:
    html = page(several, 24, {})
    assert "web3 could not be reached or read: its requests are missing." in html
    assert "web2: Something could not be read." in html


def test_releases_are_marked_where_they_went_live(several: dict[str, Any]) -> None:
    (mark,) = marks(several["slots"], several["releases"])
    assert (mark.left, mark.text) == (20, "2025-11-30 11:15 r2")
    assert "left: 20.0%" in page(several, 24, {})


def test_bars_are_as_high_as_their_values(several: dict[str, Any]) -> None:
    requests, errors, _slow = charts(several["slots"])
    assert [(bar.x, bar.height) for bar in requests.bars] == [(15.0, 100.0), (215.0, 100.0)]
    assert [(bar.x, bar.text) for bar in errors.bars] == [(215.0, "2025-11-30 11:15: 2")]
    assert requests.highest == "100"
    assert [tick.text for tick in ticks(several["slots"])] == ["11:00", "11:15", "11:30", "11:45", "12:00"]


def test_the_text_fits_a_terminal(several: dict[str, Any]) -> None:
    several["errors"][1]["path"] = "/" + "x" * 200
    several["routes"][0]["route"] = "api/" + "y" * 200
    shown = text(several, 24)
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert shown.startswith("shop, last 24 h: 200 requests, 2.00 % errors, p50 99 ms, p95 0.99 s, p99 0.99 s\n")
    assert "! Restarts of the server by systemd: 2" in shown
    assert "! 2 x ValueError in shop/views.py: pay" in shown
    assert "! web3: could not be reached or read" in shown
    assert "Of the application's time, 10 % was spent waiting in the queue." in " ".join(shown.split())


def test_a_site_that_nobody_asked() -> None:
    quiet = deepcopy(WEB1)
    quiet["access"] |= {"statuses": {}, "routes": {}, "slots": {}, "slow_paths": [], "slow_requests": [], "errors": []}
    quiet["access"]["queue"] = {"seconds": 0.0, "of_seconds": 0.0, "durations": {}}
    found = merged("shop", {"web1": quiet})
    assert found["summary"]["error_ratio"] is None
    assert text(found, 24).startswith("shop, last 24 h: no requests\n")
    assert "no requests" in page(found, 24, {})


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (wording.duration(0.0), "0 ms"),
        (wording.duration(0.0012), "1.2 ms"),
        (wording.duration(0.0426), "43 ms"),
        (wording.duration(0.314), "0.31 s"),
        (wording.duration(12.4), "12 s"),
        (wording.duration(None), "-"),
        (wording.percent(0.00001), "< 0.01 %"),
        (wording.percent(0.0002), "0.02 %"),
        (wording.percent(0.0), "0.00 %"),
        (wording.percent(0.5), "50 %"),
        (wording.size(0), "0 bytes"),
        (wording.size(2_000_000), "2 MB"),
        (wording.size(13_300_000_000), "13.3 GB"),
        (wording.count(1234567), "1,234,567"),
        (wording.clock("2026-11-30T08:12:59Z"), "2026-11-30 08:12"),
    ],
)
def test_numbers_as_people_read_them(shown: str, expected: str) -> None:
    assert shown == expected
