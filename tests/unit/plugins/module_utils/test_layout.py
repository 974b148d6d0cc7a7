"""Where a site lies, read from real links and files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import layout as module
from ansible_collections.pitcrew.django.plugins.module_utils.layout import (
    Layout,
    Release,
    public_paths,
    read_text,
    replace_link,
    write_file,
)


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for /etc/systemd/system."""
    units = tmp_path / "system"
    monkeypatch.setattr(module, "UNITS", units)
    monkeypatch.setattr(module, "WANTS", units / "multi-user.target.wants")
    return units


@pytest.fixture
def shop(tmp_path: Path, units: Path) -> Layout:
    """Give a site whose directory exists and is empty."""
    root = tmp_path / "shop"
    root.mkdir()
    return Layout("shop", str(root))


def mode(path: Path) -> int:
    """Give the permissions alone."""
    return path.stat().st_mode & 0o7777


# Files and links


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("wanted", [0o600, 0o644])
def test_a_file_has_its_mode_whatever_the_umask(tmp_path: Path, umask: int, wanted: int) -> None:
    """Neither wider nor narrower than asked for."""
    old = os.umask(umask)
    try:
        write_file(tmp_path / "secrets", "KEY=1\n", wanted)
    finally:
        os.umask(old)
    assert mode(tmp_path / "secrets") == wanted


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """A reader that has the old one open keeps it, and nothing else is left in the directory."""
    path = tmp_path / "environment"
    path.write_text("the old text, which is longer")
    with path.open() as reader:
        write_file(path, "neu: é\n", 0o644)
        assert reader.read() == "the old text, which is longer"
    assert path.read_bytes() == b"neu: \xc3\xa9\n"
    assert os.listdir(tmp_path) == ["environment"]


def test_a_file_is_not_written_into_what_a_killed_run_left(tmp_path: Path) -> None:
    """A stale temporary file, readable by all, is not reused for a secret."""
    stale = tmp_path / ".secrets.new"
    stale.write_text("half of")
    stale.chmod(0o666)
    with stale.open() as reader:
        write_file(tmp_path / "secrets", "KEY=1\n", 0o600)
        assert reader.read() == "half of"
    assert (tmp_path / "secrets").read_text() == "KEY=1\n"
    assert mode(tmp_path / "secrets") == 0o600


def test_a_link_is_replaced_by_one_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the moment of the rename the old link is there: no moment without one."""
    link = tmp_path / "live"
    link.symlink_to("slots/blue")
    (tmp_path / ".live.new").symlink_to("left by a killed run")
    seen = []
    rename = os.replace

    def spy(source: Path, target: Path) -> None:
        seen.append((os.readlink(source), os.readlink(target)))
        rename(source, target)

    monkeypatch.setattr(os, "replace", spy)
    replace_link(link, "slots/green")
    assert seen == [("slots/green", "slots/blue")]
    assert os.readlink(link) == "slots/green"
    assert os.listdir(tmp_path) == ["live"]


def test_a_link_where_there_was_none(tmp_path: Path) -> None:
    """The first deploy makes it."""
    replace_link(tmp_path / "live", "slots/blue")
    assert os.readlink(tmp_path / "live") == "slots/blue"


def test_text_of_a_file(tmp_path: Path) -> None:
    """UTF-8, whatever the locale."""
    (tmp_path / "file").write_bytes(b"\xc3\xa9")
    assert read_text(tmp_path / "file") == "é"


@pytest.mark.parametrize("path", ["missing", "missing/file", "file/inside"])
def test_text_of_no_file(tmp_path: Path, path: str) -> None:
    """None, also where a directory is missing or a file stands in its place."""
    (tmp_path / "file").write_text("")
    assert read_text(tmp_path / path) is None


# The site


def test_names_of_a_site(shop: Layout, units: Path, tmp_path: Path) -> None:
    """Everything is named after the site and the slot."""
    blue = shop.slots["blue"]
    assert list(shop.slots) == ["blue", "green"]
    assert blue.path == tmp_path / "shop/slots/blue"
    assert blue.unit == "shop@blue.service"
    assert blue.unit_file == units / "shop@blue.service"
    assert shop.boot_file == units / "shop-boot.service"
    assert shop.boot_link == units / "multi-user.target.wants/shop-boot.service"
    assert blue.socket == Path("/run/shop-blue/app.sock")
    assert shop.release("r1").path == tmp_path / "shop/releases/r1"


def test_a_host_without_the_site(tmp_path: Path) -> None:
    """Nothing is live, the first release comes up in blue, and nothing is there to read."""
    layout = Layout("shop", str(tmp_path / "shop"))
    assert layout.live is None
    assert layout.idle.name == "blue"
    assert layout.releases() == []
    assert layout.live_history() == []
    assert layout.slots["blue"].release is None
    assert layout.boots("[Service]\n") is False


@pytest.mark.parametrize(("live", "idle"), [("blue", "green"), ("green", "blue")])
def test_the_slot_that_serves(shop: Layout, live: str, idle: str) -> None:
    """The link says which; the other one is idle."""
    shop.live_link.symlink_to(f"slots/{live}")
    assert shop.live is shop.slots[live]
    assert shop.idle is shop.slots[idle]


@pytest.mark.parametrize("target", ["slots/red", "/", "../shop"])
def test_a_link_to_no_slot(shop: Layout, target: str) -> None:
    """What an operator pointed elsewhere is no slot."""
    shop.live_link.symlink_to(target)
    assert shop.live is None
    assert shop.idle.name == "blue"


def test_the_release_of_a_slot(shop: Layout) -> None:
    """The name at the end of the slot's link, also when that release is gone from disk."""
    blue = shop.slots["blue"]
    blue.path.mkdir(parents=True)
    (blue.path / "release").symlink_to(shop.root / "releases/r1")
    assert blue.release == "r1"


