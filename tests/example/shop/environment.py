"""Read settings from environment variables; a value that cannot be meant stops the site with its name."""

import os

from django.core.exceptions import ImproperlyConfigured


def required(name: str) -> str:
    """Return the variable, which has no default that would be safe."""
    value = os.environ.get(name, "")
    if not value:
        raise ImproperlyConfigured(f"Set the environment variable {name}: it has no default.")
    return value


def flag(name: str) -> bool:
    """Return whether the variable is switched on; absent or empty means off."""
    value = os.environ.get(name, "").lower()
    if value not in {"", "0", "1", "false", "true", "no", "yes"}:
        raise ImproperlyConfigured(f"The environment variable {name} is {value!r}: say 1 or 0.")
    return value in {"1", "true", "yes"}


def number(name: str, default: float) -> float:
    """Return the variable as a number that is not negative."""
    value = os.environ.get(name, "") or default
    try:
        result = float(value)
    except ValueError:
        result = -1.0
    if not result >= 0:
        raise ImproperlyConfigured(f"The environment variable {name} is {value!r}: say a number, 0 or more.")
    return result


def words(name: str) -> list[str]:
    """Return the parts of a variable that are separated by commas or blanks."""
    return os.environ.get(name, "").replace(",", " ").split()
