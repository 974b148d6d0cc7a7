"""A host with servers that others use: they stay as they are, and the plan counts with them."""

from __future__ import annotations

from collections.abc import Callable

from deploys import Play
from services import sql
from testinfra.host import Host

testinfra_hosts = ["ansible://shared"]

Deploy = Callable[..., Play]


def test_what_was_there_is_as_it_was(host: Host) -> None:
    """Neither configured, restarted nor filled with anything: files, processes, data and roles."""
    host.check_output("cd / && sha256sum --check --quiet /root/before/files")
    units = "systemctl show --property=MainPID,ActiveEnterTimestamp postgresql@17-main redis-server"
    host.check_output(f"{units} | diff /root/before/units -")
    # These lines of a dump have a key that is drawn each time.
    keys = "-e '^.restrict' -e '^.unrestrict'"
    host.check_output(f"grep -v {keys} /root/before/legacy.sql > /tmp/before.sql")
    assert host.file("/tmp/before.sql").size > 1000
    host.check_output(f"cd / && runuser -u postgres -- pg_dump legacy | grep -v {keys} | diff /tmp/before.sql -")
    roles = "SELECT rolname, rolpassword FROM pg_authid WHERE rolname <> 'shop' ORDER BY 1"
    assert sql(host, roles) == host.file("/root/before/roles").content_string.strip()
    assert host.check_output("redis-cli GET theirs") == "kept"
    new = host.check_output("find /etc/postgresql /etc/redis -type f -newer /root/before/units").split()
    assert sorted(new) == ["/etc/redis/redis-shop.cache.conf", "/etc/redis/redis-shop.conf"]


def test_the_plan_knows_them(playbook: Deploy) -> None:
    """As they are on the host, and shared with the databases of others."""
    words = playbook("plan").succeeded().words
    assert "7 connections to PostgreSQL: (30 max_connections - 3 reserved - 5 kept) / 3 databases" in words
    assert "shared_buffers 32, 32 for its processes" in words


def test_what_belongs_to_somebody_else_is_refused(deploy: Deploy, host: Host) -> None:
    """Before anything is changed, with what to do."""
    words = deploy(site_name="blog", site_domains=["blog.test"]).refused().words
    assert 'site_services: postgresql: the database "blog" belongs to "legacy", in 17/main; choose another' in words
    words = deploy(site_name="legacy", site_domains=["legacy.test"]).refused().words
    assert 'site_services: postgresql: the role "legacy" was there before the site, in 17/main; if it is the' in words
    assert not host.file("/srv/blog").exists
    assert not host.user("blog").exists
    assert sql(host, "SELECT count(*) FROM pg_roles WHERE rolname = 'blog'") == "0"
