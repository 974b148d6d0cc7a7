# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PostgreSQL server of a host, as the distribution runs it, and what a site has in it: a role and a database.

Both have the site's name. The role is marked by its comment, so that a role of somebody else is never taken for the
site's, and the mark goes along when the server is dumped, upgraded or moved. Nothing else of the server is changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Cluster", "Postgresql", "PostgresqlError", "clusters_of", "local_method", "mark"]

# Takes an argument list and the standard input, and returns (exit code, stdout, stderr).
Run = Callable[[list[str], str], "tuple[int, str, str]"]

PORT = 5432
SERVER_PACKAGE = re.compile(r"postgresql-[0-9]+(\.[0-9]+)?")
PSQL = ("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--no-password", "--set=ON_ERROR_STOP=1")

# Superusers only may read the rules, and see all of it in one answer.
QUESTION = """
SELECT json_build_object(
  'version', current_setting('server_version_num')::int / 10000,
  'max_connections', current_setting('max_connections')::int,
  'reserved', current_setting('superuser_reserved_connections')::int
    + coalesce(current_setting('reserved_connections', true), '0')::int,
  'shared_buffers', pg_size_bytes(current_setting('shared_buffers')),
  'sockets', current_setting('unix_socket_directories'),
  'is_standby', pg_is_in_recovery(),
  'encoding', (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'template0'),
  'others', (SELECT count(*) FROM pg_database WHERE NOT datistemplate AND datname NOT IN ('postgres', :'name')),
  'role', (SELECT json_build_object('comment', shobj_description(oid, 'pg_authid'))
    FROM pg_roles WHERE rolname = :'name'),
  'database', (SELECT json_build_object('owner', pg_get_userbyid(datdba)) FROM pg_database WHERE datname = :'name'),
  'rules_file', current_setting('hba_file'),
  'rules', (SELECT json_agg(json_build_object('line', line_number, 'databases', database, 'users', user_name,
    'method', auth_method, 'options', options)) FROM pg_hba_file_rules WHERE type = 'local')
);
"""
CREATE_ROLE = """
BEGIN;
CREATE ROLE :"name" LOGIN;
COMMENT ON ROLE :"name" IS :'mark';
COMMIT;
"""
# Those of other sites may connect to a database unless that is revoked.
CREATE_DATABASE = """
CREATE DATABASE :"name" OWNER :"name" TEMPLATE template0 ENCODING 'UTF8'{locale};
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
"""
# A cluster that was made under the locale C has no encoding to pass on.
UTF8_LOCALE = " LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"


class PostgresqlError(Exception):
    """PostgreSQL did not do what was asked of it; the message has its words."""


def mark(site: str) -> str:
    """The comment of a role that was created for a site."""
    return f"pitcrew.django: site {site}"


@dataclass(frozen=True)
class Cluster:
    """One cluster of the host: a PostgreSQL server with its own databases, in the distribution's terms."""

    version: str
    name: str
    port: int
    status: str

    @property
    def id(self) -> str:
        """Its name for the tools of the distribution."""
        return f"{self.version}/{self.name}"

    @property
    def unit(self) -> str:
        """The unit that runs it."""
        return f"postgresql@{self.version}-{self.name}.service"


def clusters_of(listed: str) -> list[Cluster]:
    """Read what pg_lsclusters prints without its header: version, name, port, status and more."""
    rows = [line.split() for line in listed.splitlines()]
    return [Cluster(row[0], row[1], int(row[2]), row[3]) for row in rows if len(row) > 3 and row[2].isdigit()]


def local_method(rules: Iterable[Mapping[str, Any]], name: str) -> tuple[int | None, str]:
    """Return how pg_hba.conf lets a role into the database of the same name by the socket: the line, and the method.

    No line means that it does not. A method that maps names is named with its map.
    """
    for rule in rules:
        databases, users = rule["databases"] or (), rule["users"] or ()
        if {"all", "sameuser", name} & set(databases) and {"all", name} & set(users):
            return rule["line"], " ".join([rule["method"], *(rule["options"] or ())])
    return None, ""


