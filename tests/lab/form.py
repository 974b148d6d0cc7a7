"""The form of tests that rely on large numbers: `make proof` runs the long one, everything else the short one."""

import os

__all__ = ["LONG"]

LONG = os.environ.get("LAB_FORM") == "long"
