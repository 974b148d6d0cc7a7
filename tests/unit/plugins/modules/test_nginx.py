"""Files that nginx tests together and runs with, or that leave everything as it was; nginx and systemd are played."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pitcrew.django.plugins.module_utils import nginx_log
from ansible_collections.pitcrew.django.plugins.module_utils.nginx_config import parse
from ansible_collections.pitcrew.django.plugins.modules import nginx as module

MAIN = """worker_processes auto;
events {
    worker_connections 768;
}
http {
    include /etc/nginx/conf.d/*.conf;
    include /etc/nginx/sites-enabled/*;
}
"""
SITE = "server {\n    listen 80;\n    server_name shop.example.com;\n}\n"
LONG = f"{'a' * 62}.example.co.test"
BIND = "bind() to 0.0.0.0:443 failed (98: Address already in use)"
FIND = "Find the program that listens there, and stop it: sudo ss -ltnp 'sport = :443'"


@dataclass
class Host:
    """A host whose nginx serves with its package's files, and whatever a test changes about that."""

    home: Path
    log: Path
    capsys: pytest.CaptureFixture[str]
    active: bool = True
    enabled: bool = True
    workers: list[int] = field(default_factory=lambda: [11, 12])
    reloads: bool = True
    journal_text: str = ""
    objection: str | None = None
    orders: list[tuple[str, ...]] = field(default_factory=list)
    tested: dict[str, str] = field(default_factory=dict)
    warning: str = ""
    warnings: list[str] = field(default_factory=list)

    # What the module calls

    def run(self, command: list[str], **_how: Any) -> tuple[int, str, str]:
        """Copy for real, and test as nginx does: it knows neither `foo` nor a name that is too long."""
        if command[0] != "unshare":
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout, done.stderr
        copy = Path(command[5])
        assert command == [
            "unshare",
            "--mount",
            "sh",
            "-c",
            module.TEST,
            str(copy),
            str(self.home),
            str(module.NGINX_PROGRAM),
        ]
        self.tested = {
            str(path.relative_to(copy)): path.read_text(errors="replace") for path in copy.rglob("*") if path.is_file()
        }
        for path, text in self.tested.items():
            for number, line in enumerate(text.splitlines(), 1):
                if "foo" in line and "available" not in path:
                    words = f'nginx: [emerg] unknown directive "foo" in /etc/nginx/{path}:{number}\n'
                    return 1, "", words + "nginx: configuration file /etc/nginx/nginx.conf test failed\n"
                if "missing.pem" in line:
                    return 1, "", 'nginx: [emerg] cannot load certificate "/etc/ssl/missing.pem": No such file\n'
        return 0, "", self.warning

    def show(self, unit: str) -> Any:
        """Tell of nginx's unit as Systemd.show does."""
        assert unit == "nginx.service"
        return SimpleNamespace(processes=self.workers if self.active else [])

    def order(self, *words: str) -> str | None:
        """Do as systemctl does; a reload that nginx is not able to do leaves its workers as they are."""
        self.orders.append(words)
        if words[0] == "enable":
            return None
        if self.objection is None and self.reloads:
            self.active, self.workers = True, [21, 22]
        if not self.reloads:
            with self.log.open("a") as file:
                file.write(f"2026/11/30 10:00:00 [emerg] 10#10: {BIND}\n" * 5)
        return self.objection

    def journal(self, _unit: str) -> str:
        """Tell what nginx wrote when it was started."""
        return self.journal_text

    def properties(self, _unit: str, *names: str) -> dict[str, str]:
        """Tell whether it starts with the host."""
        assert names == ("UnitFileState",)
        return {"UnitFileState": "enabled" if self.enabled else "disabled"}

    # What a test does

    def play(self, check: bool = False, **params: Any) -> dict[str, Any]:
        """Run the module with the site's file, and give its answer."""
        arguments = {
            "files": {"conf.d/shop.conf": SITE},
            "absent": ["sites-enabled/default"],
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            **params,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return answer

    def files(self) -> dict[str, str]:
        """All files and links below nginx's directory, with their content and the time of their last change."""
        found = {}
        for path in sorted(self.home.rglob("*")):
            if path.is_symlink():
                found[str(path.relative_to(self.home))] = f"-> {os.readlink(path)}"
            elif path.is_file():
                found[str(path.relative_to(self.home))] = f"{path.stat().st_mtime} {path.read_text()}"
        return found


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Host:
    """Give a host with nginx as Debian installs it."""
    host = Host(tmp_path / "nginx", tmp_path / "error.log", capsys)
    for directory in ("conf.d", "sites-available", "sites-enabled"):
        (host.home / directory).mkdir(parents=True)
    (host.home / "nginx.conf").write_text(MAIN)
    (host.home / "sites-available/default").write_text("server { listen 80 default_server; }\n")
    (host.home / "sites-enabled/default").symlink_to("../sites-available/default")
    host.log.write_text(f"2026/11/29 10:00:00 [emerg] 10#10: {BIND.replace('443', '80')}\n")
    monkeypatch.setattr(module, "NGINX", host.home)
    monkeypatch.setattr(nginx_log, "ERROR_LOG", host.log)
    monkeypatch.setattr(module, "NGINX_PROGRAM", host.home / "nginx.conf")
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    monkeypatch.setattr(module, "Systemd", lambda _run: host)
    monkeypatch.setattr(module.AnsibleModule, "warn", lambda _self, text: host.warnings.append(text))
    monkeypatch.setattr(module.AnsibleModule, "run_command", lambda _self, *params, **how: host.run(*params, **how))
    return host


def test_files_that_nginx_accepts(host: Host) -> None:
    """They are tested with all others, without what is to go; then they are there, and nginx has reloaded."""
    answer = host.play()
    assert answer["changed"] is True
    assert answer["files"] == ["conf.d/shop.conf", "sites-enabled/default"]
    assert host.tested.keys() == {"nginx.conf", "sites-available/default", "conf.d/shop.conf"}
    assert (host.home / "conf.d/shop.conf").read_text() == SITE
    assert (host.home / "conf.d/shop.conf").stat().st_mode & 0o777 == 0o644
    assert not (host.home / "sites-enabled/default").is_symlink()
    assert host.orders == [("reload-or-restart", "nginx.service")]
    assert [(part["after_header"][-9:], part["before"], part["after"]) for part in answer["diff"]] == [
        ("shop.conf", "", SITE),
        ("d/default", "server { listen 80 default_server; }\n", ""),
    ]


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> dict[Path, tuple[str, str]]:
    """Note who is to own a log."""
    owners: dict[Path, tuple[str, str]] = {}
    monkeypatch.setattr(module.shutil, "chown", lambda path, *who: owners.update({path: who}))
    return owners


def test_a_log(host: Host, tmp_path: Path, owners: dict[Path, tuple[str, str]]) -> None:
    """As the distribution has its own; one that is there stays as it is, and so does a directory that is not."""
    new, old, nowhere = tmp_path / "shop.access.log", tmp_path / "old.log", tmp_path / "none/shop.log"
    old.write_text("a line\n")
    old.chmod(0o600)
    host.play(logs=[str(new), str(old), str(nowhere)], user="nginx")
    assert new.stat().st_mode & 0o777 == 0o640
    assert owners == {new: ("nginx", "adm")}
    assert (old.read_text(), old.stat().st_mode & 0o777) == ("a line\n", 0o600)
    assert not nowhere.parent.exists()


@pytest.mark.parametrize("params", [{"check": True}, {"files": {"conf.d/shop.conf": "foo;"}}])
def test_a_log_that_nobody_needs(
    host: Host, tmp_path: Path, owners: dict[Path, tuple[str, str]], params: dict[str, Any]
) -> None:
    """A test of nginx's opens it: it is gone again after check mode, and if the files are refused."""
    host.play(logs=[str(tmp_path / "shop.access.log")], **params)
    assert [*owners] == [tmp_path / "shop.access.log"]
    assert not (tmp_path / "shop.access.log").exists()


def test_the_second_time(host: Host) -> None:
    """Nothing changes, unless a reload is requested."""
    host.play()
    assert host.play()["changed"] is False
    assert len(host.orders) == 1
    host.workers = [1]
    assert host.play(reload=True)["changed"] is True
    assert len(host.orders) == 2


@pytest.mark.parametrize("params", [{"check": True}, {"state": "tested"}, {"state": "tested", "check": True}])
def test_files_are_only_tested(host: Host, params: dict[str, Any]) -> None:
    """In check mode, or before a switch."""
    before = host.files()
    assert host.play(**params)["changed"] is (params.get("state") != "tested")
    assert host.tested["conf.d/shop.conf"] == SITE
    assert host.files() == before
    assert host.orders == []


def test_a_host_that_check_mode_has_not_given_nginx(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nobody who could test."""
    monkeypatch.setattr(module, "NGINX_PROGRAM", host.home / "nginx")
    assert host.play(check=True, limits={"worker_connections": 1024})["changed"] is True
    assert host.tested == {}


@pytest.mark.parametrize("params", [{}, {"check": True}, {"state": "tested"}])
def test_a_file_that_nginx_does_not_accept(host: Host, params: dict[str, Any]) -> None:
    """Its own words, the line, and the cure; nothing is touched."""
    before = host.files()
    files = {"conf.d/shop.conf": SITE.replace("listen 80", "foo bar")}
    answer = host.play(
        files=files, cures={"": "never", "conf.d/shop.conf": "nginx_extra_directives: correct it"}, **params
    )
    assert answer["msg"] == (
        'nginx does not accept its new configuration: unknown directive "foo" in /etc/nginx/conf.d/shop.conf:2\n'
        "    foo bar;\n"
        "nginx_extra_directives: correct it.\n"
        "Its files are unchanged."
    )
    assert host.files() == before
    assert host.orders == []


def test_an_error_without_a_line(host: Host) -> None:
    """The cure goes by any part of nginx's message."""
    answer = host.play(files={"conf.d/shop.conf": "ssl_certificate missing.pem;\n"}, cures={"/missing.pem": "get it"})
    assert answer["msg"].splitlines()[1:] == ["get it.", "Its files are unchanged."]


def test_a_file_of_somebody_else_s(host: Host) -> None:
    """The site's is not blamed for it."""
    (host.home / "conf.d/other.conf").write_text("\nfoo 1;\n")
    answer = host.play(cures={"conf.d/shop.conf": "correct the site's"})
    assert answer["msg"].splitlines()[1:3] == [
        "    foo 1;",
        "/etc/nginx/conf.d/other.conf is not a file of this collection: correct it on the host.",
    ]


def test_limits(host: Host) -> None:
    """They are raised in the main file, and never lowered."""
    host.play(limits={"worker_connections": 16384, "worker_rlimit_nofile": "32768"})
    text = (host.home / "nginx.conf").read_text()
    assert text == MAIN.replace("768", "16384").replace("events", "worker_rlimit_nofile 32768;\nevents")
    assert host.play(limits={"worker_connections": 1024, "worker_rlimit_nofile": 1024})["changed"] is False


def test_a_long_domain(host: Host) -> None:
    """It needs a longer bucket, and so do those of other sites that are on the host."""
    (host.home / "conf.d/other.conf").write_text(f"server {{ server_name b.test {LONG}; }}")
    host.play()
    assert "    server_names_hash_bucket_size 128;\n" in (host.home / "nginx.conf").read_text()
    (host.home / "conf.d/other.conf").unlink()
    assert host.play()["files"] == []


def test_a_long_domain_where_another_file_has_the_limit(host: Host) -> None:
    """It is raised there: a second one would be an error."""
    (host.home / "conf.d/limits.conf").write_text("server_names_hash_bucket_size 64;\n")
    host.play(files={"conf.d/shop.conf": SITE.replace("shop.example.com", LONG)})
    assert (host.home / "conf.d/limits.conf").read_text() == "server_names_hash_bucket_size 128;\n"
    assert (host.home / "nginx.conf").read_text() == MAIN


def test_a_limit_outside_of_nginx_s_directory(host: Host, tmp_path: Path) -> None:
    """Not even the copy that is tested has that file."""
    limits = tmp_path / "limits.conf"
    limits.write_text("server_names_hash_bucket_size 64;\n")
    (host.home / "conf.d/include.conf").write_text(f"include {limits};\n")
    assert host.play(files={"conf.d/shop.conf": SITE.replace("shop.example.com", LONG)})["changed"] is True
    assert limits.read_text() == "server_names_hash_bucket_size 64;\n"
    assert (host.home / "nginx.conf").read_text() == MAIN


@pytest.mark.parametrize(
    ("length", "size"),
    [(1, 0), (46, 0), (47, 128), (78, 128), (110, 128), (111, 256), (238, 256), (239, 512), (253, 512)],
)
def test_the_size_of_a_bucket(length: int, size: int) -> None:
    """As tried with nginx 1.22, for every length: with less it does not start."""
    assert module.bucket_size(list(parse(f"server_name {'a' * length} b;", ""))) == size


def test_expressions_need_no_bucket() -> None:
    """They are in no hash."""
    assert module.bucket_size(list(parse(f"server_name ~^{'a' * 99}$;", ""))) == 0


def test_what_nginx_warns_of(host: Host) -> None:
    """It is passed on, and so is whose the requests for unknown hosts are."""
    host.warning = 'nginx: [warn] conflicting server name "shop.example.com" on 0.0.0.0:80, ignored\n'
    (host.home / "sites-enabled/old").write_text("\nserver { listen 80 default_server; }\n")
    host.play(files={"conf.d/pitcrew.conf": "server { listen [::]:80 default_server; }\n"})
    assert host.warnings == [
        'nginx: conflicting server name "shop.example.com" on 0.0.0.0:80, ignored',
        "nginx: /etc/nginx/sites-enabled/old:2 is the default server of 80, and gets the requests for hosts that no "
        "site serves",
    ]


def test_a_file_that_loses_requests_for_unknown_hosts(host: Host) -> None:
    """The first server of an address is its default one as long as no other says that it is; the cure is with it."""
    (host.home / "sites-enabled/status").write_text(
        "server { listen 127.0.0.1:80; }\nserver { listen 127.0.0.1:80; server_name b.test; }\n"
        "server { listen 8080; }\n"
    )
    (host.home / "conf.d/blog.conf").write_text(
        "upstream blog { }\nserver { listen 127.0.0.1:80; server_name c.test; }\n"
    )
    files = {"conf.d/pitcrew.conf": "server {\n listen 80 default_server;\n listen 127.0.0.1:80 default_server;\n}\n"}
    told = [
        "nginx: /etc/nginx/sites-enabled/status:1 no longer gets the requests to 127.0.0.1:80 for hosts that no site "
        "serves; add default_server there if it is to get them"
    ]
    host.play(files=files, state="tested")
    assert host.warnings == told
    host.play(files=files)
    assert host.warnings == 2 * told
    host.play(files={"conf.d/shop.conf": SITE, **files})
    assert host.warnings == 2 * told


def test_nginx_that_does_not_reload(host: Host) -> None:
    """It goes on with the files that it has read, and finds these again; its message is in its log."""
    host.reloads = False
    (host.home / "conf.d/shop.conf").write_text("# before\n")
    before = host.files()
    answer = host.play(limits={"worker_connections": 16384})
    assert answer["msg"] == f"nginx does not run with its new configuration: {BIND}\n{FIND}\nIts files are unchanged."
    assert host.files() == before


def test_nginx_that_says_nothing(host: Host) -> None:
    """The message is then only that it has started no workers."""
    host.reloads = False
    host.log = host.log.with_name("elsewhere.log")
    assert "it has started no workers in 0.2 s" in host.play()["msg"]


def test_nginx_that_does_not_start(host: Host) -> None:
    """Its words are in the journal of its unit."""
    host.active, host.objection = False, 'Job for nginx.service failed. See "systemctl status nginx.service".'
    host.journal_text = f"nginx: [emerg] {BIND}\nnginx: [emerg] {BIND}\nnginx: [emerg] still could not bind()\n"
    before = host.files()
    answer = host.play()
    assert answer["msg"].splitlines() == [
        f"nginx does not run with its new configuration: {BIND}",
        "still could not bind()",
        FIND,
        "Its files are unchanged.",
    ]
    assert host.files() == before
    host.journal_text = ""
    assert 'See "systemctl status' in host.play()["msg"]


def test_nginx_that_does_not_run_yet(host: Host) -> None:
    """It is started, and starts with the host from now on."""
    host.active = host.enabled = False
    assert host.play()["changed"] is True
    assert host.orders == [("reload-or-restart", "nginx.service"), ("enable", "nginx.service")]


def test_a_file_that_is_kept_elsewhere(host: Host, tmp_path: Path) -> None:
    """A link to it stays, whether nginx runs with it or not."""
    kept = tmp_path / "kept.conf"
    kept.write_text(MAIN)
    (host.home / "nginx.conf").unlink()
    (host.home / "nginx.conf").symlink_to(kept)
    host.reloads = False
    assert "msg" in host.play(limits={"worker_connections": 1024})
    assert kept.read_text() == MAIN
    host.reloads = True
    host.play(limits={"worker_connections": 1024})
    assert kept.read_text() == MAIN.replace("768", "1024")
    assert (host.home / "nginx.conf").is_symlink()


@pytest.mark.parametrize("said", [{"check": True}, {"state": "tested"}])
def test_a_directory_that_is_kept_elsewhere(host: Host, tmp_path: Path, said: dict[str, Any]) -> None:
    """What is only tested does not get there through the copy of the link; what is installed does."""
    kept = tmp_path / "kept"
    (host.home / "conf.d").rename(kept)
    (host.home / "conf.d").symlink_to(kept)
    (kept / "other.conf").write_text("# of somebody else\n")
    host.play(**said)
    assert host.tested["conf.d/shop.conf"] == SITE
    assert host.tested["conf.d/other.conf"] == "# of somebody else\n"
    assert [path.name for path in kept.iterdir()] == ["other.conf"]
    host.play()
    assert (kept / "shop.conf").read_text() == SITE
    assert (host.home / "conf.d").is_symlink()


def test_a_limit_in_a_file_that_a_relative_link_names(host: Host, tmp_path: Path) -> None:
    """The copy that is tested is elsewhere, and the link leads to the same file from there."""
    kept = tmp_path / "kept.conf"
    kept.write_text(MAIN)
    (host.home / "nginx.conf").unlink()
    (host.home / "nginx.conf").symlink_to("../kept.conf")
    host.play(limits={"worker_connections": 1024})
    assert kept.read_text() == MAIN.replace("768", "1024")
    assert os.readlink(host.home / "nginx.conf") == "../kept.conf"


def test_a_file_that_is_not_utf_8(host: Host) -> None:
    """Only the limit changes in it; what Ansible shows of it is text."""
    before = b"# f\xfcr alle\r\n" + MAIN.encode()
    (host.home / "nginx.conf").write_bytes(before)
    answer = host.play(limits={"worker_connections": 1024})
    assert (host.home / "nginx.conf").read_bytes() == before.replace(b"768", b"1024")
    assert [part["after"][:10] for part in answer["diff"] if part["after_header"].endswith("nginx.conf")] == [
        "# f\ufffdr alle"
    ]


def test_whose_file_it_is(host: Host) -> None:
    """A file that is not of this collection keeps its owner and its mode, whether nginx runs with it or not."""
    main = host.home / "nginx.conf"
    main.chmod(0o600)
    os.chown(main, 1234, 5678)
    host.reloads = False
    host.play(limits={"worker_connections": 1024})
    assert (main.stat().st_mode & 0o777, main.stat().st_uid, main.stat().st_gid) == (0o600, 1234, 5678)
    host.reloads = True
    host.play(limits={"worker_connections": 1024})
    assert "1024" in main.read_text()
    assert (main.stat().st_mode & 0o777, main.stat().st_uid, main.stat().st_gid) == (0o600, 1234, 5678)


def test_a_disk_that_is_full(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that could not be replaced is not touched by putting the others back."""
    (host.home / "conf.d/shop.conf").write_text("# before\n")
    before = host.files()
    usual = module.replace

    def full(path: Path, text: str | None, **how: Any) -> None:
        if path == host.home / "nginx.conf":
            raise OSError(28, "No space left on device")
        usual(path, text, **how)

    monkeypatch.setattr(module, "replace", full)
    answer = host.play(limits={"worker_connections": 1024})
    assert "No space left on device" in answer["msg"]
    assert host.files() == before


def test_two_sites_at_once(host: Host) -> None:
    """The second one waits: it would test, and put back, files of the first one's."""
    place = os.open(host.home, os.O_RDONLY)
    fcntl.flock(place, fcntl.LOCK_EX)
    second = threading.Timer(0.3, lambda: os.close(place))
    second.start()
    began = time.monotonic()
    host.play()
    assert time.monotonic() - began > 0.2
