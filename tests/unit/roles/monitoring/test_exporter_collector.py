"""One scrape of a host: what it says of a site, and that nothing about one site keeps the others from being read."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.pitcrew.django.plugins.module_utils import host as host_module
from ansible_collections.pitcrew.django.plugins.module_utils.last_run import LastRun
from ansible_collections.pitcrew.django.plugins.module_utils.lock import DeployLock, Holder, exclusive_visit, uptime
from exporter_files import process
from pitcrew_exporter import VERSION, collector, servers
from pitcrew_exporter.catalogue import EXPORTER, PROCESSES
from pitcrew_exporter.collector import Reading, SiteCollector
from pitcrew_exporter.kernel import Kernel
from prometheus_client import CollectorRegistry, generate_latest
from test_exporter_kernel import STAT, write

ROOT = Path(__file__).resolve().parents[4]
PLAN = {
    "workers": 9,
    "threads": 4,
    "request_slots": 36,
    "backlog": 512,
    "worker_memory_bytes": 99614720,
    "memory_max_bytes": 1115684864,
    "p99_seconds": 0.412,
    "requests_per_second": 61.5,
    "request_timeout_seconds": 30,
    "database_connections": 36,
}
HISTORY = (
    '{"at": "2026-11-26T10:00:00Z", "release": "r1", "slot": "green", "by": "bert on desk"}\n'
    '{"at": "2026-11-27T08:12:31Z", "release": "r2", "slot": "blue", "by": "anna on laptop"}\n'
)
GREEN = {"ActiveState": "inactive", "MainPID": "0", "NRestarts": "0", "InvocationID": "", "ControlGroup": ""}


class Site:
    """A site on a host made of files, whose blue slot is live and runs."""

    def __init__(self, host: Host, name: str, main_pid: int) -> None:
        self.host, self.name = host, name
        self.root = host.srv / name
        self.run = host.run / f"{name}-blue"
        self.group = f"/system.slice/{name}@blue.service"
        for slot, release in (("blue", "r2"), ("green", "r1")):
            (self.root / "slots" / slot).mkdir(parents=True)
            (self.root / "slots" / slot / "release").symlink_to(self.root / "releases" / release)
            (self.root / "slots" / slot / "gunicorn.conf.py").touch()
        (self.root / "live").symlink_to("slots/blue")
        (self.root / "history").write_text(HISTORY)
        self.record: dict[str, Any] = {"site": name, "lock_expires_seconds": 1800, "plan": PLAN}
        self.write_record()
        LastRun("anna on laptop", 1_795_766_000, 1_795_767_151, succeeded=True).write(self.root)
        (self.run / "metrics").mkdir(parents=True)
        host.units[f"{name}@blue.service"] = {
            "ActiveState": "active",
            "MainPID": str(main_pid),
            "NRestarts": "1",
            "InvocationID": f"{name}-1",
            "ControlGroup": self.group,
        }
        host.units[f"{name}@green.service"] = dict(GREEN)
        host.queues[str(self.run / "app.sock")] = (17, 512)
        workers = (main_pid + 1, main_pid + 2)
        cgroup = f"/sys/fs/cgroup{self.group}/"
        write(
            host.root,
            {
                cgroup + "memory.current": "734003200\n",
                cgroup + "memory.high": "943718400\n",
                cgroup + "memory.max": "1115684864\n",
                cgroup + "memory.events": "oom_kill 2\n",
                cgroup + "cpu.stat": "usage_usec 12500000\n",
                cgroup + "cgroup.procs": "".join(f"{pid}\n" for pid in (main_pid, *workers)),
                f"/proc/{main_pid}/task/{main_pid}/children": " ".join(map(str, workers)),
                f"/proc/{main_pid}/task/{main_pid}/schedstat": "1 1500000000 1\n",
            },
        )
        for started, pid in enumerate(workers):
            stat = STAT.format(pid=pid, utime=1, stime=1, cutime=0, cstime=0, started=started)
            smaps = "Pss: 90000 kB\nPrivate_Dirty: 60000 kB\n"
            write(host.root, {f"/proc/{pid}/stat": stat, f"/proc/{pid}/smaps_rollup": smaps})

    def write_record(self) -> None:
        """Write site.json."""
        (self.root / "site.json").write_text(json.dumps(self.record))


class Host:
    """A host made of files, with a systemd and an ss that answer from a table."""

    def __init__(self, root: Path, run: Path) -> None:
        self.root, self.run, self.srv = root, run, root / "srv"
        self.srv.mkdir()
        self.units: dict[str, dict[str, str]] = {}
        self.queues: dict[str, tuple[int, int]] = {}
        self.silent: set[str] = set()
        self.collector = SiteCollector(self.srv, Kernel(root), self.command)

    def command(self, words: list[str]) -> tuple[int, str, str]:
        """Answer as systemctl and ss do."""
        if words[0] in self.silent:
            return 1, "", "timed out"
        if words[0] == "ss":
            rows = [f"u_str LISTEN {now} {most} {path} 4711 * 0" for path, (now, most) in self.queues.items()]
            return 0, "\n".join(rows), ""
        assert words[:2] == ["systemctl", "show"]
        blocks = []
        for unit in words[3:]:
            found = self.units.get(unit, GREEN)
            blocks.append("".join(f"{name}={value}\n" for name, value in {"Id": unit, **found}.items()))
        return 0, "\n".join(blocks), ""

    def scrape(self) -> dict[str, float]:
        """Scrape, and give each line by what precedes its value, without the prefix."""
        registry = CollectorRegistry()
        registry.register(self.collector)
        lines = generate_latest(registry).decode().splitlines()
        rows = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {row[0].removeprefix("pitcrew_"): float(row[1]) for row in rows}

    def errors(self, site: str = "shop") -> set[str]:
        """Name the parts of a site that cannot be read."""
        return {
            name.split('"')[1]
            for name, value in self.scrape().items()
            if name.startswith("scrape_error{") and f'site="{site}"' in name and value
        }


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host without a site."""
    # The path of a unix socket is short.
    with tempfile.TemporaryDirectory(dir="/tmp") as run:
        monkeypatch.setattr(host_module, "RUN", Path(run))
        yield Host(tmp_path, Path(run))


