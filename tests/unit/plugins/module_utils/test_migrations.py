"""Migrations of a real Django on a real SQLite database: what is refused, what fails, and what is reported."""

from __future__ import annotations

import itertools
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import django
import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import migrations as module
from ansible_collections.pitcrew.django.plugins.module_utils.backup import BackupError, backup
from ansible_collections.pitcrew.django.plugins.module_utils.migrations import (
    MigrationRefused,
    compare,
    migrate,
    pending,
    without_migration,
)
from django.conf import settings

PRIMARY = "('id', models.AutoField(primary_key=True, serialize=False))"
INITIAL = f"migrations.CreateModel('Bike', [{PRIMARY}, ('name', models.TextField())])"
COLOUR = "migrations.AddField('bike', 'colour', models.TextField(default=''))"
FAILS = "migrations.RunSQL('ALTER TABLE no_such_table ADD COLUMN x text')"
NUMBERS = itertools.count()


class Site:
    """A project of one application, its migrations, and its database."""

    def __init__(self, directory: Path) -> None:
        from django.db import connection

        self.connection: Any = connection
        self.directory = directory
        self.package = f"depot_migrations_{next(NUMBERS)}"
        self.stages: list[str] = []
        self.report: dict[str, Any] = {}
        (directory / self.package).mkdir()
        (directory / self.package / "__init__.py").write_text("")
        settings.MIGRATION_MODULES = {"depot": self.package}
        connection.close()
        connection.settings_dict["NAME"] = str(directory / "db.sqlite3")

    def add(self, name: str, *operations: str, atomic: bool = True) -> None:
        """Write a migration that follows the last one."""
        package = self.directory / self.package
        before = sorted(path.stem for path in package.glob("0*.py"))[-1:]
        (package / f"{name}.py").write_text(
            "from django.db import migrations, models\n"
            "class Migration(migrations.Migration):\n"
            f"    atomic = {atomic}\n"
            f"    dependencies = {[('depot', other) for other in before]}\n"
            f"    operations = [{', '.join(operations)}]\n"
        )
        self.forget()

    def remove(self, name: str) -> None:
        """Take a migration away, as an older release has it."""
        (self.directory / self.package / f"{name}.py").unlink()
        self.forget()

    def forget(self) -> None:
        """Import the migrations anew."""
        import importlib

        importlib.invalidate_caches()
        for name in [name for name in sys.modules if name.startswith(self.package)]:
            del sys.modules[name]

    def migrate(self, **params: Any) -> list[str]:
        """Migrate as the module does."""
        job = {"allow_destructive": False, "lock_timeout": 10, "statement_timeout": 600, "recorded": [], **params}
        return migrate(self.connection, job, self.stages.append, self.report)

    def columns(self) -> list[str]:
        """Name the columns of the one table."""
        with sqlite3.connect(self.connection.settings_dict["NAME"]) as database:
            return [row[1] for row in database.execute("PRAGMA table_info(depot_bike)")]


