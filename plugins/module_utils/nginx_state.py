# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has of nginx, and what would keep nginx from serving."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils import host
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text
from ansible_collections.pitcrew.django.plugins.module_utils.listeners import has_ipv6, other_listeners
from ansible_collections.pitcrew.django.plugins.module_utils.nginx_config import HOME, Directive, listens, read

__all__ = ["NGINX_PROGRAM", "default_servers", "first_servers", "read_nginx", "sites"]

PROC = Path("/proc")
NGINX = HOME
NGINX_PID = host.RUN / "nginx.pid"
NGINX_PROGRAM = Path("/usr/sbin/nginx")
NGINX_UNIT = host.UNITS / "nginx.service.d/pitcrew.conf"
# Packages that have the program, from the usual to the rare.
NGINX_PACKAGES = ("nginx", "nginx-core", "nginx-full", "nginx-light", "nginx-extras")
NGINX_LIMITS = ("worker_connections", "worker_rlimit_nofile", "worker_shutdown_timeout")
# The configuration that all sites of the host share.
SHARED = "conf.d/pitcrew.conf"
# Where packages of nginx put a site that welcomes whoever has installed them.
WELCOME_PAGES = ("sites-enabled/default", "conf.d/default.conf")
PORTS = (80, 443)


def last_started(main_pid: str) -> float:
    """When the youngest child of the process started, in seconds since the epoch; 0 if it has none."""
    children = (read_text(PROC / main_pid / "task" / main_pid / "children") or "").split()
    texts = [text for pid in children if (text := read_text(PROC / pid / "stat"))]
    # The 22nd field, counted after the name, which may contain anything: ticks since the boot.
    ticks = [int(text.rpartition(")")[2].split()[19]) for text in texts]
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return boot + max(ticks) / os.sysconf("SC_CLK_TCK") if ticks else 0.0


def current(main_pid: str, files: Iterable[Path]) -> bool:
    """Whether nginx runs, and its workers started after the last change of the files.

    False means that a run was cut off before the reload, a file was changed by hand, or a certificate was renewed.
    """
    # A time in the future comes from a clock that was wrong.
    changes = [path.stat().st_mtime for path in files if path.is_file()]
    return last_started(main_pid) > max((change for change in changes if change <= time.time()), default=0.0)


def checksum(path: Path) -> str:
    """The SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def untouched(path: Path, dpkg_status: str) -> bool:
    """Whether a configuration file, or what a link leads to, is as its package installed it, by dpkg's record."""
    target = path.resolve()
    recorded = re.search(rf"^ {re.escape(str(target))} ([0-9a-f]{{32}})(?: obsolete)?$", dpkg_status, re.MULTILINE)
    if recorded is None or not target.is_file():
        return False
    return hashlib.md5(target.read_bytes(), usedforsecurity=False).hexdigest() == recorded.group(1)


def default_servers(directives: Iterable[Directive], ours: Collection[str]) -> dict[str, str]:
    """Where files other than ours have a default server, by its address and port."""
    return {
        where: directive.place
        for directive in directives
        if (where := listens(directive)) and directive.file not in ours
        if {"default_server", "default"} & set(directive.arguments[1:])
    }


def first_servers(directives: Iterable[Directive], ours: Collection[str]) -> dict[str, str]:
    """Where the first server of files other than ours listens, by its address and port.

    It is the default server there, unless another one says that it is.
    """
    found: dict[str, str] = {}
    for directive in directives:
        if (where := listens(directive)) and directive.file not in ours:
            found.setdefault(where, directive.place)
    return found


def both_protocols(directives: Iterable[Directive], ours: Collection[str]) -> dict[str, str]:
    """Where files other than ours listen on an IPv6 port for IPv4 as well, by the port.

    nginx cannot bind the same port for IPv4 once more, as the sites do, and only a reload shows that.
    """
    return {
        where.rpartition(":")[2]: directive.place
        for directive in directives
        if (where := listens(directive)) and directive.file not in ours
        if where.startswith("[::]:") and "ipv6only=off" in directive.arguments
    }


