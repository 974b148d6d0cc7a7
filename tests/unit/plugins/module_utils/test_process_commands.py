"""Commands beside the web processes: whether a release can run them, judged by its own Python before a change."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from django_project import Project

ADD = "add the package that has it to the project's list or to site_python_packages"
PATH = "correct its path, which begins in the directory of manage.py"


def command(text: str, variable: str = "site_schedules") -> dict[str, Any]:
    """Give a command as the module gets it."""
    return {"variable": variable, "words": shlex.split(text)}


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    """Give a project with a command and a few files of its own."""
    project = Project(tmp_path)
    project.application("reports", management__commands__report=COMMAND)
    project.files["bin/report.sh"] = "#!/bin/sh\n"
    project.files["tools/__main__.py"] = ""
    project.files["tools/deep.py"] = ""
    return project


COMMAND = """
from django.core.management.base import BaseCommand
class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("what")
        parser.add_argument("--all", action="store_true")
    def handle(self, **_):
        raise SystemExit("not now")
"""


@pytest.mark.parametrize(
    "text",
    [
        *("python manage.py report sales --all", "python3 -u manage.py report sales", "python -m django report sales"),
        *("python -m tools", "python -m tools.deep a b", "python -m http.server", "python -m email.mime.text"),
        *("python bin/report.sh", "python -c 'print(1)'", "/bin/sh -c 'date'", "sh -c date", "pytest --version"),
        *("COLOUR=blue python manage.py report sales", "python manage.py shell -c 'print(1)'"),
    ],
)
def test_commands_that_a_release_can_run(shop: Project, text: str) -> None:
    """Nothing is run of them."""
    shop.live(process_commands=[command(text)])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "python manage.py reports sales",
            "'reports sales': the project has no command 'reports'; did you mean report?",
        ),
        (
            "python manage.py report",
            "'report': the following arguments are required: what; manage.py help report lists its arguments",
        ),
        ("python manage.py", "'python manage.py' names no command of the project; add one"),
        ("python web/manage.py report x", "the project has no web/manage.py; write it as in python -m django report"),
        (
            "manage.py report sales",
            "manage.py is not on the PATH of the release; write it as in python manage.py report sales",
        ),
        ("./manage.py report sales", "'./manage.py' is not executable; make it so in the source, with chmod +x"),
        ("bin/report.sh", "'bin/report.sh' is not executable; make it so in the source, with chmod +x"),
        ("bin/other.sh", f"the project has no file 'bin/other.sh'; {PATH}"),
        ("python bin/other.py", f"the project has no file 'bin/other.py'; {PATH}"),
        ("python -m toolz", f"there is no module 'toolz' in the release; {ADD}"),
        ("python -m tools.shallow", f"there is no module 'tools.shallow' in the release; {ADD}"),
        ("qqworker high", f"there is no program 'qqworker' in the release; {ADD}"),
        ("pytesd", "there is no program 'pytesd' in the release; did you mean pytest?"),
        ("python manage.py changepassword", "'python manage.py changepassword' needs a terminal; leave it out"),
        (
            "python manage.py flush",
            "'python manage.py flush' would ask questions, and nobody answers; add --no-input",
        ),
        ("COLOUR=blue", "'COLOUR=blue' has no command; add one after the variables"),
    ],
)
def test_commands_that_it_cannot(shop: Project, text: str, problem: str) -> None:
    assert shop.refused(process_commands=[command(text)]) == [f"site_schedules: {problem}"]


def test_an_executable_of_the_project(shop: Project) -> None:
    shop.unpack()
    (shop.release / "app/bin/report.sh").chmod(0o755)
    assert shop.build(again=True, process_commands=[command("./bin/report.sh")])["complaints"] == []


def test_a_program_of_the_release_alone(shop: Project, tmp_path: Path) -> None:
    """It need not be on the PATH of whoever builds."""
    shop.environment["PATH"] = "/usr/bin:/bin"
    assert not os.access("/usr/bin/pytest", os.X_OK)
    assert (Path(sys.executable).parent / "pytest").exists()
    shop.live(process_commands=[command("pytest")])


def test_all_together_with_what_is_wrong_with_the_settings(shop: Project) -> None:
    """Before the database is migrated."""
    shop.settings("DEBUG = True\n")
    given = [command("qqworker", 'site_processes["rq"]'), command("python manage.py reports", 'site_schedules["a"]')]
    found = shop.refused(process_commands=given)
    assert [line.partition(":")[0].split()[0] for line in found] == [
        "DEBUG",
        'site_processes["rq"]',
        'site_schedules["a"]',
    ]
    assert not (shop.home / "db.sqlite3").exists()
