# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible_collections.pitcrew.django.plugins.action.refuse import RefusingAction
from ansible_collections.pitcrew.django.plugins.action.site_inputs import ROLES
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.findings import NOTE, Finding, merged
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.hosts import host_findings, wanted_packages
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.inspection import inspect_source
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.loaded import explained, with_loaded
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.proposal import Proposal
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.servers import server_findings
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.tree import Tree
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.trial import load_settings
from ansible_collections.pitcrew.django.plugins.plugin_utils.server_version import Server
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.specification import read_roles
from ansible_collections.pitcrew.django.plugins.plugin_utils.source import SourceError, pack_source
from ansible_collections.pitcrew.django.plugins.plugin_utils.source_contents import Contents

SOURCE = ("site_git_url", "site_git_ref", "site_source_directory")
NEITHER = (
    "site_git_url, site_source_directory: {found}; set exactly one of them, as in -e site_source_directory=. or "
    "-e site_git_url=https://git.example.com/shop.git"
)


class ActionModule(RefusingAction):
    """Read a source on the control node, and propose an inventory for it."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            argument_spec={
                "git_url": {"type": "str", "default": ""},
                "git_ref": {"type": "str", "default": "HEAD"},
                "directory": {"type": "str", "default": ""},
                "cache": {"type": "path", "required": True},
                "settings": {"type": "bool", "default": True},
                "hosts": {"type": "dict", "default": {}},
                "file": {"type": "str", "default": ""},
            }
        )
        url, directory = arguments["git_url"], arguments["directory"]
        if bool(url) == bool(directory):
            raise self.refused(NEITHER.format(found="both are set" if url else "neither is set"), task_vars)
        target = self._target(arguments["file"], task_vars)
        given = self._given(task_vars or {})
        try:
            source_id, archive, warnings = pack_source(url, arguments["git_ref"], directory, None, arguments["cache"])
        except SourceError as error:
            raise self.refused(str(error), task_vars) from None
        label = url or os.path.abspath(os.path.expanduser(directory))
        with tarfile.open(archive) as tar:
            contents = Contents(tar)
            tree = Tree(contents.names, contents.read)
            inspection = inspect_source(tree, label, given)
            loaded = None
            if arguments["settings"]:
                loaded = load_settings(inspection, archive, Path(arguments["cache"]).expanduser())
                inspection = with_loaded(inspection, loaded)
            dropped = [Finding("", None, warning, None, NOTE) for warning in warnings]
            interface = given.get("site_interface") or merged(inspection.findings).get("site_interface", "wsgi")
            server = self._server(given, task_vars or {}, interface)
            asked = server_findings(tree, inspection.lists, server) if server else ()
            more = (*asked, *host_findings(inspection, arguments["hosts"]), *dropped)
        proposal = Proposal(
            inspection,
            tuple(self._source(arguments)),
            f"{_shown(label)}, {source_id[:12]}",
            frozenset(given),
            more,
            explained(loaded, inspection) if loaded else "",
        )
        text = proposal.text()
        if target is not None:
            self._write(target, proposal.file(), task_vars)
            text += f"\nWritten to {target}\n"
        return {
            **result,
            "changed": False,
            "text": text,
            "inventory": proposal.inventory(),
            "system_packages": wanted_packages(inspection),
            "findings": [_plain(finding) for finding in (*proposal.findings, *inspection.findings, *more)],
        }

    def _source(self, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
        if arguments["directory"]:
            return [("site_source_directory", arguments["directory"])]
        ref = arguments["git_ref"]
        return [("site_git_url", arguments["git_url"]), *([("site_git_ref", ref)] if ref != "HEAD" else [])]

    def _given(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the user has set: variables that have another value than by default."""
        given = {}
        for name, option in read_roles(ROLES).options.items():
            if name not in variables or name in SOURCE or not name.startswith("site_"):
                continue
            try:
                value = self._templar.template(variables[name])
            except AnsibleError:
                # A secret that is not there today; its name counts all the same.
                raw = variables[name]
                value = dict.fromkeys(map(str, raw), "?" * 50) if isinstance(raw, Mapping) else "?"
            if value not in (None, "", [], {}) and value != option.default:
                given[name] = value
        return given

    def _server(self, given: Mapping[str, Any], variables: Mapping[str, Any], interface: str) -> Server | None:
        """Return what a deploy would install to serve the site; None for uWSGI, which few lists have."""
        if given.get("site_server", "gunicorn") != "gunicorn":
            return None
        found = yaml.safe_load((ROLES / "gunicorn/vars/main.yml").read_text(encoding="utf-8"))
        of_asgi = found["__gunicorn_requirement_of_asgi"] if interface == "asgi" else {}
        wanted = self._templar.template(variables.get("gunicorn_version", ""))
        return Server(**{**found["__gunicorn_requirement"], **of_asgi, "wanted": str(wanted or "")})

    def _target(self, file: str, task_vars: dict[str, Any] | None) -> Path | None:
        if not file:
            return None
        path = Path(os.path.abspath(os.path.expanduser(file)))
        if os.path.lexists(path):
            problem = f"{str(path)!r} exists, and is not overwritten; name another file, or move this one away"
            raise self.refused(f"site_inspect_file: {problem}", task_vars)
        if not path.parent.is_dir():
            raise self.refused(
                f"site_inspect_file: {str(path.parent)!r} is not a directory; create it, or name a file elsewhere",
                task_vars,
            )
        return path

    def _write(self, path: Path, text: str, task_vars: dict[str, Any] | None) -> None:
        if self._task.check_mode:
            return
        try:
            with open(path, "x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise self.refused(
                f"site_inspect_file: {str(path)!r} cannot be written ({error.strerror}); name another file", task_vars
            ) from None


def _shown(label: str) -> str:
    """Return what was inspected, without the login of a URL."""
    scheme, separator, rest = label.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator and scheme.startswith("http") else label


def _plain(finding: Finding) -> dict[str, Any]:
    return {
        "variable": finding.variable,
        "value": finding.value,
        "reason": finding.reason,
        "file": finding.place.file if finding.place else "",
        "line": finding.place.line if finding.place else 0,
        "certainty": finding.certainty,
        "commented": finding.commented,
    }
