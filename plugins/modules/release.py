#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Build a release on the host
version_added: 0.1.0
description:
  - Unpacks the source into a directory of its own and gives it a virtual environment. Where a finished release has the
    same packages, theirs are linked; else uv or pip installs them, as the site's user.
  - Runs one Django process with the release's own Python, as the site's user and with the site's environment. It asks
    the settings what a deploy has to know of them, and runs C(check --deploy), C(collectstatic) and C(migrate).
  - Warnings of C(check --deploy) become Ansible warnings; errors are fatal.
  - Afterwards the release belongs to root, so that the process cannot change its own code, and its description is
    written to C(release.json). A release without that file is unfinished.
  - A release that fails on the way is removed.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  action:
    description: Brings the archive from the control node.
    support: full
  check_mode:
    description: Says that the release would be built; nothing is done.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  archive:
    description: The packed source on the control node, as M(pitcrew.django.source) makes it.
    type: path
    required: true
  path:
    description: The release's directory. The source goes to C(app) in it, the virtual environment to C(venv).
    type: path
    required: true
  project:
    description: The directory of C(manage.py), relative to the source.
    type: str
    default: ""
  user:
    description: The site's user, and the name of its group.
    type: str
    required: true
  state:
    description: The directory in which the site's user keeps what outlives a release.
    type: path
    required: true
  python:
    description: The Python on the host that the virtual environment is made with.
    type: path
    default: /usr/bin/python3
  uv_version:
    description: The version of uv that installs packages. It is kept in a directory of its own. Without it, pip does.
    type: str
  requirements:
    description: The file that lists the dependencies, relative to O(project).
    type: str
    required: true
  packages:
    description: Further packages to install, the server among them.
    type: list
    elements: str
    default: []
  packages_digest:
    description: A checksum of all that decides which packages are installed.
    type: str
    required: true
  cache:
    description: The directory in which the site's user keeps downloaded packages.
    type: path
    required: true
  index:
    description: The address of a package index to use instead of PyPI.
    type: str
  ca_bundle:
    description: A bundle of certificate authorities on the host for fetching packages.
    type: path
  domains:
    description: The host names the site has to answer to.
    type: list
    elements: str
    required: true
  environment:
    description: The site's environment variables.
    type: dict
    default: {}
  secrets:
    description: Further variables, whose values are never shown.
    type: dict
    default: {}
  shared:
    description: Files and directories (with a slash at the end), relative to O(project), that outlive a release.
    type: list
    elements: str
    default: []
  collectstatic:
    description: Whether to collect the static files.
    type: bool
    default: true
  migrate:
    description: Whether to migrate the database.
    type: bool
    default: true
  leads:
    description: Whether this is the one host that migrates the database which the hosts of the site share.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Build the release
  pitcrew.django.release:
    archive: "{{ source.archive }}"
    path: /srv/shop/releases/3f2a9c1d04ab-1f3e2c
    user: shop
    state: /var/lib/shop
    cache: /srv/shop/cache
    requirements: requirements.txt
    packages: [gunicorn]
    packages_digest: "{{ source.requirements_digest }}"
    domains: [shop.example.com]
    environment:
      DJANGO_SETTINGS_MODULE: shop.settings
"""

RETURN = r"""
description:
  description: What Django said of itself.
  returned: success, except in check mode
  type: dict
  contains:
    public:
      description: Directories to serve from disk, by URL path.
      type: dict
      sample: {static: /srv/shop/releases/3f2a9c1d04ab-1f3e2c/app/static}
    static:
      description: The URL path of the static files, or null.
      type: str
      sample: static
    media:
      description: The URL path of the uploads, or null.
      type: str
      sample: media
output:
  description: What the Django commands wrote.
  returned: success, except in check mode
  type: str
seconds:
  description: How long the parts of it took.
  returned: success, except in check mode
  type: dict
  sample: {packages: 1.9, django: 1.3}
