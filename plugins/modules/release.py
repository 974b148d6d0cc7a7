#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Build a release on the host
version_added: 0.1.0
description:
  - Unpacks the source into a directory of its own and gives it a virtual environment, in which uv or pip installs its
    packages as the site's user. Releases with the same packages share a virtual environment, which is complete before
    it is used and never changed afterwards.
  - Writes files and creates directories that the source does not have, and builds what is built from it.
  - Unpacking, installing and building run at a low priority, so that the live release keeps the CPU that it needs.
  - Runs one Django process with the release's own Python, as the site's user and with the site's environment. The
    process reads the settings that a deploy depends on, and runs C(check --deploy), C(collectstatic) and C(migrate).
  - Warnings of C(check --deploy) become Ansible warnings, shortened, and only if the live release does not have the
    same. So do changes of the project's models without a migration. Errors, and settings that do not work in
    production, are fatal; the failure names all of them, and what to set in the inventory.
  - Afterwards the release belongs to root, so that the site's process cannot change its own code, and its description
    is written to C(release.json). A release without that file is unfinished.
  - A release whose build fails is removed, unless O(keep_refused) is set.
author:
  - The pitcrew.django maintainers (@pitcrew)
extends_documentation_fragment:
  - pitcrew.django.process
attributes:
  action:
    description: Transfers the archive from the control node, and the facts back to it.
    support: full
  facts:
    description: Sets those of M(pitcrew.django.site_facts), as they are once the release is built.
    support: full
  check_mode:
    description: Reports that the release would be built, and does nothing.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  archive:
    description: The packed source on the control node, as M(pitcrew.django.source) creates it.
    type: path
    required: true
  content:
    description: The content of O(archive) in base64. Set by the action plugin if the archive is small.
    type: str
  path:
    description:
      - The release's directory. The source goes to C(app) in it, the virtual environment to C(venv).
      - C(overrides) gets a module C(site_overrides), which overrides the settings of the module that
        C(SITE_SETTINGS_MODULE) names with those in C(SITE_OVERRIDES). C(PYTHONPATH) has to contain C(overrides).
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
  home:
    description: The home directory of the site's user, for files that outlive a release. It is created if missing.
    type: path
    required: true
  python:
    description: The Python on the host that the virtual environment is created with.
    type: path
    default: /usr/bin/python3
  tools:
    description:
      - The programs that install packages, C(uv), C(poetry) and C(pipenv), each with the requirements that pip installs
        it by. The first is the program itself, as in C(uv==0.13.9). Each version gets its own directory below C(/opt).
      - Only those that O(requirements) need are installed. Without C(uv), pip installs the packages.
    type: dict
    default: {}
  requirements:
    description: The lists of the dependencies, as M(pitcrew.django.source) returns them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The path of the list, relative to O(project).
        type: str
        required: true
      kind:
        description: What it is.
        type: str
        choices: [uv.lock, poetry.lock, Pipfile.lock, requirements.txt, pyproject.toml, setup.py]
        default: requirements.txt
      extras:
        description: Its extras that are installed.
        type: list
        elements: str
        default: []
      groups:
        description: Its groups that are installed.
        type: list
        elements: str
        default: []
      hashed:
        description: Whether all its packages have checksums.
        type: bool
        default: true
  package:
    description: The requirement of the application, if it is a package. Installed before O(packages).
    type: str
  import_roots:
    description: Directories of the source, apart from O(project), from which modules are imported.
    type: list
    elements: str
    default: []
  logins:
    description:
      - Logins at the hosts that packages come from. They are kept in a file in memory during the installation, and only
        the site's user can read it.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: The host.
        type: str
        required: true
      login:
        description: The login there.
        type: dict
        required: true
        suboptions:
          user:
            description: The user.
            type: str
            required: true
          password:
            description: The password or the token.
            type: str
            required: true
  ssh_key:
    description: A private key for repositories that packages come from. It is kept like O(logins).
    type: str
  packages:
    description: More packages to install, the server among them.
    type: list
    elements: str
    default: []
  packages_if_absent:
    description:
      - Packages to install last, if O(requirements), O(packages) and what those need have not brought them in, whatever
        their version.
    type: list
    elements: str
    default: []
  packages_digest:
    description:
      - A checksum of everything that determines which packages are installed.
      - Without it, the virtual environment is not shared, since some of its packages come from the source itself.
    type: str
  server:
    description: The application server among the packages, as in C(site_server). No other one can run the release.
    type: str
  server_package:
    description: The Python package of the application server, whose version is recorded.
    type: str
  project_files:
    description:
      - Files to write into the release, by their path below O(project), before packages are installed. They belong to
        root, and the site's group can read them.
      - No symbolic link of the source leads elsewhere. A file of the source is replaced.
    type: dict
    default: {}
  secret_files:
    description: More files of this kind, which are never shown.
    type: dict
    default: {}
  directories:
    description:
      - Directories to create as the site's user, unless they exist. Relative ones are below O(project), and read-only
        for the site once the release is built.
    type: list
    elements: str
    default: []
  steps:
    description:
      - What to build after packages are installed and before Django's stages, as P(pitcrew.django.build_steps#filter)
        returns it. Each step runs in a transient unit of systemd, as the site's user.
      - It can write to C(app) and to a C(/tmp) of its own, has a network only if it asks for one, gains no privileges,
        and ends with the module. If the host cannot confine it like that, a warning says so.
    type: list
    elements: dict
    default: []
  node_version:
    description: The version of Node that steps use. It gets its own directory, as uv does. By default the host's.
    type: str
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
    description: The host names that the site has to serve.
    type: list
    elements: str
    required: true
  shared:
    description: Files and directories that outlive a release, relative to O(project). A directory ends with a slash.
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
  migrates_shared_database:
    description: Whether this host migrates a database that all hosts of the site share. Another host does it otherwise.
    type: bool
    default: true
  allow_destructive:
    description: Whether to apply migrations that remove something the live release may still use.
    type: bool
    default: false
  lock_timeout:
    description: For how many seconds a migration may wait for a lock of a table or of the database; 0 means no limit.
    type: int
    default: 10
  statement_timeout:
    description: For how many seconds a statement of a migration may run, on PostgreSQL; 0 means no limit.
    type: int
    default: 600
  backup:
    description: Whether to copy the database before migrations are applied. SQLite and PostgreSQL only.
    type: bool
    default: false
  backups_kept:
    description: How many of these copies to keep, in C(backups) below O(home).
    type: int
    default: 5
  keep_refused:
    description:
      - Whether a release whose build fails stays on disk, for inspection, if its packages are installed. No later run
        takes it for built, and the message says how to run its C(manage.py).
    type: bool
    default: false
  allow_insecure:
    description:
      - Whether to accept C(DEBUG = True), and a C(SECRET_KEY) that is empty or that C(startproject) has generated.
    type: bool
    default: false
  allow_lossy:
    description: Whether to accept log handlers that lose lines when several processes write to the same file.
    type: bool
    default: false
  health_path:
    description:
      - The path that the health check will request. If the settings are refused anyway, the message also
        reports if the project has no such URL.
    type: str
    default: /
  middleware:
    description:
      - WSGI middleware that will wrap the application, each a dotted path, or a mapping with C(path) and C(arguments).
      - Each has to be importable and callable with the application and its arguments; none is called.
    type: list
    elements: raw
    default: []
  application:
    description:
      - The WSGI application, a module and a name in it. It is loaded as the processes of the site will do, without
        C(manage.py), and the release is refused if one of its modules does not exist.
    type: str
  application_guessed:
    description: Whether O(application) follows from the settings module, and was not set.
    type: bool
    default: false
  commands:
    description:
      - Commands of C(manage.py) that run after the database is migrated, where it is migrated, each a text or a
        mapping with C(command) and C(once). What has run once, according to the host's record, does not run again.
    type: list
    elements: raw
    default: []
  first_commands:
    description:
      - Commands that run before these if the database was empty before it was migrated. If one fails, it and those
        after it stay due.
    type: list
    elements: raw
    default: []
  workers:
    description: How many worker processes the site has, for warnings about caches; 0 if that is not known.
    type: int
    default: 0
  lock:
    description: The token of M(pitcrew.django.lock). If another run has taken over the lock, this one fails.
    type: str
  files:
    description: Files that the host is expected to have, for the facts.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: Build the release
  pitcrew.django.release:
    archive: "{{ source.archive }}"
    path: /srv/shop/releases/3f2a9c1d04ab-1f3e2c
    user: shop
    home: /var/lib/shop
    cache: /srv/shop/cache
    requirements: "{{ source.requirements }}"
    packages: [gunicorn]
    packages_digest: "{{ source.requirements_digest }}"
    domains: [shop.example.com]
    environment:
      DJANGO_SETTINGS_MODULE: shop.settings
