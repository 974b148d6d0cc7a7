"""pitcrew-exporter on a real host: what it says is true, and a site in trouble is read as fast as an idle one."""

from __future__ import annotations

import getpass
import json
import platform
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from deploys import Play
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

Metrics = dict[str, float]

# Keeps all workers busy, and connects until nobody more can wait; ends with its standard input.
SATURATE = """
import socket, sys, time
busy = [socket.create_connection(("127.0.0.1", 80)) for _slot in range({slots})]
for connection in busy:
    connection.sendall(b"GET /exercise/hang/ HTTP/1.1\\r\\nHost: shop.test\\r\\n\\r\\n")
time.sleep(1)
waiting = []
while True:
    connection = socket.socket(socket.AF_UNIX)
    connection.setblocking(False)
    try:
        connection.connect("{socket}")
    except BlockingIOError:
        break
    waiting.append(connection)
print(len(waiting), flush=True)
time.sleep(60)
"""
# What a site's processes may leave in their directory, by its user.
HOSTILE = """
set -e
cd {directory}
head -c 5000 /dev/urandom > counter_bad-1.db
printf '\\001\\002' > counter_bad-2.db
mkfifo counter_bad-3.db
ln -s /etc/shadow counter_bad-4.db
truncate --size 1G counter_bad-5.db
printf '\\000\\000\\000\\100\\000\\000\\000\\000' > counter_bad-6.db
truncate --size 1G counter_bad-6.db
mkdir counter_bad-7.db
"""


def scrape(host: Host) -> Metrics:
    """Read the metrics; each by its name and its labels, without the prefix and the site."""
    text = host.check_output("curl -fsS --max-time 10 http://127.0.0.1:9817/metrics")
    rows = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    short = {re.sub(r',?site="shop"', "", name).removeprefix("pitcrew_"): float(value) for name, value in rows}
    return {name.replace("{,", "{").removesuffix("{}"): value for name, value in short.items()}


def fastest(host: Host) -> float:
    """How long a scrape takes in seconds: the best of three, since this machine has other work too."""
    command = "curl -fsS --max-time 10 -o /dev/null -w '%{time_total}' http://127.0.0.1:9817/metrics"
    found = []
    for _scrape in range(3):
        time.sleep(1.1)  # Scrapes within a second share one reading.
        found.append(float(host.check_output(command)))
    return min(found)


def errors(metrics: Metrics) -> set[str]:
    """Name the parts that could not be read."""
    return {name.split('"')[1] for name, value in metrics.items() if name.startswith("scrape_error") and value}


def eventually(host: Host, part: str, fails: bool) -> Metrics:
    """Scrape until a part fails, or is read again, for a while: a busy machine may miss an answer of the server.

    A server that has just started answers visitors a moment before it can be asked.
    """

    def is_so(metrics: Metrics) -> bool:
        read = part != "server" or fails or any(name.startswith("server_") for name in metrics)
        return read and (part in errors(metrics)) is fails

    for _scrape in range(20):
        metrics = scrape(host)
        if is_so(metrics):
            break
        time.sleep(1.1)
    assert is_so(metrics), host.run("journalctl -u pitcrew-exporter --no-pager | tail -20").stdout
    return metrics


@pytest.fixture
def slot(live: Callable[[], str]) -> str:
    """The live slot."""
    return live()


@pytest.fixture
def site(host: Host) -> dict:
    """What the deploy has told the exporter."""
    return json.loads(host.file("/srv/shop/site.json").content_string)


def test_it_runs_now_and_after_a_boot(host: Host) -> None:
    """And answers on the loopback only."""
    for unit in ("pitcrew-exporter.service", "pitcrew-exporter.socket"):
        assert host.service(unit).is_running
        assert host.service(unit).is_enabled
    listening = host.check_output("ss --tcp --listening --numeric --no-header 'sport = :9817'").split()
    assert listening[3] == "127.0.0.1:9817"
    assert len(listening) == 5


def test_it_is_confined(host: Host) -> None:
    """Two capabilities, nothing to write to, no socket of the network that it could create."""
    pid = host.check_output("systemctl show -P MainPID pitcrew-exporter")
    status = host.file(f"/proc/{pid}/status").content_string
    assert re.search(r"^CapBnd:\s+0000000000080002$", status, re.MULTILINE)  # CAP_DAC_OVERRIDE, CAP_SYS_PTRACE
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE)
    assert host.run(f"nsenter --mount --target {pid} touch /srv/shop/x /usr/local/lib/pitcrew/x /etc/x").rc == 1
    assert host.run("systemd-analyze security --threshold=25 pitcrew-exporter").rc == 0


