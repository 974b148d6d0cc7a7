# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a Host from two numbers, or from gathered facts: the smallest of what they offer counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .inputs import Host, SizingError

__all__ = ["host_of"]

CAPACITY_FACT: Final = "pitcrew_capacity"
CPU_FACTS: Final = ("processor_nproc", "processor_vcpus")
MEMORY_FACTS: Final = ("memtotal_mb",)


def host_of(given: Any) -> Host:
    """Take `cpus` and `memory_mb` as given, or find them in gathered facts. Raises SizingError."""
    if not isinstance(given, Mapping):
        raise SizingError("host", f"expected a mapping of cpus and memory_mb or gathered facts, got {given!r}")
    return Host.of(given) if "cpus" in given else _host_of_facts(given)


def _host_of_facts(facts: Mapping[str, Any]) -> Host:
    capacity = _fact(facts, CAPACITY_FACT) or {}
    cpus = {name: _fact(facts, name) for name in CPU_FACTS}
    memory = {name: _fact(facts, name) for name in MEMORY_FACTS}
    cpus[_source(capacity, "cpus")] = capacity.get("cpus")
    memory[_source(capacity, "memory_mb")] = capacity.get("memory_mb")
    cpus_source, smallest_cpus = _smallest("cpus", cpus)
    memory_source, smallest_memory = _smallest("memory_mb", memory)
    numbers = {**capacity, "cpus": smallest_cpus, "memory_mb": smallest_memory}
    return Host.of(numbers, cpus_source, memory_source)


def _fact(facts: Mapping[str, Any], name: str) -> Any:
    """Find a fact under its own name or under the one that is injected into the variables."""
    return facts.get(name, facts.get(f"ansible_{name}"))


def _source(capacity: Mapping[str, Any], resource: str) -> str:
    """Name the file or setting that the capacity facts found to be the narrowest."""
    for limit in capacity.get("limits") or ():
        if limit["resource"] == resource and limit["value"] == capacity.get(resource):
            return str(limit["source"])
    return f"{CAPACITY_FACT}.{resource}"


def _smallest(resource: str, offers: Mapping[str, Any]) -> tuple[str, Any]:
    found = {source: value for source, value in offers.items() if value is not None}
    if not found:
        raise SizingError(
            resource,
            f"not in the facts, which offer none of {', '.join(offers)}; gather facts first, "
            "or give a mapping of cpus and memory_mb",
        )
    for source, value in found.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise SizingError(resource, f"the fact {source} is {value!r} and not a number; gather facts again")
    source = min(found, key=lambda name: found[name])
    return source, found[source]
