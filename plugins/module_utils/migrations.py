# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrate a site's database while an older release serves from it.

One process migrates at a time, no statement waits for a lock forever, and nothing is applied that the older release
could not work with. If a migration fails, the message has the state of the database. Runs in the release's own
Python, with the Django of the site.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["MigrationDifference", "MigrationRefused", "Pending", "compare", "limited", "migrate", "pending"]

LOCK = zlib.crc32(b"pitcrew.django")
"""The key of the advisory lock in PostgreSQL, which applies to one database."""

# SQL that removes data or names, and not only rules about them.
LOSS_IN_SQL = re.compile(
    r"\b(?:TRUNCATE|RENAME)\b|\bDROP\s+(?!INDEX|CONSTRAINT|NOT\s+NULL|DEFAULT|IDENTITY|EXPRESSION|TRIGGER|FUNCTION|POLICY)",
    re.IGNORECASE,
)
DEMANDED = (
    "\tHINT: Until the switch, the release that serves cannot add rows there. Give the field a db_default, or "
    "null=True in this release."
)
COMMENT_IN_SQL = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


class MigrationRefused(Exception):
    """The database was not migrated, or not completely; the message has the reason.

    `database` is the state of the database, as part of a sentence; it is empty if nothing was tried.
    """

    def __init__(self, reason: str, database: str = "") -> None:
        super().__init__(reason)
        self.database = database


@dataclass(frozen=True)
class Pending:
    """A migration that is not applied: what it does, and which parts of that an older release cannot work with."""

    name: str
    operations: tuple[str, ...]
    losses: tuple[str, ...]
    demands: tuple[str, ...]
    """Values that the database demands of a new row and that an older release does not provide."""
    atomic: bool

    def __str__(self) -> str:
        return "\n".join([self.name, *(f"    {operation}" for operation in self.operations)])


@dataclass(frozen=True)
class MigrationDifference:
    """How the database and the migrations of a release differ, by the names of the migrations."""

    unknown: tuple[str, ...]
    """Applied, but not in the release: a newer one has applied them."""
    pending: tuple[str, ...]
    """In the release, but not applied."""


def _database_operations(operations: Iterable[Any]) -> Iterator[Any]:
    from django.db.migrations import SeparateDatabaseAndState

    for operation in operations:
        if isinstance(operation, SeparateDatabaseAndState):
            yield from _database_operations(operation.database_operations)
        else:
            yield operation


def _statements(sql: Any) -> str:
    """The text of a RunSQL operation, which may be a list of statements, or of statements with parameters."""
    if isinstance(sql, str):
        return sql
    return ";\n".join(part if isinstance(part, str) else part[0] for part in sql)


def _loses(operation: Any) -> bool:
    from django.db import migrations

    if isinstance(operation, migrations.RunSQL):
        return bool(LOSS_IN_SQL.search(COMMENT_IN_SQL.sub(" ", _statements(operation.sql))))
    return isinstance(
        operation,
        (
            migrations.DeleteModel,
            migrations.RemoveField,
            migrations.RenameField,
            migrations.RenameModel,
            migrations.AlterModelTable,
        ),
    )


def _demands(operation: Any) -> bool:
    from django.db import migrations
    from django.db.models import NOT_PROVIDED

    if not isinstance(operation, migrations.AddField):
        return False
    field = operation.field
    if field.null or field.many_to_many or getattr(field, "generated", False):
        return False
    # Django removes any other default from the database again once it has filled the existing rows.
    return getattr(field, "db_default", NOT_PROVIDED) is NOT_PROVIDED


def pending(connection: Any) -> list[Pending]:
    """Return the migrations that are not applied, in the order in which they would be.

    Those of an application that is new to the database have no losses: nobody uses its tables yet.
    """
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    known = {app for app, _name in executor.loader.applied_migrations}
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())

    def noticed(migration: Any, is_noticed: Callable[[Any], bool]) -> tuple[str, ...]:
        operations = _database_operations(migration.operations) if migration.app_label in known else ()
        return tuple(operation.describe() for operation in operations if is_noticed(operation))

    return [
        Pending(
            name=f"{migration.app_label}.{migration.name}",
            operations=tuple(operation.describe() for operation in migration.operations),
            losses=noticed(migration, _loses),
            demands=noticed(migration, _demands),
            atomic=migration.atomic and connection.features.can_rollback_ddl,
        )
        for migration, _backwards in plan
    ]


def compare(connection: Any) -> MigrationDifference:
    """Return the migrations that only the database or only this release has, for applications that both have."""
    from django.db.migrations.executor import MigrationExecutor

    loader = MigrationExecutor(connection).loader
    here = set(loader.disk_migrations)
    # The migrations that a squashed one replaces count as known, too.
    here |= {key for migration in loader.disk_migrations.values() for key in migration.replaces}
    apps = {app for app, _name in here}
    unknown = sorted(key for key in loader.applied_migrations if key[0] in apps and key not in here)
    return MigrationDifference(
        unknown=tuple(".".join(key) for key in unknown),
        pending=tuple(migration.name for migration in pending(connection)),
    )


