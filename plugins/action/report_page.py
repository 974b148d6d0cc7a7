# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_report.merging import merged
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_report.page import page
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_report.text import text


class ActionModule(ActionBase):
    """Write the report about all hosts to a directory of the control node."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(
            argument_spec={
                "name": {"type": "str", "required": True},
                "hours": {"type": "int", "required": True},
                "found": {"type": "dict", "required": True},
                "directory": {"type": "str", "required": True},
            }
        )
        reports = {host: found.get("report") for host, found in given["found"].items()}
        report = merged(given["name"], reports)
        directory = Path(os.path.abspath(os.path.expanduser(given["directory"])))
        others = {host: found["goaccess"] for host, found in given["found"].items() if found.get("goaccess")}
        names = {host: _file(host, len(reports)) for host in others}
        titles = {
            "GoAccess's page" if len(reports) == 1 else f"GoAccess's page of {host}": name
            for host, name in names.items()
        }
        files = {
            "index.html": page(report, given["hours"], {**titles, "The same as JSON": "report.json"}),
            "report.json": json.dumps(report, indent=2, ensure_ascii=False) + "\n",
            **{names[host]: html for host, html in others.items()},
        }
        if not self._task.check_mode:
            try:
                directory.mkdir(parents=True, exist_ok=True)
                for name, content in files.items():
                    (directory / name).write_text(content, encoding="utf-8")
            except OSError as error:
                raise AnsibleActionFail(
                    f"site_report_directory: {str(directory)!r} cannot be written ({error.strerror}); "
                    "name another directory"
                ) from error
        # A report differs each time: that is no change of anything.
        return {
            **result,
            "changed": False,
            "path": str(directory / "index.html"),
            "text": text(report, given["hours"]),
        }


def _file(host: str, hosts: int) -> str:
    """The name of the file for the page of GoAccess about a host."""
    return "goaccess.html" if hosts == 1 else f"goaccess-{re.sub('[^A-Za-z0-9._-]', '_', host)}.html"
