"""How a deploy refuses packages of the distribution that apt cannot install."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from test_templates import play_renders

TASKS = yaml.safe_load((Path(__file__).resolve().parents[3] / "roles/release/tasks/prepare.yml").read_text())
[REFUSAL] = [task for task in TASKS if "pitcrew.django.refuse" in task]
# site_system_packages, what is missing, apt's words, and the refusal.
CASES: dict[str, tuple[list[str], list[str], str, str]] = {
    "unknown": (
        ["libfoo-dev"],
        ["libfoo-dev"],
        "No package matching 'libfoo-dev' is available",
        "site_system_packages: apt cannot install libfoo-dev: No package matching 'libfoo-dev' is available; "
        "correct its name, or add the repository that has it to the apt of the host.",
    ),
    "locked": (
        [],
        ["iproute2", "python3-venv"],
        "Failed to lock apt for exclusive operation:\nheld by another process.",
        "apt cannot install iproute2, python3-venv: Failed to lock apt for exclusive operation: held by another "
        "process; correct that on the host: sudo apt-get update && sudo apt-get install iproute2 python3-venv.",
    ),
}
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Refuse",
                "ansible.builtin.debug": {"msg": "{{ {'text': __release_apt_sentence} | to_json | b64encode }}"},
                "vars": REFUSAL["vars"],
            },
        ],
    }
]


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The refusal of every host."""
    hosts = {
        host: {"site_system_packages": own, "__release_missing_packages": missing, "__release_apt": {"msg": words}}
        for host, (own, missing, words, _text) in CASES.items()
    }
    return play_renders(tmp_path_factory.mktemp("apt"), PLAY, hosts)


@pytest.mark.parametrize("host", CASES)
def test_the_refusal(refusals: dict[str, dict[str, Any]], host: str) -> None:
    assert refusals[host]["text"] == CASES[host][3]
