"""The table of kinds, without a host: what it promises."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from kind import Case, Live, Refused
from kinds import CASES, KINDS
from screen import MESSAGES, too_wide
from startproject import write_project

EVERY = [pytest.param(case, id=case.name) for case in CASES]
READ = sorted(MESSAGES.glob("*.txt"))
HOSTS = Path(__file__).parents[3] / "molecule/front_door/inventory/hosts.yml"


def test_there_are_many():
    assert len(KINDS) >= 20
    assert {type(kind.expect) for kind in KINDS.values()} == {Live, Refused}


def test_names_are_unique():
    modules = Path(MESSAGES).parent.glob("kinds/*.py")
    entries = sum(len(re.findall(r"^    Kind\($", module.read_text(), re.MULTILINE)) for module in modules)
    assert entries == len(KINDS)
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", EVERY)
def test_a_kind_can_be_tried(case: Case):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", case.kind.name)
    assert re.fullmatch(r"[a-z][a-z0-9_-]{0,23}", case.kind.site_name)
    assert f"    {case.kind.host}:\n" in HOSTS.read_text()
    assert set(case.kind.long) <= set(case.kind.servers)
    assert not case.kind.upon or KINDS[case.kind.upon].site_name == case.kind.site_name


@pytest.mark.parametrize("case", EVERY)
def test_a_refusal_shows_something(case: Case):
    if isinstance(case.kind.expect, Refused):
        assert case.kind.expect.shows


@pytest.mark.parametrize("name", KINDS)
def test_the_project_has_what_its_inventory_names(name: str, tmp_path: Path):
    write_project(KINDS[name], tmp_path / "mysite")
    for file in (tmp_path / "mysite").rglob("*.py"):
        ast.parse(file.read_text())
    settings = Case(KINDS[name], "gunicorn").variables["site_settings_module"]
    assert (tmp_path / "mysite" / f"{settings.replace('.', '/')}.py").exists()


def test_every_message_is_of_a_kind():
    assert {file.stem for file in READ} <= {case.name for case in CASES if case.has_message}


def test_messages_fit_the_screen():
    assert {file.stem: lines for file in READ if (lines := too_wide(file.read_text()))} == {}
