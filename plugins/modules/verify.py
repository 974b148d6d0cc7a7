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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.ask import QUESTION_SPEC, Question
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd
from ansible_collections.pitcrew.django.plugins.module_utils.verification import (
    VERIFY_SPEC,
    NotAsPlannedError,
    Verification,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "release": {"type": "str"},
            "question": {"type": "dict", "required": True, "options": QUESTION_SPEC},
            **VERIFY_SPEC,
        },
        supports_check_mode=True,
    )
    said = module.params
    if module.check_mode:
        module.exit_json(changed=False)
    verification = Verification(
        HostedSite(said["name"], said["root"]),
        Systemd(module.run_command),
        Question(address=said["address"], protocol=said["protocol"], release=said["release"], **said["question"]),
        said["workers"],
        said["timeout"],
        said["stop_timeout"],
    )
    try:
        verification.run()
    except NotAsPlannedError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, workers=said["workers"])


if __name__ == "__main__":
    main()
