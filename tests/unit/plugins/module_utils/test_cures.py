"""What to set in the inventory, for what uv, pip, compilers and Django really write."""

from __future__ import annotations

import time

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.cures import install_cures, start_cures

# Excerpts of what uv 0.13, pip, compilers and build scripts write.
UNKNOWN_AUTHORITY_UV = """error: Failed to fetch: https://localhost:18446/simple/asgiref/
  cause: error sending request for url (https://localhost:18446/simple/asgiref/)
  cause: client error (Connect)
  cause: invalid peer certificate: UnknownIssuer"""
UNKNOWN_AUTHORITY_PIP = """WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) \
after connection broken by 'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify \
failed: self-signed certificate (_ssl.c:1006)'))': /simple/whitenoise/
ERROR: Could not find a version that satisfies the requirement whitenoise (from versions: none)
ERROR: No matching distribution found for whitenoise"""
UNKNOWN_AUTHORITY_GIT = """error: Failed to download and build `shop @ git+https://localhost:18443/shop.git`
  cause: Git operation failed
         fatal: unable to access 'https://localhost:18443/shop.git/': server certificate verification failed. CAfile: \
/etc/ssl/certs/ca-certificates.crt CRLfile: none"""
NO_GIT_UV = """error: Failed to download and build `shop @ git+https://127.0.0.1:9/shop.git`
  cause: Git operation failed
  cause: Git executable not found. Ensure that Git is installed and available."""
NO_GIT_PIP = """  ERROR: Error [Errno 2] No such file or directory: 'git' while executing command git version
ERROR: Cannot find command 'git' - do you have 'git' installed and in your PATH?"""
REFUSED_UV = """error: Request failed after 3 retries in 11.9s
  cause: Failed to fetch: https://127.0.0.1:9/simple/whitenoise/
  cause: tcp connect error
  cause: Connection refused (os error 111)"""
UNKNOWN_HOST_UV = """  cause: client error (Connect)
  cause: dns error
  cause: failed to lookup address information: Name or service not known"""
UNKNOWN_HOST_PIP = """WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after \
connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f78b9ecc9d0>: \
Failed to establish a new connection: [Errno -2] Name or service not known')': /simple/whitenoise/
ERROR: Could not find a version that satisfies the requirement whitenoise (from versions: none)
ERROR: No matching distribution found for whitenoise"""
REFUSED_GIT = (
    "fatal: unable to access 'https://127.0.0.1:9/shop.git/': Failed to connect to 127.0.0.1 port 9 after 0 ms: \
Couldn't connect to server"
)
NO_COMPILER = "         error: [Errno 2] No such file or directory: 'gcc'"
NO_COMPILER_BEFORE = "    error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory"
NO_COMPILER_UWSGI = "         Exception: you need a C compiler to build uWSGI"
NO_PYTHON_H = "      ext.c:1:10: fatal error: Python.h: No such file or directory"
NO_PG_CONFIG = (
    "         Error: pg_config executable not found.\n         pg_config is required to build psycopg2 from source."
)
NO_LIBPQ_H = "      ./psycopg/psycopg.h:35:10: fatal error: libpq-fe.h: No such file or directory"
NO_MYSQL = "         Exception: Can not find valid pkg-config name."
NO_JPEG = "The headers or library files could not be found for jpeg,\na required dependency when compiling Pillow"
NO_FFI = "         src/c/_cffi_backend.c:15:10: fatal error: ffi.h: No such file or directory"
OTHER_HEADER = "         ext.c:1:10: fatal error: gpgme.h: No such file or directory"
OTHER_PYTHON_UV = """error: No solution found when resolving dependencies
  cause: Because the current Python version (3.11.7) does not satisfy Python>=3.12 and django==6.0 depends on \
Python>=3.12, we can conclude that django==6.0 cannot be used."""
OTHER_PYTHON_PIP = """ERROR: Ignored the following versions that require a different python version: 6.0 Requires-Python
ERROR: Could not find a version that satisfies the requirement Django==6.0 (from versions: 1.1.3, 1.1.4)
ERROR: No matching distribution found for Django==6.0"""
OTHER_PYTHON_PROJECT = "ERROR: Package 'x' requires a different Python: 3.11.7 not in '>=3.14'"
OLD_PACKAGE = """error: Failed to build `markdown==2.6.9`
         ModuleNotFoundError: No module named 'imp'
hint: This error likely indicates that `markdown@2.6.9` depends on `imp`, but doesn't declare it"""
NO_SUCH_VERSION_UV = """error: No solution found when resolving dependencies
  cause: Because there is no version of whitenoise==99.99 and you require whitenoise==99.99, we can conclude that your \
requirements are unsatisfiable."""
NO_SUCH_VERSION_PIP = "ERROR: No matching distribution found for whitenoise==99.99"
NO_PROMETHEUS_UV = """error: No solution found when resolving dependencies
  cause: Because prometheus-client was not found in the package registry and you require \
prometheus-client>=0.17,<=0.26.0, we can conclude that your requirements are unsatisfiable."""
NO_PROMETHEUS_PIP = "ERROR: No matching distribution found for prometheus_client<=0.26.0,>=0.17"
CONFLICT_PIP = "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/topics/dependency-resolution/"

