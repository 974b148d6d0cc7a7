"""All kinds, a module for each concern. A new kind is one more entry of KINDS in one of them."""

from __future__ import annotations

import importlib
import pkgutil

from kind import Case, Kind

__all__ = ["CASES", "KINDS"]

KINDS: dict[str, Kind] = {
    kind.name: kind
    for module in sorted(found.name for found in pkgutil.iter_modules(__path__))
    for kind in importlib.import_module(f"kinds.{module}").KINDS
}
CASES = [Case(kind, server) for kind in KINDS.values() for server in kind.servers]
