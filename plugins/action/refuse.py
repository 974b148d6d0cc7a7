# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.playbook.block import Block
from ansible.playbook.task import Task
from ansible.plugins.action import ActionBase
from ansible_collections.pitcrew.django.plugins.action.report import is_read_by_a_program
from ansible_collections.pitcrew.django.plugins.plugin_utils.text import Refusal


def failures_go_to_stderr() -> bool:
    """Whether the user wants failures on stderr, by the option of the default callback."""
    try:
        option = constants.config.get_config_value(
            "display_failed_stderr", plugin_type="callback", plugin_name="default"
        )
    except AnsibleError:  # The callback of this run has no such option.
        return False
    return bool(option)


def is_rescued(task: Task) -> bool:
    """Whether the task is in a block with a rescue, which then gets its result."""
    above: Task | Block | None = task
    while above is not None:
        if getattr(above, "rescue", None):
            return True
        above = above._parent
    return False


class Refused(AnsibleActionFail):
    """A failure that has been printed: Ansible does not print it a second time, with the source of the task."""

    # Since ansible-core 2.19 a failure with an exception is shown twice: as [ERROR] and as the task's result.
    omit_exception_key = True


class RefusingAction(ActionBase):
    """An action whose failures are printed once, as text."""

    def refused(
        self, reason: str, task_vars: Mapping[str, Any] | None = None, headline: str = "", **fields: Any
    ) -> Refused:
        """Print why it fails, and return the exception to raise.

        A reason is sentences with the cause and the cure, then a blank line, then the output that shows it. Where a
        person reads, it is printed, below the headline if there is one, and `msg` is the headline, by default the
        cause; where a program reads, or a play collects refusals, `msg` has all sentences and `details` the lines of
        the output. For a rescue, `text` has the lines of all of it.
        """
        refusal = Refusal.of(reason)
        if is_rescued(self._task):
            fields["text"] = reason.strip("\n").split("\n")
        collected = (task_vars or {}).get("__site_collects_refusals", False)
        if is_read_by_a_program() or collected or self._task.no_log:
            details = {"details": refusal.output.split("\n")} if refusal.output else {}
            return Refused(refusal.sentences, result={**fields, **details})
        host = (task_vars or {}).get("inventory_hostname", "")
        text = f"{refusal.laid_out(host, headline)}\n\n"
        self._display.display(text, color=constants.COLOR_ERROR, stderr=failures_go_to_stderr())
        return Refused(headline or refusal.headline, result=fields)

    def passed(self, returned: dict[str, Any], task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return a module's result. Raises Refused if the module refuses; Ansible itself reports one that crashed."""
        if not returned.get("failed") or "msg" not in returned or "module_stdout" in returned:
            return returned
        known = ("msg", "failed", "exception", "invocation", "warnings", "deprecations", "ansible_facts")
        more = {name: value for name, value in returned.items() if name not in known}
        raise self.refused(returned["msg"], task_vars, **more)


class ModuleAction(RefusingAction):
    """Run the module of the same name on the host."""

    module: str

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        returned = self._execute_module(self.module, module_args=self._task.args, task_vars=task_vars)
        return {**result, **self.passed(returned, task_vars)}


class ActionModule(RefusingAction):
    """Fail with a text."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(argument_spec={"text": {"type": "str", "required": True}})
        raise self.refused(arguments["text"], task_vars)
