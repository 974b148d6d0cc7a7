# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: schedule_units
short_description: Write commands by calendar in full, for the units of a host
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Writes each schedule of C(site_schedules) with all its keys, and its command as systemd takes it.
options:
  _input:
    description: The schedules, by their names.
    type: dict
    required: true
  first_host:
    description: Whether the host is the first one of the site. Any other runs only what is for all hosts.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Show what runs when
  ansible.builtin.debug:
    msg: "{{ {'clean': {'command': 'python manage.py clearsessions', 'calendar': 'daily'}}
      | pitcrew.django.schedule_units }}"
"""

RETURN = r"""
_value:
  description:
    - The schedules of the host, in the order of the inventory. Delays and time-outs are in seconds.
    - C(exec) is the command as in ExecStart=, and C(words) is what it is made of.
  type: list
  elements: dict
  sample:
    - schedule: clean
      exec: python manage.py clearsessions
      words: [python, manage.py, clearsessions]
      calendar: daily
      random_delay: 60
      persistent: true
      all_hosts: false
      timeout: 3600
      memory_mb: null
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.pitcrew.django.plugins.plugin_utils.schedules import schedules


def schedule_units(given: Mapping[str, Mapping[str, Any]], first_host: bool = True) -> list[dict[str, Any]]:
    return [{**asdict(one), "words": list(one.words)} for one in schedules(given, first_host)]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"schedule_units": schedule_units}
