# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: scrape_files
short_description: Write what Prometheus reads of a site and its hosts
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Gives files in the format of Prometheus' C(file_sd_configs) for the exporters of each host and for requests to the
    site, the module of the blackbox exporter for these requests, the rules, and the certificates of the hosts.
  - Each file is named after its host or its site.
options:
  _input:
    description: What the role P(pitcrew.django.monitoring#role) has found out about each host of a site.
    type: list
    elements: dict
    required: true
  reader:
    description: The name of the host that Prometheus runs on. It reads its own exporters directly.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the files
  ansible.builtin.debug:
    msg: "{{ exported_hosts | pitcrew.django.scrape_files(reader=inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description:
    - The content of each file by its path, C(prometheus) for Prometheus and C(blackbox) for the blackbox exporter, of
      whose configuration they are parts; and C(absent), the paths of files that must not exist.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.pitcrew.django.plugins.plugin_utils.scraping import (
    Host,
    Site,
    host_files,
    module_of_site,
    targets_of_site,
)


def scrape_files(exported: list[Mapping[str, Any]], reader: str = "") -> dict[str, Any]:
    hosts = [Host(**{name: host[name] for name in Host.__dataclass_fields__}) for host in exported]
    prometheus: dict[str, str | None] = dict(host_files(hosts, reader))
    blackbox = {"blackbox.d/00-modules.yml": "modules:\n"}
    for site in (host["site"] for host in exported):
        known = Site(
            name=site["name"],
            urls=tuple(site["urls"]),
            status=int(site["status"]),
            addresses=tuple(site["addresses"]),
            authority=site["authority"],
        )
        prometheus[f"sites/{known.name}.json"] = targets_of_site(known)
        prometheus[f"rules/{known.name}.yml"] = site["rules"]
        blackbox[f"blackbox.d/{known.name}.yml"] = module_of_site(known)
    return {
        "prometheus": {path: text for path, text in prometheus.items() if text is not None},
        "absent": [path for path, text in prometheus.items() if text is None],
        "blackbox": blackbox,
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"scrape_files": scrape_files}
