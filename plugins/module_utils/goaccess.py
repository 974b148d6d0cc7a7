# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of GoAccess about the same hours of a site's access log."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

__all__ = ["LINES", "page"]

LINES = 1_000_000
"""How many lines it is given at most, the latest ones: it keeps every path and every visitor in memory."""
LIMIT_S = 300

# Its letters: %x time, %h visitor, %m method, %v host, %U path, %H protocol, %s status, %b bytes, %T seconds, %K TLS,
# %R referring page, %u user agent, %^ ignored.
FORMAT = (
    '{"time":"%x.%^","remote_addr":"%h","method":"%m","host":"%v","path":"%U","protocol":"%H","status":"%s",'
    '"bytes":"%b","request_time":"%T","tls":"%K","referer":"%R","user_agent":"%u"}'
)
OPTIONS = (
    *("--no-global-config", f"--log-format={FORMAT}", "--datetime-format=%s", "--tz=UTC"),
    *("--anonymize-ip", "--no-progress", "--no-color"),
)


def page(lines: Iterable[bytes], target: Path) -> str:
    """Return the page about the lines; it has no addresses in full, and nothing is looked up.

    Raises OSError if GoAccess is not installed, and RuntimeError if it fails.
    """
    program = shutil.which("goaccess")
    if not program:
        raise FileNotFoundError("GoAccess is not installed")
    command = ["timeout", str(LIMIT_S), program, *OPTIONS, f"--output={target}", "-"]
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere) as process:
        try:
            process.stdin.writelines(line + b"\n" for line in lines)
            process.stdin.close()
        except BrokenPipeError:  # It has ended; its status tells.
            process.stdin = None
    if process.returncode or not target.exists():
        raise RuntimeError(f"it exited with status {process.returncode}")
    return target.read_text(encoding="utf-8", errors="replace")
