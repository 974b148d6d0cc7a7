"""Steps as a user writes them become steps in full."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.filter.build_steps import FilterModule

build_steps = FilterModule().filters()["build_steps"]
FULL = {
    "command": "",
    "preset": "",
    "directory": "",
    "network": False,
    "environment": {},
    "timeout": 900,
    "memory": "50%",
    "packages": [],
    "node": False,
}


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("npm", {"preset": "npm", "network": True, "node": True}),
        ("compilemessages", {"preset": "compilemessages", "packages": ["gettext"]}),
        ("compress", {"preset": "compress"}),
        ("make css", {"command": "make css"}),
        ("cd web && npm run prod", {"command": "cd web && npm run prod", "node": True}),
        ("pnpm-like", {"command": "pnpm-like"}),
        ({"preset": "npm", "network": False, "directory": "ui/"}, {"preset": "npm", "node": True, "directory": "ui"}),
        (
            {"command": "true", "network": True, "timeout": 5, "memory": "1G", "environment": {"A": 1}},
            {"command": "true", "network": True, "timeout": 5, "memory": "1G", "environment": {"A": 1}},
        ),
    ],
)
def test_steps(step: Any, expected: dict[str, Any]) -> None:
    assert build_steps([step]) == [{**FULL, **expected}]
