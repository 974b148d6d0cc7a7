# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a playbook would run on no host at all: Ansible itself skips such a play, and exits with status 0."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from .complaints import Complaint, listed, shown
from .names import distance

__all__ = ["no_hosts"]

IMPLICIT: Final = ("all", "ungrouped")
NAMED: Final = 8
CLOSE: Final = 2
"""How many letters may differ in a misspelt variable."""


def no_hosts(variable: str, pattern: str, groups: Mapping[str, Collection[str]], names: Collection[str]) -> Complaint:
    """Complain that a variable chooses no host of the inventory, which has these groups with their hosts.

    The names are those of all variables that are set.
    """
    misspelt = [name for name in sorted(names) if 0 < distance(name, variable) <= CLOSE]
    found = sorted(group for group in groups if group not in IMPLICIT and groups[group])
    problem = f"{shown(pattern)} matches no host of the inventory"
    if misspelt:
        return Complaint(variable, problem, f"{misspelt[0]} is set, which does not exist; set {variable} with -e")
    if not found:
        return Complaint(
            variable, f"{problem}, which has no groups with hosts", "name an inventory that has the hosts, with -i"
        )
    more = [f"{len(found) - NAMED} more"] if len(found) > NAMED else []
    are = "whose only group with hosts is" if len(found) == 1 else "whose groups with hosts are"
    return Complaint(
        variable, f"{problem}, {are} {listed(found[:NAMED] + more)}", f"choose the hosts with -e {variable}={found[0]}"
    )
