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
    description: The URL of the repository. Mutually exclusive with O(directory).
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
      - The file that lists the dependencies, relative to O(project).
      - By default the first of C(uv.lock), C(requirements.txt) and C(pyproject.toml) that exists.
    type: str
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
  description: The file that lists the dependencies, relative to O(project).
  returned: success
  type: str
  sample: requirements.txt
requirements_digest:
  description:
    - A checksum of everything that determines which packages are installed; empty if some come from the source itself.
  returned: success
  type: str
  sample: 8c1f0a5b22d7
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
