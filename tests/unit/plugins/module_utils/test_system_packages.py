"""Which packages of the distribution Python packages need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.system_packages import (
    NEEDS,
    needs_of,
    packages_for,
    packages_to_build,
)

DOCS = Path(__file__).parents[4] / "docs"


@pytest.mark.parametrize(
    ("requirements", "packages"),
    [
        (["Django==5.2", "Pillow>=11", "lxml"], {}),
        (
            ["mysqlclient==2.2.7"],
            {"mysqlclient": ("build-essential", "default-libmysqlclient-dev", "pkg-config", "python3-dev")},
        ),
        (["psycopg>=3"], {"psycopg": ("libpq5",)}),
        (["psycopg[binary,pool]>=3"], {}),
        (["psycopg==3.2", "psycopg-binary==3.2"], {}),
        (["psycopg[c]"], {"psycopg-c": ("build-essential", "libpq-dev", "python3-dev")}),
        (["psycopg2-binary"], {}),
        (["Python_LDAP"], {"python-ldap": ("build-essential", "libldap-dev", "libsasl2-dev", "python3-dev")}),
        (["django.contrib.gis"], {"django.contrib.gis": ("gdal-bin",)}),
        (["python-magic ; sys_platform == 'linux'"], {"python-magic": ("libmagic1",)}),
        (["-e .", "# comment", ""], {}),
    ],
)
def test_before_an_installation(requirements: list[str], packages: dict[str, tuple[str, ...]]) -> None:
    """What comes as a wheel needs only what it loads; what has none needs a compiler."""
    assert packages_for(requirements) == packages


def test_after_a_build_that_failed() -> None:
    """Everything that the packages are built with, even if there are wheels for another Python."""
    assert packages_to_build(["pillow", "cffi"]) == [
        *("build-essential", "libffi-dev", "libjpeg-dev", "python3-dev", "zlib1g-dev")
    ]
    assert packages_to_build(["nothing-known"]) == []


@pytest.mark.parametrize("name", NEEDS)
def test_a_row_of_the_table(name: str) -> None:
    """It is found by its own name, and has names that apt knows by their form."""
    found = needs_of(name)
    assert found == (name, NEEDS[name])
    assert NEEDS[name].build or NEEDS[name].run or NEEDS[name].always_built
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", one) for one in (*NEEDS[name].build, *NEEDS[name].run))


@pytest.mark.parametrize("name", NEEDS)
def test_the_table_is_documented(name: str) -> None:
    """The page shows the same names and packages."""
    text = "\n".join(path.read_text() for path in sorted(DOCS.glob("projects*.md")))
    row = next((line for line in text.splitlines() if line.startswith(f"| `{name}` |")), "")
    assert all(f"`{one}`" in row for one in (*NEEDS[name].build, *NEEDS[name].run))
    assert row
