# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules that send a request to a site have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options for the question to a site, and for the proxy that it is sent to."""

    DOCUMENTATION = r"""
options:
  question:
    description: The request to send, and the healthy answer to it.
    type: dict
    required: true
    suboptions:
      host:
        description: The host name of the request, one that the site answers to.
        type: str
        required: true
      scheme:
        description: The scheme that visitors use.
        type: str
        choices: [http, https]
        default: https
      path:
        description: The path to request.
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
    description: The protocol that the proxy speaks.
    type: str
    choices: [http, https]
    default: http
"""
