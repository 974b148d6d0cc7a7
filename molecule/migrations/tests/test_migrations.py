"""Migrations on PostgreSQL while the site serves: what is applied, what is refused, what fails, and every way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from deploys import Play, Source
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

NOTE = "migrations.AddField('product', 'note', models.TextField(null=True))"
SIZE = "migrations.AddField('product', 'size', models.TextField(null=True))"
WANTED = "migrations.AddField('product', 'note', models.TextField(default=''))"
NO_NOTE = "migrations.RemoveField('product', 'note')"
FAILS = "migrations.RunSQL('ALTER TABLE no_such_table ADD COLUMN colour text')"

Deploy = Callable[..., Play]


def add(source: Source, name: str, after: str, *operations: str) -> str:
    """Commit a migration."""
    text = f"""from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workshop", "{after}")]
    operations = [{", ".join(operations)}]
"""
    return source.commit(**{f"workshop__migrations__{name}": text})


def columns(host: Host) -> list[str]:
    """Name the columns that tests add, as PostgreSQL has them."""
    query = "SELECT column_name FROM information_schema.columns WHERE table_name = 'workshop_product' ORDER BY 1"
    found = host.check_output("runuser -u postgres -- psql -d shop -tAc %s", query).split()
    return [name for name in found if name in ("note", "size")]


@contextmanager
def held(host: Host, statement: str) -> Iterator[None]:
    """Hold a lock in a session of its own, for twenty seconds at most."""
    unit = "held-lock"
    sql = f"BEGIN; {statement}; SELECT pg_sleep(20)"
    host.check_output("systemd-run --quiet --collect --unit=%s --uid=postgres -- psql -d shop -c %s", unit, sql)
    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(20)' AND wait_event = 'PgSleep'"
    ask = "runuser -u postgres -- psql -d shop -tAc %s | grep -q 1"
    host.check_output(f"for try in $(seq 50); do {ask} && exit; sleep 0.1; done; exit 1", query)
    try:
        yield
    finally:
        # Its session in the database would outlive the client.
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        host.check_output("runuser -u postgres -- psql -d shop -tAc %s", end)


@pytest.fixture(scope="module")
def git(source: Source) -> dict[str, str]:
    """Variables that deploy the repository of this test."""
    return {"site_source_directory": "", "site_git_url": str(source.directory)}


@pytest.fixture(scope="module")
def first(deploy: Deploy, git: dict[str, str], answering: Callable[[], str]) -> str:
    """The release that the others begin from."""
    deploy(**git).succeeded()
    return answering()


def test_a_migration_with_its_backup(
    first: str, deploy: Deploy, git: dict[str, str], source: Source, host: Host, answering: Callable[[], str]
) -> None:
    """It is applied and named, and the database from before is on the disk, for the site's user alone."""
    add(source, "0003_note", "0002_first_products", NOTE)
    play = deploy(**git).succeeded()
    assert "applied workshop.0003_note; the database from before is /var/lib/shop/backups/" in play.words
    assert columns(host) == ["note"]
    assert answering() != first
    (backup,) = host.file("/var/lib/shop/backups").listdir()
    file = host.file(f"/var/lib/shop/backups/{backup}")
    assert (file.user, oct(file.mode)) == ("shop", oct(0o600))
    assert "TABLE DATA public workshop_product" in host.check_output("pg_restore --list %s", file.path)


def test_a_loss_is_refused_unless_it_is_allowed(
    deploy: Deploy, git: dict[str, str], source: Source, host: Host, answering: Callable[[], str]
) -> None:
    """The operation is named before anything is touched; with the operator's word it is done."""
    serving = answering()
    add(source, "0004_no_note", "0003_note", NO_NOTE)
    play = deploy(**git).refused()
    words = play.words
    assert "its migrations cannot run: they remove what the running release may still use" in words
    assert "workshop.0004_no_note: Remove field note from product" in words
    assert "site_migrations_allow_destructive: true" in words
    assert columns(host) == ["note"]
    assert answering() == serving
    deploy(**git, site_migrations_allow_destructive=True).succeeded()
    assert columns(host) == []
    assert answering() != serving


