# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install packages into virtual environments of a host."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

__all__ = ["KINDS", "Installer", "PackageList", "Tools", "installed_version", "program_of", "tools_for"]

# Runs a command as the site's user in a directory, with additional variables; raises an exception if it fails.
Run = Callable[["list[str]", Path, "dict[str, str]"], None]
Tools = Mapping[str, str]
"""The paths of the programs that install packages, by their names; without uv, pip installs them."""

EXPORTED_BY = {"uv.lock": "uv", "poetry.lock": "poetry", "Pipfile.lock": "pipenv"}
KINDS = ("uv.lock", "poetry.lock", "Pipfile.lock", "requirements.txt", "pyproject.toml", "setup.py")
# The output of a program to a file, without a shell that reads its arguments.
INTO_FILE = ("/bin/sh", "-c", 'exec "$@" > "$0"')


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
class PackageList:
    """A list of dependencies: its path, relative to the project, and what of it is installed beside the rest.

    C(kind) is uv.lock, poetry.lock, Pipfile.lock, requirements.txt (whatever its name), pyproject.toml or setup.py.
    It is not C(hashed) if some of its packages have no checksum, since they are built on the host.
    """

    path: str
    kind: str
    extras: Sequence[str] = ()
    groups: Sequence[str] = ()
    hashed: bool = True

    @property
    def directory(self) -> str:
        """The directory of the list, relative to the project."""
        return str(PurePosixPath(self.path).parent)

    @property
    def base(self) -> str:
        """Where its author installs it, relative to the project: paths in it are relative to that directory."""
        if self.kind in EXPORTED_BY:
            return self.directory
        above = [part for part in PurePosixPath(self.path).parts if part == ".."]
        return str(PurePosixPath(*above))


def program_of(command: Sequence[str]) -> str:
    """Return the name of the program that a command runs."""
    words = command[len(INTO_FILE) + 1 :] if tuple(command[: len(INTO_FILE)]) == INTO_FILE else command
    return PurePosixPath(words[0]).name


def tools_for(lists: Iterable[PackageList]) -> set[str]:
    """Return the names of the programs that these lists need, apart from the one that installs."""
    return {EXPORTED_BY[one.kind] for one in lists if one.kind in EXPORTED_BY}


