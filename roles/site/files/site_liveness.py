"""Restarts the live slot if it no longer answers, with the reason in the journal.

systemd sees a process that exits, but not one whose threads all hang. A timer runs this program. It sends the live slot
a request that our code in its processes answers by itself, before any code of the project: a database that is down does
not make a slot hang, and restarting the slot would not bring the database back.

=====================================  =====================================================================
no answer, or a wrong one, for the     every thread writes where it is to the journal, then the processes are
given number of times in a row         killed and systemd starts them again
restarted too often within an hour     nothing more for the rest of that hour: a restart is no cure then
the unit is starting, or was stopped   nothing
systemd gave up on it                  another start after five minutes, and so on
=====================================  =====================================================================
"""

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from site_request import Request, send

HOUR_S = 3600
# As long as systemd counts starts (StartLimitIntervalSec of the unit): before that, it refuses another one.
GIVEN_UP_S = 300
# The signal on which every process of the slot writes the stacks of its threads: site_errors.py.
SHOW_STACKS = signal.SIGRTMIN + 8
STACKS_S = 1.0
PROPERTIES = (
    "ActiveState",
    "ActiveEnterTimestampMonotonic",
    "InactiveEnterTimestampMonotonic",
    "InactiveExitTimestampMonotonic",
    "ExecMainExitTimestampMonotonic",
)
RUN = Path("/run")
JOURNAL = "/run/systemd/journal/socket"


def main() -> None:
    """Look once."""
    options = parsed()
    state = State(options.state)
    slot = Slot(options.root, options.name)
    if slot.name:
        look(slot, state, options)
    state.write()


def parsed() -> argparse.Namespace:
    """Read the arguments that the unit sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", required=True, help="the site")
    parser.add_argument("--root", type=Path, required=True, help="its directory")
    parser.add_argument("--state", type=Path, required=True, help="the file that remembers what was found")
    parser.add_argument("--host", required=True, help="the host name to ask for")
    parser.add_argument("--scheme", required=True, help="the scheme that visitors use")
    parser.add_argument("--timeout", type=float, required=True, help="seconds to wait for an answer")
    parser.add_argument("--boot-timeout", type=float, required=True, help="seconds that a start may take")
    parser.add_argument("--failures", type=int, required=True, help="how many in a row lead to a restart")
    parser.add_argument("--restarts", type=int, required=True, help="how many restarts there may be in an hour")
    return parser.parse_args()


def look(slot: "Slot", state: "State", options: argparse.Namespace) -> None:
    """Ask the slot, and restart it if it has failed to answer too often."""
    unit = slot.properties()
    if unit["ActiveState"] == "failed" and slot.was_given_up(unit):
        state.failures = 0
        if slot.seconds_since("InactiveEnter", unit) >= GIVEN_UP_S:
            slot.log(4, f"Starting {slot.unit} once more: systemd gave up on it, and what it needs may be back")
            slot.order("start", "--no-block", slot.unit)
        return
    if unit["ActiveState"] != "active" or slot.seconds_since("ActiveEnter", unit) < options.boot_timeout:
        state.failures = 0
        return
    problem = slot.problem(options.host, options.scheme, options.timeout)
    # The question may have taken half a minute: the slot may have been switched or restarted meanwhile.
    if not problem or Slot(options.root, options.name).name != slot.name or slot.properties() != unit:
        state.failures = 0
        state.reason = ""
        return
    state.failures += 1
    state.reason = problem
    # The unit passes warnings on, and drops what systemd says of each run.
    print(f"<4>{slot.unit}: {problem} ({state.failures} in a row)", file=sys.stderr)
    if state.failures < options.failures:
        return
    if len(state.recent) >= options.restarts:
        if not state.gave_up:
            slot.log(
                2,
                f"{slot.unit} does not answer, and is not restarted: {len(state.recent)} restarts within an hour "
                f"did not cure it ({problem})",
            )
        state.gave_up = True
        return
    slot.log(3, f"Restarting {slot.unit}: {state.failures} times in a row, {problem}. Its threads are at:")
    slot.restart()
    state.count_restart()


class State:
    """What earlier runs found since the host was booted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            before = {}
        self.failures: int = before.get("failures", 0)
        self.restarts: int = before.get("restarts", 0)
        self.last_restart: float | None = before.get("last_restart")
        self.reason: str = before.get("reason", "")
        # Seconds of the monotonic clock: the other one may be set meanwhile.
        self.recent: list[float] = [at for at in before.get("recent", []) if at > time.monotonic() - HOUR_S]
        # A restart may be tried again as soon as the oldest one is an hour ago.
        self.gave_up: bool = before.get("gave_up", False) and bool(self.recent) and self.failures > 0

    def count_restart(self) -> None:
        """Remember that the slot was restarted just now."""
        self.failures = 0
        self.restarts += 1
        self.last_restart = time.time()
        self.recent.append(time.monotonic())

    def write(self) -> None:
        """Write it for the next run, for pitcrew.django.status and for the exporter."""
        found = {name: value for name, value in vars(self).items() if name != "path"}
        unfinished = self.path.with_suffix(".new")
        unfinished.write_text(json.dumps(found) + "\n", encoding="utf-8")
        unfinished.replace(self.path)


