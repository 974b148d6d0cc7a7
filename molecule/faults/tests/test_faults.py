"""What breaks while the site runs: what its visitors see, for how long, and that it heals by itself.

Twenty requests a second come at fixed times before the fault, during it and after it. The table of the docs is what
these tests print.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from deploys import Play
from form import LONG
from load import DEFAULT_MIX, Kind, Load, Report
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

BEFORE_S = 3.0
# How long the site has to answer everything before a fault counts as healed.
QUIET_S = 8.0 if LONG else 4.0

HEADING = """
| fault | server | without their answer | what they got | healed after | silence |
| --- | --- | --- | --- | --- | --- |""".strip()

# What the application server has no part in.
ONCE = pytest.mark.long("uwsgi")

FAST = (Kind("fast", 1, "/exercise/fast/"),)
QUERIES = (Kind("query", 1, "/exercise/query/?ms=5"),)


@dataclass(frozen=True)
class Site:
    """The site on its host."""

    host: Host
    address: str

    @property
    def unit(self) -> str:
        """The unit of the slot that serves."""
        slot = self.host.file("/srv/shop/live").linked_to.rpartition("/")[2]
        return f"shop@{slot}.service"

    @property
    def main(self) -> str:
        """The number of its main process."""
        return self.host.check_output("systemctl show --property=MainPID --value %s", self.unit)

    @property
    def workers(self) -> list[str]:
        """The numbers of the processes that serve."""
        return self.host.check_output("cat /proc/%s/task/%s/children", self.main, self.main).split()

    @property
    def server(self) -> str:
        """The name of its server, after which the host is named."""
        return self.host.backend.get_hostname().rstrip("0123456789")

    @property
    def found(self) -> dict[str, Any]:
        """What the timer has found since the host was booted."""
        found: dict[str, Any] = json.loads(self.host.file("/run/pitcrew/shop-liveness.json").content_string)
        return found

    def ask(self, path: str, seconds: int = 90) -> tuple[str, float]:
        """The status that a visitor gets, and after how many seconds."""
        ask = "curl -s -o /dev/null -w '%%{http_code} %%{time_total}' -m %s -H 'Host: shop.test' http://127.0.0.1%s"
        status, took = self.host.run(ask, str(seconds), path).stdout.split()
        return status, float(took)

    def serves_by_others(self, processes: Iterable[str]) -> bool:
        """Whether it answers, and none of these processes is left."""
        return self.ask("/exercise/fast/", 2)[0] == "200" and not {self.main, *self.workers} & set(processes)

    def under_load(
        self,
        fault: str,
        act: Callable[[], object],
        seconds: float,
        mix: Sequence[Kind] = DEFAULT_MIX,
        until: Callable[[], bool] = lambda: False,
    ) -> Seen:
        """Do it under load, and watch for so long what visitors see, or until it is over."""
        with Load(f"http://{self.address}", host="shop.test", rate=20, seconds=400, mix=mix) as load:
            time.sleep(BEFORE_S)
            struck = load.now()
            act()
            while load.now() < struck + seconds and not until():
                time.sleep(1)
            if load.now() < struck + seconds:
                time.sleep(QUIET_S)
            report = load.stop()
        server = self.host.backend.get_hostname()
        seen = Seen(fault, server, report, struck)
        print("", HEADING, seen.row, report, sep="\n")
        return seen


@dataclass(frozen=True)
class Seen:
    """What visitors saw of a fault."""

    fault: str
    server: str
    report: Report
    struck: float

    @property
    def answers(self) -> Counter[str]:
        """What those got who did not get their answer."""
        return Counter(
            # Whoever sent it died between its first and its last byte.
            "cut off" if result.error.startswith("ClientPayloadError") else f"{result.status or 'no answer'}"
            for result in self.report.lost
        )

    @property
    def healed_s(self) -> float:
        """When the last one who did not get an answer had come, in seconds after the fault."""
        return max((result.scheduled - self.struck for result in self.report.lost), default=0.0)

    @property
    def row(self) -> str:
        """The fault in the table."""
        answers = ", ".join(f"{count} x {answer}" for answer, count in sorted(self.answers.items())) or "none"
        return (
            f"| {self.fault} | {self.server} | {len(self.report.lost)} of {len(self.report.results)} | {answers} "
            f"| {self.healed_s:.1f} s | {self.report.longest_silence:.1f} s |"
        )

    def healed(self, within_s: float, *answers: str) -> None:
        """Judge: nobody was lost before, nor later than that, and who was lost got one of these."""
        report = self.report
        assert report.results
        # By the end, not by the schedule: a client that the machine holds up sends a request after the fault.
        assert [result for result in report.lost if result.end < self.struck] == [], report.errors()
        assert self.healed_s <= within_s
        assert report.results[-1].scheduled > self.struck + self.healed_s + QUIET_S - 1
        assert set(self.answers) <= set(answers), report.errors()


@pytest.fixture
def site(host: Host, address: str, answering: Callable[[], str]) -> Site:
    """The site, whole."""
    answering()
    return Site(host, address)


def test_a_worker_is_killed(site: Site) -> None:
    """Only what it had under way is lost, and another takes its place."""
    main, workers = site.main, site.workers
    seen = site.under_load("kill -9 of a worker", lambda: site.host.check_output("kill -9 %s", workers[0]), QUIET_S + 2)
    seen.healed(1, "502", "cut off")
    assert len(seen.report.lost) <= 4
    assert site.main == main
    assert len(site.workers) == len(workers)
    assert workers[0] not in site.workers


def test_the_main_process_is_killed(site: Site) -> None:
    """systemd starts the slot anew; nginx says meanwhile, with its own page, that the site will be back in a moment."""
    main = site.main
    seen = site.under_load(
        "kill -9 of the main process", lambda: site.host.check_output("kill -9 %s", main), QUIET_S + 10
    )
    seen.healed(10, "502", "cut off")
    assert site.main not in {main, "0"}


@ONCE
def test_nginx_is_killed(site: Site) -> None:
    """systemd starts it anew, which the distribution's unit does not ask for."""
    main = site.host.check_output("cat /run/nginx.pid")
    seen = site.under_load("kill -9 of nginx", lambda: site.host.check_output("kill -9 %s", main), QUIET_S + 5)
    seen.healed(5, "no answer", "cut off")
    assert site.host.check_output("cat /run/nginx.pid") != main


