#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site_facts
short_description: Read what a host can do and what it has of a site
version_added: 0.1.0
description:
  - Reads the site's links, release directories and history, and changes nothing.
  - Brings the facts of M(pitcrew.django.capacity_facts) with it, since a deploy needs both and each visit costs time.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  check_mode:
    description: Reads the same.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  facts:
    description: Sets C(ansible_facts.pitcrew_site) and C(ansible_facts.pitcrew_capacity).
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
    description: Files that the host should have.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: Read what the host has of the site
  pitcrew.django.site_facts:
    name: shop
    root: /srv/shop

- name: Say which release serves
  ansible.builtin.debug:
    var: ansible_facts.pitcrew_site.release
"""

RETURN = r"""
ansible_facts:
  description: What the host has of the site, and what it can do.
  returned: always
  type: dict
  contains:
    pitcrew_site:
      description: The site.
      type: dict
      contains:
        slot:
          description: The slot that serves, or null before the first deploy.
          type: str
          sample: blue
        release:
          description: The release that serves, or null before the first deploy.
          type: str
          sample: 3f2a9c1d04ab-1f3e2c
        releases:
          description: Every finished release on disk with what Django said of itself when it was built.
          type: dict
        serves:
          description: What Django said of the release that serves, or null before the first deploy.
          type: dict
        outdated:
          description: Finished releases whose Python the host has no longer. One of them may still be running.
          type: list
          elements: str
        served:
          description: Finished releases on disk that have served, in the order of their first time.
          type: list
          elements: str
        previous:
          description: The release that served last before the one that serves now, or null where none is kept.
          type: str
        packages:
          description: The packages of the distribution that are installed.
          type: list
          elements: str
        home:
          description: The home directory of the account that has the site's name, or null where there is none.
          type: str
        absent:
          description: Those of O(files) that the host does not have.
          type: list
          elements: str
        nginx:
          description:
            - Whether nginx is installed; its user, and whether that is in the site's group.
            - The welcome pages of its package.
            - Whether it runs with its files, and with O(files), as they are now.
            - The limits in its main configuration file, 0 for those not set.
            - The checksums of the files in its C(conf.d), and of the addition to its unit, null for none.
          type: dict
          sample:
            conf_d: {}
            current: true
            in_group: true
            installed: true
            unit: 0c0a7a6a8fbd4f7b9e7d9a1e2d5f2f6a6b3f4f7d7a2e8a5f3c1d9b8e7f6a5b4c
            user: www-data
            version: 1026003
            welcome_pages: []
            worker_connections: 768
            worker_rlimit_nofile: 0
"""

import grp
import hashlib
import os
import pwd
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils import host
from ansible_collections.pitcrew.django.plugins.module_utils.capacity import CapacityError, read_capacity
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite

DPKG_STATUS = Path("/var/lib/dpkg/status")
PROC = Path("/proc")
NGINX = Path("/etc/nginx")
NGINX_PID = host.RUN / "nginx.pid"
NGINX_UNIT = host.UNITS / "nginx.service.d/pitcrew.conf"
NGINX_LIMITS = ("worker_connections", "worker_rlimit_nofile")
# What packages of nginx put in the place of a site.
WELCOME_PAGES = ("sites-enabled/default", "conf.d/default.conf")


def installed(status: str) -> dict[str, str]:
    """The packages that dpkg has installed and their versions, from the text of its status file."""
    pattern = r"^Package: (\S+)\nStatus: \S+ ok installed\n(?:(?!Version: ).+\n)*Version: (\S+)$"
    return dict(re.findall(pattern, status, re.MULTILINE))


def home(name: str) -> str | None:
    """The home directory of the account of that name; None where there is no such account."""
    try:
        return pwd.getpwnam(name).pw_dir
    except KeyError:
        return None


def members(name: str) -> list[str] | None:
    """Who is in the group; None where there is no such group."""
    try:
        return grp.getgrnam(name).gr_mem
    except KeyError:
        return None


def last_started(main_pid: str) -> float:
    """When the youngest child of the process started, in seconds since the epoch; 0 where it has none."""
    children = (read_text(PROC / main_pid / "task" / main_pid / "children") or "").split()
    texts = [text for pid in children if (text := read_text(PROC / pid / "stat"))]
    # The 22nd field, counted from behind the name, which may hold anything: ticks since the boot.
    ticks = [int(text.rpartition(")")[2].split()[19]) for text in texts]
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return boot + max(ticks) / os.sysconf("SC_CLK_TCK") if ticks else 0.0


def current(files: Iterable[Path]) -> bool:
    """Whether nginx runs, and its workers started after the last change of the files.

    False tells of a run that was cut off before the reload, of a change by hand, or of a renewed certificate.
    """
    read = last_started((read_text(NGINX_PID) or "0").strip())
    # A time to come is that of a clock that was wrong.
    changes = [path.stat().st_mtime for path in files if path.is_file()]
    return read > max((change for change in changes if change <= time.time()), default=0.0)


def checksum(path: Path) -> str:
    """The SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def nginx(group: list[str] | None, version: str, files: Iterable[Path]) -> dict[str, Any]:
    """What the host has of nginx."""
    text = read_text(NGINX / "nginx.conf") or ""
    limits = {name: re.search(rf"^\s*{name}\s+(\d+)\s*;", text, re.MULTILINE) for name in NGINX_LIMITS}
    user = re.search(r"^\s*user\s+([^\s;]+)", text, re.MULTILINE)
    account = user.group(1) if user else "www-data"
    conf_d = sorted((NGINX / "conf.d").glob("*.conf"))
    return {
        "installed": bool(text),
        # As a number that compares: 1.26.3 is 1026003.
        "version": sum(int(n) * 1000 ** (2 - i) for i, n in enumerate(re.findall(r"\d+", version)[:3])),
        "conf_d": {path.name: checksum(path) for path in conf_d},
        "unit": checksum(NGINX_UNIT) if NGINX_UNIT.is_file() else None,
        "current": current([NGINX / "nginx.conf", *conf_d, *(NGINX / "sites-enabled").glob("*"), *files]),
        "user": account,
        "in_group": account in (group or []),
        "welcome_pages": [str(NGINX / name) for name in WELCOME_PAGES if (NGINX / name).exists()],
        **{name: int(found.group(1)) if found else 0 for name, found in limits.items()},
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    site = HostedSite(module.params["name"], module.params["root"])
    live = site.live
    group = members(module.params["name"])
    packages = installed(read_text(DPKG_STATUS) or "")
    descriptions = {release.id: release.description for release in site.releases}
    finished = {release: text for release, text in descriptions.items() if text is not None}
    lived = [entry["release"] for entry in site.releases.history() if entry["release"] in finished]
    before = [release for release in lived if live and release != live.release]
    found = {
        "slot": live.name if live else None,
        "release": live.release if live else None,
        "releases": finished,
        "serves": site.releases.named(live.release).recorded if live and live.release else None,
        "outdated": [release.id for release in site.releases if release.outdated],
        "served": list(dict.fromkeys(lived)),
        "previous": before[-1] if before else None,
        "packages": sorted(packages),
        "home": home(module.params["name"]),
        "absent": [path for path in module.params["files"] if not Path(path).is_file()],
        "nginx": nginx(group, packages.get("nginx", ""), map(Path, module.params["files"])),
    }
    try:
        capacity = read_capacity()
    except CapacityError as error:
        module.fail_json(msg=f"site_facts: {error}")
    module.exit_json(ansible_facts={"pitcrew_site": found, "pitcrew_capacity": capacity})


if __name__ == "__main__":
    main()