@pytest.fixture(scope="module", autouse=True)
def project(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Start Django, once for this process."""
    directory = tmp_path_factory.mktemp("depot")
    (directory / "depot").mkdir()
    (directory / "depot/__init__.py").write_text("")
    sys.path.insert(0, str(directory))
    if not settings.configured:
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
        settings.configure(INSTALLED_APPS=["depot"], DATABASES={"default": database}, USE_TZ=True)
    django.setup()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Give a site whose first migration is not applied yet."""
    monkeypatch.syspath_prepend(str(tmp_path))
    site = Site(tmp_path)
    site.add("0001_initial", INITIAL)
    yield site
    site.connection.close()


def test_what_is_pending_is_applied_and_named(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan is printed first; a second time there is nothing."""
    site.add("0002_colour", COLOUR)
    assert site.migrate() == ["depot.0001_initial", "depot.0002_colour"]
    assert site.columns() == ["id", "name", "colour"]
    assert site.stages == ["plan", "migrate"]
    printed = capsys.readouterr().out
    assert printed.index("Pending migrations:") < printed.index("depot.0002_colour\n    Add field colour to bike")
    assert printed.index("Add field colour to bike") < printed.index("Applying depot.0002_colour")
    assert site.migrate() == []


@pytest.mark.parametrize(
    ("operation", "loss"),
    [
        ("migrations.RemoveField('bike', 'name')", "Remove field name from bike"),
        ("migrations.DeleteModel('Bike')", "Delete model Bike"),
        ("migrations.RenameField('bike', 'name', 'title')", "Rename field name on bike to title"),
        ("migrations.RenameModel('Bike', 'Cycle')", "Rename model Bike to Cycle"),
        ("migrations.AlterModelTable('Bike', 'bikes')", "Rename table for Bike to bikes"),
        ("migrations.RunSQL('DROP TABLE depot_bike')", "Raw SQL operation"),
        ("migrations.RunSQL(['SELECT 1', ('DROP TABLE depot_bike', None)])", "Raw SQL operation"),
        ("migrations.RunSQL('ALTER TABLE depot_bike RENAME TO bikes')", "Raw SQL operation"),
        (
            "migrations.SeparateDatabaseAndState([migrations.RunSQL('alter table depot_bike drop column name')])",
            "Raw SQL operation",
        ),
    ],
)
def test_what_the_serving_release_could_not_live_with(site: Site, operation: str, loss: str) -> None:
    """It is refused with the migration and the operation named, and nothing is touched; unless it is allowed."""
    site.migrate()
    site.add("0002_loss", operation)
    site.stages.clear()
    with pytest.raises(MigrationRefused, match=r"site_migrations_allow_destructive: true") as refusal:
        site.migrate()
    assert f"depot.0002_loss: {loss}" in str(refusal.value)
    assert site.stages == ["plan"]
    assert site.columns() == ["id", "name"]
    assert site.migrate(allow_destructive=True) == ["depot.0002_loss"]


@pytest.mark.parametrize(
    "operation",
    [
        COLOUR,
        "migrations.AlterField('bike', 'name', models.TextField(null=True))",
        "migrations.AddIndex('Bike', models.Index(fields=['name'], name='by_name'))",
        "migrations.RunSQL('CREATE INDEX by_name ON depot_bike (name)')",
        "migrations.RunSQL('-- DROP TABLE depot_bike\\nSELECT 1 /* RENAME */')",
        "migrations.RunSQL('DROP INDEX IF EXISTS by_name')",
        "migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField('bike', 'name')])",
    ],
)
def test_what_the_serving_release_does_not_notice(site: Site, operation: str) -> None:
    """It is applied."""
    site.migrate()
    site.add("0002_more", operation)
    assert site.migrate() == ["depot.0002_more"]


@pytest.mark.parametrize(
    ("field", "is_demanded"),
    [
        ("models.TextField(default='red')", True),
        ("models.ForeignKey('depot.Bike', models.CASCADE, default=1)", True),
        ("models.TextField(null=True)", False),
        ("models.TextField(db_default='red')", False),
        ("models.ManyToManyField('depot.Bike')", False),
    ],
)
def test_what_the_serving_release_does_not_say_of_a_row(site: Site, field: str, is_demanded: bool) -> None:
    """The database will insist on it from the migration on: a warning states that, and the cure."""
    site.migrate()
    site.add("0002_colour", f"migrations.AddField('bike', 'colour', {field})")
    site.migrate()
    warning = (
        "depot.0002_colour: Add field colour to bike: until a release that knows this migration is live, the live one "
        "cannot add rows to depot_bike. A db_default avoids that, and so does null=True in this release."
    )
    assert site.report["warnings"] == ([warning] if is_demanded else [])
    demand = {"migration": "depot.0002_colour", "tables": ["depot_bike"], "before": "0001_initial"}
    assert site.report["demands"] == ([demand] if is_demanded else [])


def test_a_demand_on_a_table_of_another_name(site: Site) -> None:
    """It is the one that the database has."""
    site.migrate()
    site.add("0002_bikes", "migrations.AlterModelTable('bike', 'bikes')")
    site.add("0003_colour", COLOUR)
    site.migrate(allow_destructive=True)
    assert site.report["demands"] == [{"migration": "depot.0003_colour", "tables": ["bikes"], "before": "0002_bikes"}]


def test_a_demand_that_stays_applied(site: Site) -> None:
    """A migration after it fails; of what is recorded, the report has what is applied, and if the release knows it."""
    site.migrate()
    site.add("0002_colour", COLOUR)
    site.add("0003_size", "migrations.AddField('bike', 'size', models.TextField(default=''))", FAILS)
    with pytest.raises(MigrationRefused):
        site.migrate(recorded=["depot.0009_gone"])
    assert [demand["migration"] for demand in site.report["demands"]] == ["depot.0002_colour"]
    assert site.report["recorded"] == {}
    site.remove("0003_size")
    site.migrate(recorded=["depot.0002_colour"])
    assert site.report["recorded"] == {"depot.0002_colour": True}
    site.remove("0002_colour")
    site.migrate(recorded=["depot.0002_colour"])
    assert (site.report["recorded"], site.report["demands"]) == ({"depot.0002_colour": False}, [])


def test_an_application_that_is_new_to_the_database(site: Site) -> None:
    """Its history may rename what it likes: nobody uses its tables yet."""
    site.add("0002_rename", "migrations.RenameField('bike', 'name', 'title')")
    assert len(site.migrate()) == 2


def test_a_migration_that_fails(site: Site) -> None:
    """It is rolled back, and those before it are named: they stay."""
    site.migrate()
    site.add("0002_colour", COLOUR)
    site.add("0003_broken", "migrations.AddField('bike', 'size', models.TextField(default=''))", FAILS)
    with pytest.raises(MigrationRefused, match="no such table: no_such_table") as refusal:
        site.migrate()
    assert refusal.value.database == (
        "depot.0003_broken was rolled back, and what was applied before it is kept: depot.0002_colour"
    )
    assert site.columns() == ["id", "name", "colour"]


def test_the_first_of_them_fails(site: Site) -> None:
    """The database is unchanged, and the message states that."""
    site.migrate()
    site.add("0002_broken", COLOUR, FAILS)
    with pytest.raises(MigrationRefused, match="no_such_table") as refusal:
        site.migrate()
    assert refusal.value.database == "depot.0002_broken was rolled back, and the database is unchanged"
    assert site.columns() == ["id", "name"]


def test_a_migration_that_is_not_atomic_fails(site: Site) -> None:
    """The message does not claim that it was rolled back."""
    site.migrate()
    site.add("0002_broken", COLOUR, FAILS, atomic=False)
    with pytest.raises(MigrationRefused, match="no_such_table") as refusal:
        site.migrate()
    assert refusal.value.database == (
        "depot.0002_broken is not atomic, so what it did before the error stays in the database"
    )
    assert site.columns() == ["id", "name", "colour"]


def test_a_database_that_is_gone_when_a_migration_fails(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the first error, and that nothing is known about the rest."""
    site.migrate()
    site.add("0002_broken", FAILS)
    seen: list[Any] = [pending(site.connection)]

    def once(_connection: Any) -> Any:
        if seen:
            return seen.pop()
        raise OSError("connection refused")

    monkeypatch.setattr(module, "pending", once)
    with pytest.raises(MigrationRefused, match="no_such_table") as refusal:
        site.migrate()
    assert refusal.value.database == (
        "the database cannot be inspected (connection refused): migrations may have been applied"
    )


def test_time_outs_are_told_with_their_cure() -> None:
    """By the name of the variable."""

    class Connection:
        """One that cannot be used any more."""

        def is_usable(self) -> bool:
            """Say no."""
            raise OSError("gone")

    error = RuntimeError("canceling statement due to lock timeout")
    refused = module._failed(Connection(), [], error)
    assert str(refused).endswith("; if it needs longer, increase site_migrations_lock_timeout")
    assert refused.database == "the database cannot be inspected (gone): migrations may have been applied"


def test_a_database_that_is_ahead(site: Site) -> None:
    """What a newer release has applied is unknown to the older one; what it lacks itself is pending."""
    site.add("0002_colour", COLOUR)
    site.migrate()
    site.remove("0002_colour")
    assert compare(site.connection) == module.MigrationDifference(unknown=("depot.0002_colour",), pending=())
    site.add("0003_size", "migrations.AddField('bike', 'size', models.TextField(default=''))")
    assert compare(site.connection).pending == ("depot.0003_size",)


# Backups


def names(directory: Path) -> list[str]:
    """Name what is in a directory."""
    return sorted(path.name for path in directory.iterdir())


def test_a_backup(site: Site, tmp_path: Path) -> None:
    """It has what was committed, is its owner's alone, and its name has the time and the next release."""
    site.migrate()
    with site.connection.cursor() as cursor:
        cursor.execute("INSERT INTO depot_bike (name) VALUES ('Gazelle')")
    file = backup(site.connection, tmp_path / "backups", "r2", keep=5)
    with sqlite3.connect(file) as copy:
        assert copy.execute("SELECT name FROM depot_bike").fetchall() == [("Gazelle",)]
    assert file.name.endswith("Z-before-r2.sqlite3")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert names(file.parent) == [file.name]


def test_the_last_backups_are_kept(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what else is there is left alone."""
    site.migrate()
    times = iter(("20260101T000000Z", "20260102T000000Z", "20260103T000000Z"))
    monkeypatch.setattr("time.strftime", lambda *_: next(times))
    directory = tmp_path / "backups"
    for _ in range(3):
        backup(site.connection, directory, "r2", keep=2)
        (directory / "mine.sqlite3").touch()
    assert names(directory) == [
        "20260102T000000Z-before-r2.sqlite3",
        "20260103T000000Z-before-r2.sqlite3",
        "mine.sqlite3",
    ]


@pytest.mark.parametrize("keep", [1, 2])
def test_a_backup_after_the_clock_was_ahead(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: int
) -> None:
    """Those with a later date do not cost the new one."""
    site.migrate()
    times = iter(("20300101T000000Z", "20300102T000000Z", "20260101T000000Z"))
    monkeypatch.setattr("time.strftime", lambda *_: next(times))
    for _ in range(3):
        file = backup(site.connection, tmp_path / "backups", "r2", keep=keep)
    assert file.exists()
    assert len(names(file.parent)) == keep
    assert ("20300102T000000Z-before-r2.sqlite3" in names(file.parent)) is (keep == 2)


class PostgreSQL:
    """A connection as far as a backup looks at it."""

    vendor = "postgresql"
    settings_dict = MappingProxyType[str, Any]({})

    class Client:
        """How its command line program would be called."""

        @staticmethod
        def settings_to_cmd_args_env(_settings: Any, _parameters: list[str]) -> tuple[list[str], dict[str, str]]:
            """Give the words and the environment."""
            return ["psql", "-U", "shop", "shop"], {"PGPASSWORD": "secret"}

    client = Client()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Put programs on the path."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    (tmp_path / "bin").mkdir()

    def write(name: str, text: str) -> None:
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)

    return write


def test_a_dump(tmp_path: Path, programs: Callable[[str, str], None]) -> None:
    """The password is in the environment, and not among the words that everybody can read."""
    programs("pg_dump", f'echo "$* $PGPASSWORD" > {tmp_path}/called; for w; do :; done; echo data > "${{w#--file=}}"')
    programs("pg_restore", "echo '; header'; echo '1; TABLE bikes'")
    file = backup(PostgreSQL(), tmp_path / "backups", "r2", keep=5)
    called = (tmp_path / "called").read_text()
    assert called.startswith("-U shop shop --no-password --format=custom --file=")
    assert called.endswith(" secret\n")
    assert called.count("secret") == 1
    assert file.read_text() == "data\n"


@pytest.mark.parametrize(
    ("dump", "restore", "words"),
    [
        ("echo no such role >&2; exit 1", "", "pg_dump exited with status 1: no such role"),
        ("", "exit 1", "pg_restore exited with status 1"),
        ("", "echo '; nothing but a header'", "pg_restore finds nothing in"),
    ],
)
def test_a_dump_that_is_none(
    tmp_path: Path, programs: Callable[[str, str], None], dump: str, restore: str, words: str
) -> None:
    """It is not kept."""
    programs("pg_dump", dump)
    programs("pg_restore", restore)
    with pytest.raises(BackupError, match=words):
        backup(PostgreSQL(), tmp_path / "backups", "r2", keep=5)
    assert names(tmp_path / "backups") == []


def test_a_host_without_pg_dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cure is a package."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        BackupError, match=r"pg_dump is not installed on this host; set site_system_packages: \[postgresql-client\]"
    ):
        backup(PostgreSQL(), tmp_path / "backups", "r2", keep=5)


def test_a_database_that_cannot_be_backed_up(tmp_path: Path) -> None:
    """Said, and not passed over."""
    other = ModuleType("connection")
    other.vendor = "oracle"  # type: ignore[attr-defined]
    with pytest.raises(BackupError, match="site_backup cannot copy a database of oracle; set site_backup: false"):
        backup(other, tmp_path / "backups", "r2", keep=5)


@pytest.fixture
def models(site: Site) -> Iterator[Callable[..., None]]:
    """Let the application have models, which it has in memory only."""
    from django.apps import apps
    from django.db import models

    registered = apps.all_models["depot"]

    def define(model: str, **parts: Any) -> None:
        type(model, (models.Model,), {"__module__": "depot.models", **parts})
        apps.clear_cache()

    yield define
    registered.clear()
    apps.clear_cache()


def test_models_that_have_their_migrations(site: Site, models: Callable[..., None]) -> None:
    """Nothing is missing."""
    from django.db.models import AutoField, TextField

    models("Bike", id=AutoField(primary_key=True), name=TextField())
    assert without_migration(Path(sys.modules["depot"].__file__ or "").parents[1]) == []


def test_a_field_that_was_renamed(site: Site, models: Callable[..., None]) -> None:
    """Its application is named, if it belongs to the project."""
    from django.db.models import AutoField, TextField

    models("Bike", id=AutoField(primary_key=True), title=TextField())
    assert without_migration(Path(sys.modules["depot"].__file__ or "").parents[1]) == ["depot"]
    assert without_migration(site.directory / "elsewhere") == []


def test_an_application_without_any_migration(
    site: Site, models: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tables would not exist, unless it wants none or has none."""
    from django.db.models import AutoField

    source = Path(sys.modules["depot"].__file__ or "").parents[1]
    monkeypatch.setattr(settings, "MIGRATION_MODULES", {})
    models("View", id=AutoField(primary_key=True), Meta=type("Meta", (), {"managed": False}))
    assert without_migration(source) == []
    models("Bike", id=AutoField(primary_key=True))
    assert without_migration(source) == ["depot"]
    monkeypatch.setattr(settings, "MIGRATION_MODULES", {"depot": None})
    assert without_migration(source) == []
