# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: nginx_complaints
short_description: Say what on a host would keep nginx from serving a site
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Judges the facts of a host before anything is installed on it.
options:
  _input:
    description: The facts C(pitcrew_site.nginx) of M(pitcrew.django.site_facts).
    type: dict
    required: true
  tls:
    description: Whether nginx ends TLS for the site.
    type: bool
    required: true
  domains:
    description: The host names that the site is to serve.
    type: list
    elements: str
    required: true
seealso:
  - module: pitcrew.django.site_facts
"""

EXAMPLES = r"""
- name: Make sure that nginx can serve the site
  ansible.builtin.assert:
    that: wrong | length == 0
    fail_msg: "{{ wrong | join('. ') }}"
  vars:
    wrong: "{{ ansible_facts.pitcrew_site.nginx | pitcrew.django.nginx_complaints(tls=true, domains=site_domains) }}"
"""

RETURN = r"""
_value:
  description: A sentence for each thing that is in nginx's way, with what to do about it.
  type: list
  elements: str
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.pitcrew.django.plugins.plugin_utils.nginx_rules import nginx_complaints as complaints


def nginx_complaints(facts: Mapping[str, Any], tls: bool, domains: Iterable[str]) -> list[str]:
    return list(complaints(facts, tls=tls, domains=domains))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"nginx_complaints": nginx_complaints}
