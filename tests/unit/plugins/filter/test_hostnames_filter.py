"""The filter that normalises domains."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.pitcrew.django.plugins.filter.hostnames import FilterModule

hostnames = FilterModule().filters()["hostnames"]


def test_the_names_are_plain_texts() -> None:
    found = hostnames(["Shop.Example.com.", "münchen.example", "shop.example.com"])
    assert found == ["shop.example.com", "xn--mnchen-3ya.example"]
    assert {type(name) for name in found} == {str}


def test_an_error_says_what_to_write() -> None:
    with pytest.raises(AnsibleFilterError, match=r"pitcrew\.django\.hostnames: is not a host name; write it as in"):
        hostnames(["two words"])
