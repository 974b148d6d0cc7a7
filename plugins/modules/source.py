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
  - Packs one revision of a git repository, or a directory, into an archive on the control node, so that every host of
    a site gets the same source whatever happens to the branch meanwhile, and no host needs git or a key to the
    repository.
  - The archive's name is made from its content. The same source gives the same archive, byte for byte.
  - Whether the source has the modules it will be asked for is seen here, before anything changes on a host.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  action:
    description: All of it is done on the control node.
    support: full
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
  installer:
    description: What will install them. C(pip) does not read C(uv.lock).
    type: str
    choices: [uv, pip]
    default: uv
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
    - A checksum of all that decides which packages are installed; empty where some come out of the source itself.
  returned: success
  type: str
  sample: 8c1f0a5b22d7
"""
