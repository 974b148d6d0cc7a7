"""The comparison of a release with the database, as the module reports it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pitcrew.django.plugins.modules import migrations as module


def compare(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], report: dict[str, Any], output: str = ""
) -> dict[str, Any]:
    """Run the module with what Django answers."""
    monkeypatch.setattr(module, "Django", lambda *_place: SimpleNamespace(run=lambda *_job: (report, output)))
    monkeypatch.setattr(module.pwd, "getpwnam", lambda _name: SimpleNamespace(pw_uid=1, pw_gid=1))
    arguments = {"path": "/srv/shop/releases/r1", "user": "shop", "home": "/var/lib/shop"}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        module.main()
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_difference(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What each of the two has alone."""
    report = {"error": None, "stage": "done", "unknown": ["shop.0003_x"], "pending": ["shop.0002_y"]}
    found = compare(monkeypatch, capsys, report)
    assert (found["changed"], found["unknown"], found["pending"]) == (False, ["shop.0003_x"], ["shop.0002_y"])


@pytest.mark.parametrize(("output", "shown"), [("", ""), ("Traceback\n", "\n\nTraceback")])
def test_a_database_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], output: str, shown: str
) -> None:
    """The cause comes first, and what was written after it."""
    report = {"error": "OperationalError: refused", "stage": "plan"}
    assert compare(monkeypatch, capsys, report, output)["msg"] == (
        f"The database cannot be compared with release r1: OperationalError: refused.{shown}"
    )