def test_a_worker_takes_all_the_memory(site: Site) -> None:
    """Only this worker dies of it: the unit stays as it is, and so does everything else on the host."""
    main, workers = site.main, site.workers
    seen = site.under_load("a worker takes all memory", lambda: site.ask("/exercise/memory/?mb=1500"), QUIET_S + 5)
    seen.healed(5, "502", "cut off")
    assert site.main == main
    survivors = set(site.workers) & set(workers)
    assert len(survivors) == len(workers) - 1
    assert site.host.service("postgresql").is_running


def test_a_request_hangs(site: Site) -> None:
    """It is ended with an error; no other visitor notices, and its place is free again."""
    main, workers = site.main, site.workers
    with ThreadPoolExecutor(1) as aside:
        asked = []
        seen = site.under_load(
            "a request hangs",
            lambda: asked.append(aside.submit(site.ask, "/exercise/hang/")),
            32 + QUIET_S,
            mix=FAST,
            until=lambda: asked[0].done() and len(site.workers) == len(workers),
        )
        status, took = asked[0].result()
    print(f"{status} after {took:.0f} s")
    seen.healed(32, "502")
    assert seen.report.lost == []
    assert status in {"500", "502", "504"}
    # A request may take ten seconds (site_request_timeout); a server asks no worker more often than every thirty.
    assert took < 40
    assert site.main == main
    assert len(site.workers) == len(workers)
    assert site.workers != workers


