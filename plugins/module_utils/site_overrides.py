# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's settings, overridden by those in the inventory (site_settings, site_secret_settings).

Every release has a copy of this module in C(overrides), a directory of its own. If there is anything to override,
PYTHONPATH contains that directory, and this is Django's settings module.
"""

import importlib
import json
import os
from pathlib import PurePath

COLLECTIONS = (list, tuple, set, frozenset)


def overridden(module, overrides):
    """Return the settings of the module with the overrides; a name that ends with a plus sign extends a list.

    An override takes the type of what it replaces: the inventory has no paths, tuples or sets. The module itself gets
    the values, too, for code of the project that imports it instead of C(django.conf.settings).
    """
    project = importlib.import_module(module)
    settings = {name: value for name, value in vars(project).items() if name.isupper()}
    # django-configurations takes settings from a class, which it looks for in Django's settings module.
    chosen = os.environ.get("DJANGO_CONFIGURATION", "")
    base = getattr(project, chosen, None) if chosen.isidentifier() else None
    if isinstance(base, type):
        settings.update({name: getattr(base, name) for name in dir(base) if name.isupper()})
    changed = {}
    for name, value in overrides.items():
        if name.endswith("+"):
            name = name[:-1]
            known = changed.get(name, settings[name]) if name in settings or name in changed else _default(name)
            if not isinstance(known, COLLECTIONS):
                raise ValueError(
                    f"site_settings, site_secret_settings: '{name}+' extends a list, and {name} in {module} is "
                    f"{'not set' if known is None else type(known).__name__}; write {name!r}, with its value"
                )
            changed[name] = type(known)([*known, *value])
        else:
            changed[name] = _as_type_of(settings.get(name), value)
    vars(project).update(changed)
    if isinstance(base, type):
        return {chosen: type(base)(chosen, (base,), changed)}
    return {**settings, **changed}


def _default(name):
    """Django's own value of a setting that the project does not define."""
    return getattr(importlib.import_module("django.conf.global_settings"), name, None)


def _as_type_of(known, value):
    if isinstance(known, PurePath) and isinstance(value, str):
        return type(known)(value)
    if isinstance(known, (tuple, set, frozenset)) and type(known) in COLLECTIONS and isinstance(value, list):
        return type(known)(value)
    return value


if "SITE_OVERRIDES" in os.environ:
    globals().update(overridden(os.environ["SITE_SETTINGS_MODULE"], json.loads(os.environ["SITE_OVERRIDES"])))
