#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is the documentation of an action plugin: plugins/action/site_inputs.py.

from __future__ import annotations

DOCUMENTATION = r"""
module: site_inputs
short_description: Validate a site's variables, and compute its plan
version_added: 0.1.0
description:
  - Reads all variables that the roles of this collection document, and fails with everything that is wrong with them.
    Each complaint is one line that begins with the variable and ends with the cure.
  - Without O(facts), it checks what does not depend on the host, such as types, ranges, patterns, relations between
    variables, misspelt names, and variables that follow from others and cannot be set.
  - With O(facts), it compares the variables with the host, and computes the plan.
  - Refuses to work with an ansible-core that this collection does not support.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  action:
    description: Everything happens on the control node.
    support: full
  check_mode:
    description: Validates as usual, since it changes nothing.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  roles:
    description: The roles whose variables count. By default all, on a host of the site.
    type: list
    elements: str
    default: []
  required:
    description: Variables that the playbook cannot do without, in addition to those that are always required.
    type: list
    elements: str
    default: []
  facts:
    description: The facts of the host, those of M(pitcrew.django.site_facts) among them.
    type: dict
  server:
    description: The server that runs the release. Required with O(facts).
    type: str
    choices: [gunicorn, uwsgi]
  interface:
    description: The interface of the release; by default that of the site.
    type: str
    choices: [wsgi, asgi]
  home:
    description: The home directory that the site's account has, or gets. Required with O(facts).
    type: path
  hosts:
    description: How many hosts the site has, all of which share its database.
    type: int
    default: 1
"""

EXAMPLES = r"""
- name: Validate the site's variables
  pitcrew.django.site_inputs:

- name: Validate the variables of a host that has no site
  pitcrew.django.site_inputs:
    roles: [monitoring]

- name: Check the host, and compute the plan
  pitcrew.django.site_inputs:
    facts: "{{ ansible_facts }}"
    server: gunicorn
    home: /var/lib/shop
"""

RETURN = r"""
plan:
  description: The plan, as the filter P(pitcrew.django.capacity_plan#filter) gives it.
  returned: success, with O(facts)
  type: dict
"""
