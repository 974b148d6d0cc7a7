"""Files and links are replaced at once, on a real disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text, replace_link, write_file


def mode(path: Path) -> int:
    """Give the permissions alone."""
    return path.stat().st_mode & 0o7777


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
