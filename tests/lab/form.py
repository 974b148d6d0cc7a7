"""Which form of a proof that goes by large numbers: `make proof` takes the long one, everything else the short one."""

import os

__all__ = ["LONG"]

LONG = os.environ.get("LAB_FORM") == "long"
