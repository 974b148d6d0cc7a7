# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules that ask a site have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """What modules that ask a site say of their question, and of the proxy that they put it to."""

    DOCUMENTATION = r"""
options:
  question:
    description: What to ask, and the healthy answer.
    type: dict
    required: true
    suboptions:
      host:
        description: The host name to ask for, one that the site answers to.
        type: str
        required: true
      scheme:
        description: How visitors come to the site.
        type: str
        choices: [http, https]
        default: https
      path:
        description: The path to ask for.
        type: str
        default: /
      status:
        description: The status of a healthy answer.
        type: int
        default: 200
"""

    PROXY = r"""
options:
  address:
    description: Where the proxy listens, as C(ip:port).
    type: str
    default: 127.0.0.1:80
  protocol:
    description: How the proxy is spoken to.
    type: str
    choices: [http, https]
    default: http
"""
