"""What the tests of the exporter share."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from exporter_files import Count, process


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The runtime directory of a slot."""
    directory = tmp_path / "run/shop-blue"
    (directory / "metrics").mkdir(parents=True)
    return directory


@pytest.fixture
def count(run: Path) -> Count:
    """Run a process of the slot that counts something and ends: count("worker-1", program)."""
    return functools.partial(process, run / "metrics")
