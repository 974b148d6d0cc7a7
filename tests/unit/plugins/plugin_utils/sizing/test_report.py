# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text that a person reads."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import SizingError
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.report import report, summary
from sites import ORM, planned

TINY = {"server": "uwsgi", "workers": 1, "threads": 2}


def told(cpus: float, memory_mb: float, **inputs: Any) -> str:
    """Tell the plan for a host of these numbers."""
    return report(asdict(planned(cpus, memory_mb, **inputs)))


STORY = """\
gunicorn gthread: 2 workers x 5 threads, 10 requests at a time
  why       Memory is the limit: 1843 MB hold 2 x (80 MB + 2 workers of 388 MB)
            during a deploy, 10 of the 15 slots the CPUs could use: 157
            requests/s instead of 315.
  host      4 CPU (cpus), 2048 MB of memory (memory_mb)
  serves    140 requests/s with p99 within 310 ms
            157 requests/s at most; at 70 %: mean 61, p95 149, p99 212 ms
  memory    856 of 1843 MB (1712 during a deploy); the system keeps 205 MB
  database  10 connections, 20 during a deploy
  times     cpu_ms and wait_ms as set

Common rules on this host: layout, requests/s with p99 within 310 ms
  the model                                        2 x 5         140
  one worker                                       1 x 1          21     -85 %
  one worker per core                              2 x 1          54     -62 %
  1.5 to 2 workers per core (1.75 here)            2 x 1          54     -62 %
  2 x cores + 1 workers                            2 x 1          54     -62 %
  2 x cores + 1 workers of 2 threads               2 x 2         106     -24 %
  2 x cores + 1 workers of 4 threads               2 x 4         142      +1 %
  4 workers per core                               2 x 1          54     -62 %
  2 x cores + 1 workers, at most one per 256 MB    2 x 1          54     -62 %
  Each is cut to what fits here. A thread accepts no more than it can serve.

What would serve more
  4096 MB of memory instead of 2048 MB: 4 x 4, 300 requests/s
"""

BRIEF = """\
uwsgi gthread: 1 worker x 2 threads, 2 requests at a time
  why       workers=1 and threads=2 is the limit: 1 x 2 is 2 of the 4 slots the
            CPUs could use: 26 requests/s instead of 33; left free it would be
            2 x 2 and 32 requests/s.
  note      1 x 2 serve 20 requests/s with 99 % of the answers within 519 ms:
            11 % less than the 22 of 2 x 2.
  note      One worker: while it starts again, nothing is served.
  note      uWSGI has one harakiri timer per worker, which other threads keep
            resetting: it is left out. Bound requests in the database and in
            nginx, or set threads=1.
  note      0.5 CPU looks like a quota: once it is spent, the kernel stops
            everything until the next period of 100 ms. A CPU weight has no such
            stalls.
"""


def test_the_whole_story() -> None:
    """Line by line, as an operator sees it."""
    assert told(4, 2048, **ORM, worker_unique_mb=350) == STORY


def test_what_a_deploy_shows() -> None:
    """The layout, the limit and the warnings."""
    assert summary(asdict(planned(0.5, 1024, **TINY))) == BRIEF


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        TINY,
        {"profile": "slow_api", "cpu_ms": 9.5, "slo_p99_ms": 1310.5, "db_connections": 7},
        {"policy": "two_n_plus_one_threads_4", "leak_kb_per_request": 90, "growth_mb": 30},
        {"interface": "asgi", "thread_safe": False, "reload_overlap": 1},
    ],
)
@pytest.mark.parametrize(("cpus", "memory_mb"), [(0.5, 1024), (2, 3900), (128, 524288)])
def test_no_line_is_wider_than_a_terminal(cpus: float, memory_mb: float, inputs: dict[str, Any]) -> None:
    """Whatever is planned."""
    wide = [line for line in told(cpus, memory_mb, **inputs).splitlines() if len(line) > 80]
    assert not wide


@pytest.mark.parametrize(
    ("inputs", "line"),
    [
        ({"workers": 3}, "this plan"),
        ({"thread_safe": False, "memory_reserve_mb": 7000}, "thread_safe=true, once the code is: 3 x 4, "),
        ({"db_connections": 8}, "db_connections=16 instead of 8: 8 x 1, "),
        ({"workers": 1}, "nothing pinned: 10 x 1, "),
        ({"cpu_ms": 9, "wait_ms": 20}, "times     cpu_ms and wait_ms as set"),
        (
            {"profile": "orm", "cpu_ms": 9},
            "times     cpu_ms as set, wait_ms from profile orm: measure it before you trust",
        ),
        (
            {"profile": "api", "wait_ms": 80},
            "times     wait_ms as set, cpu_ms from profile api: measure it before you trust",
        ),
        (
            {"profile": "orm"},
            "times     profile orm: measure cpu_ms and wait_ms before you trust the rates",
        ),
        ({"capacity_share": 0.5}, "host      1 of 2 CPU (cpus), 4096 of 8192 MB of memory (memory_mb):"),
        ({"capacity_share": 0.5}, "capacity_share is 0.5"),
        ({"workers": 1, "threads": 1}, "1 worker, 1 request at a time"),
        ({"reload_overlap": 1}, "memory    1580 of 7373 MB; the system keeps 819 MB"),
    ],
)
def test_line(inputs: dict[str, Any], line: str) -> None:
    """What appears only where it applies."""
    assert line in told(2, 8192, **inputs)


def test_a_free_plan_is_not_listed_twice() -> None:
    """It is the row of the model."""
    assert "this plan" not in told(2, 8192)


def test_what_has_no_plan_is_left_out() -> None:
    """Here one worker fits twice into the memory, and the database has one connection; the plan has one generation."""
    text = told(1, 600, db_connections=1)
    assert "\n  the model  " in text
    assert "\n  one worker  " not in text
    assert "1200 MB of memory instead of 600 MB" not in text


@pytest.mark.parametrize("what", [{}, {"host": {}}, {"host": {"cpus_total": 2}, "inputs": {}}, None, "text"])
def test_only_a_plan_can_be_told(what: Any) -> None:
    """The text is made from the plan alone."""
    with pytest.raises(SizingError) as refused:
        report(what)
    assert str(refused.value) == "plan: expected the result of capacity_plan, whole and unchanged"