"""

RETURN = r"""
release:
  description: The name of its directory.
  returned: success, except in check mode
  type: str
  sample: 3f2a9c1d04ab-1f3e2c
description:
  description: What Django reported about the release.
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
    migrated:
      description: Whether this release has migrated the database, on this host.
      type: bool
    unmigrated:
      description: Applications of the project whose models have changes without a migration.
      type: list
      elements: str
      sample: []
    collected:
      description: A checksum of everything that the static files were collected from, empty if that cannot be told.
      type: str
      sample: 1f3e2c9d04ab1f3e2c9d04ab1f3e2c9d
    checks:
      description: A checksum of the warnings of C(check --deploy), empty if there are none.
      type: str
      sample: 1f3e2c9d04ab
    server:
      description: The application server that was installed into it.
      type: str
      sample: gunicorn
    server_version:
      description: The version of O(server_package) that was installed into it, or null.
      type: str
      sample: 27.0.1
    prometheus_client:
      description: The version of C(prometheus_client) in it, or null.
      type: str
      sample: 0.26.0
migrations:
  description: The migrations that were applied.
  returned: success, except in check mode
  type: list
  elements: str
  sample: [shop.0002_price]
commands:
  description: The commands of C(manage.py) that have run.
  returned: success, except in check mode
  type: list
  elements: dict
  contains:
    command:
      description: The command with its arguments.
      type: str
      sample: loaddata shop/initial.json
    why:
      description: Whether it runs for an empty database (C(first)), C(once), or for every C(release).
      type: str
      sample: once
    seconds:
      description: How long it took, in seconds.
      type: float
      sample: 0.4
