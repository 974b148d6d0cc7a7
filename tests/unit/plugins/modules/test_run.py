"""One command in the live release: what systemd is asked for, what comes back, and what is refused.

systemd-run is a script here that keeps its arguments, and runs the command with the environment files of the slot.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pitcrew.django.plugins.module_utils import transient_unit
from ansible_collections.pitcrew.django.plugins.modules import run as module

SYSTEMD_RUN = """#!/bin/bash
for word; do
    [ "$word" = -- ] && break
    printf '%s\\n' "$word" >> {tmp}/arguments
    [[ "$word" = --property=EnvironmentFile=* ]] && {{ set -a; . "${{word#--property=EnvironmentFile=}}"; set +a; }}
    [[ "$word" = --property=WorkingDirectory=* ]] && cd "${{word#--property=WorkingDirectory=}}"
done
while [ "$1" != -- ]; do shift; done
shift
"$@"
echo "Finished with result: $(cat {tmp}/result 2>/dev/null || echo success)" >&2
"""


@dataclass
class Site:
    """A site that serves r2 from green."""

    root: Path
    tmp: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, command: str, check: bool = False, **params: Any) -> dict[str, Any]:
        """Run the module and give its answer."""
        arguments = {
            "name": "shop",
            "root": str(self.root),
            "command": command,
            "python": sys.executable,
            "properties": ["ProtectSystem=strict"],
            "_ansible_check_mode": check,
            **params,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return answer

    @property
    def asked(self) -> list[str]:
        """What systemd-run got."""
        file = self.tmp / "arguments"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Site:
    """Give a host on which r2 is live."""
    for name, text in {
        "systemd-run": SYSTEMD_RUN.format(tmp=tmp_path),
        "setpriv": '#!/bin/sh\nshift 2\nexec "$@"\n',
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
        monkeypatch.setattr(transient_unit, name.replace("-", "_").upper(), str(tmp_path / name))
    root = tmp_path / "srv/shop"
    release = root / "releases/r2"
    (release / "app").mkdir(parents=True)
    (release / "venv/bin").mkdir(parents=True)
    (release / "venv/bin/python").symlink_to(sys.executable)
    (release / "app/manage.py").write_text("import os, sys\nprint(os.environ['COLOUR'], os.getcwd(), *sys.argv[1:])\n")
    slot = root / "slots/green"
    slot.mkdir(parents=True)
    (slot / "release").symlink_to(release)
    (slot / "environment").write_text(f'COLOUR="blue"\nPATH="{release}/venv/bin:/usr/bin:/bin"\n')
    (slot / "secrets").write_text('PASSWORD="correct horse"\n')
    (root / "live").symlink_to("slots/green")
    return Site(root, tmp_path, capsys)


@pytest.mark.parametrize(
    "command", ["manage.py check --deploy", "python manage.py check --deploy", "./manage.py check --deploy"]
)
def test_a_command_of_the_project(site: Site, command: str) -> None:
    """In its directory, with its environment, by the Python of the release."""
    answer = site.run(command)
    assert answer["output"] == f"blue {site.root}/releases/r2/app check --deploy\n"
    assert (answer["changed"], answer["release"]) == (True, "r2")


def test_what_systemd_is_asked_for(site: Site) -> None:
    """The site's user, its environment and its sandbox; the command is no argument, which every user could read."""
    site.run("manage.py check 'a b'", timeout=7)
    slot = site.root / "slots/green"
    properties = [word.partition("=")[2] for word in site.asked if word.startswith("--property=")]
    assert properties == [
        "User=shop",
        "Group=shop",
        f"WorkingDirectory={site.root}/releases/r2/app",
        f"EnvironmentFile={slot}/environment",
        f"EnvironmentFile={slot}/secrets",
        "RuntimeMaxSec=7",
        "TimeoutStopSec=5",
        "ProtectSystem=strict",
    ]
    [unit] = [word for word in site.asked if word.startswith("--unit=")]
    assert unit.startswith("--unit=shop-run-")
    assert "correct horse" not in " ".join(site.asked)


