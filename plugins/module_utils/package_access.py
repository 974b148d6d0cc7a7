# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins and a key for private packages, on the host for as long as an installation takes.

They are files in memory (/run) that only the site's user can read: its installing programs need them. What a run that
was cut off left there is removed by the next build, whether or not it installs anything, and by a boot.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.files import remove_tree

__all__ = ["PackageAccess"]

RUN = Path("/run")
KEY = "key"


class PackageAccess:
    """A context that gives the variables with which uv, pip, Poetry and git find the logins and the key."""

    def __init__(
        self, account: pwd.struct_passwd, logins: Sequence[Mapping[str, Any]], ssh_key: str | None, cache: Path
    ) -> None:
        self.account = account
        self.logins = logins
        self.ssh_key = ssh_key
        self.known_hosts = cache / "known_hosts"
        self.directory = RUN / f"pitcrew-packages-{account.pw_name}"

    def __enter__(self) -> dict[str, str]:
        """Write the files, and return the variables; without logins and key, there are none of either."""
        self.remove()
        if not self.logins and not self.ssh_key:
            return {}
        # Root's until it is complete, so that nothing can be put into its place.
        self.directory.mkdir(mode=0o700)
        variables: dict[str, str] = {}
        if self.logins:
            lines = [
                f"machine {one['host']} login {one['login']['user']} password {one['login']['password']}"
                for one in self.logins
            ]
            # pip and uv find it by the variable, git in the home directory.
            variables |= {"HOME": str(self.directory), "NETRC": str(self._write(".netrc", "\n".join(lines)))}
        if self.ssh_key:
            key = self._write(KEY, self.ssh_key.replace("\r\n", "\n").strip("\n"))
            # The first visit learns the key of a host, which later visits insist on.
            options = f"IdentitiesOnly=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={self.known_hosts}"
            variables["GIT_SSH_COMMAND"] = f"ssh -F /dev/null -i {key} -o BatchMode=yes -o {options}"
        os.chown(self.directory, self.account.pw_uid, self.account.pw_gid)
        return variables

    def __exit__(self, *_error: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the files, also those of a run that was cut off."""
        if self.directory.exists():
            remove_tree(self.directory)

    def _write(self, name: str, text: str) -> Path:
        path = self.directory / name
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
            os.fchown(handle, self.account.pw_uid, self.account.pw_gid)
        return path
