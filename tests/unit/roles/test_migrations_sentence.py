"""What a deploy reports of the migrations that it has applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from test_templates import play_renders

TASKS = yaml.safe_load((Path(__file__).resolve().parents[3] / "roles/release/tasks/report.yml").read_text())
[SENTENCE] = [task["vars"]["__release_sentence"] for task in TASKS if "__release_sentence" in task.get("vars", {})]
MANY = [*(f"auth.{number:04}" for number in range(1, 13)), "shop.0001_initial"]
# The migrations, the copy of the database, site_backup, and the sentence.
CASES: dict[str, tuple[list[str], str | None, bool, str]] = {
    "copied": (
        ["shop.0002_price"],
        "/b/x.dump",
        True,
        "applied shop.0002_price; the database from before is /b/x.dump.",
    ),
    "first": (MANY, None, True, "applied 13 migrations: auth 12, shop 1; the database was empty before."),
    "alone": (["shop.0002_price"], None, False, "applied shop.0002_price; no backup was made (site_backup is false)."),
}
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Report",
                "ansible.builtin.debug": {"msg": "{{ {'sentence': sentence} | to_json | b64encode }}"},
                "vars": {
                    "sentence": SENTENCE,
                    "release_finished": {"migrations": "{{ applied }}", "backup": "{{ copy }}"},
                },
            },
        ],
    }
]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The report of every host."""
    hosts = {
        host: {"applied": applied, "copy": copy, "site_backup": wanted}
        for host, (applied, copy, wanted, _sentence) in CASES.items()
    }
    return play_renders(tmp_path_factory.mktemp("release"), PLAY, hosts)


@pytest.mark.parametrize("host", CASES)
def test_the_sentence(reports: dict[str, dict[str, Any]], host: str) -> None:
    assert reports[host]["sentence"].split() == [f"{host}:", *CASES[host][3].split()]
