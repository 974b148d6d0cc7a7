# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's settings, overridden by those in the inventory (site_settings, site_secret_settings).

Every release has a copy of this module in C(overrides), a directory of its own. If there is anything to override,
PYTHONPATH contains that directory, and this is Django's settings module.
"""

import importlib
import json
import os


def overridden(module, overrides):
    """Return the settings of the module with the overrides; a name that ends with a plus sign extends a list."""
    settings = {name: value for name, value in vars(importlib.import_module(module)).items() if name.isupper()}
    for name, value in overrides.items():
        if name.endswith("+"):
            extended = settings.get(name[:-1])
            if not isinstance(extended, (list, tuple, set, frozenset)):
                raise ValueError(
                    f"site_settings, site_secret_settings: {name!r} extends a list, and {name[:-1]} in {module} is "
                    f"{'not set' if extended is None else type(extended).__name__}; write {name[:-1]!r}, with its value"
                )
            settings[name[:-1]] = [*extended, *value]
        else:
            settings[name] = value
    return settings


if "SITE_OVERRIDES" in os.environ:
    globals().update(overridden(os.environ["SITE_SETTINGS_MODULE"], json.loads(os.environ["SITE_OVERRIDES"])))
