"""What a release installs as its application server, on hosts of one play that have different servers."""

from __future__ import annotations

from typing import Any

import pytest
from test_templates import play_renders

CHOSEN = {"gunicorn": {"requirement": "gunicorn==26.0.0"}, "uwsgi": {"requirement": "pyuwsgi==2.0.30"}}
HOSTS: dict[str, dict[str, Any]] = {
    "default": {"site_server": "gunicorn", "release_source": {"servers": CHOSEN}},
    "uwsgi": {"site_server": "uwsgi", "release_source": {"servers": CHOSEN}, "site_python_packages": ["psycopg"]},
    "distribution": {"site_server": "uwsgi", "uwsgi_package": "distribution", "release_source": {"servers": {}}},
}
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            *(
                {
                    "name": f"Have the variables of {role} without doing anything",
                    "ansible.builtin.import_role": {"name": f"pitcrew.django.{role}", "tasks_from": tasks},
                    "when": False,
                }
                for role, tasks in (("release", "prepare"), ("gunicorn", "main"), ("uwsgi", "main"))
            ),
            {
                "name": "Show the packages",
                "ansible.builtin.debug": {
                    "msg": "{{ {'packages': __release_packages, 'servers': __release_servers} | to_json | b64encode }}"
                },
            },
        ],
    }
]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Render the packages of all hosts."""
    return play_renders(tmp_path_factory.mktemp("packages"), PLAY, HOSTS)


@pytest.mark.parametrize(
    ("host", "packages"),
    [("default", ["gunicorn==26.0.0"]), ("uwsgi", ["psycopg", "pyuwsgi==2.0.30"]), ("distribution", [])],
)
def test_packages_of_a_host(shown: dict[str, dict[str, Any]], host: str, packages: list[str]) -> None:
    """The server that was chosen comes last; the distribution's is none of them."""
    assert shown[host]["packages"] == packages


@pytest.mark.parametrize(
    ("host", "servers"),
    [
        ("default", {"gunicorn": "gunicorn", "uwsgi": "pyuwsgi"}),
        ("distribution", {"gunicorn": "gunicorn"}),
    ],
)
def test_servers_to_choose_versions_for(shown: dict[str, dict[str, Any]], host: str, servers: dict[str, str]) -> None:
    """Those of all hosts: the source is packed once for them."""
    assert {name: server["package"] for name, server in shown[host]["servers"].items()} == servers
