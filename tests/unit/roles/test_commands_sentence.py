"""What a deploy reports of the commands that a release has run, and what the site's settings get to be silent about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_templates import play_renders

TASKS = yaml.safe_load((Path(__file__).resolve().parents[3] / "roles/release/tasks/report.yml").read_text())
[REPORT] = [task for task in TASKS if "__release_commands_sentence" in task.get("vars", {})]
# What the module returns, and the sentence; it is empty if nothing is reported.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "two": (
        {"commands": [{"command": "loaddata 'a b'"}, {"command": "rebuild"}]},
        "two: ran manage.py loaddata 'a b'; manage.py rebuild.",
    ),
    "none": ({"commands": []}, ""),
    "check": ({"changed": True}, ""),
}
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "alone": ({}, {"SILENCED_SYSTEM_CHECKS+": ["a.W001"]}),
    "added": ({"DEBUG": False, "X+": [1]}, {"DEBUG": False, "X+": [1], "SILENCED_SYSTEM_CHECKS+": ["a.W001"]}),
    "both": ({"SILENCED_SYSTEM_CHECKS+": ["b.W1"]}, {"SILENCED_SYSTEM_CHECKS+": ["b.W1", "a.W001"]}),
}
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Have the variables without doing anything",
                "ansible.builtin.import_role": {"name": "pitcrew.django.site", "tasks_from": "unlock"},
                "when": False,
            },
            {
                "name": "Report",
                "ansible.builtin.debug": {
                    "msg": "{{{{ {{'sentence': __release_commands_sentence if {} else '', 'overrides': "
                    "site_process_secrets.SITE_OVERRIDES, 'module': site_process_environment.DJANGO_SETTINGS_MODULE}} "
                    "| to_json | b64encode }}}}".format(REPORT["when"])
                },
                "vars": REPORT["vars"],
            },
        ],
    }
]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The report of every host, and its settings."""
    common = {"site_silenced_checks": ["a.W001"], "site_candidate_path": "/r", "site_candidate": "r"}
    common |= {"site_settings_module": "shop.settings"}
    hosts = {host: {**common, "release_finished": finished} for host, (finished, _sentence) in CASES.items()}
    hosts |= {
        host: {**common, "release_finished": {}, "site_settings": given} for host, (given, _all) in SETTINGS.items()
    }
    return play_renders(tmp_path_factory.mktemp("release"), PLAY, hosts)


@pytest.mark.parametrize("host", CASES)
def test_the_sentence(rendered: dict[str, dict[str, Any]], host: str) -> None:
    """It names the commands, and there is none without one."""
    assert rendered[host]["sentence"] == CASES[host][1]


@pytest.mark.parametrize("host", SETTINGS)
def test_checks_that_are_silenced(rendered: dict[str, dict[str, Any]], host: str) -> None:
    """They are added to what the inventory adds already, and to the project's own."""
    assert json.loads(rendered[host]["overrides"]) == SETTINGS[host][1]
    assert rendered[host]["module"] == "site_overrides"
