# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is wrong with a site's variables, once without and once with what is known of the host."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..sizing.planning import Plan
from .complaints import Complaint
from .host import Prospect, judge_host
from .kinds import judge
from .names import judge_names, unknown_names
from .patterns import judge_values
from .plan import judge_plan_inputs, plan_site
from .relations import judge_relations, judge_sources
from .specification import Roles

__all__ = ["OLDEST_ANSIBLE", "Said", "old_ansible", "validate", "validate_on_host"]

OLDEST_ANSIBLE: Final = (2, 19)


@dataclass(frozen=True)
class Said:
    """What a play says: values of options, errors of those that cannot be evaluated: and all names that a user has set.

    `sources` has, by host, the values that decide on the source; only for the first host of a play, which compares.
    """

    values: Mapping[str, Any]
    errors: Mapping[str, str] = field(default_factory=dict)
    names: Collection[str] = ()
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def old_ansible(version: str) -> str:
    """Refuse an ansible-core that is too old, in one sentence; empty if it is not."""
    if tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_ANSIBLE:
        return ""
    oldest = ".".join(map(str, OLDEST_ANSIBLE))
    return (
        f"pitcrew.django needs ansible-core {oldest} or later, and this is {version}: "
        f"upgrade it on the control node, for example with pipx install --force 'ansible-core>={oldest}'."
    )


def validate(roles: Roles, said: Said) -> tuple[list[Complaint], str]:
    """Give all complaints that need nothing of the host, and the warning of unknown names, empty if there are none."""
    values, complaints = _usable(roles, said)
    own = values.get("site_custom_variables") or ()
    complaints += judge_values(values, roles.options)
    complaints += judge_relations(values)
    complaints += judge_plan_inputs(values, {complaint.variable for complaint in complaints})
    complaints += judge_sources(said.sources)
    complaints += judge_names(said.names, roles, own)
    return list(_in_order(complaints, roles)), unknown_names(said.names, roles, own)


def validate_on_host(
    roles: Roles, said: Said, facts: Mapping[str, Any], server: str, home: str, hosts: int
) -> tuple[list[Complaint], Plan | None]:
    """Give all complaints that depend on the host, and the plan if there can be one."""
    values, complaints = _usable(roles, said)
    planned = plan_site(values, facts, server, hosts)
    plan = None if isinstance(planned, Complaint) else planned
    complaints += judge_host(Prospect(values, facts.get("pitcrew_site") or {}, server, home, plan))
    if isinstance(planned, Complaint):
        complaints.append(planned)
    return list(_in_order(complaints, roles)), plan


def _usable(roles: Roles, said: Said) -> tuple[dict[str, Any], list[Complaint]]:
    """Give the values that have the right type, and what is wrong with the others."""
    values: dict[str, Any] = {}
    complaints: list[Complaint] = []
    for name, option in roles.options.items():
        if name in said.errors:
            complaints.append(
                Complaint(
                    name, f"cannot be evaluated: {said.errors[name]}", "correct the template, or define what it needs"
                )
            )
        elif name in said.values or option.required:
            judged = judge(option, said.values.get(name))
            complaints += judged.complaints
            if not judged.complaints:
                values[name] = judged.value
    return values, complaints


def _in_order(complaints: list[Complaint], roles: Roles) -> Iterator[Complaint]:
    """In the order in which variables are documented, each complaint once."""
    places = {name: place for place, name in enumerate(roles.options)}

    def place(complaint: Complaint) -> int:
        name = complaint.variable.partition(",")[0].partition("[")[0].partition(".")[0]
        return places.get(name, len(places))

    yield from dict.fromkeys(sorted(complaints, key=place))