@pytest.fixture
def shop(host: Host) -> Site:
    """A host with a site that is well."""
    return Site(host, "shop", 410)


def test_a_host_without_a_site(host: Host) -> None:
    """A directory that is none is not taken for one."""
    (host.srv / "No Site").mkdir()
    (host.srv / "No Site/site.json").write_text("{}")
    (host.srv / "other").mkdir()
    assert host.scrape() == {f'exporter_info{{version="{VERSION}"}}': 1.0}


def test_a_site_that_is_well(host: Host, shop: Site) -> None:
    """All that can be known without asking it."""
    process(shop.run / "metrics", "1")
    found = host.scrape()
    assert [name for name in found if name.startswith("scrape_error")] == [
        f'scrape_error{{part="{part}",site="shop"}}'
        for part in (
            *("time", "site", "units", "releases", "runs", "queue", "server", "kernel", "processes"),
            *("background", "schedules", "certificate", "backup", "liveness"),
        )
    ]
    expected = {
        f'exporter_info{{version="{VERSION}"}}': 1,
        'slot_live{site="shop",slot="blue"}': 1,
        'slot_live{site="shop",slot="green"}': 0,
        'slot_active{site="shop",slot="blue"}': 1,
        'slot_active{site="shop",slot="green"}': 0,
        'unit_failed{site="shop",slot="blue"}': 0,
        'unit_failed{site="shop",slot="green"}': 0,
        'restarts_total{site="shop",slot="blue"}': 1,
        'restarts_total{site="shop",slot="green"}': 0,
        'release_info{release="r2",server="gunicorn",site="shop",slot="blue"}': 1,
        'release_info{release="r1",server="gunicorn",site="shop",slot="green"}': 1,
        'release_live_timestamp_seconds{site="shop"}': 1795767151,
        'deploy_timestamp_seconds{site="shop"}': 1795767151,
        'deploy_success{site="shop"}': 1,
        'deploy_info{by="anna on laptop",site="shop"}': 1,
        'listen_queue{site="shop",slot="blue"}': 17,
        'listen_queue_limit{site="shop",slot="blue"}': 512,
        'cpu_seconds_total{site="shop",slot="blue"}': 12.5,
        'cpu_waiting_seconds_total{site="shop",slot="blue"}': 1.5,
        'memory_bytes{site="shop",slot="blue"}': 734003200,
        'memory_high_bytes{site="shop",slot="blue"}': 943718400,
        'memory_max_bytes{site="shop",slot="blue"}': 1115684864,
        'oom_kills_total{site="shop",slot="blue"}': 2,
        'workers{site="shop",slot="blue"}': 2,
        'worker_pss_bytes{site="shop",slot="blue",worker="1"}': 92160000,
        'worker_pss_bytes{site="shop",slot="blue",worker="2"}': 92160000,
        'worker_private_bytes{site="shop",slot="blue",worker="1"}': 61440000,
        'worker_private_bytes{site="shop",slot="blue",worker="2"}': 61440000,
        'requests_in_progress{site="shop",slot="blue"}': 2,
        'request_duration_seconds_count{route="/",site="shop",slot="blue",status="2xx"}': 2,
        'shop_orders_total{kind="book",site="shop",slot="blue"}': 3,
        **{f'plan_{name}{{site="shop"}}': value for name, value in PLAN.items()},
    }
    left = {name: value for name, value in found.items() if name not in expected}
    assert {name: found.get(name) for name in expected} == expected
    assert {name.partition("{")[0] for name in left} == {
        "scrape_error",
        "request_duration_seconds_bucket",
        "request_duration_seconds_sum",
    }
    assert host.errors() == set()


