"""Schedules in full, as the filter gives them to templates."""

from __future__ import annotations

from ansible_collections.pitcrew.django.plugins.filter.schedule_units import FilterModule

schedule_units = FilterModule().filters()["schedule_units"]
CLEAN = {"command": "python manage.py clearsessions", "calendar": " daily "}


def test_in_full() -> None:
    assert schedule_units({"clean": CLEAN}) == [
        {
            "schedule": "clean",
            "exec": "python manage.py clearsessions",
            "words": ["python", "manage.py", "clearsessions"],
            "calendar": "daily",
            "random_delay": 60,
            "persistent": True,
            "all_hosts": False,
            "timeout": 3600,
            "memory_mb": None,
        }
    ]


def test_what_is_said_counts() -> None:
    said = {"random_delay": "0", "persistent": "no", "all_hosts": True, "timeout": 60, "memory_mb": 256}
    [found] = schedule_units({"clean": {**CLEAN, **said}})
    assert {name: found[name] for name in said} == {
        "random_delay": 0,
        "persistent": False,
        "all_hosts": True,
        "timeout": 60,
        "memory_mb": 256,
    }


def test_another_host_than_the_first() -> None:
    """It runs what is for all of them."""
    given = {"clean": CLEAN, "warm": {**CLEAN, "all_hosts": True}}
    assert [one["schedule"] for one in schedule_units(given)] == ["clean", "warm"]
    assert [one["schedule"] for one in schedule_units(given, first_host=False)] == ["warm"]


def test_a_command_with_signs_of_its_own() -> None:
    """The program gets the words as they were written."""
    [found] = schedule_units({"clean": {**CLEAN, "command": "a 'b c' 100% $HOME '$x'"}})
    assert found["exec"] == 'a "b c" 100%% "$$HOME" "$$x"'
    assert found["words"] == ["a", "b c", "100%", "$HOME", "$x"]
