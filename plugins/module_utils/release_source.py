# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source of a release on its host, and the files and directories that the inventory adds to it."""

from __future__ import annotations

import base64
import pwd
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils import site_overrides
from ansible_collections.pitcrew.django.plugins.module_utils.build_error import BuildError
from ansible_collections.pitcrew.django.plugins.module_utils.django_process import NICE, as_user, source_of
from ansible_collections.pitcrew.django.plugins.module_utils.files import make_directory, write_file
from ansible_collections.pitcrew.django.plugins.module_utils.project_files import ProjectFileError, write_project_file
from ansible_collections.pitcrew.django.plugins.module_utils.releases import Release

__all__ = ["ReleaseSource"]


class ReleaseSource:
    """The source of one release; C(notes) are what a person should know of it."""

    def __init__(self, module: AnsibleModule, release: Release, account: pwd.struct_passwd) -> None:
        self.module = module
        self.params = module.params
        self.release = release
        self.account = account
        self.as_user = [*NICE, *as_user(account)]
        self.notes: list[str] = []

    def unpack(self) -> None:
        """Unpack the source into a directory of its own, and put the module that overrides settings next to it.

        Files from the archive are written as the site's user, so that whoever may push to the repository is not root.
        """
        self.release.create(self.account.pw_uid, self.account.pw_gid)
        make_directory(self.release.overrides, 0, self.account.pw_gid)
        write_file(self.release.overrides / "site_overrides.py", source_of(site_overrides), 0o644)
        content = self.params["content"]
        returncode, _out, err = self.module.run_command(
            [*self.as_user, "tar", "--extract", "--gzip", "--file", "-", "--directory", str(self.release.app)],
            data=base64.b64decode(content) if content else Path(self.params["archive"]).read_bytes(),
            binary_data=True,
            umask=0o027,
        )
        if returncode:
            raise BuildError("the source cannot be unpacked", err)

    def add_files(self) -> None:
        """Write the files and create the directories that the project expects and its source does not have.

        Raises BuildError.
        """
        project = Path(self.params["project"])
        replaced = []
        for name, content in sorted({**self.params["project_files"], **self.params["secret_files"]}.items()):
            path = str(project / name)
            try:
                if write_project_file(self.release.app, path, content, self.account.pw_uid, self.account.pw_gid):
                    replaced.append(name)
            except ProjectFileError as error:
                raise BuildError(str(error), "") from None
        if replaced:
            self.notes.append(f"site_files replaces {' and '.join(replaced)} of the source.")
        for directory in self.params["directories"]:
            # As the user, who may have links there.
            returncode, out, err = self.module.run_command(
                [*self.as_user, "mkdir", "--parents", "--", directory],
                cwd=str(self.release.app / project),
                umask=0o027,
                expand_user_and_vars=False,
            )
            if returncode:
                raise BuildError(f"site_directories: {directory!r} cannot be created", out + err)
