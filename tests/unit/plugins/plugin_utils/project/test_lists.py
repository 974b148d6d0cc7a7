"""Which list of dependencies is taken, what it has, and what has to be there for it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.lists import (
    allows,
    find_lists,
    list_findings,
    python_requirement,
    system_packages,
)
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.tree import Tree
from inspected import inspect, of, proposed

POETRY = """\
[tool.poetry.dependencies]
python = "^3.11"
django = "^5"
x = {extras = ["y"]}
[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
"""
PYPROJECT = '[project]\nname = "shop"\nrequires-python = ">=3.12"\ndependencies = ["django>=5", "psycopg[c]"]\n'


@pytest.mark.parametrize(
    ("files", "project", "paths", "found"),
    [
        ({"requirements.txt": "django"}, "", ("requirements.txt",), True),
        ({"requirements.txt": "django"}, "web/shop", ("requirements.txt",), True),
        ({"requirements.txt": "a", "web/requirements.txt": "django"}, "web", ("web/requirements.txt",), True),
        ({"uv.lock": "", "pyproject.toml": PYPROJECT, "requirements.txt": ""}, "", ("uv.lock",), True),
        ({"uv.lock": "", "requirements.txt": ""}, "", ("requirements.txt",), True),
        ({"poetry.lock": "", "pyproject.toml": PYPROJECT}, "", ("poetry.lock",), True),
        ({"Pipfile.lock": "{}", "requirements.txt": ""}, "", ("Pipfile.lock",), True),
        ({"pyproject.toml": PYPROJECT}, "", ("pyproject.toml",), True),
        ({"pyproject.toml": "[tool.ruff]\n", "setup.py": "setup()"}, "", ("setup.py",), True),
        ({"pyproject.toml": '[dependency-groups]\nmain = ["Django>=5"]\n'}, "", ("pyproject.toml",), False),
        ({"requirements/base.txt": "", "requirements/dev.txt": ""}, "", ("requirements/base.txt",), False),
        ({"requirements/base.txt": "", "requirements/production.txt": ""}, "", ("requirements/production.txt",), False),
        ({"requirements/dev.txt": "", "requirements/prod.txt": ""}, "web", ("requirements/prod.txt",), False),
        ({"deploy/requirements-live.txt": ""}, "", ("deploy/requirements-live.txt",), False),
    ],
)
def test_which_list(files: dict[str, str], project: str, paths: tuple[str, ...], found: bool) -> None:
    lists = find_lists(Tree.of(files), project)
    assert lists is not None
    assert (lists.paths, lists.found) == (paths, found)


LOCK = """\
[[package]]
name = "shop"
source = { editable = "." }
dependencies = [{ name = "django" }, { name = "psycopg", extra = ["c"] }]
[package.optional-dependencies]
mariadb = [{ name = "mysqlclient" }]
[package.dev-dependencies]
dev = [{ name = "black" }]
[[package]]
name = "django"
[[package]]
name = "psycopg"
[package.optional-dependencies]
c = [{ name = "psycopg-c" }]
[[package]]
name = "psycopg-c"
[[package]]
name = "mysqlclient"
[[package]]
name = "black"
"""


def test_a_lock_has_more_than_is_installed() -> None:
    lists = find_lists(Tree.of({"uv.lock": LOCK, "pyproject.toml": PYPROJECT}), "")
    assert lists is not None
    assert set(lists.packages) == {"django", "psycopg", "psycopg-c"}
    lock = "".join(
        f'[[package]]\nname = "{name}"\ngroups = ["{group}"]\n' for name, group in (("a", "main"), ("b", "dev"))
    )
    lists = find_lists(Tree.of({"poetry.lock": lock, "pyproject.toml": PYPROJECT}), "")
    assert lists is not None
    assert set(lists.packages) == {"a"}


def test_no_list() -> None:
    assert find_lists(Tree.of({"README.md": "", "docs/requirements.txt": "sphinx"}), "") is None
    assert inspect({"requirements.txt": None}).questions[0].variable == "site_requirements"


def test_a_list_that_a_deploy_would_not_find() -> None:
    files = {"requirements.txt": None, "requirements/base.txt": "django\n", "requirements/prod.txt": "-r base.txt\n"}
    inspection = inspect(files)
    assert proposed(inspection)["site_requirements"] == "requirements/prod.txt"
    assert inspection.lists is not None
    assert str(inspection.lists.has("django").place) == "requirements/base.txt, line 1"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (
            {
                "requirements.txt": "Django==5.2 # web\n-r more.txt\n-c limits.txt\n",
                "more.txt": "Pillow[xmp]>1\n",
                "limits.txt": "x",
            },
            {"django", "pillow"},
        ),
        ({"pyproject.toml": PYPROJECT}, {"django", "psycopg"}),
        (
            {"pyproject.toml": POETRY},
            {"python", "django", "x"},
        ),
        ({"pyproject.toml": PYPROJECT, "uv.lock": '[[package]]\nname = "django"\nversion = "5"\n'}, {"django"}),
        ({"Pipfile.lock": '{"default": {"Django": {"version": "==5"}}, "develop": {"black": {}}}'}, {"django"}),
        (
            {"setup.py": "setup(install_requires=[\n    'django>=5',\n    'django-oscar[sorl]',\n])\n"},
            {"django", "django-oscar"},
        ),
        (
            {"pyproject.toml": '[dependency-groups]\nmain = ["Django>=5", "lxml"]\ndev = ["black"]\n'},
            {"django", "lxml"},
        ),
    ],
)
def test_packages(files: dict[str, str], names: set[str]) -> None:
    lists = find_lists(Tree.of(files), "")
    assert lists is not None
    assert names <= set(lists.packages)
    assert not {"black", "x-limits", "limits"} & set(lists.packages)


@pytest.mark.parametrize(
    ("requirement", "packages"),
    [
        ("mysqlclient", ["build-essential", "default-libmysqlclient-dev", "pkg-config", "python3-dev"]),
        ("psycopg2>=2.9", ["build-essential", "libpq-dev", "python3-dev"]),
        ("psycopg[c]", ["build-essential", "libpq-dev", "python3-dev"]),
        ("psycopg[binary]", []),
        ("psycopg2-binary", []),
        ("psycopg", ["libpq5"]),
        ("python-ldap", ["build-essential", "libldap-dev", "libsasl2-dev", "python3-dev"]),
        ("pycairo", ["build-essential", "libcairo2-dev", "pkg-config", "python3-dev"]),
        ("python-magic", ["libmagic1"]),
        ("weasyprint", ["libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0"]),
        ("shop @ git+https://git.example.com/shop.git", ["git"]),
        ("pillow", []),
    ],
)
def test_system_packages(requirement: str, packages: list[str]) -> None:
    lists = find_lists(Tree.of({"requirements.txt": f"{requirement}\n"}), "")
    assert sorted(name for one in system_packages(lists) for name in one.value) == sorted(packages)


def test_geodjango() -> None:
    text = inspect({}).settings
    assert text is not None
    files: dict[str, Any] = {
        "shop/settings.py": (text.tree.read("shop/settings.py") or "") + "INSTALLED_APPS += ['django.contrib.gis']\n"
    }
    assert proposed(inspect(files))["site_system_packages"] == ["gdal-bin"]


def test_groups_and_extras() -> None:
    text = (
        PYPROJECT
        + '[project.optional-dependencies]\ns3 = ["boto3"]\nproduction = ["raven"]\n'
        + '[dependency-groups]\nprod = ["gunicorn"]\ndev = []\n'
    )
    inspection = inspect({"pyproject.toml": text, "uv.lock": '[[package]]\nname = "django"\n'})
    assert proposed(inspection)["site_requirements_groups"] == ["prod"]
    assert proposed(inspection)["site_requirements_extras"] == ["production"]
    assert of(inspection, "note") == [
        "Packages come from uv.lock, without group dev, extra s3: site_requirements_groups and "
        "site_requirements_extras "
        "add some"
    ]
    only_groups = inspect({"pyproject.toml": '[dependency-groups]\nmain = ["Django>=5"]\n', "requirements.txt": None})
    assert proposed(only_groups)["site_requirements_groups"] == ["main"]


@pytest.mark.parametrize(
    ("files", "wanted", "certainty"),
    [
        ({"pyproject.toml": PYPROJECT}, ">=3.12", "certain"),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.11"\n'}, ">=3.11,<4", "certain"),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "~3.11.2"\n'}, "==3.11.*", "certain"),
        ({"Pipfile": '[requires]\npython_version = "3.11"\n'}, "==3.11.*", "certain"),
        ({"setup.py": "setup(python_requires='>=3.9')\n"}, ">=3.9", "certain"),
        ({"runtime.txt": "python-3.11.4\n"}, "==3.11.*", "guess"),
        ({".python-version": "3.12\n"}, "==3.12.*", "guess"),
        ({"README.md": "# Shop\n* Python 3.12+\n", "Dockerfile": "FROM python:3.14\n"}, ">=3.12", "guess"),
        ({"README.rst": "It needs Python 3.11 or later.\n"}, ">=3.11", "guess"),
        ({"Dockerfile": "FROM docker.io/library/python:3.13-slim\n"}, "==3.13.*", "guess"),
    ],
)
def test_python(files: dict[str, str], wanted: str, certainty: str) -> None:
    found = python_requirement(Tree.of(files), "")
    assert found is not None
    assert (found[0], found[2]) == (wanted, certainty)


@pytest.mark.parametrize(
    ("wanted", "version", "answer"),
    [
        (">=3.12", "3.11.2", False),
        (">=3.9,<3.13", "3.12.1", True),
        ("==3.11.*", "3.11.9", True),
        ("odd", "3.11.9", True),
    ],
)
def test_versions(wanted: str, version: str, answer: bool) -> None:
    assert allows(wanted, version) is answer


def test_categories_of_pipenv() -> None:
    lock = '{"_meta": {}, "default": {"django": {}}, "develop": {}, "docs": {}, "prod-packages": {"psycopg": {}}}'
    tree = Tree.of({"Pipfile.lock": lock, "Pipfile": ""})
    found = [(one.variable, one.value, str(one)) for one in list_findings(tree, "", find_lists(tree, ""))]
    assert found == [
        ("site_requirements_groups", ["prod-packages"], "categories that are named after production (Pipfile)"),
        (
            "",
            None,
            "Packages come from Pipfile.lock, without category docs: site_requirements_groups and "
            "site_requirements_extras add some",
        ),
    ]
