"""How a release is called where the host has some of the same source already."""

from __future__ import annotations

from typing import Any

import pytest
from test_templates import play_renders

NAME = "3f2a9c1d04ab-1f3e2c"
OTHER = "0123456789ab-1f3e2c"
# What can be started, what cannot be any more, and the name.
CASES: dict[str, tuple[list[str], list[str], str]] = {
    "new": ([OTHER], [], NAME),
    "built": ([OTHER, NAME], [], NAME),
    "upgraded": ([], [NAME, OTHER], f"{NAME}-2"),
    "rebuilt": ([f"{NAME}-2"], [NAME], f"{NAME}-2"),
    "pruned": ([f"{NAME}-2", OTHER], [], f"{NAME}-2"),
    "again": ([], [NAME, f"{NAME}-2"], f"{NAME}-3"),
    "pruned_again": ([OTHER], [f"{NAME}-2"], f"{NAME}-3"),
    "tenth": ([], [f"{NAME}-2", f"{NAME}-10"], f"{NAME}-11"),
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
                    "pitcrew_site": {"releases": "{{ dict(runs | zip(runs)) }}", "outdated": "{{ outdated }}"},
                },
            },
            {
                "name": "Have the variables without doing anything",
                "ansible.builtin.import_role": {"name": "pitcrew.django.release", "tasks_from": "prepare"},
                "when": False,
            },
            {
                "name": "Name the release",
                "ansible.builtin.debug": {"msg": "{{ {'id': release_id} | to_json | b64encode }}"},
                "vars": {"__release_name": NAME},
            },
        ],
    }
]


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Name the release on every host."""
    hosts = {host: {"runs": runs, "outdated": outdated} for host, (runs, outdated, _id) in CASES.items()}
    return play_renders(tmp_path_factory.mktemp("release"), PLAY, hosts)


@pytest.mark.parametrize("host", CASES)
def test_the_name_of_a_release(named: dict[str, dict[str, Any]], host: str) -> None:
    """What runs is found again, and what does not is never built anew in its place: it may be running still."""
    assert named[host]["id"] == CASES[host][2]
