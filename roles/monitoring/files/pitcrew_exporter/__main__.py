# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Started by systemd, with a socket that listens already."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from pitcrew_exporter.collector import SiteCollector
from pitcrew_exporter.server import Server

FIRST = 3
"""The first file descriptor that systemd hands over (sd_listen_fds(3))."""


def main() -> None:
    """Answer scrapes until systemd ends it."""
    if os.environ.get("LISTEN_FDS") != "1":
        sys.exit("pitcrew-exporter.socket starts this program: systemctl start pitcrew-exporter.socket")
    scraped = Path(os.environ["RUNTIME_DIRECTORY"]) / "scraped"
    Server(socket.socket(fileno=FIRST), SiteCollector(), scraped).serve_forever()


if __name__ == "__main__":
    main()
