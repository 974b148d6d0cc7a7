# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What on a host would keep nginx from serving a site, judged by the host's facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["nginx_complaints"]


def nginx_complaints(facts: Mapping[str, Any], *, tls: bool, domains: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each port that another program has, and for each host name that another file has.

    C(facts) are those of C(pitcrew_site.nginx), C(tls) is whether nginx ends TLS for the site, and C(domains) are the
    host names that the site is to serve.
    """
    for holder in facts["other_listeners"]:
        if holder["port"] == 80 or tls:
            program = f"{holder['program']} (pid {holder['pid']})" if holder["program"] else "another program"
            yield f"port {holder['port']}: {program} listens on it, and nginx needs it; {_cure(holder)}"
    for domain in domains:
        if place := facts["names_before"].get(domain.lower()):
            yield (
                f"site_domains: {domain} is served by {place}, which nginx reads before the site's own file; remove it "
                "there, or from site_domains"
            )


def _cure(holder: Mapping[str, Any]) -> str:
    if holder["program"] == "docker-proxy":
        return f"stop the container that publishes it: sudo docker ps --filter publish={holder['port']}"
    if holder["pid"] == 1:
        return "stop and disable the socket unit that it belongs to: sudo systemctl list-sockets"
    if holder["unit"]:
        return f"stop and disable it: sudo systemctl disable --now {holder['unit'].removesuffix('.service')}"
    if holder["pid"]:
        return f"stop it: sudo kill {holder['pid']}"
    return f"find it and stop it: sudo ss -ltnp 'sport = :{holder['port']}'"
