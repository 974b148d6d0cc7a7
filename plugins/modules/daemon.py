#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: daemon
short_description: Test the files of a program together, and have its service run with them
version_added: 0.1.0
description:
  - Has a program test its new files together with everything else in its directory before any of them takes its place.
    The test sees a copy there, and nothing else does.
  - Installs all of them or none. If the service does not run with them, the previous files are put back. Only
    the first drop-in stays, since the package's own unit may listen where others can connect.
  - Starts the service, restarts it if the drop-in of its unit has changed, and has it reload if another file has. A
    service that has not read its files since they last changed, because a run was cut off, reads them now.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  check_mode:
    description: Tests the files if the program is installed, and changes nothing.
    support: full
  diff_mode:
    description: Shows how files change, except for secret ones.
    support: full
options:
  name:
    description: The name of the service.
    type: str
    required: true
  drop_in:
    description: The text of C(pitcrew.conf) among the drop-ins of the service's unit.
    type: str
    required: true
  listens:
    description: The address and port at which the service listens once it runs.
    type: str
    required: true
  directory:
    description: The directory of the files. Required with any of them.
    type: path
  files:
    description: The content of each file by its path below O(directory).
    type: dict
    default: {}
  secrets:
    description: More files of this kind. Only root and O(group) can read them, and their content is never shown.
    type: dict
    default: {}
  group:
    description: The group that may read O(secrets).
    type: str
    default: root
  absent:
    description: Files below O(directory) to remove.
    type: list
    elements: str
    default: []
  assembled:
    description: Files that consist of all files in a directory, in the order of their names; both below O(directory).
    type: dict
    default: {}
  tests:
    description: Commands that exit with status 0 if the files are valid.
    type: list
    elements: list
    default: []
"""

EXAMPLES = r"""
- name: Run Prometheus with its rules
  pitcrew.django.daemon:
    name: prometheus
    drop_in: |
      [Service]
      ExecStart=
      ExecStart=/usr/bin/prometheus --web.listen-address=127.0.0.1:9090
    listens: 127.0.0.1:9090
    directory: /etc/prometheus
    files:
      rules/shop.yml: "{{ lookup('ansible.builtin.template', 'rules.yml.j2') }}"
    tests:
      - [promtool, check, config, /etc/prometheus/prometheus.yml]
"""

RETURN = r"""
files:
  description: The files that differ, by their paths below O(directory).
  returned: success
  type: list
  elements: str
