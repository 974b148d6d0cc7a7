"""What a request costs in the slot's own middleware, compared with middleware that does nothing, in one run.

CPU time and not time, since machines are shared. Each turn measures an empty middleware, and ours with all that it does
behind nginx: the release header, the route, the queue, and the files of prometheus_client.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

FILES = Path(__file__).parents[2] / "roles/site/files"
HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("X-Frame-Options", "DENY"),
    ("Content-Length", "4"),
    ("Vary", "Cookie"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
]

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Any]


class Page:
    """A response as Django's is: not a list, and with an end."""

    def __iter__(self) -> Any:
        """Give its only part."""
        return iter([b"page"])

    def close(self) -> None:
        """End it."""


def slot(directory: Path) -> tuple[ModuleType, ModuleType]:
    """Import a slot's modules, which count in the directory."""
    shutil.copytree(FILES, directory / "slot")
    # Loaded piece by piece here: there is no project.
    (directory / "slot/site_wsgi.json").write_text(json.dumps({"application": "", "metrics": True, "middleware": []}))
    text = (directory / "slot/site_wsgi.py").read_text()
    (directory / "slot/site_wsgi.py").write_text(text.partition("\napplication = ")[0])
    os.environ |= {"RUNTIME_DIRECTORY": str(directory), "SITE_RELEASE": "3f2a9c1d04ab-1f3e2c"}
    sys.path.append(str(directory / "slot"))
    import site_metrics
    import site_wsgi

    site_metrics.worker_begins(1)
    return site_metrics, site_wsgi


def empty(application: Wsgi) -> Wsgi:
    """Wrap an application in a middleware that does nothing."""

    def pass_on(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        return application(environ, start_response)

    return pass_on


def start_response(_status: str, _headers: list[Any], _exc_info: Any = None) -> None:
    """Start a response as a server does, without sending it."""


def answer(application: Wsgi, requests: int) -> None:
    """Answer requests as a server's thread does."""
    began = f"t={time.time():.3f}"
    for _ in range(requests):
        found = application({"HTTP_X_REQUEST_START": began}, start_response)
        for _part in found:
            pass
        found.close()


def cost(application: Wsgi, threads: int, requests: int) -> float:
    """Return the CPU time of a request, in microseconds."""
    share = requests // threads
    workers = [threading.Thread(target=answer, args=(application, share)) for _ in range(threads)]
    began = time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return (time.process_time() - began) / (share * threads) * 1e6


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--requests", type=int, default=40_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        site_metrics, site_wsgi = slot(Path(directory))

        def page(environ: dict[str, Any], start: Callable[..., Any]) -> Page:
            watched = environ.get(site_metrics.REQUEST)
            if watched is not None:  # As the view middleware does.
                watched.route = "shop/<slug:name>/"
            start("200 OK", [*HEADERS])
            return Page()

        measured = {
            "empty middleware": empty(page),
            "release header": site_wsgi.with_release(page, "3f2a9c1d04ab-1f3e2c"),
            "release header and metrics": site_wsgi.with_release(site_metrics.measured(page), "3f2a9c1d04ab-1f3e2c"),
        }
        print(f"Microseconds of CPU time for each request to an empty page, medians of {arguments.turns} turns")
        print(f"{'':28}{'threads':>8}{'all':>8}{'added':>8}{'ratio':>8}")
        for threads in (1, 8):
            turns = [
                {name: cost(application, threads, arguments.requests) for name, application in measured.items()}
                for _ in range(arguments.turns)
            ]
            medians = {name: statistics.median(turn[name] for turn in turns) for name in measured}
            least = medians["empty middleware"]
            for name, spent in medians.items():
                print(f"{name:28}{threads:>8}{spent:>8.2f}{spent - least:>8.2f}{spent / least:>8.1f}")


if __name__ == "__main__":
    main()
