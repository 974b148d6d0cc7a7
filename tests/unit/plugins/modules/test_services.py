# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module does for a site, by what it finds; PostgreSQL and Redis are played."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pitcrew.django.plugins.module_utils import redis_instances
from ansible_collections.pitcrew.django.plugins.module_utils import services as services_module
from ansible_collections.pitcrew.django.plugins.module_utils.postgresql import Postgresql, PostgresqlError
from ansible_collections.pitcrew.django.plugins.module_utils.redis_instances import Instance, Redis
from ansible_collections.pitcrew.django.plugins.module_utils.services import command, examine
from ansible_collections.pitcrew.django.plugins.modules import services as module

EMPTY = {"cluster": "15/main", "version": 15, "role": None, "database": None}
SERVED = {**EMPTY, "role": {"is_ours": True}, "database": {"owner": "shop"}}
UNITS = ["redis-server@shop.service", "redis-server@shop.cache.service"]


@dataclass
class Host:
    """What the host has, and what was done to it."""

    postgresql: dict[str, Any] | None = field(default_factory=lambda: dict(EMPTY))
    up: bool = False
    cannot_connect: str = ""
    done: list[str] = field(default_factory=list)

    def create(self, name: str, _found: dict[str, Any]) -> list[str]:
        """Create a role and a database."""
        self.done.append(f"create {name}")
        self.postgresql = dict(SERVED)
        return ["role", "database"]

    def connect(self, _name: str, _found: dict[str, Any]) -> None:
        """Let the site's user in, or not."""
        if self.cannot_connect:
            raise PostgresqlError(self.cannot_connect)

    def bring_up(self, one: Instance, size: int) -> None:
        """Start an instance."""
        self.done.append(f"{one.unit} with {size} MB")


Asked = Callable[..., dict[str, Any]]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    """Give a host with an empty PostgreSQL, and without Redis."""
    host = Host()
    monkeypatch.setattr(module, "packages_installed", list)
    monkeypatch.setattr(module, "read_services", lambda *_: {"postgresql": host.postgresql})
    monkeypatch.setattr(Postgresql, "create", lambda _self, *args: host.create(*args))
    monkeypatch.setattr(Postgresql, "connect", lambda _self, *args: host.connect(*args))
    monkeypatch.setattr(Redis, "bring_up", lambda _self, *args: host.bring_up(*args))
    monkeypatch.setattr(Redis, "outdated", lambda *_: [])
    monkeypatch.setattr(Redis, "is_up", lambda *_: host.up)
    monkeypatch.setattr(Redis, "leave_out_default", lambda _self: host.done.append("no default"))
    monkeypatch.setattr(redis_instances, "CONFIGURATION", tmp_path)
    return host


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Asked:
    """Run the module for the site shop."""

    def asked(*services: str, **arguments: Any) -> dict[str, Any]:
        sizes = {"redis_mb": 64, "redis_cache_mb": 32} if "redis" in services else {}
        given = {"name": "shop", "services": list(services), **sizes, **arguments}
        with patch_module_args(given), pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return asked


def test_a_database_is_created_once(host: Host, ask: Asked) -> None:
    """The fact then has it."""
    answer = ask("postgresql")
    assert (answer["changed"], answer["created"]) == (True, ["role shop", "database shop"])
    assert answer["ansible_facts"] == {"pitcrew_services": {"postgresql": SERVED}}
    again = ask("postgresql")
    assert (again["changed"], again["created"], host.done) == (False, [], ["create shop"])


def test_both_instances_of_redis_are_brought_up(host: Host, ask: Asked) -> None:
    answer = ask("redis", fresh=["redis-server"])
    assert answer["created"] == UNITS
    assert host.done == ["no default", f"{UNITS[0]} with 64 MB", f"{UNITS[1]} with 32 MB"]


def test_instances_that_are_up_are_left_alone(host: Host, ask: Asked) -> None:
    """So is the instance of a package that was there."""
    host.up = True
    assert ask("redis")["changed"] is False
    assert host.done == []


