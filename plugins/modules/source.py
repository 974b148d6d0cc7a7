#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: source
short_description: Pack a site's source on the control node
version_added: 0.1.0
description:
  - Packs one revision of a git repository, or a directory, into an archive on the machine it runs on. It is meant for
    the control node (C(delegate_to=localhost)), so that every host of a site gets the same source whatever happens to
    the branch meanwhile, and no host needs git or a key to the repository.
  - The archive's name is made from its content. The same source gives the same archive, byte for byte.
  - Whether the source has the modules it will be asked for is seen here, before anything changes on a host.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  check_mode:
    description: Packs all the same, since only the cache is written.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  git_url:
    description: The repository, as git takes it. Exclusive with O(directory).
    type: str
  git_ref:
    description: A branch, a tag or a commit of it.
    type: str
    default: HEAD
  directory:
    description:
      - A directory with the source. In a git work tree, what git ignores is left out; elsewhere version control,
        virtual environments and byte code are.
    type: path
  project:
    description: The directory of C(manage.py), relative to the source.
    type: str
    default: ""
  modules:
    description: Modules that the project must have, by the name of the variable that asks for them.
    type: dict
    default: {}
  requirements:
    description:
      - The file that lists the dependencies, relative to O(project).
      - By default C(uv.lock), C(requirements.txt) or C(pyproject.toml), the first that is there.
    type: str
  cache:
    description: A directory for clones and archives.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Pack the source
  pitcrew.django.source:
    git_url: https://git.example.com/shop.git
    git_ref: v1.4
    modules:
      site_settings_module: shop.settings
    cache: ~/.cache/pitcrew.django
  delegate_to: localhost
"""

RETURN = r"""
archive:
  description: The archive, a tar file compressed with gzip.
  returned: success
  type: str
id:
  description: The first twelve digits of the commit, or of the content's checksum for a directory.
  returned: success
  type: str
  sample: 3f2a9c1d04ab
requirements:
  description: The file that lists the dependencies, relative to O(project).
  returned: success
  type: str
  sample: requirements.txt
"""

import gzip
import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ansible.module_utils.basic import AnsibleModule

# Never part of a release, where git does not say what is.
LEFT_OUT = {".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".mypy_cache"}
ARCHIVES_KEPT = 20
REQUIREMENTS = ("uv.lock", "requirements.txt", "pyproject.toml")


class Unusable(Exception):
    """The source cannot be had or used; the message names the variable, its value and the cure."""


def git(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run git without a prompt; the result is the caller's to judge."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}
    try:
        return subprocess.run(
            ["git", *words],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        raise Unusable("git is not installed on the control node, which packs the source; install it") from None


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    return " ".join(result.stderr.split())


# A git repository


def resolve(mirror: Path, ref: str) -> str | None:
    """Find the commit of a branch, a tag or (the start of) a commit's own name, in this order."""
    for name in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
        result = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", cwd=mirror)
        if result.returncode == 0:
            return result.stdout.strip()
    return None


def fetch(url: str, ref: str, cache: Path) -> tuple[Path, str]:
    """Bring the mirror of the repository up to date; give it and the commit.

    Raises Unusable where the repository does not answer or has no such revision.
    """
    mirror = cache / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.git"
    if not mirror.exists():
        result = git("clone", "--quiet", "--mirror", "--", url, str(mirror))
    elif len(ref) == 40 and resolve(mirror, ref) == ref:
        return mirror, ref
    else:
        result = git("remote", "update", "--prune", cwd=mirror)
    if result.returncode:
        raise Unusable(
            f"site_git_url: {url!r} cannot be fetched: {complaint(result)}. The control node fetches it: give an "
            "address and a key that work there"
        )
    commit = resolve(mirror, ref)
    if commit is None:
        raise Unusable(f"site_git_ref: {ref!r} is no branch, tag or commit of {url!r}; push it, or name another")
    return mirror, commit


def pack_commit(mirror: Path, commit: str, cache: Path) -> tuple[str, Path]:
    archive = cache / f"{commit}.tar.gz"
    if not archive.exists():
        new = archive.with_suffix(".new")
        result = git("archive", "--format=tar.gz", f"--output={new}", commit, cwd=mirror)
        if result.returncode:
            raise Unusable(f"git archive fails: {complaint(result)}")
        os.replace(new, archive)
    return commit[:12], archive


# A directory


