# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of a build, in its sandbox and as the site's user: finds what a preset has to run, runs it, and reports.

A command that a person wants to run once is run likewise.

The job arrives as one line of JSON on standard input, which stays open: when the module that sent it dies, the step
dies, too. What the commands write goes to standard output. The report is a line of JSON on standard error, which no
command inherits.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NPM_LOCKS = ("package-lock.json", "npm-shrinkwrap.json")
LEFT_OUT = {"node_modules", "bower_components", "vendor"}
DEEPEST = 4
"""How many directories below the source a package.json is looked for."""
CLASSIC_YARN = "1.22.22"
PNPM = {"5": "7", "6": "8", "9": "9"}
"""The version of pnpm that reads a lock, by the version of the lock's format."""


class StepRefused(Exception):
    """A step cannot run: the reason, and the cure."""

    def __init__(self, reason: str, cure: str) -> None:
        super().__init__(reason)
        self.cure = cure


def package_directory(source: Path, project: Path, directory: str) -> Path:
    """Return the directory of package.json: the one that is named, else the nearest above, else the only one below.

    Raises StepRefused if there is none, or if there are several.
    """
    if directory:
        named = project / directory
        if (named / "package.json").is_file():
            return named
        raise StepRefused(f"{directory} has no package.json", "correct its directory")
    for above in (project, *project.parents):
        if (above / "package.json").is_file():
            return above
        if above == source:
            break
    found = sorted(_packages_below(source))
    if len(found) == 1:
        return found[0]
    if not found:
        raise StepRefused("the source has no package.json", "leave out npm, or add the file to the source")
    names = [os.path.relpath(one, project) for one in found]
    raise StepRefused(
        f"the source has a package.json in each of {', '.join(names)}",
        f"name one, as in {{preset: npm, directory: {names[0]}}}",
    )


def _packages_below(source: Path) -> Iterator[Path]:
    for directory, below, files in os.walk(source):
        depth = len(Path(directory).relative_to(source).parts)
        hidden = {name for name in below if name.startswith(".")}
        below[:] = [name for name in below if name not in LEFT_OUT | hidden] if depth < DEEPEST else []
        if "package.json" in files:
            yield Path(directory)


def npm_commands(directory: Path) -> list[list[str]]:
    """Return how to install what package.json lists, by the lock that is beside it, and to run its script C(build).

    Raises StepRefused if it has no such script, or is not JSON.
    """
    path = directory / "package.json"
    try:
        package = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StepRefused(f"package.json is not JSON: {error}", "correct it in the source") from None
    scripts = package.get("scripts") or {}
    if "build" not in scripts:
        names = ", ".join(sorted(scripts)) or "none"
        example = next((name for name in sorted(scripts) if re.search("prod|build|compile", name)), "NAME")
        raise StepRefused(
            f"package.json has no script named build; its scripts: {names}",
            f"set site_build: [{{command: npm ci && npm run {example}, network: true}}]",
        )
    return _installing(directory, str(package.get("packageManager") or ""))


def _installing(directory: Path, manager: str) -> list[list[str]]:
    name, _at, version = manager.partition("@")
    version = version.partition("+")[0]
    if any((directory / lock).exists() for lock in NPM_LOCKS):
        return [["npm", "ci", "--include=dev"], ["npm", "run", "build"]]
    if (directory / "yarn.lock").exists():
        version = version if name == "yarn" and version else CLASSIC_YARN
        if version.startswith("1."):
            yarn = ["npx", "--yes", f"yarn@{version}"]
            install = ["install", "--frozen-lockfile", "--non-interactive", "--production=false"]
        else:
            yarn = ["npx", "--yes", "--package", f"@yarnpkg/cli-dist@{version}", "yarn"]
            install = ["install", "--immutable"]
        return [[*yarn, *install], [*yarn, "run", "build"]]
    if (directory / "pnpm-lock.yaml").exists():
        text = (directory / "pnpm-lock.yaml").read_text(encoding="utf-8", errors="replace")
        form = re.search(r"^lockfileVersion: '?(\d+)", text, re.MULTILINE)
        version = version if name == "pnpm" and version else PNPM.get(form[1] if form else "", "9")
        pnpm = ["npx", "--yes", f"pnpm@{version}"]
        return [[*pnpm, "install", "--frozen-lockfile", "--prod=false"], [*pnpm, "run", "build"]]
    return [["npm", "install", "--include=dev"], ["npm", "run", "build"]]


