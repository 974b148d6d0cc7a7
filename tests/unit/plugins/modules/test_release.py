"""A release is built from a real archive, and a real process of its own Python finishes it.

What is played: a Django of a few lines that lies in the source, a runuser that changes no user, and a Python whose
virtual environments have a pip that installs nothing and notes what it is asked for.
"""

from __future__ import annotations

import base64
import fcntl
import io
import json
import os
import signal
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pitcrew.django.plugins.module_utils import (
    django_process,
    package_access,
    release_stages,
    tools,
)
from ansible_collections.pitcrew.django.plugins.modules import release as module

USER, GROUP = 12345, 54321
RUNNER = "ansible_collections.pitcrew.django.plugins.module_utils.django_runner"
VERSION = "{}.{}".format(*sys.version_info)

PYTHON = """#!/bin/sh
[ "$2 $3" = "-m venv" ] || [ "$1 $2" = "-m venv" ] || exec {real} "$@"
for venv; do :; done
echo "python -m venv" >> {log}
mkdir -p "$venv/bin" "$venv/lib/python{version}/site-packages"
ln -s {real} "$venv/bin/python"
echo "home = {home}" > "$venv/pyvenv.cfg"
printf '#!/bin/sh\\n# %s\\necho "pip $*" >> {log}\\n' "$venv/bin" > "$venv/bin/pip"
chmod 755 "$venv/bin/pip"
"""
SETPRIV = """#!/bin/sh
echo "$1 $2 $3 $4 $(umask)" >> {tmp}/users
nice >> {tmp}/niceness
shift 5
exec "$@"
"""
DJANGO = {
    "django/__init__.py": """
import importlib, os, sys
def migrate(job, report):
    from django.core.management import call_command
    report.enter("migrate")
    call_command("migrate")
def setup():
    from django import conf
    sys.modules["ansible_collections.pitcrew.django.plugins.module_utils.django_runner"].migrate_guarded = migrate
    conf.settings = importlib.import_module(os.environ["DJANGO_SETTINGS_MODULE"])
""",
    "django/conf.py": """
import importlib, os
class Lazy:
    def __getattr__(self, name):
        return getattr(importlib.import_module(os.environ["DJANGO_SETTINGS_MODULE"]), name)
settings = Lazy()
""",
    "django/core/checks.py": "",
    "django/core/management/base.py": "class SystemCheckError(Exception): pass\n",
    "django/urls.py": """
class NoReverseMatch(Exception): pass
class Resolver404(Exception): pass
def resolve(path): pass
def reverse(name): pass
""",
    "django/http/request.py": "def validate_host(host, allowed): return host in allowed\n",
    "django/core/management/__init__.py": """
import contextlib, sys
def call_command(name, stdout=None, stderr=None, **options):
    from django.conf import settings
    print("django:", name)
    with contextlib.redirect_stdout(stdout or sys.stdout):
        getattr(settings, name, lambda: None)()
""",
}
SETTINGS = """
ALLOWED_HOSTS = ["shop.example.com"]
DEBUG = False
SECRET_KEY = "a key"
ROOT_URLCONF = "urls"
DATABASES = {}
INSTALLED_APPS = ["django.contrib.staticfiles"]
STATIC_URL, STATIC_ROOT = "/static/", __file__.replace("shop.py", "static")
MEDIA_URL, MEDIA_ROOT = "", ""
"""


class Hangs(BaseException):
    """Time is up; nothing that expects errors of a command takes it for one."""


@dataclass
class Site:
    """A source, a place for its release, and the module that builds it."""

    tmp: Path
    capsys: pytest.CaptureFixture[str]
    files: dict[str, str] = field(default_factory=lambda: {**DJANGO, "shop.py": SETTINGS})
    # Who was given what, by the path below the release: user, group, and whether links are followed.
    owners: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def release(self) -> Path:
        """Where the release comes to lie."""
        return self.tmp / "releases/r1"

    @property
    def home(self) -> Path:
        """What outlives it."""
        return self.tmp / "home"

    def settings(self, more: str) -> None:
        """Add to the settings."""
        self.files["shop.py"] += more

    def shared_venvs(self) -> list[str]:
        """Name the virtual environments that releases share."""
        return sorted(os.listdir(self.tmp / "venvs"))

    def commands(self) -> list[str]:
        """Tell which commands ran, and for which user."""
        log = self.tmp / "log"
        return log.read_text().splitlines() if log.exists() else []

    def build(self, release: str = "r1", check: bool = False, **params: Any) -> dict[str, Any]:
        """Pack the files, run the module and give its result."""
        with tarfile.open(self.tmp / "source.tar.gz", "w:gz") as tar:
            for name, text in self.files.items():
                member = tarfile.TarInfo(name)
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
        arguments = {
            "archive": str(self.tmp / "source.tar.gz"),
            "path": str(self.release.with_name(release)),
            "user": "shop",
            "home": str(self.home),
            "python": str(self.tmp / "python"),
            "cache": str(self.tmp / "cache"),
            "requirements": [{"path": "requirements.txt"}],
            "packages": ["gunicorn==1"],
            "packages_digest": "d1",
            "domains": ["shop.example.com"],
            "environment": {"DJANGO_SETTINGS_MODULE": "shop"},
            "_ansible_check_mode": check,
            **params,
        }
        umask = os.umask(0o022)
        with patch.dict(os.environ), patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()  # which clears the environment, and sets the umask
        os.umask(umask)
        result: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return result


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Site:
    """Give a site; who would own its processes and its files is written down, since only root could do it."""
    site = Site(tmp_path, capsys)
    for directory in (site.release.parent, site.home, tmp_path / "cache"):
        directory.mkdir()
    log = tmp_path / "log"
    scripts = {
        "setpriv": SETPRIV.format(tmp=tmp_path),
        "python": PYTHON.format(
            log=log, version=VERSION, real=os.path.realpath(sys.executable), home=sys.base_prefix + "/bin"
        ),
    }
    for name, text in scripts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def chown(
        path: str | Path, user: int, group: int, *, dir_fd: int | None = None, follow_symlinks: bool = True
    ) -> None:
        parent = os.readlink(f"/proc/self/fd/{dir_fd}") if dir_fd else ""
        site.owners[os.path.relpath(os.path.join(parent, path), site.release)] = [user, group, follow_symlinks]

    def fchown(file: int, user: int, group: int) -> None:
        chown(os.readlink(f"/proc/self/fd/{file}"), user, group, follow_symlinks=False)

    monkeypatch.setattr(django_process, "SETPRIV", str(tmp_path / "setpriv"))
    monkeypatch.setattr(tools, "TOOLS", tmp_path / "opt")
    monkeypatch.setattr(package_access, "RUN", tmp_path)
    monkeypatch.setattr(
        module.pwd, "getpwnam", lambda _name: SimpleNamespace(pw_name="shop", pw_uid=USER, pw_gid=GROUP)
    )
    monkeypatch.setattr(module, "read_site", lambda *params: {"read of": params})
    monkeypatch.setattr(os, "chown", chown)
    monkeypatch.setattr(os, "fchown", fchown)
    return site


