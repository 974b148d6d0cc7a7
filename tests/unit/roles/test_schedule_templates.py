"""What systemd is given for commands by calendar, rendered by Ansible with the role's own variables."""

from __future__ import annotations

from typing import Any

import pytest
from test_templates import PLAN, PLAY, lines, play_renders

CLEAN = {"command": "python manage.py clearsessions --older '100 %'", "calendar": "Mon..Fri  07:30", "memory_mb": 300}
WARM = {
    **CLEAN,
    "command": "python manage.py warm",
    "all_hosts": True,
    "random_delay": 0,
    "persistent": False,
    "timeout": 60,
    "memory_mb": 200,
}
BOTH = {"clean": CLEAN, "warm": WARM}
SITES: dict[str, dict[str, Any]] = {
    "first": {"site_hosts": "first:second", "site_schedules": BOTH},
    "second": {"site_hosts": "first:second", "site_schedules": BOTH, "site_name": "my-shop"},
    "balancer": {"site_hosts": "balancer", "site_schedules": BOTH, "site_backends": ["10.0.0.1:80"]},
    "project": {"site_hosts": "project", "site_schedules": {"clean": CLEAN}, "site_project_directory": "web/shop"},
    "none": {"site_hosts": "none"},
    "planned": {
        "site_hosts": "planned",
        "site_plan_inputs": {"worker_shared_mb": 20, "worker_unique_mb": 70, "growth_mb": 10},
        "site_schedules": {"clean": {"command": "a", "calendar": "daily"}},
    },
}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Render all sites."""
    facts = PLAY[0]["tasks"][: 1 + len(PLAN)]
    show = {
        "name": "Render",
        "ansible.builtin.debug": {"msg": "{{ rendered | to_json | b64encode }}"},
        "vars": {
            "rendered": {
                "units": "{{ __site_schedule_units }}",
                "command": "{{ lookup('ansible.builtin.template', 'command.properties.j2') }}",
                "calendars": "{{ __site_calendars }}",
                "record": "{{ __site_record.schedules | default('none') }}",
            }
        },
    }
    gunicorn = {"name": "Configure gunicorn", "ansible.builtin.import_role": {"name": "pitcrew.django.gunicorn"}}
    play = [{**PLAY[0], "tasks": [*facts, gunicorn, show]}]
    return play_renders(tmp_path_factory.mktemp("schedules"), play, SITES)


def unit(rendered: dict[str, dict[str, Any]], host: str, name: str, kind: str) -> list[str]:
    """Give the lines of a unit."""
    [text] = [one[kind] for one in rendered[host]["units"] if one["name"] == name]
    assert text.startswith("#\n# Ansible managed\n#\n")
    return lines(text)


def test_which_host_runs_what(rendered: dict[str, dict[str, Any]]) -> None:
    """The first one of the inventory everything, the others what is for all; one that only balances nothing."""
    names = {host: [one["name"] for one in found["units"]] for host, found in rendered.items()}
    assert names == {
        "first": ["clean", "warm"],
        "second": ["warm"],
        "balancer": [],
        "project": ["clean"],
        "none": [],
        "planned": ["clean"],
    }
    assert rendered["first"]["calendars"] == {"clean": "Mon..Fri 07:30", "warm": "Mon..Fri 07:30"}
    assert rendered["second"]["calendars"] == {"warm": "Mon..Fri 07:30"}
    assert [rendered[host]["record"] for host in ("first", "second", "none")] == [["clean", "warm"], ["warm"], "none"]


def test_the_timer(rendered: dict[str, dict[str, Any]]) -> None:
    assert unit(rendered, "first", "clean", "timer") == [
        "[Unit]",
        "Description=shop: clean, by calendar",
        "[Timer]",
        "OnCalendar=Mon..Fri 07:30",
        "RandomizedDelaySec=60",
        "AccuracySec=1",
        "Persistent=true",
        "[Install]",
        "WantedBy=timers.target",
    ]
    other = unit(rendered, "first", "warm", "timer")
    assert {"RandomizedDelaySec=0", "Persistent=false"} <= set(other)


def test_the_service(rendered: dict[str, dict[str, Any]]) -> None:
    """As the site's user, in the release that the environment of the live slot names, after the web processes."""
    found = unit(rendered, "first", "clean", "service")
    there = "/usr/bin/env --chdir=/srv/shop/releases/${SITE_RELEASE}/app"
    assert f'ExecStart={there} python manage.py clearsessions --older "100 %%"' in found
    assert {
        "Type=oneshot",
        "User=shop",
        "Group=shop",
        "EnvironmentFile=/srv/shop/live/environment",
        "EnvironmentFile=/srv/shop/live/secrets",
        "ConditionPathIsSymbolicLink=/srv/shop/live",
        "StateDirectory=shop",
        "TimeoutStartSec=3600",
        "Slice=system-shop.slice",
        "CPUWeight=20",
        "MemoryMax=300M",
        "ProtectSystem=strict",
        "NoNewPrivileges=true",
    } <= set(found)
    assert "TimeoutStartSec=60" in unit(rendered, "first", "warm", "service")


def test_a_project_in_a_directory(rendered: dict[str, dict[str, Any]]) -> None:
    [command] = [line for line in unit(rendered, "project", "clean", "service") if line.startswith("ExecStart=")]
    assert command.startswith("ExecStart=/usr/bin/env --chdir=/srv/shop/releases/${SITE_RELEASE}/app/web/shop python ")


def test_a_dash_in_the_slice_is_escaped(rendered: dict[str, dict[str, Any]]) -> None:
    """As systemd does in the slice of the site's slots; a dash would be a slice in another."""
    assert r"Slice=system-my\x2dshop.slice" in unit(rendered, "second", "warm", "service")


def test_a_command_of_a_person_has_the_same_surroundings(rendered: dict[str, dict[str, Any]]) -> None:
    """The sandbox, the state directory, and the place behind web requests."""
    properties = lines(rendered["second"]["command"])
    service = set(unit(rendered, "second", "warm", "service"))
    assert [line for line in properties if line not in service] == ["MemoryMax=50%"]
    assert {"ProtectSystem=strict", "CPUWeight=20", r"Slice=system-my\x2dshop.slice"} <= set(properties)


def test_memory_that_follows_from_the_plan(rendered: dict[str, dict[str, Any]]) -> None:
    """What one worker has, 20 + 70 + 10 MB, two and a half times."""
    assert "MemoryMax=250M" in unit(rendered, "planned", "clean", "service")
