# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The capacity of a host and what it has of a site, as the facts that plays are based on."""

from __future__ import annotations

import grp
import os
import platform
import pwd
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.capacity import read_capacity
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.nginx_state import checksum, read_nginx
from ansible_collections.pitcrew.django.plugins.module_utils.schedules import Schedules, unusable_calendars
from ansible_collections.pitcrew.django.plugins.module_utils.services import command, read_services
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd

__all__ = ["packages_installed", "read_site"]

DPKG_STATUS = Path("/var/lib/dpkg/status")
JOURNALD = Path("/etc/systemd/journald.conf.d")


def installed(status: str) -> dict[str, str]:
    """The packages that dpkg has installed, and their versions, from the text of its status file."""
    pattern = r"^Package: (\S+)\nStatus: \S+ ok installed\n(?:(?!Version: ).+\n)*Version: (\S+)$"
    return dict(re.findall(pattern, status, re.MULTILINE))


def provided(status: str) -> set[str]:
    """The names that installed packages also go by: the nodejs of NodeSource provides npm, for example."""
    paragraphs = [text for text in status.split("\n\n") if " ok installed\n" in text]
    lines = [match[1] for text in paragraphs for match in re.finditer(r"^Provides: (.+)$", text, re.MULTILINE)]
    return {name.partition(" ")[0] for line in lines for name in line.split(", ")}


def packages_installed() -> list[str]:
    """The names of the distribution's packages that are installed."""
    return sorted(installed(read_text(DPKG_STATUS) or ""))


def home(name: str) -> str | None:
    """The home directory of the account of that name; None if there is no such account."""
    try:
        return pwd.getpwnam(name).pw_dir
    except KeyError:
        return None


def neighbours(root: Path) -> list[str]:
    """The names of other sites of the host that begin as units of this site do: shop-beat, for shop."""
    others = root.parent.glob(f"{root.name}-*")
    return sorted(other.name for other in others if (other / "releases").is_dir() or (other / "slots").is_dir())


def taken_unit(site: HostedSite) -> dict[str, str] | None:
    """The unit of a slot that is a process of another C(site) of the host, shop for shop-beat, and its C(file)."""
    pattern = re.compile(r"^EnvironmentFile=(/.+)/slots/%i/environment$", re.MULTILINE)
    for slot in site.slots.values():
        found = pattern.search(read_text(slot.unit_file) or "")
        if found and Path(found[1]) != site.root:
            return {"site": Path(found[1]).name, "file": str(slot.unit_file)}
    return None


def members(name: str) -> list[str] | None:
    """The members of the group; None if there is no such group."""
    try:
        return grp.getgrnam(name).gr_mem
    except KeyError:
        return None


def python_version(python: str | None) -> str | None:
    """The version of a Python of the host; None if it does not run."""
    if python and os.path.realpath(python) == os.path.realpath(sys.executable):
        return platform.python_version()
    try:
        command = [python or "", "-ISc", "import platform; print(platform.python_version())"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def read_site(
    name: str,
    root: str,
    files: Iterable[str],
    python: str | None = None,
    services: Collection[str] = (),
    schedules: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the facts C(pitcrew_site) and C(pitcrew_capacity), as the module site_facts documents them.

    For a site with services on its host, there is C(pitcrew_services), too.

    Raises CapacityError if the capacity of the host cannot be read.
    """
    site = HostedSite(name, root)
    live = site.live
    dpkg_status = read_text(DPKG_STATUS) or ""
    packages = installed(dpkg_status)
    descriptions = {release.id: release.description for release in site.releases}
    finished = {release: text for release, text in descriptions.items() if text is not None}
    went_live = [entry["release"] for entry in site.releases.history() if entry["release"] in finished]
    earlier = [release for release in went_live if live and release != live.release]
    paths = [Path(file) for file in files]
    journal = JOURNALD / f"pitcrew-{name}.conf"
    found = {
        "slot": live.name if live else None,
        "release": live.release if live else None,
        "releases": finished,
        "serves": site.releases.named(live.release).recorded if live and live.release else None,
        "outdated": [release.id for release in site.releases if release.outdated],
        "served": list(dict.fromkeys(went_live)),
        "previous": earlier[-1] if earlier else None,
        "packages": sorted({*packages, *provided(dpkg_status)}),
        "home": home(name),
        "neighbours": neighbours(Path(root)),
        "taken": taken_unit(site),
        "python": python_version(python),
        "absent": [str(path) for path in paths if not path.is_file()],
        "journal": checksum(journal) if journal.is_file() else None,
        "nginx": read_nginx(name, members(name), packages, dpkg_status, paths),
    }
    if schedules:
        found["schedules"] = {
            "foreign": Schedules(site, Systemd(command)).foreign(schedules),
            "unusable": unusable_calendars(schedules, command),
        }
    facts = {"pitcrew_site": found, "pitcrew_capacity": read_capacity()}
    return {**facts, "pitcrew_services": read_services(name, services, packages)} if services else facts
