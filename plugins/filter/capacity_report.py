# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: capacity_report
short_description: Tell the story of a capacity plan
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Turns a plan into the text that a person reads, in lines of at most 80 characters. It says what is planned and what
    limits it, what the common rules of thumb would have chosen on the same host and what that would cost, and which
    changes would serve more.
options:
  _input:
    description: The answer of P(pitcrew.django.capacity_plan#filter), whole and unchanged.
    type: dict
    required: true
  brief:
    description: Whether to say only what is planned, what limits it, and what the plan warns of.
    type: bool
    default: false
  notes:
    description: More sentences to show after the plan's own warnings.
    type: list
    elements: str
    default: []
seealso:
  - plugin: pitcrew.django.capacity_plan
    plugin_type: filter
  - module: pitcrew.django.report
"""

EXAMPLES = r"""
- name: Plan for this host
  ansible.builtin.set_fact:
    plan: "{{ ansible_facts | pitcrew.django.capacity_plan(profile='orm') }}"

- name: Show the plan and why
  pitcrew.django.report:
    text: "{{ plan | pitcrew.django.capacity_report }}"
"""

RETURN = r"""
_value:
  description: Lines of plain text.
  type: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import SizingError
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.report import report, summary


def capacity_report(plan: Mapping[str, Any], brief: bool = False, notes: Sequence[str] = ()) -> str:
    try:
        return (summary if brief else report)(plan, notes)
    except SizingError as error:
        raise AnsibleFilterError(f"pitcrew.django.capacity_report: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"capacity_report": capacity_report}
