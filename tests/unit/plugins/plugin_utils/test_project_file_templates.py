"""Templates on the control node, and which files hold a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.project_files import (
    find_template,
    holds_secret,
    template_directories,
)


def test_where_templates_are(tmp_path: Path) -> None:
    """Beside the playbook first, then beside the inventory, then where Ansible was started; in templates first."""
    variables = {"playbook_dir": "/play", "inventory_dir": "/inventory"}
    assert list(map(str, template_directories(variables, "/here"))) == [
        "/play/templates",
        "/play",
        "/inventory/templates",
        "/inventory",
        "/here/templates",
        "/here",
    ]
    ours = "/home/you/.ansible/collections/ansible_collections/pitcrew/django/playbooks"
    assert template_directories({"playbook_dir": ours, "inventory_dir": None}, "/here") == [
        Path("/here/templates"),
        Path("/here"),
    ]


def test_the_first_that_there_is(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
    (tmp_path / "b/x.j2").touch()
    directories = [tmp_path / "a", tmp_path / "b"]
    assert find_template("x.j2", directories) == tmp_path / "b/x.j2"
    assert find_template(str(tmp_path / "b/x.j2"), []) == tmp_path / "b/x.j2"
    assert find_template("y.j2", directories) is None
    assert find_template("../b", directories) is None


@pytest.mark.parametrize(
    ("secrets", "expected"),
    [
        ([{"KEY": "correct horse"}, {}], True),
        ([{}, {"DATABASES": {"default": {"PASSWORD": "battery"}}}], True),
        ([{"KEY": "staple"}, {"DEBUG": "1", "EMPTY": "", "N": 5}], False),
        ([], False),
    ],
)
def test_files_with_a_secret(secrets: Any, expected: bool) -> None:
    """A value that is secret elsewhere is secret here; one of a letter or two is in every file."""
    assert holds_secret("KEY = 'correct horse'\nPASSWORD = 'battery'\nDEBUG = 1\n", secrets) is expected