def live(site: Site, release: str) -> None:
    """Have a release be live."""
    slot = site.tmp / "slots/blue"
    slot.mkdir(parents=True, exist_ok=True)
    (slot / "release").unlink(missing_ok=True)
    (slot / "release").symlink_to(site.release.with_name(release))
    (site.tmp / "live").unlink(missing_ok=True)
    (site.tmp / "live").symlink_to("slots/blue")


# A release that passes


def test_the_facts_of_the_host(site: Site) -> None:
    """They come along, in a form in which nothing can be cut out of them unseen."""
    for _built_and_there_already in range(2):
        result = site.build(files=["/etc/ssl/shop.pem"], secrets={"KEY": "shop"})
        facts = json.loads(base64.b64decode(result["facts"], validate=True))
        assert facts == {"read of": ["shop", str(site.tmp), ["/etc/ssl/shop.pem"], str(site.tmp / "python")]}


def test_a_finished_release(site: Site) -> None:
    """Its description is returned and recorded; what Django wrote is returned."""
    result = site.build(server="gunicorn")
    assert result["changed"] is True
    assert result["description"] == {
        "public": {"static": str(site.release / "app/static")},
        "static": "static",
        "media": None,
        "migrated": True,
        "unmigrated": [],
        "collected": "",
        "checks": "",
        "server": "gunicorn",
        "interface": "wsgi",
        "server_version": None,
        "prometheus_client": None,
        "packages": "d1",
    }
    assert result["output"] == "django: check\ndjango: collectstatic\ndjango: migrate\n"
    assert sorted(result["seconds"]) == ["django", "packages"]
    record = site.release / "release.json"
    assert json.loads(record.read_text()) == result["description"]
    assert record.stat().st_mode & 0o777 == 0o644
    assert (site.release / "app/django/core/management/__init__.py").read_text() == DJANGO[
        "django/core/management/__init__.py"
    ]


def test_what_the_inventory_says_over_the_settings(site: Site) -> None:
    """It lies in the release, not among packages that others share; only the environment leads there."""
    site.files["other.py"] = SETTINGS.replace("shop.example.com", "elsewhere")
    environment = {
        "DJANGO_SETTINGS_MODULE": "site_overrides",
        "SITE_SETTINGS_MODULE": "other",
        "SITE_OVERRIDES": '{"ALLOWED_HOSTS+": ["shop.example.com"]}',
        "PYTHONPATH": str(site.release / "overrides"),
    }
    assert site.build(environment=environment)["changed"] is True
    assert list((site.tmp / "venvs").rglob("*overrides*")) == []
    module_file = site.release / "overrides/site_overrides.py"
    assert module_file.stat().st_mode & 0o777 == 0o640
    assert {"overrides", "overrides/site_overrides.py"} <= site.owners.keys()


def test_every_process_is_the_site_s_user(site: Site) -> None:
    """And writes files that only the site's group may read."""
    site.build()
    ids = [f"--reuid={USER}", f"--regid={GROUP}", "--init-groups", "--pdeathsig=KILL"]
    assert [line.split() for line in (site.tmp / "users").read_text().splitlines()] == [[*ids, "0027"]] * 6


def test_what_is_installed_gives_way(site: Site) -> None:
    """Unpacking and installing do; a migration, which holds locks that the serving release waits for, does not."""
    site.build()
    own = os.nice(0)
    assert [int(line) for line in (site.tmp / "niceness").read_text().split()] == [min(own + 10, 19)] * 5 + [own]


def test_the_environment_of_the_process(site: Site) -> None:
    """The variables of the site, as texts, and a home that it may write to."""
    site.settings("import json, os\nprint(json.dumps(dict(os.environ)))\n")
    variables = {"DJANGO_SETTINGS_MODULE": "shop", "DEBUG": False, "TEXT": "a $b", "PATH": "/usr/bin:/bin"}
    found = json.loads(site.build(environment=variables, secrets={"PORT": 5432})["output"].splitlines()[0])
    assert {name: found.get(name) for name in ("DEBUG", "TEXT", "PATH", "HOME")} == {
        "DEBUG": "False",
        "TEXT": "a $b",
        "PATH": "/usr/bin:/bin",
        "HOME": str(site.home),
    }
    assert "PORT" in found


def test_the_environment_of_the_process_is_the_site_s_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The release is checked in the environment that it will run in."""
    monkeypatch.setenv("DATABASE_URL", "of the administrator")
    site.settings("import os\nprint(os.environ.get('DATABASE_URL'))\n")
    assert site.build()["output"].splitlines()[0] == "None"


def test_secrets_reach_the_settings_and_no_one_else(site: Site) -> None:
    """Not even where the settings print them."""
    site.settings("import os\nprint(os.environ['SECRET_KEY'])\nassert len(os.environ['SECRET_KEY']) == 13\n")
    result = site.build(secrets={"SECRET_KEY": "correct horse"})
    assert result["changed"] is True
    assert "correct horse" not in json.dumps(result)


CHECKED = (
    "System check identified some issues:\n\nWARNINGS:\n?: (security.W004) no HSTS. It is\n"
    "complicated.\nshop.Product: (models.W042) No key.\n\tHINT: Have one.\n\n"
    "System check identified 2 issues (0 silenced)."
)


@pytest.mark.parametrize(
    ("written", "warned"),
    [
        (CHECKED, ["manage.py check --deploy:\nsecurity.W004: no HSTS\nmodels.W042: No key (shop.Product)"]),
        ("System check identified no issues (0 silenced).", []),
    ],
)
def test_warnings_of_the_check(site: Site, monkeypatch: pytest.MonkeyPatch, written: str, warned: list[str]) -> None:
    """They are Ansible's warnings, without what else was written; the release passes."""
    warnings: list[str] = []
    monkeypatch.setattr(module.AnsibleModule, "warn", lambda _self, text: warnings.append(text))
    site.settings(f"def check(): print({written!r})\n")
    assert site.build()["changed"] is True
    assert warnings == warned
    live(site, "r1")
    assert site.build("r2")["changed"] is True
    assert warnings == warned
    site.settings("def check(): print('WARNINGS:\\n?: (security.W018) others')\n")
    assert site.build("r3")["changed"] is True
    assert warnings == [*warned, "manage.py check --deploy:\nsecurity.W018: others"]


