"""The benchmarks. Each runs from the checkout: `python -m tests.benchmark.plan_fleet`."""

import sys
from pathlib import Path

# The collection as users import it: `make` puts it there.
sys.path.insert(0, str(Path(__file__).parents[2] / ".ansible" / "collections"))
