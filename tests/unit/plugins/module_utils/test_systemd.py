"""What systemctl, journalctl and ss are asked, and what their answers are taken for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import host
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd, Unit

BLUE = Path("/run/shop-blue/app.sock")

# Recorded from iproute2 6.1 (Debian 12): the listening socket with two waiting in its backlog, two accepted
# connections, their other ends, and sockets of other programs, one of them with the same beginning.
SS = """\
u_str LISTEN 2      2048                               /run/shop-blue/app.sock 550858 * 0
u_str ESTAB  0      0                                  /run/shop-blue/app.sock 550862 * 550859
u_str ESTAB  0      512                                /run/shop-blue/app.sock 550863 * 550860
u_str ESTAB  0      0                                                        * 550859 * 550862
u_str ESTAB  0      0                                                        * 550860 * 550863
u_str LISTEN 7      2048                          /run/shop-blue/app.sock.old 550870 * 0
u_str LISTEN 3      2048                              /run/shop-green/app.sock 550871 * 0
u_dgr UNCONN 0      0                                /run/systemd/journal/socket 11010 * 0
"""


class Commands:
    """Take commands as AnsibleModule.run_command does, and give the answers of a table."""

    def __init__(self, answers: dict[str, tuple[int, str, str]]) -> None:
        self.answers = answers
        self.seen: list[list[str]] = []

    def __call__(self, command: list[str]) -> tuple[int, str, str]:
        """Answer by the program's name and its first word."""
        self.seen.append(command)
        return self.answers.get(" ".join(command[:2])) or self.answers[command[0]]


def unit(active: str = "active", main_pid: int = 0) -> Unit:
    """Give a unit in that state."""
    return Unit("shop@blue.service", active, main_pid, 0, "")


def test_the_state_of_a_unit() -> None:
    """Every property is read by its name, in whatever order they come."""
    run = Commands({"systemctl": (0, "MainPID=812\nInvocationID=5f0c\nActiveState=activating\nNRestarts=3\n", "")})
    assert Systemd(run).show("shop@blue.service") == Unit("shop@blue.service", "activating", 812, 3, "5f0c")
    assert run.seen == [
        ["systemctl", "show", "--property=ActiveState,MainPID,NRestarts,InvocationID", "shop@blue.service"]
    ]


@pytest.mark.parametrize(
    "answer",
    [
        (1, "", "System has not been booted with systemd"),
        (0, "ActiveState=inactive\nMainPID=0\nNRestarts=\nInvocationID=\n", ""),
    ],
    ids=["no systemd", "never loaded"],
)
def test_a_unit_that_is_not_there(answer: tuple[int, str, str]) -> None:
    """It is inactive, and nothing of it runs."""
    found = Systemd(Commands({"systemctl": answer})).show("shop@blue.service")
    assert found == Unit("shop@blue.service", "inactive", 0, 0, "")
    assert found.stopped
    assert not found.running


@pytest.mark.parametrize(
    ("active", "running", "stopped"),
    [
        ("active", True, False),
        ("activating", False, False),
        ("deactivating", False, False),
        ("reloading", False, False),
        ("inactive", False, True),
        ("failed", False, True),
    ],
)
def test_running_and_stopped(active: str, running: bool, stopped: bool) -> None:
    """What is on its way is neither."""
    assert (unit(active).running, unit(active).stopped) == (running, stopped)


