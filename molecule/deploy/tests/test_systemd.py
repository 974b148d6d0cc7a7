"""The systemd that unit tests play answers as the real one does: both are asked the same."""

from __future__ import annotations

import base64
import inspect
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

# Where Ansible has the collection in this run.
sys.path += os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep)

from ansible_collections.pitcrew.django.plugins.module_utils import host as host_module
from ansible_collections.pitcrew.django.plugins.module_utils import systemd as systemd_module
from fake_systemd import FakeSystemd, Process

testinfra_hosts = ["ansible://django"]

# Restart= and what else a slot has that decides of this (roles/site/templates/slot.service.j2).
SLOT = "[Service]\nType=notify\nNotifyAccess=all\nRestart=always\nRestartSec=1\nExecStart=/bin/sh -c '{}'\n"
WORKER = "[Service]\nType=exec\nKillMode=mixed\nRestart=always\nRestartSec=5\nExecStart={}\n"
SERVES = "systemd-notify --ready; exec sleep 1000"
UNITS = {
    "serves": SLOT.format(SERVES),
    "ends-at-once": SLOT.format("exit 1"),
    "ends-when-ready": SLOT.format("systemd-notify --ready; exit 1"),
    "given-up": "[Unit]\nStartLimitBurst=1\n" + SLOT.format("exit 1").replace("RestartSec=1", "RestartSec=0"),
    "refers": "[Unit]\nAfter=probe-serves.service\n" + SLOT.format(SERVES),
    # Of background processes (process.service.j2).
    "works": WORKER.format("/bin/sleep 1000"),
    "lingers": WORKER.format("""/bin/sh -c 'trap "sleep 1; exit 0" TERM; while :; do sleep 0.1; done'"""),
    "not-there": WORKER.format("/usr/bin/not-there"),
    "ends-later": WORKER.format("/bin/sh -c 'sleep 0.5; exit 3'"),
    "ends-cleanly": WORKER.format("/bin/sh -c 'sleep 0.5'"),
    "boot": "[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
}
PROCESSES = {
    "ends-at-once": Process(complaint="Job for probe-ends-at-once.service failed.", ended="status 1"),
    "ends-when-ready": Process(active="activating", restarts=1, ended="status 1"),
    "given-up": Process(active="failed", ended="status 1"),
    "lingers": Process(finishes=1),
    "not-there": Process(complaint="Job for probe-not-there.service failed.", ended="status 203"),
    "ends-later": Process(stays_up=0.5, ended="status 3"),
    "ends-cleanly": Process(stays_up=0.5, ended="status 0"),
}


class Played(FakeSystemd):
    """The played systemd, with a process for each of the units."""

    def process(self, unit: str) -> Process:
        """Tell how the process of the unit behaves."""
        return PROCESSES.get(unit.removeprefix("probe-").removesuffix(".service"), Process())


