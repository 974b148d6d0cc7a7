#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lock
short_description: Lock a site for one run of a playbook
version_added: 0.1.0
description:
  - Records on the host who is working on the site, from where and since when. A second run is refused with a message
    that names the first.
  - A run that is cut off leaves its lock behind. The lock ends at the next boot, when it expires, or when somebody
    breaks it; it ends at once if the next run comes from the same control node and finds that the process is gone.
  - M(pitcrew.django.release) and M(pitcrew.django.switch) renew the lock, and stop if another run has taken it over.
  - While it holds the lock, the module also gathers the facts of M(pitcrew.django.site_facts), since each visit to the
    host takes time.
author:
  - The pitcrew.django maintainers (@pitcrew)
extends_documentation_fragment:
  - pitcrew.django.site
  - pitcrew.django.site.python
  - pitcrew.django.site.schedules
attributes:
  action:
    description: The control node determines who works on the site.
    support: full
  check_mode:
    description: Neither takes nor releases the lock, and is never refused.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  facts:
    description: Sets those of M(pitcrew.django.site_facts) when the lock is taken, and in check mode.
    support: full
options:
  name:
    description: The site's name.
    type: str
    required: true
  root:
    description: The site's directory on the host. It need not exist yet.
    type: path
    required: true
  files:
    description: Files that the host is expected to have.
    type: list
    elements: path
    default: []
  state:
    description: Whether to take the lock or to release it.
    type: str
    choices: [held, free]
    default: held
  token:
    description: What taking the lock returned. Required to release it; the lock of another run is left alone.
    type: str
  succeeded:
    description:
      - Whether the run that releases the lock has succeeded. C(last-run.json) in the site's directory records it, with
        who worked on the site, and from when to when.
    type: bool
    default: false
  operator:
    description: Who works on the site. By default the user on the control node.
    type: str
  node:
    description: The name of the control node. Set by the action plugin.
    type: str
    default: ""
  process:
    description: What identifies the process of this run. Set by the action plugin.
    type: str
    default: ""
  gone:
    description: The process of a run that has died. Only its lock is taken at once. Set by the action plugin.
    type: str
  expires:
    description: After how many seconds without a sign of life a lock expires.
    type: int
    default: 1800
  force:
    description: Whether to take over the lock of another run. That run is stopped at its next visit, if it has one.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Lock the site for this run
  pitcrew.django.lock:
    name: shop
    root: /srv/shop
  register: held

- name: Release the lock
  pitcrew.django.lock:
    name: shop
    root: /srv/shop
    state: free
    token: "{{ held.token }}"
    succeeded: true
"""

RETURN = r"""
token:
  description: The token that releases the lock.
  returned: when the lock was taken
  type: str
holder:
  description: The run that holds the lock, as operator, node, process, and since (seconds since the epoch).
  returned: when another run holds the lock
  type: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.capacity import CapacityError
from ansible_collections.pitcrew.django.plugins.module_utils.lock import Busy, DeployLock, Holder
from ansible_collections.pitcrew.django.plugins.module_utils.services import SERVICES
from ansible_collections.pitcrew.django.plugins.module_utils.site_state import read_site


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "path", "default": []},
            "python": {"type": "path"},
            "services": {"type": "list", "elements": "str", "choices": list(SERVICES), "default": []},
            "schedules": {"type": "dict", "default": {}},
            "state": {"type": "str", "choices": ["held", "free"], "default": "held"},
            "token": {"type": "str", "no_log": False},
            "succeeded": {"type": "bool", "default": False},
            "operator": {"type": "str"},
            "node": {"type": "str", "default": ""},
            "process": {"type": "str", "default": ""},
            "gone": {"type": "str"},
            "expires": {"type": "int", "default": 1800},
            "force": {"type": "bool", "default": False},
        },
        required_if=[("state", "free", ["token"])],
        supports_check_mode=True,
    )
    params = module.params
    # Taking the lock does not count as a change of the host.
    result: dict[str, Any] = {"changed": False}
    lock = DeployLock(params["root"])
    try:
        if params["state"] == "free":
            if not module.check_mode:
                lock.free(params["token"], params["succeeded"])
            module.exit_json(**result)
        if not module.check_mode:
            holder = Holder(params["operator"] or "somebody", params["node"], params["process"], time.time())
            before = lock.take(holder, params["expires"], params["force"], params["gone"])
            result["token"] = holder.token
            if before is not None:
                module.warn(f"The run of {before} was cut off: its lock has been taken over.")
        try:
            asked = ("name", "root", "files", "python", "services", "schedules")
            result["ansible_facts"] = read_site(*(params[name] for name in asked))
        except BaseException:
            if "token" in result:
                lock.free(result["token"], succeeded=False)
            raise
    except Busy as busy:
        found = busy.holder
        where = {"operator": found.operator, "node": found.node, "process": found.process, "since": found.since}
        module.fail_json(msg=f"{busy}.", holder=where)
    except (OSError, CapacityError) as error:
        module.fail_json(msg=f"The site cannot be locked for this run: {error}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
