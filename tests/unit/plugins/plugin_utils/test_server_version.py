"""Which version of the application server is installed, given the inventory and the project's lists."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.server_version import (
    Listed,
    Server,
    ServerVersion,
    UnsupportedVersionError,
    choose_version,
    listed_in,
    listed_in_inventory,
)

LIST = "requirements.txt, line 3"


def server(wanted: str = "") -> Server:
    """Describe a server like gunicorn."""
    return Server("gunicorn", "gunicorn_version", wanted, "27.0.1", "24.1.0", "they lose requests")


@pytest.mark.parametrize("asked", [None, "", ">=20", "~=27.0", "==27.*", "!=24.0"])
def test_the_tested_version(asked: str | None) -> None:
    """If the project has no pin, or one that allows it, there is nothing to explain."""
    listed = [] if asked is None else [Listed(asked, LIST)]
    assert choose_version(server(), listed) == ServerVersion("gunicorn==27.0.1", "27.0.1", "")


@pytest.mark.parametrize(("asked", "version"), [("==24.1.0", "24.1.0"), ("===25.3.0", "25.3.0"), ("==28.0", "28.0")])
def test_a_pin_that_is_supported(asked: str, version: str) -> None:
    """It wins, and its place is named; a newer one than the tested is the project's choice."""
    assert choose_version(server(), [Listed(asked, LIST)]) == ServerVersion(
        f"gunicorn=={version}", version, f"Server: gunicorn {version}, pinned in {LIST}"
    )


@pytest.mark.parametrize("asked", ["<26", "~=25.1", "==24.1.*", ">=22,<25"])
def test_a_range_without_the_tested_version(asked: str) -> None:
    """The installer chooses from what both allow."""
    assert choose_version(server(), [Listed(asked, LIST)]) == ServerVersion(
        f"gunicorn{asked},>=24.1.0", "", f"Server: gunicorn{asked}, as {LIST} requires"
    )


@pytest.mark.parametrize("asked", ["==23.0.0", "==20.1.0", "<24", "~=20.1", "==24.0.*", "==a.b"])
def test_a_pin_that_is_not_supported(asked: str) -> None:
    """The sentence has the line, the reason, the variable and its value."""
    with pytest.raises(UnsupportedVersionError) as error:
        choose_version(server(), [Listed(asked, LIST)])
    assert str(error.value) == (
        f"gunicorn_version: {LIST} asks for gunicorn{asked}, and versions before 24.1.0 are not supported: they lose "
        "requests. Set gunicorn_version: 27.0.1, which is then installed instead, or change that line"
    )


@pytest.mark.parametrize(
    ("wanted", "asked", "explanation"),
    [
        ("26.0.0", "==26.0.0", ""),
        ("26.0.0", ">=20", ""),
        ("26.0.0", "", ""),
        (
            "27.0.1",
            "==23.0.0",
            f"Server: gunicorn 27.0.1, set by gunicorn_version, instead of gunicorn==23.0.0 in {LIST}",
        ),
    ],
)
def test_the_version_of_the_inventory(wanted: str, asked: str, explanation: str) -> None:
    """It wins over the project's list, and what it replaces is named."""
    assert choose_version(server(wanted), [Listed(asked, LIST)]) == ServerVersion(
        f"gunicorn=={wanted}", wanted, explanation
    )


def test_two_versions_in_the_inventory() -> None:
    """Neither may win without a word."""
    with pytest.raises(UnsupportedVersionError) as error:
        choose_version(server("27.0.1"), listed_in_inventory(["gunicorn==26.0.0"], "gunicorn"))
    assert str(error.value) == (
        "gunicorn_version is '27.0.1', and site_python_packages has 'gunicorn==26.0.0'; remove one of the two"
    )


def test_a_version_that_is_none() -> None:
    """The pattern of the role lets it pass."""
    with pytest.raises(
        UnsupportedVersionError, match=r"gunicorn_version: '27\.x' is not a version; write it as in 27\.0\.1"
    ):
        choose_version(server("27.x"), [])


# What lists say


def found(files: dict[str, str], path: str = "requirements.txt", package: str = "gunicorn") -> list[tuple[str, str]]:
    """Look the package up in a list among the files."""
    listed = listed_in(lambda name: files.get(str(name)), PurePosixPath(path), package)
    return [(one.specifier, one.place) for one in listed]


@pytest.mark.parametrize(
    ("text", "specifier"),
    [
        ("gunicorn==26.0.0", "==26.0.0"),
        ("Gunicorn[gevent] == 26.0.0  # the server", "==26.0.0"),
        ("gunicorn", ""),
        ("gunicorn==26.0.0 --hash=sha256:abc", "==26.0.0"),
        ("gunicorn==26.0.0 \\\n    --hash=sha256:abc \\\n    --hash=sha256:def", "==26.0.0"),
        ("gunicorn==26.0.0; sys_platform != 'win32'", "==26.0.0"),
    ],
)
def test_a_line_of_a_list(text: str, specifier: str) -> None:
    """In all the ways in which it is written."""
    assert found({"requirements.txt": f"django\n{text}\nx\n"}) == [(specifier, "requirements.txt, line 2")]


