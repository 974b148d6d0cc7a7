"""What a source needs, compared with the Python and the packages of hosts."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.hosts import host_findings, wanted_packages
from inspected import inspect

NEEDS_312 = {"pyproject.toml": '[project]\nname = "shop"\nrequires-python = ">=3.12"\ndependencies = ["django"]\n'}


def facts(**more: Any) -> dict[str, Any]:
    return {
        "distribution": "Debian 12",
        "path": "/usr/bin/python3",
        "python": "3.11.2",
        "pythons": {},
        "absent": [],
        **more,
    }


def found(files: dict[str, Any], hosts: dict[str, Any]) -> list[tuple[str, Any, str, str]]:
    return [(one.variable, one.value, str(one), one.certainty) for one in host_findings(inspect(files), hosts)]


def test_without_hosts() -> None:
    assert found({}, {}) == []
    assert found(NEEDS_312, {}) == [
        (
            "site_python",
            "",
            "the project needs Python >=3.12, which Debian 12 (3.11), Ubuntu 22.04 (3.10) cannot give: with "
            "-i, the host is compared (pyproject.toml, line 3)",
            "question",
        ),
    ]
    files = {"pyproject.toml": NEEDS_312["pyproject.toml"].replace("3.12", "3.14")}
    ((_variable, _value, text, _certainty),) = found(files, {})
    assert "no supported distribution has that" in text


def test_a_python_that_is_only_guessed() -> None:
    files = {"Dockerfile": "FROM python:3.12-slim\n"}
    seems = "The project seems to run with Python ==3.12.* (Dockerfile, line 1)"
    assert found(files, {}) == [
        ("", None, f"{seems}: Debian 12, Debian 13, Ubuntu 22.04 have another one", "note"),
    ]
    assert found(files, {"web1": facts()}) == [
        (
            "",
            None,
            f"{seems}, and /usr/bin/python3 of web1 is 3.11.2: if that is too old, set site_python",
            "note",
        )
    ]
    ((variable, value, _text, certainty),) = found(files, {"web1": facts(pythons={"/usr/bin/python3.12": "3.12.4"})})
    assert (variable, value, certainty) == ("site_python", "/usr/bin/python3.12", "guess")


def test_a_python_that_fits() -> None:
    assert found(NEEDS_312, {"web1": facts(python="3.13.5")}) == []


def test_another_python_of_the_host() -> None:
    pythons = {"/usr/bin/python3.9": "3.9.1", "/usr/bin/python3.12": "3.12.4", "/opt/python/x/bin/python3.13": "3.13.0"}
    assert found(NEEDS_312, {"web1": facts(pythons=pythons)}) == [
        (
            "site_python",
            "/opt/python/x/bin/python3.13",
            "the project needs Python >=3.12, and /usr/bin/python3 of web1 is 3.11.2 (pyproject.toml, line 3)",
            "certain",
        ),
    ]


def test_no_python_that_fits() -> None:
    ((variable, value, text, certainty),) = found(NEEDS_312, {"web1": facts()})
    assert (variable, value, certainty) == ("site_python", "", "question")
    assert text.startswith(
        "the project needs Python >=3.12, and /usr/bin/python3 of web1 is 3.11.2, and it has no other."
    )
    assert "UV_PYTHON_INSTALL_DIR=/opt/python uv python install 3.14; then set site_python" in text


def test_a_host_that_was_not_reached() -> None:
    assert found({}, {"web1": {}}) == [
        ("", None, "web1 was not reached, so nothing was compared with it", "note"),
    ]


def test_no_such_python() -> None:
    assert found({}, {"web1": facts(python=None, path="/opt/python3")}) == [
        ("site_python", "", "web1 has no /opt/python3; set site_python to a Python that it has", "question")
    ]


def test_a_project_that_does_not_say() -> None:
    assert found({}, {"web1": facts()}) == [
        ("", None, "The project does not say which Python it needs; web1 has 3.11.2", "note")
    ]


@pytest.mark.parametrize("absent", [["libpq5"], ["libx"]])
def test_packages_that_apt_does_not_know(absent: list[str]) -> None:
    files = {**NEEDS_312, "requirements.txt": "django\npsycopg\n", "pyproject.toml": ""}
    inspection = inspect(files)
    assert wanted_packages(inspection) == ["libpq5"]
    texts = [text for _variable, _value, text, _certainty in found(files, {"web1": facts(absent=absent)})]
    expected = "apt of web1 (Debian 12) does not know libpq5: correct site_system_packages"
    assert (expected in texts) is (absent == ["libpq5"])
