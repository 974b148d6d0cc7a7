"""What a release gets beyond its source and packages: files, directories, and what steps build from it.

systemd-run is a script here that runs the command itself and notes what it was asked for.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import build_steps, release_steps, transient_unit
from ansible_collections.pitcrew.django.plugins.modules import release as module
from test_release import GROUP, SETTINGS, USER, Site, site

__all__ = ["site"]

SYSTEMD_RUN = """#!/bin/sh
echo "step $*" | head -n 1 >> {tmp}/asked
while [ "$1" != -- ]; do shift; done
shift
"$@"
echo "Finished with result: $(cat {tmp}/result 2>/dev/null || echo success)" >&2
"""


@pytest.fixture(autouse=True)
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a systemd that confines nothing."""
    programs = {
        "systemd-run": SYSTEMD_RUN.format(tmp=tmp_path),
        "own-setpriv": '#!/bin/sh\nshift 2\nexec "$@"\n',
        "systemctl": "#!/bin/sh\n",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(transient_unit, "SYSTEMD_RUN", str(tmp_path / "systemd-run"))
    monkeypatch.setattr(transient_unit, "SETPRIV", str(tmp_path / "own-setpriv"))
    monkeypatch.setattr(build_steps, "SYSTEMCTL", str(tmp_path / "systemctl"))


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the warnings."""
    found: list[str] = []
    monkeypatch.setattr(module.AnsibleModule, "warn", lambda _self, text: found.append(text))
    return found


def step(command: str = "", **values: Any) -> dict[str, Any]:
    """Give a step in full, as the filter does."""
    return {
        "command": command,
        "preset": "",
        "directory": "",
        "network": False,
        "environment": {},
        "timeout": 60,
        "memory": "50%",
        **values,
    }


# Files and directories


def test_files(site: Site) -> None:
    """They are there before Django starts, for the group to read, and are neither returned nor recorded."""
    site.settings("import local\nSECRET_KEY = local.KEY\n")
    result = site.build(
        secret_files={"local.py": "KEY = 'correct horse'\n"}, project_files={"conf/a.ini": "[a]\n", "shop.css": ""}
    )
    assert result["changed"] is True
    assert (site.release / "app/local.py").read_text() == "KEY = 'correct horse'\n"
    assert stat.S_IMODE((site.release / "app/local.py").stat().st_mode) == 0o640
    [made] = [owner for name, owner in site.owners.items() if name.startswith("app/.local.py.")]
    assert made[:2] == [0, GROUP]
    assert site.owners["app/conf"][:2] == [0, GROUP]  # The user's until it was sealed.
    assert result["notes"] == []
    assert "correct horse" not in json.dumps(result) + (site.release / "release.json").read_text()


def test_a_file_that_the_source_has(site: Site) -> None:
    """It is replaced, which is told."""
    site.files |= {"local.py": "", "conf.ini": ""}
    result = site.build(project_files={"local.py": "A = 1\n", "conf.ini": "", "new.ini": ""})
    assert result["notes"] == ["site_files replaces conf.ini and local.py of the source."]
    assert (site.release / "app/local.py").read_text() == "A = 1\n"


def test_files_of_a_project_below_the_source(site: Site) -> None:
    site.files = {f"web/{name}": text for name, text in site.files.items()}
    site.build(project="web", project_files={"local.py": "A = 1\n"})
    assert (site.release / "app/web/local.py").exists()


def test_a_file_whose_place_is_taken(site: Site) -> None:
    """Nothing of the release stays."""
    site.files["conf"] = "a file"
    message = site.build(project_files={"conf/local.py": ""})["msg"]
    assert "site_files: 'conf/local.py' cannot be written, since 'conf' is a file in the source" in message
    assert not site.release.exists()


def test_directories(site: Site) -> None:
    """The user creates them, in the release and where the site writes; what is there already stays."""
    (site.home / "kept").mkdir()
    (site.home / "kept/x").touch()
    (site.home / "elsewhere").symlink_to(site.tmp)
    result = site.build(
        directories=["data/in", f"{site.home}/uploads/a", f"{site.home}/kept", f"{site.home}/elsewhere/b"]
    )
    assert result["changed"] is True
    assert (site.release / "app/data/in").is_dir()
    assert (site.home / "uploads/a").is_dir()
    assert (site.home / "kept/x").exists()
    assert (site.tmp / "b").is_dir()
    assert (site.tmp / "users").read_text().count(f"--reuid={USER}") > 4


def test_a_directory_that_cannot_be_created(site: Site) -> None:
    site.files["data"] = "a file"
    message = site.build(directories=["data/in"])["msg"]
    assert "site_directories: 'data/in' cannot be created" in message
    assert not site.release.exists()


# Steps


def test_steps(site: Site) -> None:
    """They run one after the other, after packages and before Django, with the site's environment."""
    site.settings("import built\n")
    site.files["web/x"] = ""
    result = site.build(
        secrets={"KEY": "correct horse"},
        steps=[
            step("echo \"KEY = '$KEY'\" > built.py; ls ../venv/bin > packages"),
            step("cat ../built.py > copy", directory="web", environment={"A": 1}),
        ],
    )
    assert result["changed"] is True, result
    assert (site.release / "app/built.py").read_text() == "KEY = 'correct horse'\n"
    assert (site.release / "app/web/copy").read_text() == "KEY = 'correct horse'\n"
    assert "python" in (site.release / "app/packages").read_text()
    assert sorted(result["seconds"]) == ["build", "django", "packages"]
    asked = (site.tmp / "asked").read_text().splitlines()
    assert len(asked) == 2
    assert all("--unit=shop-build" in line and f"ReadWritePaths={site.release}/app" in line for line in asked)


def test_a_step_that_fails(site: Site) -> None:
    """Its command, its status, its output, the cure; and nothing of the release stays."""
    result = site.build(steps=[step("true"), step("echo one; echo 'msgfmt: not found'; exit 3")])
    assert result["msg"] == (
        "Release r1 is refused, the site is unchanged: site_build[1]: echo one...: it "
        "exited with status 3.\nMessages are compiled by gettext. Set site_system_packages: [gettext]\n\n"
        "$ echo one; echo 'msgfmt: not found'; exit 3\none\nmsgfmt: not found"
    )
    assert not site.release.exists()
    assert "django: check" not in result["msg"]


def test_a_long_command(site: Site) -> None:
    """The message has its beginning."""
    message = site.build(steps=[step(f"false {'x' * 100}\nsecond")])["msg"]
    assert f"site_build[0]: false {'x' * 54}...: it exited with status 1." in message
    message = site.build(steps=[step("false && true")])["msg"]
    assert "site_build[0]: false...: it exited with status 1." in message


def test_a_preset_that_cannot_begin(site: Site) -> None:
    message = site.build(steps=[step(preset="npm")])["msg"]
    assert (
        "site_build[0]: npm: the source has no package.json.\nLeave out npm, or add the file to the source" in message
    )


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("timeout", ["it did not end within 60 seconds (timeout)", "Set its timeout"]),
        ("oom-kill", ["it was killed, since it needs more memory than 50% (memory)", "Set its memory"]),
    ],
)
def test_limits(site: Site, result: str, words: list[str]) -> None:
    (site.tmp / "result").write_text(result)
    message = site.build(steps=[step("true")])["msg"]
    assert all(word in message for word in words)
    assert not site.release.exists()


