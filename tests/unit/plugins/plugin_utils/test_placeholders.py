"""Places of a release in what a user sets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.filter.placeholders import placeholders

PLACES = {"release": "/srv/shop/releases/r1", "project": "/srv/shop/releases/r1/app/web", "state": "/var/lib/shop"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("@state@/media", "/var/lib/shop/media"),
        (
            "sqlite:///@state@/db.sqlite3?x=@project@",
            "sqlite:////var/lib/shop/db.sqlite3?x=/srv/shop/releases/r1/app/web",
        ),
        ("@release@@state@", "/srv/shop/releases/r1/var/lib/shop"),
        ("a@example.com, @other@", "a@example.com, @other@"),
        (["@state@", 5, None, True], ["/var/lib/shop", 5, None, True]),
        ({"@state@": {"A": ("@state@",)}}, {"@state@": {"A": ["/var/lib/shop"]}}),
        (1.5, 1.5),
        ("", ""),
    ],
)
def test_places(value: Any, expected: Any) -> None:
    """In every text, however deep; whatever else there is stays as it is."""
    assert placeholders(value, **PLACES) == expected


def test_what_a_place_contains() -> None:
    """It is not looked through again."""
    assert placeholders("@state@", release="r", project="p", state="@release@") == "@release@"