def test_warnings_of_the_check_are_not_the_cause(site: Site) -> None:
    """They are not shown with a failure of what comes after it."""
    site.settings(f"def check(): print({CHECKED!r})\ndef collectstatic(): raise ValueError('E1')\n")
    message = site.build()["msg"]
    assert "security.W004" not in message
    assert message.splitlines()[-1] == "ValueError: E1"


def test_models_that_were_changed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The release passes, with a warning that has the command; it is recorded for the status."""
    warnings: list[str] = []
    monkeypatch.setattr(module.AnsibleModule, "warn", lambda _self, text: warnings.append(text))
    site.files["django/__init__.py"] += """
    sys.modules["ansible_collections.pitcrew.django.plugins.module_utils.django_runner"].without_migration = (
        lambda source: [source.name, "depot"]
    )
"""
    assert site.build()["description"]["unmigrated"] == ["app", "depot"]
    assert warnings == [
        "The models of app, depot have changes without a migration, which the database lacks: run manage.py "
        "makemigrations app depot, and deploy what it writes."
    ]


LACKING = "No module named 'pkg_resources'"


def test_an_application_that_cannot_be_loaded(site: Site) -> None:
    """The settings can: the message names the file in the project, and its traceback has none of ours."""
    site.files["django/__init__.py"] += "    import depot.models\n"
    site.files |= {"depot/__init__.py": "", "depot/models.py": f"raise ModuleNotFoundError({LACKING!r})\n"}
    message = site.build()["msg"]
    assert "django.setup() failed in depot/models.py: ModuleNotFoundError: No module named 'pkg_resources'" in message
    assert 'Set site_python_packages: ["setuptools<81"]' in message
    assert "django_runner" not in message


def test_an_error_with_a_line_break(site: Site) -> None:
    """As those of PostgreSQL, which the connection raises: one line, one full stop, and the cure."""
    site.settings("""def migrate(): raise OSError('FATAL: database "wrong" does not\\nexist\\n')\n""")
    site.files["django/__init__.py"] = site.files["django/__init__.py"].replace(
        '"migrate")\n    call', '"plan")\n    call'
    )
    message = site.build()["msg"]
    assert 'its migrations cannot run: OSError: FATAL: database "wrong" does not exist.\n' in message
    assert "sudo -u postgres createdb --owner shop wrong" in message


@pytest.mark.parametrize(
    ("params", "output"),
    [
        ({"migrate": False}, "django: check\ndjango: collectstatic\n"),
        ({"collectstatic": False}, "django: check\ndjango: migrate\n"),
        ({"migrates_shared_database": False, "collectstatic": False}, "django: check\ndjango: migrate\n"),
    ],
)
def test_what_the_site_does_not_want(site: Site, params: dict[str, bool], output: str) -> None:
    """The job reaches the process. Without any database there is none that hosts could share."""
    assert site.build(**params)["output"] == output


def test_a_project_below_the_source(site: Site) -> None:
    """It is the working directory, and what is imported from."""
    site.settings("import os\nprint(os.getcwd())\n")
    site.files = {f"web/{name}": text for name, text in site.files.items()}
    result = site.build(project="web", shared=["data/"])
    assert result["output"].splitlines()[0] == str(site.release / "app/web")
    assert (site.release / "app/web/data").readlink() == site.home / "data"


def test_what_an_earlier_run_left(site: Site) -> None:
    """A release that was cut off is built anew."""
    (site.release / "app").mkdir(parents=True)
    (site.release / "app/old").write_text("")
    assert site.build()["changed"] is True
    assert not (site.release / "app/old").exists()


def test_a_release_that_is_there(site: Site) -> None:
    """Another run has finished it meanwhile: it is described, and not touched."""
    site.build()
    (site.tmp / "log").unlink()
    result = site.build()
    assert (result["changed"], result["description"]["static"]) == (False, "static")
    assert site.commands() == []


def test_another_run_at_work(site: Site) -> None:
    """One at a time; the second fails, and leaves the release of the first alone."""
    site.release.mkdir()
    with (site.tmp / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = site.build()
    assert f"Another run is working on the site in {site.tmp}; wait" in result["msg"]
    assert site.release.exists()


def made_by_django(names: dict[str, int], then: str = "") -> str:
    """Give settings that make files of these modes in the project, a directory where the name says so."""
    lines = ["import os", "os.umask(0)"]
    for name, mode in names.items():
        make = f"os.mkdir('{name}')" if "directory" in name else f"open('{name}', 'w').close()"
        lines += [make, f"os.chmod('{name}', {mode})"]
    return "\n".join([*lines, then, ""])


def test_a_sealed_release(site: Site) -> None:
    """Root's, readable by the site's group; nobody else sees it, nobody writes to it, links stay as they are."""
    outside = site.home / "outside"
    outside.write_text("")
    outside.chmod(0o606)
    modes = {"wide": 0o666, "narrow": 0o600, "program": 0o777, "bits": 0o6755, "directory": 0o777}
    links = f"os.symlink('{outside}', 'link')\nos.symlink('/nowhere', 'broken')"
    site.settings(made_by_django(modes, links))
    site.build()
    assert {name: f"{(site.release / 'app' / name).stat().st_mode & 0o7777:o}" for name in modes} == {
        "wide": "640",
        "narrow": "640",
        "program": "750",
        "bits": "750",
        "directory": "750",
    }
    assert outside.stat().st_mode & 0o777 == 0o606
    assert {".", "app/directory", "app/shop.py"} <= site.owners.keys()
    # Links stay the user's.
    assert not {"venv", "app/link", "app/broken"} & site.owners.keys()
    packages = f"../../venvs/{site.shared_venvs()[0]}"
    assert f"{packages}/venv/bin/pip" in site.owners
    # These are made by root in directories of root.
    made = [site.owners.pop(name)[:2] for name in ("../..", "..", "../../venvs", packages)]
    assert made == [[0, GROUP]] * 4
    assert [site.owners.pop(name)[:2] for name in ("../../cache", "../../home")] == [[USER, GROUP]] * 2
    assert list(site.owners.values()) == [[0, GROUP, False]] * len(site.owners)


@pytest.mark.parametrize("name", ["directory", "program"])
def test_a_sealed_release_that_was_the_user_s_alone(site: Site, name: str) -> None:
    """What its owner could enter and run, the site's group can."""
    site.settings(made_by_django({"directory": 0o700, "program": 0o700}))
    site.build()
    assert (site.release / "app" / name).stat().st_mode & 0o777 == 0o750


