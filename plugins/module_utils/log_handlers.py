# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log handlers that lose lines, found among those that are in force once Django has configured the project's logging.

Several processes of a site write to one file at any time: its workers, those of the other slot during a switch, and
commands of manage.py. A handler that renames or empties the file by itself takes it away from the others; with one
worker process, too.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["judge"]

STDERR = "Write to stderr (logging.StreamHandler), which the journal keeps"
CURE = (
    f"{STDERR}, or use logging.handlers.WatchedFileHandler and let logrotate rotate the file; or set "
    "site_allow_lossy_logging: true"
)


def judge(release: Path, home: Path, allow_lossy: bool) -> tuple[list[str], list[str], list[str]]:
    """Return what is wrong with handlers, and what is worth knowing about others: sentences with their cures.

    The last list has the files that would cure it if releases shared them (site_shared_paths).
    """
    complaints, notes, shared = [], [], []
    for handler, loggers in in_use().items():
        if not isinstance(handler, logging.FileHandler) or not _is_file(handler.baseFilename):
            continue
        what = f"LOGGING: {_described(handler, loggers)}"
        inside = Path(handler.baseFilename).resolve().is_relative_to(release)
        lossy = "" if allow_lossy else _loses(handler)
        if inside:
            also = f", and loses lines: {lossy}" if lossy else ""
            where = f"to a file in {str(home)!r}" + (", by logging.handlers.WatchedFileHandler" if lossy else "")
            name = "" if lossy else _in_project(Path(handler.baseFilename))
            share = f"; or set site_shared_paths: [{name}]" if name else ""
            shared += [name] if name else []
            complaints.append(
                f"{what} writes into the release, which the site's process cannot change{also}. {STDERR}, or "
                f"{where}{share}"
            )
        elif lossy:
            complaints.append(f"{what} loses lines: {lossy}. {CURE}")
        elif not allow_lossy and (note := _note(handler)):
            notes.append(f"{what} {note}")
    return complaints, notes, shared


def _in_project(file: Path) -> str:
    """The name in the project of a file that the source does not have: the handler has just created it."""
    project = Path.cwd()
    if not file.is_relative_to(project) or (file.exists() and file.stat().st_size):
        return ""
    return str(file.relative_to(project))


def in_use() -> dict[logging.Handler, list[str]]:
    """Return the handlers that get records, with the names of the loggers that they get them from."""
    found: dict[logging.Handler, list[str]] = {}
    for name, logger in sorted({"root": logging.root, **logging.root.manager.loggerDict}.items()):
        for attached in getattr(logger, "handlers", ()):
            for handler in _with_others(attached, set()):
                found.setdefault(handler, []).append(name)
    return found


def _with_others(handler: logging.Handler, seen: set[logging.Handler]) -> Iterator[logging.Handler]:
    """Yield the handler and those that it hands its records to."""
    if handler in seen:
        return
    seen.add(handler)
    yield handler
    # The target of a MemoryHandler; the listener of a QueueHandler, which it knows from Python 3.12 on.
    others = [getattr(handler, "target", None), *getattr(getattr(handler, "listener", None), "handlers", ())]
    for other in others:
        if isinstance(other, logging.Handler):
            yield from _with_others(other, seen)


def _is_file(name: str) -> bool:
    """Whether a name is, or will be, that of an ordinary file, unlike that of a device such as /dev/stderr."""
    return os.path.isfile(name) or not os.path.exists(name)


def _described(handler: logging.FileHandler, loggers: list[str]) -> str:
    """The handler with its name, its class, its file and its loggers."""
    kind = type(handler)
    name = f"{kind.__module__}.{kind.__qualname__}"
    known = next((base for base in kind.__mro__ if base.__module__ in ("logging", "logging.handlers")), kind)
    if known is not kind:
        name += f", a {known.__module__}.{known.__qualname__}"
    given = f" {handler.name!r}" if handler.name else ""
    these = ", ".join(map(repr, loggers))
    several = "s" if len(loggers) > 1 else ""
    return f"the handler{given} ({name}, {handler.baseFilename!r}) of the logger{several} {these}"


def _is_concurrent(handler: logging.Handler) -> bool:
    """Whether its processes agree on when to rotate, by a lock: package concurrent-log-handler."""
    return any(base.__module__.partition(".")[0] == "concurrent_log_handler" for base in type(handler).__mro__)


def _loses(handler: logging.FileHandler) -> str:
    """How the handler loses lines; empty if it does not."""
    if _is_concurrent(handler):
        return ""
    sized = isinstance(handler, logging.handlers.RotatingFileHandler)
    # Without a size or without copies, Python never rotates.
    if (sized and handler.maxBytes > 0 and handler.backupCount > 0) or isinstance(
        handler, logging.handlers.TimedRotatingFileHandler
    ):
        return "each process of the site rotates the file by itself, and takes it away from the others"
    if "w" in handler.mode:
        return f"each process of the site empties the file when it opens it, with mode {handler.mode!r}"
    return ""


def _note(handler: logging.FileHandler) -> str:
    """What is worth knowing about a handler that loses no line; empty if there is nothing."""
    if _is_concurrent(handler):
        return f"makes processes wait for each other at a lock for each line. {STDERR}, unless you need the file"
    if isinstance(handler, logging.handlers.WatchedFileHandler):
        return ""
    return (
        "never reopens its file, so logrotate could rotate it only with copytruncate, which loses lines. Use "
        "logging.handlers.WatchedFileHandler, which writes the same and can be rotated"
    )
