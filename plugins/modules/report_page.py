#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is the documentation of an action plugin: plugins/action/report_page.py.

from __future__ import annotations

DOCUMENTATION = r"""
module: report_page
short_description: Write the report about a site to the control node
version_added: 0.1.0
description:
  - Adds up what M(pitcrew.django.site_report) found on each host, and writes C(index.html) and C(report.json).
  - Writes the page of GoAccess of each host that returned one, too, as C(goaccess.html), or as C(goaccess-HOST.html) if
    there are several hosts.
  - The page is whole in itself, without scripts, and whatever comes from visitors is escaped.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  action:
    description: Everything happens on the control node.
    support: full
  check_mode:
    description: Writes nothing, and returns the same.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  name:
    description: The site's name.
    type: str
    required: true
  hours:
    description: How many hours the report is about.
    type: int
    required: true
  found:
    description: The result of M(pitcrew.django.site_report) by host; an empty one for a host that was not reached.
    type: dict
    required: true
  directory:
    description: The directory; a relative one is in the working directory.
    type: str
    required: true
seealso:
  - module: pitcrew.django.site_report
"""

EXAMPLES = r"""
- name: Write the report
  pitcrew.django.report_page:
    name: shop
    hours: 24
    found: "{{ {inventory_hostname: summarised} }}"
    directory: report-shop
"""

RETURN = r"""
path:
  description: The page.
  returned: success
  type: str
  sample: /home/anna/shop/report-shop/index.html
text:
  description: The most important of it, in lines of at most 80 characters.
  returned: success
  type: str
"""