# Its packages


def test_packages_are_installed(site: Site) -> None:
    """Those of the list, then the server, which is of the version that its configuration was written for."""
    site.build()
    assert site.commands() == [
        "python -m venv",
        "pip install --quiet --requirement requirements.txt",
        "pip install --quiet gunicorn==1",
    ]


def test_an_application_that_is_a_package(site: Site) -> None:
    """It comes before the server, whose version replaces that of the package."""
    site.build(requirements=[], package="shop==2.4.*")
    assert site.commands()[1:] == ["pip install --quiet shop==2.4.*", "pip install --quiet gunicorn==1"]


def test_tools_from_the_index(site: Site) -> None:
    """Only those that a list needs; each is complete when it has its name, and its scripts name their Python there."""
    python = site.tmp / "python"
    program = "\n".join(
        [
            'mkdir -p "$(dirname $0)"',
            'printf \'#!%s\\n\' "$(dirname $0)/python" > "$(dirname $0)/poetry"',
        ]
    )
    tools = site.tmp / "opt"
    tools.mkdir()
    lists = [{"path": "poetry.lock", "kind": "poetry.lock"}]
    options = {"poetry": ["poetry==2.5.1", "poetry-plugin-export==1.10.1"], "pipenv": ["pipenv==2026.10.3"]}
    python.write_text(
        python.read_text().replace(
            f'ln -s {os.path.realpath(sys.executable)} "$venv/bin/python"',
            f"""ln -s {os.path.realpath(sys.executable)} "$venv/bin/python"
case $venv in {tools}/*) rm "$venv/bin/python"; cat > "$venv/bin/python" <<'END'
#!/bin/sh
echo "tool $*" >> {site.tmp}/log
{program}
END
chmod 755 "$venv/bin/python";; esac""",
        )
    )
    site.build(requirements=lists, tools=options)
    assert site.commands()[1] == "tool -I -m pip install --quiet poetry==2.5.1 poetry-plugin-export==1.10.1"
    assert [path.name for path in tools.iterdir()] == ["poetry-2.5.1-1.10.1"]
    script = tools / "poetry-2.5.1-1.10.1/bin/poetry"
    assert script.read_text() == f"#!{script.parent}/python\n"


def test_modules_that_are_imported_from_elsewhere_in_the_source(site: Site) -> None:
    """Every process of the release finds them, whatever starts it."""
    site.files["src/base/live.py"] = site.files.pop("shop.py")
    site.files["src/base/__init__.py"] = ""
    params = {"packages_digest": None, "environment": {"DJANGO_SETTINGS_MODULE": "base.live"}}
    assert "(no module 'base')" in site.build(**params)["msg"]
    assert "msg" not in site.build(**params, import_roots=["src"])


LOGINS = [{"host": "git.example.com", "login": {"user": "deploy", "password": "s3cret"}}]


@pytest.mark.parametrize("fails", [False, True])
def test_logins_for_packages(site: Site, fails: bool) -> None:
    """The host has them while packages are installed, for the site's user alone, and shows them to nobody."""
    python = site.tmp / "python"
    look = f'cat $NETRC $HOME/.netrc "${{GIT_SSH_COMMAND#*-i }}" >> {site.tmp}/seen 2>&1; echo s3cret; exit {fails:d} #'
    look = look.replace('"${GIT_SSH_COMMAND#*-i }"', "$(echo $GIT_SSH_COMMAND | sed 's/.*-i //; s/ .*//')")
    python.write_text(python.read_text().replace('echo "pip $*" >>', look.replace("'", "'\\''")))
    result = site.build(logins=LOGINS, ssh_key="-----BEGIN KEY-----\r\nabc\r\n-----END KEY-----")
    line = "machine git.example.com login deploy password s3cret\n"
    assert (site.tmp / "seen").read_text().startswith(line * 2 + "-----BEGIN KEY-----\nabc\n-----END KEY-----\n")
    assert not (site.tmp / "pitcrew-packages-shop").exists()
    assert "s3cret" not in json.dumps(result)
    assert ("msg" in result) is fails
    assert site.owners["../../pitcrew-packages-shop"][:2] == [USER, GROUP]


def test_logins_that_a_run_left_behind(site: Site) -> None:
    """A run that was cut off did not remove them; the next does, even if it installs nothing."""
    site.build("r1")
    left = site.tmp / "pitcrew-packages-shop/.netrc"
    left.parent.mkdir()
    left.write_text("machine git.example.com login deploy password s3cret")
    site.build("r2")
    assert not left.parent.exists()


def test_releases_with_the_same_packages_share_them(site: Site) -> None:
    """The second installs nothing; both see the same files under their own path."""
    site.build("r1")
    (site.tmp / "log").unlink()
    site.build("r2")
    assert site.commands() == []
    one, two = (site.tmp / "releases" / name / "venv" for name in ("r1", "r2"))
    assert one.readlink() == two.readlink() == Path("../../venvs") / site.shared_venvs()[0] / "venv"
    assert (two / "bin/pip").stat().st_mode & 0o777 == 0o750


def test_packages_that_come_out_of_the_source(site: Site) -> None:
    """They are the release's own: what is installed may point into its code."""
    site.build("r1", packages_digest=None)
    (site.tmp / "log").unlink()
    site.build("r2", packages_digest=None)
    assert len(site.commands()) == 3
    assert not (site.tmp / "venvs").exists()
    for release in ("r1", "r2"):
        venv = site.tmp / "releases" / release / "venv"
        assert f"# {venv}/bin" in (venv / "bin/pip").read_text()
    assert "venv/bin/pip" in site.owners


