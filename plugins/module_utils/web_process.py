# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the processes that will serve can load the application: they do not run manage.py.

What only manage.py adds, to sys.path or to the environment, they do not have. So the application is loaded in a fork:
of this process where manage.py adds nothing, which costs nothing, or else of one that was forked before manage.py ran.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from importlib import import_module
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.exceptions import in_words, traceback_of
from ansible_collections.pitcrew.django.plugins.module_utils.missing_tables import lacks_tables

__all__ = ["Loading"]


class Loading:
    """A fork that waits for the order to load an application, and answers how that went."""

    def __init__(self, application: str) -> None:
        self.application, self.ended = application, False
        ordered, self.order = os.pipe()
        self.answer, answered = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.order)
                os.close(self.answer)
                if os.read(ordered, 1):
                    _write(answered, json.dumps(self._load()).encode())
            finally:
                os._exit(0)
        os.close(ordered)
        os.close(answered)

    def _load(self) -> dict[str, Any]:
        """Load the application with its URLs; return the environment that it leaves, or what went wrong."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (1, 2):
            os.dup2(nowhere, number)
        module, _colon, name = self.application.partition(":")
        try:
            getattr(import_module(module), name or "application")
            from django.urls import get_resolver

            get_resolver().url_patterns  # noqa: B018
        except BaseException as error:
            return {
                "error": in_words(error),
                "missing": (error.name or "") if isinstance(error, ModuleNotFoundError) else "",
                "attribute": isinstance(error, AttributeError) and _is_about(error, module),
                "variable": str(error.args[0]) if isinstance(error, KeyError) and error.args else "",
                "untold": lacks_tables(error),
                "traceback": traceback_of(error),
            }
        return {"error": "", "environment": dict(os.environ)}

    def ask(self, patience: float) -> dict[str, Any] | None:
        """Have it load the application; None if it takes more seconds than that, or if the fork did not survive."""
        os.write(self.order, b"!")
        parts, deadline = [], time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0 and select.select([self.answer], [], [], left)[0]:
            part = os.read(self.answer, 1 << 16)
            if not part:
                break
            parts.append(part)
        else:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.dismiss()
        try:
            answer: dict[str, Any] = json.loads(b"".join(parts))
        except ValueError:
            return None
        return answer

    def dismiss(self) -> None:
        """Let it end, if it has not been asked; once it has ended, do nothing."""
        if self.ended:
            return
        self.ended = True
        os.close(self.order)
        os.close(self.answer)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _is_about(error: AttributeError, module: str) -> bool:
    """Whether the module itself lacks the attribute, and not something that it uses."""
    return str(error).startswith(f"module {module!r} has no attribute")


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
