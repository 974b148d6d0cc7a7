"""The benchmark of the filter runs as `make bench-plan` runs it: from the checkout, with nothing on the path."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]


def test_it_runs() -> None:
    """It finds the collection by itself, and prints a figure."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmark.plan_fleet", "5"],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    assert re.match(r"5 hosts in [0-9.]+ s of CPU", done.stdout)
