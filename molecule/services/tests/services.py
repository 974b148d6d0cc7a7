"""How the tests of services ask PostgreSQL and Redis."""

from __future__ import annotations

from testinfra.host import Host

__all__ = ["CACHE", "KEPT", "redis", "sql"]

KEPT = "/run/redis-shop/redis-server.sock"
CACHE = "/run/redis-shop.cache/redis-server.sock"


def sql(host: Host, statement: str, database: str = "postgres") -> str:
    """Ask PostgreSQL as its administrator."""
    return host.check_output("cd / && runuser -u postgres -- psql -d %s -tAc %s", database, statement)


def redis(host: Host, socket: str, *words: str) -> str:
    """Ask an instance of the site as root."""
    return host.check_output("redis-cli -s %s " + " ".join(words), socket)
