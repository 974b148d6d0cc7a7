"""What nginx may serve from disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.public_paths import public_path_complaints


@pytest.mark.parametrize(
    "public",
    [
        {},
        {"static": "/srv/shop/releases/r1/app/static", "media": "/var/lib/shop/media"},
        {"files/static": "/srv/shop/releases/r1/static", "files/media": "/var/lib/shop/a/../media"},
        {"static": "/srv/shop/releases/r1/static", "static2": "/var/lib/shop/media"},
    ],
)
def test_what_may_be_served(public: dict[str, str]) -> None:
    """What lies below the release or what outlives it, at URLs that do not meet."""
    assert public_path_complaints(public, (Path("/srv/shop/releases/r1"), Path("/var/lib/shop"))) == []


@pytest.mark.parametrize(
    ("public", "message"),
    [
        (
            {"static": "/etc"},
            "STATIC_ROOT, MEDIA_ROOT: '/etc' cannot be served as /static/, since it is not the site's; set a directory "
            "below /srv/shop/releases/r1 or /var/lib/shop",
        ),
        ({"static": "/var/lib/shop"}, "'/var/lib/shop' cannot be served as /static/"),
        ({"static": "/var/lib/shop/../x"}, "'/var/lib/shop/../x' cannot be served as /static/"),
        ({"static": "static"}, "'static' cannot be served as /static/"),
        ({"static": "/var/lib/shopping/x"}, "cannot be served"),
        ({"../etc": "/var/lib/shop/x"}, "STATIC_URL, MEDIA_URL: the path '../etc' is not valid"),
        ({"a b": "/var/lib/shop/x"}, "the path 'a b'"),
        ({"a;b": "/var/lib/shop/x"}, "the path 'a;b'"),
        ({"static\n": "/var/lib/shop/x"}, "the path"),
        (
            {"static": "/var/lib/shop/x", "static/media": "/var/lib/shop/y"},
            "/static/media/ lies below /static/; give static files and uploads URLs of their own",
        ),
        ({"files/static": "/var/lib/shop/x", "files": "/var/lib/shop/y"}, "/files/static/ lies below /files/"),
    ],
)
def test_what_may_not_be_served(public: dict[str, str], message: str) -> None:
    """Settings are code, and root makes links of them: nothing but the site's own."""
    [complaint] = public_path_complaints(public, (Path("/srv/shop/releases/r1"), Path("/var/lib/shop")))
    assert message in complaint


def test_all_that_may_not_be_served() -> None:
    """Each has its complaint."""
    complaints = public_path_complaints({"a b": "/etc", "static": "/usr"}, iter([Path("/var/lib/shop")]))
    assert [complaint.partition(" cannot")[0].partition(" is not")[0] for complaint in complaints] == [
        "STATIC_URL, MEDIA_URL: the path 'a b'",
        "STATIC_ROOT, MEDIA_ROOT: '/etc'",
        "STATIC_ROOT, MEDIA_ROOT: '/usr'",
    ]
