# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: process_commands
short_description: List the commands of processes and schedules for a release to judge
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Lists the commands that a site runs beside its web processes, each once, as M(pitcrew.django.release) takes them.
options:
  _input:
    description: The units of the processes, as the filter P(pitcrew.django.process_units#filter) gives them.
    type: list
    elements: dict
    required: true
  schedules:
    description: The schedules, as the filter P(pitcrew.django.schedule_units#filter) gives them.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show what runs by calendar
  ansible.builtin.debug:
    msg: "{{ [] | pitcrew.django.process_commands(site_schedules | pitcrew.django.schedule_units) }}"
"""

RETURN = r"""
_value:
  description: The commands, each with its words and the variable that has it.
  type: list
  elements: dict
  sample:
    - variable: site_schedules["clean"].command
      words: [python, manage.py, clearsessions]
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def process_commands(
    units: Iterable[Mapping[str, Any]], schedules: Iterable[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    # The units of a process differ in what names them; one of them stands for all.
    of_processes = {unit["process"]: unit["words"] for unit in reversed(list(units))}
    return [
        *(
            {"variable": f'site_processes["{name}"]', "words": list(of_processes[name])}
            for name in reversed(of_processes)
        ),
        *(
            {"variable": f'site_schedules["{one["schedule"]}"].command', "words": list(one["words"])}
            for one in schedules
        ),
    ]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"process_commands": process_commands}
