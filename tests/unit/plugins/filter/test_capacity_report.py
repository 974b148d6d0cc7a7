# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report filter as templates call it."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.pitcrew.django.plugins.filter.capacity_plan import capacity_plan
from ansible_collections.pitcrew.django.plugins.filter.capacity_report import FilterModule

capacity_report = FilterModule().filters()["capacity_report"]


def test_a_plan_is_told() -> None:
    """The answer of the one filter is the input of the other."""
    lines = capacity_report(capacity_plan({"cpus": 2, "memory_mb": 8192}, cpu_ms=12, wait_ms=18)).splitlines()
    assert lines[0] == "gunicorn sync: 9 workers, 9 requests at a time"
    assert any(line.startswith("Common rules on this host") for line in lines)


def test_a_plan_is_told_in_brief() -> None:
    """What each deploy shows."""
    plan = capacity_plan({"cpus": 2, "memory_mb": 8192}, cpu_ms=12, wait_ms=18)
    lines = capacity_report(plan, brief=True, notes=["gunicorn 26.0.0 is what the project pins."]).splitlines()
    assert lines[0] == "gunicorn sync: 9 workers, 9 requests at a time"
    assert [line[:10].strip() for line in lines[1:]] == ["why", "", "", "note"]
    assert "\n\nNote\n  gunicorn is pinned.\n" in capacity_report(plan, notes=["gunicorn is pinned."])


def test_anything_else_is_refused() -> None:
    """A part of a plan is not accepted."""
    with pytest.raises(AnsibleFilterError) as refused:
        capacity_report({"workers": 2})
    assert str(refused.value) == (
        "pitcrew.django.capacity_report: plan: expected the result of capacity_plan, whole and unchanged"
    )
