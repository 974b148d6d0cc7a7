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
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "Demand",
    "MigrationDifference",
    "MigrationRefused",
    "Pending",
    "compare",
    "guarded",
    "limited",
    "migrate",
    "pending",
    "warning_of_changes",
    "without_migration",
]

LOCK = zlib.crc32(b"pitcrew.django")
"""The key of the advisory lock in PostgreSQL, which applies to one database."""

# SQL that removes data or names, and not only rules about them.
LOSS_IN_SQL = re.compile(
    r"\b(?:TRUNCATE|RENAME)\b|\bDROP\s+(?!INDEX|CONSTRAINT|NOT\s+NULL|DEFAULT|IDENTITY|EXPRESSION|TRIGGER|FUNCTION|POLICY)",
    re.IGNORECASE,
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
class Demand:
    """What makes the database demand a value of each new row of a table; an older release does not provide it."""

    operation: str
    table: str


@dataclass(frozen=True)
class Pending:
    """A migration that is not applied: what it does, and which parts of that an older release cannot work with."""

    name: str
    operations: tuple[str, ...]
    losses: tuple[str, ...]
    demands: tuple[Demand, ...]
    atomic: bool
    before: str = "zero"
    """What to migrate its application to, to take it back."""

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

    def noticed(migration: Any, is_noticed: Callable[[Any], bool]) -> Iterator[Any]:
        operations = _database_operations(migration.operations) if migration.app_label in known else ()
        return (operation for operation in operations if is_noticed(operation))

    return [
        Pending(
            name=f"{migration.app_label}.{migration.name}",
            operations=tuple(operation.describe() for operation in migration.operations),
            losses=tuple(operation.describe() for operation in noticed(migration, _loses)),
            demands=tuple(
                Demand(operation.describe(), _table(executor.loader, migration, operation.model_name))
                for operation in noticed(migration, _demands)
            ),
            atomic=migration.atomic and connection.features.can_rollback_ddl,
            before=_before(executor.loader, migration),
        )
        for migration, _backwards in plan
    ]


def _table(loader: Any, migration: Any, model: str) -> str:
    """The table of a model after a migration of its application."""
    label = migration.app_label
    state = loader.project_state((label, migration.name)).models.get((label, model.lower()))
    return (state and state.options.get("db_table")) or f"{label}_{model.lower()}"


def _before(loader: Any, migration: Any) -> str:
    """The migration of the same application that this one follows."""
    parents = [node.key for node in loader.graph.node_map[migration.app_label, migration.name].parents]
    return max((name for app, name in parents if app == migration.app_label), default="zero")


def _known(loader: Any) -> set[tuple[str, str]]:
    """The migrations that a release knows, and those that its squashed ones replace."""
    known = set(loader.disk_migrations)
    return known.union(*(migration.replaces for migration in loader.disk_migrations.values()))


def compare(connection: Any) -> MigrationDifference:
    """Return the migrations that only the database or only this release has, for applications that both have."""
    from django.db.migrations.executor import MigrationExecutor

    loader = MigrationExecutor(connection).loader
    here = _known(loader)
    apps = {app for app, _name in here}
    unknown = sorted(key for key in loader.applied_migrations if key[0] in apps and key not in here)
    return MigrationDifference(
        unknown=tuple(".".join(key) for key in unknown),
        pending=tuple(migration.name for migration in pending(connection)),
    )


def without_migration(source: Path) -> list[str]:
    """Return the applications in the source whose models have changes that no migration makes.

    As C(makemigrations --check) finds them; it overlooks an application without any migrations, whose tables are never
    created. One for which MIGRATION_MODULES has None wants it so.
    """
    from django.apps import apps
    from django.conf import settings
    from django.db.migrations.autodetector import MigrationAutodetector
    from django.db.migrations.loader import MigrationLoader
    from django.db.migrations.questioner import MigrationQuestioner
    from django.db.migrations.state import ProjectState

    own = [app for app in apps.get_app_configs() if Path(app.path).resolve().is_relative_to(source.resolve())]
    loader = MigrationLoader(None, ignore_no_migrations=True)
    detector = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps), MigrationQuestioner())
    changed = set(detector.changes(graph=loader.graph))
    for app in own:
        wanted = app.label not in settings.MIGRATION_MODULES or settings.MIGRATION_MODULES[app.label] is not None
        if app.label in loader.unmigrated_apps and wanted:
            models = [model._meta for model in app.get_models()]
            has_tables = any(meta.managed and not meta.proxy and not meta.swapped for meta in models)
            changed = changed | {app.label} if has_tables else changed - {app.label}
        elif not wanted:
            changed.discard(app.label)
    return sorted(changed & {app.label for app in own})


