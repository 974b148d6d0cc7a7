# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: placeholders
short_description: Replace the placeholders for places of a release
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Replaces C(@release@), C(@project@) and C(@state@) in every text of a value. Keys, and all that is not text, stay.
options:
  _input:
    description: A value of any type.
    type: raw
    required: true
  release:
    description: The directory of the release.
    type: str
    required: true
  project:
    description: The directory of C(manage.py) in it.
    type: str
    required: true
  state:
    description: The directory to which the site writes.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show where uploads are kept
  ansible.builtin.debug:
    msg: >-
      {{ {'MEDIA_ROOT': '@state@/media'} | pitcrew.django.placeholders(
      release='/srv/shop/releases/1', project='/srv/shop/releases/1/app', state='/var/lib/shop') }}
"""

RETURN = r"""
_value:
  description: The value with the places.
  type: raw
  sample: {MEDIA_ROOT: /var/lib/shop/media}
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.pitcrew.django.plugins.plugin_utils.placeholders import replaced


def placeholders(value: Any, release: str, project: str, state: str) -> Any:
    return replaced(value, {"release": release, "project": project, "state": state})


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"placeholders": placeholders}
