# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hostnames
short_description: Normalise domains
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Writes domains as nginx and Django compare them. Upper case becomes lower case, a final dot is dropped, and an
    international name becomes the ASCII name that is registered (IDNA). An IPv6 address gets brackets.
  - Domains that are the same then are given once.
options:
  _input:
    description: Host names, wildcards such as V(*.example.com), or IP addresses.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show the names under which a site is served
  ansible.builtin.debug:
    msg: "{{ ['Shop.Example.com.', 'münchen.example'] | pitcrew.django.hostnames }}"
"""

RETURN = r"""
_value:
  description: The names, in the order of the domains.
  type: list
  elements: str
  sample: [shop.example.com, xn--mnchen-3ya.example]
"""

from collections.abc import Callable, Iterable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs import hostnames as names


def hostnames(domains: Iterable[str]) -> list[str]:
    try:
        return names.hostnames(domains)
    except names.DomainError as error:
        raise AnsibleFilterError(f"pitcrew.django.hostnames: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"hostnames": hostnames}
