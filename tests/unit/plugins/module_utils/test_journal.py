"""What is shown of a unit's journal, and where in a message."""

from __future__ import annotations

from ansible_collections.pitcrew.django.plugins.module_utils.journal import Refusal, message, of_unit


def test_a_message_begins_with_its_sentence() -> None:
    """Then comes what there is to read, once; every sentence has its full stop."""
    refusal = Refusal(
        "It is refused: status 3", of_unit("shop@green.service", "one\ntwo"), of_unit("shop@blue.service", "")
    )
    assert message(refusal) == (
        "It is refused: status 3.\n\nThe journal of shop@green:\none\ntwo\n\nThe journal of shop@blue:\n(empty)"
    )
    assert message(OSError("No space left.")) == "No space left."


LINES = [f"INFO request {number}" for number in range(70)]


def test_the_journal_of_a_unit_is_its_end() -> None:
    """As many lines as a person reads."""
    assert of_unit("shop@green.service", "\n".join(LINES)).splitlines() == [
        "The journal of shop@green:",
        "[10 lines left out]",
        *LINES[10:],
    ]
