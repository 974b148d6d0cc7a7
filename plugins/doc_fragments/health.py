# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules that check the health of a site have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options for the requests that a healthy site answers, and for the proxy that they are sent to."""

    DOCUMENTATION = r"""
options:
  health:
    description:
      - The requests that a healthy site answers. Redirects within the site are followed, at most five of them.
    type: dict
    required: true
    suboptions:
      host:
        description: The host name of the requests, one of the site's.
        type: str
        required: true
      domains:
        description: All host names of the site. A redirect to another one of them is followed.
        type: list
        elements: str
        default: []
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
        description: The status of a healthy response. If that is a redirect, it is not followed.
        type: int
        default: 200
      checks:
        description: More requests that a healthy site answers.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: The path to request.
            type: str
            required: true
          status:
            description: The status of a healthy response.
            type: int
            default: 200
      home_page:
        description:
          - Whether the home page has to return a status below 500, and the static files that it names have to exist.
        type: bool
        default: true
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
