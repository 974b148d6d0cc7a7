"""What is shown of a command that failed: how it ended, and never a traceback that ends before its exception."""

from __future__ import annotations

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.output import ending, exception_in, excerpt

DIRECT = "The above exception was the direct cause of the following exception:"
DURING = "During handling of the above exception, another exception occurred:"


def traceback(frames: int, error: str = "ImportError: no wheels") -> list[str]:
    """Give a traceback as Python writes it."""
    lines = ["Traceback (most recent call last):"]
    for number in range(frames):
        lines += [f'  File "/srv/shop/app/{number}.py", line {number}, in call', f"    call_{number}()"]
    return [*lines, error]


def log(count: int, text: str = "INFO request") -> list[str]:
    """Give lines of a log."""
    return [f"{text} {number}" for number in range(count)]


def shown(*lines: str, limit: int = 20) -> list[str]:
    """Give the excerpt of these lines."""
    return excerpt("\n".join(lines) + "\n\n", limit).splitlines()


@pytest.mark.parametrize("count", [0, 1, 20])
def test_a_short_journal_is_shown_as_it_is(count: int) -> None:
    lines = [*log(count)[:-1], "    ^^^^"][:count]
    assert shown(*lines) == lines


def test_a_journal_without_a_traceback() -> None:
    """Its last lines, and how many came before."""
    assert shown(*log(25)) == ["[5 lines left out]", *log(25)[5:]]


def test_what_says_nothing_is_left_out_first() -> None:
    """Marks below the code, and the frames of Python's own import."""
    frame = ['  File "/srv/shop/a.py", line 1, in a', "    a.b(c)", "    ~~~^^^"]
    frozen = ['  File "<frozen importlib._bootstrap>", line 1027, in _find_and_load']
    lines = ["Traceback (most recent call last):", *(frame + frozen) * 5, "KeyError: 1"]
    assert shown(*lines) == ["Traceback (most recent call last):", *frame[:2] * 5, "KeyError: 1"]


@pytest.mark.parametrize("after", range(0, 40))
@pytest.mark.parametrize("frames", [1, 6, 9, 10, 30])
def test_the_last_traceback_is_shown_down_to_its_exception(frames: int, after: int) -> None:
    """Whatever is written after it; whole, with its first line, if there is room for it; and the very last lines."""
    last = traceback(frames)
    lines = [*log(30, "DEBUG"), *traceback(8, "KeyError: first"), *last, *log(after)]
    found = shown(*lines)
    assert found[-1] == lines[-1]
    assert len([line for line in found if "left out" not in line]) <= 20
    assert last[0] in found
    assert last[-1] in found
    if len(last) <= 15:
        place = found.index(last[-1])
        assert found[place + 1 - len(last) : place + 1] == last


@pytest.mark.parametrize("frames", range(1, 9))
def test_an_earlier_traceback_is_not_shown_in_part(frames: int) -> None:
    """It would be one without a beginning."""
    lines = [*traceback(8, "KeyError: first"), *log(2), *traceback(frames)]
    found = shown(*lines)
    assert found[-2 * frames - 2 :] == traceback(frames)
    assert [line for line in found if "KeyError" in line or line.startswith("  ")] == traceback(frames)[1:-1]


@pytest.mark.parametrize("link", [DIRECT, DURING])
@pytest.mark.parametrize("blank", [[""], []], ids=["as Python writes it", "as journald keeps it"])
def test_causes_belong_to_the_traceback(link: str, blank: list[str]) -> None:
    """The first exception is the one that matters, where there is room for both."""
    chain = [*traceback(2, "KeyError: first"), *blank, link, *blank, *traceback(2)]
    assert shown(*log(30), *chain, *log(9))[1 : 1 + len(chain)] == chain
    assert shown(*log(30), *chain)[-len(chain) :] == chain


def test_a_traceback_that_is_too_long() -> None:
    """Its first line, and its end, where the project's own frames are."""
    lines = [*log(3), *traceback(40)]
    assert shown(*lines) == ["[3 lines left out]", lines[3], "[62 lines left out]", *lines[-19:]]


def test_a_message_of_several_lines() -> None:
    """The exception's own lines are its last."""
    lines = [*traceback(2, "OperationalError: connection failed"), "\tIs the server running?", *log(30)]
    assert shown(*lines)[:7] == lines[:7]


def test_a_traceback_behind_a_prefix() -> None:
    """Such as that of a logger's formatter."""
    lines = ["ERROR Traceback (most recent call last):", *traceback(3)[1:], *log(30)]
    assert shown(*lines)[:8] == lines[:8]


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


def test_a_traceback_is_shown_once() -> None:
    """The last time, with the line that introduces it; others between them stay."""
    again = ["ERROR GET /", *traceback(2)]
    other = ["ERROR GET /shop/", *traceback(2, "KeyError: 1")]
    assert shown("Booting", *again * 3, *other, *again, *again, "Stopping", limit=30) == [
        "Booting",
        "[4 repeated tracebacks left out]",
        *other,
        *again,
        "Stopping",
    ]


def test_tracebacks_without_a_line_between_them() -> None:
    """Only what introduces a repetition is left out with it, never the end of another traceback."""
    assert shown(*traceback(1, "KeyError: 1"), *traceback(2), *traceback(2)) == [
        *traceback(1, "KeyError: 1"),
        "[1 repeated traceback left out]",
        *traceback(2),
    ]


def test_what_uv_indents() -> None:
    """As it does with all that a build has written: the exception, which comes last, is not left out."""
    lines = [f"         {line}" for line in [*log(150), *traceback(40), "hint: a compiler is missing"]]
    found = shown(*lines)
    assert found[-2:] == lines[-2:]
    assert len(found) > 5


def test_a_traceback_without_an_end() -> None:
    """What there is of it is shown, not only how much is left out."""
    lines = ["Traceback (most recent call last):", *(f'  File "{number}"' for number in range(200))]
    assert shown(*lines)[-1] == lines[-1]
    assert len(shown(*lines)) > 10


@pytest.mark.parametrize(
    ("lines", "exception"),
    [
        ([], ""),
        (["Booting"], ""),
        ([*traceback(2, "KeyError: 1"), *log(3)], "KeyError: 1"),
        (
            [*traceback(2, "KeyError: 1"), "ERROR GET /", *traceback(3, "django.NoReverseMatch: Reverse for 'x'.")],
            "django",
        ),
        ([*traceback(2, "OperationalError: failed"), "\tIs it running?"], "OperationalError: failed Is it running?"),
        ([f"    {line}" for line in traceback(2, "ImportError: x")], "ImportError: x"),
        (traceback(1, f"ValueError: {300 * 'x'}"), f"ValueError: {188 * 'x'}"),
    ],
)
def test_the_exception(lines: list[str], exception: str) -> None:
    """It is that of the last traceback, in one line that fits a sentence."""
    found = exception_in("\n".join(lines))
    assert found.startswith(exception)
    assert bool(found) is bool(exception)
    assert len(found) <= 203


def test_the_whole_exception() -> None:
    """Without its full stop: it is followed by one."""
    assert (
        exception_in("\n".join(traceback(3, "NoReverseMatch: Reverse for 'x'."))) == "NoReverseMatch: Reverse for 'x'"
    )
