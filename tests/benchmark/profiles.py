"""What a request of a real site costs, and what its processes weigh: the evidence for the profiles of docs/sizing.md.

    make bench-profiles

Two sites, the example project and one as `wagtail start` makes it, are deployed by the collection's own playbook to lab
hosts of one CPU each, with PostgreSQL on another host. Every page is asked for by one visitor at a time, at several
paces. The CPU time of the unit over the number of requests is fitted by a line, whose slope is the cost of a request
(docs/sizing.md, section 11.1). Waiting is what the server logs for a request, less that CPU time (11.2). Memory is that
of workers which have served some hundred requests (11.3).
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import (
    PROFILES,
    SERVER_OVERHEAD_MS,
    Inputs,
)

from .sizing.cells import Cell
from .sizing.lab import BENCHMARKS, DATABASE, ROOT, Lab, Server, Shape, say
from .sizing.statistics import Line, fit_line

STATE = ROOT / ".cache" / "bench-profiles"
WAGTAIL = "wagtail==7.4.2"

PACES = (0.2, 0.0, 0.05, 0.1, 0.0, 0.02)
"""Seconds between two requests, slice after slice."""
QUIET = 0.05
"""From this pause on, a slice tells how long a request takes when nothing is in its way."""
WORST_SHARE = 0.2
"""A cost whose interval is wider than this part of it, to either side, is marked."""

LOGIN = """
import django
django.setup()
from django.contrib.auth import get_user_model
from django.test import Client
User = get_user_model()
user = User.objects.filter(username="benchmark").first() or User.objects.create_superuser("benchmark", "b@example.com")
client = Client()
client.force_login(user)
print(client.cookies["sessionid"].value)
"""


@dataclass(frozen=True)
class Page:
    """A page, the profile that stands for pages like it, and whether it is for those who are logged in.

    All pages together are the profile C(mixed).
    """

    path: str
    profile: str
    private: bool = False


SITES = {
    "shop": (
        Page("/", "orm"),
        Page("/products/{product}/", "orm"),
        Page("/admin/login/", "template"),
        Page("/admin/workshop/product/", "orm", private=True),
    ),
    "mysite": (
        Page("/", "orm"),
        Page("/search/?query=home", "orm"),
        Page("/admin/login/", "template"),
        Page("/admin/", "mixed", private=True),
        Page("/admin/pages/", "mixed", private=True),
    ),
}


@dataclass(frozen=True)
class Cost:
    """What a request of a page costs on a server, the server's own part not included, in milliseconds."""

    site: str
    path: str
    profile: str
    server: str
    cpu_ms: float
    half_width_ms: float
    wait_ms: float
    requests: int

    @property
    def is_sure(self) -> bool:
        """Whether the interval is narrow enough to plan with."""
        return self.half_width_ms <= WORST_SHARE * self.cpu_ms


@dataclass(frozen=True)
class Weight:
    """Megabytes of a server that is warm: as the inputs of the plan count them."""

    unique: float
    shared: float
    master: float
    resident: float


def weigh(processes: Sequence[Mapping[str, float]]) -> Weight:
    """Count what each worker has alone (90th percentile), and once what they and the main process share."""
    workers = sorted(process["uss"] for process in processes if not process["is_main"])
    return Weight(
        unique=workers[math.ceil(0.9 * len(workers)) - 1],
        shared=sum(process["pss"] - process["uss"] for process in processes),
        master=next(process["uss"] for process in processes if process["is_main"]),
        resident=max(process["rss"] for process in processes if not process["is_main"]),
    )


def cost_of(slices: Sequence[Mapping[str, float]], overhead_ms: float) -> tuple[Line, float, float]:
    """Fit CPU per second over requests per second; give the line in ms, the site's CPU and its waiting time."""
    line = fit_line([(one["served"] / one["seconds"], 1000 * one["unit"] / one["seconds"]) for one in slices])
    cpu_ms = max(0.0, line.slope - overhead_ms)
    quiet = [one["in_slot_ms"] for one in slices if one["gap"] >= QUIET] or [one["in_slot_ms"] for one in slices]
    return line, cpu_ms, max(0.0, statistics.median(quiet) - cpu_ms)