def test_memory_of_an_old_host(site: Site) -> None:
    """Its systemd does not tell why the kernel killed a process."""
    message = site.build(steps=[step("sh -c 'kill -9 $$'", memory="1G")])["msg"]
    assert "it was killed, since it needs more memory than 1G (memory)" in message
    assert "Set its memory" in message


def test_a_host_that_cannot_confine(site: Site, warnings: list[str]) -> None:
    """It builds, and one warning says what is missing."""
    assert site.build(steps=[step("true"), step("true")])["changed"] is True
    assert len(warnings) == 1
    assert warnings[0].startswith(
        "site_build: systemd could not give the steps a read-only file system, a private /tmp, "
    )
    assert "as the user shop" in warnings[0]


def test_logs_are_left_alone(site: Site) -> None:
    """A step cannot write to the files of the site's log, so Django does not open them; all other overrides hold."""
    site.files["other.py"] = SETTINGS
    show = 'echo "$DJANGO_SETTINGS_MODULE $SITE_SETTINGS_MODULE $PYTHONPATH $SITE_OVERRIDES" > shown'
    overrides = str(site.release / "overrides")
    site.build(steps=[step(show)], environment={"DJANGO_SETTINGS_MODULE": "shop", "PYTHONPATH": "/lib"})
    shown = (site.release / "app/shown").read_text()
    assert shown == f'site_overrides shop {overrides}:/lib {{"LOGGING_CONFIG": null}}\n'
    overrides = overrides.replace("r1", "r2")
    environment = {
        "DJANGO_SETTINGS_MODULE": "site_overrides",
        "SITE_SETTINGS_MODULE": "other",
        "PYTHONPATH": overrides,
    }
    site.build("r2", steps=[step(show)], environment=environment, secrets={"SITE_OVERRIDES": '{"A": 1}'})
    assert (site.release.with_name("r2") / "app/shown").read_text() == (
        f'site_overrides other {overrides} {{"A": 1, "LOGGING_CONFIG": null}}\n'
    )


