#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is the documentation of an action plugin: plugins/action/refuse.py.

from __future__ import annotations

DOCUMENTATION = r"""
module: refuse
short_description: Fail with a text that is printed once
version_added: 0.1.0
description:
  - Fails, and prints the reason once, as lines. M(ansible.builtin.fail) prints a reason twice since ansible-core 2.19,
    the second time as one line of JSON.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  action:
    description: Everything happens on the control node.
    support: full
  check_mode:
    description: Fails as usual.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  text:
    description: Sentences with the cause and the cure; then, after a blank line, the output that shows it, if any.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse a release that is not on the host
  pitcrew.django.refuse:
    text: "site_release: {{ site_release }} is not on this host; set it to one of {{ releases | join(', ') }}"
  when: site_release not in releases
"""

RETURN = r"""
msg:
  description:
    - The cause, on one line, where the text was printed.
    - The cause and the cure, where nothing was printed because the stdout callback writes JSON.
  returned: always
  type: str
text:
  description: The lines of all of it.
  returned: in a block with a rescue, as C(ansible_failed_result.text) there
  type: list
  elements: str
details:
  description: The lines of the output.
  returned: where nothing was printed, if there are any
  type: list
  elements: str
"""