NO_LOGIN_UV = """hint: An index URL (https://pypi.example.com/simple/) could not be queried due to a lack of valid \
authentication credentials (401 Unauthorized)"""
NO_LOGIN_GIT = "fatal: could not read Username for 'https://git.example.com': terminal prompts disabled"
NO_KEY_GIT = "git@git.example.com: Permission denied (publickey).\nfatal: Could not read from remote repository."
NO_CURL = "         Could not run curl-config: [Errno 2] No such file or directory: 'curl-config'"
NO_GDAL = "         FileNotFoundError: [Errno 2] No such file or directory: 'gdal-config'"
NO_CAIRO = '../cairo/meson.build:31:12: ERROR: Dependency "cairo" not found, tried pkgconfig'
OLD_LOCK_POETRY = "pyproject.toml changed significantly since poetry.lock was last generated. Run `poetry lock` to fix."


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (NO_LOGIN_UV, "wants a login. Set site_package_logins"),
        (NO_LOGIN_GIT, "wants a login. Set site_package_logins"),
        (NO_KEY_GIT, "Set site_package_ssh_key to a private key that it accepts"),
        (NO_CURL, "Set site_system_packages: [build-essential, libcurl4-openssl-dev, libssl-dev, python3-dev]"),
        (NO_GDAL, "Set site_system_packages: [build-essential, libgdal-dev, python3-dev]"),
        (NO_CAIRO, "Set site_system_packages: [build-essential, libcairo2-dev, pkg-config, python3-dev]"),
        (OLD_LOCK_POETRY, "run poetry lock, and commit it"),
        (UNKNOWN_AUTHORITY_UV, "Set site_ca_bundle to a bundle on the host"),
        (UNKNOWN_AUTHORITY_PIP, "Set site_ca_bundle to a bundle on the host"),
        (UNKNOWN_AUTHORITY_GIT, "Set site_ca_bundle to a bundle on the host"),
        (NO_GIT_UV, "Set site_system_packages: [git]"),
        (NO_GIT_PIP, "Set site_system_packages: [git]"),
        (REFUSED_UV, "Set site_package_index to an index that it reaches, or https_proxy"),
        (UNKNOWN_HOST_UV, "Set site_package_index to an index that it reaches, or https_proxy"),
        (UNKNOWN_HOST_PIP, "Set site_package_index to an index that it reaches, or https_proxy"),
        (REFUSED_GIT, "Set site_package_index to an index that it reaches, or https_proxy"),
        (NO_COMPILER, "no compiler. Set site_system_packages: [build-essential, python3-dev]"),
        (NO_COMPILER_BEFORE, "no compiler. Set site_system_packages: [build-essential, python3-dev]"),
        (NO_COMPILER_UWSGI, "no compiler. Set site_system_packages: [build-essential, python3-dev]"),
        (NO_PYTHON_H, "headers of Python are missing. Set site_system_packages: [build-essential, python3-dev]"),
        (NO_PG_CONFIG, "Set site_system_packages: [build-essential, libpq-dev, python3-dev]"),
        (NO_LIBPQ_H, "Set site_system_packages: [build-essential, libpq-dev, python3-dev]"),
        (NO_MYSQL, "Set site_system_packages: [build-essential, default-libmysqlclient-dev, pkg-config, python3-dev]"),
        (NO_JPEG, "Set site_system_packages: [build-essential, libjpeg-dev, python3-dev, zlib1g-dev]"),
        (NO_FFI, "Set site_system_packages: [build-essential, libffi-dev, python3-dev]"),
        (OTHER_HEADER, "The header gpgme.h is missing. Add the package of the distribution that contains it to"),
        (OTHER_PYTHON_UV, "Set site_python to one that the host has"),
        (OTHER_PYTHON_PIP, "Set site_python to one that the host has"),
        (OTHER_PYTHON_PROJECT, "Set site_python to one that the host has"),
        (OLD_PACKAGE, "A package is older than the host's Python. Raise its version in the project's list"),
        (NO_SUCH_VERSION_UV, "The project's list, with site_python_packages, asks for versions that do not exist"),
        (NO_SUCH_VERSION_PIP, "The project's list, with site_python_packages, asks for versions that do not exist"),
        (NO_PROMETHEUS_UV, "Add it there, or set site_metrics: false"),
        (NO_PROMETHEUS_PIP, "Add it there, or set site_metrics: false"),
        (CONFLICT_PIP, "The project's list, with site_python_packages, asks for versions that do not exist"),
    ],
)
def test_a_failed_installation(output: str, words: str) -> None:
    """One cure, which names the variable: a resolver that has seen no index is not blamed on the list."""
    [cure] = install_cures(output)
    assert words in cure


