# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: process_units
short_description: Write the units of a site's background processes in full
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Writes one mapping for each unit of C(site_processes), in the order of the inventory, with its command, how it is
    stopped, and the limits that the plan has for it.
  - A process that may exist once only has units on the first host of the site only.
options:
  _input:
    description: The processes by name, as C(site_processes) has them, validated.
    type: dict
    required: true
  site:
    description: The site's name.
    type: str
    required: true
  planned:
    description:
      - What the plan has for the processes, RV(pitcrew.django.capacity_plan#filter:_value.processes).
      - Without it, the limits are null, and a concurrency that is not set is taken for 1, so that commands can be
        judged before there is a plan.
    type: dict
    default: {}
  state:
    description: The directory of the host that outlives the site's releases.
    type: path
    required: true
  first_host:
    description: Whether the host is the first of the site's.
    type: bool
    default: true
  has_manage:
    description: Whether the project has a C(manage.py). If not, presets run C(python -m django) in its place.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Show the command of each unit
  ansible.builtin.debug:
    msg: "{{ {'rq': {'preset': 'rq', 'queues': ['high', 'default'], 'count': 2}}
      | pitcrew.django.process_units(site='shop', state='/var/lib/shop') | map(attribute='exec') }}"
"""

RETURN = r"""
_value:
  description: The units.
  type: list
  elements: dict
  contains:
    process: {description: The name of the process., type: str}
    prefix: {description: "What the unit's name has before the @ and the slot.", type: str, sample: shop-rq-2}
    exec:
      description: The command, its words quoted for C(ExecStart). C(%i) stands for the slot.
      type: str
      sample: python -m celery --app=shop worker --loglevel=INFO --hostname=shop-worker.%i@%%h --concurrency=4
    words:
      description: The same as a list of words that are not quoted. C(%i) stands for the slot.
      type: list
      elements: str
    package:
      description: The requirement that brings the command, for the presets. Empty for a command.
      type: str
      sample: django-rq
    kill_signal: {description: The signal after which it finishes what it has begun., type: str, sample: SIGTERM}
    drain: {description: "For how many seconds it may do so.", type: int}
    startsecs: {description: "How many seconds it has to stay up before its release goes live.", type: int}
    single: {description: Whether it may exist once only., type: bool}
    memory_high_mb: {description: C(MemoryHigh). Null without O(planned)., type: int}
    memory_max_mb: {description: C(MemoryMax). Null without O(planned)., type: int}
    tasks_max: {description: C(TasksMax). Null without O(planned)., type: int}
    cpu_weight: {description: C(CPUWeight). Null without O(planned)., type: int}
    description:
      description: What the unit is, for C(Description).
      type: str
      sample: "shop: process rq, RQ worker (2 of 2)"
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.pitcrew.django.plugins.plugin_utils.processes.units import process_units as units_of


def process_units(
    processes: Mapping[str, Mapping[str, Any]],
    *,
    site: str,
    state: str,
    planned: Mapping[str, Mapping[str, Any]] | None = None,
    first_host: bool = True,
    has_manage: bool = True,
) -> list[dict[str, Any]]:
    return units_of(
        processes, site=site, planned=planned or {}, state=state, first_host=first_host, has_manage=has_manage
    )


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"process_units": process_units}