class Postgresql:
    """The one server of the host that a site uses: the one at the usual port, or the only one there is."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def read(self, name: str, packages: Collection[str]) -> dict[str, Any] | None:
        """Return what a plan and a deploy need to know; None if PostgreSQL is not installed.

        `problem` and `cure` are there if it cannot be used.
        """
        if not any(SERVER_PACKAGE.fullmatch(package) for package in packages):
            return None
        _rc, listed, _err = self._run(["pg_lsclusters", "--no-header"], "")
        clusters = clusters_of(listed)
        cluster = self._chosen(clusters)
        if cluster is None:
            return {"problem": _no_cluster(clusters)[0], "cure": _no_cluster(clusters)[1]}
        found: dict[str, Any] = {"cluster": cluster.id, "unit": cluster.unit, "port": cluster.port}
        if not cluster.status.startswith("online"):
            return {
                **found,
                "problem": f"PostgreSQL is on this host, but its cluster {cluster.id} is {cluster.status}",
                "cure": f"start it: sudo systemctl start {cluster.unit}",
            }
        try:
            answer = json.loads(self._ask(cluster.id, QUESTION, name))
        except PostgresqlError as error:
            return {
                **found,
                "problem": f"PostgreSQL on this host does not answer its own administrator: {error}",
                "cure": f"correct that, so that this works: sudo -u postgres psql --cluster {cluster.id}",
            }
        return {**found, **_usable(answer, cluster, name)}

    @staticmethod
    def _chosen(clusters: list[Cluster]) -> Cluster | None:
        usual = [cluster for cluster in clusters if cluster.port == PORT]
        return (usual or clusters)[0] if usual or len(clusters) == 1 else None

    def create(self, name: str, found: Mapping[str, Any]) -> list[str]:
        """Create what the site lacks in the server that was read; return what was created, in words.

        Raises PostgresqlError if it cannot, or if the site's user cannot connect afterwards.
        """
        created = []
        if found["role"] is None:
            self._ask(found["cluster"], CREATE_ROLE, name)
            created.append("role")
        if found["database"] is None:
            locale = "" if found["encoding"] == "UTF8" else UTF8_LOCALE
            self._ask(found["cluster"], CREATE_DATABASE.format(locale=locale), name)
            created.append("database")
        return created

    def connect(self, name: str, found: Mapping[str, Any]) -> None:
        """Connect as the site will. Raises PostgresqlError if that fails."""
        where = [f"--host={found['socket']}", f"--port={found['port']}", f"--dbname={name}"]
        rc, _out, err = self._run(["runuser", "-u", name, "--", *PSQL, *where, "--command=SELECT 1"], "")
        if rc:
            raise PostgresqlError(_words(err))

    def use(self, name: str, found: Mapping[str, Any]) -> dict[str, Any]:
        """How large the site's database is, in MB, and how many connections there are to it. Raises PostgresqlError."""
        question = (
            "SELECT json_build_object('size_mb', round(pg_database_size(:'name') / 1048576.0), 'connections', "
            "(SELECT count(*) FROM pg_stat_activity WHERE datname = :'name'));"
        )
        answer: dict[str, Any] = json.loads(self._ask(found["cluster"], question, name))
        return answer

    def _ask(self, cluster: str, statements: str, name: str) -> str:
        # The distribution's psql finds port and socket of a cluster by itself.
        chosen = ["runuser", "-u", "postgres", "--", "env", f"PGCLUSTER={cluster}", *PSQL, "--dbname=postgres"]
        rc, out, err = self._run([*chosen, f"--set=name={name}", f"--set=mark={mark(name)}"], statements)
        if rc:
            raise PostgresqlError(_words(err))
        return out


def _words(err: str) -> str:
    """What psql wrote, in one line."""
    return " ".join(re.sub(r"^psql:\S*:\d+: ", "", err, flags=re.MULTILINE).split()) or "psql failed without a word"


def _no_cluster(clusters: list[Cluster]) -> tuple[str, str]:
    if not clusters:
        return (
            "PostgreSQL is installed on this host, but has no cluster",
            'create one: sudo pg_createcluster "$(ls /usr/lib/postgresql | tail -n 1)" main --start',
        )
    ports = ", ".join(f"{cluster.id} at {cluster.port}" for cluster in clusters)
    return (
        f"this host has several PostgreSQL clusters, and none at port {PORT}: {ports}",
        "leave postgresql out of site_services, and set DATABASE_URL in site_environment",
    )


def _usable(answer: dict[str, Any], cluster: Cluster, name: str) -> dict[str, Any]:
    """Give the facts that an answer has, with what keeps the site from using the server."""
    rules, file = answer.pop("rules") or (), answer.pop("rules_file")
    sockets, is_standby = answer.pop("sockets"), answer.pop("is_standby")
    buffers = answer.pop("shared_buffers")
    facts = {
        **answer,
        "shared_buffers_mb": round(buffers / (1 << 20), 1),
        "socket": sockets.split(",")[0].strip().strip('"'),
        "role": answer["role"] and {"is_ours": answer["role"]["comment"] == mark(name)},
        "mark": mark(name),
    }
    line, method = local_method(rules, name)
    if is_standby:
        return {
            **facts,
            "problem": f"the PostgreSQL cluster {cluster.id} on this host is a standby, which cannot be written to",
            "cure": "leave postgresql out of site_services, and set DATABASE_URL to the primary",
        }
    if method not in ("peer", "trust"):
        place = f"line {line} of {file} asks it for {method}" if line else f"no line of {file} lets it in"
        return {
            **facts,
            "problem": f"the site's user cannot connect to PostgreSQL by its socket without a password: {place}",
            "cure": f'put the line "local {name} {name} peer" before the others there, and: '
            f"sudo systemctl reload {cluster.unit}",
        }
    return facts
