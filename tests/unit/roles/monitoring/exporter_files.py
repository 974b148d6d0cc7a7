"""Files that real processes of prometheus_client have written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["REQUESTS", "Count", "process"]

Count = Callable[..., None]

PROGRAM = """
import sys
from prometheus_client import values
values.ValueClass = values.MultiProcessValue(lambda: sys.argv[1])
from prometheus_client import Counter, Gauge, Histogram, Summary
exec(sys.argv[2])
"""
REQUESTS = """
requests = Histogram("pitcrew_request_duration_seconds", "Time", ["route", "status"], buckets=(0.1, 1))
requests.labels("/", "2xx").observe(0.05)
requests.labels("/", "2xx").observe(0.5)
Counter("shop_orders", "Orders", ["kind"]).labels("book").inc(3)
Gauge("pitcrew_requests_in_progress", "Now", multiprocess_mode="livesum").set(2)
"""


def process(metrics: Path, name: str = "1", program: str = REQUESTS) -> None:
    """Run a process that counts something in a directory, and ends."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(metrics)}
    subprocess.run([sys.executable, "-c", PROGRAM, name, program], env=environment, check=True)
