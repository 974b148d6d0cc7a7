#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is the documentation of an action plugin: plugins/action/report.py.

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Print text as it is
version_added: 0.1.0
description:
  - Prints lines as they are, neither quoted nor folded, with any stdout callback that people read.
  - Prints nothing, and returns the lines, where the stdout callback writes JSON, such as C(ansible.posix.json) and
    C(ansible.posix.jsonl), and where the task has C(no_log).
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  action:
    description: Everything happens on the control node.
    support: full
  check_mode:
    description: Prints the text as usual.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  text:
    description: The text.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the plan with its reasons
  pitcrew.django.report:
    text: "{{ site_plan | pitcrew.django.capacity_report }}"
"""

RETURN = r"""
text:
  description: The lines.
  returned: when they are not printed
  type: list
  elements: str
  sample: [All is well.]
"""
