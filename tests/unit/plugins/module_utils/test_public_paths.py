"""What nginx may serve from disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.public_paths import public_paths


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
    public_paths(public, (Path("/srv/shop/releases/r1"), Path("/var/lib/shop")))


@pytest.mark.parametrize(
    ("public", "message"),
    [
        (
            {"static": "/etc"},
            r"'/etc' cannot be served as /static/; keep it below /srv/shop/releases/r1 or /var/lib/shop",
        ),
        ({"static": "/var/lib/shop"}, "'/var/lib/shop' cannot be served as /static/"),
        ({"static": "/var/lib/shop/../x"}, "'/var/lib/shop/../x' cannot be served as /static/"),
        ({"static": "static"}, "'static' cannot be served as /static/"),
        ({"static": "/var/lib/shopping/x"}, "cannot be served"),
        ({"../etc": "/var/lib/shop/x"}, r"the URL path '\.\./etc' of static files or uploads is none"),
        ({"a b": "/var/lib/shop/x"}, "the URL path 'a b'"),
        ({"a;b": "/var/lib/shop/x"}, "the URL path 'a;b'"),
        ({"static\n": "/var/lib/shop/x"}, "the URL path"),
        (
            {"static": "/var/lib/shop/x", "static/media": "/var/lib/shop/y"},
            "/static/media/ lies below /static/; give static files and uploads URLs of their own",
        ),
        ({"files/static": "/var/lib/shop/x", "files": "/var/lib/shop/y"}, "/files/static/ lies below /files/"),
    ],
)
def test_what_may_not_be_served(public: dict[str, str], message: str) -> None:
    """Settings are code, and root makes links of them: nothing but the site's own."""
    with pytest.raises(ValueError, match=message):
        public_paths(public, (Path("/srv/shop/releases/r1"), Path("/var/lib/shop")))
