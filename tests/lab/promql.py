"""The metrics that an expression of Prometheus names."""

from __future__ import annotations

import re

__all__ = ["metrics_in"]

OPERATORS = {"and", "or", "unless", "on", "by", "group_left", "bool"}
FUNCTIONS = {"sum", "avg", "max", "topk", "rate", "increase", "histogram_quantile", "absent", "avg_over_time", "time"}


def metrics_in(expression: str) -> set[str]:
    """Give the names of all metrics: what is left without selectors, ranges, lists of labels, numbers and functions."""
    text = re.sub(r'"[^"]*"', "", expression)
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", text)
    text = re.sub(r"\b(by|on|group_left) *\([^)]*\)", " ", text)
    return {name for name in re.findall(r"(?<![\w:$])[a-zA-Z_:][\w:]*", text) if name not in OPERATORS | FUNCTIONS}
