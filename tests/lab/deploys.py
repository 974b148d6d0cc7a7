"""Building blocks for tests of deploys: a play run as a user runs it, and a source whose releases differ."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load import Load

__all__ = ["EXAMPLE", "TASKS", "Play", "Source", "ansible_playbook"]

EXAMPLE = Path(__file__).parents[1] / "example"
TASKS = Path(__file__).parents[1] / "tasks"


@dataclass(frozen=True)
class Play:
    """One run of a playbook: its exit code, everything it printed, and how long it took in seconds."""

    returncode: int
    output: str
    seconds: float

    @property
    def changed(self) -> dict[str, int]:
        """The number of changes on each host, from the recap."""
        recap = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", self.output, re.MULTILINE)
        return {host: int(count) for host, count in recap}

    @property
    def end(self) -> str:
        """The last lines: the refusal, which begins with its cause and goes on with up to 60 lines of a journal."""
        return "\n".join(self.output.splitlines()[-100:])

    @property
    def words(self) -> str:
        """Everything it printed with one space between words, as sentences are folded."""
        return " ".join(self.output.split())

    def succeeded(self) -> Play:
        """Return the play itself; raise AssertionError with the end of its output if it failed."""
        assert self.returncode == 0, self.output[-8000:]
        return self

    def refused(self) -> Play:
        """Return the play itself; raise AssertionError with the end of its output if it did not fail."""
        assert self.returncode != 0, self.output[-4000:]
        return self


def ansible_playbook(playbook: str | Path, inventory: Path, *options: str, **variables: Any) -> Play:
    """Run a playbook, given as a file or by its name in a collection, with extra variables, as a user would."""
    start = time.monotonic()
    done = subprocess.run(
        [
            # A real control node is a machine of its own: here it gives way to the hosts and clients of a load.
            *(("nice", "-n", "19") if Load.running else ()),
            "ansible-playbook",
            f"--inventory={inventory}",
            playbook,
            *(["--extra-vars", json.dumps(variables)] if variables else []),
            *options,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"},
        text=True,
        timeout=600,
        check=False,
    )
    return Play(done.returncode, done.stdout, time.monotonic() - start)


class Source:
    """A git repository with a project, the example unless another is named, to which tests commit releases."""

    def __init__(self, directory: Path, project: Path = EXAMPLE, marked: str = "shop__release") -> None:
        self.directory = directory
        self.marked = marked
        shutil.copytree(
            project,
            directory,
            ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3*", "media", "static-collected"),
        )
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit()

    def git(self, *words: str) -> str:
        """Run git in the repository; return its output."""
        identity = ["-c", "user.name=Lab", "-c", "user.email=lab@example.com"]
        done = subprocess.run(
            ["git", *identity, *words], cwd=self.directory, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, **changes: str) -> str:
        """Append a line of text to files (shop__urls for shop/urls.py); return the commit.

        Without changes, a comment in the file `marked` makes the release differ from all others.
        """
        for name, text in (changes or {self.marked: f"# {time.time_ns()}"}).items():
            with open(self.directory / f"{name.replace('__', '/')}.py", "a", encoding="utf-8") as file:
                file.write(f"\n{text}\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=release")
        return self.git("rev-parse", "HEAD")

    def revert(self) -> None:
        """Go back to the commit before the last one, as if the last one had never been made."""
        self.git("reset", "--quiet", "--hard", "HEAD~1")
