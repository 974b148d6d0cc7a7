"""What a host has of a site, read from real links and files."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pitcrew.django.plugins.module_utils import host as host_module
from ansible_collections.pitcrew.django.plugins.module_utils import nginx_state, site_state
from ansible_collections.pitcrew.django.plugins.module_utils.capacity import CapacityError
from ansible_collections.pitcrew.django.plugins.modules import site_facts as module

NOTHING: dict[str, Any] = {
    "slot": None,
    "release": None,
    "releases": {},
    "serves": None,
    "outdated": [],
    "served": [],
    "previous": None,
    "packages": [],
    "home": None,
    "neighbours": [],
    "taken": None,
    "python": None,
    "absent": [],
    "journal": None,
    "nginx": {
        "installed": False,
        "version": 0,
        "conf_d": {},
        "unit": None,
        "current": False,
        "user": "www-data",
        "in_group": False,
        "welcome_pages": [],
        "default_servers": {},
        "both_protocols": {},
        "names_before": {},
        "addresses": [],
        "tls_sites": [],
        "ipv6": True,
        "other_listeners": [],
        "worker_connections": 0,
        "worker_rlimit_nofile": 0,
        "worker_shutdown_timeout": 0,
    },
}

SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@dataclass
class Host:
    """A host with a directory for the site and one for nginx."""

    root: Path
    nginx: Path
    capsys: pytest.CaptureFixture[str]

    def read(self, check: bool = False, **params: Any) -> dict[str, Any]:
        """Run the module and give the facts."""
        arguments = {"name": "shop", "root": str(self.root), "_ansible_check_mode": check, **params}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        answer = json.loads(self.capsys.readouterr().out)
        assert answer.get("changed", False) is False
        assert answer["ansible_facts"]["pitcrew_capacity"] == {"cpus": 2}
        facts: dict[str, Any] = answer["ansible_facts"]["pitcrew_site"]
        return facts

    def releases(self, finished: list[str], unfinished: list[str] = []) -> None:  # noqa: B006
        """Put releases on disk."""
        for name in (*finished, *unfinished):
            (self.root / "releases" / name).mkdir(parents=True)
        for name in finished:
            (self.root / "releases" / name / "release.json").write_text('{"static": "static"}\n')

    def served(self, *releases: str) -> None:
        """Write the history, and let the last one be live in blue."""
        lines = [json.dumps({"at": "2025-01-01T00:00:00Z", "release": name, "slot": "blue"}) for name in releases]
        (self.root / "history").write_text("\n".join(lines) + "\n")
        (self.root / "slots/blue").mkdir(parents=True)
        (self.root / "slots/blue/release").symlink_to(self.root / "releases" / releases[-1])
        (self.root / "live").symlink_to("slots/blue")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Host:
    """Give a host that has nothing yet."""
    monkeypatch.setattr(site_state, "DPKG_STATUS", tmp_path / "dpkg")
    monkeypatch.setattr(nginx_state, "NGINX", tmp_path / "nginx")
    monkeypatch.setattr(nginx_state, "NGINX_PID", tmp_path / "nginx.pid")
    monkeypatch.setattr(nginx_state, "NGINX_PROGRAM", tmp_path / "nginx/nginx.conf")
    monkeypatch.setattr(nginx_state, "NGINX_UNIT", tmp_path / "unit.conf")
    monkeypatch.setattr(nginx_state, "has_ipv6", lambda: True)
    monkeypatch.setattr(nginx_state, "other_listeners", lambda ports, program, pid: [])
    monkeypatch.setattr(site_state, "read_capacity", lambda: {"cpus": 2})
    monkeypatch.setattr(site_state.grp, "getgrnam", lambda name: {}[name])
    monkeypatch.setattr(site_state.pwd, "getpwnam", lambda name: {}[name])
    return Host(tmp_path / "srv/shop", tmp_path / "nginx", capsys)


@pytest.mark.parametrize("check", [False, True])
def test_a_bare_host(host: Host, check: bool) -> None:
    """It has nothing, and nothing is made."""
    assert host.read(check) == NOTHING
    assert not host.root.exists()


def test_a_host_with_a_site(host: Host) -> None:
    """What serves, what is finished and what is not."""
    host.releases(["r1", "r2", "built"], ["r3"])
    host.served("r1", "r2")
    assert host.read() == {
        **NOTHING,
        "slot": "blue",
        "release": "r2",
        "releases": {"built": {"static": "static"}, "r1": {"static": "static"}, "r2": {"static": "static"}},
        "serves": {"static": "static"},
        "served": ["r1", "r2"],
        "previous": "r1",
    }


def test_a_release_whose_python_is_gone(host: Host) -> None:
    """It may still be running, and cannot be started again."""
    host.releases(["r1", "r2"])
    venv = host.root / "releases/r1/venv"
    for directory in (venv / "bin", venv / "lib/python3.11"):
        directory.mkdir(parents=True)
    (venv / "bin/python").symlink_to("/usr/bin/python3.13")
    host.served("r1")
    facts = host.read()
    assert (facts["outdated"], facts["serves"]) == (["r1"], {"static": "static"})
    assert [*facts["releases"]] == ["r2"]


@pytest.mark.parametrize(
    ("history", "on_disk", "served", "previous"),
    [
        (["r1"], ["r1"], ["r1"], None),
        (["r1", "r2", "r3"], ["r1", "r2", "r3"], ["r1", "r2", "r3"], "r2"),
        # The one before is gone: the one before that.
        (["r1", "r2", "r3"], ["r1", "r3"], ["r1", "r3"], "r1"),
        # The same release twice, with another environment.
        (["r1", "r2", "r2"], ["r1", "r2"], ["r1", "r2"], "r1"),
        # After a rollback, the one that was rolled back.
        (["r1", "r2", "r3", "r2"], ["r1", "r2", "r3"], ["r1", "r2", "r3"], "r3"),
        (["r1", "r2", "r1"], ["r1", "r2"], ["r1", "r2"], "r2"),
    ],
    ids=["first", "third", "gone", "twice", "rolled back", "rolled back to the first"],
)
def test_the_release_before(
    host: Host, history: list[str], on_disk: list[str], served: list[str], previous: str | None
) -> None:
    """The last other one that served and is still there."""
    host.releases(on_disk)
    host.served(*history)
    facts = host.read()
    assert (facts["served"], facts["previous"]) == (served, previous)


def test_a_release_that_is_live_and_in_no_history(host: Host) -> None:
    """Nothing is known of before, and nothing fails."""
    host.releases(["r1", "r2"])
    host.served("r1", "r2")
    (host.root / "history").unlink()
    facts = host.read()
    assert (facts["release"], facts["served"], facts["previous"]) == ("r2", [], None)


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("user www-data;\nevents {\n\tworker_connections 768;\n}\n", (768, 0)),
        ("worker_rlimit_nofile 8192;\nevents { }\n", (0, 8192)),
        ("  worker_rlimit_nofile   65536 ;\n  worker_connections\t4096;\n", (4096, 65536)),
        ("# worker_rlimit_nofile 8192;\n#worker_connections 1;\n", (0, 0)),
        ("events { worker_connections 768; }\nhttp { map $a $b { worker_connections 5; } }\n", (768, 0)),
    ],
)
def test_limits_of_nginx(host: Host, text: str, limits: tuple[int, int]) -> None:
    """Those that its main file sets; what is a comment does not count."""
    host.nginx.mkdir()
    (host.nginx / "nginx.conf").write_text(text)
    nginx = host.read()["nginx"]
    assert nginx["installed"] is True
    assert (nginx["worker_connections"], nginx["worker_rlimit_nofile"]) == limits


WELCOME = "server { listen 80 default_server; return 200 Welcome; }\n"


def has_welcome_page(host: Host, page: str, text: str) -> None:
    """Install the package's page, with its checksum in dpkg's status, and then have this text in it."""
    path = (host.nginx / page.replace("sites-enabled", "sites-available")).resolve()
    path.parent.mkdir(parents=True)
    path.write_text(text)
    if page.startswith("sites-enabled"):
        (host.nginx / page).parent.mkdir()
        (host.nginx / page).symlink_to(path)
    recorded = hashlib.md5(WELCOME.encode(), usedforsecurity=False).hexdigest()
    (host.root.parents[1] / "dpkg").write_text(f"Package: nginx-common\nConffiles:\n {path} {recorded}\n /etc/x 0\n")
    (host.nginx / "nginx.conf").write_text("http { include conf.d/*.conf; include sites-enabled/*; }\n")


@pytest.mark.parametrize("page", ["sites-enabled/default", "conf.d/default.conf"])
def test_the_welcome_page_of_nginx(host: Host, page: str) -> None:
    """It is there as its package installed it; its default server is in nobody's way."""
    has_welcome_page(host, page, WELCOME)
    nginx = host.read()["nginx"]
    assert (nginx["welcome_pages"], nginx["default_servers"]) == ([page], {})


