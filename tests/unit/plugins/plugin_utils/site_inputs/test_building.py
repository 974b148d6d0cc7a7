"""What a user may set for steps, files, directories and placeholders: each slip is named, with its cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.building import check_templates
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.relations import check_relations

NOTHING: dict[str, Any] = {
    "site_build": [],
    "site_files": {},
    "site_directories": [],
    "site_project_directory": "",
    "site_shared_paths": [],
    "site_settings": {},
    "site_secret_settings": {},
    "site_environment": {},
    "site_secrets": {},
}


def complaints(**values: Any) -> list[str]:
    """Check these values beside those of a site that sets none."""
    return [str(complaint) for complaint in check_relations({**NOTHING, **values})]


@pytest.mark.parametrize(
    "values",
    [
        {"site_build": ["npm", "compilemessages", "compress", "sass", "make", "make css", "npm ci && npm run prod"]},
        {"site_build": ["a\nb\n", {"command": "true", "network": True, "timeout": 60, "memory": "2G"}]},
        {"site_build": [{"preset": "npm", "directory": "../frontend"}], "site_project_directory": "web"},
        {"site_build": [{"command": "true", "environment": {"NODE_ENV": "production"}, "memory": "100%"}]},
        {
            "site_files": {
                "shop/local.py": "",
                ".env": {"content": "A=1", "secret": True},
                "a.ini": {"template": "a.j2"},
            }
        },
        {"site_files": {"shop/manage.py": "", "data2/x": ""}, "site_shared_paths": ["data/"]},
        {"site_directories": ["data", "data/in/", "@state@/in", "@project@/logs"]},
        {
            "site_settings": {"MEDIA_ROOT": "@state@/media", "DIRS": ["@release@/app", {"a": "@project@/a"}], "N": 1},
            "site_environment": {"MAIL": "a@example@b.example", "DATABASE_URL": "postgres://u:p@x@db/shop"},
            "site_secrets": {"PASSWORD": "x@abc@def"},
            "site_files": {"a.conf": "@media@ is an at-rule here\n/@scope@/\n"},
        },
    ],
)
def test_nothing_wrong(values: dict[str, Any]) -> None:
    assert complaints(**values) == []


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (
            ["compilemessage"],
            'site_build[0]: there is no preset "compilemessage"; did you mean compilemessages? For a '
            "command, write {command: compilemessage}",
        ),
        (["npm", "nmp"], 'site_build[1]: there is no preset "nmp"; did you mean npm?'),
        (
            [{"preset": "webpack"}],
            'site_build[0].preset: there is no preset "webpack"; the presets are npm, '
            "compilemessages, compress and sass",
        ),
        ([{"preset": "sas"}], "did you mean sass?"),
        (
            [{"preset": "npm", "directroy": "a"}],
            'site_build[0]: "directroy" is not one of its keys; did you mean directory?',
        ),
        ([{"preset": "npm", "shell": "a"}], "they are command, preset, directory,"),
        ([{"preset": "npm", "command": "a"}], "site_build[0]: has both a command and a preset"),
        ([{"directory": "a"}], "site_build[0]: has neither a command nor a preset"),
        ([{"command": ["npm", "ci"]}], 'site_build[0].command: ["npm", "ci"] is not text'),
        ([""], "is neither a preset nor a command"),
        ([5], "site_build[0]: 5 is neither a preset nor a command"),
        ([["npm"]], 'site_build[0]: ["npm"] is neither a preset nor a command'),
        ([{"preset": "npm", "directory": "../x"}], 'site_build[0].directory: "../x" leads out of the source'),
        ([{"preset": "npm", "directory": "/srv/x"}], '"/srv/x" is not a directory in the source'),
        ([{"preset": "npm", "directory": 5}], "5 is not a directory in the source"),
        ([{"command": "a", "network": "yes"}], 'site_build[0].network: "yes" is neither true nor false'),
        ([{"command": "a", "environment": ["A"]}], 'site_build[0].environment: ["A"] is not a mapping'),
        ([{"command": "a", "environment": {"A-B": 1}}], "is not the name of an environment variable"),
        ([{"command": "a", "timeout": "10m"}], 'site_build[0].timeout: "10m" is not 1 to 86400 seconds'),
        ([{"command": "a", "timeout": 0}], "0 is not 1 to 86400 seconds"),
        ([{"command": "a", "memory": "lots"}], 'site_build[0].memory: "lots" is not a size'),
    ],
)
def test_steps(build: list[Any], expected: str) -> None:
    found = complaints(site_build=build)
    assert len(found) == 1
    assert expected in found[0]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/etc/passwd", "is not a path in the project's directory"),
        ("", "is not a path in the project's directory"),
        ("data/", "is not a path in the project's directory"),
        ("a\nb", "is not a path in the project's directory"),
        (5, "is not a path in the project's directory"),
        ("../local.py", "leads out of the project's directory"),
        ("a/../../b", "leads out of the project's directory"),
        (".git/config", "is in the directory of git"),
        ("sub/.git/hooks/x", "is in the directory of git"),
        ("manage.py", "is the project's own program"),
        ("./manage.py", "is the project's own program"),
        ("kept/x.py", 'is in "kept/" of site_shared_paths'),
    ],
)
def test_paths_of_files(path: Any, problem: str) -> None:
    found = complaints(site_files={path: "x"}, site_shared_paths=["kept/"])
    assert len(found) == 1
    assert found[0].startswith("site_files: ")
    assert problem in found[0]


def test_a_file_below_a_file() -> None:
    assert complaints(site_files={"a": "x", "a/b": "y"}) == [
        'site_files: "a/b" is below "a", which is a file; rename one of the two'
    ]


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (5, "is neither text nor a mapping"),
        (["correct horse"], "is neither text nor a mapping"),
        (None, "is neither text nor a mapping"),
        ({"content": 5}, ".content: the value (not shown) is not text"),
        ({"content": "correct horse", "template": "a.j2"}, "has both content and template"),
        ({"secret": True}, "has neither content nor template"),
        ({"content": "correct horse", "secret": "yes"}, '.secret: "yes" is neither true nor false'),
        ({"content": "correct horse", "mode": "0600"}, '"mode" is not one of its keys; they are content, template'),
        ({"content": "correct horse", "secrt": True}, "did you mean secret?"),
        ({"template": ""}, '.template: "" is not the path of a template'),
        ({"template": ["a"]}, "is not the path of a template"),
    ],
)
def test_contents_of_files(file: Any, problem: str) -> None:
    """None is ever shown: it may hold a secret."""
    found = complaints(site_files={"local.py": file})
    assert len(found) == 1
    assert found[0].startswith('site_files["local.py"]')
    assert problem in found[0]
    assert "correct horse" not in found[0]


def test_a_template_that_is_missing(tmp_path: Path) -> None:
    """The message says where it is looked for."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/a.j2").touch()
    files = {"a": {"template": "a.j2"}, "b": {"template": "b.j2"}, "c": "text", "d": {"template": 5}}
    places = [tmp_path / "templates", tmp_path]
    assert [str(one) for one in check_templates({"site_files": files}, places)] == [
        f'site_files["b"].template: there is no file "b.j2"; put it into {tmp_path}, or into templates there'
    ]