def test_the_backlog_is_full(site: Site) -> None:
    """Whoever finds no place in the queue gets an error at once; who found one is served when it goes on."""

    def stall() -> None:
        processes = [site.main, *site.workers]
        site.host.check_output("kill -STOP " + " ".join(processes))
        try:
            burst.start()
            time.sleep(5)
        finally:
            site.host.check_output("kill -CONT " + " ".join(processes))

    burst = Load(f"http://{site.address}", host="shop.test", rate=300, seconds=4, mix=FAST)
    seen = site.under_load("all processes stop for 5 s, 300 requests/s", stall, QUIET_S + 15, mix=FAST)
    report = burst.wait()
    print(report)
    seen.healed(15, "502")
    assert {result.status for result in report.lost} == {502}
    assert max(result.latency for result in report.lost) < 1
    assert len(report.results) - len(report.lost) > 50


@ONCE
def test_no_process_answers(site: Site) -> None:
    """systemd cannot see it, but the timer does; the reason is in the journal of the unit that was restarted."""
    unit, processes = site.unit, [site.main, *site.workers]
    seen = site.under_load(
        "all processes stop for good",
        lambda: site.host.check_output("kill -STOP " + " ".join(processes)),
        90 + QUIET_S,
        mix=FAST,
        until=lambda: site.serves_by_others(processes),
    )
    seen.healed(90, "502", "504", "no answer")
    assert site.main not in processes
    journal = site.host.check_output("journalctl --unit=%s --output=cat --since=-2min", unit)
    assert f"Restarting {unit}: 4 times in a row, no answer on /run/" in journal
    assert site.found["restarts"] == 1


@ONCE
def test_all_threads_of_all_workers_hang(site: Site, deploy: Callable[..., Play]) -> None:
    """gunicorn's threaded workers end themselves, and write where their threads are; uWSGI ends them anyway."""
    if site.server == "gunicorn":
        deploy(site_workers=2, site_threads=4).succeeded()
    main, workers = site.main, site.workers
    slots = 8 if site.server == "gunicorn" else len(workers)

    def hang() -> None:
        asked.extend(aside.submit(site.ask, "/exercise/hang/") for _slot in range(slots))

    asked: list[Future[tuple[str, float]]] = []
    with ThreadPoolExecutor(slots) as aside:
        seen = site.under_load(
            "all threads hang", hang, 90 + QUIET_S, mix=FAST, until=lambda: site.serves_by_others(workers)
        )
        assert {status for status, _took in (one.result() for one in asked)} <= {"500", "502", "504"}
    seen.healed(90, "502", "504", "no answer")
    assert (site.main, len(site.workers)) == (main, len(workers))
    assert not set(site.workers) & set(workers)
    if site.server == "gunicorn":
        journal = site.host.check_output("journalctl --unit=%s --output=cat --since=-2min", site.unit)
        assert "All 4 threads of this worker have hung for more than" in journal
        assert "exercise/views.py" in journal.partition("All 4 threads")[2]


@ONCE
def test_the_database_is_away(site: Site) -> None:
    """Restarting the site would not bring it back."""
    main, restarts = site.main, site.found["restarts"]
    site.host.check_output("systemctl stop postgresql")
    try:
        time.sleep(60 if LONG else 15)
        assert site.ask("/exercise/query/?ms=5")[0] == "500"
        assert site.found["failures"] == 0
    finally:
        site.host.check_output("systemctl start postgresql")
    assert (site.main, site.found["restarts"]) == (main, restarts)


@ONCE
def test_the_database_is_restarted(site: Site) -> None:
    """Requests that need it fail while it is away; the next ones find it again."""
    restart = "systemctl restart postgresql"
    seen = site.under_load("PostgreSQL is restarted", lambda: site.host.check_output(restart), QUIET_S + 6, mix=QUERIES)
    seen.healed(6, "500")


@ONCE
def test_the_host_is_rebooted(site: Site, reboot: Callable[[], Play]) -> None:
    """What served before serves again."""
    boot = []
    seen = site.under_load("the host is rebooted", lambda: boot.append(reboot()), QUIET_S + 15)
    seen.healed(boot[0].seconds + 15, "502", "no answer", "cut off")
