#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is the documentation of an action plugin: plugins/action/source.py.

from __future__ import annotations

DOCUMENTATION = r"""
module: source
short_description: Pack a site's source on the control node
version_added: 0.1.0
description:
  - Packs one revision of a git repository, or a directory, into an archive on the control node. Every host of a site
    gets the same source, even if the branch moves meanwhile, and no host needs git or a key for the repository.
  - Submodules are packed with their content, and so are files that Git LFS keeps, if C(git-lfs) is installed. Warns of
    results of a build that a directory has, and that git ignores.
  - The archive is named after its content. The same source gives the same archive, byte for byte.
  - Checks that the source has what the site needs, before anything changes on a host. A failure names everything that
    is missing, one complaint per line.
  - Chooses the version of the application server. A version that the user has set takes precedence, then the one that
    the project pins, if it is supported, then the tested one.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  action:
    description: Everything happens on the control node.
    support: full
  check_mode:
    description: Packs the source as usual, since that only writes to the cache.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  git_url:
    description: The URL of the repository. Mutually exclusive with O(directory) and O(package).
    type: str
  git_ref:
    description: The branch, tag or commit to pack.
    type: str
    default: HEAD
  directory:
    description:
      - A directory with the source. In a git work tree, files that git ignores are left out; elsewhere, version control
        files, virtual environments and bytecode.
    type: path
  package:
    description: The requirement of an application that is a package, and has no source of its own.
    type: str
  project:
    description: The directory of C(manage.py), relative to the source.
    type: str
    default: ""
  modules:
    description: Modules that the project must have, by the name of the variable that names them.
    type: dict
    default: {}
  guessed:
    description: Variables among O(modules) that the user has not set, so that their values are guesses.
    type: list
    elements: str
    default: []
  requirements:
    description:
      - The lists of dependencies, relative to O(project).
      - By default the first of C(uv.lock), C(poetry.lock), C(Pipfile.lock), C(requirements.txt), C(pyproject.toml) and
        C(setup.py) in the first directory that has one, from O(project) upwards.
    type: list
    elements: str
    default: []
  extras:
    description: Extras of the lists that are installed, too.
    type: list
    elements: str
    default: []
  groups:
    description: Groups of the lists that are installed, too.
    type: list
    elements: str
    default: []
  installer:
    description: The program that will install them. C(pip) does not read C(uv.lock).
    type: str
    choices: [uv, pip]
    default: uv
  python_packages:
    description: Requirements in addition to that list. They take precedence over it.
    type: list
    elements: str
    default: []
  files:
    description: Files that the inventory adds to the project, relative to O(project).
    type: list
    elements: str
    default: []
  servers:
    description:
      - The application servers of the play's hosts that are Python packages, by their names. The value has the name of
        the C(package); the C(variable) in which a user sets the version; the version C(wanted) there, or an empty text;
        the C(tested) version; the C(oldest) that a project may pin, and the C(reason) for that limit.
    type: dict
    default: {}
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
    requirements: [requirements/production.txt]
    cache: ~/.cache/pitcrew.django
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
  description: The lists of dependencies, relative to O(project), with those of O(extras) and O(groups) that each has.
  returned: success
  type: list
  elements: dict
  sample: [{path: requirements.txt, kind: requirements.txt, extras: [], groups: [], hashed: true}]
requirements_digest:
  description:
    - A checksum of everything that determines which packages are installed; empty if some come from the source itself.
  returned: success
  type: str
  sample: 8c1f0a5b22d7
packages:
  description: Which lists were taken and why, and what was left out, in one line.
  returned: success
  type: str
  sample: "Packages: requirements.txt, the only one beside manage.py"
system_packages:
  description: The distribution's packages that installing these dependencies needs.
  returned: success
  type: list
  elements: str
  sample: [git]
compiled:
  description: Those of the Python packages that every host compiles, since there is no wheel of them.
  returned: success
  type: list
  elements: str
  sample: [mysqlclient]
import_roots:
  description: Directories of the source, apart from O(project), from which the modules are imported.
  returned: success
  type: list
  elements: str
  sample: [src]
servers:
  description: What to install, by the names in O(servers).
  returned: success
  type: dict
  sample:
    gunicorn:
      requirement: gunicorn==26.0.0
      version: 26.0.0
      explanation: "Server: gunicorn 26.0.0, pinned in requirements.txt, line 3"
"""
