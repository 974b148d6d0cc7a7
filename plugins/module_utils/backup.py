# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy a site's database before it is migrated, by the database's own means, and check that the copy can be read.

Runs in the release's own Python, with the Django of the site.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.output import ending

__all__ = ["BackupError", "backup"]


class BackupError(Exception):
    """No backup was made; the message has the reason."""


def _run(command: list[str], environment: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise BackupError(
            f"{command[0]} is not installed on this host; set site_system_packages: [postgresql-client]"
        ) from None
    if done.returncode:
        raise BackupError(f"{command[0]} {ending(done.returncode)}: {' '.join(done.stderr.split())}")
    return done.stdout


def _dump_postgresql(connection: Any, file: Path) -> None:
    # Connect as `manage.py dbshell` would; the password is in the environment, where nobody else sees it.
    words, environment = type(connection.client).settings_to_cmd_args_env(connection.settings_dict, [])
    _run(["pg_dump", *words[1:], "--no-password", "--format=custom", f"--file={file}"], environment or {})
    listed = _run(["pg_restore", "--list", str(file)], {})
    if not any(line and not line.startswith(";") for line in listed.splitlines()):
        raise BackupError(f"pg_restore finds nothing in {file}")


def _copy_sqlite(connection: Any, file: Path) -> None:
    # Not a copy of the file: SQLite's own backup has everything that was committed, even while others write.
    with (
        closing(sqlite3.connect(str(connection.settings_dict["NAME"]))) as source,
        closing(sqlite3.connect(file)) as target,
    ):
        source.backup(target)
        (verdict,) = target.execute("PRAGMA integrity_check").fetchone()
    if verdict != "ok":
        raise BackupError(f"the copy {file} is damaged: {verdict}")


WAYS = {"postgresql": (_dump_postgresql, "dump"), "sqlite": (_copy_sqlite, "sqlite3")}


def backup(connection: Any, directory: Path, name: str, keep: int) -> Path:
    """Copy the database into the directory, verify the copy, and keep the last ones; return the path of the copy.

    Raises BackupError if that fails; an incomplete copy is removed.
    """
    if connection.vendor not in WAYS:
        raise BackupError(
            f"site_backup cannot copy a database of {connection.vendor}; set site_backup: false, and copy it by other "
            "means"
        )
    way, suffix = WAYS[connection.vendor]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = directory / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-before-{name}.{suffix}"
    part = file.with_name(f".{file.name}.part")
    try:
        # It contains everybody's data: nobody but its owner may read it, from the first byte on.
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        way(connection, part)
        os.replace(part, file)
    except OSError as error:
        raise BackupError(str(error)) from error
    finally:
        part.unlink(missing_ok=True)
    # The new copy counts as the latest, whatever its name: the clock may have been ahead when others were made.
    others = sorted({*directory.glob(f"*-before-*.{suffix}")} - {file}, reverse=True)
    for other in others[keep - 1 :]:
        other.unlink()
    return file
