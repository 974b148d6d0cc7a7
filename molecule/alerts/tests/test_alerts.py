"""Each alert is set off by a real fault, and ends with it.

Durations are a fiftieth of the default ones (monitoring_alert_delay_factor), and Prometheus looks every two seconds.
Faults that do not hide each other come at the same time. Nothing else may fire meanwhile, unless a test says what does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from deploys import Play
from form import LONG
from prometheus import soon
from watched import Site

testinfra_hosts = ["ansible://django"]

RULES = "/etc/prometheus/pitcrew/rules/shop.yml"
CERTIFICATE = "/etc/ssl/shop"
PATIENCE_S = 90
HEADING = "| alert | fault | fires after | ends after |\n| --- | --- | --- | --- |"

seen: set[str] = set()
"""The alerts that have fired and ended."""


@dataclass(frozen=True)
class Fault:
    """A fault, the alerts that it sets off, and how it comes and is repaired."""

    text: str
    alerts: tuple[str, ...]
    happening: AbstractContextManager[None]


def strike(site: Site, *faults: Fault, besides: frozenset[str] = frozenset()) -> None:
    """Have faults, and repair them once all of their alerts fire; nothing but these and C(besides) may fire."""
    expected = {name for fault in faults for name in fault.alerts}
    assert not site.prometheus.alerts() & expected
    began = time.time()
    with ExitStack() as stack:
        for fault in faults:
            stack.enter_context(fault.happening)
        soon(lambda: expected <= site.prometheus.fired(began).keys(), PATIENCE_S)
    repaired = time.time()
    soon(lambda: not site.prometheus.alerts() & expected, PATIENCE_S)
    found = site.prometheus.fired(began)
    print("", HEADING, sep="\n")
    for fault in faults:
        for name in fault.alerts:
            first, last = found.get(name, (began, repaired))
            print(f"| {name} | {fault.text} | {first - began:.0f} s | {max(last - repaired, 0):.0f} s |")
    assert expected <= found.keys()
    assert not site.prometheus.alerts() & expected
    assert found.keys() <= expected | besides
    seen.update(expected)


# What happens by itself


def test_a_healthy_site_has_no_alert(site: Site) -> None:
    """Not even one that is about to fire: the deploy, and the monitoring that has just begun, are not faults."""
    assert soon(lambda: not site.prometheus.alerts(), PATIENCE_S), site.prometheus.alerts()
    assert site.answers()
    errors = [
        (rule["name"], rule["lastError"])
        for group in site.prometheus.ask("rules")["groups"]
        for rule in group["rules"]
        if rule.get("lastError")
    ]
    assert errors == []


# What nobody notices in time


@contextmanager
def refused_deploy(deploy: Callable[..., Play]) -> Iterator[None]:
    """Deploy a release that is not healthy, and then one that is."""
    deploy(site_health_path="/nowhere/").refused()
    yield
    deploy().succeeded()


@contextmanager
def old_backup(site: Site) -> Iterator[None]:
    """Nobody has made a copy for three days."""
    site.run("ls /var/lib/shop/backups/*; touch --date='3 days ago' /var/lib/shop/backups/*")
    yield
    site.run("touch /var/lib/shop/backups/*")


@contextmanager
def full_disk(site: Site) -> Iterator[None]:
    """A small file system is full."""
    site.run(
        "mkdir -p /srv/full; mount -t tmpfs -o size=4m tmpfs /srv/full; head -c 4000000 /dev/zero > /srv/full/file"
    )
    yield
    site.run("umount /srv/full")


@contextmanager
def old_certificate(site: Site) -> Iterator[None]:
    """The certificate is nearly at its end."""
    create = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=shop.test "
        f"-addext subjectAltName=DNS:shop.test -keyout {CERTIFICATE}/key.pem -out {CERTIFICATE}/certificate.pem -days"
    )
    site.run(f"{create} 5; systemctl reload nginx")
    yield
    site.run(f"{create} 90; systemctl reload nginx")


@contextmanager
def damaged_file(site: Site) -> Iterator[None]:
    """A process has left a file that nobody can read."""
    path = f"/run/shop-{site.slot}/metrics/counter_p1.db"
    site.run(f"head -c 5000 /dev/urandom > {path}; chown shop:shop {path}")
    yield
    site.run(f"rm -f {path}")


@contextmanager
def stopped(site: Site, *units: str) -> Iterator[None]:
    """Units are stopped."""
    site.run(f"systemctl stop {' '.join(units)}")
    yield
    site.run(f"systemctl start {' '.join(units)}")


@contextmanager
def dying_process(site: Site) -> Iterator[None]:
    """A background process is killed again and again, faster than systemd would start it anew by itself."""
    unit = f"shop-brief@{site.slot}.service"
    directory = f"/run/systemd/system/{unit}.d"
    drop_in = f"mkdir -p {directory}; printf '[Service]\\nRestartSec=100ms\\n' > {directory}/fast.conf"
    site.run(f"{drop_in}; systemctl daemon-reload")
    site.run(f"for _ in 1 2 3 4 5 6 7 8; do systemctl kill --signal=KILL {unit}; sleep 1; done")
    yield
    site.run(f"rm -r {directory}; systemctl daemon-reload")


@contextmanager
def broken_command(site: Site) -> Iterator[None]:
    """A command by calendar fails, and then succeeds."""
    site.run("touch /var/lib/shop/broken; systemctl start shop-check.service || true")
    yield
    site.run("rm /var/lib/shop/broken; systemctl start shop-check.service")


def test_what_visitors_do_not_notice(site: Site, deploy: Callable[..., Play]) -> None:
    """It would be noticed too late."""
    nginx = "prometheus-nginx-exporter"
    strike(
        site,
        Fault("a release that is not healthy", ("SiteDeployFailed",), refused_deploy(deploy)),
        Fault("a copy that is three days old", ("SiteBackupOld",), old_backup(site)),
        Fault("a file system that is full", ("SiteDiskFilling",), full_disk(site)),
        Fault("a certificate that is valid for five days", ("SiteCertificateExpires",), old_certificate(site)),
        Fault("a damaged file of a worker", ("SiteMetricsIncomplete",), damaged_file(site)),
        Fault("an exporter that is stopped", ("SiteTargetDown",), stopped(site, nginx)),
        Fault("a command by calendar that fails", ("SiteScheduleFailed",), broken_command(site)),
        # Entered last: the deploy of the first fault has switched by then.
        Fault("a background process that is stopped", ("SiteProcessDown",), stopped(site, f"shop-idle@{site.slot}")),
        Fault("one that is killed again and again", ("SiteProcessRestartLoop",), dying_process(site)),
    )


def test_the_exporter_is_gone(site: Site) -> None:
    """Nothing is known then, and nothing else may be made of that."""
    units = ("pitcrew-exporter.socket", "pitcrew-exporter.service")
    strike(site, Fault("the exporter of the site is stopped", ("SiteExporterGone",), stopped(site, *units)))


# What visitors notice


def test_more_visitors_than_the_site_can_serve(site: Site) -> None:
    """Twenty-four at a time, for four request slots; each request takes a second."""
    alerts = ("SiteSaturated", "SiteQueueFilling", "SiteQueueSlow", "SiteSlow")
    load = site.visitors("wait", "/exercise/wait/?seconds=1", 24)
    # The monitoring host waits in the same queue.
    strike(site, Fault("24 visitors at a time, 4 request slots", alerts, load), besides=frozenset({"SiteDown"}))


def test_a_page_fails(site: Site) -> None:
    """Whoever requests it gets a 500."""
    strike(site, Fault("a page that fails", ("SiteErrors",), site.visitors("fail", "/exercise/fail/?page=1", 2)))


# What happens to processes


@contextmanager
def grown_worker(site: Site) -> Iterator[None]:
    """One worker keeps so much that all of them nearly reach their limit."""
    [limit] = site.prometheus.query('pitcrew_memory_high_bytes{site="shop"} or pitcrew_memory_max_bytes{site="shop"}')
    [used] = site.prometheus.query('sum(pitcrew_worker_pss_bytes{site="shop"})')
    missing = int((0.95 * float(limit["value"][1]) - float(used["value"][1])) / 1e6)
    assert missing > 0
    visit = "curl -fsk --resolve shop.test:443:127.0.0.1"
    site.run(f"{visit} 'https://shop.test/exercise/memory/?mb={missing}'")
    yield
    site.run(f"pkill -9 --parent {site.main}")


@contextmanager
def exhausted_memory(site: Site) -> Iterator[None]:
    """One worker wants more than there is."""
    visit = "curl -sk -o /dev/null -w '%{http_code}' --resolve shop.test:443:127.0.0.1"
    assert site.run(f"{visit} 'https://shop.test/exercise/memory/?mb=2000'") == "502"
    yield


def test_memory_runs_out(site: Site) -> None:
    """First nearly, and then completely: the kernel kills a worker, and the site goes on."""
    strike(site, Fault("a worker that has grown", ("SiteMemoryHigh",), grown_worker(site)))
    main = site.main
    strike(site, Fault("a worker that wants 2 GB", ("SiteOutOfMemory",), exhausted_memory(site)))
    assert site.main == main


@contextmanager
def dying_workers(site: Site) -> Iterator[None]:
    """All workers are killed, several times."""
    for _ in range(5):
        before = site.workers
        site.run(f"kill -9 {' '.join(before)}")
        assert soon(lambda before=before: len(set(site.workers) - set(before)) == 2), site.workers
        # Each worker is seen by a scrape.
        time.sleep(1)
    yield


@pytest.mark.long
def test_workers_die(site: Site) -> None:
    """Others take their place, and that is no solution."""
    strike(site, Fault("all workers are killed five times", ("SiteWorkersRecycled",), dying_workers(site)))


@contextmanager
def dying_server(site: Site) -> Iterator[None]:
    """The main process is killed whenever it has been started, until systemd gives up."""
    deadline = time.monotonic() + 90
    while site.host.run("systemctl is-failed %s", site.unit).rc != 0 and time.monotonic() < deadline:
        if main := site.main:
            site.host.run("kill -9 %s", str(main))
        time.sleep(0.2)
    yield
    site.run(f"systemctl reset-failed {site.unit}; systemctl start {site.unit}")
    assert soon(site.answers)


@pytest.mark.long
def test_the_server_dies(site: Site) -> None:
    """It is restarted; if that is no solution, systemd gives up."""
    alerts = ("SiteRestartLoop", "SiteGivenUp", "SiteDown")
    strike(
        site,
        Fault("the main process is killed 20 times", alerts, dying_server(site)),
        besides=frozenset({"SiteWorkersRecycled", "SiteMetricsIncomplete"}),
    )


@contextmanager
def stopped_processes(site: Site) -> Iterator[None]:
    """All processes of the site stand still."""
    main = site.main
    site.run(f"kill -STOP {main} {' '.join(site.workers)}")
    # The probe begins to ask when the slot has had the time to start (site_boot_timeout).
    assert soon(lambda: site.main not in {0, main} and site.answers(), PATIENCE_S)
    yield


@pytest.mark.long
def test_the_server_hangs(site: Site) -> None:
    """The liveness probe restarts it."""
    strike(
        site,
        Fault("all processes are stopped (SIGSTOP)", ("SiteHung",), stopped_processes(site)),
        besides=frozenset({"SiteDown", "SiteMetricsIncomplete", "SiteRestartLoop"}),
    )


def test_no_alert_was_left_out(site: Site, inventory: Path) -> None:
    """The long form has all of them."""
    [group] = yaml.safe_load(site.host.file(RULES).content_string)["groups"]
    alerts = {rule["alert"] for rule in group["rules"] if "alert" in rule}
    in_long_form = set() if LONG else {"SiteDown", "SiteGivenUp", "SiteHung", "SiteRestartLoop", "SiteWorkersRecycled"}
    assert alerts - seen == in_long_form
