"""Which Python the hosts of a play have, as far as their facts and names tell."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.pitcrew.django.plugins.action.source import pythons


class Broken(dict[str, Any]):
    """Variables of a host that cannot be evaluated."""

    def get(self, name: str, default: Any = None) -> Any:
        """Fail, as a template does."""
        raise AnsibleError(f"{name} {default}")


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (
            {"ansible_facts": {"pitcrew_site": {"python": "3.13.5"}}},
            {"path": "/usr/bin/python3", "version": "3.13.5"},
        ),
        # One that the same deploy installs.
        (
            {"ansible_facts": {"pitcrew_site": {"python": None}}, "site_python": "/usr/bin/python3.12"},
            {"path": "/usr/bin/python3.12", "version": "3.12.99"},
        ),
        ({"site_python": "/opt/python/bin/python3"}, {"path": "/opt/python/bin/python3", "version": ""}),
        ({}, {"path": "/usr/bin/python3", "version": ""}),
    ],
)
def test_the_python_of_a_host(host: dict[str, Any], found: dict[str, str]) -> None:
    """Of each host that the play has."""
    variables = {"ansible_play_hosts_all": ["web1", "web2"], "hostvars": {"web1": host, "web2": Broken()}}
    assert pythons(variables) == {"web1": found}


def test_no_play() -> None:
    """Where the module is used by itself, it has no hosts to compare with."""
    assert pythons({}) == {}
