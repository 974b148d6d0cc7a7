#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site_report
short_description: Summarise the last hours of a site on a host
version_added: 0.1.0
description:
  - Reads the JSON access log that the role C(nginx) has nginx write, with its rotated files, the journal of both slots'
    units, nginx's error log, and the site's history of releases.
  - Returns counts, distributions of durations, and examples, without query strings and without the last part of IP
    addresses.
  - Lines that are no requests are counted, never an error. Changes nothing.
  - M(pitcrew.django.report_page) makes a page of what it found on all hosts.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  check_mode:
    description: Does the same.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  name:
    description: The site's name.
    type: str
    required: true
  root:
    description: The site's directory on the host.
    type: path
    required: true
  server:
    description: The first name of the site's server in nginx, by which nginx's error log names the site.
    type: str
    required: true
  hours:
    description: How many hours back to look. The first is complete - the time is rounded to a bar of the chart.
    type: int
    default: 24
  goaccess:
    description: Whether to return the page of GoAccess, too, if it is installed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Summarise the last day
  pitcrew.django.site_report:
    name: shop
    root: /srv/shop
    server: shop.example.com
  register: summarised
"""

RETURN = r"""
report:
  description: What was found. M(pitcrew.django.report_page) adds up those of several hosts.
  returned: success
  type: dict
  contains:
    since:
      description: The first second that counts, since the epoch.
      type: int
    until:
      description: The last one.
      type: int
    slot_seconds:
      description: The width of a slot of time.
      type: int
    notes:
      description: What could not be read, in sentences.
      type: list
      elements: str
    access:
      description: Requests, by route, by slot of time, by status, and the slowest and most frequent ones.
      type: dict
    nginx:
      description: Why nginx complained about requests.
      type: list
      elements: dict
    journal:
      description: Tracebacks in groups, and events such as restarts and time-outs of workers.
      type: dict
    releases:
      description: Which releases went live when.
      type: list
      elements: dict
goaccess:
  description: The page of GoAccess; empty if there is none.
  returned: success
  type: str
"""

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils import goaccess
from ansible_collections.pitcrew.django.plugins.module_utils.access_log import AccessLog, slot_width, time_of
from ansible_collections.pitcrew.django.plugins.module_utils.discretion import printable
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.log_files import LogFiles
from ansible_collections.pitcrew.django.plugins.module_utils.nginx_log import ERROR_LOG, reasons, time_of_error
from ansible_collections.pitcrew.django.plugins.module_utils.site_events import SiteEvents, entries, journal

ACCESS_LOGS = Path("/var/log/nginx")
JOURNAL_ENTRIES = 500_000
TEXT = 200


class Summary:
    """The last hours of a site."""

    def __init__(self, site: HostedSite, server: str, hours: int, now: float) -> None:
        self.site = site
        self.server = server
        self.width = slot_width(hours)
        self.until = int(now)
        self.since = int(now - hours * 3600) // self.width * self.width
        self.log = AccessLog(self.since, self.until, self.width)
        self.notes: list[str] = []

    def report(self) -> dict[str, Any]:
        """Read everything."""
        return {
            "since": self.since,
            "until": self.until,
            "slot_seconds": self.width,
            "access": self.access(),
            "nginx": self.complaints_of_nginx(),
            "journal": self.events(),
            "releases": self.releases(),
            "notes": self.notes,
        }

    @property
    def access_log(self) -> LogFiles:
        """The files of the access log."""
        return LogFiles(ACCESS_LOGS / f"{self.site.name}.access.log", self.since, time_of)

    def access(self) -> dict[str, Any]:
        files, log = self.access_log, self.log
        log.read(files.blocks())
        if files.too_long:
            log.unreadable["too long"] += files.too_long
        self.notes += files.problems
        if not files.files:
            self.notes.append(
                f"{ACCESS_LOGS / self.site.name}.access.log has nothing from these hours: nobody asked the site, "
                "nginx_access_log is false, or the site was deployed by an earlier version of this collection"
            )
        return log.as_dict()

    def lines(self) -> Iterator[bytes]:
        """The lines of the access log for GoAccess."""
        counted = sum(self.log.statuses.values())
        if counted > goaccess.LINES:
            self.notes.append(f"GoAccess was given the latest {goaccess.LINES:,} lines of the log")
        all_lines = itertools.chain.from_iterable(self.access_log.blocks())
        wanted = (line for line in all_lines if (at := time_of(line)) is not None and at >= self.since)
        return itertools.islice(wanted, max(counted - goaccess.LINES, 0), None)

    def complaints_of_nginx(self) -> list[dict[str, Any]]:
        files = LogFiles(ERROR_LOG, self.since, time_of_error)
        found = reasons(files.blocks(), self.server, self.since)
        self.notes += files.problems
        return found

    def events(self) -> dict[str, Any]:
        events = SiteEvents()
        units = [slot.unit for slot in self.site.slots.values()]
        try:
            events.read(entries(journal(units, self.since, JOURNAL_ENTRIES)))
        except (OSError, RuntimeError) as error:
            self.notes.append(f"The journal could not be read: {error}")
        if events.entries >= JOURNAL_ENTRIES:
            self.notes.append(f"Of the journal only the latest {JOURNAL_ENTRIES:,} lines were read")
        return events.as_dict()

    def releases(self) -> list[dict[str, Any]]:
        first = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.since))
        history = [entry for entry in self.site.releases.history() if str(entry.get("at", "")) >= first]
        return [
            {name: printable(str(entry[name]), TEXT) for name in ("at", "release", "slot", "by") if entry.get(name)}
            for entry in history
        ]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "server": {"type": "str", "required": True},
            "hours": {"type": "int", "default": 24},
            "goaccess": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    # A report can wait: visitors come first.
    os.nice(10)
    summary = Summary(HostedSite(given["name"], given["root"]), given["server"], given["hours"], time.time())
    found, page = summary.report(), ""
    if given["goaccess"] and found["access"]["lines"]:
        try:
            page = goaccess.page(summary.lines(), Path(module.tmpdir) / "goaccess.html")
        except (OSError, RuntimeError) as error:
            found["notes"].append(f"There is no page of GoAccess: {printable(str(error), TEXT)}")
    module.exit_json(changed=False, report=found, goaccess=page)


if __name__ == "__main__":
    main()