@pytest.mark.parametrize("page", ["sites-enabled/default", "conf.d/default.conf"])
def test_a_welcome_page_that_somebody_changed(host: Host, page: str) -> None:
    """It is theirs now, and so is its default server."""
    has_welcome_page(host, page, "# ours\n" + WELCOME)
    nginx = host.read()["nginx"]
    assert (nginx["welcome_pages"], nginx["default_servers"]) == ([], {"80": f"/etc/nginx/{page}:2"})


def test_a_file_by_the_name_of_a_welcome_page(host: Host) -> None:
    """It belongs to the user where no package has installed it."""
    (host.nginx / "sites-enabled").mkdir(parents=True)
    (host.nginx / "sites-enabled/default").write_text(WELCOME)
    assert host.read()["nginx"]["welcome_pages"] == []


def test_what_nginx_has_of_other_sites(host: Host) -> None:
    """Default servers, addresses of their own, and which sites of this collection have TLS."""
    for name, text in {
        "nginx.conf": "http { include /etc/nginx/conf.d/*.conf;\n include sites-enabled/*; }\n",
        "conf.d/pitcrew.conf": "server { listen 80 default_server; listen 443 ssl default_server; }",
        "conf.d/blog.conf": "upstream blog { server unix:/x; }\nserver { listen 443 ssl; listen 10.0.0.1:443 ssl; }",
        "conf.d/shop.conf": "upstream shop { server unix:/x; }\nserver { listen 80; }",
        "conf.d/own.conf": "upstream backend { server unix:/x; }\nserver { listen 443 ssl; listen [::1]:80; }",
        "sites-enabled/old": "server {\n  listen 10.0.0.1:80;\n  listen [::]:80 default_server;\n}",
        "sites-available/off": "server { listen 80 default_server; }",
    }.items():
        (host.nginx / name).parent.mkdir(parents=True, exist_ok=True)
        (host.nginx / name).write_text(text)
    nginx = host.read()["nginx"]
    assert nginx["default_servers"] == {"[::]:80": "/etc/nginx/sites-enabled/old:3"}
    assert nginx["addresses"] == ["10.0.0.1:80", "[::1]:80"]
    assert nginx["tls_sites"] == ["blog"]


