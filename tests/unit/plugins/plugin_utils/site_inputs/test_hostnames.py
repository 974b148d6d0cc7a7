"""Domains as people write them, and as programs compare them."""

from __future__ import annotations

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.hostnames import (
    DomainError,
    hostname,
    hostnames,
    is_address,
)


@pytest.mark.parametrize(
    ("domain", "host"),
    [
        ("shop.example.com", "shop.example.com"),
        ("Shop.Example.COM", "shop.example.com"),
        ("shop.example.com.", "shop.example.com"),
        ("*.example.com", "*.example.com"),
        ("*.Example.com.", "*.example.com"),
        ("localhost", "localhost"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("MÜNCHEN.example", "xn--mnchen-3ya.example"),
        ("mu\u0308nchen.example", "xn--mnchen-3ya.example"),
        ("*.münchen.example", "*.xn--mnchen-3ya.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("почта.рф", "xn--80a1acny.xn--p1ai"),
        ("xn--strae-oqa.example", "xn--strae-oqa.example"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
        ("192.0.2.10", "192.0.2.10"),
        ("127.0.0.1", "127.0.0.1"),
        ("2001:DB8:0::1", "[2001:db8::1]"),
        ("[::1]", "[::1]"),
        ("3com.example", "3com.example"),
    ],
)
def test_a_domain_is_written_one_way(domain: str, host: str) -> None:
    assert hostname(domain) == host
    assert hostname(host) == host


NOT_A_NAME = "is not a host name"
NOT_ONE_NAME = "has more than one ASCII form, or none"


@pytest.mark.parametrize(
    ("domain", "problem"),
    [
        ("straße.example", NOT_ONE_NAME),
        ("βόλος.example", NOT_ONE_NAME),
        ("a\u200db.example", NOT_ONE_NAME),
        ("\uff53hop.example", NOT_ONE_NAME),
        ("sh\u202eop.example", NOT_ONE_NAME),
        ("a。b", NOT_ONE_NAME),
        ("ü" * 60 + ".example", NOT_ONE_NAME),
        ("shop example", NOT_A_NAME),
        ("shop.test\nserver_name evil", NOT_A_NAME),
        ("https://shop.example.com", NOT_A_NAME),
        ("shop.example.com:8080", NOT_A_NAME),
        ("shop.example.com/", NOT_A_NAME),
        ("shop..example.com", NOT_A_NAME),
        (".example.com", NOT_A_NAME),
        ("-shop.example.com", NOT_A_NAME),
        ("shop_1.example.com", NOT_A_NAME),
        ("shop;.example.com", NOT_A_NAME),
        ("*", NOT_A_NAME),
        ("shop.*.com", NOT_A_NAME),
        ("", NOT_A_NAME),
        (".", NOT_A_NAME),
        ("a" * 64 + ".example", "has a part of 64 characters between its dots; 63 are allowed"),
        (".".join(["a" * 62] * 4 + ["de"]), "has 254 characters; a host name has at most 253"),
        ("256.0.0.1", "is not an IPv4 address, although it ends with a number"),
        ("10.1", "is not an IPv4 address"),
        ("*.0.0.1", "is not an IPv4 address"),
        ("fe80::1%eth0", NOT_A_NAME),
        ("[192.0.2.1]", NOT_A_NAME),
    ],
)
def test_what_is_no_domain(domain: str, problem: str) -> None:
    with pytest.raises(DomainError) as refused:
        hostname(domain)
    assert problem in str(refused.value)


def test_the_cure_for_an_international_name() -> None:
    with pytest.raises(DomainError, match="write the one that you have registered, which begins with xn--"):
        hostname("straße.example")


def test_domains_that_are_the_same_are_given_once() -> None:
    assert hostnames(["b.example", "B.example.", "a.example", "b.example"]) == ["b.example", "a.example"]


def test_addresses() -> None:
    assert [is_address(host) for host in ("192.0.2.1", "[::1]", "::1", "a.example", "*.a.example")] == [
        *(True, True, True),
        *(False, False),
    ]
