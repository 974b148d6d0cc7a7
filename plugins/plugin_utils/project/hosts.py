# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source needs, compared with what hosts have: their Python, and the packages of their distribution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .findings import GUESS, NOTE, QUESTION, Finding
from .inspection import Inspection
from .lists import allows

__all__ = ["host_findings", "wanted_packages"]

DISTRIBUTIONS: Final[Mapping[str, str]] = {
    "Debian 12": "3.11",
    "Debian 13": "3.13",
    "Ubuntu 22.04": "3.10",
    "Ubuntu 24.04": "3.12",
}
"""The Python of each distribution that the collection supports."""


def wanted_packages(inspection: Inspection) -> list[str]:
    """Return the distribution's packages that are proposed."""
    found = [name for one in inspection.proposed if one.variable == "site_system_packages" for name in one.value]
    return list(dict.fromkeys(found))


def host_findings(inspection: Inspection, hosts: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Compare with the facts of each host; without hosts, with the distributions that the collection supports."""
    wanted = inspection.python
    if not hosts and inspection.python_certainty == GUESS:
        lacking = [name for name, python in DISTRIBUTIONS.items() if not _allows(wanted, python)]
        if lacking:
            yield Finding("", None, f"{_seems(inspection)}: {', '.join(lacking)} have another one", None, NOTE)
        return
    if not hosts:
        lacking = [f"{name} ({python})" for name, python in DISTRIBUTIONS.items() if not _allows(wanted, python)]
        if lacking and len(lacking) == len(DISTRIBUTIONS):
            yield _no_python(inspection, "no supported distribution has that")
        elif lacking:
            shown = ", ".join(lacking)
            text = f"the project needs Python {wanted}, which {shown} cannot give: with -i, the host is compared"
            yield Finding("site_python", "", text, inspection.python_place, QUESTION)
        return
    for host, facts in hosts.items():
        if not facts:
            yield Finding("", None, f"{host} was not reached, so nothing was compared with it", None, NOTE)
            continue
        yield from _python(inspection, host, facts)
        absent = [name for name in wanted_packages(inspection) if name in (facts.get("absent") or [])]
        if absent:
            shown = ", ".join(absent)
            text = f"apt of {host} ({facts.get('distribution')}) does not know {shown}: correct site_system_packages"
            yield Finding("site_system_packages", "", text, None, QUESTION)


def _allows(wanted: str, minor: str) -> bool:
    """Whether some release of a minor version is among those that are wanted."""
    return not wanted or any(allows(wanted, f"{minor}.{patch}") for patch in (0, 5, 11, 20))


def _python(inspection: Inspection, host: str, facts: Mapping[str, Any]) -> Iterator[Finding]:
    found, path = facts.get("python"), facts.get("path")
    if found is None:
        text = f"{host} has no {path}; set site_python to a Python that it has"
        yield Finding("site_python", "", text, None, QUESTION)
        return
    if not inspection.python:
        yield Finding("", None, f"The project does not say which Python it needs; {host} has {found}", None, NOTE)
        return
    if allows(inspection.python, str(found)):
        return
    pythons = facts.get("pythons") or {}
    others = {version: name for name, version in pythons.items() if allows(inspection.python, version)}
    if others:
        newest = max(others, key=lambda version: tuple(int(part) for part in version.split(".") if part.isdigit()))
        reason = f"the project needs Python {inspection.python}, and {path} of {host} is {found}"
        yield Finding("site_python", others[newest], reason, inspection.python_place, inspection.python_certainty)
    elif inspection.python_certainty == GUESS:
        text = f"{_seems(inspection)}, and {path} of {host} is {found}: if that is too old, set site_python"
        yield Finding("", None, text, None, NOTE)
    else:
        yield _no_python(inspection, f"{path} of {host} is {found}, and it has no other")


def _seems(inspection: Inspection) -> str:
    return f"The project seems to run with Python {inspection.python} ({inspection.python_place})"


def _no_python(inspection: Inspection, why: str) -> Finding:
    minors = [f"3.{minor}" for minor in range(14, 8, -1)]
    minor = next((one for one in minors if _allows(inspection.python, one)), "3.13")
    text = (
        f"the project needs Python {inspection.python}, and {why}. Install one, for example with uv: "
        f"UV_PYTHON_INSTALL_DIR=/opt/python uv python install {minor}; then set site_python to its path, such as "
        f"/opt/python/cpython-{minor}-linux-x86_64-gnu/bin/python{minor}"
    )
    return Finding("site_python", "", text, inspection.python_place, QUESTION)