def test_a_slot_that_finishes_its_last_requests(host: Host, shop: Site) -> None:
    """Its processes count, and it is not the live one; its socket may be gone."""
    process(shop.run / "metrics", "1")
    (shop.root / "live").unlink()
    (shop.root / "live").symlink_to("slots/green")
    host.units["shop@blue.service"]["ActiveState"] = "deactivating"
    host.queues.clear()
    found = host.scrape()
    assert found['slot_live{site="shop",slot="blue"}'] == 0
    assert found['slot_active{site="shop",slot="blue"}'] == 0
    assert found['requests_in_progress{site="shop",slot="blue"}'] == 2
    assert host.errors() == set()


def test_a_unit_that_systemd_has_given_up(host: Host, shop: Site) -> None:
    host.units["shop@blue.service"] = {**GREEN, "ActiveState": "failed", "NRestarts": "20"}
    found = host.scrape()
    assert found['unit_failed{site="shop",slot="blue"}'] == 1
    assert found['restarts_total{site="shop",slot="blue"}'] == 20
    assert 'memory_bytes{site="shop",slot="blue"}' not in found
    assert found['plan_workers{site="shop"}'] == 9


def test_nothing_listens_on_the_live_socket(host: Host, shop: Site) -> None:
    host.queues.clear()
    assert host.errors() == {"queue"}


def test_workers_have_the_numbers_that_they_noted(host: Host, shop: Site) -> None:
    """The others have the next ones; a process id that is no worker's is ignored."""
    (shop.run / "metrics/worker-1.pid").write_text("412")
    (shop.run / "metrics/worker-7.pid").write_text("1")
    write(host.root, {"/proc/412/smaps_rollup": "Pss: 1 kB\n"})
    found = host.scrape()
    assert found['worker_pss_bytes{site="shop",slot="blue",worker="1"}'] == 1024
    assert found['worker_pss_bytes{site="shop",slot="blue",worker="2"}'] == 92160000
    assert not any('worker="7"' in name for name in found)


def test_the_memory_of_no_worker_can_be_read(host: Host, shop: Site) -> None:
    """As in a container that may not trace processes; the number of workers is known all the same."""
    for pid in (411, 412):
        (host.root / f"proc/{pid}/smaps_rollup").unlink()
    found = host.scrape()
    assert found['workers{site="shop",slot="blue"}'] == 2
    assert not any(name.startswith("worker_") for name in found)
    assert host.errors() == {"kernel"}


