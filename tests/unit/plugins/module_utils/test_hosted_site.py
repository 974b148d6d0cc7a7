"""Where a site lies, read from real links and files."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import host as host_module
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for /etc/systemd/system."""
    units = tmp_path / "system"
    monkeypatch.setattr(host_module, "UNITS", units)
    return units


@pytest.fixture
def shop(tmp_path: Path, units: Path) -> HostedSite:
    """Give a site whose directory exists and is empty."""
    root = tmp_path / "shop"
    root.mkdir()
    return HostedSite("shop", str(root))


def test_names_of_a_site(shop: HostedSite, units: Path, tmp_path: Path) -> None:
    """Everything is named after the site and the slot."""
    blue = shop.slots["blue"]
    assert list(shop.slots) == ["blue", "green"]
    assert blue.path == tmp_path / "shop/slots/blue"
    assert blue.unit == "shop@blue.service"
    assert blue.unit_file == units / "shop@blue.service"
    assert shop.boot_file == units / "shop-boot.service"
    assert shop.boot_link == units / "multi-user.target.wants/shop-boot.service"
    assert blue.socket == Path("/run/shop-blue/app.sock")
    assert shop.releases.named("r1").path == tmp_path / "shop/releases/r1"


def test_a_host_without_the_site(tmp_path: Path) -> None:
    """Nothing is live, the first release comes up in blue, and nothing is there to read."""
    site = HostedSite("shop", str(tmp_path / "shop"))
    assert site.live is None
    assert site.idle.name == "blue"
    assert list(site.releases) == []
    assert site.releases.history() == []
    assert site.releases.served() == []
    assert site.slots["blue"].release is None
    assert site.boots("[Service]\n") is False


@pytest.mark.parametrize(("live", "idle"), [("blue", "green"), ("green", "blue")])
def test_the_slot_that_serves(shop: HostedSite, live: str, idle: str) -> None:
    """The link says which; the other one is idle."""
    shop.live_link.symlink_to(f"slots/{live}")
    assert shop.live is shop.slots[live]
    assert shop.idle is shop.slots[idle]


@pytest.mark.parametrize("target", ["slots/red", "/", "../shop"])
def test_a_link_to_no_slot(shop: HostedSite, target: str) -> None:
    """What an operator pointed elsewhere is no slot."""
    shop.live_link.symlink_to(target)
    assert shop.live is None
    assert shop.idle.name == "blue"


def test_the_release_of_a_slot(shop: HostedSite) -> None:
    """The name at the end of the slot's link, also when that release is gone from disk."""
    blue = shop.slots["blue"]
    blue.path.mkdir(parents=True)
    (blue.path / "release").symlink_to(shop.root / "releases/r1")
    assert blue.release == "r1"


def test_whether_a_site_starts_with_its_host(shop: HostedSite) -> None:
    """It takes the link and the unit that it points to, as it is meant."""
    shop.boot_link.parent.mkdir(parents=True)
    shop.boot_link.symlink_to(shop.boot_file)
    assert shop.boots("[Service]\n") is False
    shop.boot_file.write_text("[Service]\n")
    assert shop.boots("[Service]\n") is True
    assert shop.boots("[Unit]\n") is False
    shop.boot_link.unlink()
    assert shop.boots("[Service]\n") is False


def test_the_texts_of_a_slot(shop: HostedSite, units: Path) -> None:
    """The unit is found among systemd's, the rest in the slot; what is missing is None."""
    blue = shop.slots["blue"]
    blue.path.mkdir(parents=True)
    units.mkdir()
    blue.unit_file.write_text("[Service]\n")
    (blue.path / "environment").write_text('A="1"\n')
    assert blue.read(["unit", "environment", "gunicorn.conf.py"]) == {
        "unit": "[Service]\n",
        "environment": 'A="1"\n',
        "gunicorn.conf.py": None,
    }


def test_a_slot_knows_what_was_deployed(shop: HostedSite, units: Path) -> None:
    """A file that differs or is gone shows; only root may read the record, since it tells of secrets."""
    blue = shop.slots["blue"]
    blue.path.mkdir(parents=True)
    units.mkdir()
    texts = {"unit": "[Service]\n", "secrets": "KEY=1\n"}
    for name, text in texts.items():
        blue.file(name).write_text(text)
    assert blue.edited() == []
    assert blue.overlaps
    blue.record_deployed(texts, overlaps=False)
    assert blue.edited() == []
    assert not blue.overlaps
    assert (blue.path / "deployed").stat().st_mode & 0o7777 == 0o600
    assert "KEY" not in (blue.path / "deployed").read_text()
    blue.unit_file.write_text("[Service]\nUser=root\n")
    blue.file("secrets").unlink()
    assert blue.edited() == [blue.unit_file, blue.path / "secrets"]
