"""A source is packed from real git repositories and real directories, the same way each time."""

from __future__ import annotations

import base64
import functools
import http.server
import os
import socket
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.source import Repository, SourceError, pack

PROJECT = {
    "manage.py": "#!/usr/bin/env python3\n",
    "requirements.txt": "django\n",
    "shop/__init__.py": "",
    "shop/settings.py": "",
    "shop/wsgi.py": "",
}


def write(directory: Path, files: dict[str, str]) -> None:
    """Write files with the directories they lie in."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def git(directory: Path, *words: str) -> str:
    """Run git; neither the user's settings nor the machine's count."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "a"), ("EMAIL", "a@example.com"), ("DATE", "2025-01-01T00:00:00Z"))
        },
    }
    command = ["git", "-C", str(directory), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def commit(repository: Path, **files: str) -> str:
    """Commit all that there is and give the commit."""
    write(repository, files)
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "change")
    return git(repository, "rev-parse", "HEAD")


def content(archive: str) -> dict[str, str]:
    """Give the files of an archive."""
    with tarfile.open(archive) as tar:
        return {
            member.name: file.read().decode() for member in tar if member.isreg() and (file := tar.extractfile(member))
        }


def lists(answer: dict[str, Any]) -> list[str]:
    """Name the lists of dependencies, relative to the project."""
    return [one["path"] for one in answer["requirements"]]


@dataclass
class Packer:
    """Packing, with a cache of its own."""

    cache: Path

    def __call__(self, **options: Any) -> dict[str, Any]:
        """Pack, and give what came of it; under `msg` why nothing did."""
        nothing: dict[str, Any] = {
            "git_url": None,
            "git_ref": "HEAD",
            "directory": None,
            "package": None,
            "installer": "uv",
        }
        nothing |= {"project": "", "modules": {}, "pythons": {}, "servers": {}}
        nothing |= {name: [] for name in ("guessed", "requirements", "extras", "groups", "python_packages", "files")}
        arguments = {**nothing, "cache": str(self.cache), **options}
        try:
            return asdict(pack(**arguments))
        except SourceError as error:
            return {"msg": str(error)}


@pytest.fixture(name="pack")
def packer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packer:
    """Give the packer; git sees no settings but its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return Packer(tmp_path / "cache/pitcrew.django")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Give a project that is in no repository."""
    path = tmp_path / "project"
    write(path, PROJECT)
    return path


@pytest.fixture
def repository(directory: Path) -> Path:
    """Give the same project in a repository with one commit."""
    git(directory, "init", "--quiet", "--initial-branch=main")
    commit(directory)
    return directory


# From a git repository


def test_a_commit(pack: Packer, repository: Path) -> None:
    """The archive has what was committed, and is named after the commit."""
    at = git(repository, "rev-parse", "HEAD")
    write(repository, {"not-committed.py": ""})
    answer = pack(git_url=str(repository))
    assert (answer["id"], lists(answer)) == (at[:12], ["requirements.txt"])
    assert answer["archive"] == str(pack.cache / f"{at}.tar.gz")
    assert content(answer["archive"]) == PROJECT


def test_what_a_reference_may_be(pack: Packer, repository: Path) -> None:
    """A branch, a tag of either kind, a commit in full or its beginning; a branch comes before a tag of its name."""
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "plain")
    git(repository, "tag", "--annotate", "--message", "x", "annotated")
    git(repository, "tag", "both")
    git(repository, "checkout", "--quiet", "-b", "feature/x")
    second = commit(repository, new="")
    git(repository, "branch", "both")
    git(repository, "checkout", "--quiet", "main")
    references = ["HEAD", "main", "plain", "annotated", first, first[:8], "feature/x", "both"]
    found = [pack(git_url=str(repository), git_ref=name)["id"] for name in references]
    assert found == [first[:12]] * 6 + [second[:12]] * 2


def test_the_repository_is_asked_anew(pack: Packer, repository: Path) -> None:
    """A branch that moved gives the new commit, also where it was rewritten; one that is gone is gone."""
    first = pack(git_url=str(repository), git_ref="main")
    second = commit(repository, new="")
    assert pack(git_url=str(repository), git_ref="main")["id"] == second[:12]
    git(repository, "reset", "--quiet", "--hard", "HEAD~1")
    assert pack(git_url=str(repository), git_ref="main") == first
    git(repository, "branch", "--move", "trunk")
    assert "not a branch, tag or commit" in pack(git_url=str(repository), git_ref="main")["msg"]


def test_the_default_branch_is_asked_anew(pack: Packer, repository: Path) -> None:
    """HEAD is the repository's current default branch."""
    pack(git_url=str(repository))
    git(repository, "checkout", "--quiet", "-b", "trunk")
    second = commit(repository, new="")
    assert pack(git_url=str(repository))["id"] == second[:12]


def test_a_commit_that_is_known_needs_no_network(pack: Packer, repository: Path) -> None:
    """A full name never stands for anything else."""
    at = git(repository, "rev-parse", "HEAD")
    url = str(repository)
    pack(git_url=url)
    repository.rename(repository.with_name("moved"))
    assert pack(git_url=url, git_ref=at)["id"] == at[:12]
    assert "cannot be fetched" in pack(git_url=url, git_ref="main")["msg"]


def test_repositories_do_not_share_a_clone(pack: Packer, repository: Path, tmp_path: Path) -> None:
    """Each address has its own."""
    other = tmp_path / "other"
    write(other, {**PROJECT, "other": ""})
    git(other, "init", "--quiet", "--initial-branch=main")
    commits = {pack(git_url=str(path))["id"] for path in (repository, other) if commit(path)}
    assert len(commits) == 2


