"""The address of a host in a network."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.pitcrew.django.plugins.filter.address_within import address_within

ADDRESSES = ["203.0.113.7", "web1", "10.0.0.11", "10.0.0.12", "fd00::11"]


@pytest.mark.parametrize(
    ("network", "address"),
    [("10.0.0.0/24", "10.0.0.11"), ("fd00::/64", "fd00::11"), ("203.0.113.7", "203.0.113.7"), ("10.1.0.0/24", "")],
)
def test_the_first_one_counts(network: str, address: str) -> None:
    assert address_within(ADDRESSES, network) == address


def test_a_network_that_is_none() -> None:
    with pytest.raises(AnsibleFilterError, match=r"^pitcrew\.django\.address_within: 10\.0\.0\.1/24 has host bits set"):
        address_within(ADDRESSES, "10.0.0.1/24")
