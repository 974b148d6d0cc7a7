# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan's inputs as a user sets them, and its errors under the names that the user knows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from ..processes.loads import loads
from ..sizing.facts import host_of
from ..sizing.inputs import Inputs, SizingError
from ..sizing.planning import Plan, make_plan
from ..sizing.services import service_inputs
from .complaints import Complaint

__all__ = ["PLAN_INPUTS", "check_plan_inputs", "plan_site"]

PLAN_INPUTS: Final[Mapping[str, str]] = {
    "site_server": "server",
    "site_interface": "interface",
    "site_profile": "profile",
    "site_capacity_share": "capacity_share",
    "site_workers": "workers",
    "site_threads": "threads",
    "site_database_connections": "db_connections",
    "site_request_timeout": "max_request_s",
    "site_processes_cpu_share": "processes_cpu_share",
    "site_drain_long": "drain_long_s",
}
"""The inputs of the plan that have a variable of their own, by that variable."""


def check_plan_inputs(values: Mapping[str, Any], checked: Collection[str]) -> Iterator[Complaint]:
    """Compare each input by itself with what the model allows, without variables that are refused already."""
    inputs = {name: values.get(variable) for variable, name in PLAN_INPUTS.items() if variable not in checked}
    inputs_set = values.get("site_plan_inputs") or {}
    more = {name: value for name, value in inputs_set.items() if name not in PLAN_INPUTS.values()}
    for error in Inputs.errors({**more, **inputs}):
        yield _complaint(error)


def plan_site(
    values: Mapping[str, Any], facts: Mapping[str, Any], server: str, hosts: int, interface: str | None = None
) -> Plan | Complaint:
    """Plan the site on a host, under the server of its release, for that many hosts; or return why there is no plan.

    The interface is that of the release, too; by default that of the site.
    """
    inputs = {name: values.get(variable) for variable, name in PLAN_INPUTS.items()}
    inputs |= {"server": server, "interface": interface or inputs["interface"]}
    more = values.get("site_plan_inputs") or {}
    services, found = values.get("site_services") or (), facts.get("pitcrew_services") or {}
    try:
        host, share = host_of(facts), Inputs.of({"capacity_share": inputs["capacity_share"]}).capacity_share
        of_services = service_inputs(services, found, host, share)
        own = {"processes": loads(values.get("site_processes") or {}), "db_hosts": hosts}
        return make_plan(host, Inputs.of({**inputs, **own, **of_services, **more}))
    except SizingError as error:
        return _complaint(error)


def _complaint(error: SizingError) -> Complaint:
    variables = {name: variable for variable, name in PLAN_INPUTS.items()}
    if error.input_name in variables:
        return Complaint(variables[error.input_name], error.reason)
    if error.input_name.startswith("processes"):
        return Complaint(f"site_{error.input_name}", error.reason)
    return Complaint("site_plan_inputs", f"{error.input_name}: {error.reason}")
