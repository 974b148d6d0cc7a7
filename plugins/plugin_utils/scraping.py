# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Prometheus server reads: the hosts of a site, and the site itself as its visitors see it.

Each host and each site has files of its own, named after it, in the format of file_sd_config. Two sites on one host
name the same host in the same file, so that it is read once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

__all__ = ["Host", "Site", "host_files", "module_of_site", "targets_of_site"]

PRIVATE: Final = "hosts/private"
TLS: Final = "hosts/tls"
PROBE_TIMEOUT_S: Final = 9
"""How long the blackbox exporter waits for a site: shorter than Prometheus' scrape_timeout of 10 s."""


@dataclass(frozen=True)
class Host:
    """A host with exporters: where others reach them, with which certificate, and by job where they listen themselves.

    `address` is empty if only the host itself reads them, and `certificate` if others do in a private network.
    """

    name: str
    address: str
    certificate: str
    endpoints: Mapping[str, str]


@dataclass(frozen=True)
class Site:
    """A site as its visitors see it: URLs and their status, addresses to ask if DNS knows none, and an authority."""

    name: str
    urls: tuple[str, ...]
    status: int
    addresses: tuple[str, ...] = ()
    authority: str = ""


def host_files(hosts: Iterable[Host], reader: str) -> dict[str, str | None]:
    """Give the content of each file by its path; None for one that must not exist.

    `reader` is the name of the host that Prometheus runs on; if it is among the hosts, it reads itself directly.
    """
    files: dict[str, str | None] = {}
    for host in hosts:
        over_tls = host.name != reader and bool(host.certificate)
        here, other = (TLS, PRIVATE) if over_tls else (PRIVATE, TLS)
        files[f"{here}/{host.name}.json"] = _json(_targets(host, direct=host.name == reader))
        files[f"{other}/{host.name}.json"] = None
        files[f"certificates.d/{host.name}.pem"] = host.certificate if over_tls else None
    return files


def _targets(host: Host, direct: bool) -> list[dict[str, Any]]:
    paths = {} if direct else {job: {"__metrics_path__": f"/{job}"} for job in host.endpoints}
    return [
        {
            "targets": [endpoint if direct else host.address],
            "labels": {"job": job, "instance": host.name, **paths.get(job, {})},
        }
        for job, endpoint in sorted(host.endpoints.items())
    ]


def targets_of_site(site: Site) -> str:
    """Give the file with the URLs to request."""
    return _json([probe for url in site.urls for probe in _probes(site, url)])


def module_of_site(site: Site) -> str:
    """Give the blackbox exporter's module for these requests, as a line below C(modules:)."""
    http: dict[str, Any] = {"valid_status_codes": [site.status], "preferred_ip_protocol": "ip4"}
    if site.authority:
        http["tls_config"] = {"ca_file": site.authority}
    module = {"prober": "http", "timeout": f"{PROBE_TIMEOUT_S}s", "http": http}
    # JSON is YAML too.
    return f"  {site.name}: {json.dumps(module)}\n"


def _probes(site: Site, url: str) -> list[dict[str, Any]]:
    labels = {"site": site.name, "instance": url, "__param_module": site.name}
    if not site.addresses:
        return [{"targets": [url], "labels": labels}]
    parts = urlsplit(url)
    return [
        {
            "targets": [urlunsplit(parts._replace(netloc=f"[{address}]" if ":" in address else address))],
            "labels": {**labels, "address": address, "__param_hostname": parts.netloc},
        }
        for address in site.addresses
    ]


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
