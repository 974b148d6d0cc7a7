"""The playbook as a user runs it: without an inventory, with one, to a file, and with wrong input."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[4]
PROJECT = {
    "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
    "requirements.txt": "django\n",
    "shop/__init__.py": "",
    "shop/settings.py": "INSTALLED_APPS = []\nROOT_URLCONF = 'shop.urls'\nDEBUG = True\nSECRET_KEY = ''\n",
    "shop/wsgi.py": "application = 1\n",
}
HOSTS = """\
django:
  hosts:
    web1: {ansible_connection: local, ansible_python_interpreter: %s}
  vars:
    site_name: store
    site_settings: {DEBUG: false}
    site_secrets: {SECRET_KEY: "{{ vault_missing }}"}
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    collection = tmp_path / "collections/ansible_collections/pitcrew/django"
    collection.parent.mkdir(parents=True)
    collection.symlink_to(ROOT)
    for name, text in PROJECT.items():
        path = tmp_path / "shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "hosts.yml").write_text(HOSTS % sys.executable)

    def ran(*options: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"),
            "ANSIBLE_HOME": str(tmp_path / "home"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
        }
        words = ["-e", "site_inspect_settings=false", "-e", f"site_cache_directory={tmp_path}/cache", *options]
        return subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "pitcrew.django.inspect", *words],
            cwd=tmp_path / "shop",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return ran


def test_without_an_inventory(run: Run, tmp_path: Path) -> None:
    done = run("-e", "site_source_directory=.")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout
    assert f"{tmp_path}/shop, " in done.stdout.replace("\n", " ")
    assert "\n    site_settings_module: shop.settings\n" in done.stdout
    assert "\n    site_source_directory: .\n" in done.stdout


def test_a_server_that_is_too_old(run: Run, tmp_path: Path) -> None:
    """A deploy would refuse it; a version that the inventory names counts."""
    (tmp_path / "shop/requirements.txt").write_text("django\n-r server.txt\n")
    (tmp_path / "shop/server.txt").write_text("gunicorn==23.0.0\n")
    done = run("-e", "site_source_directory=.")
    assert re.search(r"^    gunicorn_version: [0-9.]+$", done.stdout, re.MULTILINE)
    assert "server.txt, line 1 asks for gunicorn==23.0.0; versions before" in " ".join(
        done.stdout.replace("#", "").split()
    )
    assert "gunicorn_version" not in run("-e", "site_source_directory=.", "-e", "gunicorn_version=27.0.1").stdout


def test_a_server_that_is_too_old_for_asgi(run: Run, tmp_path: Path) -> None:
    """It is old enough for a deploy to refuse it only where ASGI is proposed."""
    (tmp_path / "shop/requirements.txt").write_text("django\ngunicorn==25.0.0\n")
    assert "gunicorn_version" not in run("-e", "site_source_directory=.").stdout
    (asgi,) = (tmp_path / "shop").rglob("settings.py")
    asgi.with_name("asgi.py").write_text("application = ProtocolTypeRouter({'websocket': URLRouter([])})\n")
    shown = run("-e", "site_source_directory=.").stdout
    assert "site_interface: asgi" in shown
    assert re.search(r"^    gunicorn_version: [0-9.]+$", shown, re.MULTILINE)


def test_with_an_inventory_and_to_a_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "proposed.yml"
    done = run("-i", str(tmp_path / "hosts.yml"), "-e", "site_source_directory=.", "-e", f"site_inspect_file={file}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout
    assert f"Written to {file}\n" in done.stdout
    # What the inventory has is not proposed again.
    variables = yaml.safe_load(file.read_text())["django"]["vars"]
    assert "site_name" not in variables
    assert variables["site_domains"] == ["store.example.com"]
    assert "The project does not say which Python it needs; web1 has 3." in done.stdout
    text = file.read_text()
    again = run("-e", "site_source_directory=.", "-e", f"site_inspect_file={file}")
    assert again.returncode != 0
    assert "exists, and is not overwritten; name another file, or move this one away" in " ".join(again.stdout.split())
    assert file.read_text() == text


def test_a_host_that_does_not_answer(run: Run, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.yml"
    hosts.write_text("django: {hosts: {web1: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n")
    done = run("-i", str(hosts), "-e", "site_source_directory=.")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "web1 was not reached, so nothing was compared with it" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            [],
            "site_git_url, site_source_directory: neither is set; set exactly one of them, as in -e "
            "site_source_directory=. or -e site_git_url=https://git.example.com/shop.git",
        ),
        (
            ["-e", "site_source_directory=nowhere"],
            "site_source_directory: 'nowhere' is not a directory on the control node",
        ),
        (
            ["-e", "site_source_directory=.", "-e", "site_inspect_file=missing/hosts.yml"],
            "missing' is not a directory; create it, or name a file elsewhere",
        ),
    ],
)
def test_wrong_input(run: Run, options: list[str], message: str) -> None:
    done = run(*options)
    assert done.returncode != 0
    assert message in " ".join(done.stdout.split())
