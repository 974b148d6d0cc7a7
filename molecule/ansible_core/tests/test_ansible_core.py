"""Every promised ansible-core plans and deploys, and an older one is refused by the first task in one sentence.

Each runs from a virtual environment of its own, on a Python of this machine that it supports.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from deploys import Play
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

ROOT = Path(__file__).resolve().parents[3]
PYTHONS = ("3.11", "3.12", "3.13")

OLDEST = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["requires_ansible"].removeprefix(">=")
PINNED = re.findall(r"^ansible-core==(\S+)", (ROOT / "tests/requirements-unit.txt").read_text(), re.MULTILINE)
NEWEST = max(PINNED, key=lambda version: [int(part) for part in version.split(".")])


def environment(requirement: str) -> Path:
    """Give a virtual environment with this ansible-core, made in .cache unless an earlier run has left it there."""
    name = requirement.replace("==", "").replace("<", "before-")
    wanted = ROOT / f".cache/ansible-core/{name}.txt"
    wanted.parent.mkdir(parents=True, exist_ok=True)
    wanted.write_text(f"ansible-core{requirement}\n")
    problems = []
    for version in PYTHONS:
        home = wanted.with_name(f"{name}-python{version}")
        if (home / "bin/ansible-playbook").exists():
            return home
        where = output(ROOT / "tests/lab/bin/find-python", version)
        if where.returncode == 0:
            made = output(ROOT / "tests/lab/bin/venv", where.stdout.strip(), home, wanted)
            if made.returncode == 0:
                return home
            problems.append(f"Python {version}: {made.stderr.strip().splitlines()[-1]}")
    # As the unit tests do: Debian 12 has Python 3.11 only, which the newest does not support.
    pytest.skip(
        f"ansible-core{requirement} needs a Python that this machine does not have: "
        + ("; ".join(problems) or f"it has none of {', '.join(PYTHONS)}")
    )


def output(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command in the checkout."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Put an ansible-core before that of the tests; give its version."""

    def chosen(requirement: str) -> str:
        monkeypatch.setenv("PATH", f"{environment(requirement)}/bin:{os.environ['PATH']}")
        shown = subprocess.run(["ansible-playbook", "--version"], capture_output=True, text=True, check=True).stdout
        found = re.search(r"core ([\d.]+)", shown)
        assert found
        return found[1]

    return chosen


@pytest.mark.parametrize(("version", "seconds"), [(OLDEST, 31), (NEWEST, 32)], ids=["the oldest", "the newest"])
def test_a_promised_one_plans_and_deploys(
    version: str,
    seconds: int,
    core: Callable[[str], str],
    playbook: Callable[..., Play],
    live: Callable[[], str],
    answering: Callable[[], str],
    host: Host,
) -> None:
    """A change of a setting is switched to, and a second deploy finds nothing to do."""
    assert core(f"=={version}") == version
    name = host.backend.get_hostname()
    play = playbook("plan").succeeded()
    print(play.output)
    assert f"[{name}]" in play.output
    assert "requests/s" in play.output
    assert play.changed == {name: 0}
    before = live()
    play = playbook("deploy", site_request_timeout=seconds).succeeded()
    print(play.output)
    assert live() != before
    assert answering()
    assert playbook("deploy", site_request_timeout=seconds).succeeded().changed == {name: 0}


@pytest.mark.parametrize("name", ["plan", "deploy"])
def test_one_that_is_too_old_is_refused(
    name: str, core: Callable[[str], str], playbook: Callable[..., Play], live: Callable[[], str]
) -> None:
    """Before anything else happens, and without a traceback."""
    version = core(f"<{OLDEST}")
    before = live()
    play = playbook(name).refused()
    print(play.output)
    oldest = OLDEST.rpartition(".")[0]
    sentence = (
        f"pitcrew.django needs ansible-core {oldest} or later, and this is {version}: upgrade it on the control node"
    )
    # Versions before 2.19 fold long lines.
    assert sentence in " ".join(play.output.split())
    tasks = re.findall(r"^TASK \[(.*?)\]", play.output, re.MULTILINE)
    assert tasks[0] == "pitcrew.django.site : Validate the site's variables"
    assert re.findall(r"^(ok|changed):", play.output, re.MULTILINE) == []
    assert "raceback" not in play.output
    assert live() == before
