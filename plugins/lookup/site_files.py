# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: site_files
short_description: Read the files that a user adds to a release
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Returns the content of each file of C(site_files), and whether it holds a secret.
  - A template is looked for beside the playbook, beside the inventory, and in the working directory; in each of them in
    C(templates) first.
options:
  _terms:
    description: The mapping of paths to texts, or to mappings with C(content) or C(template), and C(secret).
    type: list
    elements: raw
    required: true
  secrets:
    description: Values that are secret. A file with one of them holds a secret, whether or not it says so.
    type: list
    elements: raw
    default: []
"""

EXAMPLES = r"""
- name: Name the files that hold a secret
  ansible.builtin.debug:
    msg: >-
      {{ query('pitcrew.django.site_files', {'shop/local.py': {'content': 'KEY = 1', 'secret': true}})
      | selectattr('secret') | map(attribute='path') }}
"""

RETURN = r"""
_raw:
  description: The files, in the order of their paths.
  type: list
  elements: dict
  contains:
    path:
      description: The path, relative to the project.
      type: str
    content:
      description: The text.
      type: str
    secret:
      description: Whether it holds a secret.
      type: bool
"""

from collections.abc import Mapping
from os import getcwd
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase
from ansible_collections.pitcrew.django.plugins.plugin_utils.project_files import (
    find_template,
    holds_secret,
    template_directories,
)


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **options: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=options)
        secrets = self.get_option("secrets")
        found = []
        for path, given in sorted(terms[0].items()):
            file = given if isinstance(given, Mapping) else {"content": given}
            content = self._rendered(path, file, variables or {}) if file.get("template") else file["content"]
            secret = bool(file.get("secret", False)) or holds_secret(content, secrets)
            found.append({"path": path, "content": content, "secret": secret})
        return found

    def _rendered(self, path: str, file: Mapping[str, Any], variables: dict[str, Any]) -> str:
        template = find_template(file["template"], template_directories(variables, getcwd()))
        if template is None:
            raise AnsibleError(f"site_files: {path}: there is no template {file['template']!r}")
        render = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        text: str = render.run([str(template)], variables=variables)[0]
        return text