backup:
  description: The copy of the database from before the migrations, or null.
  returned: success, except in check mode
  type: str
  sample: /var/lib/shop/backups/20261123T221501Z-before-3f2a9c1d04ab-1f3e2c.dump
notes:
  description: What a person should know of the build, a sentence each, such as which files of the source are replaced.
  returned: success, except in check mode
  type: list
  elements: str
  sample: []
output:
  description: What the Django commands wrote.
  returned: success, except in check mode
  type: str
facts:
  description:
    - What M(pitcrew.django.site_facts) would return now, as JSON in base64. The action plugin turns it into facts.
    - Ansible replaces the characters of every secret with asterisks, and a secret may be part of a path or of a
      release's name. In base64 the action plugin notices that, and gathers the facts from the host again.
  returned: success, except in check mode
  type: str
seconds:
  description: How long the parts of the build took, in seconds.
  returned: success, except in check mode
  type: dict
  sample: {packages: 1.9, django: 1.3}
"""

import base64
import hashlib
import json
import os
import pwd
import re
import signal
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils import build_runner, site_overrides
from ansible_collections.pitcrew.django.plugins.module_utils.build_cures import node_cures, step_cures
from ansible_collections.pitcrew.django.plugins.module_utils.build_steps import PRESETS, Outcome, Sandbox
from ansible_collections.pitcrew.django.plugins.module_utils.capacity import CapacityError
from ansible_collections.pitcrew.django.plugins.module_utils.commands_record import CommandsRecord, parsed
from ansible_collections.pitcrew.django.plugins.module_utils.cures import install_cures, start_cures
from ansible_collections.pitcrew.django.plugins.module_utils.demands import Demands, ways_back, what_stays
from ansible_collections.pitcrew.django.plugins.module_utils.django_process import PATH, Django, as_user, source_of
from ansible_collections.pitcrew.django.plugins.module_utils.environment_file import environment_values
from ansible_collections.pitcrew.django.plugins.module_utils.files import make_directory, remove_tree, write_file
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.lock import Busy, exclusive_visit
from ansible_collections.pitcrew.django.plugins.module_utils.migrations import warning_of_changes
from ansible_collections.pitcrew.django.plugins.module_utils.node import NodeError, install_node
from ansible_collections.pitcrew.django.plugins.module_utils.output import ending, excerpt
from ansible_collections.pitcrew.django.plugins.module_utils.package_access import PackageAccess
from ansible_collections.pitcrew.django.plugins.module_utils.packages import (
    KINDS,
    Installer,
    PackageList,
    installed_version,
    program_of,
    tools_for,
)
from ansible_collections.pitcrew.django.plugins.module_utils.project_files import ProjectFileError, write_project_file
from ansible_collections.pitcrew.django.plugins.module_utils.public_paths import public_path_complaints
from ansible_collections.pitcrew.django.plugins.module_utils.releases import Release, Releases, SharedVenv
from ansible_collections.pitcrew.django.plugins.module_utils.site_state import read_site
from ansible_collections.pitcrew.django.plugins.module_utils.timing import timed

STAGES = {
    "script": "manage.py ended its process, or replaced it, before it started Django",
    "start": "Django cannot be imported",
    "settings": "the settings cannot be loaded",
    "apps": "django.setup() failed",
    "refused": "the project is not ready for production",
    "check": "manage.py check --deploy failed",
    "collectstatic": "manage.py collectstatic failed",
    "plan": "its migrations cannot run",
    "backup": "the database cannot be backed up",
    "migrate": "manage.py migrate failed",
    "command": "a command of the release failed",
}
# The part of Django's report between its heading and an empty line.
WARNINGS = re.compile(r"^WARNINGS:\n(.+?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
# One of them: the object that it is about, its name, and its first sentence; others follow, and a hint.
WARNING = re.compile(r"^(?:\?|(\S.*?)): \(([\w.]+)\) (.+?)(?:\.\s|\.?$)", re.MULTILINE)
# Once a virtual environment is root's, the site's processes cannot write bytecode.
COMPILE = """
import compileall, sysconfig
compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2, workers=0)
"""
# The live release needs the CPU more than the one that is being built.
NICE = ("nice", "-n", "10")
IMPORT_FROM = """
import pathlib, sys, sysconfig
file = pathlib.Path(sysconfig.get_path("purelib"), "site_import_roots.pth")
file.write_text("".join(f"{root}\\n" for root in sys.argv[1:]), encoding="utf-8")
"""
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
LONGEST_COMMAND = 60
"""How many characters of a command are part of a message."""
TOOLS = Path("/opt")
LIST = {
    "path": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": [*KINDS], "default": "requirements.txt"},
    "extras": {"type": "list", "elements": "str", "default": []},
    "groups": {"type": "list", "elements": "str", "default": []},
    "hashed": {"type": "bool", "default": True},
}
LOGIN = {
    "host": {"type": "str", "required": True},
    "login": {
        "type": "dict",
        "required": True,
        "options": {
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
        },
    },
}
# The parameters that are passed to the Django process.
JOB = (
    "domains",
    "shared",
    "collectstatic",
    "migrate",
    "migrates_shared_database",
    "allow_destructive",
    "lock_timeout",
    "statement_timeout",
    "backup",
    "backups_kept",
    "allow_insecure",
    "allow_lossy",
    "health_path",
    "middleware",
    "application",
    "application_guessed",
    "workers",
    "packages_digest",
)


class BuildError(Exception):
    """The release cannot be built: the reason, what to do about it, and the output of the command that failed."""

    def __init__(
        self, reason: str, output: str, cures: Iterable[str] = (), inventory: Mapping[str, Any] | None = None
    ) -> None:
        text = "\n".join([f"{reason.rstrip('.')}.", *cures])
        if inventory:
            # In one piece, since several of them may be about the same variable.
            text = "\n".join([text, "", "To merge into the inventory:", *inventory_lines(inventory)])
        super().__init__(text)
        self.output = excerpt(output)


def inventory_lines(variables: Mapping[str, Any]) -> list[str]:
    """Write variables as they can be pasted into an inventory."""
    lines = []
    for name, value in variables.items():
        if isinstance(value, dict):
            lines += [f"{name}:", *(f"  {key}: {json.dumps(one)}" for key, one in value.items())]
        else:
            lines.append(f"{name}: {json.dumps(value)}")
    return lines


def shortened(checks: str) -> str:
    """Return the warnings of C(manage.py check --deploy), a line for each; empty if there are none."""
    found = WARNINGS.search(checks)
    if not found:
        return ""
    warnings = WARNING.findall(found[1])
    lines = [f"{name}: {sentence}{f' ({about})' if about else ''}" for about, name, sentence in warnings]
    return "\n".join(lines) or found[1]


def shortened_line(command: str) -> str:
    """Return the first part of a command of the shell, or its beginning."""
    first = re.split(r"[;&|\n]", command.strip())[0].strip()[:LONGEST_COMMAND]
    return first if first == command.strip() else f"{first}..."


def without_logging(variables: Mapping[str, str], overrides: Path) -> dict[str, str]:
    """Return an environment in which Django leaves logging alone: a step cannot write to the site's log files."""
    settings = {**json.loads(variables.get("SITE_OVERRIDES", "{}")), "LOGGING_CONFIG": None}
    module = variables.get("SITE_SETTINGS_MODULE", variables.get("DJANGO_SETTINGS_MODULE", ""))
    paths = dict.fromkeys([str(overrides), *variables.get("PYTHONPATH", "").split(":")])
    return {
        **variables,
        "DJANGO_SETTINGS_MODULE": "site_overrides",
        "PYTHONPATH": ":".join(filter(None, paths)),
        "SITE_OVERRIDES": json.dumps(settings),
        "SITE_SETTINGS_MODULE": module,
    }