def test_it_says_what_is_true(host: Host, slot: str, site: dict, answering: Callable[[], str]) -> None:
    """Compared with systemd, the kernel and the deploy."""
    metrics = eventually(host, "server", fails=False)
    assert errors(metrics) == set()
    unit = f"shop@{slot}.service"
    assert metrics[f'slot_live{{slot="{slot}"}}'] == metrics[f'slot_active{{slot="{slot}"}}'] == 1
    assert metrics[f'unit_failed{{slot="{slot}"}}'] == 0
    restarts = host.check_output(f"systemctl show -P NRestarts {unit}")
    assert metrics[f'restarts_total{{slot="{slot}"}}'] == int(restarts)
    assert metrics[f'release_info{{release="{answering()}",server="{site["server"]}",slot="{slot}"}}'] == 1
    main = host.check_output(f"systemctl show -P MainPID {unit}")
    workers = host.check_output(f"cat /proc/{main}/task/{main}/children").split()
    assert metrics[f'workers{{slot="{slot}"}}'] == len(workers) == site["plan"]["workers"]
    for kind in ("pss", "private"):
        sizes = [value for name, value in metrics.items() if name.startswith(f"worker_{kind}_bytes")]
        assert len(sizes) == len(workers)
        assert all(100_000 < size < site["plan"]["memory_max_bytes"] for size in sizes)
    for name, value in site["plan"].items():
        assert metrics[f"plan_{name}"] == pytest.approx(value)
    assert metrics[f'listen_queue_limit{{slot="{slot}"}}'] == site["plan"]["backlog"]
    assert metrics[f'memory_max_bytes{{slot="{slot}"}}'] == site["plan"]["memory_max_bytes"]
    memory = float(host.check_output(f"systemctl show -P MemoryCurrent {unit}"))
    assert metrics[f'memory_bytes{{slot="{slot}"}}'] == pytest.approx(memory, rel=0.5)
    assert metrics[f'server_worker_starts_total{{slot="{slot}"}}'] >= len(workers)
    assert metrics["deploy_success"] == 1
    assert metrics[f'deploy_info{{by="{getpass.getuser()} on {platform.node()}"}}'] == 1
    now = float(host.check_output("date +%s"))
    assert 0 < metrics["release_live_timestamp_seconds"] <= metrics["deploy_timestamp_seconds"] + 1 <= now + 1


def test_cpu_time_is_counted(host: Host, slot: str) -> None:
    """A request that computes for half a second adds that much."""
    before = scrape(host)
    command = "curl -fsS --max-time 30 -H 'Host: shop.test' 'http://127.0.0.1/exercise/cpu/?ms=500'"
    host.check_output(command)
    time.sleep(1.1)
    after = scrape(host)
    name = f'cpu_seconds_total{{slot="{slot}"}}'
    assert 0.3 < after[name] - before[name] < 10
    name = f'cpu_waiting_seconds_total{{slot="{slot}"}}'
    assert after[name] >= before[name] > 0


@contextmanager
def saturated(host: Host, slot: str, slots: int) -> Iterator[int]:
    """Keep a site busy, its queue full; give how many wait."""
    program = SATURATE.format(slots=slots, socket=f"/run/shop-{slot}/app.sock")
    host.check_output("systemd-run --unit=saturate --collect -p LimitNOFILE=20000 python3 -c %s", program)
    try:
        found: list[str] = []
        for _try in range(100):
            found = host.check_output("journalctl --unit=saturate --output=cat").splitlines()
            if found[-1:] and found[-1].isdigit():
                break
            time.sleep(0.1)
        yield int(found[-1])
    finally:
        # Its workers hang: they are killed, and systemd starts the unit anew.
        host.run("systemctl stop saturate")
        host.check_output("systemctl kill --signal=KILL --kill-whom=all shop@%s", slot)
        answers = "curl -fs -o /dev/null -H Host:shop.test http://127.0.0.1/healthz/"
        host.check_output(f"for try in $(seq 100); do {answers} && exit; sleep 0.2; done; exit 1")


