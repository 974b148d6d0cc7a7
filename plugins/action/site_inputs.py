# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.release import __version__ as ansible_version
from ansible_collections.pitcrew.django.plugins.action.refuse import RefusingAction
from ansible_collections.pitcrew.django.plugins.plugin_utils.project_files import template_directories
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.complaints import Complaint
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.names import PREFIXES, is_computed
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.relations import SOURCE_VARIABLES
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.specification import Roles, read_roles
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.validation import (
    PlayVariables,
    old_ansible,
    validate,
    validate_on_host,
)
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.planning import as_mapping
from ansible_collections.pitcrew.django.plugins.plugin_utils.text import wrapped

PREFIX = "[WARNING]: "
"""What Ansible begins a warning with; it does not fold the rest."""
COLLECTION = "pitcrew.django."
ROLES = Path(__file__).resolve().parents[2] / "roles"


class ActionModule(RefusingAction):
    """Read the variables of the play, and have them checked; nothing needs a connection to the host."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            argument_spec={
                "roles": {"type": "list", "elements": "str", "default": []},
                "required": {"type": "list", "elements": "str", "default": []},
                "facts": {"type": "dict"},
                "server": {"type": "str", "choices": ["gunicorn", "uwsgi"]},
                "interface": {"type": "str", "choices": ["wsgi", "asgi"]},
                "home": {"type": "path"},
                "hosts": {"type": "int", "default": 1},
            },
            required_together=[("facts", "server", "home")],
        )
        if refusal := old_ansible(ansible_version):
            # Not raised: the old ones would speak of a traceback.
            return {**result, "failed": True, "msg": refusal}
        only, required = arguments.pop("roles"), arguments.pop("required")
        roles, variables = read_roles(ROLES).of(only).requiring(required), task_vars or {}
        if arguments["facts"] is None:
            complaints, warning = validate(roles, self._play_variables(roles, variables))
            if warning:
                self._display.warning(wrapped(warning, PREFIX).removeprefix(PREFIX))
            return self._result(result, complaints, task_vars)
        complaints, plan = validate_on_host(roles, PlayVariables(*self._values(roles, variables)), **arguments)
        return self._result({**result, "plan": plan and as_mapping(plan)}, complaints, task_vars)

    def _result(
        self, result: dict[str, Any], complaints: list[Complaint], task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        if complaints:
            headline = f"{len(complaints)} problems with the site's variables" if len(complaints) > 1 else ""
            raise self.refused("\n".join(map(str, complaints)), task_vars, headline)
        return {**result, "changed": False}

    def _play_variables(self, roles: Roles, variables: dict[str, Any]) -> PlayVariables:
        prefixes = roles.prefixes or PREFIXES
        names = {name for name in self._names_of_the_user(variables) if name.startswith(prefixes)}
        names |= {name for name in self._names_of_other_roles() if is_computed(name, roles)}
        sources = {} if roles.prefixes else self._sources(variables)
        return PlayVariables(
            *self._values(roles, variables), names, sources, template_directories(variables, os.getcwd())
        )

    def _values(self, roles: Roles, variables: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Evaluate every option that is set; return the values, and the errors of those that have none, by name."""
        values, errors = {}, {}
        for name in roles.options:
            if name in variables:
                try:
                    values[name] = self._templar.template(variables[name])
                except AnsibleError as error:
                    errors[name] = str(error).rstrip(".")
        return values, errors

    def _names_of_the_user(self, variables: Mapping[str, Any]) -> set[str]:
        """Return the names that inventory, play and command line set, without role variables, facts and results."""
        play = self._task.get_play().copy()
        play.roles = []
        # A copy without registered results and without facts that tasks have set.
        manager = copy(self._task.get_variable_manager())
        manager._nonpersistent_fact_cache = {}
        host = manager._inventory.get_host(variables["inventory_hostname"])
        return {*manager.get_vars(play=play, host=host, include_hostvars=False), *self._task.get_vars()}

    def _names_of_other_roles(self) -> set[str]:
        """Return the names of the variables that other roles of the play bring, imported or listed."""
        others = [role for role in self._task.get_play().roles if not role.get_name().startswith(COLLECTION)]
        return {name for role in others for name in (*role.get_default_vars(), *role.get_vars(include_params=False))}

    def _sources(self, variables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return what each host of the play sets for the source, once per play; errors are left to each host itself."""
        hosts = variables["ansible_play_hosts_all"]
        if variables["inventory_hostname"] != hosts[0]:
            return {}
        found: dict[str, dict[str, Any]] = {}
        for host in hosts:
            values = found[host] = {}
            for name in SOURCE_VARIABLES:
                try:
                    values[name] = variables["hostvars"][host].get(name)
                except AnsibleError:
                    values[name] = None
        return found
