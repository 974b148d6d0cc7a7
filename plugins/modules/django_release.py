#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: django_release
short_description: Check, collect, migrate and seal a release whose code and packages are in place
version_added: 0.1.0
description:
  - Runs one Django process with the release's own Python, as the site's user and with the site's environment. It asks
    the settings what a deploy has to know of them, and runs C(check --deploy), C(collectstatic) and C(migrate).
  - Warnings of C(check --deploy) become Ansible warnings; errors are fatal.
  - Afterwards the release belongs to root, so that the process cannot change its own code, and its description is
    written to C(release.json). A release without that file is unfinished.
  - A release that fails on the way is removed.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  check_mode:
    description: Says that the release would be finished; nothing is run.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  path:
    description: The release's directory, with the source in C(app) and the virtual environment in C(venv).
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
- name: Check, collect and migrate
  pitcrew.django.django_release:
    path: /srv/shop/releases/3f2a9c1d04ab-1f3e2c
    user: shop
    state: /var/lib/shop
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
"""

import json
import os
import pwd
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils import django_runner
from ansible_collections.pitcrew.django.plugins.module_utils.environment import environment_values
from ansible_collections.pitcrew.django.plugins.module_utils.layout import Release, write_file

STAGES = {
    "start": "Django cannot be imported",
    "settings": "the settings cannot be used",
    "check": "manage.py check --deploy finds errors",
    "collectstatic": "manage.py collectstatic fails",
    "migrate": "manage.py migrate fails",
}


def run_django(module: AnsibleModule, variables: dict[str, str]) -> tuple[dict[str, Any], str]:
    """Run the stages as the site's user; give the answer and all that was written meanwhile."""
    params = module.params
    release = Path(params["path"])
    reader, writer = os.pipe()
    job = {
        **{name: params[name] for name in ("state", "domains", "shared", "collectstatic", "migrate", "leads")},
        "release": params["path"],
        "answer": writer,
    }
    source = django_runner.__loader__.get_source(django_runner.__name__)
    returncode, out, err = module.run_command(
        [
            module.get_bin_path("runuser", required=True),
            "-u",
            params["user"],
            "--",
            str(release / "venv/bin/python"),
            "-c",
            source,
        ],
        cwd=str(release / "app" / params["project"]),
        data=json.dumps(job),
        environ_update={"HOME": params["state"], **variables},
        umask=0o027,
        pass_fds=[writer],
    )
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as file:
        answer = file.read()
    if not answer:
        return {"stage": "start", "error": f"Python ended with {returncode}"}, out + err
    return json.loads(answer), out + err


def seal(release: Path, group: int) -> None:
    """Give the release to root; the site's group may read it, and nobody may write to it."""
    for directory, names, files in os.walk(release):
        for name in (".", *names, *files):
            path = os.path.join(directory, name)
            os.chown(path, 0, group, follow_symlinks=False)
            if not os.path.islink(path):
                os.chmod(path, os.stat(path).st_mode & 0o750 | 0o040)


def finish(module: AnsibleModule) -> dict[str, Any]:
    """Bring the release from unpacked to sealed.

    Raises ValueError or OSError with the reason it cannot be.
    """
    params = module.params
    release = Release(Path(params["path"]))
    variables = {
        **environment_values(params["environment"], "site_environment"),
        **environment_values(params["secrets"], "site_secrets"),
    }
    answer, output = run_django(module, variables)
    if answer["error"]:
        raise ValueError(f"{STAGES[answer['stage']]}: {answer['error']}\n{output[-6000:]}".rstrip())
    if "WARNINGS" in output:
        module.warn(output.strip())
    seal(release.path, pwd.getpwnam(params["user"]).pw_gid)
    write_file(release.record, json.dumps(answer["description"]) + "\n", 0o644)
    return {"changed": True, "description": answer["description"], "output": output}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "project": {"type": "str", "default": ""},
            "user": {"type": "str", "required": True},
            "state": {"type": "path", "required": True},
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
        result = finish(module)
    except (ValueError, OSError) as error:
        shutil.rmtree(module.params["path"], ignore_errors=True)
        name = os.path.basename(module.params["path"])
        module.fail_json(msg=f"Release {name} is refused, the site is as it was: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
