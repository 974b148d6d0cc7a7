"""What a host remembers of commands: those for an empty database that are due, and those that have run once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.commands_record import CommandsRecord, parsed


def texts(due: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The first commands that are due, and the others."""
    first, others = ([" ".join(one["words"]) for one in due[name]] for name in ("first_commands", "commands"))
    return first if due["first_due"] else [], others


def note(record: CommandsRecord, *ran: str, complete: bool = False) -> None:
    """Note what has run, as a report has it."""
    record.note([dict(zip(("why", "command"), one.split(": "), strict=True)) for one in ran], complete=complete)


FIRST = parsed(["loaddata a", "createsuperuser --no-input"])
OTHERS = parsed(["rebuild", {"command": "createcachetable", "once": True}])


@pytest.fixture
def record(tmp_path: Path) -> CommandsRecord:
    """Give the record of a host that has none."""
    return CommandsRecord(tmp_path)


def test_commands_as_they_are_written() -> None:
    """A text, or a mapping; as a shell takes it apart."""
    assert parsed(["loaddata 'a b.json'", {"command": "x", "once": True}, {"command": "y"}]) == [
        {"words": ["loaddata", "a b.json"], "once": False},
        {"words": ["x"], "once": True},
        {"words": ["y"], "once": False},
    ]


@pytest.mark.parametrize("text", ["", " ", "a 'b"])
def test_commands_that_are_none(text: str) -> None:
    """The module fails with the sentence, should the control node not have seen it."""
    with pytest.raises(ValueError, match=r"has no command|No closing quotation"):
        parsed([text])


def test_a_new_host(record: CommandsRecord) -> None:
    """Nothing is due before a database was seen empty, and each other command is."""
    assert texts(record.due(FIRST, OTHERS)) == ([], ["rebuild", "createcachetable"])
    assert not record.file.exists()


def test_first_commands_are_due_until_all_have_succeeded(record: CommandsRecord) -> None:
    """What has succeeded does not run again; what began and did not finish does."""
    record.owe_first()
    assert texts(record.due(FIRST, [])) == (["loaddata a", "createsuperuser --no-input"], [])
    note(record, "first: loaddata a")
    assert texts(record.due(FIRST, [])) == (["createsuperuser --no-input"], [])
    assert record.read()["first_due"]
    note(record, "first: createsuperuser --no-input", complete=True)
    assert texts(record.due(FIRST, [])) == ([], [])
    assert not record.read()["first_due"]


def test_a_first_command_that_was_corrected(record: CommandsRecord) -> None:
    """The inventory of today counts."""
    record.owe_first()
    note(record, "first: loaddata a")
    assert texts(record.due(parsed(["loaddata a", "loaddata b"]), [])) == (["loaddata b"], [])
    assert texts(record.due([], [])) == ([], [])


def test_a_database_that_was_emptied_again(record: CommandsRecord) -> None:
    """All of them are due again."""
    record.owe_first()
    note(record, "first: loaddata a")
    record.owe_first()
    assert texts(record.due(FIRST, [])) == (["loaddata a", "createsuperuser --no-input"], [])


def test_a_command_that_runs_once(record: CommandsRecord) -> None:
    """Also after the first ones are done; if its text changes, it is another one."""
    note(record, "release: rebuild", "once: createcachetable", complete=True)
    assert texts(record.due(FIRST, OTHERS)) == ([], ["rebuild"])
    changed = parsed([{"command": "createcachetable --database=x", "once": True}])
    assert texts(record.due(FIRST, changed)) == ([], ["createcachetable --database=x"])


@pytest.mark.parametrize("text", ["", "{", '{"first_due": tr'])
def test_a_record_that_was_cut_off(record: CommandsRecord, text: str) -> None:
    """It counts as none: what runs once may run twice."""
    record.file.write_text(text)
    assert texts(record.due(FIRST, OTHERS)) == ([], ["rebuild", "createcachetable"])


def test_who_may_read_it(record: CommandsRecord) -> None:
    """Root writes it; nothing in it is secret."""
    record.owe_first()
    assert record.file.stat().st_mode & 0o777 == 0o644