def test_a_repository_that_does_not_answer(pack: Packer, tmp_path: Path) -> None:
    """The sentence has the address, git's own words and the cure; nothing half-made stays."""
    url = str(tmp_path / "nowhere.git")
    message = pack(git_url=url)["msg"]
    assert message.startswith(f"site_git_url: {url!r} cannot be fetched")
    assert "does not exist" in message
    assert "The control node fetches it" in message
    assert list(pack.cache.iterdir()) == []


def test_a_token_in_the_address_is_not_shown(pack: Packer) -> None:
    """Neither in the sentence, nor in git's own words."""
    message = pack(git_url="https://user:s3cret@localhost:1/shop.git")["msg"]
    assert "site_git_url: 'https://localhost:1/shop.git' cannot be fetched" in message
    assert "s3cret" not in message


@pytest.fixture
def guarded(repository: Path) -> Iterator[str]:
    """Serve the repository by HTTP to whoever says the password; give where."""
    git(repository, "update-server-info")
    wanted = "Basic " + base64.b64encode(b"deploy:s3cret/@").decode()

    class Guard(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers["Authorization"] == wanted:
                super().do_GET()
            else:
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Basic")
                self.end_headers()

        def log_message(self, *_said: object) -> None:
            """Say nothing."""

    serve = functools.partial(Guard, directory=str(repository))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}/.git"
        server.shutdown()