class Site:
    """A site on its host."""

    def __init__(self, lab: Lab, name: str, seconds: float) -> None:
        self.server, self.name, self.seconds = Server(lab, name, name, Shape(1.0)), name, seconds
        self.log = f"/var/lib/{name}/benchmark.log"
        # Microseconds as the server sees a request, without the proxy.
        self.logging = {"accesslog": self.log, "access_log_format": "%(D)s"}
        self.cookie = f"sessionid={self.log_in()}"
        self.product = self.first_product() if name == "shop" else ""

    def in_django(self, program: str) -> str:
        """Run a program with the environment of the site's own process."""
        slot, release = self.server.site["slot"], self.server.site["release"]
        return str(
            self.server.web(
                "run", "systemd-run", "--quiet", "--pipe", "--wait", f"--uid={self.name}",
                f"--property=EnvironmentFile={slot}/environment", f"--property=EnvironmentFile={slot}/secrets",
                f"--working-directory={release}/app", f"{release}/venv/bin/python", "-c", program,
            )
        ).splitlines()[-1]  # fmt: skip

    def log_in(self) -> str:
        """Give the session of someone who may see everything."""
        return self.in_django(LOGIN)

    def first_product(self) -> str:
        """Give the name of a product in its address."""
        program = (
            "import django; django.setup()\nfrom workshop.models import Product\nprint(Product.objects.first().slug)"
        )
        return self.in_django(program)

    def path(self, page: Page) -> str:
        """Give the address of a page."""
        return page.path.format(product=self.product)

    def measure(self, page: Page, cell: Cell) -> Cost:
        """Ask for a page at several paces."""
        self.server.serve(cell, **self.logging)
        request: dict[str, Any] = {"paths": [self.path(page)], "cookie": self.cookie if page.private else ""}
        self.server.ask("paced", 1.5, **request)
        slices = []
        for gap in PACES:
            self.server.web("run", "truncate", "--size=0", self.log)
            found = self.server.ask("paced", self.seconds, gap=gap, **request)
            if found["errors"]:
                raise RuntimeError(f"{self.name}{self.path(page)}: {found['errors']}")
            awk = "awk '{ sum += $1 } END { print sum / NR / 1000 }'"
            slices.append(
                {**found, "gap": gap, "in_slot_ms": float(self.server.web("run", "sh", "-c", f"{awk} {self.log}"))}
            )
        line, cpu_ms, wait_ms = cost_of(slices, SERVER_OVERHEAD_MS["gunicorn"])
        requests = sum(one["served"] for one in slices)
        kind = "sync" if cell.threads == 1 else "gthread"
        return Cost(self.name, self.path(page), page.profile, kind, cpu_ms, line.half_width, wait_ms, requests)

    def weights(self, requests: int) -> dict[str, Weight]:
        """Weigh servers of different sizes, with and without preloading, after so many requests per worker."""
        found = {}
        sizes = {
            "sync 4x1, preloaded": (Cell("gunicorn", 4, 1), True),
            "sync 4x1, not preloaded": (Cell("gunicorn", 4, 1), False),
            "gthread 2x2, preloaded": (Cell("gunicorn", 2, 2), True),
            "gthread 2x16, preloaded": (Cell("gunicorn", 2, 16), True),
        }
        for title, (cell, preload) in sizes.items():
            self.server.serve(cell, preload_app=preload)
            self.work(cell, requests)
            found[title] = self.weigh()
            if title == "sync 4x1, preloaded":
                self.work(cell, 3 * requests)
                found[f"{title}, after four times the requests"] = self.weigh()
        return found

    def weigh(self) -> Weight:
        """Weigh the processes as they are."""
        return weigh(self.server.web("memory", self.server.site["unit"]))

    def work(self, cell: Cell, requests: int) -> None:
        """Let each worker serve about so many requests, of all pages, with all slots taken."""
        paths = [self.path(page) for page in SITES[self.name]]
        left = requests * cell.processes
        while left > 0:
            # The client counts time, not requests.
            found = self.server.ask("closed", 3, paths=paths, cookie=self.cookie, at_a_time=cell.slots + 2)
            if found["errors"] or not found["served"]:
                raise RuntimeError(f"{self.name}: {found['errors'] or 'nothing was served'}")
            left -= found["served"]


# -- What follows from it ------------------------------------------------------------------------------------------


def suggest_profiles(costs: Sequence[Cost]) -> dict[str, tuple[int, int]]:
    """Give the mean CPU and waiting time of the pages that a profile stands for, in whole milliseconds.

    A mean of times, since that is what a server has to carry.
    """
    by_profile: dict[str, list[Cost]] = {"mixed": list(costs)}
    for cost in costs:
        if cost.profile != "mixed":
            by_profile.setdefault(cost.profile, []).append(cost)
    return {
        profile: (
            round(statistics.fmean(cost.cpu_ms for cost in found)),
            round(statistics.fmean(cost.wait_ms for cost in found)),
        )
        for profile, found in by_profile.items()
    }


def suggest_memory(weights: Mapping[str, Mapping[str, Weight]]) -> dict[str, float]:
    """Give the inputs of the plan for the heaviest of the sites, rounded up."""

    def up(value: float, step: float) -> float:
        return step * math.ceil(max(0.0, value) / step)

    def most(value: Callable[[Mapping[str, Weight]], float]) -> float:
        return max(value(found) for found in weights.values())

    warm, later = "sync 4x1, preloaded", "sync 4x1, preloaded, after four times the requests"
    few, many = "gthread 2x2, preloaded", "gthread 2x16, preloaded"
    return {
        "worker_unique_mb": up(most(lambda found: found[warm].unique), 5),
        "worker_shared_mb": up(most(lambda found: found[warm].shared), 5),
        "growth_mb": up(most(lambda found: found[later].unique - found[warm].unique), 5),
        "thread_mb": up(most(lambda found: (found[many].unique - found[few].unique) / 14), 0.5),
        "master_mb": up(most(lambda found: found[warm].master), 5),
    }


