# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site that the literal expectations are of: its numbers stand here, so that a new default moves none of them."""

from __future__ import annotations

from typing import Any

from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import Host, Inputs
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.planning import Plan, make_plan

__all__ = ["ORM", "host", "inputs_of", "planned"]

MEMORY = {"worker_unique_mb": 120, "worker_shared_mb": 40, "master_mb": 40, "growth_mb": 30, "thread_mb": 2}
TIMES = {"cpu_ms": 15, "wait_ms": 30}
ORM = {"cpu_ms": 12, "wait_ms": 18}


def host(cpus: float, memory_mb: float) -> Host:
    """A host of these numbers."""
    return Host.of({"cpus": cpus, "memory_mb": memory_mb})


def inputs_of(**inputs: Any) -> Inputs:
    """The inputs of a test, and fixed numbers for the rest."""
    return Inputs.of({**MEMORY, **({} if "profile" in inputs else TIMES), **inputs})


def planned(cpus: float, memory_mb: float, **inputs: Any) -> Plan:
    """Plan the site for a host of these numbers."""
    return make_plan(host(cpus, memory_mb), inputs_of(**inputs))
