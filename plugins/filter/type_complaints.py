# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: type_complaints
short_description: Say which values are not of the types that a role documents
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Compares values with an argument specification. Ansible's own validation converts what it can and hands the value
    on as it was, so that a list ends up where a text is expected, deep in a template.
  - A number in a text counts as a number, since C(--extra-vars name=7) gives no other.
options:
  _input:
    description: The values by the names of their options.
    type: dict
    required: true
  options:
    description: The C(options) of an entry point of C(meta/argument_specs.yml).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Judge the types of what was said
  ansible.builtin.assert:
    that: wrong | length == 0
    fail_msg: "{{ wrong | join('. ') }}"
  vars:
    wrong: "{{ {'site_domains': 'shop.test'} | pitcrew.django.type_complaints({'site_domains': {'type': 'list'}}) }}"
"""

RETURN = r"""
_value:
  description: A sentence for each value that does not fit, with the option's name, what is expected and what was said.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.pitcrew.django.plugins.plugin_utils.spec import complaints


def type_complaints(said: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return list(complaints(options, said))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"type_complaints": type_complaints}
