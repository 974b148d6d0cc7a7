# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a command, and how a unit file of systemd has them (systemd.syntax(7), systemd.service(5))."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import Final

__all__ = ["SLOT", "quoted", "split", "systemd_words"]

SLOT: Final = "\N{NULL}"
"""Stands in a word for the name of the slot, which only systemd knows; no word that a user writes can have it."""

PLAIN: Final = re.compile(r"[A-Za-z0-9@+=:,./_-]+")
"""What means nothing to systemd, neither within a word nor as one."""
ESCAPED: Final = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t", "\r": r"\r", "%": "%%", "$": "$$"}


def split(text: str) -> list[str]:
    """Split a command into words as a shell does, without running one. ValueError if a quote is not closed."""
    return shlex.split(text)


def quoted(words: Iterable[str]) -> str:
    """Write words for ExecStart= so that the program gets them as they are; SLOT becomes the name of the slot (%i).

    systemd knows quotes and escapes as C does, its own specifiers (%) and variables ($), and a semicolon between two
    commands. ValueError for a null byte, which no program can get.
    """
    return " ".join(_quoted(word) for word in words)


def systemd_words(text: str) -> str:
    """Write a command for ExecStart=. ValueError if it is not one."""
    words = split(text)
    if not words or any(SLOT in word for word in words):
        raise ValueError(f"{text!r} is not a command")
    return quoted(words)


def _quoted(word: str) -> str:
    parts = ["".join(map(_escaped, part)) for part in word.split(SLOT)]
    whole = "%i".join(parts)
    return whole if PLAIN.fullmatch(whole.replace("%%", "i").replace("%i", "i")) else f'"{whole}"'


def _escaped(character: str) -> str:
    if character in ESCAPED:
        return ESCAPED[character]
    return f"\\x{ord(character):02x}" if ord(character) < 32 or ord(character) == 127 else character
