# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report may show of a text that visitors have influenced."""

from __future__ import annotations

import ipaddress
import re

__all__ = ["discreet", "printable"]

IPV4 = re.compile(r"(?<![\w.])(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}(?![\w.]*\d)")
IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
QUERY = re.compile(r"([\w/.%~-])\?[\w%.~=&+;:@,/*!$\[\]-]+")
# Control characters, halves of surrogate pairs, and marks that change the direction of the text after them.
UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def printable(text: str, limit: int) -> str:
    """Return the text, cut at the limit, with escapes for what a page or a terminal would obey instead of showing."""
    shown = UNPRINTABLE.sub(_escaped, text[:limit].replace("\t", "    "))
    return shown + "…" if len(text) > limit else shown


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def discreet(text: str) -> str:
    """Return the text without query strings, and without the last parts of IP addresses."""
    return IPV6.sub(_network, IPV4.sub(r"\1.x", QUERY.sub(r"\1?…", text)))


def _network(match: re.Match[str]) -> str:
    try:
        address = ipaddress.IPv6Address(match[0])
    except ValueError:  # A time, for example.
        return match[0]
    groups = address.exploded.split(":")
    return ":".join(group.lstrip("0") or "0" for group in groups[:2]) + "::x"
