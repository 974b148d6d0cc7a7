"""A step in its unit: what systemd is asked for, what comes back, and what becomes of it when the module dies.

systemd-run is a script here that keeps its arguments and runs the command itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import build_runner, build_steps, transient_unit
from ansible_collections.pitcrew.django.plugins.module_utils.django_process import source_of

SYSTEMD_RUN = """#!/bin/sh
for word; do printf '%s\\n' "$word"; [ "$word" = -- ] && break; done > {tmp}/arguments
while [ "$1" != -- ]; do shift; done
shift
"$@"
echo "Running as unit: shop-build.service" >&2
echo "          Finished with result: {result}" >&2
"""


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> build_steps.Sandbox:
    """Give a release without packages."""
    programs = {
        "systemd-run": SYSTEMD_RUN.format(tmp=tmp_path, result="success"),
        "setpriv": '#!/bin/sh\nshift 2\nexec "$@"\n',
        "systemctl": f"#!/bin/sh\necho $* >> {tmp_path}/stopped\n",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
        place = build_steps if name == "systemctl" else transient_unit
        monkeypatch.setattr(place, name.replace("-", "_").upper(), str(tmp_path / name))
    (tmp_path / "release/app/web").mkdir(parents=True)
    return build_steps.Sandbox(
        user="shop",
        unit="shop-build",
        python=sys.executable,
        release=tmp_path / "release",
        project="web",
        home=tmp_path / "home",
        program=source_of(build_runner),
    )


def step(**values: Any) -> dict[str, Any]:
    """Give a step in full."""
    return {"preset": "", "command": "", "directory": "", "network": False, "timeout": 60, "memory": "50%", **values}


ENVIRONMENT = {"PATH": os.environ["PATH"], "COLOUR": "blue $HOME %n"}


def test_a_step_that_succeeds(sandbox: build_steps.Sandbox, tmp_path: Path) -> None:
    """It runs in the project's directory, with its environment as it is, and a home that it can write to."""
    command = 'echo "$COLOUR" > built; echo kept > "$HOME/cache"; pwd; echo seen >&2'
    outcome = sandbox.run(step(command=command), ENVIRONMENT, True)
    assert outcome.succeeded
    assert outcome.result == "success"
    assert (tmp_path / "release/app/web/built").read_text() == "blue $HOME %n\n"
    assert outcome.output == f"$ {command}\n{tmp_path}/release/app/web\nseen\n"
    assert (tmp_path / "stopped").read_text() == "stop shop-build.service\n"


def test_what_systemd_is_asked_for(sandbox: build_steps.Sandbox, tmp_path: Path) -> None:
    sandbox.run(step(command="true", timeout=7, memory="2G"), ENVIRONMENT, True)
    words = (tmp_path / "arguments").read_text().splitlines()
    assert words[:5] == ["--wait", "--pipe", "--collect", "--service-type=exec", "--unit=shop-build"]
    properties = [word.partition("=")[2] for word in words if word.startswith("--property=")]
    assert {
        "User=shop",
        "ProtectSystem=strict",
        "PrivateTmp=true",
        "NoNewPrivileges=true",
        "PrivateNetwork=true",
        f"ReadWritePaths={tmp_path}/release/app",
        "RuntimeMaxSec=7",
        "MemoryMax=2G",
        "Nice=10",
    } <= {*properties}
    # What is an argument or a property, every user of the host can read.
    assert not any("blue" in word for word in words)


@pytest.mark.parametrize(("preset", "hidden"), [("npm", True), ("", False), ("compress", False)])
def test_what_a_step_does_not_see(sandbox: build_steps.Sandbox, tmp_path: Path, preset: str, hidden: bool) -> None:
    """The code of strangers has no way to the site's data; the network is there for those that ask."""
    sandbox.run(step(preset=preset, command="" if preset else "true", network=True), ENVIRONMENT, True)
    words = (tmp_path / "arguments").read_text().splitlines()
    assert (f"--property=InaccessiblePaths=-{tmp_path}/home" in words) is hidden
    assert "--property=PrivateNetwork=true" not in words


def test_a_step_that_fails(sandbox: build_steps.Sandbox) -> None:
    outcome = sandbox.run(step(command="echo first; false; echo never"), ENVIRONMENT, True)
    assert (outcome.succeeded, outcome.status) == (False, 1)
    assert outcome.output.endswith("\nfirst\n")


