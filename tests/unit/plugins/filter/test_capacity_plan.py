# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter as templates call it, and its documentation against the model."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.pitcrew.django.plugins.filter import capacity_plan as plugin
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import PROFILES, Inputs

HOST = {"cpus": 2, "memory_mb": 8192}
OPTIONS = yaml.safe_load(plugin.DOCUMENTATION)["options"]
CONTAINS = yaml.safe_load(plugin.RETURN)["_value"]["contains"]

capacity_plan = plugin.FilterModule().filters()["capacity_plan"]


def test_a_plan_of_two_numbers() -> None:
    """A mapping of cpus and memory_mb is enough."""
    plan = capacity_plan(HOST, cpu_ms=12, wait_ms=18, db_connections=97)
    assert (plan["worker_class"], plan["workers"], plan["threads"]) == ("sync", 9, 1)
    assert plan["gunicorn"]["workers"] == 9
    assert plan["uwsgi"] == {}


def test_a_plan_of_gathered_facts() -> None:
    """Facts do as well, and the capacity facts win where they are smaller."""
    facts = {"processor_vcpus": 8, "memtotal_mb": 32000, "pitcrew_capacity": {"cpus": 2.0, "memory_mb": 8192}}
    plan = capacity_plan(facts, cpu_ms=12, wait_ms=18)
    assert plan["workers"] == 9
    assert plan["host"]["cpus_source"] == "pitcrew_capacity.cpus"


def test_an_error_names_the_filter_the_input_its_value_and_the_cure() -> None:
    """Whoever reads it in the middle of a play knows what to change."""
    with pytest.raises(AnsibleFilterError) as refused:
        capacity_plan(HOST, cpu_ms="12")
    assert str(refused.value) == (
        "pitcrew.django.capacity_plan: cpu_ms: expected a number above 0 and at most 600000, got the text '12'; "
        "add `| float` to it"
    )


def test_every_input_is_documented_and_none_besides() -> None:
    """The options of the documentation are the fields of the inputs."""
    assert set(OPTIONS) - {"_input"} == {field.name for field in fields(Inputs)}


@pytest.mark.parametrize("field", fields(Inputs), ids=lambda field: field.name)
def test_documented_type_and_default(field: Any) -> None:
    """So are their types and defaults."""
    option = OPTIONS[field.name]
    assert option.get("default") == field.default
    assert option["type"] == field.type.removesuffix(" | None").replace("tuple[Load, ...]", "dict")


@pytest.mark.parametrize("name", ["server", "interface", "profile", "policy"])
def test_documented_choices(name: str) -> None:
    """So are their choices."""
    with pytest.raises(AnsibleFilterError, match=f"expected one of {', '.join(OPTIONS[name]['choices'])}, got"):
        capacity_plan(HOST, **{name: "none of them"})


def test_documented_profiles() -> None:
    """The documentation quotes the estimates as they are."""
    text = " ".join(OPTIONS["profile"]["description"])
    for name, profile in PROFILES.items():
        assert f"{profile.cpu_ms:g} and {profile.wait_ms:g} for V({name})" in text


def keys(contains: dict[str, Any]) -> dict[str, Any]:
    """Reduce the documentation of the answer to its names."""
    return {name: keys(entry.get("contains", {})) for name, entry in contains.items()}


def shape(value: Any) -> Any:
    """Reduce an answer to its names."""
    return {name: shape(inner) for name, inner in value.items()} if isinstance(value, dict) else {}


def test_every_answer_is_documented_and_none_besides() -> None:
    """What a template may read is what the documentation lists."""
    answer = shape(capacity_plan(HOST, workers=3, processes={"mail": {}}))
    answer["processes"] = answer["processes"]["mail"]
    for free in ("gunicorn", "uwsgi", "inputs"):
        answer[free] = {}
    assert keys(CONTAINS) == answer