def test_the_code_of_strangers_gets_no_secrets(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a network, the host's proxy, the site's certificate authorities, and a PATH that leads to Node first."""
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setattr(release_steps, "install_node", lambda *_arguments: Path("/opt/node-22.20.0/bin"))
    site.files["package.json"] = json.dumps({"scripts": {"build": "true"}})
    (site.tmp / "bin").mkdir()
    (site.tmp / "bin/npm").write_text("#!/bin/sh\nenv > env\n")
    (site.tmp / "bin/npm").chmod(0o755)
    result = site.build(
        steps=[step(preset="npm", network=True, environment={"npm_config_registry": "https://npm.example.com"})],
        node_version="22.20.0",
        ca_bundle="/etc/ssl/ca.pem",
        secrets={"TOKEN": "correct horse"},
        environment={"DJANGO_SETTINGS_MODULE": "shop", "PATH": f"{site.tmp}/bin:/usr/bin:/bin"},
    )
    assert result["changed"] is True, result
    assert result["notes"] == [
        "site_build[0]: npm: package.json has no lock beside it, so packages may differ between hosts and deploys; "
        "commit one."
    ]
    found = dict(line.split("=", 1) for line in (site.release / "app/env").read_text().splitlines())
    assert "TOKEN" not in found
    assert found["https_proxy"] == "http://proxy:3128"
    assert found["NODE_EXTRA_CA_CERTS"] == found["npm_config_cafile"] == "/etc/ssl/ca.pem"
    assert found["npm_config_registry"] == "https://npm.example.com"
    assert found["PATH"] == f"/opt/node-22.20.0/bin:{site.tmp}/bin:/usr/bin:/bin"
    assert not Path(found["HOME"]).is_relative_to(site.home)


def test_node_that_cannot_be_installed(site: Site) -> None:
    """Nothing of it is left; pip says why."""
    (site.tmp / "opt").mkdir()
    message = site.build(steps=[step("node x.js")], node_version="0.0.1")["msg"]
    assert "site_node_version: installing Node 0.0.1 failed" in message
    assert os.listdir(site.tmp / "opt") == []
    assert not site.release.exists()


def test_places_of_the_site(site: Site) -> None:
    """It cannot write there: it has others, unless the step names its own."""
    environment = {"DJANGO_SETTINGS_MODULE": "shop", "HOME": str(site.home), "TMPDIR": str(site.home)}
    site.build(environment=environment, steps=[step("env > env", environment={"TMPDIR": "/tmp/own"})])
    found = (site.release / "app/env").read_text().splitlines()
    assert f"HOME={site.home}" not in found
    assert "TMPDIR=/tmp/own" in found


def test_a_step_without_a_network(site: Site) -> None:
    """It gets nothing with which it would try."""
    site.build(steps=[step("env > env")], ca_bundle="/etc/ssl/ca.pem")
    assert "NODE_EXTRA_CA_CERTS" not in (site.release / "app/env").read_text()


def test_python_is_that_of_the_module(site: Site) -> None:
    """The step's own program runs with the Python that the virtual environment was made with."""
    site.build(steps=[step("true")])
    assert f"-- {site.tmp}/python -ISc" in (site.tmp / "asked").read_text()