@pytest.mark.parametrize(
    "text",
    ["gunicorn==20; sys_platform == 'win32'", "# gunicorn==20", "gunicorn-x==20", "--pre", "not a requirement", ""],
)
def test_a_line_that_does_not_count(text: str) -> None:
    """One of another package, for another platform, or none."""
    assert found({"requirements.txt": text}) == []


def test_lists_that_are_included() -> None:
    """Relative to the list that includes them, constraints too, and each once."""
    files = {
        "requirements/live.txt": "-r base.txt\n-c ../constraints.txt\n-r base.txt",
        "requirements/base.txt": "x\n\nGUNICORN>=20",
        "requirements/../constraints.txt": "gunicorn==26.0.0",
    }
    assert found(files, "requirements/live.txt") == [
        (">=20", "requirements/base.txt, line 3"),
        ("==26.0.0", "requirements/../constraints.txt, line 1"),
    ]


def test_a_lock() -> None:
    """It has exact versions."""
    lock = 'version = 1\n\n[[package]]\nname = "gunicorn"\nversion = "23.0.0"\nsource = { registry = "x" }\n'
    assert found({"uv.lock": lock}, "uv.lock") == [("==23.0.0", "uv.lock, line 4")]
    assert found({"uv.lock": lock}, "uv.lock", "uwsgi") == []


@pytest.mark.parametrize(
    ("text", "specifier"),
    [
        ('[project]\ndependencies = [\n  "gunicorn>=23,<24",\n]', ">=23,<24"),
        ('[tool.poetry.dependencies]\n\ngunicorn = "^23.0"', ">=23.0,<24"),
        ('[tool.poetry.dependencies]\n\ngunicorn = { version = "23.0.0", extras = ["gevent"] }', "==23.0.0"),
        ('[tool.poetry.dependencies]\n\ngunicorn = "*"', ""),
        ('[tool.poetry.dependencies]\n\ngunicorn = ">=23"', ">=23"),
        ('[tool.poetry.dependencies]\n\ngunicorn = "~26.1"', ">=26.1,<26.2"),
        ('[tool.poetry.dependencies]\n\ngunicorn = "~26"', ">=26,<27"),
        ('[tool.poetry.dependencies]\n\ngunicorn = "26.*"', "==26.*"),
        ('[tool.poetry.dependencies]\n\ngunicorn = "^25 || ^26.0.1, !=26.0.2"', ">=26.0.1,<27,!=26.0.2"),
        ('[tool.poetry.dependencies]\n\ngunicorn = ">=25 <27"', ">=25,<27"),
        (
            '[tool.poetry.dependencies]\n\ngunicorn = [{version = "^25", python = "<3.12"}, {version = "^26"}]',
            ">=26,<27",
        ),
    ],
)
def test_a_project_file(text: str, specifier: str) -> None:
    """Of the standard, or of Poetry."""
    [(asked, place)] = found({"pyproject.toml": text}, "pyproject.toml")
    assert (set(asked.split(",")), place) == (set(specifier.split(",")), "pyproject.toml, line 3")


@pytest.mark.parametrize("path", ["requirements.txt", "uv.lock", "pyproject.toml"])
@pytest.mark.parametrize("text", [None, "= [", "\0", "project = 1\npackage = 1", "project = {dependencies = [1]}"])
def test_a_list_that_cannot_be_read(path: str, text: str | None) -> None:
    """The installer reports what is wrong with it."""
    assert found({} if text is None else {path: text}, path) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("requirements.txt", "gunicorn @ git+https://user:password@example.com/gunicorn.git@main"),
        ("requirements.txt", "git+https://example.com/gunicorn.git@main#subdirectory=x&egg=gunicorn"),
        ("requirements.txt", "-e git+https://example.com/gunicorn.git#egg=Gunicorn"),
        ("pyproject.toml", '[tool.poetry.dependencies]\ngunicorn = {git = "https://example.com/gunicorn.git"}'),
        ("uv.lock", '[[package]]\nname = "gunicorn"\nsource = { git = "https://example.com/gunicorn.git" }'),
    ],
)
def test_a_server_of_the_project_s_own(path: str, text: str) -> None:
    """It stays, unless it is too old; its address may have a password in it."""
    listed = listed_in(lambda name: text if str(name) == path else None, PurePosixPath(path), "gunicorn")
    version = choose_version(server(), listed)
    assert (version.requirement, version.version) == ("gunicorn>=24.1.0", "")
    assert version.explanation.startswith(f"Server: gunicorn, as {path}")
    assert choose_version(server("26.0.0"), listed).requirement == "gunicorn==26.0.0"


def test_a_range_and_a_constraint() -> None:
    """The exact one counts, wherever it is."""
    listed = [Listed(">=20", LIST), Listed("==26.0.0", "constraints.txt, line 1")]
    assert choose_version(server(), listed).requirement == "gunicorn==26.0.0"
    assert choose_version(server(), [Listed(">=25", "site_python_packages"), *listed]).requirement == "gunicorn==27.0.1"


def test_uwsgi_is_known_by_any_spelling() -> None:
    """Its own documentation writes uWSGI."""
    assert found({"requirements.txt": "uWSGI==2.0.28"}, package="uwsgi") == [("==2.0.28", "requirements.txt, line 1")]
