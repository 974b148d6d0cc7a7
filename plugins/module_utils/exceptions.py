# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions of a project, as people read them: in one line, or as a traceback without our own frames."""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = ["in_words", "traceback_of"]


def in_words(error: BaseException) -> str:
    """Write an exception in one line, without a full stop."""
    return f"{type(error).__name__}: {' '.join(str(error).split()).rstrip('.')}"


def traceback_of(error: BaseException) -> str:
    """The traceback of an exception, and of those that it was raised from, without the frames of our archive."""
    root = Path(__file__).parents[5]
    archive = str(root) if root.is_file() else str(Path(__file__).parent)
    chain = [traceback.TracebackException.from_exception(error)]
    for one in chain:
        one.stack[:] = [frame for frame in one.stack if not frame.filename.startswith(archive)]
        chain += [other for other in (one.__cause__, one.__context__) if other]
    return "".join(chain[0].format())