def test_words_stay_as_they_are(site: Site) -> None:
    """No shell reads them."""
    answer = site.run("manage.py 'a  b' '$COLOUR' '*' ';' '%n'")
    assert answer["output"] == f"blue {site.root}/releases/r2/app a  b $COLOUR * ; %n\n"


def test_another_program(site: Site) -> None:
    """One of the release, or of the host; both of its outputs are shown in their order."""
    assert site.run("sh -c 'echo one; echo two >&2; echo three'")["output"] == "one\ntwo\nthree\n"


def test_a_project_without_a_manage_py(site: Site) -> None:
    """An application that is a package: Django itself is run."""
    (site.root / "releases/r2/app/manage.py").unlink()
    (site.root / "releases/r2/app/django").mkdir()
    (site.root / "releases/r2/app/django/__main__.py").write_text("import sys\nprint('django', *sys.argv[1:])\n")
    assert site.run("manage.py check")["output"] == "django check\n"


def test_a_command_that_fails(site: Site) -> None:
    """With its status, and the end of what it wrote."""
    answer = site.run("sh -c 'for i in $(seq 100); do echo $i; done; exit 3'")
    assert answer["failed"] is True
    assert answer["status"] == 3
    sentence, _blank, rest = answer["msg"].partition("\n\n")
    assert sentence == "site_command: sh -c 'for i in $(seq 100); do echo $i; done; exit 3' exited with status 3."
    assert rest.startswith("[40 lines left out]\n41\n")
    assert rest.endswith("\n99\n100")


def test_a_program_that_is_not_there(site: Site) -> None:
    answer = site.run("celery -A shop inspect active")
    assert answer["msg"] == (
        "site_command: celery -A shop inspect active cannot be run: No such file or directory; it is neither in "
        "r2/venv/bin nor on the host's PATH."
    )


def test_one_that_takes_too_long(site: Site) -> None:
    (site.tmp / "result").write_text("timeout")
    answer = site.run("sh -c 'echo begun; exit 1'", timeout=7)
    assert answer["msg"] == (
        "site_command: sh -c 'echo begun; exit 1' did not end within 7 s (site_command_timeout).\n\nbegun"
    )


@pytest.mark.parametrize("needs", ["manage.py shell", "python manage.py changepassword anna", "python"])
def test_what_needs_a_terminal(site: Site, needs: str) -> None:
    """Nothing is run, and the line to type is complete."""
    answer = site.run(needs)
    release, slot = site.root / "releases/r2", site.root / "slots/green"
    words = {"manage.py shell": " manage.py shell", "python": ""}.get(needs, " manage.py changepassword anna")
    assert answer["msg"] == (
        f"site_command: {needs} needs a terminal; run it on the host in this way.\n\n"
        "  sudo systemd-run --pty --collect --uid=shop \\\n"
        f"    --working-directory={release}/app \\\n"
        f"    -p EnvironmentFile={slot}/environment \\\n"
        f"    -p EnvironmentFile={slot}/secrets \\\n"
        f"    {release}/venv/bin/python{words}"
    )
    assert site.asked == []


def test_what_would_ask(site: Site) -> None:
    assert site.run("manage.py createsuperuser")["msg"].startswith(
        "site_command: manage.py createsuperuser would ask questions, and nobody answers; add --no-input, or run it on "
        "the host in this way."
    )


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("", "site_command: there is no command; set it with -e site_command='manage.py check'."),
        ("manage.py 'x", 'site_command: "manage.py \'x" has an error in its quotes (No closing quotation).'),
    ],
)
def test_what_is_no_command(site: Site, command: str, sentence: str) -> None:
    assert site.run(command)["msg"] == sentence


def test_a_host_that_serves_nothing(site: Site) -> None:
    shutil.rmtree(site.root)
    assert site.run("manage.py check")["msg"] == "site_command: no release is live on this host; deploy one."


def test_check_mode(site: Site) -> None:
    """It runs nothing."""
    assert site.run("manage.py check", check=True)["release"] == "r2"
    assert site.asked == []