@pytest.mark.parametrize("reason", ["other packages", "another Python", "cut off"])
def test_packages_that_are_not_shared(site: Site, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    """Those of another list, of the Python before an upgrade, and those that are not complete."""
    site.build("r1")
    (site.tmp / "log").unlink()
    if reason == "another Python":
        python = site.tmp / "python"
        python.write_text(
            python.read_text().replace("#!/bin/sh", "#!/bin/sh\ncase $2 in *cache_tag*) exec echo 3.99;; esac", 1)
        )
    if reason == "cut off":
        (site.tmp / "venvs" / site.shared_venvs()[0] / "complete").unlink()
    site.build("r2", packages_digest="d2" if reason == "other packages" else "d1")
    assert len(site.commands()) == 3
    assert len(site.shared_venvs()) == (1 if reason == "cut off" else 2)


def test_a_release_that_fails_later_keeps_its_packages(site: Site) -> None:
    """The next attempt need not fetch them again."""
    site.settings("def check(): raise ValueError('E1')\n")
    site.build("r1")
    (site.tmp / "log").unlink()
    site.files["shop.py"] = SETTINGS
    assert site.build("r2")["changed"] is True
    assert site.commands() == []


# A release that does not pass


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("import missing_package\n", "the settings cannot be loaded: ModuleNotFoundError: No module named 'missing_"),
        ("raise SystemExit('no KEY')\n", "the settings cannot be loaded: SystemExit: no KEY"),
        ("ALLOWED_HOSTS = []\n", "the project is not ready for production.\nALLOWED_HOSTS in shop is [], so Django"),
        ("def check(): raise ValueError('E1')\n", "manage.py check --deploy failed: ValueError: E1"),
        ("def collectstatic(): raise OSError('full')\n", "manage.py collectstatic failed: OSError: full"),
        (
            "STATIC_ROOT = '/etc'\n",
            "the project is not ready for production.\nSTATIC_ROOT, MEDIA_ROOT: '/etc' cannot be",
        ),
        ("import os; os._exit(3)\n", "the settings cannot be loaded: Python exited with status 3."),
        (
            "def check(): import os; os.kill(os.getpid(), 9)\n",
            "manage.py check --deploy failed: Python was killed by SIGKILL, perhaps because the host ran out of ",
        ),
    ],
)
def test_a_refused_release_is_removed(site: Site, settings: str, words: str) -> None:
    """The sentence names the stage and the reason, and comes first."""
    site.settings(settings)
    result = site.build()
    assert result["failed"] is True
    assert result["msg"].startswith(f"Release r1 is refused, the site is unchanged: {words}")
    assert not site.release.exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("def migrate(): raise ValueError('locked')\n", "manage.py migrate failed: ValueError: locked."),
        (
            "def migrate(): import os; os.kill(os.getpid(), 9)\n",
            "manage.py migrate failed: Python was killed by SIGKILL, perhaps because the host ran out of memory.",
        ),
    ],
    ids=["raises", "is killed"],
)
def test_a_migration_that_fails(site: Site, settings: str, words: str) -> None:
    """The release is gone; the message does not claim that the database is unchanged."""
    site.settings(settings)
    message = site.build()["msg"]
    state = "The site keeps running as before; migrations may have been applied to the database."
    assert message.startswith(f"Release r1 is refused: {words}\n{state}")
    assert not site.release.exists()


DEMANDING = """
def migrate():
    from ansible_collections.pitcrew.django.plugins.module_utils import django_runner
    import gc
    [report] = [found for found in gc.get_objects() if isinstance(found, django_runner.Report)]
    report["demands"] = [{"migration": "depot.0002_colour", "tables": ["depot_bike"], "before": "0001_initial"}]
    report["recorded"] = {}
    report["backup"] = "/var/lib/shop/backups/before"
    report["warnings"] = ["depot.0002_colour: beware"]
"""


def test_a_refused_release_that_has_changed_the_database(site: Site) -> None:
    """The message begins with what the live release can no longer do; the release is kept to take that back."""
    assert site.build()["changed"] is True
    live(site, "r1")
    site.settings(f"{DEMANDING}    raise ValueError('E1')\n")
    message = site.build("r2")["msg"]
    sentences, kept, _traceback = message.split("\n\n")
    assert sentences.splitlines() == [
        "Release r2 is refused, and depot.0002_colour stays applied: until a release that knows it is live, "
        "release r1, which keeps serving, cannot add rows to depot_bike.",
        "The cause: manage.py migrate failed: ValueError: E1.",
        "migrations may have been applied to the database.",
        "The database from before is /var/lib/shop/backups/before.",
    ]
    assert kept.startswith(
        f"It is kept in {site.release.with_name('r2')} until a deploy succeeds. To take back what it"
    )
    assert kept.endswith("python -m django migrate depot 0001_initial")
    site.files["shop.py"] = SETTINGS.replace("DEBUG = False", "DEBUG = True")
    message = site.build("r3")["msg"]
    assert message.startswith("Release r3 is refused, and depot.0002_colour stays applied: until a release that knows ")
    assert not site.release.with_name("r3").exists()
    assert site.release.with_name("r2").exists()


