# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts
short_description: Refuse a host pattern that matches no host
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Returns a host pattern as it is, for the C(hosts) of a play. If it matches no host of the inventory, the lookup
    fails and names the groups that there are. Ansible itself would skip the play, and exit with status 0.
  - Hosts that C(--limit) leaves out count as matched. Nothing is looked up for C(--syntax-check) and C(--list-tasks).
options:
  _terms:
    description: The name of the variable that has the pattern, the pattern, and a host to return instead of a failure.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Deploy the site
  hosts: "{{ lookup('pitcrew.django.hosts', 'site_hosts', site_hosts) }}"
  tasks: []
"""

RETURN = r"""
_raw:
  description: The pattern.
  type: list
  elements: str
"""

from typing import Any

from ansible import context
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible.plugins.lookup.inventory_hostnames import LookupModule as Hostnames
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.hosts import no_hosts

# What does not run the playbook: it may be without an inventory.
DRY = ("syntax", "listhosts", "listtags", "listtasks")


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **_options: Any) -> list[Any]:
        name, pattern, *otherwise = terms
        known = variables or {}
        if any(context.CLIARGS.get(option) for option in DRY):
            return [pattern]
        if not Hostnames(loader=self._loader, templar=self._templar).run([pattern], variables=known):
            if otherwise:
                return otherwise
            raise AnsibleError(f"{no_hosts(name, pattern, known.get('groups', {}), known)}.")
        return [pattern]
