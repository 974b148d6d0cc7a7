# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: status_report
short_description: Tell how a site is on all its hosts
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Turns what M(pitcrew.django.status) found on each host into tables for people, in lines of at most 80 characters,
    with a sentence for everything that needs attention.
options:
  _input:
    description: The C(status) of each host by the host's name; an empty one for a host that was not reached.
    type: dict
    required: true
seealso:
  - module: pitcrew.django.status
  - module: pitcrew.django.report
"""

EXAMPLES = r"""
- name: Show how the site is
  pitcrew.django.report:
    text: "{{ {'web1': found.status} | pitcrew.django.status_report }}"
"""

RETURN = r"""
_value:
  description: Lines of plain text.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pitcrew.django.plugins.plugin_utils.status import report


def status_report(statuses: Mapping[str, Mapping[str, Any]]) -> str:
    try:
        return report(statuses)
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(
            "pitcrew.django.status_report: expected the status of each host by its name, whole and unchanged"
        ) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"status_report": status_report}
