# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What depends on the host: each rule compares the site's variables with what is known about the host.

Another rule is another function in RULES. It is given a SiteOnHost: the variables, as usable values; the fact
C(pitcrew_site) of the host; the server that will run; the plan, None if there is none; the fact C(pitcrew_services);
and how many hosts the site has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from ..sizing.planning import Plan
from .background import check_prefixes
from .complaints import Complaint, shown
from .hostnames import DomainError, hostname

__all__ = ["RULES", "SiteOnHost", "check_host"]


@dataclass(frozen=True)
class SiteOnHost:
    """A site that is to run on a host."""

    values: Mapping[str, Any]
    host: Mapping[str, Any]
    server: str
    home: str
    plan: Plan | None
    services: Mapping[str, Any] = field(default_factory=dict)
    hosts: int = 1

    @property
    def nginx(self) -> Mapping[str, Any]:
        """What the host has of nginx."""
        return self.host.get("nginx") or {}


def check_host(site: SiteOnHost) -> Iterator[Complaint]:
    """Check every rule."""
    for rule in RULES:
        yield from rule(site)


def certificate_is_there(site: SiteOnHost) -> Iterator[Complaint]:
    """Compare the certificate's files with those that the host lacks."""
    for variable in ("site_tls_certificate", "site_tls_key"):
        path = site.values.get(variable)
        if path and path in site.host.get("absent", ()):
            yield Complaint(
                variable, f"{shown(path)} is not on the host", "get the certificate first, or deploy without it"
            )


def account_is_free(site: SiteOnHost) -> Iterator[Complaint]:
    """Leave the accounts of others alone. A host that only balances has no account of the site."""
    found = site.host.get("home")
    if not site.values.get("site_backends") and found not in (None, site.home):
        name = site.values.get("site_name")
        yield Complaint(
            "site_name",
            f"{shown(name)} is already an account on this host, with the home directory {found}",
            "choose another name",
        )


def uwsgi_can_listen(site: SiteOnHost) -> Iterator[Complaint]:
    """uWSGI does not start with a longer listen queue than the kernel allows."""
    if site.server != "uwsgi" or site.plan is None:
        return
    options = {**site.plan.uwsgi, **(site.values.get("uwsgi_settings") or {})}
    try:
        listen = int(options.get("listen") or 100)
    except (TypeError, ValueError):
        yield Complaint("uwsgi_settings", f"listen: {shown(options['listen'])} is not a whole number", "leave it out")
        return
    allowed = site.plan.host.somaxconn
    if listen > allowed:
        yield Complaint(
            "uwsgi_settings",
            f"listen: {listen} is above {allowed}, the host's net.core.somaxconn, and uWSGI would not start",
            "raise that with sysctl, or leave listen to the plan",
        )


def distribution_has_its_python(site: SiteOnHost) -> Iterator[Complaint]:
    """The distribution's uWSGI is linked to the distribution's Python."""
    python = site.values.get("site_python")
    if (
        site.server == "uwsgi"
        and site.values.get("uwsgi_package") == "distribution"
        and python not in (None, "/usr/bin/python3")
    ):
        yield Complaint(
            "uwsgi_package",
            f'"distribution" runs the distribution\'s Python, but site_python is {shown(python)}',
            "leave out site_python, or set uwsgi_package: pyuwsgi",
        )


def ports_are_free(site: SiteOnHost) -> Iterator[Complaint]:
    """Name the programs on the ports that nginx needs: 443 only with a certificate."""
    for holder in site.nginx.get("other_listeners", ()):
        if holder["port"] == 80 or site.values.get("site_tls_certificate"):
            program = f"{holder['program']} (pid {holder['pid']})" if holder["program"] else "another program"
            yield Complaint(
                f"port {holder['port']}", f"{program} listens on it, and nginx needs it", _how_to_stop(holder)
            )


def _how_to_stop(holder: Mapping[str, Any]) -> str:
    if holder["program"] == "docker-proxy":
        return f"stop the container that publishes it: sudo docker ps --filter publish={holder['port']}"
    if holder["pid"] == 1:
        return "stop and disable the socket unit that it belongs to: sudo systemctl list-sockets"
    if holder["unit"]:
        return f"stop and disable it: sudo systemctl disable --now {holder['unit'].removesuffix('.service')}"
    if holder["pid"]:
        return f"stop it: sudo kill {holder['pid']}"
    return f"find it and stop it: sudo ss -ltnp 'sport = :{holder['port']}'"


def names_are_free(site: SiteOnHost) -> Iterator[Complaint]:
    """nginx would serve a name by the file that it reads first."""
    others = site.nginx.get("names_before", {})
    for domain in site.values.get("site_domains") or ():
        with suppress(DomainError):
            if place := others.get(hostname(domain)):
                yield Complaint(
                    "site_domains",
                    f"{shown(domain)} is served by {place}, which nginx reads before the site's own file",
                    "remove it there, or from site_domains",
                )