def ran_out_of_memory(outcome: Outcome) -> bool:
    """Whether the step was killed for lack of memory: systemd says so with version 2 of control groups."""
    killed = outcome.status in (-signal.SIGKILL, 128 + signal.SIGKILL) or "signal SIGKILL" in outcome.output
    return outcome.result == "oom-kill" or (killed and not outcome.succeeded)


def reason_of(outcome: Outcome, step: Mapping[str, Any]) -> str:
    """Tell why a step failed."""
    if outcome.error:
        return outcome.error
    if outcome.result == "timeout":
        return f"it did not end within {step['timeout']} seconds (timeout)"
    if ran_out_of_memory(outcome):
        return f"it was killed, since it needs more memory than {step['memory']} (memory)"
    what = outcome.runs if step["preset"] and outcome.runs else "it"
    return f"{what} {'was cut off' if outcome.status is None else ending(outcome.status)}"


def moved_scripts(new: Path, home: Path) -> None:
    """Rewrite the first lines of a tool's scripts, which name its Python, for its last directory."""
    for script in (new / "bin").iterdir():
        if script.is_symlink() or not script.is_file():
            continue
        content = script.read_bytes()
        if content.startswith(b"#!") and os.fsencode(new) in content:
            script.write_bytes(content.replace(os.fsencode(new), os.fsencode(home)))