def files(directory: Path) -> Iterator[str]:
    """Name the files of a release, relative to the directory, in a steady order."""
    listed = git("ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=directory)
    known = sorted(name for name in listed.stdout.split("\0") if name and os.path.lexists(directory / name))
    if known:  # Neither outside a work tree, nor where git ignores the directory itself.
        yield from known
        return
    for parent, names, leaves in os.walk(directory):
        names[:] = sorted(name for name in names if name not in LEFT_OUT)
        for leaf in sorted([*leaves, *(name for name in names if os.path.islink(os.path.join(parent, name)))]):
            if not leaf.endswith(".pyc"):
                yield os.path.relpath(os.path.join(parent, leaf), directory)


def pack_directory(directory: Path, cache: Path) -> tuple[str, Path]:
    """Pack the directory so that the same content gives the same bytes.

    Raises Unusable where there is no such directory.
    """
    if not directory.is_dir():
        raise Unusable(
            f"site_source_directory: {str(directory)!r} is not a directory on the control node; name one that is"
        )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in files(directory):
            member = tar.gettarinfo(directory / name, arcname=name)
            member.mtime, member.uid, member.gid, member.uname, member.gname = 315532800, 0, 0, "root", "root"
            member.mode = 0o755 if member.mode & 0o100 else 0o644
            if member.isreg():
                with open(directory / name, "rb") as file:
                    tar.addfile(member, file)
            else:
                tar.addfile(member)
    checksum = hashlib.sha256(buffer.getvalue()).hexdigest()
    archive = cache / f"{checksum}.tar.gz"
    if not archive.exists():
        new = archive.with_suffix(".new")
        new.write_bytes(gzip.compress(buffer.getvalue(), compresslevel=6, mtime=0))
        os.replace(new, archive)
    return checksum[:12], archive


# What is in it


def examine(archive: Path, params: dict[str, Any]) -> str:
    """See that the source has what the site needs; give the file that lists the dependencies.

    Raises Unusable naming what is missing.
    """
    with tarfile.open(archive) as tar:
        names = {str(PurePosixPath(member.name)) for member in tar if not member.isdir()}
    project = PurePosixPath(params["project"])
    if str(project / "manage.py") not in names:
        others = sorted(str(PurePosixPath(name).parent) for name in names if PurePosixPath(name).name == "manage.py")
        raise Unusable(
            f"site_project_directory: {params['project']!r} has no manage.py in the source"
            + (f"; there is one in {', '.join(map(repr, others))}" if others else "; name the directory that has it")
        )
    for variable, module in params["modules"].items():
        path = project / module.partition(":")[0].replace(".", "/")
        if not {f"{path}.py", f"{path}/__init__.py"} & names:
            raise Unusable(
                f"{variable}: {module!r} cannot be imported, the source has neither {path}.py nor {path}/__init__.py; "
                "name a module of the project, or set site_project_directory"
            )
    wanted = [params["requirements"]] if params["requirements"] else REQUIREMENTS
    for name in wanted:
        if str(project / name) in names:
            return name
    raise Unusable(
        f"site_requirements: the source has no {' or '.join(wanted)} beside manage.py; name the file that lists the "
        "dependencies"
    )


def tidy(cache: Path) -> None:
    """Keep the archives that were made last; any other can be made again."""
    archives = sorted(cache.glob("*.tar.gz"), key=lambda archive: archive.stat().st_mtime, reverse=True)
    for archive in archives[ARCHIVES_KEPT:]:
        archive.unlink(missing_ok=True)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "git_url": {"type": "str"},
            "git_ref": {"type": "str", "default": "HEAD"},
            "directory": {"type": "path"},
            "project": {"type": "str", "default": ""},
            "modules": {"type": "dict", "default": {}},
            "requirements": {"type": "str"},
            "cache": {"type": "path", "required": True},
        },
        mutually_exclusive=[("git_url", "directory")],
        required_one_of=[("git_url", "directory")],
        supports_check_mode=True,
    )
    params = module.params
    cache = Path(params["cache"])
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        if params["git_url"]:
            source_id, archive = pack_commit(*fetch(params["git_url"], params["git_ref"], cache), cache)
        else:
            source_id, archive = pack_directory(Path(params["directory"]), cache)
        os.utime(archive)
        tidy(cache)
        requirements = examine(archive, params)
    except Unusable as error:
        module.fail_json(msg=str(error))
    module.exit_json(archive=str(archive), id=source_id, requirements=requirements)


if __name__ == "__main__":
    main()