def test_a_release_that_has_changed_the_database(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes with a warning, and what it has applied is recorded."""
    warnings: list[str] = []
    monkeypatch.setattr(module.AnsibleModule, "warn", lambda _self, text: warnings.append(text))
    site.settings(DEMANDING)
    assert site.build()["changed"] is True
    assert warnings == ["depot.0002_colour: beware"]
    [entry] = json.loads((site.tmp / "demands").read_text())
    assert (entry["migration"], entry["known_by"]) == ("depot.0002_colour", ["r1"])
    assert entry["backup"] == "/var/lib/shop/backups/before"


def test_a_refused_release_can_be_kept(site: Site) -> None:
    """With what it takes to run its manage.py; the next deploy of the same source builds it anew."""
    site.settings("import os\nif 'FAIL' in os.environ:\n  def check(): raise ValueError('E1')\n")
    environment = {"DJANGO_SETTINGS_MODULE": "shop", "FAIL": "1"}
    message = site.build(environment=environment, secrets={"KEY": "correct horse"}, keep_refused=True)["msg"]
    kept = message.split("\n\n")[1]
    assert kept.startswith(f"It is kept in {site.release} until a deploy succeeds (site_keep_refused).")
    assert f"-p EnvironmentFile={site.release}/environment" in kept
    assert "--uid=shop" in kept
    assert (site.release / "environment").read_text() == 'DJANGO_SETTINGS_MODULE="shop"\nFAIL="1"\n'
    assert (site.release / "app/shop.py").exists()
    assert site.build()["changed"] is True
    assert not (site.release / "environment").exists()


def test_what_cannot_be_run_is_not_kept(site: Site) -> None:
    """Packages without a Django are of no use to a person either."""
    site.files = {"shop.py": SETTINGS}
    message = site.build(keep_refused=True)["msg"]
    assert "Django cannot be imported" in message
    assert "site_keep_refused" not in message
    assert not site.release.exists()


def test_a_migration_that_tells_what_it_has_done(site: Site) -> None:
    """Then it is not left open."""
    site.settings(f"""
def migrate():
    import sys
    raise sys.modules[{RUNNER!r}].MigrationRefused("locked", "nothing was applied")
""")
    words = "manage.py migrate failed: locked.\nThe site keeps running as before; nothing was applied."
    assert f"Release r1 is refused: {words}\n\n" in site.build()["msg"]


def test_everything_is_said_at_once(site: Site) -> None:
    """One complaint per line, and all variables in one piece that can be pasted; warnings are left out."""
    site.settings("ALLOWED_HOSTS, DEBUG, SECRET_KEY = [], True, 'django-insecure-horse'\n")
    site.settings("def check(): print('WARNINGS: many')\n")
    message = site.build()["msg"]
    head, _empty, block = message.partition("\n\n")
    assert [line.split()[0] for line in head.splitlines()] == ["Release", "ALLOWED_HOSTS", "DEBUG", "SECRET_KEY"]
    assert (
        block
        == """To merge into the inventory:
site_settings:
  ALLOWED_HOSTS: ["shop.example.com"]
  DEBUG: false
site_secret_settings:
  SECRET_KEY: "<the output of python3 -c 'import secrets; print(secrets.token_urlsafe(50))'>\""""
    )
    assert "horse" not in message


def test_insecure_settings_that_are_allowed(site: Site) -> None:
    """By the operator."""
    site.settings("DEBUG, SECRET_KEY = True, 'django-insecure-horse'\n")
    assert site.build(allow_insecure=True)["changed"] is True


LOGS = """
import logging, logging.handlers, pathlib
logs = pathlib.Path(__file__).parents[3] / "home"
logging.getLogger("shop").addHandler(logging.{handler}(logs / "shop.log", delay=True))
"""


def test_logs_that_lose_lines(site: Site) -> None:
    """They are among the complaints, unless the operator wants them."""
    site.settings(LOGS.format(handler="handlers.TimedRotatingFileHandler") + "DEBUG = True\n")
    head = site.build()["msg"].partition("\n\n")[0]
    assert [line.split()[0] for line in head.splitlines()] == ["Release", "DEBUG", "LOGGING:"]
    assert "shop.log') of the logger 'shop' loses lines" in head
    assert site.build(allow_insecure=True, allow_lossy=True)["changed"] is True


