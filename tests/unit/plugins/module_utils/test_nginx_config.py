"""What nginx reads: words as nginx divides them, files that others include, addresses, and limits that are raised."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.nginx_config import listens, parse, raised, read


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("worker_connections 768;", [("worker_connections", "768")]),
        ("a b\n  c ;d;", [("a", "b", "c"), ("d",)]),
        ("# a b;\na 1; # c 2;\n", [("a", "1")]),
        ("a x#y;", [("a", "x#y")]),
        ("a \"b; c\" 'd}';", [("a", "b; c", "d}")]),
        (r'a "b\"; c";', [("a", r"b\"; c")]),
        ("a ${b}c;", [("a", "${b}c")]),
        ("location ~ \\.php$ { return 404; }", [("location", "~", "\\.php$"), ("return", "404")]),
        ('map $uri $x { "~^/(a|b)" 1; default ""; }', [("map", "$uri", "$x"), ("~^/(a|b)", "1"), ("default", "")]),
        # Not what nginx takes: whatever can be read of it is.
        ('a "b;\nc d;', [("a", '"b'), ("c", "d")]),
        ("} a 1; }", [("a", "1")]),
        ("a 1", []),
        ("", []),
    ],
)
def test_directives(text: str, found: list[tuple[str, ...]]) -> None:
    """Their words, without quotes and comments."""
    assert [(directive.name, *directive.arguments) for directive in parse(text, "x")] == found


def test_where_a_directive_stands() -> None:
    """In which blocks, and in which line of its file."""
    text = "http {\n  server {\n    listen 80;\n  }\n  server { listen\n 81; }\n}\nevents { }\n"
    found = [(directive.place, directive.blocks) for directive in parse(text, "/etc/nginx/nginx.conf")]
    assert found == [
        ("/etc/nginx/nginx.conf:1", ()),
        ("/etc/nginx/nginx.conf:2", ("http",)),
        ("/etc/nginx/nginx.conf:3", ("http", "server")),
        ("/etc/nginx/nginx.conf:5", ("http",)),
        ("/etc/nginx/nginx.conf:5", ("http", "server")),
        ("/etc/nginx/nginx.conf:8", ()),
    ]


def test_included_files(tmp_path: Path) -> None:
    """By absolute and relative patterns, in order, inside of the block that includes them; they may be missing."""
    outside = tmp_path / "outside.conf"
    outside.write_text("outside 1;")
    home = tmp_path / "nginx[1]"
    for name, text in {
        "nginx.conf": "http { include /etc/nginx/conf.d/*.conf; include more; include gone/*; }\n"
        f"include {outside}; end;",
        "conf.d/b.conf": "server { b; }",
        "conf.d/a.conf": "a;",
        "conf.d/c.conf.bak": "c;",
        "more": "include more;",
    }.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    (home / "conf.d/directory.conf").mkdir()
    (home / "conf.d/dangling.conf").symlink_to(tmp_path / "nothing")
    found = [(found.name, found.blocks, found.file) for found in read(home) if found.name != "include"]
    assert found == [
        ("http", (), "/etc/nginx/nginx.conf"),
        ("a", ("http",), "/etc/nginx/conf.d/a.conf"),
        ("server", ("http",), "/etc/nginx/conf.d/b.conf"),
        ("b", ("http", "server"), "/etc/nginx/conf.d/b.conf"),
        ("outside", (), str(outside)),
        ("end", (), "/etc/nginx/nginx.conf"),
    ]


def test_a_host_without_nginx(tmp_path: Path) -> None:
    """It has no directives."""
    assert list(read(tmp_path / "nginx")) == []


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("80", "80"),
        ("*:80", "80"),
        ("0.0.0.0:8080", "8080"),
        ("0.0.0.0", "80"),
        ("[::]:80", "[::]:80"),
        ("[::]", "[::]:80"),
        ("127.0.0.1", "127.0.0.1:80"),
        ("127.0.0.1:443", "127.0.0.1:443"),
        ("localhost", "localhost:80"),
        ("localhost:443", "localhost:443"),
        ("unix:/run/x.sock", None),
        ("8000-8010", None),
        ("127.0.0.1:80-90", None),
    ],
)
def test_where_a_server_listens(address: str, found: str | None) -> None:
    """One address has several spellings."""
    [_http, _server, directive] = parse(f"http {{ server {{ listen {address} default_server; }} }}", "x")
    assert listens(directive) == found


@pytest.mark.parametrize("text", ["stream { server { listen 80; } }", "http { server { name 80; } }", "listen 80;"])
def test_what_is_no_address_of_a_web_server(text: str) -> None:
    """The same word elsewhere, and other words."""
    assert [listens(directive) for directive in parse(text, "x")][-1] is None


MAIN = """user www-data;

events {
\tworker_connections 768;
\t# multi_accept on;
}

http {
\t# server_names_hash_bucket_size 64;
\tinclude /etc/nginx/mime.types;
}
"""


@pytest.mark.parametrize(
    ("name", "least", "before", "after"),
    [
        ("worker_connections", 1024, "\tworker_connections 768;", "\tworker_connections 1024;"),
        ("worker_connections", 768, "", ""),
        ("worker_connections", 512, "", ""),
        ("worker_rlimit_nofile", 8192, "events {", "worker_rlimit_nofile 8192;\nevents {"),
        ("server_names_hash_bucket_size", 128, "http {\n", "http {\n    server_names_hash_bucket_size 128;\n"),
        ("server_names_hash_bucket_size", 0, "", ""),
    ],
)
def test_a_limit_of_the_main_file(name: str, least: int, before: str, after: str) -> None:
    """It is raised where it is, or added where it belongs. All else stays, and what is a comment is no limit."""
    text = raised(MAIN, name, least)
    assert text == MAIN.replace(before, after)
    assert raised(text, name, least) == text


def test_a_limit_in_an_unusual_place() -> None:
    """On one line with its block, or with nothing that is a number."""
    assert raised("events { worker_connections 8; }", "worker_connections", 9) == "events { worker_connections 9; }"
    assert raised("events {}", "worker_connections", 9) == "events {\n    worker_connections 9;}"
    assert raised("events { worker_connections x; }", "worker_connections", 9) == "events { worker_connections 9; }"
    assert raised("include rest;", "worker_connections", 9) == "include rest;"
