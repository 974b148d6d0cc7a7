"""What the Makefile lets through to its commands."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]


def test_settings_of_the_user_do_not_interfere() -> None:
    """No variable of Ansible reaches a command, except those that the Makefile sets."""
    given = {"ANSIBLE_VAULT_PASSWORD_FILE": "/nowhere", "ANSIBLE_CONFIG": "/nowhere", "ANSIBLE_HOME": "/nowhere"}
    done = subprocess.run(
        ["make", "--no-print-directory", "--eval", "show-environment:; @env", "show-environment"],
        cwd=TOP,
        env={**{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}, **given},
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(line.partition("=")[::2] for line in done.stdout.splitlines() if line.startswith("ANSIBLE_"))
    assert found == {
        "ANSIBLE_HOME": str(TOP / ".ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(TOP / ".ansible/collections"),
    }