def test_a_password_in_the_address(
    pack: Packer, repository: Path, guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opens the repository, also the next time; no process has it among its arguments, no file keeps it."""
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE", str(trace))
    keeper = tmp_path / "keeper"
    git(tmp_path, "config", "--global", "credential.helper", f"store --file={keeper}")
    for _ in range(2):
        at = commit(repository)
        git(repository, "update-server-info")
        answer = pack(git_url=f"http://deploy:s3cret%2F%40@{guarded}")
        assert answer["id"] == at[:12]
    assert "remote-http" in trace.read_text()
    assert "s3cret" not in trace.read_text()
    assert not keeper.exists()
    assert [path for path in pack.cache.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()] == []
    assert len(list(pack.cache.glob("*.git"))) == 1


def test_a_wrong_password(pack: Packer, guarded: str) -> None:
    """Refused, and not shown."""
    message = pack(git_url=f"http://deploy:wr0ng@{guarded}")["msg"]
    assert f"site_git_url: 'http://{guarded}' cannot be fetched" in message
    assert "wr0ng" not in message


@pytest.mark.parametrize("ref", ["v9", "--all", "0123456789abcdef0123456789abcdef01234567"])
def test_a_reference_to_nothing(pack: Packer, repository: Path, ref: str) -> None:
    """The message has both names; a name that looks like an option is not taken for one."""
    message = pack(git_url=str(repository), git_ref=ref)["msg"]
    assert message.startswith(f"site_git_ref: {ref!r} is not a branch, tag or commit in {str(repository)!r}; push it, ")
    assert message.endswith("or name another, such as main")


def test_git_does_not_ask_for_a_password(
    pack: Packer, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nobody to answer."""
    spy = tmp_path / "bin/git"
    write(tmp_path, {"bin/git": '#!/bin/sh\necho "$GIT_TERMINAL_PROMPT" >> "$SPY"\ncat >> "$SPY"\nexit 1\n'})
    spy.chmod(0o755)
    monkeypatch.setenv("SPY", str(tmp_path / "seen"))
    monkeypatch.setenv("PATH", f"{spy.parent}:{os.environ['PATH']}")
    assert "cannot be fetched" in pack(git_url=str(repository))["msg"]
    assert (tmp_path / "seen").read_text() == "0\n"


def test_no_git_on_the_control_node(
    pack: Packer, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said in a sentence, with the cure."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not installed on the control node" in pack(git_url=str(repository))["msg"]


# From a directory


def test_a_directory(pack: Packer, directory: Path) -> None:
    """What lies there is packed; the name comes from the content."""
    answer = pack(directory=str(directory))
    assert content(answer["archive"]) == PROJECT
    assert len(answer["id"]) == 12
    assert Path(answer["archive"]).name.startswith(answer["id"])


def test_the_same_content_gives_the_same_bytes(pack: Packer, directory: Path, tmp_path: Path) -> None:
    """Whenever and by whomever it was written, in whatever order, wherever it lies."""
    copy = tmp_path / "elsewhere"
    write(copy, dict(reversed(PROJECT.items())))
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700 if path.is_dir() else 0o600)
    first = pack(directory=str(directory))
    archive = Path(first["archive"])
    data = archive.read_bytes()
    archive.unlink()
    assert pack(directory=str(copy)) == first
    assert archive.read_bytes() == data


def test_the_order_on_disk_does_not_count(pack: Packer, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file system has its own."""
    write(directory, {"a/1": "", "a/2": "", "b/1": "", "c/1": ""})
    first = pack(directory=str(directory))
    walk = os.walk

    def backwards(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        for parent, names, leaves in walk(top):
            names.sort(reverse=True)
            leaves.sort(reverse=True)
            yield parent, names, leaves

    monkeypatch.setattr(os, "walk", backwards)
    assert pack(directory=str(directory)) == first


def test_an_archive_has_no_date(pack: Packer, directory: Path) -> None:
    """The four bytes that gzip has for one are zero (RFC 1952)."""
    assert Path(pack(directory=str(directory))["archive"]).read_bytes()[4:8] == b"\0\0\0\0"


def test_hard_links_are_content_like_any_other(pack: Packer, directory: Path) -> None:
    """How a file lies on the disk is not part of its content."""
    write(directory, {"a": "same", "b": "same"})
    first = pack(directory=str(directory))["id"]
    (directory / "b").unlink()
    (directory / "b").hardlink_to(directory / "a")
    assert pack(directory=str(directory))["id"] == first


@pytest.mark.parametrize(
    "change",
    [
        {"shop/settings.py": "DEBUG = True\n"},
        {"new": ""},
        {"shop/wsgi.pyx": ""},
    ],
)
def test_other_content_gives_another_name(pack: Packer, directory: Path, change: dict[str, str]) -> None:
    """So that it becomes a release of its own."""
    first = pack(directory=str(directory))["id"]
    write(directory, change)
    assert pack(directory=str(directory))["id"] != first


def test_a_program_is_other_content(pack: Packer, directory: Path) -> None:
    """Whether a file is executable counts, and is kept; nothing else of its mode is."""
    first = pack(directory=str(directory))["id"]
    (directory / "manage.py").chmod(0o711)
    answer = pack(directory=str(directory))
    assert answer["id"] != first
    with tarfile.open(answer["archive"]) as tar:
        found = {member.name: (f"{member.mode:o}", member.uid, member.uname, member.mtime) for member in tar}
    assert found["manage.py"] == ("755", 0, "root", 315532800)
    assert found["shop/settings.py"] == ("644", 0, "root", 315532800)


def test_links_stay_links(pack: Packer, directory: Path) -> None:
    """To a file, to a directory, and to nothing: none is followed."""
    (directory / "to-file").symlink_to("manage.py")
    (directory / "to-directory").symlink_to("shop")
    (directory / "to-nothing").symlink_to("/nowhere")
    with tarfile.open(pack(directory=str(directory))["archive"]) as tar:
        links = {member.name: member.linkname for member in tar if member.issym()}
    assert links == {"to-file": "manage.py", "to-directory": "shop", "to-nothing": "/nowhere"}


@pytest.mark.parametrize(
    "name",
    [
        ".hg/store",
        ".venv/bin/python",
        "venv/bin/python",
        "node_modules/x/index.js",
        "shop/__pycache__/settings.cpython-311.pyc",
        "shop/old.pyc",
        ".tox/x",
        ".mypy_cache/x",
        "apps/node_modules/x",
    ],
)
def test_what_is_never_part_of_a_release(pack: Packer, directory: Path, name: str) -> None:
    """Neither packed, nor part of the name, at any depth."""
    first = pack(directory=str(directory))["id"]
    write(directory, {name: "x"})
    assert pack(directory=str(directory))["id"] == first


def test_in_a_work_tree_git_says_what_is_left_out(pack: Packer, repository: Path) -> None:
    """Changed and new files come along, ignored and removed ones do not."""
    write(repository, {".gitignore": ".env\n*.sqlite3\n", ".env": "SECRET=1", "db.sqlite3": "x", "new.py": "1"})
    write(repository, {"shop/settings.py": "changed"})
    (repository / "shop/wsgi.py").unlink()
    found = content(pack(directory=str(repository))["archive"])
    assert sorted(found) == [
        ".gitignore",
        "manage.py",
        "new.py",
        "requirements.txt",
        "shop/__init__.py",
        "shop/settings.py",
    ]
    assert found["shop/settings.py"] == "changed"


def test_names_of_any_script(pack: Packer, repository: Path) -> None:
    """Git would quote them, tar would cut them."""
    names = ["größe.txt", "漢字/名.txt", 'with space and "quotes"', "x" * 120 + "/" + "y" * 120]
    write(repository, dict.fromkeys(names, "x"))
    assert set(names) <= set(content(pack(directory=str(repository))["archive"]))


def test_a_directory_inside_a_work_tree(pack: Packer, repository: Path) -> None:
    """Only what lies in it, by its names from there."""
    write(repository, {f"web/{name}": text for name, text in PROJECT.items()})
    assert content(pack(directory=str(repository / "web"))["archive"]) == PROJECT


def test_a_work_tree_that_git_refuses(pack: Packer, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told in git's words rather than packed with its secrets."""
    write(repository, {".gitignore": ".env\n", ".env": "SECRET=1"})
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    answer = pack(directory=str(repository))
    assert "dubious ownership" in answer.get("msg", "")


def test_a_socket_is_no_source(pack: Packer, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a running server left there is passed over."""
    first = pack(directory=str(directory))
    monkeypatch.chdir(directory)
    with tempfile.TemporaryDirectory(dir="/tmp") as short, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{short}/dev.sock")
        os.rename(f"{short}/dev.sock", directory / "dev.sock")
        assert pack(directory=str(directory)) == first


@pytest.mark.parametrize("name", ["missing", "file"])
def test_no_directory(pack: Packer, tmp_path: Path, name: str) -> None:
    """The sentence has the path, and names the control node as the place where it was looked for."""
    (tmp_path / "file").write_text("")
    path = str(tmp_path / name)
    message = pack(directory=path)["msg"]
    assert message.startswith(f"site_source_directory: {path!r} is not a directory on the control node")


# What is in it


@pytest.mark.parametrize(
    ("modules", "fine"),
    [
        ({"site_settings_module": "shop.settings"}, True),
        ({"site_settings_module": "shop"}, True),
        ({"site_wsgi_application": "shop.wsgi:application"}, True),
        ({"site_wsgi_application": "shop.asgi:application"}, False),
        ({"site_settings_module": "shop.settings.production"}, False),
        ({"site_settings_module": "manage"}, True),
    ],
)
def test_modules_that_will_be_asked_for(pack: Packer, directory: Path, modules: dict[str, str], fine: bool) -> None:
    """A file or a package; a missing one is reported under the variable that requires it."""
    answer = pack(directory=str(directory), modules=modules)
    [(variable, name)] = modules.items()
    assert ("msg" not in answer) is fine
    if not fine:
        path = name.partition(":")[0].replace(".", "/")
        assert answer["msg"].startswith(f"{variable}: {name!r} does not exist: ")
        assert f"neither {path}.py nor {path}/__init__.py" in answer["msg"]


def test_a_project_below_the_source(pack: Packer, tmp_path: Path) -> None:
    """Manage.py, modules and requirements are looked for there."""
    write(tmp_path / "source", {f"web/{name}": text for name, text in PROJECT.items()})
    options = {"directory": str(tmp_path / "source"), "modules": {"site_settings_module": "shop.settings"}}
    assert lists(pack(**options, project="web")) == ["requirements.txt"]
    assert lists(pack(**options, project="web/")) == ["requirements.txt"]
    message = pack(**options)["msg"]
    assert message == "site_project_directory: '' has no manage.py in the source; set site_project_directory: web"


def test_no_project_at_all(pack: Packer, tmp_path: Path) -> None:
    """The message states that no directory has one."""
    write(tmp_path / "source", {"README": ""})
    message = pack(directory=str(tmp_path / "source"))["msg"]
    assert "site_project_directory: '' has no manage.py, nor has any other directory in the source" in message


@pytest.mark.parametrize(
    ("more", "cure"),
    [({}, 'set site_project_directory: ""'), ({"api/manage.py": ""}, "set it to one of '', 'api'")],
)
def test_a_project_elsewhere(pack: Packer, directory: Path, more: dict[str, str], cure: str) -> None:
    """The directories that are offered can be set as they stand."""
    write(directory, more)
    message = pack(directory=str(directory), project="web")["msg"]
    assert message == f"site_project_directory: 'web' has no manage.py in the source; {cure}"


def test_only_the_settings_module_is_wrong(pack: Packer, tmp_path: Path) -> None:
    """What would follow from the right one is not another fault."""
    files = {"manage.py": "", "shop/settings.py": "", "shop/wsgi.py": "application = 1", "requirements.txt": ""}
    write(tmp_path / "source", files)
    modules = {"site_settings_module": "shops.settings", "site_wsgi_application": "shops.wsgi:application"}
    message = pack(directory=str(tmp_path / "source"), modules=modules, guessed=["site_wsgi_application"])["msg"]
    assert message.endswith("Set site_settings_module: shop.settings")
    assert len(message.splitlines()) == 1


def test_everything_that_is_wrong_with_a_source(pack: Packer, tmp_path: Path) -> None:
    """Everything is reported at once, one line each, for the only project that can be meant."""
    files = {
        "src/manage.py": "",
        "src/config/settings/production.py": "",
        "src/web/wsgi.py": "application = 1",
        "requirements/base.txt": "",
    }
    write(tmp_path / "source", files)
    modules = {"site_settings_module": "config.settings.live", "site_wsgi_application": "config.wsgi:application"}
    message = pack(directory=str(tmp_path / "source"), modules=modules, guessed=["site_wsgi_application"])["msg"]
    assert message.splitlines() == [
        "site_project_directory: '' has no manage.py in the source; set site_project_directory: src",
        "site_settings_module: 'config.settings.live' does not exist: the source has neither "
        "src/config/settings/live.py nor src/config/settings/live/__init__.py. "
        "Set site_settings_module: config.settings.production",
        "site_wsgi_application is not set, and the guess from site_settings_module, 'config.wsgi:application', is "
        "wrong: the source has neither src/config/wsgi.py nor src/config/wsgi/__init__.py. "
        "Set site_wsgi_application: web.wsgi:application",
        "site_requirements: the source has no uv.lock, poetry.lock, Pipfile.lock, requirements.txt, pyproject.toml or "
        "setup.py beside manage.py or above it; set site_requirements: ../requirements/base.txt",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("application = get_wsgi_application()", "Set site_wsgi_application: site.run.wsgi:application"),
        ("application: object = get()", "Set site_wsgi_application: site.run.wsgi:application"),
        ("app = get_wsgi_application()", "Set site_wsgi_application: site.run.wsgi:app"),
        ("from x import app, application", "Set site_wsgi_application: site.run.wsgi:application"),
        ("def application(environ, start): ...", "Set site_wsgi_application: site.run.wsgi:application"),
        ("if False:", "Set site_wsgi_application to a module of the project"),
        ("handler = 1", "Set site_wsgi_application to a module of the project"),
    ],
)
def test_the_application_that_is_offered(pack: Packer, directory: Path, text: str, found: str) -> None:
    """It is one that its module defines."""
    (directory / "shop/wsgi.py").unlink()
    write(directory, {"site/run/wsgi.py": text})
    assert found in pack(directory=str(directory), modules={"site_wsgi_application": "shop.wsgi:application"})["msg"]


def test_the_asgi_application_that_is_offered(pack: Packer, directory: Path) -> None:
    """Of its own kind, and often a function that is asynchronous."""
    write(directory, {"site/run/asgi.py": "async def application(scope, receive, send): ..."})
    message = pack(directory=str(directory), modules={"site_asgi_application": "shop.asgi:application"})["msg"]
    assert message.endswith("Set site_asgi_application: site.run.asgi:application")


def test_settings_that_are_offered(pack: Packer, directory: Path) -> None:
    """Modules and packages, in the project's own notation; no more than five."""
    write(
        directory, {f"conf/settings/s{n}.py": "" for n in range(9)} | {"conf/settings/__init__.py": "", "x/a-b.py": ""}
    )
    message = pack(directory=str(directory), modules={"site_settings_module": "shop.setings"})["msg"]
    assert message.endswith(
        "Set site_settings_module to one of conf.settings, conf.settings.s0, conf.settings.s1, conf.settings.s2, "
        "conf.settings.s3"
    )


@pytest.mark.parametrize(
    ("files", "options", "found"),
    [
        (["requirements.txt", "uv.lock", "pyproject.toml"], {}, "uv.lock"),
        (["requirements.txt", "pyproject.toml"], {}, "requirements.txt"),
        (["pyproject.toml", "setup.py"], {}, "setup.py"),
        (["uv.lock", "requirements.txt"], {}, "requirements.txt"),
        (["uv.lock", "deploy/production.txt"], {"requirements": ["deploy/production.txt"]}, "deploy/production.txt"),
    ],
)
def test_the_list_of_dependencies(
    pack: Packer, directory: Path, files: list[str], options: dict[str, str], found: str
) -> None:
    """The one that says most comes first, and the one that is named before all."""
    (directory / "requirements.txt").unlink()
    write(directory, dict.fromkeys(files, ""))
    assert lists(pack(directory=str(directory), **options)) == [found]


def test_a_list_that_pip_cannot_read(pack: Packer, directory: Path) -> None:
    """It is passed over; asked for by name, it is refused."""
    write(directory, {"uv.lock": "version = 1"})
    assert lists(pack(directory=str(directory), installer="pip")) == ["requirements.txt"]
    message = pack(directory=str(directory), installer="pip", requirements=["uv.lock"])["msg"]
    assert message == "site_requirements: pip cannot read 'uv.lock'; set another list, or site_installer: uv"


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({}, "the source has no uv.lock, poetry.lock, Pipfile.lock, requirements.txt, {last} beside manage.py"),
        (
            {"installer": "pip"},
            "the source has no poetry.lock, Pipfile.lock, requirements.txt, {last} beside manage.py",
        ),
        ({"requirements": ["base.txt"]}, "'base.txt' is not in the source"),
    ],
)
def test_no_list_of_dependencies(pack: Packer, directory: Path, options: dict[str, str], missing: str) -> None:
    """The sentence names what was looked for."""
    (directory / "requirements.txt").unlink()
    message = pack(directory=str(directory), **options)["msg"]
    missing = missing.format(last="pyproject.toml or setup.py")
    assert (
        message == f"site_requirements: {missing}; add one, or set site_requirements to the list that the project has"
    )


def test_a_list_above_the_project(pack: Packer, tmp_path: Path) -> None:
    """It may be named from there: repositories often have their list at the top."""
    write(tmp_path / "source", {f"web/{name}": text for name, text in PROJECT.items()} | {"requirements.txt": "flask"})
    answer = pack(directory=str(tmp_path / "source"), project="web", requirements=["../requirements.txt"])
    assert lists(answer) == ["../requirements.txt"]
    assert answer["requirements_digest"]


GUNICORN = {
    "package": "gunicorn",
    "variable": "gunicorn_version",
    "wanted": "",
    "tested": "27.0.1",
    "oldest": "24.1.0",
    "reason": "they lose requests",
}


def test_the_server_that_the_project_pins(pack: Packer, directory: Path) -> None:
    """It is what will be installed."""
    write(directory, {"requirements.txt": "-r more.txt\n", "more.txt": "django\ngunicorn==26.0.0\n"})
    assert pack(directory=str(directory), servers={"gunicorn": GUNICORN})["servers"] == {
        "gunicorn": {
            "requirement": "gunicorn==26.0.0",
            "version": "26.0.0",
            "explanation": "Server: gunicorn 26.0.0, pinned in more.txt, line 2",
        }
    }


def test_a_pin_of_the_inventory_comes_first(pack: Packer, directory: Path) -> None:
    """It is the operator's."""
    write(directory, {"requirements.txt": "gunicorn==26.0.0\n"})
    answer = pack(directory=str(directory), servers={"gunicorn": GUNICORN}, python_packages=["gunicorn==25.3.0"])
    assert answer["servers"]["gunicorn"]["requirement"] == "gunicorn==25.3.0"


def test_a_pin_that_is_too_old_is_one_of_the_complaints(pack: Packer, directory: Path) -> None:
    """Nothing has happened on a host yet."""
    write(directory, {"requirements.txt": "gunicorn==20.1.0\n"})
    modules = {"site_settings_module": "nowhere"}
    lines = pack(directory=str(directory), servers={"gunicorn": GUNICORN}, modules=modules)["msg"].splitlines()
    assert [line.partition(":")[0] for line in lines] == ["site_settings_module", "gunicorn_version"]
    assert "requirements.txt, line 1 asks for gunicorn==20.1.0" in lines[1]


# Which packages it asks for


def digests(pack: Packer, directory: Path, change: dict[str, str], **options: Any) -> list[str]:
    """Give the checksum of the dependencies before and after a change."""
    before = pack(directory=str(directory), **options)["requirements_digest"]
    write(directory, change)
    return [before, pack(directory=str(directory), **options)["requirements_digest"]]


@pytest.mark.parametrize(
    ("files", "change"),
    [
        ({}, {"shop/settings.py": "DEBUG = True"}),
        ({"base.txt": "django"}, {"base.txt": "flask"}),
        ({"uv.lock": "version = 1", "pyproject.toml": ""}, {"requirements.txt": "flask"}),
        ({"requirements.txt": "# -e .\ndjango"}, {"shop/wsgi.py": "x = 1"}),
        ({"requirements.txt": "x @ git+https://example.com/x.git@v1\ny # see a/b"}, {"shop/wsgi.py": "x = 1"}),
        (
            {"requirements.txt": "x==1 --hash=sha256:a/b\n--index-url https://example.com/simple/"},
            {"shop/wsgi.py": "x = 1"},
        ),
    ],
    ids=["code", "a list that is not included", "a list that is not used", "a comment", "an address", "options"],
)
def test_the_same_packages(pack: Packer, directory: Path, files: dict[str, str], change: dict[str, str]) -> None:
    """What a release with the same ones has can be taken over."""
    write(directory, files)
    before, after = digests(pack, directory, change)
    assert before == after


@pytest.mark.parametrize(
    ("files", "change"),
    [
        ({}, {"requirements.txt": "django==5.2"}),
        ({"uv.lock": "version = 1", "pyproject.toml": ""}, {"uv.lock": "version = 2"}),
        ({"requirements.txt": "-r base.txt", "base.txt": ""}, {"base.txt": "django"}),
        ({"requirements.txt": "--requirement=base.txt", "base.txt": ""}, {"base.txt": "django"}),
        ({"requirements.txt": "-c pins.txt", "pins.txt": ""}, {"pins.txt": "django==5.2"}),
        (
            {"requirements.txt": "-r lists/a.txt", "lists/a.txt": "-r b.txt", "lists/b.txt": ""},
            {"lists/b.txt": "django"},
        ),
        ({"requirements.txt": "-r a.txt", "a.txt": "-r requirements.txt"}, {"a.txt": "-r requirements.txt\ndjango"}),
        ({"requirements.txt": "x"}, {"uv.toml": "no-index = true"}),
        ({"requirements.txt": "x"}, {"pyproject.toml": "[tool.uv]\nno-index = true"}),
        (
            {"requirements.txt": "-r lists/base.in", "lists/base.in": "-r more.in", "lists/more.in": ""},
            {"lists/more.in": "django"},
        ),
    ],
)
def test_other_packages(pack: Packer, directory: Path, files: dict[str, str], change: dict[str, str]) -> None:
    """The list itself, and all that it includes."""
    write(directory, files)
    before, after = digests(pack, directory, change)
    assert before != after


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "-e ."},
        {"requirements.txt": "./libs/x", "libs/x/x.py": ""},
        {"requirements.txt": "x @ file:libs/x", "libs/x/x.py": ""},
        {"requirements.txt": "libs/x", "libs/x/x.py": ""},
        {"requirements.txt": "x @ ./libs/x", "libs/x/x.py": ""},
        {"requirements.txt": "x @ libs/x  # ours", "libs/x/x.py": ""},
        {"requirements.txt": "--find-links wheels\nx"},
        {"requirements.txt": "-f wheels\nx"},
        {"requirements.txt": "/srv/wheels/x.whl"},
        {"uv.lock": 'source = { editable = "libs/x" }', "pyproject.toml": "", "libs/x/x.py": ""},
    ],
)
def test_packages_in_the_source(pack: Packer, directory: Path, files: dict[str, str]) -> None:
    """Nothing but the source decides on them; no other release can have the same."""
    write(directory, files)
    assert pack(directory=str(directory))["requirements_digest"] == ""


