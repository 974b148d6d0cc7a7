#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is the documentation of an action plugin: plugins/action/proposal.py.

from __future__ import annotations

DOCUMENTATION = r"""
module: proposal
short_description: Propose an inventory for a source
version_added: 0.1.0
description:
  - Reads a source as a deploy would pack it, and proposes variables for it, each with its reason, file and line.
  - Nothing of the source is run, unless O(settings) is true.
  - Variables that the play sets count as they are, and are not proposed again.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  action:
    description: Everything happens on the control node.
    support: full
  check_mode:
    description: Does not write O(file), and returns the same.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  git_url:
    description: A git repository. Exactly one of this and O(directory) is required.
    type: str
    default: ""
  git_ref:
    description: The branch, tag or commit.
    type: str
    default: HEAD
  directory:
    description: A directory.
    type: str
    default: ""
  cache:
    description: Where clones and archives are kept, and where the environment for O(settings) is made and removed.
    type: path
    required: true
  settings:
    description:
      - Whether to install the project's packages in a throw-away environment and to load Django's settings there, which
        runs code of the project and of its packages. If that fails, what was read stands.
    type: bool
    default: true
  hosts:
    description: C(ansible_facts.pitcrew_platform) of M(pitcrew.django.platform_facts), by host.
    type: dict
    default: {}
  file:
    description: A new file to write the inventory to. One that exists is refused.
    type: str
    default: ""
seealso:
  - module: pitcrew.django.platform_facts
"""

EXAMPLES = r"""
- name: Inspect a source
  pitcrew.django.proposal:
    directory: ../shop
    cache: ~/.cache/pitcrew.django
  register: inspected

- name: Show the proposed inventory
  pitcrew.django.report:
    text: "{{ inspected.text }}"
"""

RETURN = r"""
text:
  description: The inventory, what could not be found out and what a deploy would warn of, in lines of 80 characters.
  returned: success
  type: str
inventory:
  description: The proposed inventory, as YAML.
  returned: success
  type: str
system_packages:
  description: The distribution's packages that are proposed.
  returned: success
  type: list
  elements: str
  sample: [libpq-dev]
findings:
  description: Everything that was found.
  returned: success
  type: list
  elements: dict
  contains:
    variable:
      description: The variable; empty if none follows.
      type: str
      sample: site_settings
    value:
      description: The proposed value, or a part of it.
      type: raw
      sample: {DEBUG: false}
    reason:
      description: Why.
      type: str
      sample: DEBUG is True in the source
    file:
      description: The file of the source; empty if there is none.
      type: str
      sample: shop/settings.py
    line:
      description: The line; 0 for the file as a whole.
      type: int
      sample: 12
    certainty:
      description: Whether it is C(certain), a C(guess) or a C(question); C(note) is worth knowing, C(process) a
        program that a file of the source starts and that is not proposed, C(optional) what the settings read with a
        default.
      type: str
      sample: certain
    commented:
      description: Whether it is proposed as a comment, because only the user knows whether it is wanted.
      type: bool
      sample: false
"""
