"""Deploys that are cut off at every stage, and two at once: the site answers, and the next run needs no repair.

A play is killed on the control node, and in half of the cases what it has left on the host is killed too, as by a host
that lost its memory or its connection.
"""

from __future__ import annotations

import getpass
import json
import os
import platform
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deploys import Play, Source
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

Deploy = Callable[..., Play]

LOCK = "/run/pitcrew-shop.lock"
# A site that was given back has a record without an operator.
HELD = f"grep --quiet operator {LOCK}"
OTHER = "other() { case $(readlink /srv/shop/live) in *blue) echo green;; *) echo blue;; esac; }; "
# A package of the source that takes its time to be built.
SLOW_PACKAGE = """
import sys, time
from setuptools import setup
if "bdist_wheel" in sys.argv:
    time.sleep(4)
setup(name="slow", version="1", py_modules=[])
"""


@dataclass(frozen=True)
class Stage:
    """A stage of a deploy: how the host shows that it has been reached, and what makes it last."""

    name: str
    reached: str
    # Of the process that boots.
    imports_s: int = 0
    slow_package: bool = False
    # Whether the old slot has still something to answer.
    drains: bool = False
    goes_live: bool = False
    # Which of the two ways to die the short form takes: what is left on the host lives on, or dies too.
    module_dies: bool = False


STAGES = [
    Stage("before the release", HELD),
    Stage(
        "while packages are installed", "pgrep -f '[i]nstall --quiet' > /dev/null", slow_package=True, module_dies=True
    ),
    Stage("after the migration", 'test $(ls /srv/shop/releases/*/release.json | wc -l) -gt "$RELEASES"', imports_s=2),
    Stage(
        "while the new slot boots",
        OTHER + "systemctl is-active --quiet shop@$(other) || systemctl show -p MainPID shop@$(other) | grep -qv =0",
        imports_s=4,
        module_dies=True,
    ),
    Stage(
        "before the old slot has drained", 'test "$(readlink /srv/shop/live)" != "$LIVE"', drains=True, goes_live=True
    ),
]


@pytest.fixture(scope="module")
def git(source: Source) -> dict[str, str]:
    """Variables that deploy the repository of this test."""
    return {"site_source_directory": "", "site_git_url": str(source.directory)}


@pytest.fixture(scope="module", autouse=True)
def _served(deploy: Deploy, git: dict[str, str]) -> None:
    """A release of the repository serves."""
    deploy(**git).succeeded()


