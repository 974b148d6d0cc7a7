# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a browser loads with a page: stylesheets, scripts, icons and images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from html.parser import HTMLParser
from urllib.parse import urljoin

__all__ = ["PageFile", "page_files"]


# What is in these is text, or waits for a script.
INERT = ("template", "textarea", "title")


@dataclass(frozen=True)
class PageFile:
    """A file that a page names, by its absolute URL; C(code) is true for stylesheets and scripts."""

    url: str
    code: bool


class _Parser(HTMLParser):
    """Collects the URLs as they are written, and the one that relative URLs start from."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.files: list[tuple[str, bool]] = []
        self.inside: list[str] = []

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # HTML does not know such tags: <template/> is open.
        self.handle_starttag(tag, attrs)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in INERT:
            self.inside.append(tag)
        if self.inside:
            return
        given = {name: value or "" for name, value in reversed(attrs)}  # Of two attributes of a name, the first counts.
        relations = given.get("rel", "").lower().split()
        if tag == "base" and not self.base:
            self.base = given.get("href", "")
        elif tag == "link" and {"stylesheet", "icon"} & set(relations):
            self._add(given.get("href", ""), "stylesheet" in relations)
        elif tag in ("script", "img"):
            self._add(given.get("src", ""), tag == "script")

    def _add(self, url: str, code: bool) -> None:
        # A brace is in no URL: the page is a template for a script in the browser, as in {{ item.image }}.
        if url.strip() and "{" not in url:
            self.files.append((url.strip(), code))


def page_files(html: bytes, content_type: str, url: str) -> Iterator[PageFile]:
    """The files that the page at this URL names, each once, in the order of the page."""
    header = Message()
    header["Content-Type"] = content_type
    parser = _Parser()
    try:
        text = html.decode(header.get_content_charset("utf-8"), errors="replace")
    except LookupError:  # A charset that Python does not know.
        text = html.decode("utf-8", errors="replace")
    # What is marked up as no HTML ever was ends the page here, such as <![foo[: an error that depends on the Python.
    with suppress(AssertionError, NotImplementedError):
        parser.feed(text)
    seen = set()
    for written, code in parser.files:
        try:
            found = PageFile(urljoin(urljoin(url, parser.base), written), code)
        except ValueError:  # Not a URL, such as http://[.
            continue
        if found.url not in seen:
            seen.add(found.url)
            yield found
