"""What a deploy says before it installs packages, which may take minutes: in Ansible itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from test_templates import COMMON, play_renders

TASKS = yaml.safe_load((Path(__file__).resolve().parents[3] / "roles/release/tasks/build.yml").read_text())
[REPORT] = [task for task in TASKS if "__release_packages_sentence" in task.get("vars", {})]
# What is known of the packages, the server, whether a release on the host has the same, and the sentence.
CASES: dict[str, tuple[dict[str, Any], str, bool, str]] = {
    "unknown": (
        {},
        "gunicorn",
        False,
        "unknown: packages are installed now, which may take minutes: what has no wheel for the host's Python is "
        "compiled.",
    ),
    "one": (
        {"compiled": ["mysqlclient"]},
        "gunicorn",
        False,
        "one: packages are installed now, which may take minutes: mysqlclient is compiled, and so is what has no wheel "
        "for the host's Python.",
    ),
    "two": (
        {"compiled": ["mysqlclient"]},
        "uwsgi",
        False,
        "two: packages are installed now, which may take minutes: mysqlclient, uwsgi are compiled, and so is what has "
        "no wheel for the host's Python.",
    ),
    "there": ({"compiled": ["mysqlclient"]}, "gunicorn", True, ""),
    "own": (
        {"requirements_digest": ""},
        "gunicorn",
        True,
        "own: packages are installed now, which may take minutes: what has no wheel for the host's Python is compiled.",
    ),
}
SOURCE: dict[str, Any] = {
    "id": "3f2a9c1d04ab",
    "requirements": [{"path": "requirements.txt"}],
    "requirements_digest": "d",
    "system_packages": [],
    "compiled": [],
    "servers": {},
}
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            *(
                {
                    "name": "Have the variables without doing anything",
                    "ansible.builtin.import_role": role,
                    "when": False,
                }
                for role in (
                    {"name": "pitcrew.django.gunicorn"},
                    {"name": "pitcrew.django.release", "tasks_from": "prepare"},
                )
            ),
            {
                "name": "Say what the hosts have",
                "ansible.builtin.set_fact": {
                    "cacheable": True,
                    "pitcrew_site": {
                        "releases": "{{ {'r': {'packages': __release_packages_digest}} if there else {} }}"
                    },
                },
            },
            {
                "name": "Report",
                "ansible.builtin.debug": {
                    "msg": "{{{{ (__release_packages_sentence if {} else '') | to_json | b64encode }}}}".format(
                        REPORT["when"]
                    )
                },
                "vars": REPORT["vars"],
            },
        ],
    }
]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The sentence of every host."""
    hosts = {
        host: {
            **COMMON,
            "release_source": {**SOURCE, **source},
            "site_server": server,
            "site_release": "",
            "there": there,
        }
        for host, (source, server, there, _sentence) in CASES.items()
    }
    return play_renders(tmp_path_factory.mktemp("packages"), PLAY, hosts)


@pytest.mark.parametrize("host", CASES)
def test_the_sentence(rendered: dict[str, Any], host: str) -> None:
    """It names what is known to be compiled, and there is none where the host has the packages."""
    assert rendered[host] == CASES[host][3]