@contextmanager
def limited(connection: Any, lock_s: int, statement_s: int) -> Iterator[None]:
    """Limit how long a statement of the connection may wait for a lock, and how long it may run; 0 means no limit.

    While a migration waits to lock a table, all later queries wait behind it: an endless wait is an outage.
    """
    from django.db.backends.signals import connection_created

    def limit(connection: Any, **_options: Any) -> None:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                for name, seconds in (("lock_timeout", lock_s), ("statement_timeout", statement_s)):
                    cursor.execute("SELECT set_config(%s, %s, false)", [name, f"{seconds}s"])
        elif connection.vendor == "mysql" and lock_s:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION lock_wait_timeout = %s, innodb_lock_wait_timeout = %s", [lock_s, lock_s])

    def on_connect(sender: Any, connection: Any, **_options: Any) -> None:
        limit(connection)

    # A migration may close its connection; the next connection gets the limits too.
    connection_created.connect(on_connect, weak=False)
    try:
        connection.ensure_connection()
        limit(connection)
        yield
    finally:
        connection_created.disconnect(on_connect)


@contextmanager
def _alone(connection: Any, lock_s: int) -> Iterator[None]:
    """Lock the database for this migrating process, if it has locks for that.

    Raises MigrationRefused if another process holds the lock.
    """
    from django.db.utils import OperationalError

    busy = "another process is migrating this database; wait until it has finished, then deploy again"
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            try:
                cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            except OperationalError as error:
                if "timeout" not in str(error):
                    raise
                raise MigrationRefused(busy) from None
        release = "SELECT pg_advisory_unlock(%s)", [LOCK]
    elif connection.vendor == "mysql":
        name = f"pitcrew.django {connection.settings_dict['NAME']}"[:64]
        with connection.cursor() as cursor:
            cursor.execute("SELECT GET_LOCK(%s, %s)", [name, lock_s])
            if not cursor.fetchone()[0]:
                raise MigrationRefused(busy)
        release = "SELECT RELEASE_LOCK(%s)", [name]
    else:  # A file: only this site uses it, and only one run works on a site at a time.
        yield
        return
    try:
        yield
    finally:
        # If the connection is gone, so is the lock.
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute(*release)


def _refuse_losses(found: list[Pending]) -> None:
    losses = [f"{migration.name}: {loss}" for migration in found for loss in migration.losses]
    if losses:
        raise MigrationRefused(
            f"they remove what the running release may still use ({'; '.join(losses)}). Spread the change over two "
            "releases, the first of which no longer uses it; or set site_migrations_allow_destructive: true, which "
            "risks errors until the switch and rules out a rollback"
        )


def _warn_of_demands(found: list[Pending]) -> None:
    """Print a warning in the format of Django's own checks, so that it is shown in the same way."""
    demands = [f"{migration.name}: {demand}" for migration in found for demand in migration.demands]
    if demands:
        sys.stdout.write("\n".join(["WARNINGS:", *demands, DEMANDED, ""]))


def _failed(connection: Any, before: list[Pending], error: Exception) -> MigrationRefused:
    """Return what to raise after a migration has failed."""
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    for what in ("lock", "statement"):
        if f"{what} timeout" in reason:
            reason += f"; if it needs longer, increase site_migrations_{what}_timeout"
    return MigrationRefused(reason, _state_after_failure(connection, before))


def _state_after_failure(connection: Any, before: list[Pending]) -> str:
    """Describe the state of the database after a migration has failed."""
    try:
        if not connection.is_usable():
            connection.close()
        left = pending(connection)
    except Exception as other:  # The database is gone: the first error is the one to report.
        return f"the database cannot be inspected ({' '.join(str(other).split())}): migrations may have been applied"
    names = {migration.name for migration in left}
    applied = [migration.name for migration in before if migration.name not in names]
    kept = f", and what was applied before it is kept: {', '.join(applied)}" if applied else ""
    if not left:
        return "all migrations are applied, and what follows them failed"
    if not left[0].atomic:
        return f"{left[0].name} is not atomic, so what it did before the error stays in the database{kept}"
    return f"{left[0].name} was rolled back{kept or ', and the database is unchanged'}"


def migrate(connection: Any, job: dict[str, Any], stage: Callable[[str], None]) -> list[str]:
    """Migrate the database of the connection, and return the names of the migrations applied.

    The job has `allow_destructive` (bool), `lock_timeout` and `statement_timeout` (s). `stage` is called with the name
    of the next stage: "plan", and "migrate" just before the first change.

    Raises MigrationRefused if the database was not migrated, or not completely.
    """
    from django.core.management import call_command

    stage("plan")
    with limited(connection, job["lock_timeout"], job["statement_timeout"]), _alone(connection, job["lock_timeout"]):
        found = pending(connection)
        if found:
            sys.stdout.write("\n  ".join(["Pending migrations:", *map(str, found)]) + "\n")
            _warn_of_demands(found)
            sys.stdout.flush()
        if not job["allow_destructive"]:
            _refuse_losses(found)
        stage("migrate")
        try:
            # Even if nothing is pending: this creates permissions and content types.
            call_command("migrate", database=connection.alias, interactive=False)
        except Exception as error:
            raise _failed(connection, found, error) from error
        return [migration.name for migration in found]
