"""What is recorded of migrations that only some releases can add rows with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.demands import Demands, ways_back, what_stays

COLOUR: dict[str, Any] = {"migration": "depot.0002_colour", "tables": ["depot_bike"], "before": "0001_initial"}
SIZE: dict[str, Any] = {"migration": "depot.0003_size", "tables": ["depot_bike"], "before": "0002_colour"}


@pytest.fixture
def demands(tmp_path: Path) -> Demands:
    """Give the record of a site that has three releases."""
    for release in ("r1", "r2", "r3"):
        (tmp_path / "releases" / release).mkdir(parents=True)
    return Demands(tmp_path)


def unmet(demands: Demands, release: str | None) -> list[str]:
    """Name the migrations that a release does not know."""
    return [entry["migration"] for entry in demands.unmet_by(release)]


def test_who_knows_what(demands: Demands) -> None:
    """The release that has applied a migration, and those that say so; nobody asks if nothing is live."""
    assert unmet(demands, "r1") == []
    demands.record("r2", [COLOUR], {})
    assert unmet(demands, "r1") == ["depot.0002_colour"]
    assert unmet(demands, "r2") == unmet(demands, None) == []
    demands.record("r3", [], {"depot.0002_colour": False})
    assert unmet(demands, "r3") == ["depot.0002_colour"]
    demands.record("r3", [SIZE], {"depot.0002_colour": True})
    assert unmet(demands, "r1") == ["depot.0002_colour", "depot.0003_size"]
    assert unmet(demands, "r2") == ["depot.0003_size"]
    assert unmet(demands, "r3") == []
    assert demands.file.stat().st_mode & 0o777 == 0o644


def test_what_was_taken_back(demands: Demands) -> None:
    """It is no longer recorded; a release that never got as far as the database takes nothing back."""
    demands.record("r2", [COLOUR], {})
    demands.record("r3", [], None)
    assert unmet(demands, "r1") == ["depot.0002_colour"]
    demands.record("r3", [], {})
    assert unmet(demands, "r1") == []


def test_releases_that_are_gone(demands: Demands) -> None:
    """The record does not grow with every deploy."""
    demands.record("r2", [COLOUR], {})
    (demands.file.parent / "releases/r2").rmdir()
    demands.record("r3", [], {"depot.0002_colour": True})
    assert demands.recorded() == [{**COLOUR, "known_by": ["r3"]}]


def test_a_record_that_was_cut_off(demands: Demands) -> None:
    """It counts as none."""
    demands.file.write_text('[{"migr')
    assert demands.recorded() == []


def test_the_sentence() -> None:
    """It names the migrations, what has to be live, and the tables."""
    assert what_stays([COLOUR], "the live release") == (
        "depot.0002_colour stays applied: until a release that knows it is live, the live release cannot add rows to "
        "depot_bike"
    )
    assert what_stays([COLOUR, {**SIZE, "tables": ["depot_tyre"]}], "release r1") == (
        "depot.0002_colour and depot.0003_size stay applied: until a release that knows them is live, release r1 "
        "cannot add rows to depot_bike and depot_tyre"
    )


def test_the_way_back() -> None:
    """One command for each application, to before the oldest."""
    other = {"migration": "shop.0009_price", "before": "0008_x"}
    assert ways_back([COLOUR, SIZE, other]) == ["migrate depot 0001_initial", "migrate shop 0008_x"]
