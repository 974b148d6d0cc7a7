"""The environment is read as meant or refused by name."""

import os
from unittest import mock

from django.core.exceptions import ImproperlyConfigured
from django.test import SimpleTestCase

from shop.environment import flag, number, required, words


class Environment(SimpleTestCase):
    """One variable, THING, in every state."""

    def setUp(self) -> None:
        """Keep the real environment out."""
        self.enterContext(mock.patch.dict(os.environ, clear=True))

    def test_required(self) -> None:
        """Absent and empty are the same mistake."""
        for state in ({}, {"THING": ""}):
            with (
                mock.patch.dict(os.environ, state),
                self.assertRaisesMessage(ImproperlyConfigured, "variable THING"),
            ):
                required("THING")

    def test_flag(self) -> None:
        """A typing mistake must not become a decision."""
        for value, meaning in (("1", True), ("True", True), ("0", False), ("no", False), ("", False)):
            with self.subTest(value), mock.patch.dict(os.environ, THING=value):
                assert flag("THING") is meaning
        with (
            mock.patch.dict(os.environ, THING="flase"),
            self.assertRaisesMessage(ImproperlyConfigured, "'flase'"),
        ):
            flag("THING")

    def test_number(self) -> None:
        """Absent means the default."""
        assert number("THING", 1.5) == 1.5
        with mock.patch.dict(os.environ, THING="3"):
            assert number("THING", 1.5) == 3.0
        for value in ("soon", "-1", "nan"):
            with (
                mock.patch.dict(os.environ, THING=value),
                self.assertRaisesMessage(ImproperlyConfigured, value),
            ):
                number("THING", 1.5)

    def test_words(self) -> None:
        """Commas and blanks both part."""
        with mock.patch.dict(os.environ, THING="shop.test, www.shop.test"):
            assert words("THING") == ["shop.test", "www.shop.test"]
