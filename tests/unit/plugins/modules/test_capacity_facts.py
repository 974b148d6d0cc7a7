# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it: arguments on standard input, one answer in JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.modules import capacity_facts


def run(**arguments: Any) -> dict[str, Any]:
    """Run the module in a process of its own, with this process's way of finding collections."""
    done = subprocess.run(
        [sys.executable, capacity_facts.__file__],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "_ANSIBLE_PROFILE": "legacy"},
        capture_output=True,
        text=True,
        check=False,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Build the smallest host there is."""
    for path, text in {"proc/meminfo": "MemTotal: 2097152 kB", "sys/devices/system/cpu/online": "0-1"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


@pytest.mark.parametrize("check_mode", [False, True])
def test_facts_change_nothing(root: Path, check_mode: bool) -> None:
    """The module is the same in check mode, for it only reads."""
    answer = run(root=str(root), _ansible_check_mode=check_mode)
    assert answer["changed"] is False
    assert answer["ansible_facts"]["pitcrew_capacity"]["cpus"] == 2.0
    assert answer["ansible_facts"]["pitcrew_capacity"]["memory_mb"] == 2048


def test_a_host_that_says_nothing_fails(tmp_path: Path) -> None:
    """The error of the reader is the message of the module."""
    answer = run(root=str(tmp_path))
    assert answer["failed"] is True
    assert answer["msg"] == ("capacity_facts: cannot read /proc/meminfo: is this Linux, with /proc and /sys mounted?")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and /sys of this machine")
def test_this_machine_says_what_it_has() -> None:
    """Without arguments it reads the host it runs on."""
    capacity = run()["ansible_facts"]["pitcrew_capacity"]
    assert 0 < capacity["cpus"] <= (os.cpu_count() or 0)
    assert capacity["memory_mb"] > 0
