"""Django is started by the project's own manage.py, and what only that does, the processes of the site do not have."""

from __future__ import annotations

from pathlib import Path

import pytest
from django_project import MANAGE, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Give a project as most are; its database does not matter."""
    project = Project(tmp_path)
    project.job["migrate"] = False
    return project


SEEN = """
import __main__, os, sys, json
print("seen:" + json.dumps({"file": __main__.__file__, "name": __main__.__name__, "argv": sys.argv,
    "path": sys.path[0], "cwd": os.getcwd()}))
assert os.path.samefile(__main__.__file__, sys.argv[0])
"""


def test_what_a_library_sees(project: Project) -> None:
    """A file that exists, its directory first on the path, and a command that manage.py has."""
    project.settings(SEEN)
    project.live()
    app = project.release / "app"
    [seen] = [line for line in project.output.splitlines() if line.startswith("seen:")]
    assert seen == (
        f'seen:{{"file": "{app}/manage.py", "name": "__main__", "argv": ["{app}/manage.py", "check", "--deploy"], '
        f'"path": "{app}", "cwd": "{app}"}}'
    )


def test_a_project_below_the_source(project: Project) -> None:
    """The directory is that of its manage.py."""
    project.files = {f"web/site/{name}": text for name, text in project.files.items()}
    project.directory = "web/site"
    project.files["web/site/shop/settings.py"] += SEEN
    project.live()
    assert f'"cwd": "{project.release}/app/web/site"' in project.output


@pytest.mark.parametrize("overridden", [False, True])
def test_an_installed_application(project: Project, overridden: bool) -> None:
    """Without a manage.py it is Django's own main module, as with python -m django."""
    del project.files["manage.py"]
    project.settings(SEEN)
    project.overrides = {"TIME_ZONE": "UTC"} if overridden else {}
    assert project.live()["warnings"] == []
    assert 'django/__main__.py", "name": "__main__", "argv"' in project.output


def test_the_arguments_are_those_of_each_command(project: Project) -> None:
    """Applications decide by them what to do."""
    project.application(
        "parts",
        models="",
        apps="from django.apps import AppConfig\nfrom django.db.models.signals import pre_migrate\nimport sys\n"
        "def show(**kwargs): print('before migrating:', sys.argv[1:])\n"
        "class Parts(AppConfig):\n    name = 'parts'\n    def ready(self): pre_migrate.connect(show)\n",
        management__commands__say="import sys\nfrom django.core.management import BaseCommand\n"
        "class Command(BaseCommand):\n    def add_arguments(self, parser): parser.add_argument('word')\n"
        "    def handle(self, word, **options): print('says', word, sys.argv[1:])\n",
    )
    project.live(migrate=True, commands=[{"words": ["say", "hello"], "once": False}])
    assert "before migrating: ['migrate', '--no-input']" in project.output
    assert "says hello ['say', 'hello']" in project.output


# Ways to write manage.py


@pytest.mark.parametrize(
    "manage",
    [
        MANAGE,
        MANAGE.replace("os.environ.setdefault", "os.environ.__setitem__"),
        "import sys\nfrom django.core.management import ManagementUtility\nManagementUtility(sys.argv).execute()\n",
        "import sys\nimport django.core.management as m\nm.execute_from_command_line()\n",
        MANAGE + "    sys.exit(3)\n",
        MANAGE + "    raise SystemError('afterwards')\n",
        f"def main():\n    {MANAGE.strip().replace(chr(10), chr(10) + '    ')}\nmain()\n",
        "import os, sys\nos.chdir('/')\nsys.path.insert(0, '/')\n" + MANAGE,
    ],
    ids=["usual", "sets the module", "utility", "without arguments", "exits", "raises", "main", "elsewhere"],
)
def test_ways_to_start_django(project: Project, manage: str) -> None:
    """Whatever comes after it is manage.py's own affair."""
    project.files["manage.py"] = manage
    assert project.live()["warnings"] == []


