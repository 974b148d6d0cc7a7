#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_facts
short_description: Gather facts about the Python and the packages that a host offers
version_added: 0.1.0
description:
  - Changes nothing, and needs no privileges.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  check_mode:
    description: Does the same.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  facts:
    description: Sets C(ansible_facts.pitcrew_platform).
    support: full
options:
  python:
    description: The Python that a site would run with.
    type: path
    default: /usr/bin/python3
  packages:
    description: Packages of the distribution that a site would need.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Gather facts about Python and packages
  pitcrew.django.platform_facts:
    packages: [libpq-dev]

- name: Show the version of Python
  ansible.builtin.debug:
    var: ansible_facts.pitcrew_platform.python
"""

RETURN = r"""
ansible_facts:
  description: What the host offers.
  returned: always
  type: dict
  contains:
    pitcrew_platform:
      description: The distribution, its Pythons and its packages.
      type: dict
      contains:
        distribution:
          description: The name of the distribution, with its version.
          type: str
          sample: Debian 12
        path:
          description: The value of O(python).
          type: str
          sample: /usr/bin/python3
        python:
          description: Its version; null if there is no such Python.
          type: str
          sample: 3.11.2
        pythons:
          description: Other Pythons, each with its version.
          type: dict
          sample: {/usr/bin/python3.12: 3.12.4}
        absent:
          description: Those of O(packages) that apt does not know.
          type: list
          elements: str
          sample: [libgeos-c1v5]
"""

import glob
import re

from ansible.module_utils.basic import AnsibleModule

PLACES = ("/usr/bin/python3.[0-9]*", "/usr/local/bin/python3.[0-9]*", "/opt/python/*/bin/python3.[0-9]*")


def distribution():
    """Return the name and the version of the distribution; empty if it does not say."""
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            found = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', file.read(), re.MULTILINE))
    except OSError:
        return ""
    name = found.get("NAME", "").split(" ")[0]
    return f"{name} {found.get('VERSION_ID', '')}".strip()


def version(module, python):
    """Return the version of a Python; None if it does not run."""
    status, out, err = module.run_command([python, "--version"], handle_exceptions=False, check_rc=False)
    found = re.match(r"Python (\d+\.\d+\.\d+)", out or err)
    return found[1] if status == 0 and found else None


def version_of(module, python):
    """Return the version of a Python; None if there is no such program."""
    try:
        return version(module, python)
    except OSError:
        return None


def absent(module, packages):
    """Return the packages that apt cannot install; none if there is no apt."""
    apt = module.get_bin_path("apt-cache")
    if not apt or not packages:
        return []
    _status, out, _err = module.run_command([apt, "policy", *packages], environ_update={"LC_ALL": "C.UTF-8"})
    candidates = dict(re.findall(r"^(\S+):\n(?:  .*\n)*?  Candidate: (.*)$", out, re.MULTILINE))
    missing = [name for name in packages if candidates.get(name, "(none)") == "(none)"]
    # Names that others provide have no candidate of their own.
    if missing:
        _status, out, _err = module.run_command([apt, "showpkg", *missing], environ_update={"LC_ALL": "C.UTF-8"})
        for part in re.split(r"^Package: ", out, flags=re.MULTILINE)[1:]:
            provided = re.search(r"^Reverse Provides: \n(\S+)", part, re.MULTILINE)
            name = part.split("\n")[0].strip()
            if provided and name in missing:
                missing.remove(name)
    return missing


def main():
    module = AnsibleModule(
        argument_spec={
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "packages": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    python = module.params["python"]
    others = sorted(name for place in PLACES for name in glob.glob(place) if re.search(r"/python3\.\d+$", name))
    versions = {name: found for name in others if (found := version_of(module, name))}
    facts = {
        "distribution": distribution(),
        "path": python,
        "python": version_of(module, python),
        "pythons": versions,
        "absent": absent(module, module.params["packages"]),
    }
    module.exit_json(changed=False, ansible_facts={"pitcrew_platform": facts})


if __name__ == "__main__":
    main()
