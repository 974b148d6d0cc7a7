# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, and what it makes of the words of apt."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.modules import platform_facts

POLICY = """\
libpq5:
  Installed: (none)
  Candidate: 15.5-0+deb12u1
  Version table:
     15.5-0+deb12u1 500
libgone:
  Installed: (none)
  Candidate: (none)
  Version table:
mail-transport-agent:
  Installed: (none)
  Candidate: (none)
  Version table:
"""
SHOWPKG = """\
Package: libgone
Versions: 

Reverse Depends: 
Dependencies: 
Provides: 
Reverse Provides: 
Package: mail-transport-agent
Versions: 

Reverse Depends: 
  other,mail-transport-agent
Dependencies: 
Provides: 
Reverse Provides: 
postfix 3.7 (= )
"""  # noqa: W291


def run(**arguments: Any) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, platform_facts.__file__],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "_ANSIBLE_PROFILE": "legacy"},
        capture_output=True,
        text=True,
        check=False,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_this_machine() -> None:
    answer = run(python=sys.executable)
    assert answer["changed"] is False
    facts = answer["ansible_facts"]["pitcrew_platform"]
    assert (facts["path"], facts["python"]) == (sys.executable, platform.python_version())
    assert facts["absent"] == []
    assert all(name.startswith("/") for name in facts["pythons"])


def test_no_such_python() -> None:
    assert run(python="/nowhere/python3")["ansible_facts"]["pitcrew_platform"]["python"] is None


class Module:
    """As much of an AnsibleModule as packages are asked through."""

    def get_bin_path(self, name: str) -> str | None:
        """Find every program."""
        return name

    def run_command(self, command: list[str], **_options: Any) -> tuple[int, str, str]:
        """Say what apt-cache says."""
        return 0, POLICY if command[1] == "policy" else SHOWPKG, ""


def test_packages_that_apt_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    assert platform_facts.absent(Module(), ["libpq5", "libgone", "mail-transport-agent", "unheard-of"]) == [
        "libgone",
        "unheard-of",
    ]
    monkeypatch.setattr(Module, "get_bin_path", lambda _self, _name: None)
    assert platform_facts.absent(Module(), ["libgone"]) == []
