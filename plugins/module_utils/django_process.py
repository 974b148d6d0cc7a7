# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the Django of a release: with the release's own Python, as the site's user, with the site's environment."""

from __future__ import annotations

import ast
import json
import os
import pwd
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils import django_runner
from ansible_collections.pitcrew.django.plugins.module_utils.output import ending

__all__ = ["NICE", "PATH", "Django", "as_user", "source_of"]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SETPRIV = "/usr/bin/setpriv"
# The live release needs the CPU more than the one that is being built.
NICE = ("nice", "-n", "10")
# Replaces itself by another program with the site's environment. If root set it, the loader would already obey it.
BECOME = """
import json, os, sys
program = json.load(sys.stdin)
job = os.memfd_create("job")
with open(job, "w", closefd=False) as file:
    json.dump(program["job"], file)
os.lseek(job, 0, os.SEEK_SET)
os.dup2(job, 0)
os.execve(program["command"][0], program["command"], program["environment"])
"""


def as_user(account: pwd.struct_passwd) -> list[str]:
    """Return the prefix that runs a command as the account. The command dies with the module, which holds the lock."""
    ids = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups"]
    return [SETPRIV, *ids, "--pdeathsig=KILL", "--"]


def source_of(module: ModuleType) -> str:
    """The source text of a module, to run it in another Python than this one."""
    return module.__loader__.get_source(module.__name__)


@cache
def imported_by(module: ModuleType) -> tuple[ModuleType, ...]:
    """The modules of the collection that a module imports, with those that they import themselves."""
    package = module.__name__.rpartition(".")[0]
    found: dict[str, ModuleType] = {}
    waiting = [module]
    while waiting:
        for node in ast.walk(ast.parse(source_of(waiting.pop()))):
            name = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            if name.startswith(f"{package}.") and name not in found:
                found[name] = import_module(name)
                waiting.append(found[name])
    return tuple(found.values())


def write_application(file: Any, main: ModuleType) -> None:
    """Put a module and those that it imports into an archive that any Python can run: nothing else is there then.

    They import each other by the names that they have here.
    """
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("__main__.py", f"from {main.__name__} import main\nmain()\n")
        parts = main.__name__.split(".")
        for depth in range(1, len(parts)):
            archive.writestr("/".join([*parts[:depth], "__init__.py"]), "")
        for module in (main, *imported_by(main)):
            archive.writestr(f"{module.__name__.replace('.', '/')}.py", source_of(module))


@dataclass(frozen=True)
class Django:
    """One way to run the Django of a release. C(run_command) is that of an AnsibleModule."""

    run_command: Any
    account: pwd.struct_passwd
    python: str
    release: Path
    project: str
    home: str

    def run(self, job: Mapping[str, Any], variables: Mapping[str, str]) -> tuple[dict[str, Any], str]:
        """Run a job of django_runner in a process of its own; return its report, and everything that was written."""
        # Files and not pipes: a report may be larger than the buffer of a pipe.
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8") as file,
            tempfile.NamedTemporaryFile(prefix="release-", suffix=".pyz") as archive,
        ):
            write_application(archive, django_runner)
            archive.flush()
            os.chmod(archive.name, 0o644)
            program = {
                "command": [str(self.release / "venv/bin/python"), archive.name],
                "environment": {"PATH": PATH, "HOME": self.home, **variables},
                "job": {**job, "release": str(self.release), "home": self.home, "report": file.fileno()},
            }
            returncode, out, err = self.run_command(
                [*as_user(self.account), self.python, "-ISc", BECOME],
                cwd=str(self.release / "app" / self.project),
                data=json.dumps(program),
                umask=0o027,
                pass_fds=[file.fileno()],
                expand_user_and_vars=False,
            )
            file.seek(0)
            lines = [line for line in file if line.endswith("\n")]
        report: dict[str, Any] = json.loads(lines[-1]) if lines else {"stage": "start", "error": None}
        if report["error"] is None and report["stage"] not in ("done", "refused", "empty"):
            report["error"] = f"Python {ending(returncode)}"
        return report, out + err