def test_cpu_time_without_accounting_never_falls(host: Host, shop: Site) -> None:
    """A worker that has ended and that nobody has waited for is in neither sum."""
    (host.root / f"sys/fs/cgroup{shop.group}/cpu.stat").unlink()
    write(host.root, {"/proc/410/stat": STAT.format(pid=410, utime=100, stime=0, cutime=0, cstime=0, started=1)})
    name = 'cpu_seconds_total{site="shop",slot="blue"}'
    before = host.scrape()[name]
    assert before == pytest.approx(104 / os.sysconf("SC_CLK_TCK"))
    (host.root / "proc/411/stat").unlink()
    assert host.scrape()[name] == before
    host.units["shop@blue.service"]["InvocationID"] = "another"
    assert host.scrape()[name] == pytest.approx(102 / os.sysconf("SC_CLK_TCK"))


# Background processes and schedules

RUNS = {"ActiveState": "active", "MainPID": "77", "NRestarts": "0", "InvocationID": "a", "ControlGroup": ""}


def test_background_processes_of_the_live_slot(host: Host, shop: Site) -> None:
    """Each unit by its number; the other slot may still have some, which are no concern any more."""
    shop.record["processes"] = {"rq": ["shop-rq", "shop-rq-2"], "beat": ["shop-beat"]}
    shop.write_record()
    group = "/system.slice/system-shop.slice/shop-rq@blue.service"
    host.units["shop-rq@blue.service"] = {**RUNS, "NRestarts": "3", "ControlGroup": group}
    host.units["shop-rq-2@blue.service"] = {**RUNS, "ActiveState": "activating"}
    host.units["shop-rq@green.service"] = {**RUNS, "NRestarts": "9"}
    cgroup = f"/sys/fs/cgroup{group}/"
    write(host.root, {cgroup + "memory.current": "104857600\n", cgroup + "memory.events": "oom_kill 1\n"})
    found = {name: value for name, value in host.scrape().items() if name.startswith("process_")}
    assert found == {
        'process_active{number="1",process="rq",site="shop",slot="blue"}': 1,
        'process_active{number="2",process="rq",site="shop",slot="blue"}': 0,
        'process_active{number="1",process="beat",site="shop",slot="blue"}': 0,
        'process_restarts_total{number="1",process="rq",site="shop",slot="blue"}': 3,
        'process_restarts_total{number="2",process="rq",site="shop",slot="blue"}': 0,
        'process_restarts_total{number="1",process="beat",site="shop",slot="blue"}': 0,
        'process_memory_bytes{number="1",process="rq",site="shop",slot="blue"}': 104857600,
        'process_oom_kills_total{number="1",process="rq",site="shop",slot="blue"}': 1,
    }
    assert host.errors() == set()


def test_schedules(host: Host, shop: Site) -> None:
    """What has not run yet has no result; a failure lasts until a success, also where systemd has forgotten it."""
    shop.record["schedules"] = ["clean", "report", "fresh"]
    shop.write_record()
    (shop.root / "schedules").mkdir()
    for name, text, at in (
        ("clean.last", "success exited 0", 1796083300),
        ("clean.success", "", 1796083299),
        ("report.last", "exit-code exited 1", 1796083400),
        ("report.success", "", 1795000000),
    ):
        (shop.root / "schedules" / name).write_text(text)
        os.utime(shop.root / "schedules" / name, (at, at))
    for name in ("clean", "fresh"):
        host.units[f"shop-{name}.timer"] = RUNS
    found = {name: value for name, value in host.scrape().items() if name.startswith("schedule_")}
    assert found == {
        'schedule_active{schedule="clean",site="shop"}': 1,
        'schedule_active{schedule="report",site="shop"}': 0,
        'schedule_active{schedule="fresh",site="shop"}': 1,
        'schedule_success{schedule="clean",site="shop"}': 1,
        'schedule_success{schedule="report",site="shop"}': 0,
        'schedule_last_run_timestamp_seconds{schedule="clean",site="shop"}': 1796083300,
        'schedule_last_run_timestamp_seconds{schedule="report",site="shop"}': 1796083400,
        'schedule_last_success_timestamp_seconds{schedule="clean",site="shop"}': 1796083299,
        'schedule_last_success_timestamp_seconds{schedule="report",site="shop"}': 1795000000,
    }
    host.units["shop-fresh.service"] = {**RUNS, "ActiveState": "failed"}
    assert host.scrape()['schedule_success{schedule="fresh",site="shop"}'] == 0


