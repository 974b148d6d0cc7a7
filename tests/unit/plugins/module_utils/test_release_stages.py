"""What a real Django does at the stages of a release: checks without tables, commands, static files, inspections."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from django_project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Give a project as most are."""
    return Project(tmp_path)


BIKES = "from django.db import models\nclass Bike(models.Model):\n    name = models.TextField()\n"
MIGRATION = """
from django.db import migrations, models
class Migration(migrations.Migration):
    initial = True
    operations = [migrations.CreateModel("Bike", [("id", models.BigAutoField(primary_key=True)),
        ("name", models.TextField())])]
"""
CHECKS = """
from django.core import checks
@checks.register(deploy={deploy})
def looks(app_configs, **options):
    from bikes.models import Bike
    bikes = list(Bike.objects.all())
    return [checks.{level}("There are %s bikes" % len(bikes), id="bikes.X001")]
@checks.register
def other(app_configs, **options):
    return [checks.Warning("Without tables", id="bikes.X002")]
"""


def with_bikes(project: Project, apps: str = "", **files: str) -> None:
    """Add an application with a table, and with what happens when it is loaded."""
    ready = f"    def ready(self):\n        from bikes import checks\n{apps}" if "checks" in files else ""
    project.application(
        "bikes",
        apps=f"from django.apps import AppConfig\nclass Bikes(AppConfig):\n    name = 'bikes'\n{ready}",
        models=BIKES,
        migrations__0001_initial=MIGRATION,
        **files,
    )


def bikes(project: Project) -> list[str]:
    """The bikes in the database."""
    with sqlite3.connect(project.home / "db.sqlite3") as connection:
        return [name for (name,) in connection.execute("SELECT name FROM bikes_bike ORDER BY id")]


# Checks that need tables


@pytest.mark.parametrize("deploy", [False, True])
def test_a_check_that_needs_tables(project: Project, deploy: bool) -> None:
    """It runs once they are there, and everything else before."""
    with_bikes(project, checks=CHECKS.format(level="Warning", deploy=deploy))
    report = project.live()
    assert "There are 0 bikes" in report["checks"]
    assert project.output.count("Without tables") == 2


def test_a_check_that_fails_once_it_can_run(project: Project) -> None:
    """The release is refused, and what is done to the database is known."""
    with_bikes(project, checks=CHECKS.format(level="Error", deploy=True))
    report = project.build()
    assert (report["stage"], report["migrated"]) == ("refused", True)
    assert report["complaints"] == ["manage.py check --deploy: ?: (bikes.X001) There are 0 bikes"]
    assert "bikes.0001_initial" in report["migrations"]


def test_other_errors_come_before_the_tables(project: Project) -> None:
    """All at once, as ever, and nothing is migrated."""
    with_bikes(
        project, checks=CHECKS.format(level="Error", deploy=True).replace('checks.Warning("W', 'checks.Error("W')
    )
    project.settings("DEBUG = True\n")
    complaints = project.refused()
    assert [complaint.split(" ")[0] for complaint in complaints] == ["DEBUG", "manage.py"]
    assert complaints[1] == "manage.py check --deploy: ?: (bikes.X002) Without tables"


def test_urls_that_need_tables(project: Project) -> None:
    """As in a form whose choices are read when it is imported."""
    with_bikes(project)
    project.files["shop/urls.py"] += "from bikes.models import Bike\nCHOICES = list(Bike.objects.all())\n"
    project.live()


def test_tables_that_nobody_creates(project: Project) -> None:
    """Without migrations the first failure counts."""
    with_bikes(project, checks=CHECKS.format(level="Warning", deploy=True))
    [complaint] = project.refused(migrate=False)
    assert complaint.startswith("manage.py check --deploy needs tables that the database does not have: OperationalErr")
    assert complaint.endswith(": bikes_bike. Migrate the database, or set site_migrate: true")


def test_tables_that_another_host_creates(project: Project) -> None:
    """That host judges them."""
    with_bikes(project, checks=CHECKS.format(level="Error", deploy=True))
    project.settings("DATABASES['replica'] = {**DATABASES['default'], 'ENGINE': 'django.db.backends.dummy'}\n")
    assert project.live(migrates_shared_database=False)["migrations"] == []


