"""How long a deploy takes, as a ratio to a plain shell script that does the same raw work on the same kind of host.

    make bench-deploy                      # both settings, three turns each
    make bench-deploy SETTING=ready TURNS=5

Both deploy the example project to a fresh lab host of 1 CPU, first from nothing, then without a change, then with a
change of code; they take turns, and each ratio is that of the two runs of one turn. The medians are what counts.

There are two settings. On a *bare* host, the first deploy installs nginx, git and python3-venv. A *ready* host has them
before the clock starts, so that only what a deploy itself does is compared, and Ansible is told no more of it than a
user tells: how to log in.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploys import Source

from .sizing.lab import BENCHMARKS, Lab

HOST = "bench"
STEPS = ("first deploy", "no change", "code change")
PACKAGES = ("git", "nginx", "python3-venv")
WORTH_A_LINE = 0.1
"""Seconds of a task from which on it is listed."""

Tasks = dict[str, float]


@dataclass(frozen=True)
class Setting:
    """What is on a host before the clock starts, and which variables of the lab its inventory has."""

    title: str
    packages: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)


SETTINGS = {
    "bare": Setting("the first deploy installs nginx, git and python3-venv"),
    "ready": Setting("nginx, git and python3-venv are there", PACKAGES, {"lab_python": ""}),
}


class Plain:
    """The plain script, with its clone on the host."""

    name = "plain script"

    def __init__(self, lab: Lab, source: Source) -> None:
        self.lab, self.source = lab, source

    def push(self) -> None:
        """Bring the repository to the host; not part of the deploy."""
        pack = subprocess.run(["tar", "-c", "-C", self.source.directory / ".git", "."], check=True, capture_output=True)
        unpack = "'rm -rf /srv/origin.git; mkdir /srv/origin.git; tar -x -C /srv/origin.git'"
        self.lab.ssh(HOST, "sh", "-c", unpack, input=pack.stdout)

    def deploy(self) -> Tasks:
        """Run the script."""
        self.lab.ssh(HOST, "bash", "-s", input=(BENCHMARKS / "plain.sh").read_bytes(), stdout=subprocess.DEVNULL)
        return {}


class Collection:
    """The collection's playbook."""

    name = "pitcrew.django"

    def __init__(self, lab: Lab, source: Source) -> None:
        self.lab, self.source = lab, source

    def push(self) -> None:
        """Nothing: the control node reads the repository."""

    def deploy(self) -> Tasks:
        """Run the playbook; give the seconds of each task."""
        process = subprocess.Popen(
            [
                "ansible-playbook",
                f"--inventory={self.lab.inventory}",
                "pitcrew.django.deploy",
                f"--extra-vars=site_git_url={self.source.directory}",
            ],
            env={**os.environ, "PYTHONUNBUFFERED": "1", "ANSIBLE_NOCOLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        tasks: Tasks = defaultdict(float)
        task, start, lines = "start of Ansible", time.monotonic(), []
        assert process.stdout
        for line in process.stdout:
            lines.append(line)
            if found := re.match(r"(?:TASK|RUNNING HANDLER|PLAY RECAP) (?:\[(?:pitcrew\.django\.)?(.*?)\])?", line):
                now = time.monotonic()
                tasks[task] += now - start
                task, start = found.group(1) or "end of Ansible", now
        if process.wait():
            sys.exit("".join(lines[-60:]))
        tasks[task] += time.monotonic() - start
        return tasks


CONTENDERS = (Plain, Collection)


@dataclass
class Times:
    """The seconds of all turns of a setting: of each contender's steps, and of the tasks of each step."""

    deploys: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    tasks: dict[str, list[Tasks]] = field(default_factory=lambda: defaultdict(list))

    def add(self, contender: str, step: str, seconds: float, tasks: Tasks) -> None:
        """Take in a deploy."""
        self.deploys[contender, step].append(seconds)
        if tasks:
            self.tasks[step].append(tasks)

    def table(self) -> list[str]:
        """Lay out the medians, and those of the ratios within a turn."""
        plain, ours = (contender.name for contender in CONTENDERS)
        lines = [f"{'':14}{plain:>14}{ours:>16}{'ratio':>8}"]
        for step in STEPS:
            both = self.deploys[plain, step], self.deploys[ours, step]
            ratio = statistics.median(b / a for a, b in zip(*both, strict=True))
            lines.append(
                f"{step:14}{statistics.median(both[0]):12.1f} s{statistics.median(both[1]):14.1f} s{ratio:8.2f}"
            )
        return lines

    def spent(self) -> list[str]:
        """List what the collection's time is spent on."""
        lines = []
        for step in STEPS:
            turns = self.tasks[step]
            names = dict.fromkeys(name for tasks in turns for name in tasks)
            costs = {name: statistics.median(tasks.get(name, 0.0) for tasks in turns) for name in names}
            lines += ["", f"{step}: what the time is spent on"]
            lines += [f"  {cost:6.2f} s  {name}" for name, cost in costs.items() if cost >= WORTH_A_LINE]
        return lines


def timed(deploy: Callable[[], Tasks]) -> tuple[float, Tasks]:
    """Give the seconds a deploy takes, and those of its tasks."""
    start = time.monotonic()
    tasks = deploy()
    return time.monotonic() - start, tasks


def measure(name: str, turns: int) -> Times:
    """Let both deploy in a setting, in turns, each to a fresh host."""
    setting, times = SETTINGS[name], Times()
    for turn in range(turns):
        for contender in CONTENDERS[:: 1 if turn % 2 else -1]:
            with (
                tempfile.TemporaryDirectory() as directory,
                Lab("bench-deploy", BENCHMARKS / "inventory" / "deploy", **setting.variables) as lab,
            ):
                if setting.packages:
                    install(lab, setting.packages)
                source = Source(Path(directory) / "shop")
                one = contender(lab, source)
                one.push()
                for step in STEPS:
                    if step == "code change":
                        source.commit()
                        one.push()
                    seconds, tasks = timed(one.deploy)
                    times.add(one.name, step, seconds, tasks)
                    print(f"{name}, turn {turn + 1}: {one.name}, {step}: {seconds:.1f} s", flush=True)
    return times


def install(lab: Lab, packages: Sequence[str]) -> None:
    """Install packages of the distribution, as whoever set the host up did."""
    apt = ("env", "DEBIAN_FRONTEND=noninteractive", "DEBCONF_NOWARNINGS=yes", "apt-get", "-qq")
    lab.ssh(HOST, *apt, "update")
    lab.ssh(HOST, *apt, "install", "--no-install-recommends", *packages, stdout=subprocess.DEVNULL)


def main() -> None:
    """Take turns, and print a table for each setting."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmark.deploy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--turns", type=int, default=3, help="how often both do everything (%(default)s)")
    parser.add_argument("--setting", choices=SETTINGS, help="one of them (both)")
    options = parser.parse_args()
    names = [options.setting] if options.setting else list(SETTINGS)
    found = {name: measure(name, options.turns) for name in names}
    turns = "1 turn" if options.turns == 1 else f"{options.turns} turns"
    for name, times in found.items():
        print(f"\n{name}: {SETTINGS[name].title} (medians of {turns})\n")
        print("\n".join([*times.table(), *times.spent()]))


if __name__ == "__main__":
    main()
