# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual environment of a release, and the programs that install its packages."""

from __future__ import annotations

import os
import pwd
from dataclasses import replace
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.build_error import BuildError
from ansible_collections.pitcrew.django.plugins.module_utils.cures import install_cures
from ansible_collections.pitcrew.django.plugins.module_utils.django_process import NICE, as_user
from ansible_collections.pitcrew.django.plugins.module_utils.files import make_directory
from ansible_collections.pitcrew.django.plugins.module_utils.output import ending
from ansible_collections.pitcrew.django.plugins.module_utils.package_access import PackageAccess
from ansible_collections.pitcrew.django.plugins.module_utils.packages import (
    Installer,
    PackageList,
    program_of,
    tools_for,
)
from ansible_collections.pitcrew.django.plugins.module_utils.releases import Release, Releases, SharedVenv
from ansible_collections.pitcrew.django.plugins.module_utils.tools import Toolbox, ToolError

__all__ = ["ReleasePackages"]

# Once a virtual environment is root's, the site's processes cannot write bytecode.
COMPILE = """
import compileall, sysconfig
compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2, workers=0)
"""
IMPORT_FROM = """
import pathlib, sys, sysconfig
file = pathlib.Path(sysconfig.get_path("purelib"), "site_import_roots.pth")
file.write_text("".join(f"{root}\\n" for root in sys.argv[1:]), encoding="utf-8")
"""
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


class ReleasePackages:
    """The packages of one release. C(filled) is the shared virtual environment, if this run has filled it."""

    def __init__(self, module: AnsibleModule, releases: Releases, release: Release, account: pwd.struct_passwd) -> None:
        self.module = module
        self.params = module.params
        self.releases = releases
        self.release = release
        self.account = account
        self.as_user = [*NICE, *as_user(account)]
        self.installer = Installer(
            python=self.params["python"],
            cache=Path(self.params["cache"]),
            index=self.params["index"],
            ca_bundle=self.params["ca_bundle"],
            proxies={name: value for name, value in os.environ.items() if name.lower() in PROXIES},
        )
        self.access = PackageAccess(account, self.params["logins"], self.params["ssh_key"], self.installer.cache)
        self.toolbox = Toolbox(module.run_command, self.params["python"], self.installer.variables_of_root)
        self.lists = [PackageList(**one) for one in self.params["requirements"]]
        self.filled: SharedVenv | None = None

    def run(self, command: list[str], directory: Path, variables: dict[str, str]) -> None:
        """Run a command as the site's user.

        Raises BuildError with what it wrote.
        """
        returncode, out, err = self.module.run_command(
            [*self.as_user, *command],
            cwd=str(directory),
            environ_update=variables,
            expand_user_and_vars=False,
            umask=0o027,
        )
        if returncode:
            raise BuildError(
                f"installing packages failed: {program_of(command)} {ending(returncode)}",
                out + err,
                install_cures(out + err),
            )

    def ensure_tools(self) -> dict[str, str]:
        """Return the paths of the programs that install the packages, by their names, and install missing ones.

        Raises BuildError.
        """
        wanted = self.params["tools"]
        found = {}
        for name in sorted({"uv", *tools_for(self.lists)} & set(wanted)):
            try:
                found[name] = self.toolbox.program(name, wanted[name])
            except ToolError as error:
                raise BuildError(f"installing {error.tool} failed", str(error), install_cures(str(error))) from None
        return found

    def shared_venv(self) -> SharedVenv | None:
        """The virtual environment for these packages and this Python; None if some of them come from the source."""
        python, digest = self.params["python"], self.params["packages_digest"]
        version = [python, "-ISc", "import sys; print(sys.implementation.cache_tag)"]
        try:
            returncode, out, err = self.module.run_command(version, handle_exceptions=False)
        except OSError as error:
            returncode, out, err = error.errno or 1, "", f"{python}: {error.strerror}"
        if returncode:
            raise BuildError(f"site_python: {python!r} does not run on this host", err)
        return self.releases.shared_venv(digest, out) if digest else None

    def install(self) -> None:
        """Give the release a virtual environment with its packages."""
        self.access.remove()
        shared = self.shared_venv()
        if shared is None:
            make_directory(self.release.venv, self.account.pw_uid, self.account.pw_gid)
            self.fill(self.release.venv)
            return
        if not shared.complete:
            try:
                shared.create(self.account.pw_uid, self.account.pw_gid)
                self.fill(shared.venv)
                shared.seal(self.account.pw_gid)
                shared.finish()
                self.filled = shared
            except (BuildError, OSError, RecursionError):
                shared.remove()
                raise
        self.release.share(shared)

    def fill(self, venv: Path) -> None:
        """Create a virtual environment with the packages of the list and the server."""
        tools = self.ensure_tools()
        project = self.release.app / self.params["project"]
        with self.access as variables:
            package = [self.params["package"]] if self.params["package"] else []
            packages = [package, self.params["packages"]]
            installer = replace(self.installer, access=variables)
            installer.install(self.run, tools, project, venv, self.lists, packages, self.params["packages_if_absent"])
        if self.params["import_roots"]:
            roots = [str(self.release.app / root) for root in self.params["import_roots"]]
            self.run([str(venv / "bin/python"), "-c", IMPORT_FROM, *roots], venv, {})
        self.run([str(venv / "bin/python"), "-c", COMPILE], venv, {})
