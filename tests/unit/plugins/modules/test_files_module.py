"""Several files written in one visit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pitcrew.django.plugins.modules import files as module

Play = Callable[..., dict[str, Any]]


@pytest.fixture
def play(capsys: pytest.CaptureFixture[str]) -> Play:
    """Run the module, and give its answer."""

    def run(files: dict[str, str], check: bool = False) -> dict[str, Any]:
        with patch_module_args({"files": files, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return answer

    return run


def test_only_what_differs_is_written(play: Play, tmp_path: Path) -> None:
    code, unit = tmp_path / "lib/hello/__main__.py", tmp_path / "hello.service"
    unit.write_text("[Unit]\n")
    wanted = {str(code): "print('hello')\n", str(unit): "[Unit]\n"}
    answer = play(wanted)
    assert answer["files"] == [str(code)]
    assert answer["changed"]
    assert code.read_text() == "print('hello')\n"
    assert code.stat().st_mode & 0o777 == 0o644
    assert not play(wanted)["changed"]


def test_check_mode_shows_the_difference_and_writes_nothing(play: Play, tmp_path: Path) -> None:
    path = tmp_path / "new/file"
    answer = play({str(path): "after\n"}, check=True)
    assert answer["diff"] == [{"before_header": str(path), "after_header": str(path), "before": "", "after": "after\n"}]
    assert not path.parent.exists()


def test_a_path_that_cannot_be_written(play: Play, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = play({str(tmp_path / "file/below"): "text"})
    assert answer["failed"]
    assert "cannot be written: Not a directory" in answer["msg"] or "File exists" in answer["msg"]