def test_a_check_with_another_error(project: Project) -> None:
    """It is no reason to wait."""
    with_bikes(project, checks=CHECKS.format(level="Error", deploy=True).replace("from bikes.models", "1 / 0; from x"))
    report = project.build()
    assert (report["stage"], report["error"]) == ("check", "ZeroDivisionError: division by zero")


def test_checks_that_are_silenced(project: Project) -> None:
    """As site_silenced_checks does it: in addition to the project's own, or to none."""
    with_bikes(project, checks=CHECKS.format(level="Warning", deploy=True))
    project.overrides = {"SILENCED_SYSTEM_CHECKS+": ["bikes.X002", "security.W001"]}
    checks = project.live()["checks"]
    assert "bikes.X002" not in checks
    assert "security.W001" not in checks
    assert "security.W002" in checks


# Commands

ADD = """
from django.core.management import BaseCommand, CommandError
class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("names", nargs="*")
        parser.add_argument("--fail", action="store_true")
        parser.add_argument("--crash", action="store_true")
        parser.add_argument("--exit", type=int)
    def handle(self, names, fail, crash, exit, **options):
        from bikes.models import Bike
        for name in names:
            Bike.objects.create(name=name)
        self.stdout.write("added " + " ".join(names))
        if fail: raise CommandError("no spokes")
        if crash: raise RuntimeError("no brakes")
        if exit is not None: raise SystemExit(exit)
"""


def command(text: str, once: bool = False) -> dict[str, Any]:
    """Give a command as the module hands it over."""
    return {"words": text.split(), "once": once}


def ran(report: dict[str, Any]) -> list[str]:
    """What has run, and why."""
    return [f"{one['why']}: {one['command']}" for one in report["ran"]]


@pytest.fixture
def shop(project: Project) -> Project:
    """Give a project with a table and a command that fills it."""
    with_bikes(project, management__commands__add=ADD)
    return project


def test_commands(shop: Project) -> None:
    """They run in their order, once the tables are there."""
    report = shop.live(commands=[command("add a b"), command("add c --exit 0", once=True)])
    assert ran(report) == ["release: add a b", "once: add c --exit 0"]
    assert bikes(shop) == ["a", "b", "c"]
    assert "manage.py add a b\nadded a b\n" in shop.output


def test_commands_where_another_host_migrates(shop: Project) -> None:
    """They run there."""
    shop.settings("DATABASES['replica'] = {**DATABASES['default'], 'ENGINE': 'django.db.backends.dummy'}\n")
    report = shop.live(commands=[command("add a")], migrates_shared_database=False)
    assert (report["ran"], report["migrations"]) == ([], [])


def test_commands_without_migrations(shop: Project) -> None:
    """Someone else has migrated."""
    shop.live()
    assert ran(shop.build(again=True, migrate=False, commands=[command("add a")])) == ["release: add a"]


@pytest.mark.parametrize(
    ("arguments", "error", "shown"),
    [
        ("--fail", "CommandError: no spokes", "added b"),
        ("--exit 4", "it ended with 4", "added b"),
        ("--crash", "RuntimeError: no brakes", "added b"),
    ],
)
def test_a_command_that_fails(shop: Project, arguments: str, error: str, shown: str) -> None:
    """It is the last one; what it wrote is shown, and what was done before it is known."""
    report = shop.build(commands=[command("add a"), command(f"add b {arguments}"), command("add c")])
    assert (report["stage"], report["error"]) == ("command", error)
    assert report["command"] == {"text": f"add b {arguments}", "variable": "site_release_commands"}
    assert (ran(report), report["written"], report["migrated"]) == (["release: add a"], shown, True)
    assert bikes(shop) == ["a", "b"]


def test_a_command_that_writes_much(shop: Project) -> None:
    """The end is shown."""
    shop.files["bikes/management/commands/add.py"] = ADD.replace("if fail:", 'print("line\\n" * 99)\n        if fail:')
    lines = shop.build(commands=[command("add --fail")])["written"].splitlines()
    assert lines[:2] == ["[61 lines left out]", "line"]