def warning_of_changes(applications: list[str]) -> str:
    """Warn of applications whose models have changes that no migration makes."""
    return (
        f"The models of {', '.join(applications)} have changes without a migration, which the database lacks: run "
        f"manage.py makemigrations {' '.join(applications)}, and deploy what it writes."
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
        if connection.connection is not None and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute(*release)


@contextmanager
def guarded(connection: Any, job: Mapping[str, Any]) -> Iterator[None]:
    """Work on the database alone, with `lock_timeout` and `statement_timeout` of the job, in s, as limits.

    A site without a database has nothing to guard. Raises MigrationRefused if another process works on it.
    """
    if connection.vendor == "unknown":
        yield
        return
    with limited(connection, job["lock_timeout"], job["statement_timeout"]), _alone(connection, job["lock_timeout"]):
        yield


def _refuse_losses(found: list[Pending]) -> None:
    losses = [f"{migration.name}: {loss}" for migration in found for loss in migration.losses]
    if losses:
        raise MigrationRefused(
            f"they remove what the running release may still use ({'; '.join(losses)}). Spread the change over two "
            "releases, the first of which no longer uses it; or set site_migrations_allow_destructive: true, which "
            "risks errors until the switch and rules out a rollback"
        )


def _warnings(found: list[Pending]) -> list[str]:
    return [
        f"{migration.name}: {demand.operation}: until a release that knows this migration is live, the live one cannot "
        f"add rows to {demand.table}. A db_default avoids that, and so does null=True in this release."
        for migration in found
        for demand in migration.demands
    ]


def _demanding(found: list[Pending]) -> list[dict[str, Any]]:
    return [
        {
            "migration": migration.name,
            "tables": sorted({demand.table for demand in migration.demands}),
            "before": migration.before,
        }
        for migration in found
        if migration.demands
    ]


def _note_what_is_applied(connection: Any, recorded: Iterable[str], report: MutableMapping[str, Any]) -> None:
    """Reduce the demands in the report to what is applied, and report on the recorded ones which of them are."""
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(connection)
    applied = {".".join(key) for key in loader.applied_migrations}
    known = {".".join(key) for key in _known(loader)}
    report["demands"] = [demand for demand in report["demands"] if demand["migration"] in applied]
    report["recorded"] = {name: name in known for name in recorded if name in applied}


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


def migrate(
    connection: Any, job: dict[str, Any], stage: Callable[[str], None], report: MutableMapping[str, Any]
) -> list[str]:
    """Migrate the database of the connection, and return the names of the migrations applied.

    The job has `allow_destructive` (bool), `lock_timeout` and `statement_timeout` (s), and `recorded`, names of
    migrations that demand values of new rows. `stage` is called with the name of the next stage: "plan", and "migrate"
    just before the first change.

    The report gets `warnings`; `demands`, the applied migrations that demand values of new rows, each with `migration`,
    `tables` and `before`; and `recorded`: of those in the job, each that is applied and whether the release knows it.

    Raises MigrationRefused if the database was not migrated, or not completely.
    """
    from django.core.management import call_command

    stage("plan")
    with guarded(connection, job):
        found = pending(connection)
        if found:
            sys.stdout.write("\n  ".join(["Pending migrations:", *map(str, found)]) + "\n")
            sys.stdout.flush()
        if not job["allow_destructive"]:
            _refuse_losses(found)
        report["warnings"] = [*report.get("warnings", []), *_warnings(found)]
        # In case that the process is killed: any of them may be applied by then.
        report["demands"] = _demanding(found)
        stage("migrate")
        try:
            # Even if nothing is pending: this creates permissions and content types.
            call_command("migrate", database=connection.alias, interactive=False)
        except Exception as error:
            refusal = _failed(connection, found, error)
            with suppress(Exception):  # The database is gone.
                _note_what_is_applied(connection, job["recorded"], report)
            raise refusal from error
        if report["demands"] or job["recorded"]:
            _note_what_is_applied(connection, job["recorded"], report)
        return [migration.name for migration in found]