def test_a_migration_that_fails(
    deploy: Deploy, git: dict[str, str], source: Source, host: Host, answering: Callable[[], str]
) -> None:
    """It is rolled back by PostgreSQL; the one before it stays, and the message states that."""
    serving = answering()
    add(source, "0005_size", "0004_no_note", SIZE)
    add(source, "0006_broken", "0005_size", NOTE, FAILS)
    play = deploy(**git).refused()
    words = play.words
    assert "workshop.0006_broken was rolled back, and what was applied before it is kept: workshop.0005_size" in words
    assert columns(host) == ["size"]
    assert answering() == serving
    source.revert()


def test_a_field_that_the_serving_release_does_not_fill(
    deploy: Deploy,
    playbook: Callable[..., Play],
    git: dict[str, str],
    source: Source,
    host: Host,
    answering: Callable[[], str],
) -> None:
    """After a refusal the message begins with it, status complains, and the command in the message takes it back."""
    serving = answering()
    add(source, "0006_note", "0005_size", WANTED)
    add(source, "0007_broken", "0006_note", FAILS)
    words = deploy(**git).refused().words
    assert (
        "is refused, and workshop.0006_note stays applied: until a release that knows it is live, release "
        f"{serving}, which keeps serving, cannot add rows to workshop_product."
    ) in words
    assert "The database from before is /var/lib/shop/backups/" in words
    assert (columns(host), answering()) == (["note", "size"], serving)
    words = playbook("status").succeeded().words
    assert "! web: workshop.0006_note stays applied" in words
    source.revert()
    source.commit(workshop__views="def home(request):\n    raise LookupError('bad')")
    words = deploy(**git).refused().words
    assert "and workshop.0006_note stays applied" in words
    kept, _, command = words.partition("To take back what it did to the database: ")[2].partition(" manage.py ")
    assert command.startswith("migrate workshop 0005_size")
    back = f"{kept} manage.py migrate workshop 0005_size".replace("--pty", "--pipe --wait").replace("\\ ", "")
    host.check_output(back.removeprefix("sudo "))
    assert columns(host) == ["size"]
    assert "All is well." in playbook("status").succeeded().words
    source.revert()
    source.revert()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("LOCK TABLE workshop_product", "site_migrations_lock_timeout"),
        ("SELECT pg_advisory_lock(%d)", "another process is migrating this database"),
    ],
    ids=["a table", "the database"],
)
def test_a_lock_that_is_held(
    deploy: Deploy, git: dict[str, str], source: Source, host: Host, statement: str, words: str
) -> None:
    """Nobody waits behind a migration for longer than the variables allow."""
    import zlib

    add(source, "0006_note", "0005_size", NOTE)
    if "%d" in statement:
        statement %= zlib.crc32(b"pitcrew.django")
    with held(host, statement):
        play = deploy(**git, site_migrations_lock_timeout=2, site_backup=False).refused()
    assert words in play.words
    assert columns(host) == ["size"]
    source.revert()


def test_the_way_back(
    deploy: Deploy,
    playbook: Callable[..., Play],
    git: dict[str, str],
    source: Source,
    host: Host,
    answering: Callable[[], str],
) -> None:
    """A rollback names what the release before does not know, and returns with the operator's consent."""
    deploy(**git).succeeded()  # 0005 alone
    serving = answering()
    add(source, "0006_note", "0005_size", NOTE)
    deploy(**git).succeeded()
    newest = answering()
    play = playbook("rollback", "--extra-vars=site_rollback_allow_newer_database=false").refused()
    assert f"has migrations that release {serving} does not know: workshop.0006_note" in play.words
    assert answering() == newest
    playbook("rollback", site_rollback_allow_newer_database=True).succeeded()
    assert answering() == serving


def test_a_backup_is_restored(playbook: Callable[..., Play], host: Host, answering: Callable[[], str]) -> None:
    """As docs/operations.md says: afterwards the database knows nothing of the migration, and the site serves."""
    assert columns(host) == ["note", "size"]
    serving = answering()
    backup = sorted(host.file("/var/lib/shop/backups").listdir())[-1]
    documented = (Path(__file__).parents[3] / "docs/operations.md").read_text()
    _before, _copy, lines = documented.partition("copy=/var/lib/shop/backups/")
    postgresql = lines.partition("# SQLite")[0].splitlines()[1:]
    # By an admin, who may not look into the directory.
    commands = "\n".join(["cd", f"copy=/var/lib/shop/backups/{Path(backup).stem}", *postgresql])
    host.check_output("su ansible --command %s", commands)
    assert columns(host) == ["size"]
    playbook("rollback", f"--extra-vars=site_release={serving}").succeeded()
    assert answering() == serving