@pytest.fixture
def parent_of_two() -> Iterator[subprocess.Popen[str]]:
    """Return a process that has started two children."""
    source = (
        "import subprocess, sys\n"
        "wait = [sys.executable, '-c', 'import sys; sys.stdin.read()']\n"
        "print(*(subprocess.Popen(wait, stdin=subprocess.PIPE).pid for _ in range(2)), flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


def test_worker_processes(parent_of_two: subprocess.Popen[str]) -> None:
    """They are the children of the main process, as the kernel has them."""
    assert parent_of_two.stdout is not None
    children = sorted(int(pid) for pid in parent_of_two.stdout.readline().split())
    assert len(children) == 2
    assert sorted(unit(main_pid=parent_of_two.pid).processes) == children


@pytest.mark.parametrize("main_pid", [0, 2**31 - 1])
def test_no_worker_processes(main_pid: int) -> None:
    """A unit without a main process has none, and so has one whose process is gone."""
    assert unit(main_pid=main_pid).processes == []


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ((0, "", "Warning: something"), None),
        ((1, "", "Job for shop@blue.service failed.\n"), "Job for shop@blue.service failed."),
        ((5, "said on stdout\n", ""), "said on stdout"),
    ],
)
def test_an_order(answer: tuple[int, str, str], complaint: str | None) -> None:
    """The exit code decides; the words are systemctl's own."""
    run = Commands({"systemctl": answer})
    assert Systemd(run).order("start", "shop@blue.service") == complaint
    assert run.seen == [["systemctl", "start", "shop@blue.service"]]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ("Result=exit-code\nExecMainCode=1\nExecMainStatus=3\n", "status 3"),
        ("Result=protocol\nExecMainCode=1\nExecMainStatus=0\n", "status 0"),
        ("Result=signal\nExecMainCode=2\nExecMainStatus=9\n", "killed by signal 9"),
        ("Result=core-dump\nExecMainCode=3\nExecMainStatus=11\n", "killed by signal 11"),
        ("Result=oom-kill\nExecMainCode=2\nExecMainStatus=9\n", "killed for lack of memory"),
        ("Result=timeout\nExecMainCode=2\nExecMainStatus=15\n", "timeout"),
        ("Result=success\nExecMainCode=0\nExecMainStatus=0\n", ""),
        ("Result=resources\nExecMainCode=0\nExecMainStatus=0\n", ""),
        ("", ""),
    ],
)
def test_how_a_unit_ended(found: str, words: str) -> None:
    """By its exit status, unless that came from outside; None for a unit that runs."""
    run = Commands({"systemctl": (0, found, "")})
    assert Systemd(run).how_it_ended("shop@blue.service") == words
    assert run.seen == [["systemctl", "show", "--property=Result,ExecMainCode,ExecMainStatus", "shop@blue.service"]]


READ = ["--output=cat", "--no-pager", "--quiet"]


@pytest.mark.parametrize(
    ("invocation", "which"),
    [("5f0c", "_SYSTEMD_INVOCATION_ID=5f0c"), ("", "--unit=shop@blue.service")],
)
def test_the_journal(invocation: str, which: str) -> None:
    """Of the latest run alone where systemd knows it, and all of it: the words of an earlier one would mislead."""
    run = Commands(
        {
            "systemctl": (0, f"ActiveState=failed\nInvocationID={invocation}\n", ""),
            "journalctl": (0, "first\nImportError: no module\n\n", ""),
        }
    )
    assert Systemd(run).journal("shop@blue.service") == "first\nImportError: no module"
    assert ["journalctl", "--sync"] in run.seen[:2]
    assert run.seen[2:] == [["journalctl", which, "--lines=2000", *READ]]


@pytest.mark.parametrize(("since", "shown"), [("ImportError: once", "ImportError: once"), ("", "of the latest run")])
def test_the_journal_since_a_moment(since: str, shown: str) -> None:
    """All runs of the unit since then; of the latest alone if the clock was set meanwhile."""
    run = Commands(
        {
            "systemctl": (0, "ActiveState=activating\nInvocationID=5f0c\n", ""),
            "journalctl --unit=shop@blue.service": (0, since, ""),
            "journalctl": (0, "of the latest run", ""),
        }
    )
    assert Systemd(run).journal("shop@blue.service", since=1750000000.9) == shown
    assert ["journalctl", "--unit=shop@blue.service", "--since=@1750000000", *READ] in run.seen


@pytest.mark.parametrize(
    ("output", "count"),
    [
        (SS, 4),
        ("", 0),
        ("u_str LISTEN 0      2048     /run/shop-blue/app.sock 550858 * 0\n", 0),
        ("u_str ESTAB  0      0        /run/shop-blue/app.sock 550862 * 550859\n", 1),
        ("u_str LISTEN 9      2048     /run/shop-green/app.sock 550858 * 0\n", 0),
        # As a pattern, the dot of app.sock would stand for any character.
        ("u_str ESTAB  0      0        /run/shop-blue/app-sock 550862 * 550859\n", 0),
    ],
    ids=["all kinds", "nothing", "idle", "accepted", "other slot", "other name"],
)
def test_requests_under_way(output: str, count: int) -> None:
    """Those accepted and those in the backlog; the other ends and other sockets do not count."""
    run = Commands({"ss": (0, output, "")})
    assert Systemd(run).under_way(BLUE) == count
    assert run.seen == [["ss", "--unix", "--all", "--no-header", "--numeric"]]