def test_check_mode_changes_nothing(host: Host, ask: Asked) -> None:
    """Neither with the packages nor without."""
    assert ask("postgresql", "redis", fresh=["redis-server"], _ansible_check_mode=True)["changed"] is True
    host.postgresql = None
    answer = ask("postgresql", _ansible_check_mode=True)
    assert (answer["changed"], host.done) == (True, [])


@pytest.mark.parametrize(
    ("found", "cannot_connect", "message"),
    [
        (None, "", "PostgreSQL is not installed on this host: sudo apt-get install postgresql."),
        (
            {**EMPTY, "role": {"is_ours": False}},
            "",
            "The role shop in PostgreSQL 15/main is not the site's; rename the site.",
        ),
        (
            {**SERVED, "database": {"owner": "anna"}},
            "",
            "The database shop in PostgreSQL 15/main belongs to anna; rename the site.",
        ),
        ({"problem": "its cluster is down", "cure": "start it"}, "", "Its cluster is down; start it."),
        (
            EMPTY,
            "FATAL: no pg_hba.conf entry",
            "PostgreSQL does not give the site its role and database: FATAL: no pg_hba.conf entry.",
        ),
    ],
)
def test_refusals(host: Host, ask: Asked, found: dict[str, Any] | None, cannot_connect: str, message: str) -> None:
    host.postgresql, host.cannot_connect = found, cannot_connect
    answer = ask("postgresql")
    assert (answer["failed"], answer["msg"]) == (True, message)


def test_an_instance_of_somebody_else_is_refused(host: Host, ask: Asked, tmp_path: Path) -> None:
    file = tmp_path / "redis-shop.cache.conf"
    file.write_text("port 6380\n")
    answer = ask("redis")
    assert answer["msg"] == f"{file} was not written for the site shop; move it, or rename the site."
    assert UNITS[1] not in " ".join(host.done)


def test_sizes_are_required(ask: Asked) -> None:
    assert ask("redis", redis_mb=None)["msg"] == "services: redis needs redis_mb and redis_cache_mb."


# How they are


@pytest.mark.parametrize(
    ("found", "row", "complaints"),
    [
        (None, ("PostgreSQL", "absent", ""), ["PostgreSQL is not on this host, but in site_services: deploy"]),
        (
            {"version": 17, "problem": "its cluster is down", "cure": "start it"},
            ("PostgreSQL 17", "unusable", ""),
            ["Its cluster is down: start it"],
        ),
        (
            {**EMPTY},
            ("PostgreSQL 15", "running", "no database"),
            ["PostgreSQL has no database shop: deploy, or restore a backup"],
        ),
        (SERVED, ("PostgreSQL 15", "running", "database shop: 8 MB, 3 connections"), []),
    ],
)
def test_how_postgresql_is(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, Any] | None, row: tuple[str, ...], complaints: list[str]
) -> None:
    monkeypatch.setattr(Postgresql, "use", lambda *_: {"size_mb": 8, "connections": 3})
    assert examine("shop", {"postgresql": found}) == (
        [dict(zip(("service", "state", "use"), row, strict=True))],
        complaints,
    )


def test_how_redis_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache runs, the other one has failed."""

    def run(words: list[str], _text: str = "") -> tuple[int, str, str]:
        if words[0] == "redis-cli":
            return 0, "used_memory:1048576\r\nmaxmemory:33554432\r\n", ""
        state = "active" if words[-1] == UNITS[1] else "failed"
        return 0, f"ActiveState={state}\nMainPID=0\nNRestarts=0\nInvocationID=\n", ""

    monkeypatch.setattr(services_module, "command", run)
    rows, complaints = examine("shop", {"redis": {"installed": True, "foreign": []}})
    assert [tuple(row.values()) for row in rows] == [
        ("Redis", "failed", ""),
        ("Redis, cache", "running", "1.0 of 32 MB"),
    ]
    assert complaints == [f"{UNITS[0]} is not running (failed): systemctl start {UNITS[0]}, or deploy"]


def test_a_command_has_its_text_and_a_program_that_is_missing_a_name() -> None:
    assert command(["cat"], "héllo") == (0, "héllo", "")
    assert command(["no-such-program"]) == (127, "", "no-such-program is not installed")
