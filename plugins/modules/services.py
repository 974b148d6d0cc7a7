#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: services
short_description: Give a site its role and database in PostgreSQL, and its instances of Redis
version_added: 0.1.0
description:
  - For a site that shares its host with the distribution's PostgreSQL or Redis, whose packages are installed already.
  - In PostgreSQL, creates a role and a database with the site's name, in UTF-8. The site's user connects through the
    socket, without a password. Neither the server's configuration nor anything of others in it is changed.
  - Of Redis, runs two instances of the distribution's template C(redis-server@.service) that only the site can use. The
    instance with C(redis.conf) is left alone, unless this run has just brought it, and then it is disabled.
  - Never deletes anything. A role or database of somebody else, and a configuration of that name, are refused.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  check_mode:
    description: Says whether there would be a change, also on a host without the packages.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  facts:
    description: Sets C(ansible_facts.pitcrew_services), as M(pitcrew.django.site_facts) does.
    support: full
options:
  name:
    description: The site's name, which is also that of its user, its role and its database.
    type: str
    required: true
  services:
    description: The services that the site has on this host.
    type: list
    elements: str
    choices: [postgresql, redis]
    required: true
  redis_mb:
    description: How many MB the instance for queues and sessions may fill.
    type: int
  redis_cache_mb:
    description: How many MB the instance for the cache may fill.
    type: int
  fresh:
    description: The packages that this run has installed. Without C(redis-server), its own instance is left as it is.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Give the site a database
  pitcrew.django.services:
    name: shop
    services: [postgresql]
"""

RETURN = r"""
created:
  description: What was created or changed, in words.
  returned: always
  type: list
  elements: str
  sample: [role shop, database shop]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.postgresql import Postgresql, PostgresqlError
from ansible_collections.pitcrew.django.plugins.module_utils.redis_instances import Redis, RedisError, instances
from ansible_collections.pitcrew.django.plugins.module_utils.services import SERVICES, command, read_services
from ansible_collections.pitcrew.django.plugins.module_utils.site_state import packages_installed
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd


class Refusal(Exception):
    """The service cannot be given to the site; the message has the cause and the cure."""


def postgresql(name: str, found: dict[str, Any] | None, check_mode: bool) -> list[str]:
    """Create what the site lacks; return what that is. Raises Refusal or PostgresqlError."""
    if found is None:
        if check_mode:
            return [f"role {name}", f"database {name}"]
        raise Refusal("PostgreSQL is not installed on this host: sudo apt-get install postgresql.")
    if "problem" in found:
        raise Refusal(f"{found['problem'][0].upper()}{found['problem'][1:]}; {found['cure']}.")
    if found["role"] and not found["role"]["is_ours"]:
        raise Refusal(f"The role {name} in PostgreSQL {found['cluster']} is not the site's; rename the site.")
    if found["database"] and found["database"]["owner"] != name:
        owner = found["database"]["owner"]
        raise Refusal(f"The database {name} in PostgreSQL {found['cluster']} belongs to {owner}; rename the site.")
    lacking = [f"{part} {name}" for part in ("role", "database") if found[part] is None]
    if lacking and not check_mode:
        server = Postgresql(command)
        server.create(name, found)
        server.connect(name, found)
    return lacking


def redis(params: dict[str, Any], check_mode: bool) -> list[str]:
    """Bring up the site's instances; return what had to be done. Raises Refusal or RedisError."""
    systemd = Systemd(command)
    service = Redis(command, systemd)
    done = []
    if "redis-server" in params["fresh"] and not check_mode:
        service.leave_out_default()
    kept, cache = instances(params["name"])
    for one, size in ((kept, params["redis_mb"]), (cache, params["redis_cache_mb"])):
        if one.is_foreign():
            raise Refusal(f"{one.file} was not written for the site {params['name']}; move it, or rename the site.")
        if service.outdated(one, size) or not service.is_up(one):
            done.append(one.unit)
            if not check_mode:
                service.bring_up(one, size)
    return done


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "services": {"type": "list", "elements": "str", "choices": list(SERVICES), "required": True},
            "redis_mb": {"type": "int"},
            "redis_cache_mb": {"type": "int"},
            "fresh": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    name, services = params["name"], params["services"]
    if "redis" in services and None in (params["redis_mb"], params["redis_cache_mb"]):
        module.fail_json(msg="services: redis needs redis_mb and redis_cache_mb.")
    found = read_services(name, services, packages_installed())
    created: list[str] = []
    try:
        if "postgresql" in services:
            created += postgresql(name, found["postgresql"], module.check_mode)
        if "redis" in services:
            created += redis(params, module.check_mode)
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    except PostgresqlError as error:
        module.fail_json(msg=f"PostgreSQL does not give the site its role and database: {error}.")
    except (RedisError, OSError) as error:
        module.fail_json(msg=f"Redis cannot be set up for the site: {error}")
    if created and not module.check_mode:
        found = read_services(name, services, packages_installed())
    module.exit_json(changed=bool(created), created=created, ansible_facts={"pitcrew_services": found})


if __name__ == "__main__":
    main()
