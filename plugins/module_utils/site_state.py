# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The capacity of a host and what it has of a site, as the facts that plays are based on."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils import host
from ansible_collections.pitcrew.django.plugins.module_utils.capacity import read_capacity
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite

__all__ = ["read_site"]

DPKG_STATUS = Path("/var/lib/dpkg/status")
PROC = Path("/proc")
NGINX = Path("/etc/nginx")
NGINX_PID = host.RUN / "nginx.pid"
NGINX_UNIT = host.UNITS / "nginx.service.d/pitcrew.conf"
NGINX_LIMITS = ("worker_connections", "worker_rlimit_nofile")
# The welcome sites that packages of nginx install.
WELCOME_PAGES = ("sites-enabled/default", "conf.d/default.conf")


def installed(status: str) -> dict[str, str]:
    """The packages that dpkg has installed, and their versions, from the text of its status file."""
    pattern = r"^Package: (\S+)\nStatus: \S+ ok installed\n(?:(?!Version: ).+\n)*Version: (\S+)$"
    return dict(re.findall(pattern, status, re.MULTILINE))


def home(name: str) -> str | None:
    """The home directory of the account of that name; None if there is no such account."""
    try:
        return pwd.getpwnam(name).pw_dir
    except KeyError:
        return None


def members(name: str) -> list[str] | None:
    """The members of the group; None if there is no such group."""
    try:
        return grp.getgrnam(name).gr_mem
    except KeyError:
        return None


def last_started(main_pid: str) -> float:
    """When the youngest child of the process started, in seconds since the epoch; 0 if it has none."""
    children = (read_text(PROC / main_pid / "task" / main_pid / "children") or "").split()
    texts = [text for pid in children if (text := read_text(PROC / pid / "stat"))]
    # The 22nd field, counted after the name, which may contain anything: ticks since the boot.
    ticks = [int(text.rpartition(")")[2].split()[19]) for text in texts]
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return boot + max(ticks) / os.sysconf("SC_CLK_TCK") if ticks else 0.0


def current(files: Iterable[Path]) -> bool:
    """Whether nginx runs, and its workers started after the last change of the files.

    False means that a run was cut off before the reload, a file was changed by hand, or a certificate was renewed.
    """
    read = last_started((read_text(NGINX_PID) or "0").strip())
    # A time in the future comes from a clock that was wrong.
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
        # As a number that can be compared: 1.26.3 is 1026003.
        "version": sum(int(n) * 1000 ** (2 - i) for i, n in enumerate(re.findall(r"\d+", version)[:3])),
        "conf_d": {path.name: checksum(path) for path in conf_d},
        "unit": checksum(NGINX_UNIT) if NGINX_UNIT.is_file() else None,
        "current": current([NGINX / "nginx.conf", *conf_d, *(NGINX / "sites-enabled").glob("*"), *files]),
        "user": account,
        "in_group": account in (group or []),
        "welcome_pages": [str(NGINX / name) for name in WELCOME_PAGES if (NGINX / name).exists()],
        **{name: int(found.group(1)) if found else 0 for name, found in limits.items()},
    }


def read_site(name: str, root: str, files: Iterable[str]) -> dict[str, Any]:
    """Return the facts C(pitcrew_site) and C(pitcrew_capacity), as the module site_facts documents them.

    Raises CapacityError if the capacity of the host cannot be read.
    """
    site = HostedSite(name, root)
    live = site.live
    packages = installed(read_text(DPKG_STATUS) or "")
    descriptions = {release.id: release.description for release in site.releases}
    finished = {release: text for release, text in descriptions.items() if text is not None}
    lived = [entry["release"] for entry in site.releases.history() if entry["release"] in finished]
    before = [release for release in lived if live and release != live.release]
    paths = [Path(file) for file in files]
    found = {
        "slot": live.name if live else None,
        "release": live.release if live else None,
        "releases": finished,
        "serves": site.releases.named(live.release).recorded if live and live.release else None,
        "outdated": [release.id for release in site.releases if release.outdated],
        "served": list(dict.fromkeys(lived)),
        "previous": before[-1] if before else None,
        "packages": sorted(packages),
        "home": home(name),
        "absent": [str(path) for path in paths if not path.is_file()],
        "nginx": nginx(members(name), packages.get("nginx", ""), paths),
    }
    return {"pitcrew_site": found, "pitcrew_capacity": read_capacity()}
