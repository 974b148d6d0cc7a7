# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules that run a site's own code have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options for the environment in which the site's own code runs."""

    DOCUMENTATION = r"""
options:
  environment:
    description: The environment of the site's processes.
    type: dict
    default: {}
  secrets:
    description: More environment variables, whose values are never shown. Only root may read their file.
    type: dict
    default: {}
  hidden:
    description: Values that are never shown, wherever they occur. Their keys have no meaning.
    type: dict
    default: {}
"""