class Build:
    """The build of one release, from its archive to a directory that nobody changes any more."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params = module.params
        path = Path(self.params["path"])
        self.releases = Releases(path.parents[1])
        live = HostedSite(self.params["user"], str(path.parents[1])).live
        self.live = live.release if live else None
        self.demands = Demands(path.parents[1])
        self.commands = CommandsRecord(path.parents[1])
        self.release = Release(path)
        self.account = pwd.getpwnam(self.params["user"])
        self.as_user = [*NICE, *as_user(self.account)]
        self.installer = Installer(
            python=self.params["python"],
            cache=Path(self.params["cache"]),
            index=self.params["index"],
            ca_bundle=self.params["ca_bundle"],
            proxies={name: value for name, value in os.environ.items() if name.lower() in PROXIES},
        )
        self.lists = [PackageList(**one) for one in self.params["requirements"]]
        self.seconds: dict[str, float] = {}
        self.filled: SharedVenv | None = None
        self.notes: list[str] = []
        self.state = ", the site is unchanged"

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

    def ensure_node(self) -> str:
        """Return the directory of Node, installed once per version for all sites of the host; empty for the host's."""
        version = self.params["node_version"]
        if not version:
            return ""
        variables = {
            **self.installer.variables,
            "HOME": "/root",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_CACHE_DIR": "1",
        }
        try:
            return str(install_node(self.module.run_command, NICE, self.params["python"], TOOLS, version, variables))
        except NodeError as error:
            cures = node_cures(version, str(error)) or install_cures(str(error))
            raise BuildError(f"site_node_version: installing Node {version} failed", str(error), cures) from None

    def run_steps(self, variables: dict[str, str]) -> None:
        """Build what the project's own tools build, each step in its sandbox.

        Raises BuildError with what the step wrote.
        """
        node = self.ensure_node()
        sandbox = Sandbox(
            user=self.params["user"],
            unit=f"{self.params['user']}-build",
            python=self.params["python"],
            release=self.release.path,
            project=self.params["project"],
            home=Path(self.params["home"]),
            program=source_of(build_runner),
        )
        unconfined: dict[str, None] = {}
        for number, step in enumerate(self.params["steps"]):
            name = f"site_build[{number}]: {step['preset'] or shortened_line(step['command'])}"
            outcome = sandbox.run(
                step, self.step_environment(step, node, variables, name), self.params["collectstatic"]
            )
            unconfined.update(dict.fromkeys(outcome.unconfined))
            self.notes += [f"{name}: {outcome.note}."] if outcome.note else []
            if not (outcome.succeeded and outcome.result in ("", "success")):
                raise BuildError(f"{name}: {reason_of(outcome, step)}", outcome.output, self.cures_of(outcome, step))
        if unconfined:
            self.module.warn(
                f"site_build: systemd could not give the steps {', '.join(unconfined)}, as in some containers. They "
                f"ran without, as the user {self.params['user']}"
            )

    def step_environment(self, step: dict[str, Any], node: str, variables: dict[str, str], name: str) -> dict[str, str]:
        """Return the environment of a step: that of the site, with what fetching packages takes if it has a network.

        What strangers have written gets no secrets; nothing of a build is logged where the site logs.
        """
        preset = PRESETS.get(step["preset"])
        if preset and not preset.django:
            found = environment_values(self.params["environment"], "site_environment")
        else:
            found = without_logging(variables, self.release.overrides)
        if step["network"]:
            bundle = self.params["ca_bundle"]
            trust = ("NODE_EXTRA_CA_CERTS", "npm_config_cafile", "SSL_CERT_FILE") if bundle else ()
            found = {**self.installer.proxies, **dict.fromkeys(trust, bundle), **found}
        # The step has places of its own for what programs keep; those of the site are read-only for it.
        found = {key: value for key, value in found.items() if not re.match(r"(HOME|TMPDIR|XDG_\w+)$", key)}
        quiet = dict.fromkeys(("npm_config_audit", "npm_config_fund", "npm_config_update_notifier"), "false")
        found = {"NO_COLOR": "1", "npm_config_progress": "false", **quiet, "PATH": PATH, **found}
        found["PATH"] = ":".join(filter(None, [node, found["PATH"]]))
        return {**found, **environment_values(step["environment"], f"{name}.environment")}

    def cures_of(self, outcome: Outcome, step: dict[str, Any]) -> list[str]:
        """Return what to do about a step that failed."""
        if outcome.cure:
            return [f"{outcome.cure[0].upper()}{outcome.cure[1:]}"]
        if outcome.result == "timeout":
            return ["Set its timeout, in seconds, if it needs longer"]
        if ran_out_of_memory(outcome):
            return ["Set its memory, such as 75%, if the host has that to spare beside the live release"]
        return step_cures(outcome.output, step["network"], self.params["user"])

    def ensure_tools(self) -> dict[str, str]:
        """Return the paths of the programs that install the packages, by their names, and install those that miss."""
        wanted = self.params["tools"]
        needed = {"uv", *tools_for(self.lists)}
        return {name: self.ensure_tool(name, wanted[name]) for name in sorted(needed & set(wanted))}

    def ensure_tool(self, name: str, requirements: list[str]) -> str:
        """Return the path of a program from PyPI, which is installed once per version for all sites of the host.

        The first of its requirements is the program, the others are what it is extended with; all name exact versions.
        """
        version = "-".join(requirement.rpartition("=")[2] for requirement in requirements)
        home = TOOLS / f"{name}-{version}"
        if not home.exists():
            # Elsewhere first: other sites may be about to do the same, and whatever exists at that path is complete.
            new = Path(tempfile.mkdtemp(prefix=f".{name}-{version}-", dir=TOOLS))
            # This runs as root, so it uses nothing that a site can write to: neither its home nor its pip settings.
            variables = {
                **self.installer.variables,
                "HOME": "/root",
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_NO_CACHE_DIR": "1",
            }
            for command in (
                [self.params["python"], "-I", "-m", "venv", str(new)],
                [str(new / "bin/python"), "-I", "-m", "pip", "install", "--quiet", *requirements],
            ):
                returncode, out, err = self.module.run_command([*NICE, *command], environ_update=variables)
                if returncode:
                    remove_tree(new)
                    raise BuildError(f"installing {name} {version} failed", out + err, install_cures(out + err))
            new.chmod(0o755)
            moved_scripts(new, home)
            try:
                new.rename(home)
            except OSError:  # Another site was faster.
                remove_tree(new)
        return str(home / "bin" / name)

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
        access = PackageAccess(self.account, self.params["logins"], self.params["ssh_key"], self.installer.cache)
        with access as variables:
            package = [self.params["package"]] if self.params["package"] else []
            packages = [package, self.params["packages"]]
            installer = replace(self.installer, access=variables)
            installer.install(self.run, tools, project, venv, self.lists, packages, self.params["packages_if_absent"])
        if self.params["import_roots"]:
            roots = [str(self.release.app / root) for root in self.params["import_roots"]]
            self.run([str(venv / "bin/python"), "-c", IMPORT_FROM, *roots], venv, {})
        self.run([str(venv / "bin/python"), "-c", COMPILE], venv, {})

    def run_django(self, variables: dict[str, str], **other: Any) -> tuple[dict[str, Any], str]:
        """Run the stages as the site's user; return the report and everything that was written meanwhile.

        Raises BuildError with the stage, the reason, and what was written.
        """
        django = Django(
            self.module.run_command,
            self.account,
            self.params["python"],
            self.release.path,
            self.params["project"],
            self.params["home"],
        )
        job = {name: self.params[name] for name in JOB}
        job |= self.commands.due(*(parsed(self.params[name]) for name in ("first_commands", "commands")))
        recorded = [entry["migration"] for entry in self.demands.recorded()]
        job |= {"recorded": recorded, "collected": self.collected(), **other}
        report, output = django.run({"do": "build", **job}, variables)
        applied = [{**demand, "backup": report["backup"]} for demand in report.get("demands", [])]
        self.demands.record(self.release.id, applied, report.get("recorded"))
        self.commands.note(report.get("ran", []), complete=report["stage"] == "done" and job["first_due"])
        stage, complaints = report["stage"], report.get("complaints", [])
        if stage == "empty":
            # Before the first change of the database, since afterwards nobody can tell that it was empty.
            self.commands.owe_first()
            again, more = self.run_django(
                variables, **{**other, "shared": [], "collectstatic": False, "first_noted": True}
            )
            found = {**report["description"], "migrated": again["description"]["migrated"]}
            warnings = list(dict.fromkeys([*report["warnings"], *again["warnings"]]))
            return {**again, "description": found, "warnings": warnings}, output + more
        if report["error"] is None and not complaints:
            return report, output
        if stage == "start" and self.filled:
            self.filled.remove()  # Whatever is wrong with it, the next attempt creates another.
        cures = []
        if stage in ("start", "settings", "apps", "check", "plan"):
            cures = start_cures(f"{output}\n{report['error']}", self.params["user"])
            # If manage.py does not start Django, that may be the cause.
            cures += [warning for warning in report.get("warnings", []) if "does not start Django" in warning]
        if stage in ("migrate", "command") or report.get("migrated"):
            cures += self.what_is_done(report)
        where = f" in {report['where']}" if stage == "apps" and report.get("where") else ""
        reason = f"{STAGES[stage]}{where}: {report['error']}" if report["error"] else STAGES[stage]
        if stage == "command" and report["error"]:
            command = report["command"]
            reason = f"{command['variable']}: manage.py {command['text']} failed: {report['error']}"
            output = report.get("written") or output
        if report.get("checks"):
            output = output.replace(report["checks"], "")  # Warnings, which are not the cause.
        if stage == "refused" and "Traceback" not in output:
            output = ""
        raise BuildError(reason, output, [*cures, *complaints], report.get("inventory"))

    def what_is_done(self, report: dict[str, Any]) -> list[str]:
        """Say what a release that is refused has already done to the database, and that the site keeps running."""
        self.state = ""
        names, failed = report["migrations"], report["stage"] == "command"
        if report.get("migrated"):
            verb = "is" if len(names) == 1 else "are"
            done = [f"{', '.join(names)} {verb} applied" if names else "there were no migrations to apply"]
        else:  # Without site_migrate, a command is the first to change anything.
            done = [] if failed else [report["database"] or "migrations may have been applied to the database"]
        if ran := [one["command"] for one in report.get("ran", [])]:
            done.append(f"{', '.join(ran)} {'has' if len(ran) == 1 else 'have'} run")
        if failed:
            done.append("what the command has changed stays, and it will run again")
        # Not if the live release can no longer add rows: the message begins with that.
        same = "" if self.demands.unmet_by(self.live) else "The site keeps running as before; "
        before = [f"The database from before is {report['backup']}."] if report["backup"] else []
        return [f"{same}{'; '.join(done)}.", *before]

    def collected(self) -> dict[str, str]:
        """The directories of static files of other releases, by the fingerprint of what they were collected from."""
        found = {}
        for release in self.releases:
            record = (release.recorded if release.complete else None) or {}
            static = record.get("public", {}).get(record.get("static"))
            if record.get("collected") and static and Path(static).resolve().is_relative_to(release.path.resolve()):
                found[str(record["collected"])] = static
        return found

    def described(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return the parts of a description that root can vouch for, since it comes from the site's own code.

        Raises ValueError with the cure.
        """
        public = {str(path): str(directory) for path, directory in found["public"].items()}
        allowed = [path.resolve() for path in (self.release.path, Path(self.params["home"]))]
        complaints = public_path_complaints(public, allowed)
        if complaints:
            raise ValueError("\n".join(complaints))
        return {
            "public": public,
            **{name: found[name] if found[name] in [*public] else None for name in ("static", "media")},
            "migrated": found["migrated"] is True,
            "unmigrated": [str(label) for label in found.get("unmigrated", [])],
            "collected": str(found.get("collected", "")),
            "server": self.params["server"],
            # A range in the project's list leaves these to the installer.
            "server_version": installed_version(self.release.venv, self.params["server_package"]),
            "prometheus_client": installed_version(self.release.venv, "prometheus_client"),
        }

    def warn(self, description: dict[str, Any], checks: str) -> None:
        """Warn of changes without a migration, and of what the checks find, unless they found that in the live release.

        What they find is recorded in the description, as a checksum.
        """
        if unmigrated := description["unmigrated"]:
            self.module.warn(warning_of_changes(unmigrated))
        warnings = shortened(checks)
        description["checks"] = hashlib.sha256(warnings.encode()).hexdigest()[:12] if warnings else ""
        serves = self.releases.named(self.live).recorded if self.live else None
        if warnings and (serves or {}).get("checks") != description["checks"]:
            self.module.warn(f"manage.py check --deploy:\n{warnings}")

    def build(self, finished: dict[str, Any] | None) -> dict[str, Any]:
        """Do the whole build, or for a finished release only what was left to another host: the migrations.

        Raises BuildError, ValueError, OSError or RecursionError with the reason it cannot be done.
        """
        variables = {
            **environment_values(self.params["environment"], "site_environment"),
            **environment_values(self.params["secrets"], "site_secrets"),
        }
        # No variable of this session reaches a command: a release is checked in the environment that it will run in.
        os.environ.clear()
        os.environ["PATH"] = PATH
        if finished is not None:
            report, output = self.run_django(variables, shared=[], collectstatic=False)
            description = {**finished, "migrated": True}
        else:
            with timed(self.seconds, "packages"):
                self.unpack()
                self.add_files()
                self.install()
            if self.params["steps"]:
                with timed(self.seconds, "build"):
                    self.run_steps(variables)
            with timed(self.seconds, "django"):
                report, output = self.run_django(variables)
            description = self.described(report["description"])
            self.release.seal(self.account.pw_gid)
        for warning in report["warnings"]:
            self.module.warn(warning)
        if finished is None:
            self.warn(description, report["checks"])
        self.release.finish(json.dumps(description) + "\n")
        return {
            "changed": True,
            "release": self.release.id,
            "description": description,
            "migrations": report["migrations"],
            "commands": report["ran"],
            "backup": report["backup"],
            "notes": self.notes,
            "output": output,
            "seconds": self.seconds,
        }


def attempt(module: AnsibleModule, finished: dict[str, Any] | None) -> dict[str, Any]:
    """Build the release, or leave nothing of it behind and fail with the reason."""
    build = Build(module)
    try:
        return build.build(finished)
    except (BuildError, ValueError, OSError, RecursionError) as error:
        kept, params = "", module.params
        unmet = build.demands.unmet_by(build.live)
        back = ways_back(entry for entry in unmet if build.release.id in entry["known_by"])
        if finished is None and (params["keep_refused"] or back):
            kept = build.release.set_aside(
                params["user"], params["project"], params["environment"], bool(params["secrets"]), back
            )
        elif finished is None:
            build.release.remove()
        reason = str(error) if isinstance(error, BuildError) else f"{error}."
        output = error.output if isinstance(error, BuildError) else ""
        message = f"Release {build.release.id} is refused{build.state}: {reason}"
        if unmet:
            stays = what_stays(unmet, f"release {build.live}, which keeps serving,")
            message = f"Release {build.release.id} is refused, and {stays}.\nThe cause: {reason}"
        module.fail_json(msg="\n\n".join(filter(None, [message, kept, output])))


def make_directories(release: Path, params: dict[str, Any]) -> None:
    """Create the site's directories where they are missing. Only the site's group can look into the first of them."""
    account = pwd.getpwnam(params["user"])
    make_directory(release.parents[1], 0, account.pw_gid)
    for directory in (params["cache"], params["home"]):
        make_directory(Path(directory), account.pw_uid, account.pw_gid)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path", "required": True},
            "content": {"type": "str", "no_log": True},
            "path": {"type": "path", "required": True},
            "project": {"type": "str", "default": ""},
            "user": {"type": "str", "required": True},
            "home": {"type": "path", "required": True},
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "tools": {"type": "dict", "default": {}},
            "requirements": {"type": "list", "elements": "dict", "default": [], "options": LIST},
            "package": {"type": "str"},
            "import_roots": {"type": "list", "elements": "str", "default": []},
            "logins": {"type": "list", "elements": "dict", "default": [], "options": LOGIN},
            "ssh_key": {"type": "str", "no_log": True},
            "packages": {"type": "list", "elements": "str", "default": []},
            "packages_if_absent": {"type": "list", "elements": "str", "default": []},
            "packages_digest": {"type": "str"},
            "server": {"type": "str"},
            "server_package": {"type": "str"},
            "project_files": {"type": "dict", "default": {}},
            "secret_files": {"type": "dict", "default": {}, "no_log": True},
            "directories": {"type": "list", "elements": "str", "default": []},
            "steps": {"type": "list", "elements": "dict", "default": []},
            "node_version": {"type": "str"},
            "cache": {"type": "path", "required": True},
            "index": {"type": "str", "no_log": True},
            "hidden": {"type": "dict", "default": {}, "no_log": True},
            "ca_bundle": {"type": "path"},
            "domains": {"type": "list", "elements": "str", "required": True},
            "environment": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "shared": {"type": "list", "elements": "str", "default": []},
            "collectstatic": {"type": "bool", "default": True},
            "migrate": {"type": "bool", "default": True},
            "migrates_shared_database": {"type": "bool", "default": True},
            "allow_destructive": {"type": "bool", "default": False},
            "lock_timeout": {"type": "int", "default": 10},
            "statement_timeout": {"type": "int", "default": 600},
            "backup": {"type": "bool", "default": False},
            "backups_kept": {"type": "int", "default": 5},
            "keep_refused": {"type": "bool", "default": False},
            "allow_insecure": {"type": "bool", "default": False},
            "allow_lossy": {"type": "bool", "default": False},
            "health_path": {"type": "str", "default": "/"},
            "middleware": {"type": "list", "elements": "raw", "default": []},
            "application": {"type": "str"},
            "application_guessed": {"type": "bool", "default": False},
            "commands": {"type": "list", "elements": "raw", "default": []},
            "first_commands": {"type": "list", "elements": "raw", "default": []},
            "workers": {"type": "int", "default": 0},
            "lock": {"type": "str", "no_log": False},
            "files": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=True)
    os.umask(0o022)
    path = Path(module.params["path"])
    try:
        make_directories(path, module.params)
        with exclusive_visit(path.parents[1], module.params["lock"]):
            finished = Release(path).description  # Perhaps by another run, after this one had looked.
            wanted = module.params["migrate"] and module.params["migrates_shared_database"]
            if finished and (finished["migrated"] or not wanted):
                result = {"changed": False, "release": path.name, "description": finished}
            else:
                result = attempt(module, finished)
    except Busy as busy:
        module.fail_json(msg=f"{busy}.")
    except OSError as error:  # A disk that is full, or read-only.
        module.fail_json(msg=f"Release {path.name} cannot be built, the site is unchanged: {error}.")
    with suppress(CapacityError, OSError):  # Without them the action plugin gathers them, and reports the error.
        facts = read_site(module.params["user"], str(path.parents[1]), module.params["files"], module.params["python"])
        result["facts"] = base64.b64encode(json.dumps(facts).encode()).decode()
    module.exit_json(**result)


if __name__ == "__main__":
    main()
