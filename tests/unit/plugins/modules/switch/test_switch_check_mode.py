"""Check mode, and what it shows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.modules import switch as module
from switch_site import BOOT, SECRET, Behaviour, Site


def test_check_mode_on_a_bare_host(site: Site) -> None:
    """Nothing is there, nothing is made, and the release may be one that does not exist yet."""
    (site.root / "releases").rmdir()
    site.root.rmdir()
    answer = site.run("r1", check=True)
    assert (answer["changed"], answer["slot"]) == (True, "blue")
    assert answer["differences"] == ["release", "unit", "environment", "secrets", "gunicorn.conf.py"]
    assert not site.root.exists()
    assert list(site.units.iterdir()) == []
    assert site.host.log == []


@pytest.mark.parametrize(
    ("release", "params", "changed"),
    [("r1", {}, False), ("r2", {}, True), ("r1", {"secrets": {}}, True)],
)
def test_check_mode_writes_nothing(site: Site, release: str, params: dict[str, Any], changed: bool) -> None:
    """It reports what would happen, and gives no order."""
    site.deploy("r1")
    site.host.log.clear()
    before = site.tree()
    answer = site.run(release, check=True, **params)
    assert (answer["changed"], answer["slot"], "failed" in answer) == (changed, "blue", False)
    assert site.tree() == before
    assert site.host.log == []


def test_check_mode_does_not_settle(site: Site) -> None:
    """It reports a change."""
    site.deploy("r1")
    site.hosted.boot_link.unlink()
    site.host.log.clear()
    assert site.run("r1", check=True)["changed"] is True
    assert not site.hosted.boots(BOOT)
    assert site.host.log == []


def diff(site: Site, release: str, **params: Any) -> dict[str, str]:
    """Give the differences as the module makes them: Ansible's own censorship of secrets comes later."""
    site.run(release, check=True, **params)
    switch = module.Switch(
        {"files": {}, "environment": {}, "secrets": {}, "record": {}, "processes": [], **site.params}, site.host
    )
    return switch.diff()


def test_the_differences_that_are_shown(site: Site) -> None:
    """The live slot before, the wanted one after."""
    site.deploy("r1")
    shown = diff(site, "r2", environment={"DEBUG": True}, files={"gunicorn.conf.py": "workers = 3\n"})
    assert shown == {
        "before": (
            "release: r1\n\n--- unit\n[Service]\nUser=shop\n\n"
            '--- environment\nDEBUG="False"\nSITE_RELEASE="fixed"\n\n'
            "--- gunicorn.conf.py\nworkers = 2\n"
        ),
        "after": (
            "release: r2\n\n--- unit\n[Service]\nUser=shop\n\n"
            '--- environment\nDEBUG="True"\n\n'
            "--- gunicorn.conf.py\nworkers = 3\n"
        ),
    }


@pytest.mark.parametrize("secrets", [{"SECRET_KEY": "new horse"}, {}, {"SECRET_KEY": SECRET, "MORE": "new horse"}])
def test_secrets_are_named_and_never_shown(site: Site, secrets: dict[str, str]) -> None:
    """Neither the old value nor the new one, only that they differ."""
    site.deploy("r1")
    shown = diff(site, "r1", secrets=secrets)
    assert "secrets: differ, not shown" in shown["after"]
    assert "horse" not in json.dumps(shown)


def test_secrets_that_do_not_differ_are_not_mentioned(site: Site) -> None:
    """Neither by value nor by name."""
    site.deploy("r1")
    assert "secrets" not in json.dumps(diff(site, "r2"))


def test_no_answer_shows_a_secret(site: Site) -> None:
    """Of a switch, of a refusal, and of check mode."""
    answers = [site.run("r1", check=True), site.deploy("r1"), site.deploy("r2")]
    site.host.behaviours["r3"] = Behaviour(complaint="no")
    answers.append(site.deploy("r3", secrets={"SECRET_KEY": SECRET, "OTHER": SECRET.upper()}))
    told = json.dumps(answers).lower()
    assert "r3 is refused" in told
    assert SECRET not in told
