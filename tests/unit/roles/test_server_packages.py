"""What a release installs as its application server, on hosts of one play that have different servers.

And what it installs to count requests, which never replaces what the project brings.
"""

from __future__ import annotations

from typing import Any

import pytest
from test_templates import play_renders

CHOSEN = {"gunicorn": {"requirement": "gunicorn==26.0.0"}, "uwsgi": {"requirement": "pyuwsgi==2.0.30"}}
HOSTS: dict[str, dict[str, Any]] = {
    "default": {"site_server": "gunicorn", "release_source": {"servers": CHOSEN}},
    "uwsgi": {"site_server": "uwsgi", "release_source": {"servers": CHOSEN}, "site_python_packages": ["psycopg"]},
    "distribution": {"site_server": "uwsgi", "uwsgi_package": "distribution", "release_source": {"servers": {}}},
    "asgi": {"site_interface": "asgi", "release_source": {"servers": CHOSEN}},
    "uncounted": {"release_source": {"servers": CHOSEN}, "site_metrics": False},
    **{
        f"brings_{name}": {"release_source": {"servers": CHOSEN}, "brings": version}
        for name, version in (("old", "0.16.0"), ("oldest", "0.17.0"), ("new", "0.26.0"), ("none", None))
    },
}
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Say what the hosts have",
                "ansible.builtin.set_fact": {
                    "cacheable": True,
                    "pitcrew_site": {"releases": {"r1": {"prometheus_client": "{{ brings | default(none) }}"}}},
                },
            },
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
                "ansible.builtin.debug": {"msg": "{{ shown | to_json | b64encode }}"},
                "vars": {
                    "shown": {
                        "packages": "{{ __release_packages }}",
                        "servers": "{{ __release_servers }}",
                        "if_absent": "{{ __release_packages_if_absent }}",
                        "counts": "{{ __release_counts }}",
                        "environment": "{{ __release_packages_from[5:] }}",
                    },
                    "__release_list_digest": "d1",
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


@pytest.mark.parametrize(("host", "if_absent"), [("default", ["prometheus_client>=0.17,<=0.26.0"]), ("uncounted", [])])
def test_what_counts_requests(shown: dict[str, dict[str, Any]], host: str, if_absent: list[str]) -> None:
    """The tested version or an older one for an older Python; it is part of what identifies an environment."""
    assert shown[host]["if_absent"] == shown[host]["environment"] == if_absent


@pytest.mark.parametrize(("brings", "counts"), [("old", False), ("oldest", True), ("new", True), ("none", True)])
def test_a_version_that_cannot_count(shown: dict[str, dict[str, Any]], brings: str, counts: bool) -> None:
    """A deploy reports it, if it is known; a release that is not built yet brings none."""
    assert shown[f"brings_{brings}"]["counts"] is counts


@pytest.mark.parametrize(("host", "oldest"), [("default", "24.1.0"), ("asgi", "26.1.0")])
def test_the_oldest_gunicorn(shown: dict[str, Any], host: str, oldest: str) -> None:
    """An asgi worker needs a later one than others; the rest of what there is to say of the server is the same."""
    found = shown[host]["servers"]["gunicorn"]
    assert (found["package"], found["tested"], found["oldest"]) == ("gunicorn", "27.0.1", oldest)
