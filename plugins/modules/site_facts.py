#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site_facts
short_description: Gather facts about the capacity of a host and a site on it
version_added: 0.1.0
description:
  - Reads the site's links, release directories and history, and changes nothing.
  - Includes the facts of M(pitcrew.django.capacity_facts), since a deploy needs both, and each visit to the host takes
    time.
author:
  - The pitcrew.django maintainers (@pitcrew)
extends_documentation_fragment:
  - pitcrew.django.site
  - pitcrew.django.site.python
  - pitcrew.django.site.schedules
attributes:
  check_mode:
    description: Does the same.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  facts:
    description: >-
      Sets C(ansible_facts.pitcrew_site) and C(ansible_facts.pitcrew_capacity), and with O(services)
      C(ansible_facts.pitcrew_services).
    support: full
options:
  name:
    description: The site's name.
    type: str
    required: true
  root:
    description: The site's directory on the host.
    type: path
    required: true
  files:
    description: Files that the host is expected to have.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: Gather facts about the site
  pitcrew.django.site_facts:
    name: shop
    root: /srv/shop

- name: Show which release is live
  ansible.builtin.debug:
    var: ansible_facts.pitcrew_site.release
"""

RETURN = r"""
ansible_facts:
  description: The state of the site on the host, and the capacity of the host.
  returned: always
  type: dict
  contains:
    pitcrew_site:
      description: The site.
      type: dict
      contains:
        slot:
          description: The live slot, or null before the first deploy.
          type: str
          sample: blue
        release:
          description: The live release, or null before the first deploy.
          type: str
          sample: 3f2a9c1d04ab-1f3e2c
        releases:
          description: Every finished release on disk, with what Django reported about it when it was built.
          type: dict
        serves:
          description: What Django reported about the live release, or null before the first deploy.
          type: dict
        outdated:
          description: Finished releases whose Python the host no longer has. One of them may still be running.
          type: list
          elements: str
        served:
          description: Finished releases on disk that have served, in the order in which each first went live.
          type: list
          elements: str
        previous:
          description: The release that was live before the current one, or null if none is kept.
          type: str
        packages:
          description: The distribution's packages that are installed, and the names that they provide.
          type: list
          elements: str
        home:
          description: The home directory of the account that has the site's name, or null if there is none.
          type: str
        neighbours:
          description: Other sites of the host whose names begin with this one and a dash, as names of its units do.
          type: list
          elements: str
        taken:
          description:
            - The unit of one of the site's slots that is a background process of another site of the host, with that
              C(site) and the C(file); or null.
          type: dict
          sample: {site: shop, file: /etc/systemd/system/shop-beat@blue.service}
        python:
          description: The version of O(python), or null if it does not run.
          type: str
          sample: 3.13.5
        absent:
          description: Those of O(files) that the host does not have.
          type: list
          elements: str
        journal:
          description: The checksum of the site's drop-in for journald, or null if there is none.
          type: str
        nginx:
          description:
            - Whether nginx is installed and in which version; its user, and whether that is in the site's group.
            - The welcome pages of its package, by their paths below C(/etc/nginx), if nobody has changed them.
            - Whether its workers have started since its files and O(files) last changed.
            - The limits in its main configuration file, 0 for those that are not set.
            - The checksums of the files in C(conf.d), and of the drop-in of its unit, null if there is none.
            - The default servers in other files, and the host names in files that nginx reads before the site's, each
              with file and line; the addresses of their own at which other files listen on ports 80 and 443.
            - The ports at which other files listen for IPv6 and IPv4 together (C(ipv6only=off)), with file and line.
            - The sites of this collection that have TLS.
            - Whether the host has IPv6, and the programs besides nginx that listen on ports 80 and 443.
          type: dict
          sample:
            addresses: ["10.0.0.1:80"]
            both_protocols: {}
            conf_d: {}
            current: true
            default_servers: {"80": "/etc/nginx/sites-enabled/intranet:2"}
            in_group: true
            installed: true
            ipv6: true
            names_before: {"intranet.example.com": "/etc/nginx/conf.d/intranet.conf:3"}
            other_listeners: [{"port": 443, "program": "apache2", "pid": 123, "unit": "apache2.service"}]
            tls_sites: [blog]
            unit: 0c0a7a6a8fbd4f7b9e7d9a1e2d5f2f6a6b3f4f7d7a2e8a5f3c1d9b8e7f6a5b4c
            user: www-data
            version: 1026003
            welcome_pages: []
            worker_connections: 768
            worker_rlimit_nofile: 0
            worker_shutdown_timeout: 0
        schedules:
          description:
            - What is wrong with O(schedules), if there are any.
            - The files that their units would replace and that are not the site's; and what is the matter with
              calendars, by the names of their schedules.
          type: dict
          sample: {foreign: [], unusable: {report: is not a calendar of systemd on this host}}
    pitcrew_services:
      description:
        - What the host has of O(services).
        - PostgreSQL, null if it is not installed, with its cluster, unit, port, socket and version; how many
          connections it allows and reserves; its shared_buffers; how many databases it has besides the site's;
          the site's role and database, null if there is none; and the problem and its cure if the site cannot use it.
        - Of Redis, whether it is installed, and which configurations with the names of the site's instances were not
          written for the site.
      type: dict
      sample:
        postgresql: {cluster: 15/main, port: 5432, max_connections: 100, reserved: 3, shared_buffers_mb: 128.0}
        redis: {foreign: [], installed: true}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.capacity import CapacityError
from ansible_collections.pitcrew.django.plugins.module_utils.services import SERVICES
from ansible_collections.pitcrew.django.plugins.module_utils.site_state import read_site


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "path", "default": []},
            "python": {"type": "path"},
            "services": {"type": "list", "elements": "str", "choices": list(SERVICES), "default": []},
            "schedules": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(ansible_facts=read_site(**module.params))
    except CapacityError as error:
        module.fail_json(msg=f"site_facts: {error}")


if __name__ == "__main__":
    main()
