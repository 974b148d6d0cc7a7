# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: build_steps
short_description: Write the steps of a build in full
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Writes each step of C(site_build) with all its keys, as M(pitcrew.django.release) takes them.
options:
  _input:
    description: Presets, commands, or mappings with one of the two.
    type: list
    elements: raw
    required: true
"""

EXAMPLES = r"""
- name: Show which packages of the distribution a build needs
  ansible.builtin.debug:
    msg: "{{ ['npm', 'compilemessages'] | pitcrew.django.build_steps | map(attribute='packages') | flatten }}"
"""

RETURN = r"""
_value:
  description: The steps.
  type: list
  elements: dict
  sample:
    - command: ""
      preset: compilemessages
      directory: ""
      network: false
      environment: {}
      timeout: 900
      memory: 50%
      packages: [gettext]
      node: false
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from ansible_collections.pitcrew.django.plugins.plugin_utils.build_steps import steps


def build_steps(build: Iterable[Any]) -> list[dict[str, Any]]:
    return [{**asdict(step), "packages": list(step.packages)} for step in steps(build)]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"build_steps": build_steps}