@dataclass(frozen=True)
class Installer:
    """Installs packages into virtual environments of the host.

    C(access) has more variables for the time of the installation, such as the place of logins.
    """

    python: str
    cache: Path
    index: str | None
    ca_bundle: str | None
    proxies: dict[str, str]
    access: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the installing programs, since an index URL may contain a password."""
        cache = str(self.cache)
        found = {
            "HOME": cache,
            "GIT_TERMINAL_PROMPT": "0",
            "PIPENV_DONT_LOAD_ENV": "1",
            "PIPENV_IGNORE_VIRTUALENVS": "1",
            "PIPENV_NOSPIN": "1",
            "PIPENV_YES": "1",
            "PIP_CACHE_DIR": cache,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            "POETRY_CACHE_DIR": f"{cache}/poetry",
            "POETRY_CONFIG_DIR": f"{cache}/poetry",
            "POETRY_KEYRING_ENABLED": "false",
            "POETRY_VIRTUALENVS_CREATE": "false",
            "UV_CACHE_DIR": cache,
            # The files of a release are given to root, while those in the cache still belong to the site's user.
            "UV_LINK_MODE": "copy",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
        }
        if self.ca_bundle:
            found |= {
                "SSL_CERT_FILE": self.ca_bundle,
                "PIP_CERT": self.ca_bundle,
                "REQUESTS_CA_BUNDLE": self.ca_bundle,
                "GIT_SSL_CAINFO": self.ca_bundle,
            }
        if self.index:
            found |= {"UV_DEFAULT_INDEX": self.index, "PIP_INDEX_URL": self.index}
        return {**self.proxies, **found, **self.access}

    @property
    def variables_of_root(self) -> dict[str, str]:
        """The environment of what root installs, which uses neither a home nor settings that a site can write to."""
        return {**self.variables, "HOME": "/root", "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}

    def install(
        self,
        run: Run,
        tools: Tools,
        project: Path,
        venv: Path,
        lists: Sequence[PackageList],
        packages: Sequence[Sequence[str]],
        if_absent: Sequence[str],
    ) -> None:
        """Create the virtual environment with the lists in one installation, and then each of the groups of packages.

        The packages come after the lists: a version that the inventory asks for replaces that of a list. What none
        of these has brought in, in any version, comes last.
        """
        uv = tools.get("uv")
        variables = {**self.variables, "VIRTUAL_ENV": str(venv)}
        if uv is None:
            pip = [str(venv / "bin/pip"), "install", "--quiet"]
            run([self.python, "-m", "venv", str(venv)], project, variables)
        else:
            pip = [uv, "pip", "install", "--quiet"]
            run([uv, "venv", "--quiet", "--allow-existing", "--python", self.python, str(venv)], project, variables)
        words: list[str] = []
        base = os.path.normpath(project / lists[0].base) if lists else str(project)
        for number, one in enumerate(lists, 1):
            directory = Path(os.path.normpath(project / one.directory))
            if one.kind in EXPORTED_BY:
                exported = venv / (f"{one.kind}.txt" if len(lists) == 1 else f"{number}-{one.kind}.txt")
                run(self._export(tools, one, exported), directory, variables)
                words += ["--requirement", str(exported)]
            else:
                words += (_with_uv if uv else _with_pip)(one, PurePosixPath(os.path.relpath(directory, base)))
        if words:
            run([*pip, *words], Path(base), variables)
        for some in packages:
            if some:
                run([*pip, *some], project, variables)
        names = {requirement: re.split(r"[^\w.-]", requirement)[0] for requirement in if_absent}
        missing = [requirement for requirement, name in names.items() if installed_version(venv, name) is None]
        if missing:
            run([*pip, *missing], project, variables)

    def _export(self, tools: Tools, one: PackageList, exported: Path) -> list[str]:
        """Return the command that writes the packages of a lock to a list that uv and pip can read."""
        tool = tools[EXPORTED_BY[one.kind]]
        if one.kind == "uv.lock":
            chosen = [word for extra in one.extras for word in ("--extra", extra)]
            chosen += [word for group in one.groups for word in ("--group", group)]
            # With --no-dev, uv leaves out the group dev even if it is asked for.
            dev = [] if "dev" in one.groups else ["--no-dev"]
            return [
                tool,
                "export",
                "--quiet",
                "--frozen",
                *dev,
                "--no-emit-project",
                *chosen,
                "--output-file",
                str(exported),
            ]
        if one.kind == "poetry.lock":
            chosen = [word for extra in one.extras for word in ("--extras", extra)]
            chosen += [word for group in one.groups for word in ("--with", group)]
            chosen += [] if one.hashed else ["--without-hashes"]
            chosen += ["--without-urls"] if self.index else []
            return [tool, "export", "--quiet", "--no-interaction", *chosen, "--output", str(exported)]
        categories = ",".join(["packages", *one.groups])
        chosen = ["--hash"] if one.hashed else []
        chosen += ["--exclude-index"] if self.index else []
        return [*INTO_FILE, str(exported), tool, "requirements", *chosen, "--categories", categories]


def _with_uv(one: PackageList, directory: PurePosixPath) -> list[str]:
    words = ["--requirement", str(directory / PurePosixPath(one.path).name)]
    words += [word for extra in one.extras for word in ("--extra", extra)]
    return words + [word for group in one.groups for word in ("--group", f"{directory / 'pyproject.toml'}:{group}")]


def _with_pip(one: PackageList, directory: PurePosixPath) -> list[str]:
    if one.kind == "requirements.txt":
        return ["--requirement", str(directory / PurePosixPath(one.path).name)]
    return [f"{directory}[{','.join(one.extras)}]" if one.extras else str(directory)]
