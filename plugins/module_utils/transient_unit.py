# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a job in a transient unit of systemd: as another user, confined, and never longer than the module that waits.

The job is a line of JSON on the standard input of C(build_runner), so no other user of the host sees it. What it writes
comes back, and how it ended.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Outcome", "outcome", "run_in_unit"]

SYSTEMD_RUN = "/usr/bin/systemd-run"
SETPRIV = "/usr/bin/setpriv"
SHOWN = 200_000
"""How many bytes of the end of what a command wrote are read."""
# No dollar sign: systemd would replace what follows it.
BEGIN = """
import json, sys
job = json.loads(sys.stdin.readline())
scope = {"__name__": "build_runner"}
exec(compile(job.pop("program"), "build_runner", "exec"), scope)
scope[job.pop("entry")](job)
"""


@dataclass
class Outcome:
    """How a job ended: the status of its last command, what it wrote, and what its host could not confine.

    C(error) and C(cure) are those of one that could not begin; C(result) is systemd's, such as C(timeout). C(note)
    is what a person should know even if it succeeds.
    """

    status: int | None = None
    output: str = ""
    runs: str = ""
    error: str = ""
    cure: str = ""
    result: str = ""
    note: str = ""
    unconfined: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether everything ran, and returned 0."""
        return self.status == 0


def run_in_unit(unit: str, description: str, python: str, properties: Iterable[str], job: Mapping[str, Any]) -> Outcome:
    """Run a job in a unit with these properties, and wait for its end.

    C(program) of the job is the source of build_runner, which that Python runs, and C(entry) the function there.
    """
    command = [
        *(SETPRIV, "--pdeathsig=KILL", "--"),
        *(SYSTEMD_RUN, "--wait", "--pipe", "--collect", "--service-type=exec", f"--unit={unit}"),
        f"--description={description}",
        *(f"--property={one}" for one in properties),
        *("--", python, "-ISc", BEGIN),
    ]
    with tempfile.TemporaryFile() as written, tempfile.TemporaryFile() as reported:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=written, stderr=reported)
        job_input: Any = process.stdin
        with suppress(BrokenPipeError):  # If systemd-run fails, it says why.
            job_input.write(f"{json.dumps(job)}\n".encode())
            job_input.flush()
        try:
            process.wait()
        finally:
            # The job ends when this is closed, and not before: it watches that.
            with suppress(BrokenPipeError):
                job_input.close()
        return outcome(end_of(written), end_of(reported))


def end_of(file: Any) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - SHOWN))
    text = file.read().decode("utf-8", errors="replace")
    # Colours, and lines that a progress bar writes over each other.
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def outcome(written: str, reported: str) -> Outcome:
    """Read what a job has written, and the lines that it and systemd-run have reported."""
    found = Outcome(output=written)
    others = []
    for line in reported.splitlines():
        try:
            report = json.loads(line)
        except ValueError:
            report = None
        if isinstance(report, dict):
            for name in ("status", "runs", "error", "cure", "note", "unconfined"):
                setattr(found, name, report.get(name, getattr(found, name)))
        else:
            others.append(line)
    text = "\n".join(others)
    if ended := re.search(r"Finished with result: (\S+)", text):
        found.result = ended[1]
    elif found.status is None and not found.error:
        found.error = "its unit does not start"
        found.output = "\n".join(filter(None, [written, text]))
    return found