def test_lists_below_the_source(pack: Packer, tmp_path: Path) -> None:
    """A list may include one from beside the project."""
    write(tmp_path / "source", {f"web/{name}": text for name, text in PROJECT.items()})
    write(tmp_path / "source", {"web/requirements.txt": "-r ../base.txt", "base.txt": ""})
    before, after = digests(pack, tmp_path / "source", {"base.txt": "django"}, project="web")
    assert before != after


def test_lists_that_climb_out_of_the_project(pack: Packer, tmp_path: Path) -> None:
    """A list above manage.py, and what it includes from beside it, are as much part of the packages as any other."""
    source = tmp_path / "source"
    write(source, {"src/manage.py": "", "src/shop/settings.py": "", "setup/base.txt": "django\n", "pins.txt": ""})
    write(source, {"requirements.txt": "-r setup/base.txt\n-c pins.txt\n"})
    options = {"project": "src", "requirements": ["../requirements.txt"]}
    found = [pack(directory=str(source), **options)["requirements_digest"]]
    for change in ({"setup/base.txt": "django\nsix"}, {"pins.txt": "six==1.17.0"}, {"requirements.txt": "six"}):
        found += digests(pack, source, change, **options)[1:]
    assert len({*found, ""}) == 5
    assert pack(directory=str(source), project="src")["requirements_digest"] == found[-1]