@pytest.mark.parametrize(
    ("manage", "why"),
    [
        (
            "import dotenv_that_nobody_has\n",
            "it ended with ModuleNotFoundError: No module named 'dotenv_that_nobody_ha",
        ),
        ("print 'as in 2010'\n", "it ended with SyntaxError: Missing parentheses in call to 'print'. Did you mean"),
        ("raise SystemExit(2)\n", "it ended with SystemExit: 2 (line 1). The deploy has"),
        ("import os\nos.environ['NOWHERE_SET']\n", "it ended with KeyError: 'NOWHERE_SET' (line 2). The deploy has"),
        ("print('nothing to do')\n", "it does not use django.core.management. The deploy has started it without"),
    ],
)
def test_a_script_that_does_not_start_django(project: Project, manage: str, why: str) -> None:
    """The deploy goes on without it, and says so: people will need it."""
    project.files["manage.py"] = manage
    [warning] = project.live()["warnings"]
    assert warning.startswith(f"manage.py does not start Django: {why}")
    assert warning.endswith("nobody can run its commands on the host. Correct it")


@pytest.mark.parametrize("manage", ["import os\nos._exit(0)\n", "import os\nos.execv('/bin/true', ['true'])\n"])
def test_a_script_that_takes_the_process_away(project: Project, manage: str) -> None:
    """The report has where that was."""
    project.files["manage.py"] = manage
    report = project.build()
    assert (report["stage"], report["error"]) == ("script", None)


def test_a_settings_module_of_its_own(project: Project) -> None:
    """The inventory decides; that manage.py would use another one is said."""
    project.files["shop/other.py"] = project.files["shop/settings.py"]
    project.environment["DJANGO_SETTINGS_MODULE"] = "shop.other"
    project.files["manage.py"] = MANAGE.replace("os.environ.setdefault", "os.environ.__setitem__")
    [warning] = project.live()["warnings"]
    assert warning == (
        "manage.py sets DJANGO_SETTINGS_MODULE to 'shop.settings', whatever the environment says; the deploy uses "
        "'shop.other' (site_settings_module). Use os.environ.setdefault there"
    )


def test_modules_that_are_replaced_before_django(project: Project) -> None:
    """Django is imported by manage.py, and not before it."""
    project.files["manage.py"] = (
        "import sys\nassert not [name for name in sys.modules if name.partition('.')[0] in ('django', 'asyncio')]\n"
        + MANAGE
    )
    assert project.live()["warnings"] == []


# Source layouts

ADDS_SRC = "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'src'))\n"


def in_src(project: Project) -> None:
    """Move all modules below src."""
    project.files = {name if name == "manage.py" else f"src/{name}": text for name, text in project.files.items()}


def test_a_source_layout(project: Project) -> None:
    """What manage.py adds to the path, the processes of the site do not have; with the cure they do."""
    in_src(project)
    project.files["manage.py"] = ADDS_SRC + MANAGE
    assert project.refused() == [
        "manage.py adds @project@/src to sys.path, and the processes of the site do not run it: ModuleNotFoundError: "
        "No module named 'shop'. Set site_environment: {PYTHONPATH: \"@project@/src\"}"
    ]
    assert project.inventory == {"site_environment": {"PYTHONPATH": "@project@/src"}}
    project.environment["PYTHONPATH"] = "@release@/app/src"
    project.use("r2")
    assert project.live()["warnings"] == []


def test_a_source_layout_with_overrides_and_more(project: Project) -> None:
    """The cure keeps what the inventory has, and leaves out what is ours."""
    in_src(project)
    project.files["manage.py"] = ADDS_SRC + MANAGE
    project.overrides = {"TIME_ZONE": "UTC"}
    project.environment["PYTHONPATH"] = "/opt/lib"
    project.refused()
    assert project.inventory == {"site_environment": {"PYTHONPATH": "/opt/lib:@project@/src"}}


def test_an_application_that_adds_it_too(project: Project) -> None:
    """Nothing is missing."""
    in_src(project)
    project.files["manage.py"] = ADDS_SRC + MANAGE
    project.files["wsgi.py"] = ADDS_SRC + project.files.pop("src/shop/wsgi.py")
    assert project.live(application="wsgi:application")["warnings"] == []


def test_applications_in_a_directory_of_their_own(project: Project) -> None:
    """As of cookiecutter-django: the settings are found without it, the applications are not."""
    project.application("bikes", models="")
    project.files = {name.replace("bikes/", "apps/bikes/"): text for name, text in project.files.items()}
    project.files["manage.py"] = ADDS_SRC.replace("'src'", "'apps'") + MANAGE
    [complaint] = project.refused()
    assert "No module named 'bikes'" in complaint
    assert project.inventory == {"site_environment": {"PYTHONPATH": "@project@/apps"}}


