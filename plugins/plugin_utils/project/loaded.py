# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Django says about the settings, put in the place of what was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from .inspection import Inspection
from .values import known

__all__ = ["explained", "with_loaded"]

COMPARED = (
    "DEBUG", "ALLOWED_HOSTS", "STATIC_ROOT", "STATIC_URL", "MEDIA_ROOT", "MEDIA_URL", "ROOT_URLCONF",
    "WSGI_APPLICATION", "COMPRESS_OFFLINE", "SECURE_SSL_REDIRECT", "SECURE_PROXY_SSL_HEADER",
)  # fmt: skip


class Settings(Protocol):
    """Settings that were loaded, or why there are none."""

    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def error(self) -> str: ...
    @property
    def python(self) -> str: ...


def with_loaded(inspection: Inspection, loaded: Settings) -> Inspection:
    """Judge the settings as Django has them; without them, the reading stands."""
    return inspection.reading(loaded.settings) if loaded.settings else inspection


def differing(inspection: Inspection, loaded: Settings) -> list[str]:
    """Name the settings that were read wrongly."""
    found = []
    for name in COMPARED:
        before, after = inspection.read_values.get(name), loaded.settings.get(name)
        if (
            name in loaded.settings
            and known(before)
            and (before or after)
            and _usual(name, before) != _usual(name, after)
        ):
            found.append(name)
    return found


def _usual(name: str, value: Any) -> Any:
    """Return a value as Django has it, which begins the path of a URL with a slash."""
    if name.endswith("_URL") and isinstance(value, str) and value and not value.startswith(("/", "http")):
        return f"/{value}"
    return value


def explained(loaded: Settings, inspection: Inspection) -> str:
    """Say in one sentence what the loaded settings are worth."""
    where = "in a throw-away environment on the control node"
    if loaded.error:
        return f"The settings could not be loaded {where}, so this is from reading alone: {loaded.error}."
    wrong = differing(inspection, loaded)
    if wrong:
        return f"Django loaded the settings {where} (Python {loaded.python}), and corrects {', '.join(wrong)}."
    return f"Django loaded the settings {where} (Python {loaded.python}), and confirms this."
