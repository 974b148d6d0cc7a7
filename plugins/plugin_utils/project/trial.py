# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Django's own word on the settings: loaded in an environment that is thrown away, on the control node.

The packages of the project's list are installed there, which may run code of theirs; the settings are code, too. Both
get an environment of their own, without the variables of the user who inspects.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from .findings import CERTAIN
from .inspection import Inspection
from .lists import allows
from .values import APP

__all__ = ["Loaded", "load_settings"]

MOST_SHOWN: Final = 300
"""Characters of what an installer or Django says of a failure."""
OTHER_PYTHON: Final = re.compile(
    r"cannot be installed .*(requires-python|python\s*(>|~=|==)|(current|your) python)", re.I
)
"""What pip and uv say of packages that need another Python."""
MOST_PYTHONS: Final = 3
INSTALL_LIMIT: Final = 300
LOAD_LIMIT: Final = 60
"""Seconds."""
DRAWN: Final = "\N{MULTIPLICATION SIGN}\u2570\u2500\u25b6\u251c "
"""What uv draws before the lines of an error."""
KEPT: Final = ("PATH", "LANG", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
               "PIP_INDEX_URL", "PIP_CERT", "PIP_CONFIG_FILE", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "SSL_CERT_FILE",
               "REQUESTS_CA_BUNDLE")  # fmt: skip
"""Variables that installing may need: none of them is a secret of the user's."""


