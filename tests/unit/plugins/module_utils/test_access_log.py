"""What the access log says, with numbers that can be counted by hand; and whatever else may be in the file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import access_log as module
from ansible_collections.pitcrew.django.plugins.module_utils.access_log import AccessLog, slot_width, time_of
from hypothesis import given
from hypothesis import strategies as st

START = 1764500400
RELEASE = "3f2a9c1d04ab-1f3e2c"
USUAL: dict[str, Any] = {
    **{"time": START + 0.025, "request_id": "a6cecc1b78e510617311d8a3c2ce6f44", "remote_addr": "203.0.113.194"},
    **{"method": "GET", "scheme": "https", "host": "shop.example.com", "path": "/shop/wheel/", "protocol": "HTTP/2.0"},
    **{"status": 200, "bytes": 9000, "request_length": 500, "request_time": 0.040},
    **{"upstream": "unix:/srv/shop/live/http.sock", "upstream_status": "200", "upstream_connect_time": "0.000"},
    **{"upstream_header_time": "0.039", "upstream_response_time": "0.039", "queue": "0.0010"},
    **{"route": "shop/%3Cslug:slug%3E/", "release": RELEASE, "tls": "TLSv1.3", "referer": "", "user_agent": "curl"},
}
STATIC = {"path": "/static/a.css", "upstream": "", "queue": "", "route": "", "release": "", "request_time": 0.0}


def line(**values: Any) -> bytes:
    """One line as nginx writes it, with these values."""
    return json.dumps({**USUAL, **values}, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogateescape")


def read(*lines: bytes) -> dict[str, Any]:
    """What an hour of these lines amounts to."""
    log = AccessLog(START, START + 3600, 900)
    log.read([list(lines)])
    found: dict[str, Any] = json.loads(json.dumps(log.as_dict()))
    return found


def test_requests_by_status_route_and_time() -> None:
    found = read(
        line(),
        line(request_time=0.5),
        line(time=START + 901.5, status=500),
        line(**STATIC),
        line(status=404, route="(unmatched)", path="/wp-login.php"),
    )
    assert found["statuses"] == {"200": 3, "500": 1, "404": 1}
    assert found["bytes"] == 45_000
    assert {name: route["statuses"] for name, route in found["routes"].items()} == {
        "shop/<slug:slug>/": {"200": 2, "500": 1},
        "(nginx)": {"200": 1},
        "(unmatched)": {"404": 1},
    }
    assert found["routes"]["shop/<slug:slug>/"]["seconds"] == pytest.approx(0.58)
    assert {start: (slot["requests"], slot["errors"]) for start, slot in found["slots"].items()} == {
        str(START): (4, 0),
        str(START + 900): (1, 1),
    }
    assert sum(found["slots"][str(START)]["durations"].values()) == 3, "without what nginx serves"


def test_a_websocket_is_no_slow_request() -> None:
    """It is counted when it has ended, whatever it took."""
    found = read(line(), line(status=101, upstream_status="101", request_time=3000.0))
    assert found["statuses"] == {"200": 1, "101": 1}
    assert found["routes"]["shop/<slug:slug>/"]["seconds"] == pytest.approx(0.04)
    assert sum(found["slots"][str(START)]["durations"].values()) == 1
    assert [slow["seconds"] for slow in found["slow_requests"]] == [0.04]


def test_who_answered() -> None:
    found = read(line(route=""), line(status=502, route="", release=""), line(status=499, route="", release=""))
    assert found["routes"]["(application)"]["statuses"] == {"200": 1}
    assert found["routes"]["(no response)"]["statuses"] == {"502": 1, "499": 1}
    assert [(error["status"], error["by_nginx"]) for error in found["errors"]] == [("502", True), ("499", True)]


def test_the_queue() -> None:
    found = read(
        line(queue="0.0100"), line(queue="0.0300", request_time=0.160), line(queue="0.001, 0.002"), line(queue="")
    )
    assert found["queue"]["seconds"] == pytest.approx(0.04)
    assert found["queue"]["of_seconds"] == pytest.approx(0.24)


def test_slow_addresses_are_those_asked_for_several_times() -> None:
    often = [
        line(path=f"/{name}/", request_time=took) for name in range(10) for took in (0.1 * name, 0.1, 0.1, 0.1, 0.1)
    ]
    found = read(*often, line(path="/once/", request_time=9.0, request_id="0" * 32))
    assert found["slow_paths"][0] == {
        **{"path": "/9/", "requests": 5, "longest": 0.9, "request_id": USUAL["request_id"]},
        "seconds": pytest.approx(1.3),
    }
    assert "/once/" not in [row["path"] for row in found["slow_paths"]]
    assert (found["slow_requests"][0]["path"], found["slow_requests"][0]["request_id"]) == ("/once/", "0" * 32)


def test_what_is_outside_of_the_time_is_not_counted() -> None:
    found = read(line(time=START - 0.5), line(), line(time=START + 9000.0), line(time=START + 3599.0))
    assert (found["lines"], found["outside"], found["statuses"]) == (4, 2, {"200": 2})


def test_a_request_without_a_status() -> None:
    assert read(line(status=0))["statuses"] == {"0": 1}


@pytest.mark.parametrize(
    ("foreign", "reason"),
    [
        (b"", None),
        (b'127.0.0.1 - - [30/Nov/2026] "GET / HTTP/1.1" 200', "not JSON"),
        (line()[:200], "incomplete"),
        (b"\0" * 100, "not JSON"),
        (b"[1]", "other keys or values than those of a request"),
        (b"null", "other keys or values than those of a request"),
        (b"[" * 200_000, "not JSON"),
        (b"{}", "other keys or values than those of a request"),
        (line(status="200"), "other keys or values than those of a request"),
        (line(time=-5), "other keys or values than those of a request"),
        (line(time=1e300), "other keys or values than those of a request"),
        (line(request_time=float("nan")), "other keys or values than those of a request"),
        (line(time=5.5), "other keys or values than those of a request"),
        (line(status=9999), "other keys or values than those of a request"),
        (line(request_time=1e18), "other keys or values than those of a request"),
        (line(bytes=10**40), "other keys or values than those of a request"),
        (line(bytes=None), "other keys or values than those of a request"),
    ],
)
def test_lines_that_are_none(foreign: bytes, reason: str | None) -> None:
    found = read(line(), foreign, line())
    assert found["statuses"] == {"200": 2}
    assert found["unreadable"] == ({reason: 1} if reason else {})


def test_what_visitors_write_is_text() -> None:
    path = '/<script>alert("1")</script>\\\x01\u202e\udcff/'
    found = read(line(path=path, status=404))
    assert found["errors"][0]["path"] == '/<script>alert("1")</script>\\\\x01\\u202e\ufffd/'
    assert read(line(path="/" + "x" * 9000, status=404))["errors"][0]["path"] == "/" + "x" * 199 + "…"


def test_keys_in_another_order_and_new_ones_are_read_as_well() -> None:
    values = dict(reversed([*USUAL.items(), ("new", [1])]))
    assert read(json.dumps(values).encode())["statuses"] == {"200": 1}


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.fixed_dictionaries({"path": TEXT, "route": TEXT, "request_id": TEXT, "method": TEXT, "user_agent": TEXT}))
def test_a_line_is_read_as_json_reads_it(values: dict[str, str]) -> None:
    """The fast way gives what the slow way gives."""
    fast = read(line(**values, status=500))
    original = module.LINE
    try:
        module.LINE = module.re.compile(rb"(?!)")
        assert read(line(**values, status=500)) == fast
    finally:
        module.LINE = original


def test_ordinary_lines_are_read_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AccessLog, "_read_slowly", lambda self, one: pytest.fail(one.decode()))
    read(line(), line(**STATIC))


def test_addresses_without_number_need_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 50)
    noise = [line(path=f"/{number}.php", status=404, request_time=0.001) for number in range(5000)]
    often = [line(path="/really/slow/", status=404, request_time=1.0)] * 100
    log = AccessLog(START, START + 3600, 900)
    log.read([[*noise[:2500], *often, *noise[2500:]]])
    assert len(log.paths.entries) <= 100
    assert len(log.errors.entries) <= 100
    found = log.as_dict()
    assert (found["errors"][0]["path"], found["errors"][0]["requests"]) == ("/really/slow/", 100)
    assert found["slow_paths"][0]["path"] == "/really/slow/"
    assert found["slow_paths_dropped_seconds"] == pytest.approx(0.001)
    assert found["errors_dropped"] == 1


def test_routes_are_bounded_too() -> None:
    found = read(*[line(route=f"made/up/{number}/") for number in range(1000)])
    assert len(found["routes"]) == 201
    assert found["routes"]["(other)"]["statuses"] == {"200": 800}


def test_the_time_of_a_line() -> None:
    assert time_of(line()) == START
    assert time_of(b"none") is None


@pytest.mark.parametrize(("hours", "width"), [(1, 100), (6, 300), (24, 900), (168, 7200), (2400, 86400)])
def test_a_chart_has_at_most_a_hundred_bars(hours: int, width: int) -> None:
    assert slot_width(hours) == width
