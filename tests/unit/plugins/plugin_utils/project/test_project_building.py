"""Which steps of site_build are proposed, in which order; and which commands a release runs."""

from __future__ import annotations

from typing import Any

import pytest
from inspected import inspect, proposed, with_settings

BUILD = '{"private": true, "scripts": {"build": "vite build"}}'


@pytest.mark.parametrize(
    ("files", "steps"),
    [
        ({"package.json": BUILD, "package-lock.json": "{}"}, ["npm"]),
        (
            {"frontend/package.json": BUILD, "frontend/package-lock.json": "{}"},
            [{"preset": "npm", "directory": "frontend"}],
        ),
        ({"package.json": '{"scripts": {"lint": "eslint"}}'}, None),
        ({"package.json": BUILD, "shop/dist/app.js": ""}, None),  # It has been built into the source.
        ({"package.json": BUILD, "dist/app.js": ""}, None),
        ({"node_modules/x/package.json": BUILD}, None),
        ({"shop/static/vendor/bulma/package.json": BUILD}, None),
        (
            {"package.json": BUILD.replace('"private"', '"workspaces": ["a"], "private"'), "a/package.json": BUILD},
            ["npm"],
        ),
        ({"locale/de/LC_MESSAGES/django.po": ""}, ["compilemessages"]),
        ({"shop/locale/de/LC_MESSAGES/djangojs.po": ""}, ["compilemessages"]),
        ({"locale/de/LC_MESSAGES/django.po": "", "locale/de/LC_MESSAGES/django.mo": ""}, None),
    ],
)
def test_files(files: dict[str, Any], steps: list[Any] | None) -> None:
    assert proposed(inspect(files)).get("site_build") == steps


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("INSTALLED_APPS += ['sass_processor']\n", ["sass"]),
        ("INSTALLED_APPS += ['compressor']\nCOMPRESS_OFFLINE = True\n", ["compress"]),
        ("INSTALLED_APPS += ['compressor']\nCOMPRESS_ENABLED = False\n", None),
        ("INSTALLED_APPS += ['compressor']\n", ["compress"]),
        ("USE_I18N = False\n", None),
    ],
)
def test_settings(text: str, steps: list[Any] | None) -> None:
    files = {"locale/de/LC_MESSAGES/django.po": ""} if "I18N" in text else {}
    found = proposed(with_settings(text, **files))
    assert found.get("site_build") == steps
    if text.endswith("['compressor']\n"):
        assert found["site_settings"] == {"COMPRESS_OFFLINE": True, "COMPRESS_ENABLED": True}


def test_the_order() -> None:
    text = "INSTALLED_APPS += ['compressor', 'sass_processor']\nCOMPRESS_OFFLINE = True\n"
    files = {"locale/de/LC_MESSAGES/django.po": "", "package.json": BUILD, "package-lock.json": "{}"}
    assert proposed(with_settings(text, **files))["site_build"] == ["npm", "compilemessages", "sass", "compress"]


def test_a_manifest_that_nothing_makes() -> None:
    (question,) = with_settings("INSTALLED_APPS += ['webpack_loader']\n").questions
    assert question.reason == (
        "webpack_loader reads a manifest of built files, and the source has no package.json with a script named build: "
        "what builds them?"
    )


@pytest.mark.parametrize(
    ("files", "release", "first"),
    [
        (
            {"Procfile": "release: python manage.py migrate && python manage.py sync_roles --all\n"},
            ["sync_roles --all"],
            None,
        ),
        ({"Procfile": "web: python manage.py sync_roles && gunicorn shop\n"}, None, None),
        (
            {"docker/entrypoint.sh": "./manage.py migrate\npython manage.py loaddata shop/start.json\n"},
            None,
            ["loaddata shop/start.json"],
        ),
        (
            {"entrypoint.sh": "python manage.py update_index\n# ./manage.py loaddata x\n./manage.py odd_one\n"},
            ["update_index"],
            None,
        ),
    ],
)
def test_commands(files: dict[str, Any], release: list[str] | None, first: list[str] | None) -> None:
    found = proposed(inspect(files))
    assert (found.get("site_release_commands"), found.get("site_first_commands")) == (release, first)


def test_a_cache_in_the_database() -> None:
    text = "CACHES = {'default': {'BACKEND': 'django.core.cache.backends.db.DatabaseCache', 'LOCATION': 'cache'}}\n"
    assert proposed(with_settings(text))["site_release_commands"] == ["createcachetable"]


def test_an_account_for_the_admin() -> None:
    """It is for the user to decide; a site without the admin needs none."""
    (finding,) = [one for one in inspect({}).findings if one.commented]
    assert (finding.variable, finding.value) == ("site_first_commands", ["createsuperuser --noinput"])
    assert "site_first_commands" not in proposed(inspect({}))
    assert not [one for one in with_settings("INSTALLED_APPS = ['shop']\n").findings if one.commented]