def test_a_saturated_site_is_read_as_fast_as_an_idle_one(host: Host, slot: str, site: dict) -> None:
    """All request slots are busy, and nobody more can wait."""
    with saturated(host, slot, site["plan"]["request_slots"] + 2) as waiting:
        assert waiting > 0.5 * site["plan"]["backlog"]
        assert host.run("curl -fs --max-time 2 -H Host:shop.test http://127.0.0.1/healthz/").rc != 0
        took = fastest(host)
        metrics = scrape(host)
        assert took < 1
        assert metrics[f'listen_queue{{slot="{slot}"}}'] >= waiting
        assert metrics[f'workers{{slot="{slot}"}}'] == site["plan"]["workers"]
    metrics = scrape(host)
    assert metrics[f'restarts_total{{slot="{slot}"}}'] >= 1


def test_a_site_that_has_stopped_is_read_as_fast_as_one_that_runs(host: Host, slot: str) -> None:
    """All its processes, the main one too: nobody answers on any socket of it."""
    eventually(host, "server", fails=False)
    host.check_output("systemctl kill --signal=STOP --kill-whom=all shop@%s", slot)
    try:
        # A reading from before may be a second old.
        metrics = eventually(host, "server", fails=True)
        assert fastest(host) < 1
    finally:
        host.check_output("systemctl kill --signal=CONT --kill-whom=all shop@%s", slot)
    assert errors(metrics) == {"server"}
    assert metrics[f'slot_active{{slot="{slot}"}}'] == 1
    assert (
        len([name for name in metrics if name.startswith("worker_pss_bytes")])
        == metrics[f'workers{{slot="{slot}"}}']
        > 0
    )
    eventually(host, "server", fails=False)


def test_files_of_a_site_cannot_hide_anything(host: Host, slot: str) -> None:
    """Nor make the exporter read what only root may read, or fill its memory."""
    directory = f"/run/shop-{slot}/metrics"
    # Without site_metrics there is none.
    host.check_output(f"test -d {directory} || install -d -o shop -g shop {directory}")
    before = eventually(host, "processes", fails=False)
    host.check_output("runuser -u shop -- sh -c %s", HOSTILE.format(directory=directory))
    try:
        metrics = eventually(host, "processes", fails=True)
        assert fastest(host) < 1
        # A busy machine may miss an answer of the server.
        assert [name for name in before.keys() - metrics.keys() if not name.startswith("server_")] == []
        told = host.check_output("journalctl -u pitcrew-exporter --output=cat --no-pager | tail -20")
        assert "'counter_bad-1.db'" in told
        assert "root:" not in told
        memory = int(host.check_output("systemctl show -P MemoryCurrent pitcrew-exporter"))
        assert memory < 128 << 20
    finally:
        host.check_output(f"rm -r {directory}/counter_bad-*")
    eventually(host, "processes", fails=False)


def test_many_and_slow_clients(host: Host) -> None:
    """More than are answered at a time, none of which says anything."""
    program = (
        'import socket, time; c = [socket.create_connection(("127.0.0.1", 9817)) for _ in range(12)]; time.sleep(8)'
    )
    host.check_output("systemd-run --unit=slow --collect python3 -c %s", program)
    try:
        host.check_output("curl -fsS --max-time 15 -o /dev/null http://127.0.0.1:9817/metrics")
    finally:
        host.run("systemctl stop slow")
    assert host.check_output("systemctl show -P NRestarts pitcrew-exporter") == "0"


def test_a_deploy_that_is_refused(host: Host, deploy: Callable[..., Play]) -> None:
    """It is the last run until the next one; the record of the site stays that of the release that serves."""
    before = host.file("/srv/shop/site.json").content_string
    deploy(site_request_timeout=29, site_health_path="/exercise/fail/", site_operator="bert").refused()
    time.sleep(1.1)
    metrics = scrape(host)
    assert metrics["deploy_success"] == 0
    assert metrics[f'deploy_info{{by="bert on {platform.node()}"}}'] == 1
    assert host.file("/srv/shop/site.json").content_string == before
    play = deploy(site_operator="anna").succeeded()
    assert set(play.changed.values()) == {0}
    time.sleep(1.1)
    metrics = scrape(host)
    assert metrics["deploy_success"] == 1
    assert metrics[f'deploy_info{{by="anna on {platform.node()}"}}'] == 1