def test_files_that_listen_for_both_protocols(host: Host) -> None:
    """On an IPv6 port that takes IPv4 too; not on one address, and not as our own files listen."""
    for name, text in {
        "nginx.conf": "http { include /etc/nginx/conf.d/*.conf; }\n",
        "conf.d/pitcrew.conf": "server { listen [::]:443 ssl; }",
        "conf.d/old.conf": "server {\n  listen [::]:80 ipv6only=off;\n  listen [::]:443 ipv6only=on;\n"
        "  listen [::1]:443 ipv6only=off;\n}",
    }.items():
        (host.nginx / name).parent.mkdir(parents=True, exist_ok=True)
        (host.nginx / name).write_text(text)
    assert host.read()["nginx"]["both_protocols"] == {"80": "/etc/nginx/conf.d/old.conf:2"}


def test_names_that_other_files_have(host: Host) -> None:
    """Those that nginx reads before the site's own, on the ports of web servers."""
    (host.nginx / "conf.d").mkdir(parents=True)
    (host.nginx / "nginx.conf").write_text("http { include conf.d/*.conf; server { server_name main.test; } }")
    for name, text in {
        "app": "server { server_name Shop.test www.shop.test;\nlocation / { } }\n"
        "server { listen 443 ssl; server_name b.test; }",
        "metrics": "server { listen 127.0.0.1:8080; server_name metrics.test; }\n"
        "server { listen [::]:80; server_name shop.test; }",
        "shop": "server { server_name own.test; }",
        "ports": "server { listen 127.0.0.1:8000-8010; listen unix:/run/x.sock; server_name ports.test; }",
        "zoo": "server { server_name zoo.test; }",
    }.items():
        (host.nginx / f"conf.d/{name}.conf").write_text(text)
    assert host.read()["nginx"]["names_before"] == {
        "shop.test": "/etc/nginx/conf.d/app.conf:1",
        "www.shop.test": "/etc/nginx/conf.d/app.conf:1",
        "b.test": "/etc/nginx/conf.d/app.conf:3",
    }