def test_a_list_that_includes_nothing(pack: Packer, directory: Path) -> None:
    """What it includes has to be in the source, unless the installer fetches it."""
    write(directory, {"requirements.txt": "-r ../base.txt\n-c https://example.com/pins.txt\n"})
    assert pack(directory=str(directory))["msg"] == (
        "site_requirements: '../base.txt', which requirements.txt includes, is not in the source; add it, or remove "
        "that line"
    )
    write(directory, {"requirements.txt": "-c https://example.com/pins.txt\n"})
    assert pack(directory=str(directory))["requirements_digest"] == ""


def test_settings_of_uv_above_the_project(pack: Packer, tmp_path: Path) -> None:
    """uv looks for them further up; pip does not look for them at all."""
    write(tmp_path / "source", {f"web/{name}": text for name, text in PROJECT.items()})
    settings = {"uv.toml": "no-index = true"}
    before, after = digests(pack, tmp_path / "source", settings, project="web")
    assert before != after
    before, after = digests(pack, tmp_path / "source", {"uv.toml": ""}, project="web", installer="pip")
    assert before == after


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_list_in_another_encoding(pack: Packer, directory: Path, encoding: str) -> None:
    """As Windows saves it, and pip reads it."""
    (directory / "requirements.txt").write_text("gunicorn==26.0.0\n", encoding=encoding)
    answer = pack(directory=str(directory), servers={"gunicorn": GUNICORN})
    assert lists(answer) == ["requirements.txt"]
    assert answer["servers"]["gunicorn"]["version"] == "26.0.0"


