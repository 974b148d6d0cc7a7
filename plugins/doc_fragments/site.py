# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules that look at a site on its host have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options for what the site has on the host beside its directories."""

    DOCUMENTATION = r"""
options:
  services:
    description: The services that the site has on this host.
    type: list
    elements: str
    choices: [postgresql, redis]
    default: []
"""

    PYTHON = r"""
options:
  python:
    description: A Python on the host whose version is a fact.
    type: path
"""

    SCHEDULES = r"""
options:
  schedules:
    description: The calendars of the commands that are to run on the host, by the names of their schedules.
    type: dict
    default: {}
"""
