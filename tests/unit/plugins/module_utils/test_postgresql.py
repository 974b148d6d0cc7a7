# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PostgreSQL of a host as a site meets it: what is read, what is refused, and what is created."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.postgresql import (
    Postgresql,
    PostgresqlError,
    clusters_of,
    local_method,
    mark,
)

MAIN = "15  main    5432 online postgres /var/lib/postgresql/15/main /var/log/postgresql/postgresql-15-main.log\n"
PEER = {"line": 118, "databases": ["all"], "users": ["all"], "method": "peer", "options": None}
ADMIN = {"line": 113, "databases": ["all"], "users": ["postgres"], "method": "peer", "options": None}
ANSWER: dict[str, Any] = {
    "version": 15,
    "max_connections": 100,
    "reserved": 3,
    "shared_buffers": 134217728,
    "sockets": "/var/run/postgresql, /tmp",
    "is_standby": False,
    "encoding": "UTF8",
    "others": 2,
    "role": None,
    "database": None,
    "rules_file": "/etc/postgresql/15/main/pg_hba.conf",
    "rules": [ADMIN, PEER],
}
FOUND = {
    "cluster": "15/main",
    "unit": "postgresql@15-main.service",
    "port": 5432,
    "version": 15,
    "max_connections": 100,
    "reserved": 3,
    "shared_buffers_mb": 128.0,
    "socket": "/var/run/postgresql",
    "encoding": "UTF8",
    "others": 2,
    "role": None,
    "database": None,
    "mark": "pitcrew.django: site shop",
}


@dataclass
class Host:
    """The host's commands: they print what a test says, and are remembered with what they were given."""

    clusters: str = MAIN
    answer: dict[str, Any] = field(default_factory=lambda: dict(ANSWER))
    errors: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[list[str], str]] = field(default_factory=list)

    def run(self, words: list[str], text: str) -> tuple[int, str, str]:
        """Answer as pg_lsclusters and psql do."""
        self.asked.append((words, text))
        if words[0] == "pg_lsclusters":
            return 0, self.clusters, ""
        error = next((error for part, error in self.errors.items() if part in text or part in words), "")
        return (2, "", error) if error else (0, json.dumps(self.answer) if "SELECT json" in text else "", "")

    def read(self, *packages: str) -> dict[str, Any] | None:
        """Read the server as the site shop does."""
        return Postgresql(self.run).read("shop", packages or ("postgresql-15", "postgresql-client-15"))


def test_a_server_that_is_there() -> None:
    """What its plan and its processes need; the first directory of sockets is the one to use."""
    host = Host()
    assert host.read() == FOUND
    words, _text = host.asked[-1]
    assert words[:5] == ["runuser", "-u", "postgres", "--", "env"]
    assert "PGCLUSTER=15/main" in words
    assert "--set=name=shop" in words


@pytest.mark.parametrize("packages", [("postgresql-client-15", "postgresql-common"), ("postgresql-15-postgis-3",)])
def test_a_host_without_a_server(packages: tuple[str, ...]) -> None:
    """Clients and extensions are no server, and nothing is asked."""
    host = Host()
    assert host.read(*packages) is None
    assert host.asked == []


def test_clusters_as_they_are_listed() -> None:
    two = clusters_of(MAIN + "13  old     5433 down     postgres /var/lib/postgresql/13/old /var/log/13\n\n")
    assert [(cluster.id, cluster.port, cluster.status) for cluster in two] == [
        ("15/main", 5432, "online"),
        ("13/old", 5433, "down"),
    ]
    assert two[1].unit == "postgresql@13-old.service"


def test_the_cluster_at_the_usual_port_is_used() -> None:
    found = Host(clusters=MAIN.replace("main", "spare").replace("5432", "5433") + MAIN).read()
    assert found is not None
    assert (found["cluster"], found["port"]) == ("15/main", 5432)


def test_the_only_cluster_is_used_wherever_it_listens() -> None:
    found = Host(clusters=MAIN.replace("5432", "5433")).read()
    assert found is not None
    assert (found["cluster"], found["port"]) == ("15/main", 5433)


