# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics of all sites of a host, for Prometheus.

A scrape sends no request to a site and waits in no queue of one: it reads files, and asks systemd and the kernel.
What a site's processes write is read with suspicion, and what cannot be read is left out and counted.
"""

from __future__ import annotations

__all__ = ["VERSION"]

VERSION = "0.1.0"
"""That of the collection."""
