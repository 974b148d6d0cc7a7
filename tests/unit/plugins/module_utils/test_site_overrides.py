"""The project's settings with those of the inventory over them."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.site_overrides import overridden


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide a settings module."""
    module = ModuleType("shop_settings")
    vars(module).update({"DEBUG": True, "APPS": ["a"], "HOSTS": ("x",), "NAME": "shop", "lower": 1})
    monkeypatch.setitem(sys.modules, "shop_settings", module)


@pytest.mark.parametrize(
    ("overrides", "changed"),
    [
        ({}, {}),
        ({"DEBUG": False, "NEW": 1}, {"DEBUG": False, "NEW": 1}),
        ({"APPS+": ["b"], "HOSTS+": ["y", "z"]}, {"APPS": ["a", "b"], "HOSTS": ("x", "y", "z")}),
    ],
)
def test_overrides(overrides: dict[str, Any], changed: dict[str, Any]) -> None:
    """They replace settings, or extend lists."""
    expected = {"DEBUG": True, "APPS": ["a"], "HOSTS": ("x",), "NAME": "shop", **changed}
    assert overridden("shop_settings", overrides) == expected


@pytest.mark.parametrize(("name", "what"), [("NOWHERE", "not set"), ("NAME", "str"), ("DEBUG", "bool")])
def test_what_cannot_be_extended(name: str, what: str) -> None:
    """The sentence has the name, the module and the cure."""
    with pytest.raises(ValueError, match="extends a list") as error:
        overridden("shop_settings", {f"{name}+": ["x"]})
    assert str(error.value) == (
        f"site_settings, site_secret_settings: '{name}+' extends a list, and {name} in shop_settings is {what}; "
        f"write '{name}', with its value"
    )