@dataclass(frozen=True)
class Loaded:
    """The settings as Django has them, with paths as they are in a release; or why there are none."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    python: str = ""


def load_settings(inspection: Inspection, archive: str, cache: Path) -> Loaded:
    """Install the packages below the cache, load the settings, and remove everything again."""
    lists = inspection.lists
    if not inspection.module or lists is None:
        return Loaded(error="without a settings module and a list of packages there is nothing to load")
    wanted = inspection.python
    pythons = list(_pythons(wanted))
    if inspection.python_certainty != CERTAIN:
        pythons += [one for one in _pythons("") if one not in pythons]
    if not pythons:
        return Loaded(error=f"the project needs Python {wanted}, and {_own()}, with no other that fits{_cure(wanted)}")
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    loaded = Loaded()
    for executable, short in pythons[:MOST_PYTHONS]:
        directory = Path(tempfile.mkdtemp(prefix="inspect-", dir=cache)).resolve()
        try:
            loaded = _load(inspection, archive, directory, executable, short)
        except (OSError, subprocess.SubprocessError) as error:
            loaded = Loaded(error=_one_line(str(error)), python=short)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        if not OTHER_PYTHON.search(loaded.error):
            return loaded
    newer = f"; the control node may need a newer Python{_cure('')}"
    return replace(loaded, error=f"{loaded.error}{newer}")


def _own() -> str:
    return f"the control node runs {'.'.join(map(str, sys.version_info[:2]))}"


def _cure(wanted: str) -> str:
    """Say how to get a Python that is wanted, if there may be one."""
    minors = [f"3.{minor}" for minor in range(14, 8, -1)]
    minor = next((one for one in minors if any(allows(wanted, f"{one}.{patch}") for patch in (0, 5, 11, 20))), "")
    return f"; install one there, for example by uv python install {minor}" if minor else ""


def _pythons(wanted: str) -> Iterator[tuple[str, str]]:
    """Give the Pythons of the control node that are among the wanted ones: its own, those on PATH, and those of uv."""
    own = ".".join(map(str, sys.version_info[:3]))
    if not wanted or allows(wanted, own):
        yield sys.executable, own.rpartition(".")[0]
    found = [shutil.which(f"python3.{minor}") for minor in range(15, 8, -1)]
    uv = shutil.which("uv")
    # All of them, also those that it has installed itself; it fetches none.
    listed = _said([uv, "python", "list", "--only-installed", "--no-python-downloads"]) if uv else ""
    found += [words[1] for line in listed.splitlines() if len(words := line.split()) > 1 and words[1].startswith("/")]
    seen = {own.rpartition(".")[0]}
    for executable in filter(None, found):
        # Some are only there to say that they are not installed.
        match = re.match(r"Python ((3\.\d+)\.\d+)", _said([executable, "--version"]))
        if match and match[2] not in seen and (not wanted or allows(wanted, match[1])):
            seen.add(match[2])
            yield executable, match[2]


def _said(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False, text=True)
    return done.stdout if done.returncode == 0 else ""


def _load(inspection: Inspection, archive: str, directory: Path, executable: str, python: str) -> Loaded:
    app, state, home = directory / "release/app", directory / "state", directory / "home"
    for one in (app, state, home):
        one.mkdir(parents=True)
    # Not by tarfile, which knows safe ways only in newer versions of Python.
    subprocess.run(["tar", "--extract", f"--file={archive}", f"--directory={app}"], check=True)
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= {"HOME": str(home), "TMPDIR": str(home), "LANG": environment.get("LANG", "C.UTF-8")}
    failure = _install(inspection, app, directory, executable, environment)
    if failure:
        return Loaded(error=failure, python=python)
    report = directory / "report.json"
    loader = directory / "loader.py"
    shutil.copyfile(Path(__file__).with_name("loader.py"), loader)
    roots = [str(app / root) for root in inspection.roots]
    given = {name: _here(value, directory, inspection.project) for name, value in inspection.environment.items()}
    command = [str(directory / "venv/bin/python"), str(loader), inspection.module, str(report),
               inspection.configuration, *roots]  # fmt: skip
    done = _run(command, app / inspection.project, {**environment, **given}, LOAD_LIMIT)
    if done is None:
        return Loaded(error=f"loading the settings took more than {LOAD_LIMIT} s", python=python)
    if not report.exists():
        return Loaded(error=f"loading the settings failed: {_last_line(done[1])}", python=python)
    found = json.loads(report.read_text(encoding="utf-8"))
    settings = _released(found["settings"], str(directory / "release/app"), str(directory / "release"), str(state))
    return Loaded(settings, found["error"], python)


def _here(value: str, directory: Path, project: str) -> str:
    release = str(directory / "release")
    project_directory = posixpath.join(release, "app", project)
    return (
        value.replace("@release@", release).replace("@project@", project_directory)
        .replace("@state@", str(directory / "state"))
    )  # fmt: skip


def _released(value: Any, app: str, release: str, state: str) -> Any:
    """Return a value with the paths that it will have in a release."""
    if isinstance(value, str):
        return value.replace(app, APP).replace(release, posixpath.dirname(APP)).replace(state, "@state@")
    if isinstance(value, dict):
        return {key: _released(part, app, release, state) for key, part in value.items()}
    if isinstance(value, list):
        return [_released(part, app, release, state) for part in value]
    return value


def _install(
    inspection: Inspection, app: Path, directory: Path, executable: str, environment: Mapping[str, str]
) -> str:
    """Install the packages of the lists; return why that failed, or an empty text."""
    venv = directory / "venv"
    uv = shutil.which("uv")
    made = _run([uv, "venv", "--quiet", "--python", executable, str(venv)] if uv else
                [executable, "-m", "venv", str(venv)], app, environment, INSTALL_LIMIT)  # fmt: skip
    if made is None or made[0]:
        return f"no virtual environment could be made: {_last_line(made[1]) if made else 'it took too long'}"
    python = str(venv / "bin/python")
    for path in inspection.lists.paths if inspection.lists else ():
        arguments = _arguments(app / path, uv is not None)
        if arguments is None:
            return f"{path} is read by a tool that the control node does not have; install uv there"
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--prefer-binary"]
        prefix = [uv, "pip", "install", "--quiet", "--python", python] if uv else pip
        done = _run([*prefix, *arguments], (app / path).parent, environment, INSTALL_LIMIT)
        if done is None:
            return f"installing the packages of {path} took more than {INSTALL_LIMIT} s"
        if done[0]:
            return f"the packages of {path} cannot be installed on the control node: {_last_line(done[1])}"
    return ""


def _arguments(path: Path, has_uv: bool) -> list[str] | None:
    """Return what the installer is told about a list; None if it cannot read it."""
    if path.name in ("uv.lock", "poetry.lock", "pyproject.toml", "setup.py"):
        # The versions of a lock hardly change what the settings are.
        return [str(path.parent)] if (path.parent / "pyproject.toml").exists() or path.name == "setup.py" else None
    if path.name == "Pipfile.lock":
        pinned = json.loads(path.read_text(encoding="utf-8")).get("default", {})
        return [f"{name}{one.get('version', '')}" for name, one in pinned.items() if isinstance(one, dict)]
    return ["--requirement", str(path)]


def _run(
    command: Sequence[str | None], cwd: Path, environment: Mapping[str, str], limit: int
) -> tuple[int, str] | None:
    """Run a command in a process group of its own; return its status and output, None if it took too long."""
    process = subprocess.Popen(
        [part for part in command if part is not None],
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
        errors="replace",
    )
    try:
        output, _nothing = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None
    return process.returncode, output


def _last_line(output: str) -> str:
    """Return the lines of an output that tell most about a failure."""
    lines = [shown for line in output.splitlines() if (shown := line.strip().lstrip(DRAWN))]
    first = next((at for at, line in enumerate(lines) if line.lower().startswith(("error", "fatal", "failed"))), None)
    if first is None:
        return _one_line(lines[-1] if lines else "it wrote nothing")
    # uv gives the cause below.
    return _one_line(" ".join(lines[first : first + 3]))


def _one_line(text: str) -> str:
    return textwrap.shorten(text, MOST_SHOWN, placeholder=" [...]").rstrip(".")