@pytest.mark.parametrize(
    ("directory", "problem"),
    [
        ("/var/lib/shop/x", "is neither in the project nor in the state directory"),
        ("@release@/x", "is neither in the project nor in the state directory"),
        ("../x", "leads out of its place"),
        ("@state@/../x", "leads out of its place"),
        ("", "is not the path of a directory"),
        (".", "is not the path of a directory"),
        ("@state@/", "is not the path of a directory"),
    ],
)
def test_directories(directory: str, problem: str) -> None:
    found = complaints(site_directories=[directory])
    assert len(found) == 1
    assert found[0].startswith(f'site_directories: "{directory}" {problem}')


@pytest.mark.parametrize(
    "variable", ["site_settings", "site_secret_settings", "site_environment", "site_secrets", "site_files"]
)
def test_a_placeholder_that_is_misspelt(variable: str) -> None:
    """Wherever it is; the value itself may be a secret."""
    assert complaints(**{variable: {"NAME": "correct horse @stat@/media"}}) == [
        f'{variable}: "NAME": there is no placeholder @stat@; did you mean @state@?'
    ]


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        ("@home@/media", "the placeholders are @release@, @project@ and @state@"),
        ("@STATE@/media", "did you mean @state@?"),
        (["a", {"b": "@relase@/x"}], "did you mean @release@?"),
    ],
)
def test_what_begins_a_path(value: Any, cure: str) -> None:
    """It can only be meant as a placeholder."""
    found = complaints(site_settings={"A": value})
    assert len(found) == 1
    assert found[0].endswith(cure)


def test_a_placeholder_of_directories() -> None:
    assert complaints(site_directories=["@stat@/x"]) == [
        "site_directories: there is no placeholder @stat@; did you mean @state@?"
    ]


def test_everything_at_once() -> None:
    found = complaints(
        site_build=["nmp", {"preset": "x", "directory": "../y"}],
        site_files={"../a": 5},
        site_directories=["/x"],
        site_settings={"A": "@stat@"},
    )
    assert len(found) == 7