def test_logs_that_cannot_be_rotated(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning, and the release passes."""
    warnings: list[str] = []
    monkeypatch.setattr(module.AnsibleModule, "warn", lambda _self, text: warnings.append(text))
    site.settings(LOGS.format(handler="FileHandler"))
    assert site.build()["changed"] is True
    assert [warning.partition(" never ")[0] for warning in warnings] == [
        f"LOGGING: the handler (logging.FileHandler, '{site.home}/shop.log') of the logger 'shop'"
    ]


def test_a_missing_variable_of_the_environment(site: Site) -> None:
    """The cure is a line of its own, between the reason and the traceback."""
    site.settings("import os\nos.environ['DATABASE_URL']\n")
    lines = site.build()["msg"].splitlines()
    assert lines[0].endswith("the settings cannot be loaded: KeyError: 'DATABASE_URL'.")
    assert lines[1].startswith("The settings read the environment variable DATABASE_URL. Set it in site_environment")
    assert lines[2:4] == ["", "Traceback (most recent call last):"]
    assert lines[-1] == "KeyError: 'DATABASE_URL'"


def test_the_version_of_the_server(site: Site) -> None:
    """It is that of the package in the release, whatever was asked for."""
    python = site.tmp / "python"
    metadata = f"$venv/lib/python{VERSION}/site-packages/gunicorn-26.0.0.dist-info"
    python.write_text(python.read_text() + f"mkdir {metadata}\n")
    assert site.build(server="gunicorn", server_package="gunicorn")["description"]["server_version"] == "26.0.0"


@pytest.mark.parametrize("end", ["import os; os._exit(3)", "import os; os.kill(os.getpid(), 9)"])
def test_a_release_that_ends_its_process_takes_no_packages_along(site: Site, end: str) -> None:
    """The release that serves runs with them."""
    site.build("r1")
    site.settings(f"{end}\n")
    assert site.build("r2")["failed"] is True
    assert (site.tmp / "releases/r1/venv/bin/python").exists()


def test_packages_without_a_django_are_made_anew(site: Site) -> None:
    """What is wrong with them may be the installation."""
    site.files = {"shop.py": SETTINGS}
    assert "Django cannot be imported" in site.build("r1")["msg"]
    assert site.shared_venvs() == []


@pytest.mark.parametrize(
    "params",
    [
        {"public": {}, "static": "a/ { } } server { listen 81; } server { location /b", "media": None},
        {"public": {}, "static": None, "media": ["x"]},
    ],
)
def test_a_description_that_lies(site: Site, params: dict[str, Any]) -> None:
    """It comes from the site's own code, and becomes configuration of nginx: only what was checked is used."""
    site.settings(
        f"import sys\nsys.modules[{RUNNER!r}].judge_settings = lambda *_: {{**{params!r}, 'collects': False}}\n"
    )
    description = site.build(migrate=False)["description"]
    assert (description["static"], description["media"]) == (None, None)


def test_directories_that_are_not_the_site_s(site: Site) -> None:
    """Root checks again what a description wants to be served."""
    params = {"public": {"x": "/etc"}, "static": "x", "media": None, "collects": False}
    site.settings(f"import sys\nsys.modules[{RUNNER!r}].judge_settings = lambda *_: {params!r}\n")
    assert "'/etc' cannot be served as /x/, since it is not the site's" in site.build()["msg"]


@pytest.mark.parametrize(
    ("params", "output"),
    [({}, "django: check\ndjango: migrate\n"), ({"migrate": False}, None), ({"migrates_shared_database": False}, None)],
)
def test_a_release_that_another_host_should_have_migrated(
    site: Site, params: dict[str, Any], output: str | None
) -> None:
    """Only that is made up for: the release may serve already."""
    site.settings("DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'shop'}}\n")
    assert site.build(migrates_shared_database=False)["description"]["migrated"] is False
    before = (site.release / "app/shop.py").stat().st_ino
    result = site.build(**params)
    assert result.get("output") == output
    assert result["changed"] is (output is not None)
    assert json.loads((site.release / "release.json").read_text())["migrated"] is (output is not None)
    assert (site.release / "app/shop.py").stat().st_ino == before


def test_a_migration_that_is_made_up_for_and_fails(site: Site) -> None:
    """The release stays: it may serve."""
    site.settings("DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'shop'}}\n")
    site.settings("import os\nif 'FAIL' in os.environ:\n  def migrate(): raise ValueError('locked')\n")
    site.build(migrates_shared_database=False)
    result = site.build(environment={"DJANGO_SETTINGS_MODULE": "shop", "FAIL": "1"})
    assert "manage.py migrate failed: ValueError: locked" in result["msg"]
    assert (site.release / "release.json").exists()


def test_a_broken_virtual_environment_is_not_used_again(site: Site) -> None:
    """Where Django does not even start, the packages that releases share may be why."""
    site.files["django/__init__.py"] = "raise ModuleNotFoundError('No module named django')\n"
    site.build()
    assert site.shared_venvs() == []


def test_a_very_deep_directory(site: Site) -> None:
    """What a release left is removed, however deep it is."""
    site.settings("import os\nfor _ in range(1200):\n  os.mkdir('d')\n  os.chdir('d')\n")
    assert site.build()["failed"] is True
    assert not site.release.exists()


def test_the_loader_obeys_nobody_but_the_site_s_user(site: Site) -> None:
    """What a site sets reaches its process, and no program that root starts."""
    script = site.tmp / "setpriv"
    script.write_text(script.read_text().replace("shift 5", f"env >> {site.tmp}/roots\nshift 5"))
    site.settings("import os\nprint(os.environ['LD_AUDIT'])\n")
    environment = {"DJANGO_SETTINGS_MODULE": "shop", "LD_AUDIT": "/nowhere.so"}
    assert "/nowhere.so" in site.build(environment=environment)["output"]
    assert "LD_AUDIT" not in (site.tmp / "roots").read_text()


def test_the_traceback_is_shown(site: Site) -> None:
    """With the lines that were written before, as far as they are not too many."""
    site.settings("print('long ago' + 80 * '.\\n')\nprint('just before')\ndef check(): raise ValueError('E1')\n")
    message = site.build()["msg"]
    assert "just before\n" in message
    assert "Traceback" in message
    assert "long ago" not in message


def test_without_django(site: Site) -> None:
    """The requirements forgot it."""
    site.files["django/__init__.py"] = "raise ModuleNotFoundError('No module named django')\n"
    assert "Django cannot be imported: ModuleNotFoundError" in site.build()["msg"]


def test_packages_that_cannot_be_installed(site: Site) -> None:
    """The sentence has the cure; pip's own words follow it."""
    python = site.tmp / "python"
    python.write_text(python.read_text().replace('echo "pip $*" >>', "echo No matching distribution found; exit 1 #"))
    result = site.build()
    assert result["msg"] == (
        "Release r1 is refused, the site is unchanged: installing packages failed: pip exited with status 1.\n"
        "The project's list, with site_python_packages, asks for versions that do not exist or that exclude each "
        "other\n"
        "\nNo matching distribution found"
    )
    assert not site.release.exists()
    assert site.shared_venvs() == []


def test_without_the_python_that_was_said(site: Site) -> None:
    """A sentence, not a traceback."""
    result = site.build(python="/nowhere/python3")
    assert result["msg"] == (
        "Release r1 is refused, the site is unchanged: site_python: '/nowhere/python3' does not run on this host.\n\n"
        "/nowhere/python3: No such file or directory"
    )
    assert not site.release.exists()


def test_a_variable_that_cannot_be_one(site: Site) -> None:
    """Nothing is started for it."""
    assert "site_secrets: 'MY-KEY' is not the name" in site.build(secrets={"MY-KEY": "x"})["msg"]
    assert site.commands() == []


def test_what_outlives_a_release_outlives_a_refused_one(site: Site) -> None:
    """Removing it does not go through its links."""
    (site.home / "data").mkdir()
    (site.home / "data/kept").write_text("kept")
    site.settings("def migrate(): raise ValueError('locked')\n")
    site.build(shared=["data/"])
    assert not site.release.exists()
    assert (site.home / "data/kept").read_text() == "kept"


def test_a_release_whose_packages_were_taken_over_is_refused(site: Site) -> None:
    """The one they came from still has them."""
    site.build("r1")
    site.settings("def migrate(): raise ValueError('locked')\n")
    assert site.build("r2")["failed"] is True
    assert (site.release / "venv/bin/python").exists()


@pytest.fixture
def alarm(tmp_path: Path) -> Iterator[None]:
    """End a test that hangs, and the process it started last."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        os.kill(int((tmp_path / "users").read_text().splitlines()[-1].split()[0]), signal.SIGKILL)
        raise Hangs

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
def test_a_long_report(site: Site) -> None:
    """Check puts all it has found into one error."""
    site.settings("def check(): raise ValueError(100_000 * 'x')\n")
    assert "manage.py check --deploy failed" in site.build()["msg"]


@pytest.mark.parametrize("there", [False, True])
def test_check_mode(site: Site, there: bool) -> None:
    """Nothing runs and nothing goes."""
    if there:
        site.release.mkdir()
    assert site.build(check=True)["changed"] is True
    assert site.release.exists() is there
    assert site.commands() == []


# Commands of the release


class Answers:
    """A Django that gives prepared reports, and notes its jobs."""

    def __init__(self, *reports: dict[str, Any]) -> None:
        self.reports, self.jobs = list(reports), []

    def __call__(self, *_place: Any) -> Answers:
        """Take the place of the class."""
        return self

    def run(self, job: dict[str, Any], _variables: dict[str, str]) -> tuple[dict[str, Any], str]:
        """Give the next report."""
        self.jobs.append(job)
        return self.reports.pop(0), "migrating\n"


def reported(stage: str = "done", **other: Any) -> dict[str, Any]:
    """Give a report of a release."""
    return {
        "stage": stage,
        "error": None,
        "checks": "",
        "warnings": [],
        "migrations": [],
        "backup": None,
        "database": "",
        "description": {"public": {}, "static": None, "media": None, "migrated": stage == "done", "collected": ""},
        "migrated": stage == "done",
        "ran": [],
        "command": None,
        "written": "",
        **other,
    }


def run_of(why: str, command: str) -> dict[str, Any]:
    """Give a command that has run."""
    return {"why": why, "command": command, "seconds": 0.1}


COMMANDS = {"commands": ["rebuild", {"command": "createcachetable", "once": True}], "first_commands": ["loaddata a"]}


def recorded(site: Site) -> dict[str, Any]:
    """What the host remembers of commands."""
    found: dict[str, Any] = json.loads((site.tmp / "commands").read_text())
    return found


def test_first_commands_are_noted_before_the_database_is_migrated(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the same release goes on, with its static files as they are, and what it ran is returned."""
    django = Answers(
        reported("empty", warnings=["a", "b"], description={**reported()["description"], "collected": "c1"}),
        reported(ran=[run_of("first", "loaddata a"), run_of("once", "createcachetable")], warnings=["b", "c"]),
    )
    monkeypatch.setattr(release_stages, "Django", django)
    run = django.run

    def noting(job: dict[str, Any], variables: dict[str, str]) -> tuple[dict[str, Any], str]:
        if django.jobs:
            assert recorded(site)["first_due"] is True
        return run(job, variables)

    monkeypatch.setattr(django, "run", noting)
    warnings: list[str] = []
    monkeypatch.setattr(module.AnsibleModule, "warn", lambda _self, text: warnings.append(text))
    result = site.build(**COMMANDS)
    assert [one["command"] for one in result["commands"]] == ["loaddata a", "createcachetable"]
    assert (result["description"]["migrated"], result["description"]["collected"]) == (True, "c1")
    assert warnings == ["a", "b", "c"]
    first, second = django.jobs
    assert (first["first_due"], first["first_commands"]) == (False, [{"words": ["loaddata", "a"], "once": False}])
    assert (second["first_due"], second["first_noted"], second["collectstatic"]) == (True, True, False)
    assert recorded(site) == {"first_due": False, "first_done": [], "once_done": ["createcachetable"]}


def test_a_command_that_fails(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was, what it wrote, and what has happened to the database; the next deploy runs it again."""
    failed = reported(
        "command",
        error="CommandError: no spokes",
        command={"text": "loaddata b", "variable": "site_first_commands"},
        ran=[run_of("first", "loaddata a")],
        migrations=["depot.0001_initial", "depot.0002_colour"],
        migrated=True,
        written="reading b",
        backup="/var/lib/shop/backups/before",
    )
    given = {"first_commands": ["loaddata a", "loaddata b"]}
    django = Answers(reported("empty"), failed, reported(ran=[run_of("first", "loaddata b")]))
    monkeypatch.setattr(release_stages, "Django", django)
    assert site.build(**given)["msg"] == (
        "Release r1 is refused: site_first_commands: manage.py loaddata b failed: CommandError: no spokes.\n"
        "The site keeps running as before; depot.0001_initial, depot.0002_colour are applied; loaddata a has run; what "
        "the command has changed stays, and it will run again.\n"
        "The database from before is /var/lib/shop/backups/before.\n\n"
        "reading b"
    )
    assert recorded(site)["first_done"] == ["loaddata a"]
    assert site.build(**given)["changed"] is True
    job = django.jobs[-1]
    assert (job["first_due"], job["first_commands"]) == (True, [{"words": ["loaddata", "b"], "once": False}])
    assert recorded(site)["first_due"] is False


def test_a_process_that_is_killed_in_a_command(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is known which."""
    killed = reported(
        "command",
        error="Python was killed by SIGKILL",
        command={"text": "rebuild", "variable": "site_release_commands"},
        migrated=False,
    )
    monkeypatch.setattr(release_stages, "Django", Answers(killed))
    assert site.build(**COMMANDS)["msg"].startswith(
        "Release r1 is refused: site_release_commands: manage.py rebuild failed: Python was killed by SIGKILL.\n"
        "The site keeps running as before; what the command has changed stays, and it will run again."
    )


def test_a_check_that_fails_after_the_migrations(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message does not claim that nothing has changed."""
    complaint = "manage.py check --deploy: ?: (x.E001) One"
    refused = reported("refused", complaints=[complaint], migrations=["depot.0001_initial"], migrated=True)
    monkeypatch.setattr(release_stages, "Django", Answers(refused))
    assert site.build()["msg"] == (
        "Release r1 is refused: the project is not ready for production.\n"
        "The site keeps running as before; depot.0001_initial is applied.\n" + complaint
    )


def test_a_script_that_does_not_start_django_may_be_the_cause(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is part of the failure; other warnings are not."""
    warning = "manage.py does not start Django: it ended with ModuleNotFoundError: No module named 'dotenv' (line 3)."
    failed = reported("settings", error="KeyError: 'TOKEN'", warnings=[warning, "another"])
    monkeypatch.setattr(release_stages, "Django", Answers(failed))
    message = site.build()["msg"]
    assert f"the settings cannot be loaded: KeyError: 'TOKEN'.\n{warning}" in message
    assert "another" not in message


def test_static_files_of_other_releases(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are offered by what they were collected from; none that lie elsewhere, and none of an unfinished release."""
    django = Answers(reported())
    monkeypatch.setattr(release_stages, "Django", django)
    for name, description in {
        "a": {"collected": "c1", "static": "s", "public": {"s": str(site.release.with_name("a") / "app/s")}},
        "b": {"collected": "c2", "static": "s", "public": {"s": "/etc"}},
        "c": {"static": None, "public": {}},
        "d": {"collected": "", "static": "s", "public": {"s": str(site.release.with_name("d") / "app/s")}},
        "e": None,
    }.items():
        directory = site.release.with_name(name)
        (directory / "app").mkdir(parents=True)
        if description:
            (directory / "release.json").write_text(json.dumps(description))
    site.build()
    assert django.jobs[0]["collected"] == {"c1": str(site.release.with_name("a") / "app/s")}


def test_commands_that_are_none(site: Site) -> None:
    """Refused with the reason, should the control node not have seen it."""
    assert "'' has no command" in site.build(commands=[""])["msg"]
