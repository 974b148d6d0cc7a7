# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of manage.py that a release runs once the database is migrated: judged before anything changes, then run.

They run in the process that has migrated, one after the other, and with the same guard: one process at a time, and no
statement waits for a lock forever.
"""

from __future__ import annotations

import difflib
import io
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.pitcrew.django.plugins.module_utils.exceptions import in_words

__all__ = ["Command", "CommandFailed", "commands_of", "judge_commands", "run_commands"]

LINES_SHOWN = 40
VARIABLES = {"first": "site_first_commands", "once": "site_release_commands", "release": "site_release_commands"}


class CommandFailed(Exception):
    """A command has failed; the message has which, and why. `written` is the end of what it wrote."""

    def __init__(self, reason: str, written: str) -> None:
        super().__init__(reason)
        self.written = written


@dataclass(frozen=True)
class Command:
    """A command with its arguments, and why it runs: for an empty database, once, or for every release."""

    words: tuple[str, ...]
    why: str

    @property
    def text(self) -> str:
        """As it stands in the record of the host, and in messages."""
        return shlex.join(self.words)

    @property
    def variable(self) -> str:
        """The variable that it comes from."""
        return VARIABLES[self.why]


class Judged(Protocol):
    """What there is to judge: the words after manage.py, as text, too, and the variable that has them."""

    @property
    def words(self) -> tuple[str, ...]: ...

    @property
    def text(self) -> str: ...

    @property
    def variable(self) -> str: ...


def commands_of(job: Mapping[str, Any]) -> list[Command]:
    """The commands of a job, those for an empty database first."""
    first = [Command(tuple(one["words"]), "first") for one in job.get("first_commands", [])]
    others = [Command(tuple(one["words"]), "once" if one["once"] else "release") for one in job.get("commands", [])]
    return first + others


def judge_commands(commands: Iterable[Judged], complain: Callable[[str], None]) -> None:
    """Complain about commands that this project does not have, or that do not take their arguments."""
    from django.core.management import get_commands, load_command_class
    from django.core.management.base import BaseCommand, CommandError

    known = get_commands()
    for command in commands:
        name, *words = command.words
        where = f"{command.variable}: {command.text!r}"
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            cure = f"did you mean {near[0]}?" if near else "manage.py help lists those that it has"
            complain(f"{where}: the project has no command {name!r}; {cure}")
            continue
        application = known[name]
        loaded = application if isinstance(application, BaseCommand) else load_command_class(application, name)
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                loaded.create_parser("manage.py", name).parse_args(words)
        except CommandError as error:
            why = " ".join(str(error).split()).replace("Error: ", "", 1).rstrip(".")
            complain(f"{where}: {why}; manage.py help {name} lists its arguments")
        except SystemExit:
            complain(f"{where} only prints help or a version; leave it out")
        except Exception:  # A parser of its own: the command itself will tell.
            continue


class _Copy(io.StringIO):
    """Keeps what is written, and passes it on."""

    def write(self, text: str) -> int:
        sys.__stdout__.write(text)  # type: ignore[union-attr]
        return super().write(text)


def run_commands(
    commands: Iterable[Command],
    enter: Callable[[Command], None],
    report: MutableMapping[str, Any],
) -> None:
    """Run the commands in their order; C(ran) of the report gets those that have succeeded, with their duration in s.

    C(enter) is called before each of them, and writes down what is known so far: it began, and may not finish.

    Raises CommandFailed.
    """
    from django.core.management import call_command
    from django.core.management.base import CommandError

    for command in commands:
        enter(command)
        begun, written = time.monotonic(), _Copy()
        try:
            with redirect_stdout(written), redirect_stderr(written):
                sys.stdout.write(f"manage.py {command.text}\n")
                call_command(*command.words)
        except SystemExit as end:
            if end.code not in (None, 0):
                raise CommandFailed(f"it ended with {end.code!r}", _end(written)) from None
        except CommandError as error:
            raise CommandFailed(in_words(error), _end(written)) from None
        except Exception as error:
            raise CommandFailed(in_words(error), _end(written)) from error
        report["ran"].append(
            {"command": command.text, "why": command.why, "seconds": round(time.monotonic() - begun, 1)}
        )


def _end(written: io.StringIO) -> str:
    """The last lines of a command, without the one that names it."""
    lines = written.getvalue().splitlines()[1:]
    left_out = [f"[{len(lines) - LINES_SHOWN} lines left out]"] if len(lines) > LINES_SHOWN else []
    return "\n".join([*left_out, *lines[-LINES_SHOWN:]])