def test_the_second_command_of_a_preset(sandbox: build_steps.Sandbox, tmp_path: Path) -> None:
    """The report names the one that failed."""
    manage = tmp_path / "release/app/web/manage.py"
    manage.write_text("import sys\nprint('runs', sys.argv[1])\nsys.exit(sys.argv[1] == 'compress')\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    environment = {**ENVIRONMENT, "PATH": f"{tmp_path}/bin:{ENVIRONMENT['PATH']}"}
    outcome = sandbox.run(step(preset="compress"), environment, True)
    assert (outcome.runs, outcome.status) == ("python manage.py compress", 1)
    assert "runs collectstatic\n" in outcome.output


def test_a_step_that_cannot_begin(sandbox: build_steps.Sandbox) -> None:
    outcome = sandbox.run(step(preset="npm"), ENVIRONMENT, True)
    assert outcome.error == "the source has no package.json"
    assert outcome.cure.startswith("leave out npm")
    assert not outcome.succeeded


def test_a_program_that_is_missing(sandbox: build_steps.Sandbox, tmp_path: Path) -> None:
    (tmp_path / "release/app/web/manage.py").touch()
    outcome = sandbox.run(step(preset="compilemessages"), {"PATH": "/nowhere"}, True)
    assert outcome.status == 127
    assert "python: No such file or directory" in outcome.output


def test_a_host_that_confines_nothing(sandbox: build_steps.Sandbox) -> None:
    assert "a private network" in sandbox.run(step(command="true"), ENVIRONMENT, True).unconfined


def test_a_unit_that_does_not_start(sandbox: build_steps.Sandbox, tmp_path: Path) -> None:
    """systemd-run itself says why."""
    (tmp_path / "systemd-run").write_text("#!/bin/sh\necho 'Failed to connect to bus' >&2\nexit 1\n")
    outcome = sandbox.run(step(command="true"), ENVIRONMENT, True)
    assert (outcome.error, outcome.output) == ("its unit does not start", "Failed to connect to bus")


@pytest.mark.parametrize("result", ["timeout", "oom-kill"])
def test_limits(result: str) -> None:
    """What systemd has ended has no status."""
    lines = '{"unconfined": []}\n{"runs": "npm ci"}\n', f"Finished with result: {result}\nMain processes terminated\n"
    found = transient_unit.outcome("much\n", "".join(lines))
    assert (found.succeeded, found.status, found.result, found.runs) == (False, None, result, "npm ci")


def test_the_end_of_what_was_written(tmp_path: Path) -> None:
    """Without colours, and without what a progress bar has written over."""
    path = tmp_path / "out"
    path.write_bytes(b"x" * transient_unit.SHOWN + b"\n\x1b[31mred\x1b[0m\n10%\r50%\r100%\nerror \xff\r\n")
    with path.open("rb") as file:
        text = transient_unit.end_of(file)
    assert text.endswith("x\nred\n100%\nerror \ufffd\n")


def is_alive(process: int) -> bool:
    """Tell whether a process runs; one that has ended may still be listed, until its parent asks."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_step_dies_with_the_module(sandbox: build_steps.Sandbox, tmp_path: Path) -> None:
    """It holds the other end of a pipe: whatever ends the module ends the step, and all that it runs."""
    job = {
        "program": sandbox.program,
        "entry": "main",
        "source": str(tmp_path),
        "project": str(tmp_path),
        "read_only": str(tmp_path),
        "host": {"tmp": [0, 0], "network": [0, 0]},
        "environment": ENVIRONMENT,
        "collects": True,
        **step(command=f"echo $$ > {tmp_path}/pid; sleep 60"),
    }
    module = subprocess.Popen(
        [sys.executable, "-ISc", transient_unit.BEGIN],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert module.stdin is not None
    module.stdin.write(f"{json.dumps(job)}\n".encode())
    module.stdin.flush()
    pid = tmp_path / "pid"
    until = time.monotonic() + 20
    while not (pid.exists() and pid.read_text().strip()) and time.monotonic() < until:
        time.sleep(0.01)
    module.stdin.close()
    assert module.wait(20) == 1
    while is_alive(int(pid.read_text())) and time.monotonic() < until:
        time.sleep(0.01)
    assert not is_alive(int(pid.read_text()))