OF_PSYCOPG2_UV = """error: Failed to build `psycopg2==2.9.5`
  cause: The build backend returned an error"""
OF_PILLOW_PIP = "ERROR: Failed building wheel for Pillow"


@pytest.mark.parametrize(
    ("output", "cures"),
    [
        (
            f"{OF_PSYCOPG2_UV}\n{NO_COMPILER}",
            [
                "psycopg2 is compiled on the host, which lacks what that needs. Set site_system_packages: "
                "[build-essential, libpq-dev, python3-dev]"
            ],
        ),
        (
            f"{OF_PILLOW_PIP}\n{NO_PYTHON_H}\n{NO_JPEG}",
            [
                "pillow is compiled on the host, which lacks what that needs. Set site_system_packages: "
                "[build-essential, libjpeg-dev, python3-dev, zlib1g-dev]"
            ],
        ),
    ],
)
def test_a_package_whose_needs_are_known(output: str, cures: list[str]) -> None:
    """All of them are named, whichever is missing first."""
    assert install_cures(output) == cures


def test_a_known_package_that_fails_for_another_reason() -> None:
    """Its needs are not to blame."""
    assert install_cures(f"{OF_PSYCOPG2_UV}\n{OTHER_PYTHON_UV}") == install_cures(OTHER_PYTHON_UV)


@pytest.mark.parametrize(
    ("output", "cure"),
    [
        ('FATAL:  database "wrong" does not exist', "sudo -u postgres createdb --owner shop wrong"),
        ('FATAL:  role "anna" does not exist', "sudo -u postgres createuser anna"),
        ("ModuleNotFoundError: No module named 'pkg_resources'", 'Set site_python_packages: ["setuptools<81"]'),
    ],
)
def test_what_a_start_lacks(output: str, cure: str) -> None:
    """The command, or the variable."""
    [found] = start_cures(output, "shop")
    assert cure in found


def test_several_causes() -> None:
    """Each has its cure."""
    assert len(install_cures(f"{NO_GIT_UV}\n{NO_COMPILER}")) == 2


@pytest.mark.parametrize("output", ["", "error: something else", "Successfully installed x", "KeyError: 'NAME'"])
def test_words_that_are_not_known(output: str) -> None:
    """Nothing is guessed."""
    assert install_cures(output) == []
    assert start_cures(output) == []


