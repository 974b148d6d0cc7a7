"""The benchmarks. Each runs from the checkout: `python -m tests.benchmark.plan_fleet`."""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]

# The collection as users import it, where `make` puts it, and the lab as its tests do.
sys.path[:0] = [str(CHECKOUT / ".ansible" / "collections"), str(CHECKOUT / "tests" / "lab")]
