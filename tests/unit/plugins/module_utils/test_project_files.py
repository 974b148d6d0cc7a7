"""Root writes files into a tree that others have filled: never through a link, and for nobody else to read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.project_files import ProjectFileError, write_project_file


@pytest.fixture(autouse=True)
def owners(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """Write down who is given what, since only root could do it."""
    found: dict[str, tuple[int, int]] = {}

    def fchown(file: int, user: int, group: int) -> None:
        found[os.path.basename(os.readlink(f"/proc/self/fd/{file}"))] = (user, group)

    monkeypatch.setattr(os, "fchown", fchown)
    return found


def test_a_new_file(tmp_path: Path, owners: dict[str, tuple[int, int]]) -> None:
    """It is root's, and the group reads it; a directory that was missing is the user's, as those of the source are."""
    assert write_project_file(tmp_path, "shop/conf/local.py", "KEY = 'ü'\n", 12, 34) is False
    path = tmp_path / "shop/conf/local.py"
    assert path.read_text() == "KEY = 'ü'\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    *directories, (_new, given) = owners.items()
    assert (dict(directories), given) == ({"shop": (12, 34), "conf": (12, 34)}, (0, 34))
    assert os.listdir(path.parent) == ["local.py"]


def test_a_file_of_the_source(tmp_path: Path) -> None:
    """It is replaced, and that is told."""
    (tmp_path / "local.py").write_text("old")
    assert write_project_file(tmp_path, "local.py", "new", 12, 34) is True
    assert (tmp_path / "local.py").read_text() == "new"


def test_a_source_with_every_name_that_a_file_in_the_making_had(tmp_path: Path) -> None:
    """What was .local.py.new once, is a file of the source like any other."""
    (tmp_path / ".local.py.new").write_text("of the source")
    (tmp_path / ".other.py.new").mkdir()
    assert write_project_file(tmp_path, "local.py", "new", 12, 34) is False
    assert write_project_file(tmp_path, "other.py", "new", 12, 34) is False
    assert sorted(os.listdir(tmp_path)) == [".local.py.new", ".other.py.new", "local.py", "other.py"]
    assert (tmp_path / ".local.py.new").read_text() == "of the source"


def test_a_link_in_place_of_the_file(tmp_path: Path) -> None:
    """The link is replaced, and not what it leads to."""
    other = tmp_path / "other"
    other.write_text("root's")
    (tmp_path / "app").mkdir()
    (tmp_path / "app/local.py").symlink_to(other)
    assert write_project_file(tmp_path / "app", "local.py", "new", 12, 34) is True
    assert other.read_text() == "root's"
    assert not (tmp_path / "app/local.py").is_symlink()


def test_a_link_on_the_way(tmp_path: Path) -> None:
    """The source cannot lead root to another place."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "app").mkdir()
    (tmp_path / "app/conf").symlink_to(tmp_path / "etc")
    with pytest.raises(ProjectFileError, match="'conf' is a symbolic link in the source; choose another path"):
        write_project_file(tmp_path / "app", "conf/local.py", "x", 12, 34)
    assert os.listdir(tmp_path / "etc") == []


def test_a_link_in_place_of_everything(tmp_path: Path) -> None:
    (tmp_path / "app").symlink_to(tmp_path)
    with pytest.raises(OSError, match="app"):
        write_project_file(tmp_path / "app", "local.py", "x", 12, 34)


def test_a_file_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "conf").touch()
    with pytest.raises(ProjectFileError, match="'conf' is a file in the source"):
        write_project_file(tmp_path, "conf/local.py", "x", 12, 34)


def test_a_directory_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    with pytest.raises(ProjectFileError, match="'conf' is a directory of the source"):
        write_project_file(tmp_path, "conf", "x", 12, 34)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", ""])
def test_a_path_that_leads_out(tmp_path: Path, path: str) -> None:
    """The control node refuses it earlier; the host trusts nobody."""
    with pytest.raises(ProjectFileError, match="not a path inside the project"):
        write_project_file(tmp_path, path, "x", 12, 34)
