"""The READMEs of the roles are those that their specifications give."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
readme = runpy.run_path(str(ROOT / "tests/docs/role_readmes.py"))["readme"]


@pytest.mark.parametrize("role", sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir()))
def test_readme_is_current(role: str) -> None:
    """If not, run `make docs`."""
    assert (ROOT / "roles" / role / "README.md").read_text() == readme(ROOT / "roles" / role)