def test_whether_a_site_starts_with_its_host(shop: Layout) -> None:
    """It takes the link and the unit that it points to, as it is meant."""
    shop.boot_link.parent.mkdir(parents=True)
    shop.boot_link.symlink_to(shop.boot_file)
    assert shop.boots("[Service]\n") is False
    shop.boot_file.write_text("[Service]\n")
    assert shop.boots("[Service]\n") is True
    assert shop.boots("[Unit]\n") is False
    shop.boot_link.unlink()
    assert shop.boots("[Service]\n") is False


def test_the_texts_of_a_slot(shop: Layout, units: Path) -> None:
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


def test_releases_on_disk(shop: Layout) -> None:
    """By name; a release is finished once it has its record; files between them are none."""
    for name in ("b", "a"):
        (shop.root / "releases" / name).mkdir(parents=True)
    (shop.root / "releases/readme").write_text("")
    (shop.root / "releases/a/release.json").write_text('{"static": "static"}\n')
    found = shop.releases()
    assert [(release.id, release.description) for release in found] == [("a", {"static": "static"}), ("b", None)]


def release(shop: Layout, python: str) -> Release:
    """Finish a release whose packages are for that version of Python."""
    found = shop.release("r1")
    (found.venv / "bin").mkdir(parents=True)
    (found.venv / "lib/python3.11").mkdir(parents=True)
    (found.venv / "bin/python").symlink_to(python)
    found.finish('{"static": "static"}')
    return found


@pytest.mark.parametrize(
    ("python", "runs"), [("/usr/bin/python3.11", True), ("/usr/bin/python3.13", False), ("/opt/mine/python", True)]
)
def test_the_python_of_a_release(shop: Layout, python: str, runs: bool) -> None:
    """One that the distribution's upgrade took away makes the release outdated; of others nothing is known."""
    assert release(shop, python).description == ({"static": "static"} if runs else None)