@pytest.mark.parametrize(
    ("output", "count"),
    [
        ("u_str LISTEN 9      2048     /run/shop-blue/app.sock 550858 * 0\n", 9),
        ("u_str ESTAB  0      0        /run/shop-blue/app.sock 550862 * 550859\n", 0),
        ("u_str LISTEN 9      2048     /run/shop-green/app.sock 550858 * 0\n", 0),
    ],
    ids=["in the backlog", "accepted", "other slot"],
)
def test_connections_that_wait(output: str, count: int) -> None:
    """Those that no process has accepted yet."""
    assert Systemd(Commands({"ss": (0, output, "")})).waiting(BLUE) == count


# Recorded from systemd 252, in UTC: a timer, one that has been stopped, and one that does not exist.
TIMERS = """\
Id=shop-clean.timer
NextElapseUSecRealtime=Tue 2026-12-01 00:00:41 UTC

Id=shop-report.timer
NextElapseUSecRealtime=

Id=shop-gone.timer
NextElapseUSecRealtime=n/a
"""


def test_when_timers_elapse() -> None:
    """In UTC whatever the zone of the host; those that are off are left out. Nothing is asked about no timer."""
    run = Commands({"env": (0, TIMERS, "")})
    names = ["shop-clean.timer", "shop-report.timer", "shop-gone.timer"]
    assert Systemd(run).next_elapses(names) == {"shop-clean.timer": 1796083241.0}
    words = ["env", "TZ=UTC", "LC_ALL=C", "systemctl", "show", "--property=Id,NextElapseUSecRealtime"]
    assert run.seen == [[*words, *names]]
    assert Systemd(Commands({})).next_elapses([]) == {}


def test_states_of_several_units() -> None:
    """They are asked at once; one that is not there is inactive, and nothing is asked of none."""
    answer = (
        "Id=shop-rq@blue.service\nActiveState=active\nMainPID=7\nNRestarts=2\nInvocationID=5f0c\n\n"
        "Id=shop-beat@blue.service\nActiveState=inactive\nMainPID=0\nNRestarts=0\nInvocationID=\n"
    )
    run = Commands({"systemctl": (0, answer, "")})
    names = ["shop-rq@blue.service", "shop-beat@blue.service", "shop-mail@blue.service"]
    assert Systemd(run).show_all(iter(names)) == {
        names[0]: Unit(names[0], "active", 7, 2, "5f0c"),
        names[1]: Unit(names[1], "inactive", 0, 0, ""),
        names[2]: Unit(names[2], "inactive", 0, 0, ""),
    }
    assert run.seen == [
        ["systemctl", "show", "--property=Id,ActiveState,MainPID,NRestarts,InvocationID", *names],
    ]
    assert Systemd(run).show_all([]) == {}
    assert len(run.seen) == 1


def test_processes_that_were_killed_for_lack_of_memory() -> None:
    """systemd writes a message for each, with an identifier of its own."""
    said = "shop-rq@blue.service: A process of this unit has been killed by the OOM killer.\n"
    run = Commands({"journalctl": (0, 2 * said, "")})
    assert Systemd(run).killed_for_memory("shop-rq@blue.service", 1750000000.7) == 2
    assert run.seen == [
        [
            *("journalctl", "--unit=shop-rq@blue.service", "--since=@1750000000"),
            *("MESSAGE_ID=fe6faa94e7774663a0da52717891d8ef", "--output=cat", "--no-pager", "--quiet"),
        ]
    ]
    assert Systemd(Commands({"journalctl": (0, "", "")})).killed_for_memory("shop-rq@blue.service", 0) == 0


@pytest.mark.parametrize(("state", "computes"), [("R", True), ("D", True), ("S", False), ("Z", False)])
def test_whether_a_process_computes(
    state: str, computes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the state that the kernel has of its main process, whatever its name; one that is gone does not."""
    monkeypatch.setattr(host, "PROC", tmp_path)
    (tmp_path / "7").mkdir()
    (tmp_path / "7/stat").write_text(f"7 (rq: R (1) {state}) {state} 1 7 7 0 -1 4194560\n")
    assert Systemd(Commands({})).computes(Unit("shop-rq@blue.service", "active", 7, 0, "5f0c")) is computes
    assert not Systemd(Commands({})).computes(Unit("shop-rq@blue.service", "active", 8, 0, "5f0c"))
