"""Which list of dependencies wins, what of it is installed, and what it needs."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.dependencies import (
    Dependencies,
    DependencyError,
    PythonRequirement,
    Request,
    find_dependencies,
    lists_in,
    python_complaints,
)

PEP_621 = """
[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
dependencies = ["django"]
[project.optional-dependencies]
sql = ["psycopg[binary]"]
"S_3" = ["boto3"]
[dependency-groups]
dev = ["pytest"]
live = ["gunicorn"]
"""
POETRY = """
[build-system]
requires = ["poetry-core"]
[tool.poetry.dependencies]
python = "^3.11"
django = "*"
[tool.poetry.extras]
sql = ["psycopg"]
[tool.poetry.group.live.dependencies]
gunicorn = "*"
[tool.poetry.group.docs]
optional = true
"""
POETRY_LOCK = '[metadata]\npython-versions = "^3.12"\n'
PIPFILE_LOCK = '{"_meta": {"requires": {"python_version": "3.12"}}, "default": {}, "develop": {"x": {}}, "live": {}}'
SETUP = "from setuptools import setup\nsetup(name='shop', install_requires=[], extras_require={'sql': ['psycopg']})\n"


def find(files: dict[str, str], project: str = "", **request: Any) -> Dependencies:
    """Find the lists of a source."""
    return find_dependencies(files, files.get, Request(project, **request))


def refused(files: dict[str, str], project: str = "", **request: Any) -> list[str]:
    """Give the complaints."""
    with pytest.raises(DependencyError) as error:
        find(files, project, **request)
    return str(error.value).splitlines()


# Which list


@pytest.mark.parametrize(
    ("files", "project", "path", "reason"),
    [
        (["uv.lock", "pyproject.toml", "requirements.txt"], "", "uv.lock", "the first of 2 beside manage.py"),
        (["poetry.lock", "pyproject.toml", "requirements.txt"], "", "poetry.lock", "the first of 2 beside manage.py"),
        (["Pipfile", "Pipfile.lock", "requirements.txt"], "", "Pipfile.lock", "the first of 2 beside manage.py"),
        (["requirements.txt", "setup.py"], "", "requirements.txt", "the first of 2 beside manage.py"),
        (["setup.py"], "", "setup.py", "the only one beside manage.py"),
        # A lock without its pyproject.toml cannot be read.
        (["uv.lock", "requirements.txt"], "", "requirements.txt", "the only one beside manage.py"),
        # Of the project's directory, then of each one above.
        (["a/b/requirements.txt", "a/uv.lock", "a/pyproject.toml"], "a/b", "requirements.txt", "the only one beside"),
        (["a/requirements.txt", "requirements.txt"], "a/b", "../requirements.txt", "the only one above it"),
        (["requirements.txt", "x/uv.lock"], "a/b", "../../requirements.txt", "the only one above it"),
    ],
)
def test_the_list_that_is_taken(files: list[str], project: str, path: str, reason: str) -> None:
    """The first kind in the nearest directory."""
    found = find(dict.fromkeys(files, PIPFILE_LOCK if "Pipfile.lock" in files else ""), project)
    assert [one.path for one in found.lists] == [path]
    assert found.reason.startswith(reason)


def test_a_pyproject_that_lists_nothing() -> None:
    """Settings of tools are no list of dependencies."""
    files = {"web/pyproject.toml": "[tool.ruff]\n", "requirements.txt": "django"}
    assert [one.path for one in find(files, "web").lists] == ["../requirements.txt"]
    assert refused({"pyproject.toml": "[tool.ruff]\n"})[0].endswith("that the project has")
    for text in (PEP_621, POETRY, '[project]\ndynamic = ["dependencies"]'):
        assert [one.path for one in find({"pyproject.toml": text}).lists] == ["pyproject.toml"]
    by_setup_cfg = {"pyproject.toml": "[build-system]\nrequires = ['setuptools']", "setup.cfg": "[options]"}
    assert [one.kind for one in find(by_setup_cfg).lists] == ["pyproject.toml"]
    assert [one.kind for one in find({**by_setup_cfg, "setup.py": SETUP}).lists] == ["setup.py"]


def test_lists_that_are_named() -> None:
    """They lie anywhere in the source; relative to the directory of manage.py, as the inventory writes them."""
    files = dict.fromkeys(["requirements/base.txt", "requirements/live.txt", "web/manage.py", "web/uv.lock"], "")
    found = find(files, "web", lists=["../requirements/base.txt", "../requirements/live.txt"])
    assert [one.path for one in found.lists] == ["../requirements/base.txt", "../requirements/live.txt"]
    assert found.sentence == (
        "Packages: ../requirements/base.txt and ../requirements/live.txt, set by site_requirements"
    )


@pytest.mark.parametrize(
    ("files", "request_", "complaint"),
    [
        (
            ["requirements.txt"],
            {"lists": ["../../x.txt"], "project": "web"},
            "site_requirements: '../../x.txt' is not in the source: it is relative to site_project_directory, 'web'; "
            "name a file of the source",
        ),
        (
            ["requirements/live.txt", "requirements/base.txt"],
            {"lists": ["live.txt"]},
            "site_requirements: 'live.txt' is not in the source; set site_requirements to one of "
            "requirements/base.txt, requirements/live.txt",
        ),
        (
            ["Pipfile"],
            {"lists": ["Pipfile"]},
            "site_requirements: 'Pipfile' has no versions; name its lock, Pipfile.lock, which pipenv lock writes",
        ),
        (
            ["Pipfile"],
            {},
            "site_requirements: the source has no uv.lock, poetry.lock, Pipfile.lock, requirements.txt, pyproject.toml "
            "or setup.py beside manage.py; it has a Pipfile: commit its lock, which pipenv lock writes",
        ),
        (
            ["lists/uv.lock"],
            {"lists": ["lists/uv.lock"]},
            "site_requirements: 'lists/uv.lock' has no pyproject.toml beside it, without which uv cannot read it; add "
            "that, or set another list",
        ),
        (
            ["uv.lock", "pyproject.toml"],
            {"lists": ["uv.lock"], "installer": "pip"},
            "site_requirements: pip cannot read 'uv.lock'; set another list, or site_installer: uv",
        ),
    ],
)
def test_a_list_that_cannot_be_taken(files: list[str], request_: dict[str, Any], complaint: str) -> None:
    """With the variable, its value and the cure."""
    assert refused(dict.fromkeys(files, ""), **request_) == [complaint]


def test_a_pyproject_that_only_poetry_can_read() -> None:
    """Its lock is what helps."""
    text = '[tool.poetry.dependencies]\ndjango = "*"\n'
    assert refused({"pyproject.toml": text}) == [
        "site_requirements: 'pyproject.toml' can only be read by Poetry, since it has neither [project] nor "
        "[build-system]; commit its lock, which poetry lock writes"
    ]


def test_a_lock_that_is_broken() -> None:
    """A sentence, not a traceback."""
    assert refused({"Pipfile.lock": "{"}) == [
        "site_requirements: 'Pipfile.lock' is not JSON, so pipenv cannot read it; write it anew with pipenv lock"
    ]
    assert find({"uv.lock": "= x", "pyproject.toml": "= x"}).lists[0].kind == "uv.lock"


def test_all_lists_of_a_source() -> None:
    """The nearest to its root first."""
    names = ["docs/requirements.txt", "pyproject.toml", "a/requirements/x.txt", "notes.txt", "dev-requirements.txt"]
    assert lists_in(names) == [
        "dev-requirements.txt",
        "pyproject.toml",
        "docs/requirements.txt",
        "a/requirements/x.txt",
    ]


# Extras and groups


@pytest.mark.parametrize(
    ("files", "extras", "groups"),
    [
        ({"pyproject.toml": PEP_621}, ["S_3", "sql"], ["dev", "live"]),
        ({"pyproject.toml": PEP_621, "uv.lock": ""}, ["S_3", "sql"], ["dev", "live"]),
        ({"pyproject.toml": POETRY, "poetry.lock": POETRY_LOCK}, ["sql"], ["docs", "live"]),
        ({"Pipfile.lock": PIPFILE_LOCK}, [], ["dev-packages", "live"]),
        ({"setup.py": SETUP}, ["sql"], []),
        ({"setup.py": "", "setup.cfg": "[options.extras_require]\nsql = psycopg\n"}, ["sql"], []),
        ({"requirements.txt": ""}, [], []),
    ],
)
def test_what_is_left_out(files: dict[str, str], extras: list[str], groups: list[str]) -> None:
    """What exists and is not taken; unknown ones are refused with those that exist."""
    found = find(files)
    assert (list(found.extras_left_out), list(found.groups_left_out)) == (extras, groups)
    taken = find(files, extras=[one.lower() for one in extras], groups=groups)
    assert (taken.extras_left_out, taken.groups_left_out) == ((), ())
    assert (sorted(taken.lists[0].extras), list(taken.lists[0].groups)) == (extras, groups)
    complaints = refused(files, extras=["nope"], groups=["never"])
    for complaint, what, names in zip(complaints, ("extra", "group"), (extras, groups), strict=True):
        assert complaint.startswith(f"site_requirements_{what}s: '{'nope' if what == 'extra' else 'never'}' is not a")
        assert not names or complaint.endswith(f"it has {', '.join(names)}")


def test_extras_that_only_a_program_knows() -> None:
    """The installer tells then."""
    for text in ("setup(extras_require=extras())", "setup(**options)"):
        assert find({"setup.py": text}, extras=["sql"]).lists[0].extras == ("sql",)
    dynamic = '[project]\ndynamic = ["dependencies", "optional-dependencies"]\n'
    assert find({"pyproject.toml": dynamic}, extras=["sql"]).lists[0].extras == ("sql",)


def test_groups_of_a_pyproject_for_pip() -> None:
    """The pip of a distribution does not know them."""
    [complaint] = refused({"pyproject.toml": PEP_621}, groups=["live"], installer="pip")
    assert complaint == (
        "site_requirements_groups: pip cannot install groups of 'pyproject.toml'; set site_installer: uv, or leave "
        "them out"
    )


def test_the_sentence() -> None:
    """What was taken, and what was left out, in one line."""
    files = {"uv.lock": "", "pyproject.toml": PEP_621, "requirements.txt": "", "web/manage.py": ""}
    assert find(files, "web", groups=["live"]).sentence == (
        "Packages: ../uv.lock with group live, the first of 3 above it; left out: group dev; extras S_3, sql; "
        "../requirements.txt"
    )
    files = {"requirements.txt": "-r requirements/base.txt", "requirements/base.txt": "", "requirements/live.txt": ""}
    assert find(files).sentence.endswith("; left out: requirements/live.txt")
    # What a list includes is not left out.
    files = {"requirements.txt": "-r requirements-base.txt", "requirements-base.txt": ""}
    assert find(files).sentence == "Packages: requirements.txt, the only one beside manage.py"


# What it needs


@pytest.mark.parametrize(
    ("files", "packages"),
    [
        ({"requirements.txt": "django"}, ()),
        ({"requirements.txt": "x @ git+https://example.com/x.git"}, ("git",)),
        ({"requirements.txt": "-r a.txt", "a.txt": "git+ssh://git@example.com/x.git#egg=x"}, ("git", "openssh-client")),
        ({"uv.lock": 'source = { git = "https://example.com/x.git" }', "pyproject.toml": ""}, ("git",)),
        ({"poetry.lock": '[package.source]\ntype = "git"\n', "pyproject.toml": ""}, ("git",)),
        ({"Pipfile.lock": '{"default": {"x": {"git": "https://example.com/x.git"}}}'}, ("git",)),
    ],
)
def test_git(files: dict[str, str], packages: tuple[str, ...]) -> None:
    """It is needed where a list says so; what comes from there has no checksum."""
    found = find(files)
    assert found.system_packages == packages
    assert found.lists[0].hashed is not bool(packages)


@pytest.mark.parametrize(
    ("files", "change"),
    [
        ({"poetry.lock": "", "pyproject.toml": ""}, {"poetry.lock": "x"}),
        ({"poetry.lock": "", "pyproject.toml": ""}, {"pyproject.toml": "[tool.poetry]"}),
        ({"Pipfile.lock": "{}"}, {"Pipfile.lock": '{"default": {}}'}),
        ({"pyproject.toml": PEP_621}, {"pyproject.toml": PEP_621.replace("boto3", "boto")}),
        ({"requirements.txt": "-c ../up.txt", "../up.txt": ""}, {}),
    ],
)
def test_what_decides_on_the_packages(files: dict[str, str], change: dict[str, str]) -> None:
    """A lock, and what it was made from."""
    before = find(files).digest
    assert before
    if change:
        assert find({**files, **change}).digest not in ("", before)


def test_extras_and_groups_decide_on_the_packages() -> None:
    """Each choice is another set of packages."""
    files = {"pyproject.toml": PEP_621}
    found = {find(files, **choice).digest for choice in ({}, {"extras": ["sql"]}, {"groups": ["live"]})}
    assert len(found) == 3


@pytest.mark.parametrize(
    ("files", "installer"),
    [
        ({"poetry.lock": '[package.source]\ntype = "directory"\n', "pyproject.toml": ""}, "uv"),
        ({"Pipfile.lock": '{"default": {"x": {"path": "./x", "editable": true}}}'}, "uv"),
        ({"setup.py": SETUP}, "uv"),
        ({"pyproject.toml": POETRY}, "uv"),
        # pip installs the project itself.
        ({"pyproject.toml": PEP_621}, "pip"),
    ],
)
def test_packages_that_come_out_of_the_source(files: dict[str, str], installer: str) -> None:
    """Every change of the source may change them."""
    assert find(files, installer=installer).digest == ""


# Python


@pytest.mark.parametrize(
    ("files", "asked"),
    [
        ({"pyproject.toml": PEP_621}, [">=3.11 pyproject.toml"]),
        ({"pyproject.toml": POETRY, "poetry.lock": POETRY_LOCK}, [">=3.11,<4 pyproject.toml", ">=3.12,<4 poetry.lock"]),
        ({"Pipfile.lock": PIPFILE_LOCK}, ["==3.12.* Pipfile.lock"]),
        ({"Pipfile.lock": '{"_meta": {"requires": {"python_full_version": "3.12.1"}}}'}, ["==3.12.1 Pipfile.lock"]),
        ({"setup.py": "setup(python_requires='>=3.10')"}, [">=3.10 setup.py"]),
        ({"setup.py": "", "setup.cfg": "[options]\npython_requires = >=3.10\n"}, [">=3.10 setup.cfg"]),
        ({"requirements.txt": "", "pyproject.toml": PEP_621}, [">=3.11 pyproject.toml"]),
    ],
)
def test_what_is_asked_of_python(files: dict[str, str], asked: list[str]) -> None:
    """By the list, by what it was made from, and by the project's metadata beside it."""
    assert [f"{one} {one.place}" for one in find(files).pythons] == asked


@pytest.mark.parametrize(
    ("alternatives", "version", "allowed"),
    [
        ((">=3.12",), "3.13.5", True),
        ((">=3.12",), "3.11.2", False),
        ((">=3.9,<3.12",), "3.13.5", False),
        ((">=3.9,<3.11", ">=3.12"), "3.12.0", True),
        (("==3.11.*",), "3.11.9", True),
        (("what",), "3.11.9", True),
        (("",), "3.11.9", True),
    ],
)
def test_versions_of_python(alternatives: tuple[str, ...], version: str, allowed: bool) -> None:
    """As PEP 440 reads them; what nobody can read is left to the installer."""
    assert PythonRequirement(alternatives, "x").allows(version) is allowed


def test_a_host_with_another_python() -> None:
    """Required, found, the file, and both ways to another Python."""
    asked = [PythonRequirement((">=3.12,<3.14",), "pyproject.toml")]
    hosts = {"web1": {"path": "/usr/bin/python3", "version": "3.13.5"}, "web2": {"path": "/p", "version": "3.11.2"}}
    [complaint] = python_complaints(asked, hosts)
    assert complaint == (
        "site_python: '/p' on web2 is Python 3.11.2, and pyproject.toml requires >=3.12,<3.14; set site_python to a "
        "Python 3.12 of the host; if it has none, install it from the distribution (site_system_packages: "
        "[python3.12-venv]) or with uv python install 3.12 (docs/projects-lists.md, Python)"
    )
    [complaint] = python_complaints([PythonRequirement(("<3.12",), "setup.py")], hosts)
    assert "set site_python to a Python 3.11 of the host" in complaint