def test_a_layout_that_nothing_adds(project: Project) -> None:
    """The directory is found."""
    in_src(project)
    assert project.refused() == [
        "site_settings_module: 'shop.settings' cannot be imported by the release's Python (no module 'shop'); its file "
        'is in @project@/src, which is not on sys.path: set site_environment: {PYTHONPATH: "@project@/src"}'
    ]
    project.environment["PYTHONPATH"] = "@release@/app/src"
    project.use("r2")
    project.live()


# Variables that only manage.py sets


def test_a_variable_that_the_settings_need(project: Project) -> None:
    """It is named, and its value is not shown."""
    project.files["manage.py"] = "import os\nos.environ.setdefault('SHOP_TOKEN', 'c0rrect-horse')\n" + MANAGE
    project.settings("TOKEN = os.environ['SHOP_TOKEN']\n")
    [complaint] = project.refused()
    assert complaint == (
        "manage.py sets SHOP_TOKEN, and the processes of the site do not run it: loading 'shop.wsgi:application' fails "
        "with KeyError: 'SHOP_TOKEN'. Set it in site_environment, or in site_secrets if nobody may see it"
    )
    assert project.inventory == {"site_secrets": {"SHOP_TOKEN": "..."}}
    assert "c0rrect-horse" not in project.output
    project.environment["SHOP_TOKEN"] = "x"
    project.use("r2")
    assert project.live()["warnings"] == []


def test_a_variable_that_the_site_can_do_without(project: Project) -> None:
    """It is said: the processes may behave otherwise than manage.py."""
    project.files["manage.py"] = "import os\nos.environ.setdefault('SHOP_MODE', 'live')\n" + MANAGE
    assert project.live()["warnings"] == [
        "manage.py sets SHOP_MODE, and the processes of the site do not run it. If they need it, set it in "
        "site_environment, or in site_secrets if nobody may see it"
    ]


def test_a_variable_that_the_application_sets_too(project: Project) -> None:
    """As with a file of variables that both read."""
    both = "import os\nos.environ.setdefault('SHOP_TOKEN', 'x')\n"
    project.files["manage.py"] = both + MANAGE
    project.files["shop/wsgi.py"] = both + project.files["shop/wsgi.py"]
    project.settings("TOKEN = os.environ['SHOP_TOKEN']\n")
    assert project.live()["warnings"] == []


# Modules that cannot be imported


def test_settings_that_do_not_exist(project: Project) -> None:
    """Those that do are named."""
    project.environment["DJANGO_SETTINGS_MODULE"] = "shop.setings"
    assert project.refused() == [
        "site_settings_module: 'shop.setings' cannot be imported by the release's Python (no module 'shop.setings'); "
        "set site_settings_module: shop.settings"
    ]
    assert project.inventory == {"site_settings_module": "shop.settings"}


def test_settings_that_might_be_meant(project: Project) -> None:
    """What the project chooses itself comes first, and what is not settings is not named."""
    base = project.files.pop("shop/settings.py")
    project.files |= {
        "shop/settings/__init__.py": "",
        "shop/settings/base.py": base,
        "shop/settings/local.py": "from .base import *\n",
        "shop/settings/production.py": "from .base import *\n",
        "shop/preferences.py": "from .nowhere import *\n",
        "tests/settings.py": base,
        "manage.py": MANAGE.replace("shop.settings", "shop.settings.production"),
    }
    project.environment["DJANGO_SETTINGS_MODULE"] = "nowhere.settings"
    [complaint] = project.refused()
    assert complaint.endswith(
        "(no module 'nowhere'); set site_settings_module to one of shop.settings.production, shop.settings.base, "
        "shop.settings.local"
    )


def test_settings_that_import_what_is_missing(project: Project) -> None:
    """That is another error: the module exists."""
    project.settings("import a_package_that_nobody_has\n")
    report = project.build()
    assert (report["stage"], report["error"]) == (
        "settings",
        "ModuleNotFoundError: No module named 'a_package_that_nobody_has'",
    )


