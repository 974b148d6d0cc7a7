"""What is shown of a command that failed."""

from __future__ import annotations

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.output import ending, last_lines

TRACEBACK = """Traceback (most recent call last):
  File "a.py", line 1, in <module>
    import b

  File "b.py", line 1, in <module>
    import c
ModuleNotFoundError: No module named 'c'"""


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "exited with status 0"),
        (3, "exited with status 3"),
        (-9, "was killed by SIGKILL, perhaps because the host ran out of memory"),
        (-11, "was killed by SIGSEGV"),
        (-250, "was killed by signal 250"),
    ],
)
def test_how_a_process_ended(status: int, text: str) -> None:
    """By itself, or by a signal."""
    assert ending(status) == text


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("", 3, ""),
        ("\n\na\nb\n", 3, "a\nb"),
        ("a\nb\nc\nd", 3, "b\nc\nd"),
        ("  indented\nb", 3, "  indented\nb"),
    ],
)
def test_the_last_lines(text: str, most: int, shown: str) -> None:
    """No more than asked for."""
    assert last_lines(text, most) == shown


@pytest.mark.parametrize("most", range(1, 8))
@pytest.mark.parametrize("prefix", ["", "        "], ids=["plain", "indented by uv"])
def test_a_traceback_is_not_cut(most: int, prefix: str) -> None:
    """The line that matters may be any of it."""
    traceback = "\n".join(prefix + line for line in TRACEBACK.splitlines())
    assert last_lines(f"before\n{traceback}", most) == traceback


def test_what_follows_a_traceback_is_cut_by_itself() -> None:
    """It is not part of it."""
    assert last_lines(f"{TRACEBACK}\na\nb\nc", 2) == "b\nc"
    assert last_lines(f"{TRACEBACK}\na\nb", 3) == f"{TRACEBACK}\na\nb"
