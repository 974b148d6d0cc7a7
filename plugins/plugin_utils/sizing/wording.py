# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and sums as a person reads them."""

from __future__ import annotations

from .queueing import Layout
from .site import Site

__all__ = ["count", "db_sum", "mb", "ms", "per_second", "pins", "rate", "size"]


def count(number: int, one: str, many: str = "") -> str:
    """Write 1 host, 2 hosts."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def ms(value: float) -> str:
    """Write milliseconds, to a tenth where that matters."""
    return f"{value:.0f} ms" if value >= 100 else f"{round(value, 1):g} ms"


def mb(value: float) -> str:
    """Write whole megabytes."""
    return f"{value:.0f} MB"


def per_second(rps: float) -> str:
    """Write a rate to two digits at least."""
    return f"{rps:.0f}" if rps >= 10 else f"{rps:.2g}"


def rate(rps: float) -> str:
    """Write a rate with its unit."""
    return f"{per_second(rps)} requests/s"


def size(layout: Layout) -> str:
    """Write workers x threads."""
    return f"{layout.processes} x {layout.threads}"


def pins(site: Site) -> str:
    """Write workers=4 and threads=2; empty where neither is pinned."""
    inputs = site.inputs
    pinned = (("workers", inputs.workers), ("threads", inputs.threads))
    return " and ".join(f"{name}={value}" for name, value in pinned if value)


def db_sum(site: Site, overlap: float) -> str:
    """Write how many slots of one of so many generations the database has connections for, with all terms."""
    inputs = site.inputs
    hosts, aliases = count(inputs.db_hosts, "host"), count(inputs.db_aliases, "alias", "aliases")
    return (
        f"{count(inputs.db_connections or 0, 'connection')} / {hosts} / overlap {overlap:g} / {aliases} "
        f"leave {site.db_slots(overlap):.0f}"
    )