@pytest.mark.parametrize(
    ("application", "guessed", "complaint"),
    [
        (
            "shop.wsgy:application",
            False,
            "site_wsgi_application: 'shop.wsgy:application' does not exist (no module 'shop.wsgy'); set "
            "site_wsgi_application: shop.wsgi:application",
        ),
        (
            "shop.conf.wsgi:application",
            True,
            "site_wsgi_application is not set, and 'shop.conf.wsgi:application', which follows from "
            "site_settings_module, does not exist (no module 'shop.conf'); set site_wsgi_application: "
            "shop.wsgi:application",
        ),
        (
            "shop.wsgi:app",
            False,
            "site_wsgi_application: 'shop.wsgi:app' does not exist (shop.wsgi has no app); set site_wsgi_application: "
            "shop.wsgi:application",
        ),
    ],
)
def test_an_application_that_does_not_exist(project: Project, application: str, guessed: bool, complaint: str) -> None:
    """It is refused before the database is migrated, with the one that exists."""
    assert project.refused(application=application, application_guessed=guessed) == [complaint]
    assert project.inventory == {"site_wsgi_application": "shop.wsgi:application"}
    assert not (project.home / "db.sqlite3").exists() or (project.home / "db.sqlite3").stat().st_size == 0


def test_an_asgi_application_that_does_not_exist(project: Project) -> None:
    """The one that is offered is of the same kind, and often a function that is asynchronous."""
    project.files["shop/asgi.py"] = "async def application(scope, receive, send): ...\n"
    assert project.refused(application="shop.asgy:application", application_guessed=False, interface="asgi") == [
        "site_asgi_application: 'shop.asgy:application' does not exist (no module 'shop.asgy'); set "
        "site_asgi_application: shop.asgi:application"
    ]


def test_a_project_without_an_application(project: Project) -> None:
    """The cure is to add one."""
    project.files["shop/asgi.py"] = project.files.pop("shop/wsgi.py").replace("wsgi", "asgi")
    [complaint] = project.refused()
    assert complaint.endswith(
        "; the project has no WSGI application: add a wsgi.py such as startproject creates, with application = "
        "django.core.wsgi.get_wsgi_application()"
    )


def test_an_application_that_imports_what_is_missing(project: Project) -> None:
    """Named with its module; the traceback is in the output."""
    project.files["shop/wsgi.py"] += "import a_package_that_nobody_has\n"
    assert project.refused() == [
        "site_wsgi_application: 'shop.wsgi:application' cannot be loaded: ModuleNotFoundError: No module named "
        "'a_package_that_nobody_has'. If a_package_that_nobody_has is not part of the project, add the package that "
        "has it to the project's list or to site_python_packages"
    ]
    assert "shop/wsgi.py" in project.output


@pytest.mark.parametrize(
    "more",
    ["import uwsgidecorators\n", "raise RuntimeError('outside of a server')\n", "import os\nos._exit(1)\n"],
)
def test_an_application_that_only_a_server_can_load(project: Project, more: str) -> None:
    """It is left to the start of the slot."""
    project.files["shop/wsgi.py"] += more
    assert project.live()["warnings"] == []


@pytest.mark.parametrize("overridden", [False, True])
def test_an_application_with_settings_of_its_own(project: Project, overridden: bool) -> None:
    """What is judged would not be what serves."""
    project.files["shop/live.py"] = project.files["shop/settings.py"]
    project.files["shop/wsgi.py"] = (
        "import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'shop.live'\n" + (project.files["shop/wsgi.py"])
    )
    project.overrides = {"TIME_ZONE": "UTC"} if overridden else {}
    [complaint] = project.refused()
    assert complaint.startswith("shop.wsgi sets DJANGO_SETTINGS_MODULE to 'shop.live', so the processes of the site ")
    if overridden:
        assert complaint.endswith(
            "'shop.settings' with site_settings and site_secret_settings over it: use "
            "os.environ.setdefault in shop.wsgi"
        )
        assert project.inventory == {}
    else:
        assert complaint.endswith("or set site_settings_module: shop.live")
        assert project.inventory == {"site_settings_module": "shop.live"}


def test_an_application_that_waits_for_ever(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deploy does so for no longer than a slot may take to start, which will tell."""
    from ansible_collections.pitcrew.django.plugins.module_utils import web_process

    (project.tmp / "waits.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.syspath_prepend(project.tmp)
    assert web_process.Loading("waits:application").ask(0.3) is None
