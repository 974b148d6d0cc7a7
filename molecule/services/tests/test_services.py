"""A site with PostgreSQL and Redis on its host, which was bare, or has servers of others that stay as they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from services import CACHE, KEPT, redis, sql
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

UNITS = ["redis-server@shop", "redis-server@shop.cache"]


def test_the_site_has_its_database(host: Host, answering: Callable[[], str]) -> None:
    """Migrated, in UTF-8, its own, and nobody else may connect to it."""
    assert answering()
    assert int(sql(host, "SELECT count(*) FROM workshop_product", "shop")) > 0
    owner = "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'shop'"
    assert sql(host, owner) == "shop|UTF8"
    role = "SELECT shobj_description(oid, 'pg_authid'), rolsuper, rolcreatedb FROM pg_roles WHERE rolname = 'shop'"
    assert sql(host, role) == "pitcrew.django: site shop|f|f"
    connects = "SELECT has_database_privilege('pg_monitor', 'shop', 'CONNECT')"
    assert sql(host, connects) == "f"
    assert "workshop_product" in host.check_output("cd / && runuser -u shop -- psql -d shop -c '\\dt'")


def test_the_site_has_its_redis(host: Host, answering: Callable[[], str]) -> None:
    """The cache is in use, at the size of the plan; what is kept is on disk; there is no port."""
    assert answering()
    assert int(redis(host, CACHE, "DBSIZE")) > 0
    assert redis(host, CACHE, "CONFIG GET maxmemory-policy").split() == ["maxmemory-policy", "allkeys-lru"]
    assert redis(host, KEPT, "CONFIG GET maxmemory-policy").split() == ["maxmemory-policy", "volatile-lru"]
    assert redis(host, KEPT, "CONFIG GET maxmemory").split() == ["maxmemory", str(32 << 20)]
    assert redis(host, KEPT, "CONFIG GET appendonly").split() == ["appendonly", "yes"]
    for unit in UNITS:
        assert host.service(unit).is_running
        assert host.service(unit).is_enabled


@pytest.mark.parametrize("socket", [KEPT, CACHE])
def test_redis_is_the_site_s_alone(host: Host, socket: str) -> None:
    """The site's user gets in, and another one does not."""
    ping = "runuser -u %s -- redis-cli -s %s PING"
    assert host.check_output(ping, "shop", socket) == "PONG"
    refused = host.run(ping, "ansible", socket)
    assert "Permission denied" in refused.stdout + refused.stderr
