# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.pitcrew.django.plugins.action.refuse import ModuleAction


class ActionModule(ModuleAction):
    """Run the module, and print a refusal once, as text."""

    module = "pitcrew.django.services"
