"""Rotated files are read in their order, as far back as needed, and whatever they contain."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import log_files
from ansible_collections.pitcrew.django.plugins.module_utils.log_files import LogFiles

START = 1764500000


def time_of(line: bytes) -> float | None:
    """The time of a line of this test, which is the line."""
    return float(line) if line.strip().isdigit() else None


def write(path: Path, first: int, last: int) -> None:
    """Write a file of times, one each second, that was changed when its last one was written."""
    text = "".join(f"{time}\n" for time in range(first, last)).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    os.utime(path, (last, last))


def read(files: LogFiles) -> list[bytes]:
    """All lines."""
    return [line for block in files.blocks() for line in block]


@pytest.mark.parametrize("names", [("", ".1", ".2.gz"), ("", "-20251201", "-20251130.gz")])
def test_rotated_files_in_their_order(tmp_path: Path, names: tuple[str, ...]) -> None:
    for age, name in enumerate(names):
        write(tmp_path / f"shop.access.log{name}", START - 100 * age, START - 100 * age + 100)
    (tmp_path / "shop.access.logger").write_text("1\n")
    files = LogFiles(tmp_path / "shop.access.log", START - 150, time_of)
    lines = read(files)
    assert [int(line) for line in lines if int(line) >= START - 150] == list(range(START - 150, START + 100))
    assert (files.problems, files.too_long) == ([], 0)


def test_older_files_are_not_opened(tmp_path: Path) -> None:
    write(tmp_path / "log", START, START + 10)
    write(tmp_path / "log.1", START - 100, START - 90)
    assert LogFiles(tmp_path / "log", START - 50, time_of).files == [tmp_path / "log"]


def test_a_file_that_is_being_compressed_is_read_once(tmp_path: Path) -> None:
    write(tmp_path / "log.2", START, START + 10)
    write(tmp_path / "log.2.gz", START, START + 5)
    assert len(read(LogFiles(tmp_path / "log", START, time_of))) == 10


@pytest.mark.parametrize("since", [START, START + 1, START + 123_456, START + 199_999])
def test_most_of_a_long_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, since: int) -> None:
    monkeypatch.setattr(log_files, "BLOCK", 4096)
    write(tmp_path / "log", START, START + 200_000)
    lines = [int(line) for line in read(LogFiles(tmp_path / "log", since, time_of))]
    assert lines[-1] == START + 199_999
    assert since - 1000 < lines[0] <= since
    assert lines == list(range(lines[0], START + 200_000))


def test_an_enormous_line_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"1764500001\n" + b"\0" * 3_000_000 + b"\n1764500002\n" + b"x" * 300_000 + b"\n1764500003\nlast")
    files = LogFiles(log, START, time_of)
    assert read(files) == [b"1764500001", b"1764500002", b"1764500003", b"last"]
    assert files.too_long == 2


def test_a_damaged_file_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b"%d\n" % time for time in range(START, START + 50_000)))
    (tmp_path / "log.2.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "log.3.gz").write_bytes(b"no gzip")
    (tmp_path / "log.4.zst").write_bytes(b"")
    (tmp_path / "log").write_bytes(b"1764600000\n")
    files = LogFiles(tmp_path / "log", START, time_of)
    assert read(files)[-1] == b"1764600000"
    assert sorted(problem.partition(" ")[0].rpartition("/")[2] for problem in files.problems) == [
        "log.2.gz",
        "log.3.gz",
        "log.4.zst",
    ]


def test_no_file_at_all(tmp_path: Path) -> None:
    assert read(LogFiles(tmp_path / "log", START, time_of)) == []