def test_commands_that_cannot_run(shop: Project) -> None:
    """All of them are refused before the database is migrated."""
    given = ["ad x", "add --colour red", "add --exit x", "add --help", "nothing_like_it"]
    assert shop.refused(commands=[command(text) for text in given], first_commands=[command("loaddata")]) == [
        "site_first_commands: 'loaddata': No database fixture specified. Please provide the path of at least one "
        "fixture in the command line; manage.py help loaddata lists its arguments",
        "site_release_commands: 'ad x': the project has no command 'ad'; did you mean add?",
        "site_release_commands: 'add --colour red': unrecognized arguments: --colour; manage.py help add lists its "
        "arguments",
        "site_release_commands: 'add --exit x': argument --exit: invalid int value: 'x'; manage.py help add lists its "
        "arguments",
        "site_release_commands: 'add --help' only prints help or a version; leave it out",
        "site_release_commands: 'nothing_like_it': the project has no command 'nothing_like_it'; manage.py help lists "
        "those that it has",
    ]
    assert not (shop.home / "db.sqlite3").exists() or not (shop.home / "db.sqlite3").stat().st_size


def test_first_commands(shop: Project) -> None:
    """An empty database is noted before it is migrated; then they run, before the others."""
    first = [command("add first")]
    report = shop.build(first_commands=first, commands=[command("add each")])
    assert (report["stage"], report["migrations"], report["ran"]) == ("empty", [], [])
    given = {"first_commands": first, "commands": [command("add each")]}
    report = shop.build(again=True, **given, first_noted=True, first_due=True)
    assert ran(report) == ["first: add first", "release: add each"]
    report = shop.build(again=True, **given)
    assert (report["stage"], ran(report)) == ("done", ["release: add each"])
    assert bikes(shop) == ["first", "each", "each"]


def test_first_commands_where_something_is_there(shop: Project) -> None:
    """Tables of the project, also without a migration that is recorded."""
    with sqlite3.connect(shop.home / "db.sqlite3") as connection:
        connection.execute("CREATE TABLE bikes_bike (id INTEGER)")
    report = shop.build(first_commands=[command("add first")], commands=[command("migrate --plan")])
    assert (report["stage"], report["ran"]) == ("migrate", [])
    assert "already exists" in report["error"]


# Static files

MANIFEST = (
    "\nSTORAGES = {'staticfiles': {'BACKEND': 'django.contrib.staticfiles.storage.ManifestStaticFilesStorage'}}\n"
)


def with_static_files(project: Project, text: str = "body {}\n") -> None:
    """Add files to collect, with hashes in their names."""
    project.job["collectstatic"] = True
    project.settings(MANIFEST + "STATICFILES_DIRS = [BASE_DIR / 'assets']\n")
    project.files["assets/shop.css"] = text


def manifest(project: Project) -> dict[str, str]:
    """What is in the manifest."""
    return dict(json.loads((project.release / "app/collected/staticfiles.json").read_text())["paths"])


def test_static_files_that_are_committed(project: Project) -> None:
    """Files of the source that are newer in truth replace them, and entries that nobody finds any more are kept."""
    with_static_files(project, "body {color: red}\n")
    committed = {"shop.css": "shop.0ld.css", "built.js": "built.1234.js", "gone.js": "gone.5678.js"}
    project.files |= {
        "collected/shop.css": "body {}\n",
        "collected/shop.0ld.css": "body {}\n",
        "collected/built.js": "built",
        "collected/built.1234.js": "built",
        "collected/staticfiles.json": json.dumps({"paths": committed, "version": "1.1", "hash": "0"}),
    }
    project.live()
    collected = project.release / "app/collected"
    found = manifest(project)
    assert (collected / "shop.css").read_text() == "body {color: red}\n"
    assert (collected / found["shop.css"]).read_text() == "body {color: red}\n"
    assert sorted(found) == ["built.js", "shop.css"]
    assert found["built.js"] == "built.1234.js"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"paths": 7}'])
def test_a_committed_manifest_that_is_none(project: Project, content: str) -> None:
    """It does not matter: a new one is written."""
    with_static_files(project)
    project.files |= {"collected/staticfiles.json": content, "collected/shop.css": "old\n"}
    report = project.build()
    if report["stage"] == "done":
        assert sorted(manifest(project)) == ["shop.css"]
    else:  # Django itself cannot read it.
        assert report["stage"] in ("check", "collectstatic", "settings", "apps")