def test_a_systemd_that_does_not_answer_tells_of_neither(host: Host, shop: Site) -> None:
    shop.record |= {"processes": {"rq": ["shop-rq"]}, "schedules": ["clean"]}
    shop.write_record()
    host.silent.add("systemctl")
    assert host.errors() >= {"units", "background", "schedules"}


# Runs


def test_a_run_that_failed(host: Host, shop: Site) -> None:
    LastRun("bert on desk", 1_795_770_000, 1_795_770_042, succeeded=False).write(shop.root)
    found = host.scrape()
    assert found['deploy_success{site="shop"}'] == 0
    assert found['deploy_timestamp_seconds{site="shop"}'] == 1795770042
    assert found['deploy_info{by="bert on desk",site="shop"}'] == 1


@pytest.mark.parametrize(("silent_s", "success"), [(1700, 1), (1900, 0)])
def test_a_run_that_holds_the_site(host: Host, shop: Site, silent_s: float, success: float) -> None:
    """While it may be alive, the last one counts; then it was cut off."""
    lock = DeployLock(shop.root)
    lock.take(Holder("carl", "desk", "", 1_795_780_000), 1800)
    then = uptime() - silent_s
    os.utime(lock.path, (then, then))
    found = host.scrape()
    assert found['deploy_success{site="shop"}'] == success
    by = "anna on laptop" if success else "carl on desk"
    assert found[f'deploy_info{{by="{by}",site="shop"}}'] == 1


