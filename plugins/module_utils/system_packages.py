# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages of Debian and Ubuntu a project's Python packages need, to be built or to run.

The host asks when a build has failed, and the control node before one: docs/projects-lists.md shows the same table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["COMPILER", "LIBRARIES", "NEEDS", "Need", "needs_of", "packages_for", "packages_to_build"]

COMPILER = ("build-essential", "python3-dev")
"""What everything is built with that has no wheel for the host's Python."""
_PANGO = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0")


@dataclass(frozen=True)
class Need:
    """What one Python package needs.

    C(build) are the packages that it is built with, beside a compiler; C(run) are those that it loads or calls.
    C(always_built) tells that PyPI has no wheel of it for Linux, so that every host builds it. C(instead) is a Python
    package that does the same without being built.
    """

    build: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    always_built: bool = False
    instead: str = ""


def _source(*build: str, instead: str = "") -> Need:
    return Need(build=build, always_built=True, instead=instead)


NEEDS: dict[str, Need] = {
    # Databases and caches
    "mysqlclient": _source("default-libmysqlclient-dev", "pkg-config"),
    "psycopg": Need(run=("libpq5",), instead="psycopg[binary]"),
    "psycopg-c": _source("libpq-dev", instead="psycopg[binary]"),
    "psycopg2": _source("libpq-dev", instead="psycopg2-binary"),
    "pylibmc": Need(build=("libmemcached-dev", "zlib1g-dev")),
    "pyodbc": Need(build=("unixodbc-dev",), run=("unixodbc",)),
    # Maps
    "django.contrib.gis": Need(run=("gdal-bin",)),
    "gdal": _source("libgdal-dev"),
    # Logins and signatures
    "gssapi": _source("libkrb5-dev"),
    "kerberos": _source("libkrb5-dev"),
    "m2crypto": _source("libssl-dev", "swig"),
    "python-ldap": _source("libldap-dev", "libsasl2-dev"),
    "xmlsec": Need(build=("libxmlsec1-dev", "pkg-config")),
    # Pictures and documents
    "cairocffi": Need(run=("libcairo2",)),
    "cairosvg": Need(run=("libcairo2",)),
    "pdf2image": Need(run=("poppler-utils",)),
    "pillow": Need(build=("libjpeg-dev", "zlib1g-dev")),
    "pycairo": _source("libcairo2-dev", "pkg-config"),
    "pygraphviz": Need(build=("graphviz", "libgraphviz-dev", "pkg-config"), run=("graphviz",)),
    "pytesseract": Need(run=("tesseract-ocr",)),
    "pyvips": Need(run=("libvips42",)),
    "pyzbar": Need(run=("libzbar0",)),
    "rlpycairo": _source("libcairo2-dev", "pkg-config"),
    "wand": Need(run=("libmagickwand-6.q16-6",)),
    "weasyprint": Need(run=_PANGO),
    # The rest
    "cffi": Need(build=("libffi-dev",)),
    "lxml": Need(build=("libxml2-dev", "libxslt1-dev")),
    "netifaces": _source(),
    "pycurl": Need(build=("libcurl4-openssl-dev", "libssl-dev")),
    "pygobject": _source("libcairo2-dev", "libgirepository1.0-dev", "pkg-config"),
    "python-magic": Need(run=("libmagic1",)),
    "uwsgi": _source(instead="pyuwsgi"),
}
"""By the canonical names of Python packages; django.contrib.gis is an application of Django."""

LIBRARIES = {
    "libcairo": ("libcairo2",),
    "libgdal": ("gdal-bin",),
    "libgobject": _PANGO,
    "libmagic": ("libmagic1",),
    "libMagickWand": ("libmagickwand-6.q16-6",),
    "libmariadb": ("libmariadb3",),
    "libmysqlclient": ("libmariadb3",),
    "libodbc": ("unixodbc",),
    "libpango": _PANGO,
    "libpq": ("libpq5",),
    "libvips": ("libvips42",),
    "libxmlsec1": ("libxmlsec1-openssl",),
    "libzbar": ("libzbar0",),
}
"""The packages that have a shared library, by the beginning of its name."""


def needs_of(requirement: str) -> tuple[str, Need] | None:
    """Return the canonical name of the package that a requirement names, and what it needs; None if that is nothing.

    What brings its libraries along needs nothing: C(psycopg[binary]); C(psycopg[c]) is built.
    """
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?", requirement)
    if not match:
        return None
    dotted = match[1] if match[1] in NEEDS else re.sub(r"[-_.]+", "-", match[1]).lower()
    extras = {extra.strip().lower() for extra in (match[2] or "").split(",")}
    if dotted == "psycopg" and "binary" in extras:
        return None
    if dotted == "psycopg" and "c" in extras:
        dotted = "psycopg-c"
    need = NEEDS.get(dotted)
    return (dotted, need) if need else None


def packages_for(requirements: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return what to install on a host before these requirements, by the canonical names of those that need something.

    A package that PyPI has wheels of is expected to come as a wheel. If both psycopg and psycopg-binary are listed, as
    in a lock, the second brings the library of the first.
    """
    requirements = list(requirements)
    found = dict(need for need in map(needs_of, requirements) if need)
    names = {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", one.strip())[0]).lower() for one in requirements}
    if names & {"psycopg-binary", "psycopg-c"}:
        found.pop("psycopg", None)
    packages: dict[str, tuple[str, ...]] = {}
    for name, need in found.items():
        built = (*COMPILER, *need.build) if need.always_built else ()
        if built or need.run:
            packages[name] = tuple(sorted({*built, *need.run}))
    return packages


def packages_to_build(names: Iterable[str]) -> list[str]:
    """Return everything that building these Python packages needs; empty if none of them is known."""
    known = [NEEDS[name] for name in names if name in NEEDS]
    return sorted({*COMPILER, *(package for need in known for package in need.build)}) if known else []