def test_who_else_listens(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the ports of web servers, besides nginx, whose main process is known."""
    asked = []
    holder = {"port": 80, "program": "apache2", "pid": 123, "unit": "apache2.service"}
    monkeypatch.setattr(nginx_state, "other_listeners", lambda *params: asked.append(params) or [holder])
    monkeypatch.setattr(nginx_state, "has_ipv6", lambda: False)
    (host.nginx.parent / "nginx.pid").write_text("4194305\n")
    nginx = host.read()["nginx"]
    assert (nginx["other_listeners"], nginx["ipv6"]) == ([holder], False)
    assert asked == [((80, 443), "nginx", "4194305")]


def test_nginx_that_was_removed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of it are its files."""
    host.nginx.mkdir()
    (host.nginx / "nginx.conf").write_text("events { }\n")
    monkeypatch.setattr(nginx_state, "NGINX_PROGRAM", host.nginx / "nginx")
    assert host.read()["nginx"]["installed"] is False


@pytest.mark.parametrize(
    ("text", "user", "members", "inside"),
    [
        ("user www-data;\n", "www-data", ["www-data"], True),
        ("user www-data;\n", "www-data", ["other"], False),
        ("user www-data;\n", "www-data", [], False),
        ("\nuser  nginx;\n", "nginx", ["www-data"], False),
        ("user nginx web;\n", "nginx", ["nginx"], True),
        ("# user nginx;\n", "www-data", ["www-data"], True),
    ],
)
def test_the_group_of_the_site(
    host: Host, monkeypatch: pytest.MonkeyPatch, text: str, user: str, members: list[str], inside: bool
) -> None:
    """Whether nginx is in it, whatever user its package gave it."""
    groups = {"shop": SimpleNamespace(gr_mem=members)}
    monkeypatch.setattr(site_state.grp, "getgrnam", lambda name: groups[name])
    host.nginx.mkdir()
    (host.nginx / "nginx.conf").write_text(text)
    nginx = host.read()["nginx"]
    assert (nginx["user"], nginx["in_group"]) == (user, inside)


@pytest.mark.parametrize(
    ("written", "current"),
    [
        ({}, True),
        ({"conf.d/shop.conf": 0}, False),
        ({"sites-enabled/other": 0}, False),
        ({"chain.pem": 0}, False),
        ({"conf.d/shop.conf": 3600}, True),
    ],
    ids=["older", "written", "another site", "renewed", "clock was wrong"],
)
def test_files_that_nginx_has_not_read(host: Host, written: dict[str, int], current: bool) -> None:
    """A worker that is younger than all of them has read them; this test's own process stands for nginx."""
    child = subprocess.Popen(["sleep", "60"])
    time.sleep(0.1)  # Its start is known to a hundredth of a second.
    try:
        for name in ("nginx.conf", "conf.d/shop.conf", "sites-enabled/other", "chain.pem"):
            path = host.nginx / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
            then = time.time() + written.get(name, -60)
            os.utime(path, (then, then))
        (host.nginx.parent / "nginx.pid").write_text(f"{os.getpid()}\n")
        assert host.read(files=[str(host.nginx / "chain.pem")])["nginx"]["current"] is current
    finally:
        child.kill()
        child.wait()


def test_nginx_that_does_not_run(host: Host) -> None:
    """Has read nothing, also where its last run left its number."""
    host.nginx.mkdir()
    (host.nginx / "nginx.conf").write_text("")
    (host.nginx.parent / "nginx.pid").write_text("4194305\n")
    assert host.read()["nginx"]["current"] is False


def test_the_home_of_the_site_s_account(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """It distinguishes the site's account from one that only has its name."""
    accounts = {"shop": SimpleNamespace(pw_dir="/var/lib/shop")}
    monkeypatch.setattr(site_state.pwd, "getpwnam", lambda name: accounts[name])
    assert host.read()["home"] == "/var/lib/shop"


def test_files_that_the_host_should_have(host: Host, tmp_path: Path) -> None:
    """Those that are missing; a directory is no file."""
    (tmp_path / "key.pem").write_text("")
    wanted = [str(tmp_path / name) for name in ("key.pem", "chain.pem")] + [str(tmp_path)]
    assert host.read(files=wanted)["absent"] == [str(tmp_path / "chain.pem"), str(tmp_path)]


def test_the_version_of_a_python(host: Host, tmp_path: Path) -> None:
    """Of the one that Ansible runs with, and of another one; one that does not run has none."""
    other, broken = tmp_path / "python3.12", tmp_path / "python3.13"
    other.write_text("#!/bin/sh\n[ $1 = -ISc ] && echo 3.12.7\n")
    broken.write_text("#!/bin/sh\nexit 1\n")
    for program in (other, broken):
        program.chmod(0o755)
    found = [host.read(python=str(path))["python"] for path in (sys.executable, other, broken, tmp_path / "none")]
    assert found == [platform.python_version(), "3.12.7", None, None]


def test_files_of_nginx(host: Host) -> None:
    """Those that nginx reads, by the SHA-256 of their content."""
    (host.nginx / "conf.d").mkdir(parents=True)
    (host.nginx / "conf.d/shop.conf").write_text("abc")
    (host.nginx / "conf.d/shop.conf.bak").write_text("abc")
    (host.nginx / "conf.d/gone.conf").symlink_to("../sites-available/gone")
    assert host.read()["nginx"]["conf_d"] == {"shop.conf": SHA256_OF_ABC}


def test_what_is_added_to_the_unit_of_nginx(host: Host) -> None:
    """By the SHA-256 of its content, too; nothing where it is not there."""
    host.nginx.mkdir()
    assert host.read()["nginx"]["unit"] is None
    (host.nginx.parent / "unit.conf").write_text("abc")
    assert host.read()["nginx"]["unit"] == SHA256_OF_ABC


def test_packages_of_the_distribution(host: Host) -> None:
    """Those that are installed; not those that were removed, or are only half there."""
    states = {
        "nginx": "install ok installed",
        "libpq5": "hold ok installed",
        "apache2": "deinstall ok config-files",
        "broken": "install reinstreq half-installed",
    }
    (host.root.parents[1] / "dpkg").write_text(
        "\n".join(
            f"Package: {name}\nStatus: {state}\nPriority: optional\nVersion: 1.22.1-9+deb12u1\nDepends: python3-venv\n"
            for name, state in states.items()
        )
    )
    facts = host.read()
    assert facts["packages"] == ["libpq5", "nginx"]
    assert facts["nginx"]["version"] == 1022001


def test_packages_by_the_names_that_they_provide(host: Host) -> None:
    """The nodejs of NodeSource has npm, and the distribution's npm cannot be installed beside it."""
    (host.root.parents[1] / "dpkg").write_text(
        "Package: nodejs\nStatus: install ok installed\nVersion: 22.20.0-1nodesource1\n"
        "Provides: nodejs-dev, npm (= 10.9)\nDepends: libc6\n\n"
        "Package: exim4\nStatus: deinstall ok config-files\nVersion: 4.96\nProvides: mail-transport-agent\n"
    )
    assert host.read()["packages"] == ["nodejs", "nodejs-dev", "npm"]


def test_a_host_whose_limits_cannot_be_read(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told in a sentence."""

    def unreadable() -> None:
        raise CapacityError("no /proc/meminfo")

    monkeypatch.setattr(site_state, "read_capacity", unreadable)
    with patch_module_args({"name": "shop", "root": str(host.root)}), pytest.raises(SystemExit):
        module.main()
    assert json.loads(host.capsys.readouterr().out)["msg"] == "site_facts: no /proc/meminfo"


def test_other_sites_whose_names_begin_as_those_of_its_units_do(host: Host) -> None:
    """A directory is a site if it has releases or slots."""
    others = host.root.parent
    for path in ("shop-beat/releases", "shop-two/slots", "shop-old/backups", "shopping/releases", "blog/releases"):
        (others / path).mkdir(parents=True)
    (others / "shop-file").touch()
    assert host.read()["neighbours"] == ["shop-beat", "shop-two"]


def test_units_that_are_those_of_another_site(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its process; units of the site itself, and files of before it had slots, are not taken for that."""
    units = host.root.parent / "system"
    monkeypatch.setattr(host_module, "UNITS", units)
    units.mkdir(parents=True)
    unit = units / f"{host.root.name}@green.service"
    for text, taken in (
        ("[Service]\n", None),
        (f"EnvironmentFile={host.root}/slots/%i/environment\n", None),
        ("EnvironmentFile=/srv/sh/slots/%i/environment\n", {"site": "sh", "file": str(unit)}),
    ):
        unit.write_text(text)
        assert host.read()["taken"] == taken


def test_calendars_are_judged_by_the_host_s_systemd(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its own program sees them; and units of these names that the site did not write are told."""
    monkeypatch.setattr(host_module, "UNITS", host.root.parent / "system")
    (host.root.parent / "system").mkdir(parents=True)
    (host.root.parent / "system/shop-report.service").write_text("[Service]\n")
    asked: list[list[str]] = []

    def command(words: list[str]) -> tuple[int, str, str]:
        asked.append(words)
        answers = {
            "daily": (0, "  Original form: daily\n    Next elapse: Tue 2026-12-01 00:00:00 UTC\n", ""),
            "2020-01-01": (0, "Normalized form: 2020-01-01 00:00:00\n    Next elapse: never\n", ""),
            "dayly": (1, "", "Failed to parse calendar specification 'dayly': Invalid argument\n"),
            "hourly": (127, "", "systemd-analyze is not installed"),
        }
        return answers[words[-1]]

    monkeypatch.setattr(site_state, "command", command)
    calendars = {"clean": "daily", "report": "dayly", "once": "2020-01-01", "other": "hourly"}
    assert host.read(schedules=calendars)["schedules"] == {
        "foreign": [str(host.root.parent / "system/shop-report.service")],
        "unusable": {
            "report": "is not a calendar of systemd on this host",
            "once": "never comes",
            "other": "cannot be judged on this host: systemd-analyze is not installed",
        },
    }
    assert asked[0] == ["systemd-analyze", "calendar", "--", "daily"]
