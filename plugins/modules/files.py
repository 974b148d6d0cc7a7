#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Write several files in one visit
version_added: 0.1.0
description:
  - Writes each file that differs, complete at any moment, and creates directories that are missing. A loop over
    M(ansible.builtin.copy) does the same with several visits for each file.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  check_mode:
    description: Reports which files differ, and changes nothing.
    support: full
  diff_mode:
    description: Shows how files change.
    support: full
options:
  files:
    description: The text of each file by its path. Everybody can read them, and only root can write them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write a unit and its program
  pitcrew.django.files:
    files:
      /etc/systemd/system/hello.service: "{{ lookup('ansible.builtin.template', 'hello.service.j2') }}"
      /usr/local/lib/hello/__main__.py: "{{ lookup('ansible.builtin.file', 'hello.py') }}"
"""

RETURN = r"""
files:
  description: The paths of the files that differ.
  returned: success
  type: list
  elements: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text, write_file


def main() -> None:
    module = AnsibleModule(argument_spec={"files": {"type": "dict", "required": True}}, supports_check_mode=True)
    changed, diff = [], []
    try:
        for name, content in module.params["files"].items():
            path = Path(name)
            before = read_text(path)
            if before == content:
                continue
            changed.append(name)
            diff.append({"before_header": name, "after_header": name, "before": before or "", "after": content})
            if not module.check_mode:
                path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                write_file(path, content, 0o644)
    except OSError as error:
        module.fail_json(msg=f"{error.filename} cannot be written: {error.strerror}.")
    module.exit_json(changed=bool(changed), files=changed, diff=diff)


if __name__ == "__main__":
    main()
