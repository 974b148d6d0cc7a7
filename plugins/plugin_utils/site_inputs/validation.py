# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is wrong with a site's variables, first without the host, then compared with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..sizing.planning import Plan
from .background import check_unit_names
from .building import check_templates
from .complaints import Complaint
from .host import SiteOnHost, check_host
from .kinds import check
from .names import check_names, unknown_names
from .patterns import check_values
from .plan import check_plan_inputs, plan_site
from .relations import check_relations, check_sources
from .schedules import check_schedules
from .specification import Roles

__all__ = ["OLDEST_ANSIBLE", "PlayVariables", "old_ansible", "validate", "validate_on_host"]

OLDEST_ANSIBLE: Final = (2, 19)


@dataclass(frozen=True)
class PlayVariables:
    """What a play sets: values of options, errors of those that cannot be evaluated, and all names that a user has set.

    `sources` has, by host, the values that decide on the source; only for the first host of a play, which compares.
    `templates` are the directories in which templates are looked for.
    """

    values: Mapping[str, Any]
    errors: Mapping[str, str] = field(default_factory=dict)
    names: Collection[str] = ()
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    templates: Collection[Path] = ()


def old_ansible(version: str) -> str:
    """Refuse an ansible-core that is too old, in one sentence; empty if it is not."""
    if tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_ANSIBLE:
        return ""
    oldest = ".".join(map(str, OLDEST_ANSIBLE))
    return (
        f"pitcrew.django needs ansible-core {oldest} or later, and this is {version}: "
        "upgrade it on the control node, for example with pipx upgrade ansible-core."
    )


def validate(roles: Roles, play: PlayVariables) -> tuple[list[Complaint], str]:
    """Return all complaints that do not depend on the host, and a warning about unknown names, or an empty text."""
    values, complaints = _usable(roles, play)
    own = values.get("site_custom_variables") or ()
    complaints += check_values(values, roles.options)
    complaints += check_relations(values)
    complaints += check_templates(values, play.templates)
    complaints += check_unit_names(values)
    complaints += check_schedules(values)
    complaints += check_plan_inputs(values, {complaint.variable for complaint in complaints})
    complaints += check_sources(play.sources)
    complaints += check_names(play.names, roles, own)
    return list(_in_order(complaints, roles)), unknown_names(play.names, roles, own)


def validate_on_host(
    roles: Roles,
    play: PlayVariables,
    facts: Mapping[str, Any],
    server: str,
    home: str,
    hosts: int,
    interface: str | None = None,
) -> tuple[list[Complaint], Plan | None]:
    """Return all complaints that depend on the host, and the plan if there can be one."""
    values, complaints = _usable(roles, play)
    planned = plan_site(values, facts, server, hosts, interface)
    plan = None if isinstance(planned, Complaint) else planned
    services = facts.get("pitcrew_services") or {}
    complaints += check_host(SiteOnHost(values, facts.get("pitcrew_site") or {}, server, home, plan, services, hosts))
    if isinstance(planned, Complaint):
        complaints.append(planned)
    return list(_in_order(complaints, roles)), plan


def _usable(roles: Roles, play: PlayVariables) -> tuple[dict[str, Any], list[Complaint]]:
    """Give the values that have the right type, and what is wrong with the others."""
    values: dict[str, Any] = {}
    complaints: list[Complaint] = []
    for name, option in roles.options.items():
        if name in play.errors:
            complaints.append(
                Complaint(
                    name, f"cannot be evaluated: {play.errors[name]}", "correct the template, or define what it needs"
                )
            )
        elif name in play.values or option.required:
            checked = check(option, play.values.get(name))
            complaints += checked.complaints
            if not checked.complaints:
                values[name] = checked.value
    return values, complaints


def _in_order(complaints: list[Complaint], roles: Roles) -> Iterator[Complaint]:
    """In the order in which variables are documented, each complaint once."""
    places = {name: place for place, name in enumerate(roles.options)}

    def place(complaint: Complaint) -> int:
        name = complaint.variable.partition(",")[0].partition("[")[0].partition(".")[0]
        return places.get(name, len(places))

    yield from dict.fromkeys(sorted(complaints, key=place))