@contextmanager
def running(inventory: Path, host: Host, **variables: Any) -> Iterator[subprocess.Popen[str]]:
    """Deploy in the background, in a process group of its own, which is gone afterwards."""
    command = ["ansible-playbook", f"--inventory={inventory}", "pitcrew.django.deploy", "--extra-vars"]
    play = subprocess.Popen(
        [*command, json.dumps(variables), f"--limit={host.backend.get_hostname()}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        text=True,
        start_new_session=True,
    )
    try:
        yield play
    finally:
        if play.poll() is None:
            os.killpg(play.pid, signal.SIGKILL)
        play.communicate()


def wait_until(host: Host, condition: str, **variables: str) -> None:
    """Wait on the host itself, so that what lasts a moment is not missed."""
    names = "".join(f"{name}={value}; " for name, value in variables.items())
    host.check_output(f"{names}for try in $(seq 1500); do if {condition}; then exit 0; fi; sleep 0.02; done; exit 1")


def assert_at_rest(host: Host, live: str) -> None:
    """One slot runs and starts at boot, and no release is half made."""
    other = {"blue": "green", "green": "blue"}[live]
    assert host.service(f"shop@{live}").is_running
    assert host.service("shop-boot").is_enabled
    assert not host.service(f"shop@{other}").is_running
    releases = host.file("/srv/shop/releases").listdir()
    assert [name for name in releases if not host.file(f"/srv/shop/releases/{name}/release.json").exists] == []
    assert host.run(HELD).rc != 0


@pytest.mark.parametrize(
    ("stage", "module_dies"),
    [
        pytest.param(
            stage,
            module_dies,
            id=f"{stage.name}, {'host' if module_dies else 'play'} killed",
            marks=() if module_dies == stage.module_dies else pytest.mark.long,
        )
        for stage in STAGES
        for module_dies in (False, True)
    ],
)
def test_a_deploy_that_is_cut_off(
    stage: Stage,
    module_dies: bool,
    deploy: Deploy,
    source: Source,
    git: dict[str, str],
    inventory: Path,
    host: Host,
    live: Callable[[], str],
    answering: Callable[[], str],
) -> None:
    """The site answers meanwhile, and the next deploy brings the release up, says what it found, and rests."""
    before, slot = answering(), host.file("/srv/shop/live").linked_to
    changes = {"shop__release": f"# {time.time_ns()}"}
    if stage.imports_s:
        changes["shop__wsgi"] = f"import time; time.sleep({stage.imports_s})"
    source.commit(**changes)
    if stage.slow_package:
        slow = source.directory / "slow"
        slow.mkdir(exist_ok=True)
        (slow / "setup.py").write_text(SLOW_PACKAGE)
        with (source.directory / "requirements.txt").open("a") as requirements:
            requirements.write("./slow\n")
        source.commit()
    if stage.drains:
        host.check_output(
            "systemd-run --quiet --collect curl -sH 'Host: shop.test' 'http://127.0.0.1/exercise/wait/?seconds=8'"
        )
    releases = len(host.check_output("ls /srv/shop/releases").split())
    with running(inventory, host, **git) as play:
        wait_until(host, stage.reached, RELEASES=str(releases), LIVE=f"slots/{live()}")
        assert play.poll() is None, play.communicate()[0][-3000:]
        os.killpg(play.pid, signal.SIGKILL)
        play.wait()
    if module_dies:
        host.run("pkill -KILL --full '^/usr/bin/python3[.0-9]*$'")
    # Whatever of it goes on by itself has not come to its end yet.
    assert stage.goes_live or answering() == before
    assert host.file("/srv/shop/live").linked_to == slot or stage.goes_live
    play_again = deploy(**git).succeeded()
    print(f"{stage.name}: the next deploy took {play_again.seconds:.1f} s")
    # Once it is live, the part on the host goes on to its end, and gives the site back: perhaps before the next run.
    taken_over = "was cut off: its lock has been taken over" in play_again.words
    assert taken_over or (stage.goes_live and not module_dies)
    assert answering() != before
    assert_at_rest(host, live())
    assert deploy(**git).succeeded().changed == {host.backend.get_hostname(): 0}
    if stage.slow_package:
        source.revert()
        source.revert()


def test_two_at_once(
    deploy: Deploy, source: Source, git: dict[str, str], inventory: Path, host: Host, answering: Callable[[], str]
) -> None:
    """The second is refused before it changes anything, and shown who runs the first; the first is not disturbed."""
    before = answering()
    source.commit(shop__wsgi="import time; time.sleep(5)")
    try:
        with running(inventory, host, **git, site_operator="anna") as first:
            wait_until(host, HELD)
            second = deploy(**git).refused()
            output, _nothing = first.communicate(timeout=120)
        print(second.end)
        words = second.words
        assert f"shop is being deployed by anna on {platform.node()} since 20" in words
        assert "wait until that run has ended" in words
        assert second.changed == {host.backend.get_hostname(): 0}
        assert first.returncode == 0, output[-3000:]
        assert answering() != before
        history = [json.loads(line) for line in host.file("/srv/shop/history").content_string.splitlines()]
        assert history[-1]["by"] == f"anna on {platform.node()}"
    finally:
        source.revert()


def held_by_bert(host: Host) -> None:
    """A run from a machine that is not this one, of which nothing can be known but its record."""
    record = {"operator": "bert", "node": "desk", "process": "boot pid:[1] 42 7", "since": time.time(), "token": "t"}
    host.check_output("umask 077; printf %%s %s > %s", json.dumps(record), LOCK)


def test_the_lock_of_a_run_from_elsewhere(deploy: Deploy, git: dict[str, str], host: Host) -> None:
    """It holds until it expires, or until somebody breaks it."""
    deploy(**git).succeeded()
    held_by_bert(host)
    refused = deploy(**git).refused()
    print(refused.end)
    assert "shop is being deployed by bert on desk since" in refused.words
    assert "site_lock_break=true" in refused.words
    assert "The run of bert on desk" in " ".join(deploy(**git, site_lock_break=True).succeeded().output.split())
    held_by_bert(host)
    # The last sign of life counts from the boot.
    host.check_output("touch --date=@$(awk '{ print int($1) - 31 * 60 }' /proc/uptime) %s", LOCK)
    assert "The run of bert on desk" in " ".join(deploy(**git).succeeded().output.split())
    assert host.run(HELD).rc != 0


def test_a_rollback_is_held_off_too(playbook: Deploy, host: Host) -> None:
    """It works on the same site."""
    held_by_bert(host)
    refused = playbook("rollback").refused()
    assert "shop is being deployed by bert on desk since" in refused.words
    host.check_output("truncate --size=0 %s", LOCK)
    playbook("rollback").succeeded()
    history = [json.loads(line) for line in host.file("/srv/shop/history").content_string.splitlines()]
    assert history[-1]["by"] == f"{getpass.getuser()} on {platform.node()}"


def test_a_refused_deploy_gives_the_site_back(deploy: Deploy, source: Source, git: dict[str, str], host: Host) -> None:
    """Whatever ends a run, the next one may begin."""
    source.commit(shop__wsgi='raise RuntimeError("no wheels")')
    try:
        deploy(**git, site_boot_timeout=8).refused()
    finally:
        source.revert()
    assert host.run(HELD).rc != 0
    deploy(**git).succeeded()