"""

import json
import os
import pwd
import shutil
import stat
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils import django_runner, site_overrides
from ansible_collections.pitcrew.django.plugins.module_utils.environment import environment_values
from ansible_collections.pitcrew.django.plugins.module_utils.layout import Release, write_file
from ansible_collections.pitcrew.django.plugins.module_utils.packages import Installer, take_over

STAGES = {
    "start": "Django cannot be imported",
    "settings": "the settings cannot be used",
    "check": "manage.py check --deploy finds errors",
    "collectstatic": "manage.py collectstatic fails",
    "migrate": "manage.py migrate fails",
}
LINES_SHOWN = 25
# Not on the PATH that a site has.
RUNUSER = "/usr/sbin/runuser"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def source_of(module: ModuleType) -> str:
    """The text of a module that runs in another Python than this one."""
    return module.__loader__.get_source(module.__name__)


class Failed(Exception):
    """A command failed: why, and what it wrote."""

    def __init__(self, why: str, written: str) -> None:
        super().__init__(why)
        self.written = "\n".join(written.strip().splitlines()[-LINES_SHOWN:])


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - start, 2)


class Build:
    """One release, from its archive to a directory that nobody changes any more."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params = module.params
        self.release = Release(Path(self.params["path"]))
        self.app = self.release.path / "app"
        self.venv = self.release.path / "venv"
        self.account = pwd.getpwnam(self.params["user"])
        self.seconds: dict[str, float] = {}

    def run(self, command: list[str], directory: Path, variables: dict[str, str]) -> None:
        """Run a command as the site's user.

        Raises Failed with what it wrote.
        """
        returncode, out, err = self.module.run_command(
            [RUNUSER, "-u", self.params["user"], "--", *command],
            cwd=str(directory),
            environ_update=variables,
            umask=0o027,
        )
        if returncode:
            raise Failed(f"its packages cannot be installed: {Path(command[0]).name} ends with {returncode}", out + err)

    def unpack(self) -> None:
        """Give the source a place of its own."""
        shutil.rmtree(self.release.path, ignore_errors=True)
        self.app.mkdir(parents=True)
        with tarfile.open(self.params["archive"]) as tar:
            tar.extractall(self.app, **({"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}))
        for directory, names, files in os.walk(self.release.path):
            for name in (".", *names, *files):
                os.chown(os.path.join(directory, name), self.account.pw_uid, self.account.pw_gid, follow_symlinks=False)

    def ensure_uv(self, variables: dict[str, str]) -> str | None:
        """Give the path of uv, which is installed for all sites of the host in a directory of its version."""
        version = self.params["uv_version"]
        if not version:
            return None
        home = Path(f"/opt/uv-{version}")
        if not (home / "bin/uv").exists():
            for command in (
                [self.params["python"], "-m", "venv", str(home)],
                [str(home / "bin/pip"), "install", "--quiet", f"uv=={version}"],
            ):
                returncode, out, err = self.module.run_command(command, environ_update=variables)
                if returncode:
                    shutil.rmtree(home, ignore_errors=True)
                    raise Failed(f"uv {version} cannot be installed", out + err)
        return str(home / "bin/uv")

    def twin(self) -> Path | None:
        """The virtual environment of a finished release with the same packages."""
        for other in sorted(self.release.path.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True):
            description = Release(other).description
            if description and description["packages"] == self.params["packages_digest"]:
                return other / "venv"
        return None

    def install(self) -> None:
        """Give the release its packages."""
        if twin := self.twin():
            take_over(self.venv, twin, self.account.pw_gid)
            return
        installer = Installer(
            python=self.params["python"],
            uv=None,
            cache=Path(self.params["cache"]),
            index=self.params["index"],
            ca_bundle=self.params["ca_bundle"],
        )
        installer = replace(installer, uv=self.ensure_uv({**installer.variables, "PIP_NO_CACHE_DIR": "1"}))
        project = self.app / self.params["project"]
        installer.install(self.run, project, self.venv, self.params["requirements"], self.params["packages"])
        (packages,) = self.venv.glob("lib/python3*/site-packages")
        (packages / "site_overrides.py").write_text(source_of(site_overrides), encoding="utf-8")

    def ask_django(self, variables: dict[str, str]) -> tuple[dict[str, Any], str]:
        """Run the stages as the site's user; give the description and all that was written meanwhile.

        Raises Failed with the stage, why, and what was written.
        """
        reader, writer = os.pipe()
        job = {
            **{name: self.params[name] for name in ("state", "domains", "shared", "collectstatic", "migrate", "leads")},
            "release": self.params["path"],
            "answer": writer,
        }
        python = str(self.venv / "bin/python")
        returncode, out, err = self.module.run_command(
            [RUNUSER, "-u", self.params["user"], "--", python, "-c", source_of(django_runner)],
            cwd=str(self.app / self.params["project"]),
            data=json.dumps(job),
            environ_update={"HOME": self.params["state"], **variables},
            umask=0o027,
            pass_fds=[writer],
        )
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as file:
            text = file.read()
        answer = json.loads(text) if text else {"stage": "start", "error": f"Python ended with {returncode}"}
        if answer["error"]:
            raise Failed(f"{STAGES[answer['stage']]}: {answer['error']}", out + err)
        return answer["description"], out + err

    def seal(self) -> None:
        """Give the release to root; the site's group may read it, and nobody may write to it."""
        for directory, names, files in os.walk(self.release.path):
            for name in (".", *names, *files):
                path = os.path.join(directory, name)
                status = os.lstat(path)
                if status.st_uid or status.st_gid != self.account.pw_gid:
                    os.chown(path, 0, self.account.pw_gid, follow_symlinks=False)
                if not stat.S_ISLNK(status.st_mode) and status.st_mode & 0o7777 != (
                    mode := status.st_mode & 0o750 | 0o040
                ):
                    os.chmod(path, mode)

    def build(self) -> dict[str, Any]:
        """Do all of it.

        Raises Failed, ValueError or OSError with the reason it cannot be done.
        """
        variables = {
            **environment_values(self.params["environment"], "site_environment"),
            **environment_values(self.params["secrets"], "site_secrets"),
        }
        # No variable of this session reaches a command: a release is judged by what it will run with.
        os.environ.clear()
        os.environ["PATH"] = PATH
        with timed(self.seconds, "packages"):
            self.unpack()
            self.install()
        with timed(self.seconds, "django"):
            description, output = self.ask_django(variables)
        if "WARNINGS" in output:
            self.module.warn(output.strip())
        self.seal()
        description["packages"] = self.params["packages_digest"]
        write_file(self.release.record, json.dumps(description) + "\n", 0o644)
        return {"changed": True, "description": description, "output": output, "seconds": self.seconds}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path", "required": True},
            "path": {"type": "path", "required": True},
            "project": {"type": "str", "default": ""},
            "user": {"type": "str", "required": True},
            "state": {"type": "path", "required": True},
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "uv_version": {"type": "str"},
            "requirements": {"type": "str", "required": True},
            "packages": {"type": "list", "elements": "str", "default": []},
            "packages_digest": {"type": "str", "required": True},
            "cache": {"type": "path", "required": True},
            "index": {"type": "str"},
            "ca_bundle": {"type": "path"},
            "domains": {"type": "list", "elements": "str", "required": True},
            "environment": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "shared": {"type": "list", "elements": "str", "default": []},
            "collectstatic": {"type": "bool", "default": True},
            "migrate": {"type": "bool", "default": True},
            "leads": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=True)
    try:
        result = Build(module).build()
    except (Failed, ValueError, OSError) as error:
        shutil.rmtree(module.params["path"], ignore_errors=True)
        written = f"{error.written}\n\n" if isinstance(error, Failed) and error.written else ""
        name = os.path.basename(module.params["path"])
        module.fail_json(msg=f"{written}Release {name} is refused, the site is as it was: {error}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
