"""The site starts once its services have. Before a reboot and after it."""

from __future__ import annotations

from collections.abc import Callable

from testinfra.host import Host

testinfra_hosts = ["ansible://django"]


def started(host: Host, unit: str) -> int:
    """When a unit was ready, in microseconds since the boot."""
    return int(host.check_output("systemctl show --property=ActiveEnterTimestampMonotonic --value %s", unit))


def began(host: Host, unit: str) -> int:
    """When a unit began to start."""
    return int(host.check_output("systemctl show --property=InactiveExitTimestampMonotonic --value %s", unit))


def test_the_site_answers(host: Host, answering: Callable[[], str], live: Callable[[], str]) -> None:
    """From the database, at the first attempt."""
    assert answering()
    slot = f"shop@{live()}"
    assert host.check_output("systemctl show --property=NRestarts --value %s", slot) == "0"
    for unit in ("postgresql", "redis-server@shop", "redis-server@shop.cache"):
        assert started(host, unit) <= began(host, slot)


def test_a_queue_survives(host: Host) -> None:
    """What it gets before the reboot is in it afterwards. The cache begins anew."""
    redis = "redis-cli -s /run/redis-shop/redis-server.sock"
    if host.file("/root/queued").exists:
        assert host.check_output(f"{redis} LRANGE celery 0 -1") == "job"
    else:
        assert host.check_output(f"{redis} RPUSH celery job && touch /root/queued") == "1"
