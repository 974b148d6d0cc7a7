# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directives that nginx reads on a host, in nginx.conf and in every file that it includes."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text

__all__ = ["HOME", "Directive", "listens", "parse", "raised", "read"]

HOME = Path("/etc/nginx")

# Quotes and comments count only where a word begins, and a brace may be part of a variable: ${name}.
_TOKEN = re.compile(
    r"""
    (?P<nothing> \s+ | \#[^\n]* )
    | (?P<end> [;{}] )
    | "(?P<double> (?: \\. | [^"\\] )* )" | '(?P<single> (?: \\. | [^'\\] )* )'
    | (?P<word> (?: \\. | \$\{[^}]*\} | [^\s;{}\\] )+ )
    """,
    re.VERBOSE | re.DOTALL,
)
# Where nginx's own files have these limits.
_BLOCKS = {"worker_connections": "events", "server_names_hash_bucket_size": "http"}
# Files include each other a few levels deep; one that includes itself does so for ever.
_DEPTH = 10


@dataclass(frozen=True)
class Directive:
    """One directive: its words, the blocks that it is in from the outside in, and where it stands."""

    name: str
    arguments: tuple[str, ...]
    blocks: tuple[str, ...]
    file: str
    line: int
    start: int
    end: int

    @property
    def place(self) -> str:
        """Where a person finds it."""
        return f"{self.file}:{self.line}"


def parse(text: str, file: str, blocks: tuple[str, ...] = ()) -> Iterator[Directive]:
    """Yield the directives of one file, which may itself be included from inside of blocks.

    Never fails: reporting errors in a file is up to nginx.
    """
    inside, words, start, end = list(blocks), list[str](), 0, 0
    for token in _TOKEN.finditer(text):
        if token["nothing"]:
            continue
        if not token["end"]:
            start = start if words else token.start()
            end = token.end()
            words.append(token["word"] or token["double"] or token["single"] or "")
            continue
        if words:
            line = text.count("\n", 0, start) + 1
            yield Directive(words[0], tuple(words[1:]), tuple(inside), file, line, start, end)
        if token["end"] == "{":
            inside.append(words[0] if words else "")
        elif token["end"] == "}" and len(inside) > len(blocks):
            inside.pop()
        words = []


def read(home: Path, name: str = "nginx.conf", blocks: tuple[str, ...] = (), depth: int = 0) -> Iterator[Directive]:
    """Yield the directives of a file and of all that it includes, in nginx's order.

    C(home) is the directory to read in the place of C(/etc/nginx), such as a copy of it.
    """
    path = home / name
    for directive in parse((path.is_file() and read_text(path)) or "", str(HOME / name), blocks):
        yield directive
        if directive.name == "include" and directive.arguments and depth < _DEPTH:
            pattern = directive.arguments[0].removeprefix(f"{HOME}/")
            if not pattern.startswith("/"):
                pattern = f"{glob.escape(str(home))}/{pattern}"
            for included in sorted(glob.glob(pattern)):
                yield from read(home, included.removeprefix(f"{home}/"), directive.blocks, depth + 1)


def listens(directive: Directive) -> str | None:
    """The address and port of a C(listen) directive of a web server, in their shortest form: C(80), C([::]:80).

    None for any other directive, for a socket in the file system, and for a range of ports.
    """
    if directive.name != "listen" or directive.blocks[:2] != ("http", "server") or not directive.arguments:
        return None
    where = directive.arguments[0]
    if where.isdigit() or where.startswith("unix:"):
        return where if where.isdigit() else None
    address, port = (where, "80") if where.endswith("]") or ":" not in where else where.rsplit(":", 1)
    if not port.isdigit() or re.fullmatch(r"\d+-\d+", address):
        return None
    return port if address in ("*", "0.0.0.0") else f"{address}:{port}"


def raised(text: str, name: str, least: int) -> str:
    """The text of a file with one of nginx's limits raised to at least that number.

    A limit that is missing is added where nginx.conf would have it.
    """
    directives = list(parse(text, ""))
    if least <= 0:
        return text
    for found in (directive for directive in directives if directive.name == name):
        enough = int(found.arguments[0]) >= least if found.arguments and found.arguments[0].isdigit() else False
        return text if enough else f"{text[: found.start]}{name} {least}{text[found.end :]}"
    block = _BLOCKS.get(name)
    head = next((directive for directive in directives if directive.name == (block or "events")), None)
    if head is None:
        return text
    if block is None:
        return f"{text[: head.start]}{name} {least};\n{text[head.start :]}"
    inside = text.index("{", head.end) + 1
    return f"{text[:inside]}\n    {name} {least};{text[inside:]}"
