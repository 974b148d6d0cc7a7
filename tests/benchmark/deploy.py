"""How long a deploy takes, as a ratio to a plain shell script that does the same raw work on the same kind of host.

    make bench-deploy

Both deploy the example project to a fresh lab host of 1 CPU, first from nothing, then without a change, then with a
change of code; they take turns, and each ratio is that of the two runs of one turn. The medians are what counts.
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
from collections.abc import Callable
from pathlib import Path

import yaml

from ..lab.deploys import Source

TESTS = Path(__file__).parents[1]
INVENTORY = Path(__file__).parent / "inventory" / "deploy"
STEPS = ("first deploy", "no change", "code change")

Tasks = dict[str, float]


def lab(playbook: str) -> None:
    """Create or destroy the host."""
    subprocess.run(
        ["ansible-playbook", f"--inventory={INVENTORY}", str(TESTS / "lab" / playbook)],
        check=True,
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )


def ssh(*command: str, **options: object) -> None:
    """Run a command on the host as root."""
    runtime = yaml.safe_load((INVENTORY / "runtime.yml").read_text())["lab"]
    variables = {**runtime["vars"], **runtime["hosts"]["bench"]}
    login = [
        "ssh",
        *variables["ansible_ssh_common_args"].split(),
        f"-i{variables['ansible_ssh_private_key_file']}",
        f"-p{variables['ansible_port']}",
        f"{variables['ansible_user']}@{variables['ansible_host']}",
    ]
    subprocess.run([*login, "sudo", *command], check=True, **options)  # type: ignore[call-overload]


class Plain:
    """The plain script, with its clone on the host."""

    name = "plain script"

    def __init__(self, source: Source) -> None:
        self.source = source

    def push(self) -> None:
        """Bring the repository to the host; not part of the deploy."""
        pack = subprocess.run(["tar", "-c", "-C", self.source.directory / ".git", "."], check=True, capture_output=True)
        ssh(
            "sh",
            "-c",
            "'rm -rf /srv/origin.git; mkdir /srv/origin.git; tar -x -C /srv/origin.git'",
            input=pack.stdout,
        )

    def deploy(self) -> Tasks:
        """Run the script."""
        ssh("bash", "-s", input=(Path(__file__).parent / "plain.sh").read_bytes(), stdout=subprocess.DEVNULL)
        return {}


class Collection:
    """The collection's playbook."""

    name = "pitcrew.django"

    def __init__(self, source: Source) -> None:
        self.source = source

    def push(self) -> None:
        """Nothing: the control node reads the repository."""

    def deploy(self) -> Tasks:
        """Run the playbook; give the seconds of each task."""
        process = subprocess.Popen(
            [
                "ansible-playbook",
                f"--inventory={INVENTORY}",
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


def timed(deploy: Callable[[], Tasks]) -> tuple[float, Tasks]:
    """Give the seconds a deploy takes, and those of its tasks."""
    start = time.monotonic()
    tasks = deploy()
    return time.monotonic() - start, tasks


def main() -> None:
    """Take turns, and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--turns", type=int, default=3, help="how often both do everything (default: 3)")
    turns = arguments.parse_args().turns
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    spent: dict[str, list[Tasks]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as directory:
        source = Source(Path(directory) / "shop")
        contenders = [Plain(source), Collection(source)]
        for turn in range(turns):
            for contender in contenders[:: 1 if turn % 2 else -1]:
                lab("create.yml")
                try:
                    contender.push()
                    for step in STEPS:
                        if step == "code change":
                            source.commit()
                            contender.push()
                        took, tasks = timed(contender.deploy)
                        seconds[contender.name, step].append(took)
                        if tasks:
                            spent[step].append(tasks)
                        print(f"turn {turn + 1}: {contender.name}, {step}: {took:.1f} s", flush=True)
                finally:
                    lab("destroy.yml")

    print(f"\n{'':14}{'plain script':>14}{'pitcrew.django':>16}{'ratio':>8}   (medians of {turns} turns)")
    for step in STEPS:
        plain, ours = seconds["plain script", step], seconds["pitcrew.django", step]
        ratio = statistics.median(b / a for a, b in zip(plain, ours, strict=True))
        print(f"{step:14}{statistics.median(plain):12.1f} s{statistics.median(ours):14.1f} s{ratio:8.2f}")
    for step in STEPS:
        names = dict.fromkeys(name for tasks in spent[step] for name in tasks)
        costs = {name: statistics.median(tasks.get(name, 0.0) for tasks in spent[step]) for name in names}
        print(f"\n{step}: what the time is spent on")
        for name, cost in costs.items():
            if cost >= 0.1:
                print(f"  {cost:6.2f} s  {name}")


if __name__ == "__main__":
    main()
