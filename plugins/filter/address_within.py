# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: address_within
short_description: Find the address that belongs to a network
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Gives the first of a host's addresses that is in a network, or an empty text if none is.
options:
  _input:
    description: IP addresses. Host names among them count for nothing.
    type: list
    elements: str
    required: true
  network:
    description: The network, such as V(10.0.0.0/24). It is the first positional argument.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the host's address in the private network
  ansible.builtin.debug:
    msg: "{{ ansible_facts.all_ipv4_addresses | pitcrew.django.address_within('10.0.0.0/24') }}"
"""

RETURN = r"""
_value:
  description: The address, or an empty text.
  type: str
  sample: 10.0.0.11
"""

import ipaddress
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleFilterError


def address_within(addresses: Iterable[str], network: str) -> str:
    try:
        wanted = ipaddress.ip_network(network)
    except ValueError as error:
        raise AnsibleFilterError(f"pitcrew.django.address_within: {error}") from error
    for address in addresses:
        with suppress(ValueError):
            if ipaddress.ip_address(address) in wanted:
                return str(address)
    return ""


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"address_within": address_within}
