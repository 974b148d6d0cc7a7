# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to set in the inventory, by the error messages of uv, pip, compilers and Django.

These programs know what is missing, but not where a user of this collection sets it.
"""

from __future__ import annotations

import re

from ansible_collections.pitcrew.django.plugins.module_utils.system_packages import (
    COMPILER,
    LIBRARIES,
    NEEDS,
    packages_to_build,
)

__all__ = ["install_cures", "start_cures"]


def _packages(reason: str, *names: str) -> str:
    return f"{reason}. Set site_system_packages: [{', '.join(names)}]"


def _build(reason: str, *names: str) -> str:
    """Name everything that a build needs, since compilers report one missing file at a time."""
    return _packages(reason, *sorted({*COMPILER, *names}))


UNTRUSTED = (
    "The host does not trust the certificate of the server that packages come from. Set site_ca_bundle to a bundle on "
    "the host that contains its authority, such as /etc/ssl/certs/ca-certificates.crt"
)
UNREACHABLE = (
    "The host cannot reach the server that packages come from. Set site_package_index to an index that it reaches, or "
    "https_proxy in its /etc/environment or in the play's environment"
)
INSTALL: tuple[tuple[str, str], ...] = (
    (r"invalid peer certificate|CERTIFICATE_VERIFY_FAILED|server certificate verification failed", UNTRUSTED),
    (
        r"Connection refused|dns error|Name or service not known|Temporary failure in name resolution|"
        r"Network is unreachable|No route to host|[Cc]onnection timed out|operation timed out|ReadTimeoutError|"
        r"Could not resolve host|Couldn't connect to server|ConnectTimeoutError",
        UNREACHABLE,
    ),
    (
        r"Git executable not found|Cannot find command 'git'|No such file or directory: 'git'",
        _packages("A requirement comes from a git repository, and the host has no git", "git"),
    ),
    (
        r"could not read Username for|Authentication failed for|HTTP Basic: Access denied|\b401 (?:Error|Unauthorized)",
        "The server that packages come from wants a login. Set site_package_logins: {HOST: {user: ..., password: ...}}",
    ),
    (
        r"Permission denied \(publickey|error in libcrypto",
        "The repository that a package comes from does not accept a key of the host. Set site_package_ssh_key to a "
        "private key that it accepts",
    ),
    (
        r"curl-config|curl/curl\.h: No such file",
        _build("The headers of libcurl are missing", "libcurl4-openssl-dev", "libssl-dev"),
    ),
    (
        r"gdal-config|gdal\.h: No such file",
        _build("The headers of GDAL are missing", "libgdal-dev"),
    ),
    (
        r"Dependency \"?cairo\"? not found|Dependency lookup for cairo|\bcairo\.h: No such file",
        _build("The headers of cairo are missing", "libcairo2-dev", "pkg-config"),
    ),
    (
        r"\bxmlsec1 is not installed|\bxmlsec/xmlsec\.h: No such file|Unable to invoke pkg-config",
        _build("The headers of xmlsec are missing", "libxmlsec1-dev", "pkg-config"),
    ),
    (
        r"pyproject\.toml changed significantly since poetry\.lock was last generated",
        "poetry.lock does not belong to its pyproject.toml any more: run poetry lock, and commit it",
    ),
    (
        r"This project requires Poetry|requires-poetry",
        "The project asks for another version of Poetry: set release_poetry_version, and release_poetry_export_version "
        "to one that goes with it",
    ),
    (
        r"No such file or directory: '[\w+-]*(?:cc|[gc]\+\+)'|command '[\w+-]*(?:cc|[gc]\+\+)' failed: No such file|"
        r"you need a C compiler",
        _build("A package is compiled on the host, which has no compiler"),
    ),
    (r"\bPython\.h: No such file", _build("The headers of Python are missing")),
    (
        r"libpq-fe\.h: No such file|pg_config executable not found|pg_config is required",
        _build("The headers of PostgreSQL are missing", "libpq-dev"),
    ),
    (
        r"Can not find valid pkg-config name|mysql\.h: No such file|mysql_config.{0,3} not found",
        _build("The headers of MySQL are missing", "default-libmysqlclient-dev", "pkg-config"),
    ),
    (r"\bffi\.h: No such file", _build("The headers of libffi are missing", "libffi-dev")),
    (
        r"could not be found for (?:jpeg|zlib)\b|\b(?:jpeglib|zlib)\.h: No such file",
        _build("The headers of image libraries are missing", "libjpeg-dev", "zlib1g-dev"),
    ),
    (
        r"libxml2 and libxslt development packages|\blibxml/\S+\.h: No such file|\blibxslt/\S+\.h: No such file",
        _build("The headers of XML libraries are missing", "libxml2-dev", "libxslt1-dev"),
    ),
    (
        r"\b(?:lber|ldap)\.h: No such file|\bsasl(?:/sasl)?\.h: No such file",
        _build("The headers of LDAP are missing", "libldap-dev", "libsasl2-dev"),
    ),
    (
        r"[Cc]an't find Rust compiler|requires Rust|cargo.{0,30}not installed|`cargo`.{0,20}not found",
        _build("A package is compiled from Rust, and the host has no Rust compiler", "cargo", "rustc"),
    ),
    (
        r"requires a different Python|does not satisfy Python|require a different python version",
        "A package needs another version of Python. Set site_python to one that the host has, such as "
        "/usr/bin/python3.12, or choose a version of the package that runs with the host's Python",
    ),
    (
        r"No module named '(?:distutils|imp|pkg_resources)'|has no attribute 'ImpImporter'|use_2to3 is invalid",
        "A package is older than the host's Python. Raise its version in the project's list, or set site_python to an "
        "older Python that the host has",
    ),
    (r"No space left on device", "The disk of the host is full. Make room on it"),
)
# Only if nothing above explains it: a resolver also fails when it has seen no package index.
OTHERWISE: tuple[tuple[str, str], ...] = (
    (
        r"fatal error: (\S+\.h): No such file",
        r"The header \1 is missing. Add the package of the distribution that contains it to site_system_packages, with "
        "build-essential and python3-dev",
    ),
    (
        r"you require prometheus-client>=0\.17,<=|No matching distribution found for prometheus_client<=",
        "The package index has no prometheus_client, with which the site counts requests. Add it there, or set "
        "site_metrics: false",
    ),
    (
        r"No solution found|ResolutionImpossible|No matching distribution found",
        "The project's list, with site_python_packages, asks for versions that do not exist or that exclude each other",
    ),
)
# As uv, and as pip names them.
FAILED_BUILD = r"(?:Failed to build `|Failed building wheel for |Failed to build installable wheels.*?\()([\w.-]+)"
# Of bounded length: what a site writes may have words without an end.
LIBRARY = r"(lib[A-Za-z]\w{0,60})[\w.+-]{0,60}: cannot open shared object file|cannot load library '(lib[A-Za-z]\w*)"
START: tuple[tuple[str, str], ...] = (
    (r"no pq wrapper available", _packages("psycopg needs a library of PostgreSQL", "libpq5")),
    (r"failed to find libmagic", _packages("A library is missing", "libmagic1")),
    (r"Could not find the GDAL library", _packages("A library is missing", "gdal-bin")),
    (
        r"Error loading psycopg2? (?:or psycopg )?module",
        'No driver for PostgreSQL is installed. Set site_python_packages: ["psycopg[binary]"]',
    ),
    (
        r"No module named 'pkg_resources'",
        'pkg_resources is no longer part of setuptools. Set site_python_packages: ["setuptools<81"], or raise the '
        "version of the package that imports it",
    ),
    (
        r'database "([^"]+)" does not exist',
        "Correct the name in the project's DATABASES or its DATABASE_URL, or create it on the database's host: "
        r"sudo -u postgres createdb --owner {user} \1",
    ),
    (
        r'role "([^"]+)" does not exist',
        r"Correct the user in the project's DATABASES or its DATABASE_URL, or create it on the database's host: "
        r"sudo -u postgres createuser \1",
    ),
    (
        r"Error loading MySQLdb module",
        "No driver for MySQL is installed. Set site_python_packages: [mysqlclient] and site_system_packages: "
        "[build-essential, default-libmysqlclient-dev, pkg-config, python3-dev]",
    ),
    (
        r"SECRET_KEY setting must not be empty",
        "Set site_secret_settings: {SECRET_KEY: ...}, or in site_secrets the environment variable that the project "
        "reads it from, to the output of python3 -c 'import secrets; print(secrets.token_urlsafe(50))'",
    ),
    # Of bounded length: between the two are the frames of a traceback.
    (
        r"^\w+Error: \[Errno \d+\] [\w -]+: '([^'\n]{1,300})'\n(?:.*\n){1,60}?"
        r"ValueError: Unable to configure handler",
        r"A handler of LOGGING cannot write \1. Write to stderr (logging.StreamHandler), which the journal keeps, or "
        "to a file in the site's directory below /var/lib",
    ),
    (
        r"Set the (\w+) environment variable|^\S*UndefinedValueError: (\w+) not found|"
        # Of os.environ, not of any other mapping.
        r"\bos(?:\.py|>)\", line \d+, in __getitem__\n(?: {4}.*\n)*KeyError: '(\w+)'",
        r"The settings read the environment variable \g<found>. Set it in site_environment, or in site_secrets if "
        "nobody may see it",
    ),
)
MODULE = (
    r"No module named '([\w.]+)'",
    r"If \1 is not part of the project, add the package that has it to the project's list or to site_python_packages",
)


def _matching(text: str, table: tuple[tuple[str, str], ...]) -> list[str]:
    cures = []
    for pattern, cure in table:
        match = re.search(pattern, text, re.MULTILINE)
        if match:
            found = next((group for group in match.groups() if group), "")
            cures.append(cure.replace(r"\1", found).replace(r"\g<found>", found))
    return cures


def install_cures(text: str) -> list[str]:
    """Return what to set in the inventory for what uv or pip has written; empty if nothing in it is known.

    What is missing first hides what is missing next: of a known package, everything that it needs is named.
    """
    names = {match[1].lower().replace("_", "-") for match in re.finditer(FAILED_BUILD, text)}
    needed = packages_to_build(names)
    cures = _matching(text, INSTALL) or _matching(text, OTHERWISE)[:1]
    if not needed or not any("site_system_packages" in cure for cure in cures):
        return cures
    known = " and ".join(sorted(name for name in names if name in NEEDS))
    others = [cure for cure in cures if "site_system_packages" not in cure]
    return [*others, _build(f"{known} is compiled on the host, which lacks what that needs", *needed)]


def start_cures(text: str, user: str = "") -> list[str]:
    """Return what to set for what Django has written when it could not start; the user is the site's."""
    for match in re.finditer(LIBRARY, text):
        library = match[1] or match[2]
        name = next((name for name in LIBRARIES if library.startswith(name)), None)
        if name:
            return [_packages(f"The library {library} is missing", *LIBRARIES[name])]
        return [f"The library {library} is missing. Add the package that contains it to site_system_packages"]
    cures = (_matching(text, START) or _matching(text, (MODULE,)))[:1]
    return [cure.replace("{user}", user) for cure in cures]