def test_a_run_whose_visit_takes_long(host: Host, shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the kernel's lock, which the exporter does not touch."""
    monkeypatch.setattr(host.collector.kernel, "proc", Path("/proc"))
    lock = DeployLock(shop.root)
    holder = Holder("carl", "desk", "", 1_795_780_000)
    lock.take(holder, 1800)
    with exclusive_visit(shop.root, holder.token):
        then = uptime() - 4000
        os.utime(lock.path, (then, then))
        assert host.scrape()['deploy_success{site="shop"}'] == 1
        os.utime(lock.path, (then, then))


def test_a_site_without_a_run(host: Host, shop: Site) -> None:
    """As one that an earlier version of the collection has deployed."""
    (shop.root / "last-run.json").unlink()
    assert not any(name.startswith("deploy_") for name in host.scrape())
    assert host.errors() == set()


# What ends some day


def test_the_certificate(host: Host, shop: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read once, and again when its file has changed."""
    file = tmp_path / "fullchain.pem"
    shop.record["certificate"] = str(file)
    shop.write_record()
    assert host.errors() == {"certificate"}

    def issue(days: int) -> None:
        words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        words += ["-subj", "/CN=shop.test", "-days", str(days), "-keyout", "/dev/null", "-out", str(file)]
        subprocess.run(words, check=True, capture_output=True)

    name = 'certificate_expiry_timestamp_seconds{site="shop"}'
    issue(30)
    assert host.scrape()[name] == pytest.approx(time.time() + 30 * 86400, abs=60)
    issue(90)
    assert host.scrape()[name] == pytest.approx(time.time() + 90 * 86400, abs=60)
    monkeypatch.setattr(collector, "command", lambda _words: pytest.fail("it is read again"))
    assert host.scrape()[name] == pytest.approx(time.time() + 90 * 86400, abs=60)
    file.write_text("-----BEGIN CERTIFICATE-----\n")
    monkeypatch.undo()
    monkeypatch.setattr(host_module, "RUN", host.run)
    assert host.errors() == {"certificate"}


def test_backups(host: Host, shop: Site, tmp_path: Path) -> None:
    """The latest copy counts; none yet is no error, and no age."""
    directory = tmp_path / "state/backups"
    shop.record["backups"] = str(directory)
    shop.write_record()
    name = 'backup_timestamp_seconds{site="shop"}'
    assert name not in host.scrape()
    directory.mkdir(parents=True)
    for file, at in (
        ("20261123T221501Z-before-r1.dump", 1_795_000_000),
        ("20261124T221501Z-before-r2.dump", 1_795_086_400),
        (".20261125T221501Z-before-r3.dump.part", 1_795_200_000),
        ("notes.txt", 1_795_300_000),
    ):
        (directory / file).touch()
        os.utime(directory / file, (at, at))
    (directory / "20261130T221501Z-before-r4.dump").symlink_to("/etc/passwd")
    assert host.scrape()[name] == 1795086400
    assert host.errors() == set()


def test_liveness(host: Host, shop: Site) -> None:
    (host.run / "pitcrew").mkdir()
    file = host.run / "pitcrew/shop-liveness.json"
    file.write_text('{"failures": 2, "restarts": 5, "last_restart": 1795000000, "reason": "", "gave_up": false}')
    found = host.scrape()
    assert found['liveness_failures{site="shop"}'] == 2
    assert found['liveness_restarts_total{site="shop"}'] == 5
    file.write_text("{")
    assert host.errors() == {"liveness"}


# Whatever goes wrong


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"plan": 1}', '{"plan": {"workers": "many"}}'])
def test_a_record_that_is_damaged(host: Host, shop: Site, text: str) -> None:
    """What does not depend on it is known."""
    (shop.root / "site.json").write_text(text)
    found = host.scrape()
    assert found['scrape_error{part="site",site="shop"}'] == 1
    assert found['slot_active{site="shop",slot="blue"}'] == 1
    assert found['memory_bytes{site="shop",slot="blue"}'] == 734003200


def test_a_plan_of_a_later_version(host: Host, shop: Site) -> None:
    """What the exporter does not know is left out."""
    shop.record["plan"] = {**PLAN, "wishes": 3, "workers": None}
    shop.write_record()
    found = host.scrape()
    assert not any("wishes" in name or "plan_workers" in name for name in found)
    assert found['plan_threads{site="shop"}'] == 4
    assert host.errors() == set()


@pytest.mark.parametrize(("program", "errors"), [("systemctl", {"units"}), ("ss", {"queue"})])
def test_a_program_that_does_not_answer(host: Host, shop: Site, program: str, errors: set[str]) -> None:
    host.silent.add(program)
    assert host.errors() == errors
    assert host.scrape()['plan_workers{site="shop"}'] == 9


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "COMMAND_S", 0.2)
    began = time.monotonic()
    assert collector.command(["sleep", "60"])[0] == 1
    assert time.monotonic() - began < 5
    assert collector.command(["no-such-program"])[0] == 1


def test_one_site_s_files_hide_no_other_site(host: Host, shop: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor the rest of that site; the journal is told once."""
    blog = Site(host, "blog", 510)
    for site in (shop, blog):
        process(site.run / "metrics", "1")
    (blog.run / "metrics/counter_2.db").write_bytes(os.urandom(5000))
    os.mkfifo(blog.run / "metrics/counter_3.db")
    found = host.scrape()
    for name in ("shop", "blog"):
        assert found[f'shop_orders_total{{kind="book",site="{name}",slot="blue"}}'] == 3
        assert found[f'memory_bytes{{site="{name}",slot="blue"}}'] == 734003200
    assert (host.errors("shop"), host.errors("blog")) == (set(), {"processes"})
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].startswith("blog: processes: ")
    assert "'counter_3.db' is not a regular file" in told[0]


def test_a_site_that_never_ends_is_waited_for_once(host: Host, shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate on a disk that hangs, for example. The site is back as soon as it ends."""
    monkeypatch.setattr(collector, "SITE_S", 0.3)
    Site(host, "blog", 510)
    hang = threading.Event()
    read_certificate = Reading.read_certificate

    def read(reading: Reading) -> None:
        if reading.site.name == "blog":
            hang.wait(30)
        read_certificate(reading)

    monkeypatch.setattr(Reading, "read_certificate", read)
    assert host.errors("blog") == {"time"}
    # This machine may be busy: the healthy site has more time.
    host.collector.threads["shop"].join(20)
    monkeypatch.setattr(collector, "SITE_S", 20)
    began = time.monotonic()
    found = host.scrape()
    assert time.monotonic() - began < 15
    assert found['scrape_error{part="time",site="blog"}'] == 1
    assert 'plan_workers{site="blog"}' not in found
    assert found['plan_workers{site="shop"}'] == 9
    hang.set()
    host.collector.threads["blog"].join(10)
    assert host.errors("blog") == set()


def test_servers_are_asked_by_what_the_slot_runs(host: Host, shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that does not answer is said not to."""
    monkeypatch.setattr(servers, "PATIENCE_S", 5)
    (shop.root / "slots/blue/uwsgi.ini").touch()
    stats = {"workers": [{"status": "busy", "requests": 40, "respawn_count": 2}]}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(shop.run / "stats.sock"))
        listener.listen()

        def answer() -> None:
            connection, _address = listener.accept()
            with connection:
                connection.sendall(json.dumps(stats).encode())

        thread = threading.Thread(target=answer)
        thread.start()
        found = host.scrape()
        thread.join()
        assert found['server_requests_total{site="shop",slot="blue"}'] == 40
        assert found['server_workers_busy{site="shop",slot="blue"}'] == 1
        assert found['server_worker_starts_total{site="shop",slot="blue"}'] == 2
        assert found['release_info{release="r2",server="uwsgi",site="shop",slot="blue"}'] == 1
        monkeypatch.undo()
        monkeypatch.setattr(host_module, "RUN", host.run)
        assert host.errors() == {"server"}


# Names


def test_every_metric_of_a_scrape_is_described(host: Host, shop: Site) -> None:
    """By its name, its labels and its type."""
    process(shop.run / "metrics", "1")
    described = {description.name: description for description in (*EXPORTER, *PROCESSES)}
    checked = 0
    for metric in host.collector.collect():
        if not metric.name.startswith("pitcrew_"):
            continue
        name = metric.name + ("_total" if metric.type == "counter" else "")
        assert described[name].type == metric.type
        for sample in metric.samples:
            labels = set(sample.labels) - {"site", "le"}
            assert labels == set(described[name].labels), name
            checked += 1
    assert checked > 50


def test_metrics_have_names_as_prometheus_wants_them() -> None:
    """Units in full, counters with their suffix, one name each, sentences without a full stop."""
    names = [description.name for description in (*EXPORTER, *PROCESSES)]
    assert len(names) == len(set(names))
    for description in (*EXPORTER, *PROCESSES):
        assert description.name.endswith("_total") is (description.type == "counter")
        assert not description.text.endswith(".")
        assert "_ms" not in description.name
        assert "_mb" not in description.name


def test_versions_agree() -> None:
    """That of the collection, and that of prometheus_client in the tests and on hosts."""
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"] == VERSION
    pinned = yaml.safe_load((ROOT / "roles/monitoring/vars/main.yml").read_text())["__monitoring_client_version"]
    assert f"prometheus_client=={pinned}\n" in (ROOT / "tests/requirements-unit.txt").read_text()


def test_the_role_copies_all_modules() -> None:
    """Of the exporter, and those that they import."""
    names = yaml.safe_load((ROOT / "roles/monitoring/vars/main.yml").read_text())
    package = ROOT / "roles/monitoring/files/pitcrew_exporter"
    assert names["__monitoring_own_modules"] == sorted(path.name for path in package.glob("*.py"))
    prefix = "from ansible_collections.pitcrew.django.plugins.module_utils"
    shared = ROOT / "plugins/module_utils"
    wanted, found = [*package.glob("*.py")], set()
    while wanted:
        for line in wanted.pop().read_text().splitlines():
            if line.startswith(prefix):
                words = line.removeprefix(prefix).removeprefix(".").split()
                name = f"{words[0] if words[0] != 'import' else words[1]}.py"
                if name not in found:
                    found.add(name)
                    wanted.append(shared / name)
    assert names["__monitoring_shared_modules"] == sorted(found)


def test_the_documentation_lists_every_metric() -> None:
    """Each with its type, its labels and its meaning, in the order of the code."""
    rows = [
        f"| `{description.name}` | {description.type} | {' '.join(f'`{label}`' for label in description.labels)} | "
        f"{description.text}. |".replace("|  |", "| |")
        for description in (*EXPORTER, *PROCESSES)
    ]
    text = (ROOT / "docs/monitoring-metrics.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("| `pitcrew_")] == rows
