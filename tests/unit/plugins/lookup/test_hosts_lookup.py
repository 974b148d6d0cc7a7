"""A pattern for the hosts of a play, given by a variable: as it is, or a sentence if it matches none."""

from __future__ import annotations

from typing import Any

import pytest
from ansible import context
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible_collections.pitcrew.django.plugins.lookup.hosts import LookupModule
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.hosts import no_hosts

GROUPS = {"all": ["web1", "web2"], "ungrouped": [], "shop": ["web1"], "blog": ["web2"], "empty": []}


def look(pattern: str, **variables: Any) -> list[str]:
    """Look the pattern of site_hosts up."""
    found: list[str] = LookupModule(loader=DataLoader()).run(
        ["site_hosts", pattern], variables={"groups": GROUPS, "site_hosts": pattern, **variables}
    )
    return found


@pytest.mark.parametrize("pattern", ["shop", "web2", "shop:blog", "all", "localhost"])
def test_a_pattern_that_matches(pattern: str) -> None:
    """It is left to Ansible."""
    assert look(pattern) == [pattern]


@pytest.mark.parametrize("pattern", ["django", "empty", "shop:!web1"])
def test_a_pattern_that_matches_nothing(pattern: str) -> None:
    """The message names the groups, and how to choose one."""
    with pytest.raises(AnsibleError) as refusal:
        look(pattern)
    assert str(refusal.value).endswith(
        f'site_hosts: "{pattern}" matches no host of the inventory, whose groups with hosts are blog and shop; '
        "choose the hosts with -e site_hosts=blog."
    )


def test_a_host_instead() -> None:
    """A playbook that can do without hosts of the inventory names another one."""
    terms = ["site_hosts", "django", "localhost"]
    variables = {"groups": GROUPS, "site_hosts": "django"}
    assert LookupModule(loader=DataLoader()).run(terms, variables=variables) == ["localhost"]
    terms[1] = "shop"
    assert LookupModule(loader=DataLoader()).run(terms, variables=variables) == ["shop"]


def test_a_playbook_that_is_only_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linters have no inventory."""
    monkeypatch.setattr(context, "CLIARGS", {"syntax": True})
    assert look("django") == ["django"]


def test_a_misspelt_variable() -> None:
    """It is named: without it, the pattern is the default."""
    with pytest.raises(AnsibleError, match="site_host is set, which does not exist; set site_hosts with -e"):
        look("django", site_host="shop")


def test_inventories_of_other_sizes() -> None:
    """Without groups, and with more of them than one wants to read."""
    assert str(no_hosts("site_hosts", "django", {"all": []}, [])) == (
        'site_hosts: "django" matches no host of the inventory, which has no groups with hosts; '
        "name an inventory that has the hosts, with -i"
    )
    assert "whose only group with hosts is shop;" in str(no_hosts("site_hosts", "django", {"shop": ["web1"]}, []))
    many = {f"group{number}": ["web1"] for number in range(10, 30)}
    assert "group16, group17 and 12 more; choose" in str(no_hosts("site_hosts", "django", many, []))