class Slot:
    """The slot that the live link names."""

    def __init__(self, root: Path, site: str) -> None:
        try:
            self.name = Path(os.readlink(root / "live")).name
        except OSError:
            self.name = ""
        self.path = root / "slots" / self.name
        self.unit = f"{site}@{self.name}.service"
        self.socket = RUN / f"{site}-{self.name}/app.sock"

    def properties(self) -> "dict[str, str]":
        """Return what systemd knows about the unit."""
        found = self.order("show", f"--property={','.join(PROPERTIES)}", self.unit)
        return dict(line.split("=", 1) for line in found.splitlines())

    def seconds_since(self, event: str, unit: "dict[str, str]") -> float:
        """Return how long ago the event was, by the clock that systemd uses for it."""
        return time.monotonic() - int(unit[f"{event}TimestampMonotonic"]) / 1e6

    def was_given_up(self, unit: "dict[str, str]") -> bool:
        """Whether systemd was about to start the failed unit again; one that failed while it was stopped stays so."""
        return int(unit["InactiveExitTimestampMonotonic"]) > int(unit["ExecMainExitTimestampMonotonic"])

    def problem(self, host: str, scheme: str, timeout: float) -> str:
        """Return what is wrong with the slot's answer, in a clause; empty if it is alive."""
        protocol = "uwsgi" if (self.path / "uwsgi.sock").is_symlink() else "http"
        request = Request(
            f"unix:{self.socket}", protocol, host, scheme, "/", timeout, headers={"X-Pitcrew-Probe": "alive"}
        )
        release = Path(os.readlink(self.path / "release")).name
        try:
            response = send(request)
        except (OSError, http.client.HTTPException) as error:
            return f"no answer on {self.socket}: {error or type(error).__name__}"
        if response.status != 204 or response.release != release:
            return f"{self.socket} answers {response.status} by {response.release or 'no release'}, not by {release}"
        return ""

    def restart(self) -> None:
        """Have every thread write where it is, then kill the processes: they would not stop by themselves."""
        self.order("kill", f"--signal={SHOW_STACKS}", self.unit)
        time.sleep(STACKS_S)
        self.order("kill", "--signal=KILL", self.unit)

    def order(self, *words: str) -> str:
        """Run systemctl and return its output."""
        return subprocess.run(["systemctl", *words], stdout=subprocess.PIPE, check=False, text=True).stdout

    def log(self, priority: int, message: str) -> None:
        """Write to the journal of the slot's unit, so that `journalctl -u` shows it there."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
            lines = (f"MESSAGE={message}", f"PRIORITY={priority}", f"OBJECT_SYSTEMD_UNIT={self.unit}")
            journal.sendto("".join(f"{line}\n" for line in (*lines, "SYSLOG_IDENTIFIER=liveness")).encode(), JOURNAL)


if __name__ == "__main__":
    main()
