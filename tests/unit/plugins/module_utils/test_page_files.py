"""Which files a browser would load with a page."""

from __future__ import annotations

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.page_files import PageFile, page_files

PAGE = "https://shop.test/en/"


def urls(html: str, content_type: str = "text/html; charset=utf-8") -> list[str]:
    return [file.url for file in page_files(html.encode(), content_type, PAGE)]


@pytest.mark.parametrize(
    ("tag", "files"),
    [
        ('<link rel="stylesheet" href="/static/a.css">', [PageFile("https://shop.test/static/a.css", True)]),
        ("<LINK HREF=/static/a.css REL=StyleSheet>", [PageFile("https://shop.test/static/a.css", True)]),
        ('<link rel="shortcut icon" href="/static/a.ico"/>', [PageFile("https://shop.test/static/a.ico", False)]),
        ('<script defer src="a.js"></script>', [PageFile("https://shop.test/en/a.js", True)]),
        ('<img src="../logo.svg" alt="">', [PageFile("https://shop.test/logo.svg", False)]),
        ('<img src="/a.svg?v=1&amp;w=2">', [PageFile("https://shop.test/a.svg?v=1&w=2", False)]),
        ('<script src="//cdn.test/a.js"></script>', [PageFile("https://cdn.test/a.js", True)]),
        ('<img src=" /a.svg\n">', [PageFile("https://shop.test/a.svg", False)]),
        ('<img src="/one.svg" src="/two.svg">', [PageFile("https://shop.test/one.svg", False)]),
        # What is not loaded with the page, or is no URL.
        ('<link rel="canonical" href="/">', []),
        ('<link rel="stylesheet">', []),
        ('<link href="/static/a.css">', []),
        ("<script>let tag = '<img src=\"/static/a.png\">';</script>", []),
        ('<!-- <img src="/static/a.png"> -->', []),
        ('<a href="/static/a.pdf">', []),
        ('<img src="/static/{{ item.image }}">', []),
        ('<template><template></template><script src="/static/a.js"></script></template>', []),
        ('<textarea><script src="/static/a.js"></script></textarea>', []),
        ('<svg><title/></title></svg><img src="/a.svg">', [PageFile("https://shop.test/a.svg", False)]),
        ("<template></template><img src=/a.svg>", [PageFile("https://shop.test/a.svg", False)]),
        ('<img src="">', []),
        ("<img src>", []),
        ('<img src="http://[/a.png">', []),
    ],
)
def test_a_tag(tag: str, files: list[PageFile]) -> None:
    assert list(page_files(tag.encode(), "text/html", PAGE)) == files


def test_the_order_of_the_page_and_each_once() -> None:
    html = '<img src="/b.svg"><link rel="icon" href="/a.svg"><img src="/b.svg">'
    assert urls(html) == ["https://shop.test/b.svg", "https://shop.test/a.svg"]


def test_a_base_of_its_own() -> None:
    html = '<base href="/de/"><base href="/fr/"><img src="a.svg"><img src="/b.svg">'
    assert urls(html) == ["https://shop.test/de/a.svg", "https://shop.test/b.svg"]


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [("text/html", "utf-8"), ("text/html; charset=latin-1", "latin-1"), ("text/html; charset=no-such", "utf-8")],
)
def test_the_charset_of_the_page(content_type: str, encoding: str) -> None:
    html = '<img src="/café.svg">'.encode(encoding)
    assert [file.url for file in page_files(html, content_type, PAGE)] == ["https://shop.test/café.svg"]


@pytest.mark.parametrize("html", ["", "<", '<img src="/a', "<![CDATA[", "\x00\ufffd<img", "<" * 5000, '{"a": 1}'])
def test_what_is_no_page(html: str) -> None:
    assert urls(html) == []


def test_a_page_that_was_cut_off() -> None:
    """What comes before the cut counts."""
    assert urls('<img src="/a.svg"><img src="/b.s') == ["https://shop.test/a.svg"]


def test_a_page_that_is_no_html_from_somewhere_on() -> None:
    """What comes before counts; the parser's complaint is nobody's concern."""
    assert urls('<img src="/a.svg"><![foo[bar]]>')[:1] == ["https://shop.test/a.svg"]