# The cache


def test_the_cache_is_one_s_own(pack: Packer, directory: Path) -> None:
    """It may hold a source that is not public."""
    pack(directory=str(directory))
    assert pack.cache.stat().st_mode & 0o777 == 0o700


def test_the_cache_does_not_grow(pack: Packer, directory: Path) -> None:
    """The twenty archives that were used last are kept, and what is nobody's archive."""
    pack.cache.mkdir(parents=True)
    (pack.cache / "mine.tar.gz").write_text("")
    os.utime(pack.cache / "mine.tar.gz", (1, 1))
    for number in range(30):
        archive = pack.cache / f"{number:040}.tar.gz"
        archive.write_text("")
        os.utime(archive, (1000 + number, 1000 + number))
    made = Path(pack(directory=str(directory))["archive"]).name
    assert sorted(path.name for path in pack.cache.iterdir()) == sorted(
        [made, "mine.tar.gz", *(f"{number:040}.tar.gz" for number in range(11, 30))]
    )


def test_an_archive_that_is_used_again_stays(pack: Packer, directory: Path) -> None:
    """It counts as used now, not as made long ago."""
    archive = Path(pack(directory=str(directory))["archive"])
    os.utime(archive, (1, 1))
    pack(directory=str(directory))
    assert archive.stat().st_mtime > 1


