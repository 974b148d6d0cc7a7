"""The project's settings with those of the inventory over them."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.site_overrides import overridden


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide a settings module."""
    module = ModuleType("shop_settings")
    vars(module).update({"DEBUG": True, "APPS": ["a"], "HOSTS": ("x",), "NAME": "shop", "lower": 1})
    vars(module).update({"ROOT": Path("/a"), "PURE": PurePosixPath("/a"), "ONE": {"x"}, "DIRS": {"a": Path("/b")}})
    monkeypatch.setitem(sys.modules, "shop_settings", module)


@pytest.mark.parametrize(
    ("overrides", "changed"),
    [
        ({}, {}),
        ({"DEBUG": False, "NEW": 1}, {"DEBUG": False, "NEW": 1}),
        ({"ROOT": "/c", "PURE": "c"}, {"ROOT": Path("/c"), "PURE": PurePosixPath("c")}),
        ({"HOSTS": ["y"], "ONE": ["y"], "APPS": ["y"]}, {"HOSTS": ("y",), "ONE": {"y"}, "APPS": ["y"]}),
        ({"HOSTS": "y", "ROOT": None, "NAME": ["y"]}, {"HOSTS": "y", "ROOT": None, "NAME": ["y"]}),
        ({"DIRS": {"a": "/c"}}, {"DIRS": {"a": "/c"}}),
        ({"ONE+": ["y"]}, {"ONE": {"x", "y"}}),
        ({"HOSTS": ["y"], "HOSTS+": ["z"]}, {"HOSTS": ("y", "z")}),
        ({"STATICFILES_DIRS+": ["/a"]}, {"STATICFILES_DIRS": ["/a"]}),
        (
            {"AUTHENTICATION_BACKENDS+": ["a.B"]},
            {"AUTHENTICATION_BACKENDS": ["django.contrib.auth.backends.ModelBackend", "a.B"]},
        ),
        ({"APPS+": ["b"], "HOSTS+": ["y", "z"]}, {"APPS": ["a", "b"], "HOSTS": ("x", "y", "z")}),
    ],
)
def test_overrides(overrides: dict[str, Any], changed: dict[str, Any]) -> None:
    """They replace settings, or extend lists."""
    expected: dict[str, Any] = {"DEBUG": True, "APPS": ["a"], "HOSTS": ("x",), "NAME": "shop", "ROOT": Path("/a")}
    expected |= {"PURE": PurePosixPath("/a"), "ONE": {"x"}, "DIRS": {"a": Path("/b")}, **changed}
    assert overridden("shop_settings", overrides) == expected


@pytest.mark.parametrize(
    ("name", "what"), [("NOWHERE", "not set"), ("NAME", "str"), ("DEBUG", "bool"), ("TIME_ZONE", "str")]
)
def test_what_cannot_be_extended(name: str, what: str) -> None:
    """The sentence has the name, the module and the cure."""
    with pytest.raises(ValueError, match="extends a list") as error:
        overridden("shop_settings", {f"{name}+": ["x"]})
    assert str(error.value) == (
        f"site_settings, site_secret_settings: '{name}+' extends a list, and {name} in shop_settings is {what}; "
        f"write '{name}', with its value"
    )


def test_the_module_has_them_too() -> None:
    """For code that imports it, and not django.conf.settings; others of its names are left alone."""
    overridden("shop_settings", {"NAME": "b", "APPS+": ["b"]})
    module = sys.modules["shop_settings"]
    assert (module.NAME, module.APPS, module.lower) == ("b", ["a", "b"], 1)


def test_settings_in_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of django-configurations: a class of the same name, which has everything else of the project's."""

    class Kind(type):
        """A metaclass, as theirs."""

    class Prod(metaclass=Kind):
        """A configuration."""

        DEBUG, HOSTS, NAME, ROOT = True, ("x",), "shop", Path("/a")

    vars(sys.modules["shop_settings"]).update({"Prod": Prod})
    monkeypatch.setenv("DJANGO_CONFIGURATION", "Prod")
    [(name, found)] = overridden("shop_settings", {"DEBUG": False, "HOSTS+": ["y"], "ROOT": "/b"}).items()
    assert (name, type(found), issubclass(found, Prod)) == ("Prod", Kind, True)
    assert (False, ("x", "y"), "shop", Path("/b")) == (found.DEBUG, found.HOSTS, found.NAME, found.ROOT)


@pytest.mark.parametrize("name", ["Nowhere", "", "not a name", "NAME"])
def test_a_class_that_there_is_not(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The variable may be someone else's."""
    monkeypatch.setenv("DJANGO_CONFIGURATION", name)
    assert overridden("shop_settings", {"DEBUG": False})["DEBUG"] is False
