"""Draw the panels of the dashboards from what Prometheus answered in the lab (`make panels`).

The scenario alerts leaves these answers in .cache/panels.json. The pictures show numbers of a real site. They are not
what Grafana looks like.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

ROOT = Path(__file__).parents[2]
LABEL = "Drawn from Prometheus' answers in the lab; not a screenshot of Grafana."
COLUMNS = 2
MOST_LEGENDS = 8
UNITS: dict[str, tuple[str, Callable[[float], float]]] = {
    "percentunit": ("%", lambda value: 100 * value),
    "bytes": ("MB", lambda value: value / 1e6),
    "s": ("ms", lambda value: 1000 * value),
    "reqps": ("requests/s", float),
    "cps": ("connections/s", float),
    "d": ("days", float),
    "bool_yes_no": ("1 = yes", float),
    "short": ("", float),
}


def draw(name: str, panels: list[dict[str, Any]]) -> None:
    """Draw one dashboard into docs/images."""
    rows = -(-len(panels) // COLUMNS)
    figure, axes = pyplot.subplots(rows, COLUMNS, figsize=(12, 2.7 * rows), squeeze=False)
    for place, panel in zip(axes.flat, panels, strict=False):
        unit, scaled = UNITS[panel["unit"]]
        begin = min(float(series["values"][0][0]) for series in panel["series"])
        for series in panel["series"]:
            times = [float(at) - begin for at, _value in series["values"]]
            values = [scaled(float(value)) for _at, value in series["values"]]
            place.plot(times, values, linewidth=1.2, label=series["legend"])
        place.set_title(panel["title"], loc="left", fontweight="bold")
        place.set_ylabel(unit)
        place.set_ylim(bottom=min(0, place.get_ylim()[0]))
        place.grid(alpha=0.3)
        if len(panel["series"]) <= MOST_LEGENDS:
            place.legend(fontsize=7, loc="best")
    for place in list(axes.flat)[len(panels) :]:
        place.remove()
    figure.supxlabel(f"seconds. {LABEL}", fontsize=9)
    figure.tight_layout()
    figure.savefig(ROOT / f"docs/images/dashboard-{name}.svg", metadata={"Date": None})


def main() -> None:
    """Draw all dashboards."""
    matplotlib.rcParams.update({"svg.hashsalt": "pitcrew", "svg.fonttype": "none", "font.size": 9})
    for name, panels in json.loads((ROOT / ".cache/panels.json").read_text()).items():
        draw(name, panels)


if __name__ == "__main__":
    sys.exit(main())
