"""A host on which nothing was: what a deploy brought, what the plan and the status tell of it, and what comes after."""

from __future__ import annotations

from collections.abc import Callable

from deploys import Play, Source
from services import KEPT, redis, sql
from testinfra.host import Host

testinfra_hosts = ["ansible://bare"]

Deploy = Callable[..., Play]


def test_the_package_s_own_redis_does_not_run(host: Host) -> None:
    """Neither now nor after a boot: any user of the host could open it."""
    assert not host.service("redis-server").is_running
    assert not host.service("redis-server").is_enabled
    assert not host.socket("tcp://127.0.0.1:6379").is_listening


def test_the_plan_knows_them(playbook: Deploy) -> None:
    """With the settings that the distribution gives them."""
    words = playbook("plan").succeeded().words
    assert "92 connections to PostgreSQL: 100 max_connections - 3 reserved - 5 kept" in words
    assert "PostgreSQL 200 MB: shared_buffers 128, 32 for its processes" in words
    assert "maxmemory 32 and, for the cache, 32" in words


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
    words = playbook("status").succeeded().words
    assert "PostgreSQL 15 running database shop:" in words
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
    deploy("--tags=services").succeeded()
    assert redis(host, KEPT, "CONFIG GET maxmemory").split() == ["maxmemory", str(32 << 20)]
    assert host.check_output(pid) == before
