"""What a person sees of a playbook on a screen of 80 columns, and which part of it is a message to be read."""

from __future__ import annotations

import difflib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploys import Play

__all__ = ["MESSAGES", "masked", "message", "objection", "play_on_a_screen", "too_wide"]

MESSAGES = Path(__file__).parent / "messages"
COLUMNS = 80

# Where a part of the screen begins.
PART = re.compile(r"^(PLAY|TASK|RUNNING HANDLER) \[(?P<name>.*)\] \**$|^(PLAY RECAP|NO MORE HOSTS LEFT) \**$")
FAILED = re.compile(r"^(\[ERROR\]: |fatal: |failed: )")
# It ends with an empty line, or with what begins a line of Ansible's own.
WARNING = re.compile(
    r"^\[(DEPRECATION )?WARNING\]: .*\n?(?:(?!\[|ok: |changed: |skipping: |included: ).+\n?)*", re.MULTILINE
)
# What differs from run to run, or from machine to machine.
MASKS = (
    (r"\b[0-9a-f]{12}-[0-9a-f]{6}(-\d+)?\b", "RELEASE"),
    (r"/venvs/[0-9a-f]{12}\b", "/venvs/PACKAGES"),
    (r"/tmp/release-\w+\.pyz", "/tmp/release.pyz"),
    (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d([.,]\d+)?( ?[+-]\d{4}|Z)?", "TIME"),
    (r"\b[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\b", "TIME"),
    (r"(?<!site_build)\[\d+\]|(?<=app\.sock )\(\d+\)", "[PID]"),
    (r"\b(pid:? )\d+\b", r"\1PID"),
    (r"\bline \d+\b", "line N"),
    (r"(?<=[.]conf:)\d+\b", "N"),
    (r"\b0x[0-9a-f]+\b", "0xADDRESS"),
    (r"\bpython3\.\d+\b", "python3.N"),
)

# The end of a message, and in it what Django's handlers write of an exception.
JOURNAL = re.compile(r"(^The journal of .*:\n)((?:(?!^fatal: ).*\n)*?)(?=\nfatal: |\Z)", re.MULTILINE)
ERROR = "Internal Server Error"


def play_on_a_screen(
    playbook: str | Path, *options: str, variables: Mapping[str, Any] | None = None, **environment: str
) -> Play:
    """Run a playbook as a user does who looks at a terminal of 80 columns."""
    start = time.monotonic()
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    extra = ["--extra-vars", json.dumps(dict(variables))] if variables else []
    with subprocess.Popen(
        ["timeout", "600", "ansible-playbook", str(playbook), *extra, *options],
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "dumb", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", **environment},
    ) as process:
        os.close(terminal)
        shown = bytearray()
        try:
            while part := os.read(screen, 65536):
                shown += part
        except OSError:  # The end of a terminal.
            pass
        os.close(screen)
    return Play(process.returncode, shown.decode(errors="replace").replace("\r\n", "\n"), time.monotonic() - start)


def parts(output: str) -> list[tuple[str, str]]:
    """Divide what was shown into the parts of plays and tasks: a heading without its stars, and the text below it."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for line in output.splitlines():
        if PART.match(line):
            found.append((line.rstrip(" *"), []))
        else:
            found[-1][1].append(line.rstrip())
    return [(heading, "\n".join(lines).strip("\n")) for heading, lines in found]


def message(output: str, *, with_warnings: bool = False) -> str:
    """Return what a person has to read: everything in the parts that report a failure, and the warnings if wanted."""
    read: list[str] = []
    for heading, text in parts(output):
        if any(FAILED.match(line) for line in text.splitlines()):
            read.append(f"{heading}\n{text}")
        elif with_warnings:
            read += warnings(text)
    return "\n\n".join(read) + "\n"


def warnings(text: str) -> list[str]:
    """Return the warnings among what a part shows, as Ansible folds them."""
    return [found.group().rstrip() for found in WARNING.finditer(text)]


def masked(text: str, places: Mapping[str, str]) -> str:
    """Replace what differs from run to run; `places` are paths of this machine and the words that stand for them."""
    for path in sorted(places, key=len, reverse=True):
        text = text.replace(path, places[path])
    # In which file of the collection a task stands, with an excerpt: that changes with each edit.
    text = re.sub(r"^Origin: .*\n\n(.*\n)*?\n", "", text, flags=re.MULTILINE)
    # What setuptools says before it fails depends on its version, which no project pins.
    text = re.sub(r"^ +\[stdout\]\n(?: .*\n|\n)*?(?= +Error: )", "         ...\n", text, flags=re.MULTILINE)
    # What of a line Python underlines depends on its version.
    text = re.sub(r"^ +[~^]+\n", "", text, flags=re.MULTILINE)
    for pattern, word in MASKS:
        text = re.sub(pattern, word, text)
    return JOURNAL.sub(lambda journal: journal[1] + first_error(journal[2]), text)


def first_error(journal: str) -> str:
    """Return the journal without the server's messages about itself, and the same error once: both depend on time."""
    _before, cause, rest = journal.partition(ERROR)
    if not cause:
        return "...\n"
    return f"...\n{cause}{rest.partition(ERROR)[0]}".split("\n[TIME] ")[0].rstrip("\n") + "\n"


def objection(name: str, text: str) -> str:
    """Compare a message with the one that is kept; return the difference, or an empty text. MESSAGES=write keeps it."""
    file = MESSAGES / f"{name}.txt"
    if os.environ.get("MESSAGES") == "write":
        file.write_text(text, encoding="utf-8")
    kept = file.read_text(encoding="utf-8") if file.exists() else ""
    # Where a line is folded depends on the length of what is masked.
    if kept.split() == text.split():
        return ""
    difference = difflib.unified_diff(kept.splitlines(), text.splitlines(), str(file), "now", lineterm="")
    return "\n".join([*difference, "", f"If the new message reads well: make messages KIND={name}"])


def too_wide(text: str) -> list[str]:
    """Return the lines of a message that do not fit the screen, though they could be folded.

    Not meant are the output of a program, which follows a blank line, and a task's name and result, as Ansible prints.
    """
    prose = [paragraph for paragraph in text.split("\n\n") if paragraph.startswith(("TASK [", "[WARNING]"))]
    lines = [line for paragraph in prose for line in paragraph.splitlines()]
    lines = [line for line in lines if not line.startswith(("TASK [", "fatal: "))]
    return [line for line in lines if len(line) > COLUMNS and " " in line[:COLUMNS]]


def twice(text: str) -> list[str]:
    """Return the first sentence of a message if it is printed more than once: by Ansible, too, or in the output.

    The result of the task is not meant, which repeats it.
    """
    told = text.partition("\nfatal: ")[0]
    _heading, _, rest = told.partition("\n")
    sentence = re.split(r"[.;:](?:\s|$)", rest, maxsplit=3)[:3]
    again = [words for words in sentence if len(words) > 40 and rest.count(words) > 1]
    return again + [line for line in rest.splitlines() if line.startswith("[ERROR]: ")]