def test_static_files_are_taken_over(project: Project) -> None:
    """By a release that finds the same files, whatever its environment; not by one that finds others."""
    with_static_files(project)
    first = project.live(packages_digest="p1")["description"]
    assert len(first["collected"]) == 32
    known = {first["collected"]: str(project.release / "app/collected")}
    before = manifest(project)
    (project.release / "app/collected/mark").touch()
    project.use("r2")
    project.environment["COLOUR"] = "red"
    second = project.live(packages_digest="p1", collected=known)["description"]
    assert second["collected"] == first["collected"]
    assert (project.release / "app/collected/mark").exists()
    assert manifest(project) == before
    assert "Static files are those of an earlier release" in project.output
    project.use("r3")
    project.files["assets/shop.css"] = "body {color: blue}\n"
    assert project.live(packages_digest="p1", collected=known)["description"]["collected"] != first["collected"]
    assert not (project.release / "app/collected/mark").exists()


@pytest.mark.parametrize(
    ("settings", "packages"),
    [
        ("", "p2"),
        ("", None),
        ("STATIC_URL = '/files/'\n", "p1"),
        ("STORAGES['staticfiles']['BACKEND'] = 'django.contrib.staticfiles.storage.StaticFilesStorage'\n", "p1"),
        (
            "STORAGES['staticfiles']['BACKEND'] = 'shop.storage.Own'\n",
            "p1",
        ),
    ],
    ids=["packages", "packages of its own", "url", "storage", "own storage"],
)
def test_static_files_that_are_not_taken_over(project: Project, settings: str, packages: str | None) -> None:
    """Where something that they depend on is another, or where nobody can tell."""
    project.files["shop/storage.py"] = (
        "from django.contrib.staticfiles.storage import StaticFilesStorage\nclass Own(StaticFilesStorage): pass\n"
    )
    with_static_files(project)
    first = project.live(packages_digest="p1")["description"]["collected"]
    known = {first: str(project.release / "app/collected")}
    (project.release / "app/collected/mark").touch()
    project.use("r2")
    project.settings(settings)
    project.live(packages_digest=packages, collected=known)
    assert not (project.release / "app/collected/mark").exists()


def test_static_files_that_were_removed(project: Project) -> None:
    """They are collected then."""
    with_static_files(project)
    first = project.live(packages_digest="p1")["description"]["collected"]
    project.use("r2")
    project.live(packages_digest="p1", collected={first: str(project.tmp / "nowhere")})
    assert sorted(manifest(project)) == ["shop.css"]


def test_static_files_and_uploads_in_a_bucket(project: Project) -> None:
    """They need no directory, are not served by nginx, and nothing is said of them."""
    project.files["shop/storage.py"] = (
        "from django.core.files.storage import Storage\n"
        "class Bucket(Storage):\n"
        "    kept = {}\n"
        "    def _open(self, name, mode='rb'): raise FileNotFoundError(name)\n"
        "    def _save(self, name, content): print('keeps', name); return name\n"
        "    def exists(self, name): return False\n"
        "    def url(self, name): return name\n"
    )
    with_static_files(project)
    project.settings(
        "STORAGES = {name: {'BACKEND': 'shop.storage.Bucket'} for name in ('default', 'staticfiles')}\n"
        "STATIC_ROOT, STATIC_URL = None, 'https://bucket.example.net/static/'\n"
        "MEDIA_ROOT, MEDIA_URL = '/nowhere', 'https://bucket.example.net/media/'\n"
    )
    report = project.live(packages_digest="p1")
    assert (report["description"]["public"], report["description"]["collected"], report["warnings"]) == ({}, "", [])
    assert "keeps shop.css" in project.output


# Settings that code of the project reads by itself


def test_a_configuration_that_is_imported_before(project: Project) -> None:
    """By manage.py, or by the application: what asks the module later has the inventory's values."""
    project.settings("COLOUR = 'red'\nPLACES = ('a',)\n")
    project.files["manage.py"] = "import shop.config\n" + project.files["manage.py"]
    project.files["shop/config.py"] = (
        "from shop import settings\nfrom shop.settings import COLOUR\n"
        "def now(): return settings.COLOUR, settings.PLACES, COLOUR\n"
    )
    project.files["shop/urls.py"] += (
        "from django.conf import settings\nfrom shop.config import now\n"
        "print('now:', now(), settings.COLOUR, settings.PLACES)\n"
    )
    project.overrides = {"COLOUR": "blue", "PLACES+": ["b"]}
    project.live()
    # What was copied from the module before is as it was.
    assert "now: ('blue', ('a', 'b'), 'red') blue ('a', 'b')" in project.output