# Whether names of files tell that a module does not exist


@pytest.mark.parametrize(
    ("files", "roots"),
    [
        ({"src/base/settings.py": ""}, ["src"]),
        (
            {"code/base/settings.py": "", "pyproject.toml": '[tool.setuptools.packages.find]\nwhere = ["code"]'},
            ["code"],
        ),
        ({"code/base/settings.py": "", "manage.py": "import sys\nsys.path.append(x / 'code')\n"}, ["code"]),
        ({}, []),
    ],
    ids=["src", "metadata", "manage.py", "a package that is installed"],
)
def test_modules_that_are_imported_from_elsewhere(
    pack: Packer, directory: Path, files: dict[str, str], roots: list[str]
) -> None:
    """The release's Python is asked; a release that imports from its own directories has its own environment."""
    write(directory, files)
    answer = pack(directory=str(directory), modules={"site_settings_module": "base.settings"})
    assert (answer["import_roots"], bool(answer["requirements_digest"])) == (roots, not roots)


def test_candidates_for_a_module_that_may_be_in_a_package(pack: Packer, directory: Path) -> None:
    """The release's Python decides; but if the source is refused anyway, they are shown at once."""
    modules = {"site_settings_module": "conf.live"}
    hint = "site_settings_module: 'conf.live' is not in the source. If no package has it: "
    hint += "Set site_settings_module: shop.settings"
    assert "msg" not in pack(directory=str(directory), modules=modules)
    (directory / "requirements.txt").unlink()
    assert pack(directory=str(directory), modules=modules)["msg"].splitlines()[0] == hint


def test_modules_that_the_inventory_adds(pack: Packer, directory: Path) -> None:
    """A file of the inventory is part of the project."""
    options: dict[str, Any] = {"directory": str(directory), "modules": {"site_settings_module": "shop.live"}}
    assert "does not exist" in pack(**options)["msg"]
    assert "msg" not in pack(**options, files=["shop/live.py"])


def test_packages_that_every_host_compiles(pack: Packer, directory: Path) -> None:
    """They take minutes, so that they are named before."""
    (directory / "requirements.txt").write_text("django\npsycopg[c]\n-r more.txt\nlxml\n")
    (directory / "more.txt").write_text("uWSGI==2.0.31\n")
    answer = pack(directory=str(directory), python_packages=["mysqlclient>=2", "redis"])
    assert answer["compiled"] == ["psycopg-c", "uwsgi", "mysqlclient"]
    assert pack(package="shop==2.4.*")["compiled"] == []


# An application that is a package


def test_a_package(pack: Packer) -> None:
    """Its source is empty, and it is known by its requirement; there is no manage.py to be missed."""
    modules = {"site_settings_module": "shop.settings", "site_wsgi_application": "shop.wsgi:application"}
    answer = pack(package="shop==2.4.*", modules=modules, servers={"gunicorn": GUNICORN})
    assert content(answer["archive"]) == {}
    assert (answer["requirements"], answer["system_packages"]) == ([], [])
    assert answer["packages"] == "Packages: shop==2.4.*, set by site_package"
    assert answer["servers"]["gunicorn"]["requirement"] == "gunicorn==27.0.1"
    other = pack(package="shop @ git+ssh://git@example.com/shop.git")
    assert other["id"] != answer["id"] == pack(package="shop==2.4.*")["id"]
    assert other["requirements_digest"] != answer["requirements_digest"]
    assert other["system_packages"] == ["git", "openssh-client"]


# What is packed is what the author runs


@pytest.fixture
def whole(repository: Path, tmp_path: Path) -> Path:
    """Give the project with a submodule that has a submodule itself."""
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    for path in (inner, outer):
        path.mkdir()
        git(path, "init", "--quiet", "--initial-branch=main")
    commit(inner, **{"inner.py": "1"})
    allow = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
    git(outer, *allow, "../inner", "deep")
    commit(outer, **{"outer.py": "1"})
    git(repository, *allow, "../outer", "vendor/outer")
    commit(repository)
    git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive")
    return repository


def test_submodules(pack: Packer, whole: Path, tmp_path: Path) -> None:
    """They are packed as the commit pins them, and so are theirs; from a directory, as they lie there."""
    commit(tmp_path / "inner", **{"inner.py": "2"})
    for source in ({"git_url": str(whole)}, {"directory": str(whole)}):
        files = content(pack(**source)["archive"])
        assert (files["vendor/outer/outer.py"], files["vendor/outer/deep/inner.py"]) == ("1", "1")
        assert files["shop/wsgi.py"] == ""


def test_a_submodule_that_cannot_be_fetched(pack: Packer, whole: Path, tmp_path: Path) -> None:
    """It is named with its address; nothing half-made stays."""
    (tmp_path / "inner").rename(tmp_path / "moved")
    message = pack(git_url=str(whole))["msg"]
    assert message.startswith(f"site_git_url: the submodule 'deep', '{tmp_path}/inner', cannot be fetched")
    assert list(pack.cache.glob("*.tar.gz")) == []


