"""How the tests of processes ask a host for jobs, runs and units."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from testinfra.host import Host

__all__ = ["PRODUCTS", "Depot", "everywhere", "until"]

T = TypeVar("T")

PRODUCTS = ["celery", "rq", "huey", "django_tasks", "command"]
# As many of each as the site can run at a time, so that all queues are empty at about the same time.
IN_PROPORTION = ["celery"] * 4 + ["rq"] * 4 + ["huey"] * 4 + ["django_tasks"] * 2 + ["command"]

# manage.py of the live release as an operator runs it, with the site's user and environment.
MANAGE = (
    "systemd-run --quiet --pipe --wait --collect --uid=shop --working-directory=/srv/shop/live/release/app "
    "-p EnvironmentFile=/srv/shop/live/environment -p EnvironmentFile=/srv/shop/live/secrets "
    "/srv/shop/live/release/venv/bin/python manage.py "
)
UNIT = re.compile(r"(shop[a-z0-9_-]*)@(blue|green)\.service")


@dataclass
class Depot:
    """The site on one host."""

    host: Host
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.host.backend.get_hostname()

    def manage(self, *words: str) -> str:
        """Run a command of the live release; return its output."""
        return self.host.check_output(MANAGE + " ".join(words))

    def queue(self, batch: str, *options: str) -> None:
        """Queue jobs for all products."""
        self.manage("queue", batch, "--products", *IN_PROPORTION, *options)

    def jobs(self, batch: str) -> list[dict[str, Any]]:
        """Give the jobs of a batch, each with its runs."""
        found: list[dict[str, Any]] = json.loads(self.manage("report", batch))["jobs"]
        return found

    def ticks(self, source: str) -> list[float]:
        """Give the times at which something that was due was sent, in seconds since the epoch."""
        return [tick["sent"] for tick in json.loads(self.manage("report", "none"))["ticks"] if tick["source"] == source]

    def unended(self, batch: str) -> list[dict[str, Any]]:
        """Give the jobs of a batch of which no run has come to its end."""
        return [job for job in self.jobs(batch) if not any(run["ended"] for run in job["runs"])]

    def release(self) -> str:
        """Name the live release."""
        return self.host.check_output("basename $(readlink -f /srv/shop/live/release)")

    def slot(self) -> str:
        """Name the live slot."""
        return self.host.check_output("basename $(readlink /srv/shop/live)")

    def processes(self) -> Counter[tuple[str, str]]:
        """Count the site's processes by the prefix and the slot of their unit, as the control groups have them."""
        groups = self.host.check_output("ps -u shop -o cgroup:300= || true")
        return Counter((found[1], found[2]) for line in groups.splitlines() if (found := UNIT.search(line)))

    def memory_mb(self) -> float:
        """Add up what the site's processes have, pages that they share counted once."""
        add = "cat $(ps -u shop -o pid= | sed 's:^ *:/proc/:; s:$:/smaps_rollup:') 2>/dev/null"
        return int(self.host.check_output(f"({add}; true) | awk '/^Pss:/ {{ sum += $2 }} END {{ print sum }}'")) / 1024

    def show(self, unit: str, name: str) -> str:
        """Give a property of a unit."""
        return self.host.check_output("systemctl show --property=%s --value %s", name, unit)


def everywhere(depots: Iterable[Depot], act: Callable[[Depot], T]) -> dict[str, T]:
    """Do the same on all hosts at once; return the results by host."""
    depots = list(depots)
    with ThreadPoolExecutor() as pool:
        return dict(zip((depot.name for depot in depots), pool.map(act, depots), strict=True))


def until(condition: Callable[[], bool], seconds: float, pause: float = 2.0) -> bool:
    """Wait for a condition; return whether it came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
