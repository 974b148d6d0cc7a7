# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout that a site gets, and all that follows from it in the model (docs/sizing.md, sections 5 and 6)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from .layouts import best_layout
from .queueing import Layout, Response, System
from .refusal import refusal
from .site import Limits, Site

__all__ = ["Choice", "choose"]

WORTH_A_CHANGE: Final = 0.05
"""A running layout within 5 % of the best is kept: noise in an input must not change production."""


@dataclass(frozen=True)
class Choice:
    """A layout for a site, of which `overlap` generations may exist side by side.

    What the model says of it is derived here, once: rates in requests per second, memory in MB.
    """

    site: Site
    layout: Layout
    overlap: float

    @cached_property
    def system(self) -> System:
        """The layout at work on the site's CPUs."""
        return self.site.system(self.layout)

    @property
    def threads(self) -> int:
        """Threads to configure: an event loop serves its slots in one."""
        return 1 if self.site.inputs.event_loop else self.layout.threads

    @cached_property
    def limits(self) -> Limits:
        """What each generation may use."""
        return self.site.limits(self.overlap)

    @property
    def saturation_rps(self) -> float:
        """Greatest possible rate."""
        return self.system.saturation_rps

    @property
    def target_rps(self) -> float:
        """The part of it at which response times are predicted."""
        return self.site.inputs.target_utilisation * self.saturation_rps

    @cached_property
    def response(self) -> Response:
        """Response times at `target_rps`."""
        return self.system.response(self.target_rps)

    @cached_property
    def rps_at_slo(self) -> float:
        """Greatest rate at which the 99th percentile stays good."""
        return self.system.rps_within(self.site.slo_p99_ms)

    @property
    def worker_mb(self) -> float:
        """One worker with its threads and its growth."""
        return self.site.footprint.worker_with_mb(self.layout.threads)

    @property
    def generation_mb(self) -> float:
        """All workers, and what they share."""
        return self.site.footprint.of(self.layout)

    @property
    def peak_mb(self) -> float:
        """The web processes of all generations that exist side by side during a deploy."""
        return self.overlap * self.generation_mb

    @property
    def gives_overlap_up(self) -> bool:
        """Whether fewer generations exist side by side than the inputs require."""
        return self.overlap < self.site.inputs.reload_overlap

    @property
    def is_running(self) -> bool:
        """Whether this is the layout that is running now."""
        return self.layout == self.site.running


def choose(site: Site) -> Choice:
    """Choose the layout, and how many generations of it may exist side by side.

    The second worker is worth more than the second generation: where the memory holds one of the two, a
    deploy has to stop the old generation first. Raises SizingError if not even one worker fits, or a pin does not.
    """
    wish = site.inputs.reload_overlap
    overlap = wish if _holds_workers(site, wish) else 1.0
    layout = best_layout(site, site.limits(overlap))
    if layout is None:
        raise refusal(site, overlap)
    best = Choice(site, layout, wish if site.fits(layout, wish) else overlap)
    return _running(site, best) or best


def _holds_workers(site: Site, overlap: float) -> bool:
    """Whether memory holds that many generations of two workers, or of the workers that the inputs require."""
    inputs = site.inputs
    workers = inputs.workers or min(2, site.required.processes if site.required else 2)
    return site.footprint.workers_within(site.web_memory_mb(overlap) / overlap, inputs.threads or 1) >= workers


def _running(site: Site, best: Choice) -> Choice | None:
    """Return the layout that is running now if it is nearly as good as the best."""
    layout, wish = site.running, site.inputs.reload_overlap
    if layout is None or site.inputs.is_pinned or not site.fits(layout, wish):
        return None
    if site.inputs.one_request_per_worker and layout.threads > 1:
        return None
    running = Choice(site, layout, wish)
    return running if running.rps_at_slo >= (1 - WORTH_A_CHANGE) * best.rps_at_slo else None