"""

import grp
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils import host
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text, write_file
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd

DROP_IN = "pitcrew.conf"
STAMPS = Path("/var/lib/pitcrew")
# In a mount namespace of its own, the copy is where the program finds its files, and where its messages say they are.
TEST = 'mount --bind "$0" "$1" && shift && exec "$@"'
# How long a service may take until it listens, and for how long it is watched once it does.
PATIENCE_S = 30
WATCHED_S = 0.5
POLL_S = 0.05
LINES_SHOWN = 20

Run = Callable[[list[str]], "tuple[int, str, str]"]


class DaemonError(Exception):
    """The program does not accept its files, or does not run with them; the message has its own words."""


class Files:
    """The files of a program as they are, and as they are to be."""

    def __init__(self, params: dict[str, Any], run: Run) -> None:
        self.params = params
        self.run = run
        self.home = Path(params["directory"] or "/nonexistent")
        self.wanted: dict[str, str | None] = {**params["files"], **params["secrets"]}
        self.wanted.update(dict.fromkeys(params["absent"]))
        self.changes = self._changes()

    def _changes(self) -> dict[str, str | None]:
        assembled = {path: self._assembled(parts) for path, parts in self.params["assembled"].items()}
        return {
            path: text for path, text in {**self.wanted, **assembled}.items() if read_text(self.home / path) != text
        }

    def _assembled(self, directory: str) -> str:
        """Join the files that a directory will have."""
        there = {f"{directory}/{path.name}": read_text(path) for path in (self.home / directory).glob("[!.]*")}
        wanted = {path: text for path, text in self.wanted.items() if str(Path(path).parent) == directory}
        return "".join(text for _path, text in sorted({**there, **wanted}.items()) if text is not None)

    def test(self) -> None:
        """Have the program test a copy of its directory with the changes in it. Raises DaemonError if it objects."""
        commands = [command for command in self.params["tests"] if shutil.which(command[0])]
        if not self.changes or not commands:
            return
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(directory)
            self.home.mkdir(parents=True, exist_ok=True)
            rc, out, err = self.run(["cp", "-a", f"{self.home}/.", directory])
            if rc != 0:
                raise DaemonError(err or out)
            for path, text in self.changes.items():
                self._write(copy, path, text)
            for command in commands:
                bound = ["unshare", "--mount", "sh", "-c", TEST, directory, str(self.home), *command]
                rc, out, err = self.run(bound)
                if rc != 0:
                    raise DaemonError((err + out).strip() or f"{' '.join(command)} exits with status {rc}")

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Install the files; put the previous ones back if what is done with them fails."""
        before = {path: kept(self.home / path) for path in self.changes}
        try:
            for path, text in self.changes.items():
                self._write(self.home, path, text)
            yield
        except BaseException:
            for path, copy in before.items():
                put_back(self.home / path, copy)
            raise

    def _write(self, home: Path, path: str, text: str | None) -> None:
        if text is None:
            (home / path).unlink(missing_ok=True)
            return
        (home / path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        secret = path in self.params["secrets"]
        owner = (0, grp.getgrnam(self.params["group"]).gr_gid) if secret else None
        write_file(home / path, text, 0o640 if secret else 0o644, owner)

    def diff(self) -> list[dict[str, str]]:
        """How the files change, as Ansible shows it."""
        return [
            difference(self.home / path, text or "")
            for path, text in self.changes.items()
            if path not in self.params["secrets"]
        ]


class Service:
    """The service of the program, and which of its files it has read."""

    def __init__(self, params: dict[str, Any], files: Files, systemd: Systemd) -> None:
        self.unit = f"{params['name']}.service"
        self.text = params["drop_in"]
        self.listens = params["listens"]
        self.files = files
        self.systemd = systemd
        self.place = host.UNITS / f"{self.unit}.d" / DROP_IN
        # Touched whenever the service has read its files: one that is younger has been left by a run that was cut off.
        self.began = time.time()
        self.stamp = STAMPS / f"{params['name']}.stamp"
        read = modified(self.stamp)
        self.differs = read_text(self.place) != self.text
        self.restarts = self.differs or modified(self.place) > read
        paths = [files.home / path for path in (*files.wanted, *params["assembled"])]
        self.reloads = bool(files.changes) or any(modified(path) > read for path in paths)
        found = systemd.properties(self.unit, "ActiveState", "UnitFileState")
        self.runs = found["ActiveState"] == "active"
        self.enabled = found["UnitFileState"] == "enabled"

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.restarts or self.reloads or not self.runs or not self.enabled

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Install the drop-in; put the previous one back if what is done with it fails.

        A first one stays: without it, the package's own unit would start at the next boot, and listen on all addresses.
        """
        before = kept(self.place)
        try:
            if self.differs:
                self.place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                write_file(self.place, self.text, 0o644)
            if self.differs or self.systemd.outdated(self.unit):
                self._order("daemon-reload")
            yield
        except BaseException:
            if self.differs and before is not None:
                put_back(self.place, before)
                self.systemd.order("daemon-reload")
                if self.runs:
                    self.systemd.order("restart", self.unit)
            raise

    def serve(self) -> None:
        """Have it run with its files, now and from each boot on. Raises DaemonError if it does not."""
        if not self.enabled:
            self._order("enable", self.unit)
        if self.runs and not self.restarts:
            self._order("reload-or-restart", self.unit)
        else:
            self._order("restart", self.unit)
        self._wait()
        STAMPS.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.stamp.touch()

    def _order(self, *words: str) -> None:
        if (objection := self.systemd.order(*words)) is not None:
            raise DaemonError("\n".join(filter(None, (objection, "", self._journal()))))

    def _wait(self) -> None:
        """Wait until it listens, and see that it stays."""
        address, port = self.listens.rsplit(":", 1)
        deadline, since = time.monotonic() + PATIENCE_S, None
        first = self.systemd.show(self.unit)
        while since is None or time.monotonic() < since + WATCHED_S:
            unit = self.systemd.show(self.unit)
            if unit.restarts > first.restarts or unit.stopped:
                raise DaemonError(f"{self.unit} ends right after its start.\n\n{self._journal()}")
            if since is None and listens(address.strip("[]"), int(port)):
                since = time.monotonic()
            if since is None and time.monotonic() > deadline:
                raise DaemonError(
                    f"{self.unit} has not listened on {self.listens} for {PATIENCE_S} s.\n\n{self._journal()}"
                )
            time.sleep(POLL_S)

    def _journal(self) -> str:
        return "\n".join(self.systemd.journal(self.unit, self.began).splitlines()[-LINES_SHOWN:])


def listens(address: str, port: int) -> bool:
    """Whether a program accepts connections there."""
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def modified(path: Path) -> float:
    """When the file was last changed; 0 if there is none."""
    return path.stat().st_mtime if path.is_file() else 0.0


def kept(path: Path) -> tuple[str, int, tuple[int, int]] | None:
    """What it takes to put a file back: its text, its mode and its owner."""
    if not path.is_file():
        return None
    status = path.stat()
    text = path.read_bytes().decode(errors="surrogateescape")
    return text, status.st_mode & 0o7777, (status.st_uid, status.st_gid)


def put_back(path: Path, copy: tuple[str, int, tuple[int, int]] | None) -> None:
    """Replace a file by what it was."""
    if copy is None:
        path.unlink(missing_ok=True)
    else:
        write_file(path, *copy)


def difference(path: Path, text: str) -> dict[str, str]:
    """How a file changes, as Ansible shows it."""
    return {"before_header": str(path), "after_header": str(path), "before": read_text(path) or "", "after": text}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "drop_in": {"type": "str", "required": True},
            "listens": {"type": "str", "required": True},
            "directory": {"type": "path"},
            "files": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "group": {"type": "str", "default": "root"},
            "absent": {"type": "list", "elements": "str", "default": []},
            "assembled": {"type": "dict", "default": {}},
            "tests": {"type": "list", "elements": "list", "default": []},
        },
        supports_check_mode=True,
    )
    params, systemd = module.params, Systemd(module.run_command)
    task = f"{params['name']} does not accept its new files"
    try:
        files = Files(params, module.run_command)
        if not module.check_mode or files.home.is_dir():
            files.test()
        service = Service(params, files, systemd)
        diff = files.diff() + ([difference(service.place, service.text)] if service.differs else [])
        changed = service.changes
        if changed and not module.check_mode:
            task = f"{params['name']} does not run with its new files"
            with files.installed(), service.installed():
                service.serve()
    except (DaemonError, OSError, KeyError) as error:
        module.fail_json(msg=f"{task}: {error}")
    module.exit_json(changed=changed, files=[*files.changes], diff=diff)


if __name__ == "__main__":
    main()