def interview(systemd: Any, directory: Path, units: dict[str, str]) -> dict[str, Any]:
    """Give orders, and return what became of them: a complaint or none, the state of a unit, whether it is outdated."""

    def name(unit: str) -> str:
        return f"probe-{unit}.service"

    def write(unit: str, more: str = "") -> None:
        (directory / name(unit)).write_text(units[unit] + more)

    def complains(*words: str) -> bool:
        return systemd.order(*words) is not None

    def state(unit: str) -> str:
        return str(systemd.show(name(unit)).active)

    def at_last(seen: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + 10
        while not seen() and time.monotonic() < deadline:
            time.sleep(0.05)
        return seen()

    found: dict[str, Any] = {}
    unknown = systemd.show(name("unknown"))
    found["of a unit that is not there"] = [unknown.active, unknown.main_pid, unknown.restarts, unknown.invocation]
    found["a unit that is not there is outdated"] = systemd.outdated(name("unknown"))
    found["a start of what is not there"] = complains("start", name("unknown"))

    write("serves")
    found["a new file makes nothing outdated"] = systemd.outdated(name("serves"))
    found["a start"] = [complains("start", name("serves")), state("serves"), systemd.outdated(name("serves"))]
    write("serves", "# edited\n")
    found["a unit that runs and was edited"] = [state("serves"), systemd.outdated(name("serves"))]
    found["it has not ended"] = systemd.how_it_ended(name("serves"))
    found["a reload"] = [complains("daemon-reload"), state("serves"), systemd.outdated(name("serves"))]
    write("serves", "# edited again\n")
    found["a stop"] = [complains("stop", name("serves")), state("serves")]
    found["a stopped unit that was edited is read anew"] = systemd.outdated(name("serves"))
    found["a start after that"] = [complains("start", name("serves")), systemd.outdated(name("serves"))]
    found["a stop that is not waited for"] = complains("stop", "--no-block", name("serves"))
    found["it comes to an end"] = at_last(lambda: state("serves") == "inactive")
    found["a stop of what has stopped"] = [complains("stop", name("serves")), state("serves")]
    found["a stop of what has stopped, not waited for"] = complains("stop", "--no-block", name("serves"))

    write("refers")
    found["a start of a unit that refers to it"] = complains("start", name("refers"))
    getattr(systemd, "referred_to", set()).add(name("serves"))
    complains("daemon-reload")
    write("serves", "# edited once more\n")
    found["a stopped unit that others refer to is held"] = [state("serves"), systemd.outdated(name("serves"))]
    found["until a reload"] = [complains("daemon-reload"), systemd.outdated(name("serves"))]
    complains("stop", name("refers"))

    write("ends-at-once")
    found["a process that ends at once"] = [complains("start", name("ends-at-once")), state("ends-at-once")]
    found["it is known how it ended"] = systemd.how_it_ended(name("ends-at-once"))
    found["is stopped for good"] = [complains("stop", name("ends-at-once")), state("ends-at-once")]

    write("ends-when-ready")
    found["a process that ends when it is ready"] = complains("start", name("ends-when-ready"))
    found["waits for its restart"] = at_last(lambda: state("ends-when-ready") == "activating")
    found["and it is known how it ended"] = systemd.how_it_ended(name("ends-when-ready"))
    found["is restarted, and that is counted"] = at_last(lambda: systemd.show(name("ends-when-ready")).restarts > 0)
    found["and stopped for good"] = [complains("stop", name("ends-when-ready")), state("ends-when-ready")]

    write("given-up")
    complains("start", name("given-up"))
    found["a process that is given up"] = at_last(lambda: state("given-up") == "failed")
    found["it is known how it ended last"] = systemd.how_it_ended(name("given-up"))
    found["is not started"] = [complains("start", name("given-up")), state("given-up")]
    write("given-up", "# edited\n")
    found["and held as it was"] = systemd.outdated(name("given-up"))
    complains("reset-failed", name("given-up"))
    found["until that is forgotten"] = [state("given-up"), systemd.outdated(name("given-up"))]

    def states(*units: str) -> list[str]:
        return [found.active for found in systemd.show_all(map(name, units)).values()]

    for worker in ("works", "lingers", "not-there", "ends-later", "ends-cleanly"):
        write(worker)
    two = [name("works"), name("lingers")]
    found["a start of two"] = [complains("start", *two), states("works", "lingers", "unknown")]
    time.sleep(0.3)  # Until the shell has set its trap.
    found["a stop that takes a while, and is not waited for"] = [
        complains("stop", "--no-block", *two),
        state("lingers"),
    ]
    found["one that is told so twice"] = [complains("stop", "--no-block", name("lingers")), state("lingers")]
    found["a stop of two that is waited for"] = [complains("stop", *two), states("works", "lingers")]
    complains("start", *two)
    time.sleep(0.3)
    complains("stop", "--no-block", name("lingers"))
    found["a start of what stops waits for that"] = [complains("start", *two), states("works", "lingers")]
    found["restarts of what was stopped in between"] = systemd.show(name("lingers")).restarts
    complains("stop", *two)

    found["a program that is not there"] = [complains("start", name("not-there")), state("not-there")]
    found["of that it is known, too, how it ended"] = systemd.how_it_ended(name("not-there"))
    for worker in ("ends-later", "ends-cleanly"):
        found[f"one that {worker}"] = [complains("start", name(worker)), state(worker)]
        found[f"one that {worker} waits for its restart"] = at_last(lambda unit=worker: state(unit) == "activating")
        found[f"and it is known how one {worker}"] = systemd.how_it_ended(name(worker))
    ended = ("not-there", "ends-later", "ends-cleanly")
    found["a stop of what waits for its restart"] = [complains("stop", *map(name, ended)), states(*ended)]
    found["a start of one that is there and one that is not"] = complains("start", name("works"), name("unknown"))
    found["starts the one"] = state("works")
    complains("stop", name("works"))

    found["what is to start at boot and is not there"] = complains("enable", name("boot"))
    write("boot")
    link = directory / "multi-user.target.wants" / name("boot")
    found["what is to start at boot"] = [complains("enable", name("boot")), str(link.resolve().name)]
    found["the same twice"] = complains("enable", name("boot"))
    return found


ON_THE_HOST = """
import json, subprocess, sys, time
from pathlib import Path
sys.path.insert(0, {directory!r})
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd
{interview}
def run(words):
    done = subprocess.run(words, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr
print(json.dumps(interview(Systemd(run), Path("/etc/systemd/system"), {units!r})))
"""
AFTERWARDS = (
    "systemctl stop 'probe-*'; systemctl reset-failed 'probe-*'; "
    "rm -rf /etc/systemd/system/probe-* /etc/systemd/system/multi-user.target.wants/probe-* /tmp/probe; "
    "systemctl daemon-reload"
)


@pytest.fixture(scope="module")
def real(host: Host) -> dict[str, Any]:
    """What the real systemd answers, asked on the host by the code that a switch asks with."""
    program = "from __future__ import annotations\n" + ON_THE_HOST.format(
        directory="/tmp/probe", interview=inspect.getsource(interview), units=UNITS
    )
    modules = {
        f"{module.__name__.replace('.', '/')}.py": inspect.getsource(module) for module in (host_module, systemd_module)
    }
    for name, text in {**modules, "interview.py": program}.items():
        encoded = base64.b64encode(text.encode()).decode()
        path = f"/tmp/probe/{name}"
        host.check_output(f"mkdir -p {os.path.dirname(path)} && echo {encoded} | base64 --decode > {path}")
    try:
        answers: dict[str, Any] = json.loads(host.check_output("python3 /tmp/probe/interview.py"))
    finally:
        host.run(AFTERWARDS)
    return answers


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the played one answers."""
    directory = tmp_path_factory.mktemp("system")
    return interview(Played(directory), directory, UNITS)


def test_the_played_systemd_answers_as_the_real_one(real: dict[str, Any], played: dict[str, Any]) -> None:
    """What there is to see of units before and after each order; unit tests of switches rely on it."""
    assert len(real) > 20
    differ = {question: (answer, played[question]) for question, answer in real.items() if answer != played[question]}
    assert differ == {}