@pytest.mark.parametrize(
    ("host", "problem", "cure"),
    [
        (
            Host(clusters=""),
            "PostgreSQL is installed on this host, but has no cluster",
            'create one: sudo pg_createcluster "$(ls /usr/lib/postgresql | tail -n 1)" main --start',
        ),
        (
            Host(clusters=MAIN.replace("5432", "5433") + MAIN.replace("main", "two").replace("5432", "5434")),
            "this host has several PostgreSQL clusters, and none at port 5432: 15/main at 5433, 15/two at 5434",
            "leave postgresql out of site_services, and set DATABASE_URL in site_environment",
        ),
        (
            Host(clusters=MAIN.replace("online", "down")),
            "PostgreSQL is on this host, but its cluster 15/main is down",
            "start it: sudo systemctl start postgresql@15-main.service",
        ),
        (
            Host(errors={"SELECT json": 'psql: error: FATAL:  Peer authentication failed for user "postgres"\n'}),
            "PostgreSQL on this host does not answer its own administrator: psql: error: FATAL: Peer authentication "
            'failed for user "postgres"',
            "correct that, so that this works: sudo -u postgres psql --cluster 15/main",
        ),
        (
            Host(answer={**ANSWER, "is_standby": True}),
            "the PostgreSQL cluster 15/main on this host is a standby, which cannot be written to",
            "leave postgresql out of site_services, and set DATABASE_URL to the primary",
        ),
        (
            Host(answer={**ANSWER, "rules": [ADMIN, {**PEER, "method": "scram-sha-256"}]}),
            "the site's user cannot connect to PostgreSQL by its socket without a password: line 118 of "
            "/etc/postgresql/15/main/pg_hba.conf asks it for scram-sha-256",
            'put the line "local shop shop peer" before the others there, and: sudo systemctl reload '
            "postgresql@15-main.service",
        ),
        (
            Host(answer={**ANSWER, "rules": None}),
            "the site's user cannot connect to PostgreSQL by its socket without a password: no line of "
            "/etc/postgresql/15/main/pg_hba.conf lets it in",
            'put the line "local shop shop peer" before the others there, and: sudo systemctl reload '
            "postgresql@15-main.service",
        ),
    ],
    ids=["none", "several", "down", "locked out", "standby", "password", "no rule"],
)
def test_a_server_that_cannot_be_used(host: Host, problem: str, cure: str) -> None:
    """The cause, and what to do about it on the host: nothing of the server is changed for it."""
    found = host.read()
    assert found is not None
    assert (found["problem"], found["cure"]) == (problem, cure)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([ADMIN, PEER], (118, "peer")),
        ([{**PEER, "databases": ["shop"], "users": ["shop"], "method": "trust"}, PEER], (118, "trust")),
        ([{**PEER, "line": 1, "databases": ["sameuser"], "method": "md5"}, PEER], (1, "md5")),
        ([{**PEER, "line": 1, "databases": ["blog"], "method": "md5"}, PEER], (118, "peer")),
        ([{**PEER, "options": ["map=staff"]}], (118, "peer map=staff")),
        ([ADMIN], (None, "")),
    ],
)
def test_the_first_rule_counts(rules: list[dict[str, Any]], expected: tuple[int | None, str]) -> None:
    assert local_method(rules, "shop") == expected


def test_what_is_created() -> None:
    """A marked role that may log in, a database in UTF-8 that is its own, and nobody else's."""
    host = Host()
    assert Postgresql(host.run).create("shop", FOUND) == ["role", "database"]
    (role_words, role), (_words, database) = host.asked
    assert role.split("\n")[1:-1] == [
        "BEGIN;",
        'CREATE ROLE :"name" LOGIN;',
        "COMMENT ON ROLE :\"name\" IS :'mark';",
        "COMMIT;",
    ]
    assert f"--set=mark={mark('shop')}" in role_words
    assert database.split("\n")[1:-1] == [
        'CREATE DATABASE :"name" OWNER :"name" TEMPLATE template0 ENCODING \'UTF8\';',
        'REVOKE ALL ON DATABASE :"name" FROM PUBLIC;',
    ]


def test_a_cluster_without_an_encoding_of_its_own() -> None:
    """One that was created under the locale C would refuse UTF-8 letters in upper case."""
    host = Host()
    Postgresql(host.run).create("shop", {**FOUND, "encoding": "SQL_ASCII"})
    assert "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';" in host.asked[-1][1]


@pytest.mark.parametrize(
    ("there", "created"),
    [
        ({"role": {"is_ours": True}}, ["database"]),
        ({"role": {"is_ours": True}, "database": {"owner": "shop"}}, []),
    ],
)
def test_what_is_there_is_left_alone(there: dict[str, Any], created: list[str]) -> None:
    host = Host()
    assert Postgresql(host.run).create("shop", {**FOUND, **there}) == created
    assert len(host.asked) == len(created)


def test_words_of_postgresql_are_in_the_error() -> None:
    host = Host(errors={"CREATE ROLE": 'psql:<stdin>:3: ERROR:  role "shop" already exists\n'})
    with pytest.raises(PostgresqlError, match=r'^ERROR: role "shop" already exists$'):
        Postgresql(host.run).create("shop", FOUND)


def test_a_connection_as_the_site_makes_it() -> None:
    host = Host(errors={"--command=SELECT 1": "FATAL:  no pg_hba.conf entry\n"})
    with pytest.raises(PostgresqlError, match=r"^FATAL: no pg_hba.conf entry$"):
        Postgresql(host.run).connect("shop", FOUND)
    (words, _text) = host.asked[-1]
    assert words[:4] == ["runuser", "-u", "shop", "--"]
    assert {"--host=/var/run/postgresql", "--port=5432", "--dbname=shop", "--no-password"} <= set(words)