def test_a_submodule_on_this_machine(pack: Packer, whole: Path) -> None:
    """A repository from elsewhere cannot have one of the control node's own repositories packed."""
    repository = Repository.at("https://user:s3cret@git.example.com/shop.git")
    assert repository.submodule(str(whole)).local is False
    assert repository.submodule("../lib.git").address == "https://git.example.com/lib.git"
    assert repository.submodule("../lib.git").password == "s3cret"
    for other in ("https://other.example.com/lib.git", "http://git.example.com/lib.git"):
        assert repository.submodule(other).password == ""
    assert Repository.at("git@example.com:team/shop.git").submodule("../lib.git").address == (
        "git@example.com:team/lib.git"
    )
    pack.cache.mkdir(parents=True)
    result = repository.submodule(str(whole)).git("clone", "--quiet", str(whole), str(pack.cache / "x"))
    assert "transport 'file' not allowed" in result.stderr


def test_a_login_is_for_one_origin() -> None:
    """Whatever else the source names, such as a server of Git LFS, does not get it; nor does what a server leads to."""
    repository = Repository.at("https://deploy:s3cret@git.example.com:8443/shop.git")
    ask = ("config", "--get-urlmatch", "credential.helper")
    assert "PITCREW_GIT_PASSWORD" in repository.git(*ask, "https://git.example.com:8443/team/lib.git").stdout
    for other in (
        "https://git.example.com/shop.git",
        "http://git.example.com:8443/shop.git",
        "https://lfs.example.org",
    ):
        assert repository.git(*ask, other).stdout.strip() == ""


def test_an_empty_submodule(pack: Packer, whole: Path) -> None:
    """In a directory it is the author's to fetch."""
    git(whole, "submodule", "deinit", "--force", "vendor/outer")
    message = pack(directory=str(whole))["msg"]
    assert message.startswith("site_source_directory: the submodule 'vendor/outer' is empty; fetch it in ")
    assert message.endswith("git submodule update --init --recursive")


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12345\n"


@pytest.mark.parametrize("kind", ["git_url", "directory"])
def test_large_files(
    pack: Packer, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Git LFS fetches what is only pointed to; without it, or if it cannot, the file is named."""
    commit(repository, **{"logo.png": POINTER})
    message = pack(**{kind: str(repository)})["msg"]
    variable = {"git_url": "site_git_url", "directory": "site_source_directory"}[kind]
    assert message == (
        f"{variable}: 'logo.png' is kept by Git LFS, and the source has only a pointer to it; install git-lfs on the "
        "control node, which packs the source"
    )
    program = tmp_path / "bin/git-lfs"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\ncat >&2\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    assert (
        "'logo.png' is kept by Git LFS, and cannot be fetched from there: version"
        in (pack(**{kind: str(repository)})["msg"])
    )
    program.write_text("#!/bin/sh\ngrep -q oid && printf 'a picture'\n")
    assert content(pack(**{kind: str(repository)})["archive"])["logo.png"] == "a picture"
    assert (repository / "logo.png").read_text() == POINTER


def test_results_of_a_build_that_are_dropped(pack: Packer, repository: Path) -> None:
    """What git ignores and a build has made is named; caches, uploads and collected files are not."""
    ignored = "dist/\n*.mo\nstaticfiles/\nroot/\nnode_modules/\n*.sqlite3\n__pycache__/\nwheels/\nwebpack-stats.json\n"
    commit(repository, **{".gitignore": ignored, "shop/urls.py": "x = 'node_modules/x'"})
    built = ["front/dist/a.js", "locale/de/django.mo", "webpack-stats.json", "shop/node_modules/x/x.js"]
    others = ["staticfiles/a.css", "root/admin/css/base.css", "db.sqlite3", "shop/__pycache__/a.pyc", "wheels/x.whl"]
    write(repository, dict.fromkeys([*built, *others], "x"))
    answer = pack(directory=str(repository))
    assert answer["warnings"] == [
        "site_source_directory: git ignores front/dist/, *.mo, webpack-stats.json, shop/node_modules/, so the release "
        "does not have what was built there; have it built with site_build, or commit it."
    ]
    git(repository, "rm", "--quiet", "shop/urls.py")
    assert "node_modules" not in pack(directory=str(repository))["warnings"][0]
    assert pack(git_url=str(repository))["warnings"] == []


# The Python of the hosts


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"pyproject.toml": '[project]\nrequires-python = ">=3.12"'}, "pyproject.toml requires >=3.12; "),
        ({"pyproject.toml": '[project]\nrequires-python = ">=3.9"'}, ""),
        (
            {"poetry.lock": '[metadata]\npython-versions = "^3.9,<3.11 || ^3.12"', "pyproject.toml": ""},
            "poetry.lock requires >=3.9,<4,<3.11 or >=3.12,<4; ",
        ),
        (
            {"uv.lock": 'version = 1\nrequires-python = ">=3.13"', "pyproject.toml": ""},
            "uv.lock requires >=3.13; set site_python to a Python 3.13 of the host; ",
        ),
        ({"Pipfile.lock": '{"_meta": {"requires": {"python_version": "3.9"}}}'}, "Pipfile.lock requires ==3.9.*; "),
        ({"requirements.txt": "", "pyproject.toml": "[project]\nrequires-python = '<3'"}, "no Python is known"),
    ],
)
def test_python_of_the_hosts(pack: Packer, directory: Path, files: dict[str, str], complaint: str) -> None:
    """What the source asks for is compared with each host's, before anything is built."""
    write(directory, files)
    pythons = {"web0": {}, "web1": {"path": "/usr/bin/python3", "version": "3.11.2"}}
    answer = pack(directory=str(directory), pythons=pythons)
    assert bool(answer.get("msg")) is bool(complaint)
    if complaint:
        assert answer["msg"].startswith("site_python: '/usr/bin/python3' on web1 is Python 3.11.2, and ")
        assert complaint in answer["msg"]
