# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: systemd_words
short_description: Write a command for a unit file of systemd
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Splits a command into words as a shell does, and quotes each for C(ExecStart), so that the program gets it as it is.
    Nothing in it is a variable or a specifier.
options:
  _input:
    description: The command.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show a command as a unit file has it
  ansible.builtin.debug:
    msg: "{{ 'python manage.py report --title \"100 % done\"' | pitcrew.django.systemd_words }}"
"""

RETURN = r"""
_value:
  description: The command in one line.
  type: str
  sample: python manage.py report --title "100 %% done"
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pitcrew.django.plugins.plugin_utils.processes.quoting import systemd_words as quoted


def systemd_words(command: str) -> str:
    try:
        return quoted(command)
    except ValueError as error:
        raise AnsibleFilterError(f"pitcrew.django.systemd_words: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"systemd_words": systemd_words}