def ipv4_is_free(site: SiteOnHost) -> Iterator[Complaint]:
    """nginx would bind the IPv4 port twice, and notice only when it reads its new files, after the switch."""
    for port, place in site.nginx.get("both_protocols", {}).items():
        if port == "80" or (port == "443" and site.values.get("site_tls_certificate")):
            ssl = " ssl" if port == "443" else ""
            yield Complaint(
                f"port {port}",
                f"{place} has ipv6only=off and so takes IPv4 as well, where the site has to listen",
                f"replace it by listen {port}{ssl} and listen [::]:{port}{ssl}",
            )


def services_have_one_host(site: SiteOnHost) -> Iterator[Complaint]:
    """Each host of a site would have a database of its own; a host that only balances has none."""
    services = site.values.get("site_services") or []
    if services and site.hosts > 1 and not site.values.get("site_backends"):
        yield Complaint(
            "site_services",
            f"{shown(services)} would give each of the site's {site.hosts} hosts data of its own",
            "leave them out, have them on one host, and set DATABASE_URL and REDIS_URL in site_secrets; if each host "
            "is a site of its own, set site_hosts to one of them at a time, with -e",
        )


def postgresql_is_usable(site: SiteOnHost) -> Iterator[Complaint]:
    """Use a server that is there as it is, and take nothing that belongs to somebody else."""
    found, name = site.services.get("postgresql") or {}, site.values.get("site_name")
    if "problem" in found:
        yield Complaint("site_services", f"postgresql: {found['problem']}", found["cure"])
        return
    role, database = found.get("role"), found.get("database")
    otherwise = "choose another site_name, or leave postgresql out and set DATABASE_URL in site_secrets"
    if role is not None and not role["is_ours"]:
        yield Complaint(
            "site_services",
            f"postgresql: the role {shown(name)} was there before the site, in {found['cluster']}",
            f"if it is the site's, mark it: sudo -u postgres psql -c 'COMMENT ON ROLE \"{name}\" IS "
            f"$${found['mark']}$$'; if not, {otherwise}",
        )
    elif database is not None and database["owner"] != name:
        yield Complaint(
            "site_services",
            f"postgresql: the database {shown(name)} belongs to {shown(database['owner'])}, in {found['cluster']}",
            otherwise,
        )


def redis_is_free(site: SiteOnHost) -> Iterator[Complaint]:
    """Leave the instances of others alone."""
    for file in (site.services.get("redis") or {}).get("foreign", ()):
        yield Complaint(
            "site_services",
            f"redis: {file} was not written for the site",
            "rename that instance, choose another site_name, or leave redis out and set REDIS_URL in site_environment",
        )


def units_are_free(site: SiteOnHost) -> Iterator[Complaint]:
    """A process of the site shop that is called beat would have the unit of a site that is called shop-beat."""
    name, processes = site.values.get("site_name"), site.values.get("site_processes") or {}
    yield from check_prefixes(str(name), processes, site.host.get("neighbours", ()))
    if taken := site.host.get("taken"):
        yield Complaint(
            "site_name",
            f"{shown(name)} would have the unit of a background process of the site {taken['site']}, {taken['file']}",
            "choose another name; if that site has no such process any more, remove the file",
        )


def calendars_are_usable(site: SiteOnHost) -> Iterator[Complaint]:
    """Have the systemd of the host judge calendars: what it can read differs from version to version."""
    unusable = (site.host.get("schedules") or {}).get("unusable") or {}
    for name, problem in unusable.items():
        schedule = (site.values.get("site_schedules") or {}).get(name) or {}
        yield Complaint(
            f"site_schedules[{shown(name)}].calendar",
            f"{shown(schedule.get('calendar'))} {problem}",
            "write it as in daily, Mon..Fri 07:30 or *:0/15; systemd-analyze calendar shows what it makes of one",
        )


def schedules_replace_nothing(site: SiteOnHost) -> Iterator[Complaint]:
    """Leave the units of others alone."""
    for file in (site.host.get("schedules") or {}).get("foreign", ()):
        yield Complaint(
            "site_schedules", f"{file} was not written for the site", "remove that unit, or rename the schedule"
        )


RULES: Final[tuple[Callable[[SiteOnHost], Iterator[Complaint]], ...]] = (
    account_is_free,
    certificate_is_there,
    ports_are_free,
    ipv4_is_free,
    names_are_free,
    uwsgi_can_listen,
    distribution_has_its_python,
    services_have_one_host,
    postgresql_is_usable,
    redis_is_free,
    units_are_free,
    calendars_are_usable,
    schedules_replace_nothing,
)