def report(costs: Sequence[Cost], weights: Mapping[str, Mapping[str, Weight]]) -> str:
    """Lay it all out."""
    lines = [f"{'page':44}{'server':>9}{'cpu_ms':>16}{'wait_ms':>9}{'requests':>10}  profile"]
    for cost in costs:
        doubt = "" if cost.is_sure else "  (interval too wide)"
        cpu = f"{cost.cpu_ms:.1f} +- {cost.half_width_ms:.1f}"
        lines.append(
            f"{cost.site + cost.path:44}{cost.server:>9}{cpu:>16}{cost.wait_ms:9.1f}{cost.requests:10}  "
            f"{cost.profile}{doubt}"
        )
    lines += ["", f"{'memory of a warm server, MB':60}{'unique':>8}{'shared':>8}{'master':>8}{'RSS':>8}"]
    for site, found in weights.items():
        for title, weight in found.items():
            sizes = (weight.unique, weight.shared, weight.master, weight.resident)
            lines.append(f"{site + ', ' + title:60}" + "".join(f"{size:8.1f}" for size in sizes))
    lines += ["", "what the defaults in plugins/plugin_utils/sizing/inputs.py could become"]
    for profile, (cpu_ms, wait_ms) in suggest_profiles(costs).items():
        now = PROFILES[profile]
        lines.append(f'  "{profile}": Profile({now.cpu_ms:g}, {now.wait_ms:g}) -> Profile({cpu_ms:g}, {wait_ms:g})')
    if weights:
        for name, value in suggest_memory(weights).items():
            lines.append(f"  {name}: {getattr(Inputs(), name):g} -> {value:g}")
    lines.append("  (each for small pages of small sites: read them as the least that a site needs)")
    return "\n".join(lines)


def wagtail_project() -> Path:
    """Start a Wagtail project, unless there is one from the last time."""
    project = STATE / "mysite"
    if not (project / "manage.py").exists():
        environment = STATE / "venv"
        project.mkdir(parents=True, exist_ok=True)
        for command in (
            ["uv", "venv", "--quiet", "--clear", environment],
            ["uv", "pip", "install", "--quiet", "--python", environment / "bin" / "python", WAGTAIL],
            [environment / "bin" / "wagtail", "start", "mysite", project],
        ):
            subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    return project


def main() -> int:
    """Deploy, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="length of each of six slices a page (%(default)g)")
    parser.add_argument("--requests", type=int, default=500, help="requests of each worker to be warm (%(default)s)")
    parser.add_argument("--short", action="store_true", help="two pages and few requests: does it all work?")
    parser.add_argument("--sites", nargs="+", choices=SITES, default=list(SITES), help="which of them (all)")
    options = parser.parse_args()
    if options.short:
        options.seconds, options.requests = 2, 30
    variables = {"benchmark_example": str(ROOT / "tests" / "example"), "benchmark_wagtail": str(wagtail_project())}
    say("booting three hosts, deploying one site after the other")
    costs: list[Cost] = []
    weights: dict[str, dict[str, Weight]] = {}
    with Lab("bench-profiles", BENCHMARKS / "inventory" / "profiles", **Shape(1.0).variables(), **variables) as lab:
        lab.play(DATABASE)
        for name in options.sites:
            pages = SITES[name]
            lab.play("pitcrew.django.deploy", f"--extra-vars=site_hosts={name}")
            site = Site(lab, name, options.seconds)
            for page in pages[:1] if options.short else pages:
                for cell in (Cell("gunicorn", 1, 1), Cell("gunicorn", 1, 4)):
                    cost = site.measure(page, cell)
                    costs.append(cost)
                    say(f"{name}{page.path}, {cell.name}: {cost.cpu_ms:.1f} ms CPU, {cost.wait_ms:.1f} ms waiting")
            weights[name] = site.weights(options.requests)
            say(f"{name}: {weights[name]['sync 4x1, preloaded'].unique:.0f} MB for a worker")
    (STATE / "results.json").write_text(
        json.dumps(
            {
                "date": time.strftime("%Y-%m-%d"),
                "costs": [asdict(cost) for cost in costs],
                "weights": {site: {title: asdict(w) for title, w in found.items()} for site, found in weights.items()},
            },
            indent=1,
        )
    )
    print(report(costs, weights))
    return 0


if __name__ == "__main__":
    sys.exit(main())
