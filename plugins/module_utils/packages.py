# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install packages into virtual environments of a host."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

__all__ = ["Installer", "installed_version"]

# Runs a command as the site's user in a directory, with additional variables; raises an exception if it fails.
Run = Callable[[list[str], Path, "dict[str, str]"], None]


def installed_version(venv: Path, package: str | None) -> str | None:
    """Return the version of a package, however its name is spelled, in a virtual environment; None if it is absent."""
    for metadata in venv.glob("lib/python*/site-packages/*.dist-info"):
        name, _hyphen, version = metadata.name.removesuffix(".dist-info").rpartition("-")
        if package and _normalised(name) == _normalised(package):
            return version
    return None


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True)
class Installer:
    """Installs packages into virtual environments of the host."""

    python: str
    cache: Path
    index: str | None
    ca_bundle: str | None
    proxies: dict[str, str]

    @property
    def variables(self) -> dict[str, str]:
        """The environment of uv and pip, since an index URL may contain a password."""
        cache = str(self.cache)
        found = {
            "HOME": cache,
            "UV_CACHE_DIR": cache,
            # The files of a release are given to root, while those in the cache still belong to the site's user.
            "UV_LINK_MODE": "copy",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "PIP_CACHE_DIR": cache,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
        }
        if self.ca_bundle:
            found |= {"SSL_CERT_FILE": self.ca_bundle, "PIP_CERT": self.ca_bundle}
        if self.index:
            found |= {"UV_DEFAULT_INDEX": self.index, "PIP_INDEX_URL": self.index}
        return {**self.proxies, **found}

    def install(
        self,
        run: Run,
        uv: str | None,
        project: Path,
        venv: Path,
        requirements: str,
        packages: list[str],
        if_absent: list[str],
    ) -> None:
        """Create the virtual environment with the listed requirements and the packages, with uv or else with pip.

        The packages come after the list: a version that the inventory asks for replaces that of the list. What neither
        of the two has brought in, in any version, comes last.
        """
        listed_in = PurePosixPath(requirements)
        variables = {**self.variables, "VIRTUAL_ENV": str(venv)}
        if uv is None:
            pip = [str(venv / "bin/pip"), "install", "--quiet"]
            run([self.python, "-m", "venv", str(venv)], project, variables)
            run(
                [
                    *pip,
                    *(
                        [str(listed_in.parent)]
                        if listed_in.name == "pyproject.toml"
                        else ["--requirement", requirements]
                    ),
                ],
                project,
                variables,
            )
            self._add(run, pip, project, venv, packages, if_absent)
            return
        pip = [uv, "pip", "install", "--quiet", "--requirement"]
        run([uv, "venv", "--quiet", "--allow-existing", "--python", self.python, str(venv)], project, variables)
        if listed_in.name == "uv.lock":
            listed = str(venv / "uv.lock.txt")
            export = ["export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--output-file", listed]
            run([uv, *export], project, variables)
            requirements = listed
        run([*pip, requirements], project, variables)
        self._add(run, pip[:-1], project, venv, packages, if_absent)

    def _add(
        self, run: Run, pip: list[str], project: Path, venv: Path, packages: list[str], if_absent: list[str]
    ) -> None:
        variables = {**self.variables, "VIRTUAL_ENV": str(venv)}
        if packages:
            run([*pip, *packages], project, variables)
        names = {requirement: re.split(r"[^\w.-]", requirement)[0] for requirement in if_absent}
        missing = [requirement for requirement, name in names.items() if installed_version(venv, name) is None]
        if missing:
            run([*pip, *missing], project, variables)
