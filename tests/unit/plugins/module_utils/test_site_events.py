"""What the journal says about a site: entries as journalctl, the servers, systemd and Django write them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.site_events import SiteEvents, entries

AT = 1764500000
FAILS = """\
Traceback (most recent call last):
  File "/srv/shop/venvs/1a/lib/python3.11/site-packages/django/core/handlers/exception.py", line 55, in inner
    response = get_response(request)
               ^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/releases/3f2a-1f3e/app/shop/views.py", line {line}, in checkout
    return pay(cart)
  File "/srv/shop/releases/3f2a-1f3e/app/shop/payment.py", line 7, in pay
    raise ValueError(cart)
{exception}"""
HUNG = "Restarting shop@blue.service: 3 times in a row, no answer on /run/shop-blue/app.sock. Its threads are at:"
INTRODUCTION = "Internal Server Error (500): GET /cart/ (request a6cecc1b78e510617311d8a3c2ce6f44)"


def entry(message: Any, at: float = AT, stream: str = "s1", **fields: str) -> str:
    """One line of journalctl."""
    return json.dumps({"MESSAGE": message, "__REALTIME_TIMESTAMP": str(int(at * 1e6)), "_STREAM_ID": stream, **fields})


def read(*lines: str) -> dict[str, Any]:
    """What these entries amount to."""
    events = SiteEvents()
    events.read(entries(lines))
    found: dict[str, Any] = json.loads(json.dumps(events.as_dict()))
    return found


def written(text: str, **more: Any) -> list[str]:
    """A text as journald splits it."""
    return [entry(line, **more) for line in text.split("\n")]


def failure(line: int = 40, exception: str = "ValueError: no money", **more: Any) -> list[str]:
    """A request that failed."""
    return written(f"{INTRODUCTION}\n{FAILS.format(line=line, exception=exception)}", **more)


def counts(found: dict[str, Any]) -> dict[str, int]:
    """How many there were of each event that there was."""
    return {name: event["count"] for name, event in found["events"].items() if event["count"]}


def test_the_same_mistake_is_one_group() -> None:
    found = read(*failure(), *failure(line=41, exception="ValueError: none", at=AT + 60), entry("ready"))
    (group,) = found["tracebacks"]
    assert (group["exception"], group["count"], group["first"], group["last"]) == ("ValueError", 2, AT, AT + 60)
    assert group["where"] == ["shop/payment.py: pay", "shop/views.py: checkout"]
    assert group["message"] == "none"
    assert group["requests"] == ["GET /cart/"]
    assert group["request_ids"] == ["a6cecc1b78e510617311d8a3c2ce6f44"]
    assert group["traceback"].startswith("Traceback (most recent call last):\n")
    assert group["traceback"].endswith("\nValueError: none")


def test_another_exception_or_place_is_another_group() -> None:
    other = FAILS.format(line=40, exception="ValueError: x").replace("in pay", "in refund")
    found = read(*failure(), *failure(exception="app.errors.Broke"), *written(other))
    assert sorted((group["exception"], group["where"][0]) for group in found["tracebacks"]) == [
        ("ValueError", "shop/payment.py: pay"),
        ("ValueError", "shop/payment.py: refund"),
        ("app.errors.Broke", "shop/payment.py: pay"),
    ]


def test_without_a_function_of_the_project_it_is_the_innermost_one() -> None:
    frame = '  File "/usr/lib/python3.11/json/decoder.py", line 3, in decode\n    x'
    text = f"Traceback (most recent call last):\n{frame}\nE: y"
    (group,) = read(*written(text))["tracebacks"]
    assert group["where"] == ["json/decoder.py: decode"]


def test_chained_exceptions_are_one_traceback() -> None:
    link = "\n\nDuring handling of the above exception, another exception occurred:\n\n"
    first = FAILS.format(line=1, exception="KeyError: 'a'")
    found = read(*written(first + link + FAILS.format(line=2, exception="shop.Gone: b")), entry("ready"))
    (group,) = found["tracebacks"]
    assert (found["tracebacks_total"], group["exception"]) == (1, "shop.Gone")
    assert "KeyError" in group["traceback"]


def test_one_after_the_other_are_two() -> None:
    found = read(*written(FAILS.format(line=1, exception="A: a")), *written(FAILS.format(line=1, exception="B: b")))
    assert [group["exception"] for group in found["tracebacks"]] == ["A", "B"]


def test_a_group_of_exceptions() -> None:
    text = (
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "/srv/shop/releases/3f/app/shop/views.py", line 1, in gather\n  |     raise\n'
        "  | ExceptionGroup: two (1 sub-exception)\n  +-+---------------- 1 ----------------\n"
        "    | ValueError: a\n    +------------------------------------\nready"
    )
    (group,) = read(*written(text))["tracebacks"]
    assert (group["exception"], group["where"]) == ("ExceptionGroup", ["shop/views.py: gather"])
    assert "ready" not in group["traceback"]


def test_two_units_that_write_at_once() -> None:
    one, other = failure(), failure(exception="KeyError: 'a'", stream="s2")
    found = read(*[line for pair in zip(one, other, strict=True) for line in pair])
    assert [(group["exception"], group["count"]) for group in found["tracebacks"]] == [
        ("ValueError", 1),
        ("KeyError", 1),
    ]


def test_a_line_of_json() -> None:
    record = {
        **{"level": "ERROR", "message": "Internal Server Error: /cart/", "request_id": "b" * 32},
        "exc_info": FAILS.format(line=1, exception="ValueError: x"),
    }
    (group,) = read(entry(json.dumps(record)))["tracebacks"]
    assert (group["exception"], group["request_ids"], group["requests"]) == ("ValueError", ["b" * 32], ["/cart/"])


def test_what_visitors_wrote_is_neither_obeyed_nor_passed_on() -> None:
    exception = "ValueError: \x1b[31m /pay/?token=hunter2 from 203.0.113.77"
    (group,) = read(*failure(exception=exception))["tracebacks"]
    assert group["message"] == "\\x1b[31m /pay/?… from 203.0.113.x"
    assert "hunter2" not in json.dumps(group)


def test_what_is_cut_off_or_endless_does_no_harm() -> None:
    endless = ["Traceback (most recent call last):", *['  File "/a.py", line 1, in a'] * 10_000]
    found = read(*[entry(line) for line in endless], entry("Traceback (most recent call last):"))
    assert found["tracebacks_total"] == 2
    assert {group["exception"] for group in found["tracebacks"]} == {"(incomplete)"}
    assert max(len(group["traceback"]) for group in found["tracebacks"]) < 100_000


def test_groups_are_bounded() -> None:
    lines = [line for number in range(300) for line in written(FAILS.format(line=1, exception=f"E{number}: x"))]
    found = read(*lines)
    assert (found["tracebacks_total"], len(found["tracebacks"])) == (300, 100)


@pytest.mark.parametrize(
    "line", ["not json", "{}", entry(None), entry([104, 1000]), entry([["a"]]), '{"MESSAGE": "x", "_PID": 1}']
)
def test_entries_of_all_kinds(line: str) -> None:
    assert read(line)["tracebacks"] == []


def test_bytes_are_text() -> None:
    assert next(entries([entry([104, 105, 27])]))["MESSAGE"] == "hi\x1b"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # gunicorn 23 and 27
        (["[2026-11-30 10:00:00 +0000] [12] [INFO] Autorestarting worker after current request."], {"recycles": 1}),
        (
            [
                "[2026-11-30 10:00:00 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:77)",
                "[2026-11-30 10:00:01 +0000] [1] [ERROR] Worker (pid:77) was sent SIGKILL! Perhaps out of memory?",
            ],
            {"timeouts": 1},
        ),
        (["[1] [ERROR] Worker (pid:78) was sent SIGKILL! Perhaps out of memory?"], {"killed_workers": 1}),
        # uWSGI 2.0
        (["...The work of process 12 is done. Seeya!"], {"recycles": 1}),
        (["[1] [INFO] Worker (pid:79) was sent SIGTERM!"], {}),
        (
            [
                "Mon Nov 30 10:00:00 2026 - *** HARAKIRI ON WORKER 1 (pid: 9, try: 1, graceful: yes) ***",
                "Mon Nov 30 10:00:00 2026 - *** HARAKIRI ON WORKER 1 (pid: 9, try: 2, graceful: no) ***",
                "DAMN ! worker 1 (pid: 9) died, killed by signal 9 :( trying respawn ...",
            ],
            {"timeouts": 1},
        ),
        (["DAMN ! worker 2 (pid: 10) died, killed by signal 11 :( trying respawn ..."], {"killed_workers": 1}),
    ],
)
def test_what_the_servers_write_about_workers(lines: list[str], expected: dict[str, int]) -> None:
    assert counts(read(*map(entry, lines))) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"MESSAGE_ID": "5eb03494b6584870a536b337290809b3"}, {"restarts": 1}),
        ({"MESSAGE": HUNG, "_SYSTEMD_UNIT": "shop-liveness.service"}, {"hung": 1}),
        # A site may write anything.
        ({"MESSAGE": HUNG, "_SYSTEMD_UNIT": "shop@blue.service"}, {}),
        ({"MESSAGE_ID": "fe6faa94e7774663a0da52717891d8ef"}, {"oom_kills": 1}),
        ({"MESSAGE_ID": "d9b373ed55a64feb8242e02dbe79a49c", "UNIT_RESULT": "start-limit-hit"}, {"gave_up": 1}),
        ({"MESSAGE_ID": "d9b373ed55a64feb8242e02dbe79a49c", "UNIT_RESULT": "exit-code"}, {}),
    ],
)
def test_what_systemd_writes_about_units(fields: dict[str, str], expected: dict[str, int]) -> None:
    found = read(entry("shop@blue.service: ...", at=AT + 1, **fields))
    assert counts(found) == expected
    assert all(event["last"] == [AT + 1] for event in found["events"].values() if event["count"])