def test_types_of_overrides(project: Project) -> None:
    """A project that joins paths goes on doing so."""
    project.settings("DATA = BASE_DIR / 'data'\n")
    project.files["shop/urls.py"] += "from django.conf import settings\nprint('joined:', settings.DATA / 'x')\n"
    project.overrides = {"DATA": "/var/lib/shop/data"}
    project.live()
    assert "joined: /var/lib/shop/data/x" in project.output


# Logs


def test_a_directory_of_logs_that_is_missing(project: Project) -> None:
    """It is refused with the cure, and so is everything else."""
    project.settings(
        "DEBUG = True\nLOGGING = {'version': 1, 'handlers': {'file': {'class': 'logging.FileHandler', 'filename': "
        "BASE_DIR / 'var/logs/shop.log'}}, 'root': {'handlers': ['file']}}\n"
    )
    complaints = project.refused()
    assert complaints[0] == (
        f"LOGGING: '{project.release}/app/var/logs/shop.log' is in a directory that the source does not have, inside "
        "the release, where the site cannot write. Write to stderr (logging.StreamHandler), which the journal keeps, "
        "or set site_shared_paths: [var/logs/]"
    )
    assert [complaint.split()[0] for complaint in complaints[1:]] == ["DEBUG"]
    assert project.inventory == {"site_shared_paths": ["var/logs/"], "site_settings": {"DEBUG": False}}
    project.use("r2")
    project.settings("DEBUG = False\n")
    [note] = project.live(shared=["var/logs/"])["warnings"]
    assert "never reopens its file" in note


def test_a_log_beside_the_code(project: Project) -> None:
    """Its file can be shared."""
    project.settings(
        "LOGGING = {'version': 1, 'handlers': {'file': {'class': 'logging.FileHandler', 'filename': "
        "BASE_DIR / 'debug.log'}}, 'root': {'handlers': ['file']}}\n"
    )
    [complaint] = project.refused()
    assert complaint.endswith("; or set site_shared_paths: [debug.log]")
    assert project.inventory == {"site_shared_paths": ["debug.log"]}
    project.use("r2")
    project.live(shared=["debug.log"])


# Several databases


def test_a_second_database_that_nothing_migrates(project: Project) -> None:
    """It is said; with the command it has its tables, and nothing is said."""
    with_bikes(project)
    project.files["shop/router.py"] = (
        "class Router:\n"
        "    def db_for_read(self, model, **hints): return 'other' if model._meta.app_label == 'bikes' else None\n"
        "    db_for_write = db_for_read\n"
        "    def allow_migrate(self, db, app_label, **hints): return (db == 'other') == (app_label == 'bikes')\n"
    )
    project.settings(
        "DATABASE_ROUTERS = ['shop.router.Router']\n"
        "DATABASES['other'] = {'ENGINE': 'django.db.backends.sqlite3', 'NAME': HOME + '/other.sqlite3'}\n"
    )
    report = project.live()
    assert report["warnings"] == [
        "DATABASES['other'] has tables of its own, and a deploy migrates the default database. Set "
        'site_release_commands: ["migrate --database=other"]'
    ]
    assert report["proposals"] == {"site_release_commands": ["migrate --database=other"]}
    project.use("r2")
    assert project.live(commands=[command("migrate --database=other")])["warnings"] == []
    with sqlite3.connect(project.home / "other.sqlite3") as connection:
        assert list(connection.execute("SELECT * FROM bikes_bike")) == []


def test_uploads_without_a_place(project: Project) -> None:
    """A model with files, and no MEDIA_ROOT."""
    project.application("bikes", models=BIKES + "    photo = models.FileField()\n", migrations__0001_initial=MIGRATION)
    report = project.live()
    assert report["proposals"]["site_settings"] == {"MEDIA_ROOT": f"{project.home}/media", "MEDIA_URL": "/media/"}
    assert report["warnings"][0].startswith("MEDIA_ROOT is not set, and bikes.Bike.photo keeps uploads in files, which")
