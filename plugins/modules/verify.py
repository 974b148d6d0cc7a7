#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Verify a site as a visitor sees it, and count its worker processes
version_added: 0.1.0
description:
  - Sends requests through the proxy, with the site's own host name. The health path has to return the expected status,
    the home page and the first stylesheet or script that it names have to exist, and all of it has to come from the
    expected release.
  - Counts the worker processes of the live slot and compares them with the plan. All its background processes have to
    run.
  - Waits until the old slot has stopped. Its background processes only have to be stopping, since they may take long to
    finish what they have.
  - Changes nothing.
author:
  - The pitcrew.django maintainers (@pitcrew)
extends_documentation_fragment:
  - pitcrew.django.health
  - pitcrew.django.health.proxy
attributes:
  action:
    description: Prints a refusal as text, on the control node.
    support: full
  check_mode:
    description: Does nothing, since the site may not exist yet.
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
    description: The release that has to answer. By default any, since a host that only balances runs no release itself.
    type: str
  workers:
    description: How many worker processes have to run on this host. Without it, they are not counted.
    type: int
  timeout:
    description: For how many seconds to wait until nginx answers and all workers run.
    type: int
    default: 10
  stop_timeout:
    description: For how many seconds to wait until the old slot has stopped.
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
    health:
      host: shop.example.com
      scheme: http
"""

RETURN = r"""
workers:
  description: How many worker processes run.
  returned: success, if they were counted
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.health import HEALTH_SPEC
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.journal import message
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
            "health": {"type": "dict", "required": True, "options": HEALTH_SPEC},
            **VERIFY_SPEC,
        },
        supports_check_mode=True,
    )
    params = module.params
    if module.check_mode:
        module.exit_json(changed=False)
    verification = Verification(
        HostedSite(params["name"], params["root"]),
        Systemd(module.run_command),
        **{name: params[name] for name in ("health", "release", *VERIFY_SPEC)},
    )
    try:
        verification.run()
    except NotAsPlannedError as error:
        module.fail_json(msg=message(error))
    module.exit_json(changed=False, workers=params["workers"])


if __name__ == "__main__":
    main()
