#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: capacity_facts
short_description: Gather the resources that a Linux host really grants its services
version_added: 0.1.0
description:
  - Reads how many CPUs and how much memory the services of a host can use, and the limits of its listen
    queues and open files.
  - The facts of M(ansible.builtin.setup) report what the hardware has. A container or a virtual machine is
    often allowed less, by a quota (C(cpu.max)), a memory limit (C(memory.max)) or a CPU affinity. This module
    reads those limits, for control groups of version 1, of version 2, and of both side by side.
  - The limits are those of PID 1, of every visible control group above it, and of C(system.slice), where
    services run. The login session through which Ansible connects is left out on purpose, since no service
    runs in it.
  - Only steady values are read, never how much is free, so that two runs return the same.
author:
  - The pitcrew.django maintainers (@pitcrew)
options:
  root:
    description:
      - Directory below which C(/proc) and C(/sys) are read.
      - Meant for tests, and for inspecting files copied from another host.
    type: path
    default: /
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.facts
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  facts:
    support: full
  platform:
    platforms: linux
seealso:
  - plugin: pitcrew.django.capacity_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Gather what the host grants its services
  pitcrew.django.capacity_facts:

- name: Show the smallest limits and where they come from
  ansible.builtin.debug:
    msg: "{{ ansible_facts['pitcrew_capacity'] }}"
"""

RETURN = r"""
ansible_facts:
  description: The facts, available afterwards as C(ansible_facts['pitcrew_capacity']).
  returned: success
  type: dict
  contains:
    pitcrew_capacity:
      description: The smallest value of each resource, and all limits that were found.
      type: dict
      returned: success
      contains:
        cpus:
          description: CPUs that services can use; V(0.5) for a quota of half a CPU.
          type: float
          returned: success
          sample: 1.5
        memory_mb:
          description: Memory that services can use, in MB of 1048576 bytes.
          type: int
          returned: success
          sample: 512
        somaxconn:
          description: Longest listen queue that the kernel allows; V(null) if unknown.
          type: int
          returned: success
          sample: 4096
        nofile_max:
          description: Most open files that a service can be granted; V(null) if unknown.
          type: int
          returned: success
          sample: 1048576
        limits:
          description: Every limit that was found. The smallest one of a resource applies.
          type: list
          elements: dict
          returned: success
          contains:
            resource:
              description: The name of the value above that it limits.
              type: str
              returned: success
              sample: cpus
            source:
              description: The file that it was read from.
              type: str
              returned: success
              sample: /sys/fs/cgroup/cpu.max
            value:
              description: The limit, in the unit of the resource.
              type: float
              returned: success
              sample: 1.5
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.capacity import CapacityError, read_capacity


def main():
    module = AnsibleModule(
        argument_spec={"root": {"type": "path", "default": "/"}},
        supports_check_mode=True,
    )
    try:
        capacity = read_capacity(module.params["root"])
    except CapacityError as error:
        module.fail_json(msg=f"capacity_facts: {error}")
    module.exit_json(changed=False, ansible_facts={"pitcrew_capacity": capacity})


if __name__ == "__main__":
    main()
