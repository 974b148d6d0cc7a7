# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of tools: complete as soon as they exist, and nothing stays of what was cut off."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.tools import Toolbox


def toolbox(parent: Path) -> Toolbox:
    """Give a toolbox that runs nothing."""
    return Toolbox(lambda *_words, **_options: (0, "", ""), "/usr/bin/python3", {}, parent)


def test_what_was_cut_off_is_removed(tmp_path: Path) -> None:
    """Unless it is so new that another site may be filling it, or belongs to another version."""
    for name, age in ((".uv-1.2-abc", 90000), (".uv-1.2-new", 60), (".uv-1.3-abc", 90000)):
        (tmp_path / name).mkdir()
        when = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (when, when))
    toolbox(tmp_path).install(tmp_path / "uv-1.2", lambda new: (new / "uv").write_text("") and None)
    assert sorted(os.listdir(tmp_path)) == [".uv-1.2-new", ".uv-1.3-abc", "uv-1.2"]


def test_one_that_fails(tmp_path: Path) -> None:
    """Nothing of it stays."""

    def fill(_new: Path) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        toolbox(tmp_path).install(tmp_path / "uv-1.2", fill)
    assert os.listdir(tmp_path) == []


def test_another_site_is_faster(tmp_path: Path) -> None:
    """Its directory counts."""

    def fill(new: Path) -> None:
        (new / "uv").write_text("mine")
        (tmp_path / "uv-1.2").mkdir()
        (tmp_path / "uv-1.2/uv").write_text("theirs")

    toolbox(tmp_path).install(tmp_path / "uv-1.2", fill)
    assert os.listdir(tmp_path) == ["uv-1.2"]
    assert (tmp_path / "uv-1.2/uv").read_text() == "theirs"
