#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: migrations
short_description: Compare the migrations of a release with the database
version_added: 0.1.0
description:
  - Asks the Django of a release which migrations the database has that the release does not know, and which migrations
    of the release are not applied. Changes nothing.
author:
  - The pitcrew.django maintainers (@pitcrew)
extends_documentation_fragment:
  - pitcrew.django.process
attributes:
  action:
    description: Prints a refusal as text, on the control node.
    support: full
  check_mode:
    description: Does the same.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  path:
    description: The release's directory.
    type: path
    required: true
  project:
    description: The directory of C(manage.py), relative to the source.
    type: str
    default: ""
  user:
    description: The site's user.
    type: str
    required: true
  home:
    description: The home directory of the site's user.
    type: path
    required: true
  python:
    description: A Python of the host.
    type: path
    default: /usr/bin/python3
"""

EXAMPLES = r"""
- name: Compare an earlier release with the database
  pitcrew.django.migrations:
    path: /srv/shop/releases/3f2a9c1d04ab-1f3e2c
    user: shop
    home: /var/lib/shop
    environment:
      DJANGO_SETTINGS_MODULE: shop.settings
  register: found

- name: Show what a newer release has done to the database
  ansible.builtin.debug:
    var: found.unknown
"""

RETURN = r"""
unknown:
  description: Migrations that the database has and the release does not know.
  returned: success
  type: list
  elements: str
  sample: [shop.0003_price]
pending:
  description: Migrations of the release that are not applied.
  returned: success
  type: list
  elements: str
  sample: []
"""

import pwd
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.cures import start_cures
from ansible_collections.pitcrew.django.plugins.module_utils.django_process import Django
from ansible_collections.pitcrew.django.plugins.module_utils.environment_file import environment_values
from ansible_collections.pitcrew.django.plugins.module_utils.output import excerpt


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "project": {"type": "str", "default": ""},
            "user": {"type": "str", "required": True},
            "home": {"type": "path", "required": True},
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "environment": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "hidden": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        variables = {
            **environment_values(params["environment"], "site_environment"),
            **environment_values(params["secrets"], "site_secrets"),
        }
        account = pwd.getpwnam(params["user"])
    except (ValueError, KeyError) as error:
        module.fail_json(msg=f"{error}.")
    django = Django(
        module.run_command, account, params["python"], Path(params["path"]), params["project"], params["home"]
    )
    report, output = django.run({"do": "compare"}, variables)
    if report["error"]:
        release = Path(params["path"]).name
        cures = start_cures(f"{output}\n{report['error']}", params["user"])
        sentences = [f"The database cannot be compared with release {release}: {report['error']}", *cures]
        message = "\n".join(f"{sentence.rstrip('.')}." for sentence in sentences) + f"\n\n{excerpt(output)}"
        module.fail_json(msg=message.strip())
    module.exit_json(changed=False, unknown=report["unknown"], pending=report["pending"])


if __name__ == "__main__":
    main()
