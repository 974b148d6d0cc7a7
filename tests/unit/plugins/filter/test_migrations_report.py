"""The filter that names migrations, or counts them."""

from __future__ import annotations

import pytest
from ansible_collections.pitcrew.django.plugins.filter.migrations_report import FilterModule

migrations_report = FilterModule().filters()["migrations_report"]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["shop.0002_price"], "shop.0002_price"),
        (["shop.0002_price", "auth.0001_initial"], "shop.0002_price, auth.0001_initial"),
        (
            ["shop.0001", "shop.0002", "shop.0003", "shop.0004", "shop.0005"],
            "shop.0001, shop.0002, shop.0003, shop.0004, shop.0005",
        ),
        (
            ["shop.0001", "auth.0001", "auth.0002", "shop.0002", "admin.0001", "shop.0003"],
            "6 migrations: admin 1, auth 2, shop 3",
        ),
    ],
)
def test_a_few_are_named_and_many_are_counted(names: list[str], text: str) -> None:
    assert migrations_report(names) == text
