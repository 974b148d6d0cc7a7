"""The table of kinds, without a host: what it promises."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from kind import Case, Kind, Live, Refused, Visit
from kinds import CASES, KINDS
from screen import MESSAGES, too_wide
from startproject import write_project
from trial import filled_in, groups, joined, merged

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
    variables = Case(KINDS[name], "gunicorn").variables
    if KINDS[name].inspected:
        assert "site_settings_module" not in variables
        return
    settings = f"{variables['site_settings_module'].replace('.', '/')}.py"
    assert variables.get("site_package") or [*tmp_path.glob(f"mysite/{settings}"), *tmp_path.glob(f"*/*/{settings}")]


def assigned(lines: str) -> list[str]:
    """The names that lines of Python assign or define, besides what they add to."""
    found = []
    for node in ast.parse(lines).body:
        if isinstance(node, ast.Assign):
            found += [ast.unparse(target) for target in node.targets]
        elif isinstance(node, ast.FunctionDef):
            found.append(node.name)
    return found


def test_what_is_deployed_together_does_not_interfere():
    for group in groups(CASES):
        kinds = [case.kind for case in group]
        if len(kinds) == 1:
            continue
        assert {type(kind.expect) for kind in kinds} == {Live}
        same = [(kind.host, kind.site_name, kind.playbook, kind.ready, kind.inspected, kind.git) for kind in kinds]
        assert len(set(same)) == 1
        # What only one kind can have: a deploy before it, commands on the host.
        assert [kind.name for kind in kinds if kind.upon or kind.before or kind.after] == []
        names = [name for kind in kinds for name in [*kind.variables, *assigned(kind.settings), *assigned(kind.urls)]]
        assert len(names) == len(set(names))


def test_a_group_has_the_lines_and_variables_of_all_its_cases():
    expect = Live(visits=(Visit("/other/"),))
    one = Kind("one", Live(), settings="A = 1\n", urls="# a\n", variables={"site_workers": 2}, together="both")
    two = Kind("two", expect, settings="B = 2\n", urls="# b\n", requirements="six\n", together="both")
    three = Kind("three", Live(), settings="C = 3\n")
    cases = [Case(one, "gunicorn"), Case(three, "gunicorn"), Case(two, "gunicorn"), Case(two, "uwsgi")]
    assert [[case.kind.name for case in group] for group in groups(cases)] == [["one", "two"], ["three"], ["two"]]
    case = joined([cases[0], cases[2]])
    assert (case.kind.settings, case.kind.urls, case.kind.requirements) == ("A = 1\nB = 2\n", "# a\n# b\n", "six\n")
    assert case.variables["site_workers"] == 2
    assert joined([cases[1]]) == cases[1]


@pytest.mark.parametrize("server", ["gunicorn", "uwsgi"])
def test_joined_projects_are_python(server: str, tmp_path: Path):
    for number, group in enumerate(groups(case for case in CASES if case.server == server)):
        write_project(joined(group).kind, tmp_path / str(number) / "mysite")
    for file in tmp_path.rglob("*.py"):
        ast.parse(file.read_text())


def test_many_are_inspected():
    inspected = [kind for kind in KINDS.values() if kind.inspected]
    assert len(inspected) >= 20
    assert len([kind for kind in inspected if kind.asks_django]) >= 3


def test_what_inspect_leaves_open_is_filled_in():
    proposed = {"site_secrets": {"KEY": "<fill in: the output of python3 -c 'print(1)'>"}, "site_build": ["npm"]}
    found = filled_in(proposed)
    assert (len(found["site_secrets"]["KEY"]), found["site_build"]) == (61, ["npm"])
    own = {"site_secrets": {"TOKEN": "t"}, "site_build": []}
    assert merged(found, own) == {"site_secrets": {**found["site_secrets"], "TOKEN": "t"}, "site_build": []}


def test_every_message_is_of_a_kind():
    assert {file.stem for file in READ} <= {case.name for case in CASES if case.has_message}


def test_messages_fit_the_screen():
    assert {file.stem: lines for file in READ if (lines := too_wide(file.read_text()))} == {}