def test_what_is_complete_is_on_the_disk(shop: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is the last that is written."""
    seen = []
    run = subprocess.run

    def noted(command: list[str], **options: Any) -> Any:
        seen.append((command[0], (shop.root / "releases/r1/release.json").exists()))
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", noted)
    release(shop, "/usr/bin/python3.11")
    assert seen == [("sync", False)]


def test_a_removal_that_is_cut_off(shop: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of it does not count as complete."""
    found = release(shop, "/usr/bin/python3.11")
    monkeypatch.setattr(subprocess, "run", lambda *_words, **_options: None)
    found.remove()
    assert found.path.exists()
    assert found.description is None


def test_history(shop: Layout) -> None:
    """One object a line, oldest first."""
    shop.history.write_text(
        '{"at": "2025-01-01T00:00:00Z", "release": "r1", "slot": "blue"}\n'
        '{"at": "2025-01-02T00:00:00Z", "release": "r2", "slot": "green"}\n'
    )
    assert [(entry["release"], entry["slot"]) for entry in shop.live_history()] == [("r1", "blue"), ("r2", "green")]


@pytest.mark.parametrize("torn", ['{"at": "2025-01-0', "\0\0\0"])
def test_a_history_that_was_cut_off(shop: Layout, torn: str) -> None:
    """By a full disk or a power cut: what is whole still counts."""
    shop.history.write_text(f'{{"release": "r1", "slot": "blue"}}\n{torn}\n{{"release": "r2", "slot": "green"}}\n')
    assert [entry["release"] for entry in shop.live_history()] == ["r1", "r2"]


# What is served from disk


@pytest.mark.parametrize(
    "public",
    [
        {},
        {"static": "/srv/shop/releases/r1/app/static", "media": "/var/lib/shop/media"},
        {"files/static": "/srv/shop/releases/r1/static", "files/media": "/var/lib/shop/a/../media"},
        {"static": "/srv/shop/releases/r1/static", "static2": "/var/lib/shop/media"},
    ],
)
def test_what_may_be_served(public: dict[str, str]) -> None:
    """What lies below the release or what outlives it, at URLs that do not meet."""
    public_paths(public, (Path("/srv/shop/releases/r1"), Path("/var/lib/shop")))


@pytest.mark.parametrize(
    ("public", "message"),
    [
        (
            {"static": "/etc"},
            r"'/etc' cannot be served as /static/; keep it below /srv/shop/releases/r1 or /var/lib/shop",
        ),
        ({"static": "/var/lib/shop"}, "'/var/lib/shop' cannot be served as /static/"),
        ({"static": "/var/lib/shop/../x"}, "'/var/lib/shop/../x' cannot be served as /static/"),
        ({"static": "static"}, "'static' cannot be served as /static/"),
        ({"static": "/var/lib/shopping/x"}, "cannot be served"),
        ({"../etc": "/var/lib/shop/x"}, r"the URL path '\.\./etc' of static files or uploads is none"),
        ({"a b": "/var/lib/shop/x"}, "the URL path 'a b'"),
        ({"a;b": "/var/lib/shop/x"}, "the URL path 'a;b'"),
        ({"static\n": "/var/lib/shop/x"}, "the URL path"),
        (
            {"static": "/var/lib/shop/x", "static/media": "/var/lib/shop/y"},
            "/static/media/ lies below /static/; give static files and uploads URLs of their own",
        ),
        ({"files/static": "/var/lib/shop/x", "files": "/var/lib/shop/y"}, "/files/static/ lies below /files/"),
    ],
)
def test_what_may_not_be_served(public: dict[str, str], message: str) -> None:
    """Settings are code, and root makes links of them: nothing but the site's own."""
    with pytest.raises(ValueError, match=message):
        public_paths(public, (Path("/srv/shop/releases/r1"), Path("/var/lib/shop")))


# What was deployed


def test_a_slot_knows_what_was_deployed(shop: Layout, units: Path) -> None:
    """A file that differs or is gone shows; only root may read the record, since it tells of secrets."""
    blue = shop.slots["blue"]
    blue.path.mkdir(parents=True)
    units.mkdir()
    texts = {"unit": "[Service]\n", "secrets": "KEY=1\n"}
    for name, text in texts.items():
        blue.file(name).write_text(text)
    assert blue.edited() == []
    assert blue.overlaps
    blue.seal(texts, overlaps=False)
    assert blue.edited() == []
    assert not blue.overlaps
    assert mode(blue.path / "deployed") == 0o600
    assert "KEY" not in (blue.path / "deployed").read_text()
    blue.unit_file.write_text("[Service]\nUser=root\n")
    blue.file("secrets").unlink()
    assert blue.edited() == [blue.unit_file, blue.path / "secrets"]