def django_commands(project: Path, preset: str, collects: bool) -> list[list[str]]:
    """Return the commands of a preset that manage.py runs; a package that is installed as the site has no manage.py."""
    manage = ["python", "manage.py"] if (project / "manage.py").exists() else ["python", "-m", "django"]
    if preset == "compress":
        # A template may ask a manifest of static files for a name, and that has only what is collected.
        collect = [[*manage, "collectstatic", "--noinput", "--verbosity=0"]] if collects else []
        return [*collect, [*manage, "compress"]]
    return [[*manage, {"sass": "compilescss"}.get(preset, preset)]]


def commands(job: dict[str, Any]) -> tuple[Path, list[list[str]]]:
    """Return the directory of a step, and its commands.

    Raises StepRefused.
    """
    source, project = Path(job["source"]), Path(job["project"])
    directory, preset = job["directory"], job["preset"]
    if preset == "npm":
        where = package_directory(source, project, directory)
        return where, npm_commands(where)
    where = project / directory
    if not where.is_dir():
        raise StepRefused(f"the source has no directory {directory}", "correct its directory")
    if preset:
        return where, django_commands(where, preset, job["collects"])
    return where, [["/bin/sh", "-ec", job["command"]]]


def is_host_s(path: str, identity: list[int]) -> bool:
    """Whether the step sees the same file there as the module, which told it the device and the inode."""
    status = os.stat(path)
    return [status.st_dev, status.st_ino] == identity


def unconfined(job: dict[str, Any]) -> list[str]:
    """Return what the host did not do although the unit asks for it: systemd leaves out what a container forbids."""
    missing = []
    if not os.statvfs(job["read_only"]).f_flag & os.ST_RDONLY:
        missing.append("a read-only file system")
    if is_host_s("/tmp", job["host"]["tmp"]):
        missing.append("a private /tmp")
    if not job["network"] and is_host_s("/proc/self/ns/net", job["host"]["network"]):
        missing.append("a private network")
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    if not re.search(r"^NoNewPrivs:\s*1$", status, re.MULTILINE):
        missing.append("a bar to new privileges")
    return missing


def tell(**report: Any) -> None:
    """Report to the module."""
    os.write(2, f"{json.dumps(report)}\n".encode())


def run(command: list[str], directory: Path, environment: dict[str, str]) -> int:
    """Run a command; return its status. It dies when nobody waits for it any more."""
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )

    def watch() -> None:
        os.read(0, 1)
        os.killpg(process.pid, signal.SIGKILL)
        os._exit(1)  # systemd kills whatever else the step has started.

    threading.Thread(target=watch, daemon=True).start()
    return process.wait()


def main(job: dict[str, Any]) -> None:
    """Run the step."""
    tell(unconfined=unconfined(job))
    environment = {"HOME": tempfile.mkdtemp(prefix="home-"), **job["environment"]}
    try:
        directory, found = commands(job)
    except (StepRefused, OSError) as error:
        tell(error=str(error), cure=getattr(error, "cure", ""))
        return
    if found[0][:2] == ["npm", "install"]:
        tell(note="package.json has no lock beside it, so packages may differ between hosts and deploys; commit one")
    for command in found:
        shown = command[-1] if command[0] == "/bin/sh" else " ".join(command)
        tell(runs=shown)
        sys.stdout.write(f"$ {shown}\n")
        sys.stdout.flush()
        try:
            status = run(command, directory, environment)
        except OSError as error:
            sys.stdout.write(f"{command[0]}: {error.strerror}\n")
            sys.stdout.flush()
            status = 127
        if status:
            tell(status=status)
            return
    tell(status=0)


def execute(job: dict[str, Any]) -> None:
    """Run the words of a command as they are, in the directory and the environment that the unit has."""
    try:
        tell(status=run(job["words"], Path.cwd(), dict(os.environ)))
    except OSError as error:
        tell(error=f"{job['words'][0]}: {error.strerror}")