def names_before(directives: Iterable[Directive], file: str) -> dict[str, str]:
    """Where files of the same directory that nginx reads before this one have host names on ports 80 and 443.

    Of two servers that have the same name, the first one gets its requests.
    """
    servers: list[list[Directive]] = []
    for directive in directives:
        if directive.name == "server" and directive.blocks == ("http",):
            servers.append([])
        elif directive.blocks[:2] == ("http", "server"):
            servers[-1].append(directive)
    found: dict[str, str] = {}
    for server in servers:
        ports = {int(where.rpartition(":")[2]) for directive in server if (where := listens(directive))}
        if not any(directive.name == "listen" for directive in server):
            ports = {80}
        for directive in server:
            earlier = Path(directive.file).parent == Path(file).parent and directive.file < file
            if directive.name == "server_name" and earlier and ports & {*PORTS}:
                found.update(
                    {name.lower(): directive.place for name in directive.arguments if name.lower() not in found}
                )
    return found


def encrypts(directive: Directive) -> bool:
    """Whether a web server listens for TLS by this directive."""
    return listens(directive) is not None and "ssl" in directive.arguments


def sites(directives: Iterable[Directive]) -> dict[str, str]:
    """The sites of this collection by their files: both are named after the site, and so is its upstream."""
    upstreams = {directive.file: directive.arguments for directive in directives if directive.name == "upstream"}
    return {file: Path(file).stem for file, names in upstreams.items() if names == (Path(file).stem,)}


def addresses(directives: Iterable[Directive], ours: Collection[str]) -> list[str]:
    """The addresses, with their ports, at which other files listen and not just at a port.

    nginx gives a connection to such an address to no server that listens at the port alone.
    """
    found = (where for directive in directives if directive.file not in ours and (where := listens(directive)))
    suffixes = tuple(f":{port}" for port in PORTS)
    return sorted({where for where in found if where.endswith(suffixes) and not where.startswith("[::]:")})


def read_nginx(
    site: str, group: list[str] | None, packages: Mapping[str, str], dpkg_status: str, files: Iterable[Path]
) -> dict[str, Any]:
    """What the host has of nginx, as the module site_facts documents it.

    C(site) is the site's name, C(group) has the members of its group, C(packages) the versions of the installed ones,
    C(dpkg_status) the text of dpkg's status file, and C(files) the paths of what else nginx reads.
    """
    directives = list(read(NGINX))
    main = {
        directive.name: directive.arguments
        for directive in directives
        if directive.file == str(HOME / "nginx.conf") and directive.blocks in ((), ("events",))
    }
    limits = {name: "".join(main.get(name, ())[:1]) for name in NGINX_LIMITS}
    account = (main.get("user") or ("www-data",))[0]
    pid = (read_text(NGINX_PID) or "").strip()
    # A link may lead nowhere; then nginx does not start, and says so.
    conf_d = sorted(path for path in (NGINX / "conf.d").glob("*.conf") if path.is_file())
    pages = [name for name in WELCOME_PAGES if untouched(NGINX / name, dpkg_status)]
    shared, hosted = {str(HOME / name) for name in (SHARED, *pages)}, sites(directives)
    version = next((packages[name] for name in NGINX_PACKAGES if name in packages), "")
    return {
        # A package that was removed has left its configuration.
        "installed": NGINX_PROGRAM.exists() and (NGINX / "nginx.conf").is_file(),
        # As a number that can be compared: 1.26.3 is 1026003.
        "version": sum(int(n) * 1000 ** (2 - i) for i, n in enumerate(re.findall(r"\d+", version)[:3])),
        "conf_d": {path.name: checksum(path) for path in conf_d},
        "unit": checksum(NGINX_UNIT) if NGINX_UNIT.is_file() else None,
        "current": current(pid or "0", [NGINX / "nginx.conf", *conf_d, *(NGINX / "sites-enabled").glob("*"), *files]),
        "user": account,
        "in_group": account in (group or []),
        "welcome_pages": pages,
        "default_servers": default_servers(directives, shared),
        "both_protocols": both_protocols(directives, shared),
        "names_before": names_before(directives, str(HOME / f"conf.d/{site}.conf")),
        "addresses": addresses(directives, shared | hosted.keys()),
        "tls_sites": sorted({hosted[found.file] for found in directives if found.file in hosted and encrypts(found)}),
        "ipv6": has_ipv6(),
        "other_listeners": other_listeners(PORTS, "nginx", pid),
        **{name: int(limit) if limit.isdigit() else 0 for name, limit in limits.items()},
    }
