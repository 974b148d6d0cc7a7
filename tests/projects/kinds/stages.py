"""What Django does during a deploy: how it is started, checks that need tables, commands, static files."""

from __future__ import annotations

import json
from pathlib import Path

from kind import Kind, Live, Refused, Visit

__all__ = ["KINDS"]

# As libraries do that resolve types lazily (strawberry); what serves is started otherwise.
LOOKS_AT_MAIN = """
import __main__, os, sys
if os.path.basename(sys.argv[0]) == "manage.py":
    assert os.path.samefile(__main__.__file__, BASE_DIR / "manage.py"), __main__.__file__
    assert (sys.path[0], os.getcwd()) == (str(BASE_DIR), str(BASE_DIR)), sys.path
"""
DEPOT = {
    "__init__.py": "",
    "apps.py": """
from django.apps import AppConfig
class Depot(AppConfig):
    name = "depot"
    def ready(self):
        from depot import checks
""",
    "models.py": """
from django.db import models
class Bike(models.Model):
    name = models.TextField()
""",
    "checks.py": """
from django.core import checks
@checks.register
def bikes(app_configs, **options):
    from depot.models import Bike
    return [checks.Warning(f"{Bike.objects.count()} bikes", id="depot.W001")]
""",
    "migrations/__init__.py": "",
    "migrations/0001_initial.py": """
from django.db import migrations, models
class Migration(migrations.Migration):
    initial = True
    operations = [migrations.CreateModel("Bike", [("id", models.BigAutoField(primary_key=True)),
        ("name", models.TextField())])]
""",
    "fixtures/initial.json": json.dumps([{"model": "depot.bike", "pk": 1, "fields": {"name": "the first bike"}}]),
    "entrypoint.sh": "#!/bin/sh\npython manage.py loaddata initial\nexec gunicorn mysite.wsgi\n",
    "management/__init__.py": "",
    "management/commands/__init__.py": "",
    "management/commands/true_bikes.py": """
from django.core.management import BaseCommand, CommandError
from depot.models import Bike
class Command(BaseCommand):
    def handle(self, **options):
        for bike in Bike.objects.all():
            self.stdout.write(f"truing {bike.name}")
        raise CommandError("no spokes")
""",
}
FIRST_BIKE = """
from django.http import HttpResponse
from depot.models import Bike

urlpatterns.append(path("", lambda request: HttpResponse(Bike.objects.get(pk=1).name)))
"""


def with_depot(project: Path) -> None:
    """Add an application whose check needs its table, and whose home page needs data, as its container loads it."""
    for name, text in DEPOT.items():
        file = project / "depot" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


KINDS = [
    Kind(
        "looks_at_main",
        Live(visits=(Visit("/admin/login/"),)),
        ready=False,
        settings=LOOKS_AT_MAIN,
        inspected=True,
        site="found",
        host="web12",
        together="inspected",
    ),
    Kind(
        "needs_its_data",
        Live(
            visits=(Visit(body="the first bike"),),
            shows=("ran manage.py loaddata initial; manage.py createcachetable",),
        ),
        settings="""
INSTALLED_APPS += ["depot"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cached"}}
""",
        urls=FIRST_BIKE,
        reshape=with_depot,
        variables={
            "site_release_commands": [{"command": "createcachetable", "once": True}],
            "site_silenced_checks": ["depot.W001"],
        },
        inspected=True,
        asks_django=True,
        site="depot",
    ),
    # A new release of that site: its database is not empty any more, and its cache has its table.
    Kind(
        "has_its_data",
        Live(
            visits=(Visit(body="the first bike"),), shows=("ran manage.py check.",), never=("ran manage.py loaddata",)
        ),
        settings="""
INSTALLED_APPS += ["depot"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cached"}}
""",
        urls=FIRST_BIKE,
        reshape=with_depot,
        variables={
            "site_first_commands": ["loaddata initial"],
            "site_release_commands": [{"command": "createcachetable", "once": True}, "check"],
            "site_silenced_checks": ["depot.W001"],
        },
        site="depot",
        upon="needs_its_data",
    ),
    Kind(
        "a_command_that_fails",
        Refused(
            shows=("site_release_commands: manage.py true_bikes failed: CommandError: no", "truing the first bike"),
            never=("site is unchanged",),
            visits=(Visit(body="the first bike"),),
        ),
        settings='INSTALLED_APPS += ["depot"]\n',
        urls=FIRST_BIKE,
        reshape=with_depot,
        variables={"site_release_commands": ["true_bikes"], "site_silenced_checks": ["depot.W001"]},
        site="depot",
        upon="has_its_data",
    ),
    Kind(
        "places_that_are_shared",
        Refused(
            shows=(
                "STATIC_ROOT",
                "which all releases share",
                "MEDIA_ROOT",
                "beside the source",
                "site_shared_paths: [logs/]",
                "'rebuild_depot'",
            )
        ),
        settings="""
STATIC_ROOT = "/var/lib/refused/static"
MEDIA_ROOT, MEDIA_URL = BASE_DIR.parent / "media", "/media/"
LOGGING = {
    "version": 1,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": BASE_DIR / "logs/shop.log"}},
    "root": {"handlers": ["file"]},
}
""",
        variables={"site_release_commands": ["rebuild_depot"]},
        host="web12",
    ),
]
