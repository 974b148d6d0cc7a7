# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for a terminal: prose that fits 80 columns, and what a program wrote exactly as it wrote it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["HARD_SPACE", "WIDTH", "Refusal", "table", "wrapped"]

WIDTH: Final = 80
"""Columns of a terminal by default."""


HARD_SPACE: Final = "\N{NO-BREAK SPACE}"
_TOGETHER: Final = re.compile(r"(?<=\d) (?=(?:%|x|ms|MB|CPU)(?:\W|$))|(?<=\d x) (?=\d)")


def wrapped(text: str, first: str = "", rest: str = "") -> str:
    """Fold prose to 80 columns: its first line begins with `first`, all others with `rest`.

    Words stay whole, and so do 12 ms and 2 x 4.
    """
    together = re.sub(_TOGETHER, HARD_SPACE, text)
    return textwrap.fill(
        together,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ).replace(HARD_SPACE, " ")


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align cells in columns; where that is wider than 80, the first cell of each row gets a line of its own."""
    lines = _aligned(rows)
    if max(map(len, lines)) <= WIDTH:
        return lines
    folded: list[str] = []
    for row, line in zip(rows, _aligned([row[1:] for row in rows]), strict=True):
        folded += [row[0], f"  {line}"[:WIDTH].rstrip()]
    return folded


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


@dataclass(frozen=True)
class Refusal:
    """Why something failed: sentences with the cause and the cure, and the output that shows it."""

    sentences: str
    output: str = ""

    @classmethod
    def of(cls, text: str) -> Refusal:
        """Split a message at its first blank line."""
        sentences, _blank, output = text.strip("\n").partition("\n\n")
        return cls(sentences, output.strip("\n"))

    @property
    def headline(self) -> str:
        """The cause on one line: the first sentence, up to the cure behind its semicolon."""
        line = self.sentences.partition("\n")[0]
        return re.split(r"(?<=[.!?])\s+(?=[A-Z])|;\s", line, maxsplit=1)[0].rstrip(":")

    def laid_out(self, host: str, heading: str = "") -> str:
        """Lay it out for a terminal, beginning with the host: the sentences folded, the output as it is.

        With a heading, every line of the sentences is an item below it.
        """
        first, *others = [*([f"{heading}:"] if heading else []), *self.sentences.split("\n")]
        lines = [wrapped(first, f"{host}: ")]
        for line in others:
            indent = " " * (len(line) - len(line.lstrip()))
            lines.append(wrapped(line.strip(), indent, f"{indent}  "))
        return "\n".join([*lines, *(["", self.output] if self.output else [])])
