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
  interface:
    description: The interface of O(application), with which alone the release can run.
    type: str
    choices: [wsgi, asgi]
    default: wsgi
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
      - The application, a module and a name in it. It is loaded as the processes of the site will do, without
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
  process_commands:
    description:
      - The commands that the site runs beside its web processes. What the release cannot run is refused with everything
        else that is wrong with it, before the database is migrated.
    type: list
    elements: dict
    default: []
    suboptions:
      variable:
        description: The variable that has the command, for messages.
        type: str
        required: true
      words:
        description: Its words, as in C([python, manage.py, clearsessions]).
        type: list
        elements: str
        required: true
  first_commands:
    description:
      - Commands that run before these if the database was empty before it was migrated. If one fails, it and those
        after it stay due.
    type: list
    elements: raw
    default: []
  boot_timeout:
    description: How many seconds the application may take to load; after that, the start of the slot will tell.
    type: int
    default: 60
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
    interface:
      description: The interface that it was built for.
      type: str
      sample: wsgi
    server_version:
      description: The version of O(server_package) that was installed into it, or null.
      type: str
      sample: 27.0.1
    prometheus_client:
      description: The version of C(prometheus_client) in it, or null.
      type: str
      sample: 0.26.0
    packages:
      description: O(packages_digest), or an empty text.
      type: str
      sample: 8c1f0a5b22d7
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
import json
import os
import pwd
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.capacity import CapacityError
from ansible_collections.pitcrew.django.plugins.module_utils.files import make_directory
from ansible_collections.pitcrew.django.plugins.module_utils.lock import Busy, exclusive_visit
from ansible_collections.pitcrew.django.plugins.module_utils.packages import KINDS
from ansible_collections.pitcrew.django.plugins.module_utils.release_build import attempt
from ansible_collections.pitcrew.django.plugins.module_utils.releases import Release
from ansible_collections.pitcrew.django.plugins.module_utils.site_state import read_site

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
            "interface": {"type": "str", "choices": ["wsgi", "asgi"], "default": "wsgi"},
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
            "process_commands": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "variable": {"type": "str", "required": True},
                    "words": {"type": "list", "elements": "str", "required": True},
                },
            },
            "boot_timeout": {"type": "int", "default": 60},
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
