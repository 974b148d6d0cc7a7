# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories of a host that its sites share."""

from __future__ import annotations

from pathlib import Path

RUN = Path("/run")
"""Files that a reboot clears."""
UNITS = Path("/etc/systemd/system")
PROC = Path("/proc")
