"""Does the sizing model plan well? `python -m tests.benchmark.sizing` asks real servers."""
