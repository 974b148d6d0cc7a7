#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Ask a site as a visitor would, and count the processes that answer
version_added: 0.1.0
description:
  - Asks through the proxy, with the site's own host name, and compares the status and the release with what they
    should be.
  - Counts the worker processes of the live slot and compares them with the plan.
  - Waits until the slot that served before has stopped.
  - Changes nothing.
author:
  - The pitcrew.django maintainers (@pitcrew)
extends_documentation_fragment:
  - pitcrew.django.question
  - pitcrew.django.question.proxy
attributes:
  check_mode:
    description: Does nothing there, since what it would ask may not exist yet.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  name:
    description: The site's name.
    type: str
    required: true
  root:
    description: The site's directory on the host.
    type: path
    required: true
  release:
    description: The release that has to answer. Without it, any may; a host that balances over others runs none itself.
    type: str
  workers:
    description: How many worker processes have to run on this host. Without it, none are counted.
    type: int
  timeout:
    description: For how many seconds to wait for nginx and all workers to be there.
    type: int
    default: 10
  stop_timeout:
    description: For how many seconds to wait for the slot that served before to have stopped.
    type: int
    default: 35
"""

EXAMPLES = r"""
- name: Verify that the site answers as planned
  pitcrew.django.verify:
    name: shop
    root: /srv/shop
    release: 3f2a9c1d04ab-1f3e2c
    workers: 9
    question:
      host: shop.example.com
      scheme: http
"""

RETURN = r"""
workers:
  description: How many worker processes run.
  returned: success, where they were counted
  type: int
"""

import http.client
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.ask import QUESTION_SPEC, Question, ask
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd

POLL_S = 0.1


def objection(params: dict[str, Any], systemd: Systemd) -> str | None:
    """Say in words what is not as it should be, or None."""
    if params["workers"] is not None:
        live = HostedSite(params["name"], params["root"]).live
        if live is None:
            return f"{params['root']}/live points to no slot"
        workers = len(systemd.show(live.unit).processes)
        if workers != params["workers"]:
            return f"{live.unit} runs {workers} worker processes, the plan has {params['workers']}"
    question = Question(
        address=params["address"],
        protocol=params["protocol"],
        release=params["release"],
        **params["question"],
    )
    try:
        return question.objection(ask(question))
    except (OSError, http.client.HTTPException) as error:
        return f"no answer for {question.host} on {question.address}: {error or type(error).__name__}"


def remains(params: dict[str, Any], systemd: Systemd) -> str | None:
    """Say that the slot before still runs, or None."""
    unit = HostedSite(params["name"], params["root"]).idle.unit
    return None if systemd.show(unit).stopped else f"{unit} still runs beside the slot that serves"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "release": {"type": "str"},
            "workers": {"type": "int"},
            "address": {"type": "str", "default": "127.0.0.1:80"},
            "protocol": {"type": "str", "choices": ["http", "https"], "default": "http"},
            "question": {"type": "dict", "required": True, "options": QUESTION_SPEC},
            "timeout": {"type": "int", "default": 10},
            "stop_timeout": {"type": "int", "default": 35},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False)
    systemd = Systemd(module.run_command)
    asked = [(objection, "timeout")]
    if module.params["release"] is not None:  # A balancer has no slots.
        asked.append((remains, "stop_timeout"))
    for question, patience in asked:
        deadline = time.monotonic() + module.params[patience]
        while found := question(module.params, systemd):
            if time.monotonic() > deadline:
                module.fail_json(msg=f"The site is live, but not as planned: {found}.")
            time.sleep(POLL_S)
    module.exit_json(changed=False, workers=module.params["workers"])


if __name__ == "__main__":
    main()
