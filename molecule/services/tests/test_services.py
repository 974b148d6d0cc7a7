"""A site with PostgreSQL and Redis on its host, which was bare, or has servers of others that stay as they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from deploys import Play, Source
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

KEPT = "/run/redis-shop/redis-server.sock"
CACHE = "/run/redis-shop.cache/redis-server.sock"
UNITS = ["redis-server@shop", "redis-server@shop.cache"]

Deploy = Callable[..., Play]


def sql(host: Host, statement: str, database: str = "postgres") -> str:
    """Ask PostgreSQL as its administrator."""
    return host.check_output("cd / && runuser -u postgres -- psql -d %s -tAc %s", database, statement)


def redis(host: Host, socket: str, *words: str) -> str:
    """Ask an instance of the site as root."""
    return host.check_output("redis-cli -s %s " + " ".join(words), socket)


def name_of(host: Host) -> str:
    """Which of the hosts it is."""
    return str(host.backend.get_hostname())


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
    assert redis(host, KEPT, "DBSIZE") == "0"
    assert redis(host, CACHE, "CONFIG GET maxmemory-policy").split() == ["maxmemory-policy", "allkeys-lru"]
    assert redis(host, KEPT, "CONFIG GET maxmemory-policy").split() == ["maxmemory-policy", "volatile-lru"]
    assert redis(host, KEPT, "CONFIG GET maxmemory").split() == ["maxmemory", str(32 << 20)]
    assert redis(host, KEPT, "CONFIG GET appendonly").split() == ["appendonly", "yes"]
    for unit in UNITS:
        assert host.service(unit).is_running
        assert host.service(unit).is_enabled
    # After the reboot it is still there.
    redis(host, KEPT, "RPUSH celery job")


@pytest.mark.parametrize("socket", [KEPT, CACHE])
def test_redis_is_the_site_s_alone(host: Host, socket: str) -> None:
    """The site's user gets in, and another one does not."""
    ping = "runuser -u %s -- redis-cli -s %s PING"
    assert host.check_output(ping, "shop", socket) == "PONG"
    refused = host.run(ping, "ansible", socket)
    assert "Permission denied" in refused.stdout + refused.stderr


def test_the_package_s_redis(host: Host) -> None:
    """Not started where a deploy has brought it, and left alone where it was."""
    was_there = name_of(host) == "shared"
    assert host.service("redis-server").is_running is was_there
    assert host.service("redis-server").is_enabled is was_there
    assert host.socket("tcp://127.0.0.1:6379").is_listening is was_there


def test_what_was_there_is_as_it_was(host: Host) -> None:
    """Neither configured, restarted nor filled with anything: files, processes, data and roles."""
    if name_of(host) == "bare":
        pytest.skip("nothing was there")
    host.check_output("cd / && sha256sum --check --quiet /root/before/files")
    units = "systemctl show --property=MainPID,ActiveEnterTimestamp postgresql@17-main redis-server"
    host.check_output(f"{units} | diff /root/before/units -")
    dump = "runuser -u postgres -- pg_dump {} legacy | grep -v -e '^.restrict' -e '^.unrestrict'"
    host.check_output(
        f"cd / && {dump.format('')} > /tmp/after.sql; "
        "grep -v -e '^.restrict' -e '^.unrestrict' /root/before/legacy.sql | diff - /tmp/after.sql"
    )
    roles = "SELECT rolname, rolpassword FROM pg_authid WHERE rolname NOT LIKE 'shop' ORDER BY 1"
    assert sql(host, roles) == host.file("/root/before/roles").content_string.strip()
    assert host.check_output("redis-cli GET theirs") == "kept"
    new = host.check_output("find /etc/postgresql /etc/redis -type f -newer /root/before/units").split()
    assert sorted(new) == ["/etc/redis/redis-shop.cache.conf", "/etc/redis/redis-shop.conf"]


def test_the_plan_knows_them(playbook: Deploy, host: Host) -> None:
    """As they are on the host."""
    words = playbook("plan").succeeded().words
    expected = {
        "bare": "92 connections to PostgreSQL: 100 max_connections - 3 reserved - 5 kept",
        "shared": "7 connections to PostgreSQL: (30 max_connections - 3 reserved - 5 kept) / 3 databases",
    }
    assert expected[name_of(host)] in words
    buffers = {"bare": "shared_buffers 128, 32 for its processes", "shared": "shared_buffers 32, 32 for its processes"}
    assert buffers[name_of(host)] in words


def test_what_belongs_to_somebody_else_is_refused(deploy: Deploy, host: Host) -> None:
    """Before anything is changed, with what to do."""
    if name_of(host) == "bare":
        pytest.skip("nothing belongs to anybody else")
    words = deploy(site_name="blog", site_domains=["blog.test"]).refused().words
    assert 'site_services: postgresql: the database "blog" belongs to "legacy", in 17/main; choose another' in words
    words = deploy(site_name="legacy", site_domains=["legacy.test"]).refused().words
    assert 'site_services: postgresql: the role "legacy" was there before the site, in 17/main; if it is the' in words
    assert not host.file("/srv/blog").exists
    assert not host.user("blog").exists
    assert sql(host, "SELECT count(*) FROM pg_roles WHERE rolname = 'blog'") == "0"


def test_a_release_and_the_way_back(
    deploy: Deploy, playbook: Deploy, source: Source, host: Host, answering: Callable[[], str]
) -> None:
    """Another release finds the data, with a backup of the database from before, and the rollback does, too."""
    first = answering()
    git = {"site_source_directory": "", "site_git_url": str(source.directory)}
    text = """from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workshop", "0002_first_products")]
    operations = [migrations.AddField("product", "note", models.TextField(null=True))]
"""
    source.commit(**{"workshop__migrations__0003_note": text})
    products = sql(host, "SELECT count(*) FROM workshop_product", "shop")
    words = deploy(**git).succeeded().words
    assert "applied workshop.0003_note; the database from before is /var/lib/shop/backups/" in words
    assert answering() != first
    playbook("rollback", site_rollback_allow_newer_database=True).succeeded()
    assert answering() == first
    assert sql(host, "SELECT count(*) FROM workshop_product", "shop") == products


def test_status_names_them(playbook: Deploy, host: Host) -> None:
    """And what to do about one that does not run."""
    version = {"bare": "PostgreSQL 15", "shared": "PostgreSQL 17"}[name_of(host)]
    words = playbook("status").succeeded().words
    assert f"{version} running database shop:" in words
    assert "Redis, cache running" in words
    host.check_output("systemctl stop redis-server@shop.cache")
    words = playbook("status").succeeded().words
    assert "Redis, cache inactive" in words
    assert "redis-server@shop.cache.service is not running (inactive): systemctl start redis-server@shop" in words
    host.check_output("systemctl start redis-server@shop.cache")


def test_a_new_size_needs_no_restart(deploy: Deploy, host: Host) -> None:
    """The rest of the site is as it was: only the services are visited."""
    pid = "systemctl show --property=MainPID --value redis-server@shop"
    before = host.check_output(pid)
    deploy("--tags=services", site_plan_inputs={"redis_mb": 48}).succeeded()
    assert redis(host, KEPT, "CONFIG GET maxmemory").split() == ["maxmemory", str(48 << 20)]
    assert host.check_output(pid) == before