@pytest.mark.parametrize(
    ("output", "cure"),
    [
        (
            "ImportError: libpq.so.5: cannot open shared object file: No such file or directory\n"
            "django.core.exceptions.ImproperlyConfigured: Error loading psycopg2 or psycopg module",
            "The library libpq is missing. Set site_system_packages: [libpq5]",
        ),
        (
            "ImportError: no pq wrapper available.\n- couldn't import psycopg 'python' implementation: libpq library "
            "not found\ndjango.core.exceptions.ImproperlyConfigured: Error loading psycopg2 or psycopg module",
            "psycopg needs a library of PostgreSQL. Set site_system_packages: [libpq5]",
        ),
        (
            "ModuleNotFoundError: No module named 'psycopg2'\n"
            "django.core.exceptions.ImproperlyConfigured: Error loading psycopg2 or psycopg module",
            'No driver for PostgreSQL is installed. Set site_python_packages: ["psycopg[binary]"]',
        ),
        (
            "django.core.exceptions.ImproperlyConfigured: Error loading MySQLdb module.\nDid you install mysqlclient?",
            "No driver for MySQL is installed. Set site_python_packages: [mysqlclient] and site_system_packages: "
            "[build-essential, default-libmysqlclient-dev, pkg-config, python3-dev]",
        ),
        (
            "ImportError: libmariadb.so.3: cannot open shared object file: No such file or directory",
            "The library libmariadb is missing. Set site_system_packages: [libmariadb3]",
        ),
        (
            "ImportError: failed to find libmagic.  Check your installation",
            "A library is missing. Set site_system_packages: [libmagic1]",
        ),
        (
            "OSError: cannot load library 'libpango-1.0-0': libpango-1.0-0: cannot open shared object file",
            "The library libpango is missing. Set site_system_packages: [libpango-1.0-0, libpangoft2-1.0-0, "
            "libharfbuzz-subset0]",
        ),
        (
            "OSError: no library called \"cairo-2\" was found\ncannot load library 'libcairo.so.2': error",
            "The library libcairo is missing. Set site_system_packages: [libcairo2]",
        ),
        (
            "ImportError: libsodium.so.0: cannot open shared object file",
            "The library libsodium is missing. Add the package that contains it to site_system_packages",
        ),
        (
            'django.core.exceptions.ImproperlyConfigured: Could not find the GDAL library (tried "gdal")',
            "A library is missing. Set site_system_packages: [gdal-bin]",
        ),
        (
            "django.core.exceptions.ImproperlyConfigured: Set the DATABASE_URL environment variable",
            "The settings read the environment variable DATABASE_URL. Set it in site_environment, or in site_secrets "
            "if nobody may see it",
        ),
        (
            "decouple.UndefinedValueError: SECRET_KEY not found. Declare it as envvar or define a default value.",
            "The settings read the environment variable SECRET_KEY. Set it in site_environment, or in site_secrets "
            "if nobody may see it",
        ),
        (
            "  File \"<frozen os>\", line 679, in __getitem__\nKeyError: 'SECRET_KEY'",
            "The settings read the environment variable SECRET_KEY. Set it in site_environment, or in site_secrets "
            "if nobody may see it",
        ),
        (
            '  File "/usr/lib/python3.10/os.py", line 680, in __getitem__\n    raise KeyError(key) from None\n'
            "KeyError: 'SECRET_KEY'",
            "The settings read the environment variable SECRET_KEY. Set it in site_environment, or in site_secrets "
            "if nobody may see it",
        ),
        (
            "django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.",
            "Set site_secret_settings: {SECRET_KEY: ...}, or in site_secrets the environment variable that the project "
            "reads it from, to the output of python3 -c 'import secrets; print(secrets.token_urlsafe(50))'",
        ),
        (
            "PermissionError: [Errno 13] Permission denied: '/var/log/shop.log'\n\nThe above exception was the direct "
            "cause of the following exception:\n\nTraceback (most recent call last):\n"
            "ValueError: Unable to configure handler 'file'",
            "A handler of LOGGING cannot write /var/log/shop.log. Write to stderr (logging.StreamHandler), which the "
            "journal keeps, or to a file in the site's directory below /var/lib",
        ),
        (
            "ModuleNotFoundError: No module named 'environ'",
            "If environ is not part of the project, add the package that has it to the project's list or to "
            "site_python_packages",
        ),
    ],
)
def test_a_django_that_does_not_start(output: str, cure: str) -> None:
    """One cure, for the cause rather than for what follows from it."""
    assert start_cures(output) == [cure]


def test_a_word_without_an_end() -> None:
    """What a site writes is searched in seconds, whatever it is."""
    began = time.monotonic()
    assert start_cures("lib" * 100_000) == []
    assert time.monotonic() - began < 10
