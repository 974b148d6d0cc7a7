# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The domains of a site, each written the one way in which nginx, Django and health checks compare them."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

__all__ = ["DomainError", "hostname", "hostnames", "is_address"]

LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LONGEST_NAME: Final = 253
"""Letters of a name in the DNS, its final dot aside."""


class DomainError(ValueError):
    """A domain that is not valid: what is wrong with it, and what to write instead."""

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(f"{problem}; {cure}")
        self.problem = problem
        self.cure = cure


def hostnames(domains: Iterable[str]) -> list[str]:
    """Normalise all domains, and drop duplicates. Raises DomainError."""
    return list(dict.fromkeys(hostname(domain) for domain in domains))


def hostname(domain: str) -> str:
    """Give a domain in lower case, in ASCII, without a final dot; an IPv6 address in brackets. Raises DomainError."""
    if address := _address(domain):
        return address
    wildcard, name = ("*.", domain[2:]) if domain.startswith("*.") else ("", domain)
    labels = [_label(label) for label in name.lower().removesuffix(".").split(".")]
    if labels[-1].isdigit():
        raise DomainError("is not an IPv4 address, although it ends with a number", "write it as in 192.0.2.10")
    found = ".".join(labels)
    if len(found) > LONGEST_NAME:
        raise DomainError(f"has {len(found)} characters", f"a host name has at most {LONGEST_NAME}")
    return wildcard + found


def is_address(host: str) -> bool:
    """Whether a normalised domain is an IPv4 or IPv6 address."""
    return _address(host) is not None


def _address(domain: str) -> str | None:
    bare = domain[1:-1] if domain.startswith("[") and domain.endswith("]") else domain
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if address.version == 6:
        # An address with a scope belongs to one interface of one machine; browsers never send one.
        return None if "%" in bare else f"[{address.compressed}]"
    return None if bare != domain else str(address)


def _label(label: str) -> str:
    ascii_label = label if label.isascii() else _to_ascii(label)
    if len(ascii_label) > 63:
        raise DomainError(f"has a part of {len(ascii_label)} characters between its dots", "63 are allowed")
    if not LABEL.fullmatch(ascii_label):
        raise DomainError(
            "is not a host name",
            "write it as in shop.example.com or *.example.com, without scheme, port, path or white space",
        )
    return ascii_label


def _to_ascii(label: str) -> str:
    """Encode by IDNA 2003, where the standards since then mean the same name."""
    composed = unicodedata.normalize("NFC", label)
    try:
        encoded = composed.encode("idna").decode("ascii")
        is_same = encoded.encode("ascii").decode("idna") == composed
    except UnicodeError:
        is_same = False
    if not is_same:
        raise DomainError(
            "is an international name that has more than one ASCII form, or none",
            "write the one that you have registered, which begins with xn--",
        )
    return encoded
