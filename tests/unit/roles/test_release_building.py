"""What becomes of steps, files, directories and placeholders on the way to the host, in Ansible itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_templates import COMMON, play_renders

ROOT = Path(__file__).resolve().parents[3]
SOURCE: dict[str, Any] = {
    "id": "3f2a9c1d04ab",
    "requirements": [{"path": "requirements.txt"}],
    "requirements_digest": "d",
    "system_packages": [],
    "servers": {},
}
PLACED: dict[str, Any] = {
    "site_settings": {"MEDIA_ROOT": "@state@/media"},
    "site_secret_settings": {"KEY_FILE": "@release@/key"},
    "site_environment": {"DATA": "@project@/data", "PYTHONPATH": "@project@/lib"},
    "site_secrets": {"URL": "sqlite:///@state@/db"},
    "site_directories": ["data", "@state@/in"],
    "site_project_directory": "web",
}
SITES: dict[str, dict[str, Any]] = {
    "plain": {},
    "placed": PLACED,
    "other_host": {**PLACED, "outdated": ["all of them"]},
    "npm": {"site_build": ["npm", "compilemessages"]},
    "npm_again": {"site_build": ["npm", "compilemessages"], "packages": ["nodejs", "npm", "gettext"]},
    "named": {"site_build": ["make css"], "site_node_version": "22.20.0"},
    "unused": {"site_node_version": "22.20.0"},
    "files": {
        "site_secrets": {"TOKEN": "correct horse"},
        "site_files": {
            "a.py": "HOME = '@state@'\n",
            "b.py": {"template": "b.py.j2"},
            "c.py": {"content": "x", "secret": True},
            "d.py": "TOKEN = 'correct horse'\n",
        },
    },
    "other_file": {"site_secrets": {"TOKEN": "correct horse"}, "site_files": {"a.py": "HOME = '/'\n"}},
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
                    "pitcrew_site": {"releases": {}, "outdated": [], "packages": "{{ packages | default([]) }}"},
                },
            },
            {"name": "Have a source", "ansible.builtin.set_fact": {"release_source": SOURCE}},
            {
                "name": "Have the variables without doing anything",
                "ansible.builtin.import_role": {"name": "pitcrew.django.gunicorn"},
                "when": False,
            },
            {
                "name": "Have the variables without doing anything",
                "ansible.builtin.import_role": {"name": "pitcrew.django.release", "tasks_from": "prepare"},
                "when": False,
            },
            {
                "name": "Tell",
                "ansible.builtin.debug": {
                    "msg": "{{ {'id': release_id, 'environment': site_process_environment, "
                    "'secrets': site_process_secrets, 'places': site_places, 'files': __release_files_by_secrecy, "
                    "'missing': __release_missing_packages, 'digest': __release_packages_digest, "
                    "'needs_node': __release_needs_node} | to_json | b64encode }}"
                },
            },
        ],
    }
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Evaluate the variables of every site."""
    place = tmp_path_factory.mktemp("building")
    (place / "b.py.j2").write_text("NAME = '{{ site_name }}'\nHOME = '@state@'\n")
    common = {**COMMON, "site_release": ""}
    return play_renders(place, PLAY, {name: {**common, **site} for name, site in SITES.items()})


def test_places(told: dict[str, dict[str, Any]]) -> None:
    """They are those of the release that is being built, and of the one that is live later."""
    site = told["placed"]
    release = f"/srv/shop/releases/{site['id']}"
    assert site["places"] == {"release": release, "project": f"{release}/app/web", "state": "/var/lib/shop"}
    assert site["environment"]["DATA"] == f"{release}/app/web/data"
    assert site["environment"]["PYTHONPATH"] == f"{release}/overrides:{release}/app/web/lib"
    assert site["secrets"]["URL"] == "sqlite:////var/lib/shop/db"
    assert site["secrets"]["SITE_OVERRIDES"] == (
        f'{{"KEY_FILE": "{release}/key", "MEDIA_ROOT": "/var/lib/shop/media"}}'
    )


def test_the_name_of_a_release(told: dict[str, dict[str, Any]]) -> None:
    """It follows from all of that as the user has written it, since the places follow from the name."""
    names = {name: site["id"] for name, site in told.items()}
    assert names["placed"] == names["other_host"]
    assert names["npm"] == names["npm_again"]
    assert names["unused"] == names["plain"]
    assert len(set(names.values())) == len(names) - 3


def test_packages_of_the_distribution(told: dict[str, dict[str, Any]]) -> None:
    """Only those that a step needs, and for them no Python package is installed again."""
    usual = ["iproute2", "python3-venv"]
    assert sorted(told["plain"]["missing"]) == usual
    assert sorted(told["npm"]["missing"]) == ["gettext", *usual[:1], "nodejs", "npm", *usual[1:]]
    assert sorted(told["npm_again"]["missing"]) == usual
    assert sorted(told["named"]["missing"]) == usual
    assert told["npm"]["digest"] == told["plain"]["digest"]


def test_node(told: dict[str, dict[str, Any]]) -> None:
    """A version that is named is there for every step; without any step it is not installed."""
    needs = {name: bool(site["needs_node"]) for name, site in told.items()}
    assert {name for name, needed in needs.items() if needed} == {"npm", "npm_again", "named"}


def test_files(told: dict[str, dict[str, Any]]) -> None:
    """Those with a secret, declared or found, go another way than the others."""
    files = told["files"]["files"]
    assert files["shown"] == {"a.py": "HOME = '/var/lib/shop'\n", "b.py": "NAME = 'shop'\nHOME = '/var/lib/shop'\n"}
    assert files["secret"] == {"c.py": "x", "d.py": "TOKEN = 'correct horse'\n"}
    assert told["plain"]["files"] == {"shown": {}, "secret": {}}
