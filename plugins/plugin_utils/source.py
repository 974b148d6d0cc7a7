# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source of a release, packed on the control node: the same content gives the same archive, byte for byte."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from .project.modules import settings_modules, wsgi_applications
from .project.tree import Tree, joined
from .server_version import (
    INCLUDE,
    Listed,
    Server,
    ServerVersion,
    UnsupportedVersionError,
    choose_version,
    listed_in,
    listed_in_inventory,
)

__all__ = ["Source", "SourceError", "pack", "pack_source"]

# Never part of a release, where git does not list the files.
LEFT_OUT = {".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".mypy_cache"}
ARCHIVES_KEPT = 20
REQUIREMENTS = ("uv.lock", "requirements.txt", "pyproject.toml")
UNREADABLE = {"uv": (), "pip": ("uv.lock",)}
CANDIDATES_SHOWN = 5
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# git gets the login from this helper alone: other helpers would store it.
LOGIN_HELPER = (
    "-c",
    "credential.helper=",
    "-c",
    """credential.helper=!printf 'username=%s\\npassword=%s\\n' "$PITCREW_GIT_USER" "$PITCREW_GIT_PASSWORD" #""",
)


@dataclass(frozen=True)
class Source:
    """A packed source: its archive, its id, the list of its dependencies, and a checksum of everything in that list.

    `servers` are what to install as application server, by the server's name.
    """

    archive: str
    id: str
    requirements: str
    requirements_digest: str
    servers: dict[str, ServerVersion]


class SourceError(Exception):
    """The source cannot be fetched or used. Each line of the message names a variable, its value and the cure."""


@dataclass(frozen=True)
class Repository:
    """The URL of a repository without the login, and the login that was in it."""

    address: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def at(cls, url: str) -> Repository:
        """Take the address apart; the user of ssh is no secret, and stays."""
        found = re.match(r"(https?://)([^/?#]*)@(.*)", url, re.IGNORECASE)
        if not found:
            return cls(url)
        scheme, login, rest = found.groups()
        user, _colon, password = login.partition(":")
        return cls(scheme + rest, unquote(user), unquote(password))

    def git(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run git with the login, which is not among its arguments: all users of the machine can read these."""
        if not self.user:
            return git(*words, cwd=cwd)
        return git(*LOGIN_HELPER, *words, cwd=cwd, PITCREW_GIT_USER=self.user, PITCREW_GIT_PASSWORD=self.password)


def git(*words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run git without a prompt; the caller checks the result."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8", **environment}
    try:
        return subprocess.run(
            ["git", *words],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        raise SourceError("git is not installed on the control node, which packs the source; install it") from None


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    return " ".join(result.stderr.split())


# A git repository


def resolve(mirror: Path, ref: str) -> str | None:
    """Find the commit of a branch, a tag or (the start of) a commit's own name, in this order."""
    for name in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
        result = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", cwd=mirror)
        if result.returncode == 0:
            return result.stdout.strip()
    return None


def default_branch(repository: Repository) -> str:
    """Ask for the commit of the repository's default branch: a mirror keeps to the one that it was cloned with."""
    return repository.git("ls-remote", "--", repository.address, "HEAD").stdout.partition("\t")[0] or "HEAD"


def fetch(url: str, ref: str, cache: Path) -> tuple[Path, str]:
    """Bring the mirror of the repository up to date; return it and the commit.

    Raises SourceError if the repository does not answer or has no such revision.
    """
    repository = Repository.at(url)
    shown = repr(repository.address)
    mirror = cache / f"{hashlib.sha256(repository.address.encode()).hexdigest()[:16]}.git"
    if not mirror.exists():
        result = repository.git("clone", "--quiet", "--mirror", "--", repository.address, str(mirror))
    elif len(ref) == 40 and resolve(mirror, ref) == ref:
        return mirror, ref
    else:
        result = repository.git("remote", "update", "--prune", cwd=mirror)
    if result.returncode:
        raise SourceError(
            f"site_git_url: {shown} cannot be fetched: {complaint(result)}. The control node fetches it: "
            "set a URL that works there, with a key or a token that it accepts"
        )
    commit = resolve(mirror, default_branch(repository) if ref == "HEAD" else ref)
    if commit is None:
        raise SourceError(
            f"site_git_ref: {ref!r} is not a branch, tag or commit in {shown}; push it, or {_other_branches(mirror)}"
        )
    return mirror, commit


def _other_branches(mirror: Path) -> str:
    listed = git("for-each-ref", "--sort=-committerdate", "--format=%(refname:short)", "refs/heads/", cwd=mirror)
    names = listed.stdout.split()
    if not names:
        return "name another: it has no branches"
    more = f" or {len(names) - CANDIDATES_SHOWN} more" if len(names) > CANDIDATES_SHOWN else ""
    return f"name another, such as {', '.join(names[:CANDIDATES_SHOWN])}{more}"


def pack_commit(mirror: Path, commit: str, cache: Path) -> tuple[str, Path]:
    archive = cache / f"{commit}.tar.gz"
    if not archive.exists():
        new = archive.with_suffix(".new")
        result = git("archive", "--format=tar.gz", f"--output={new}", commit, cwd=mirror)
        if result.returncode:
            raise SourceError(f"git archive failed: {complaint(result)}")
        os.replace(new, archive)
    return commit[:12], archive


# A directory


def files(directory: Path) -> Iterator[str]:
    """Name the files of a release, relative to the directory, in a steady order."""
    listed = git("ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=directory)
    if listed.returncode and any((parent / ".git").exists() for parent in (directory, *directory.parents)):
        raise SourceError(
            f"site_source_directory: git cannot list the files in {str(directory)!r}: {complaint(listed)}"
        )
    known = sorted(name for name in listed.stdout.split("\0") if name and os.path.lexists(directory / name))
    if known:  # Neither outside a work tree, nor where git ignores the directory itself.
        yield from known
        return
    for parent, names, leaves in os.walk(directory):
        names[:] = sorted(name for name in names if name not in LEFT_OUT)
        for leaf in sorted([*leaves, *(name for name in names if os.path.islink(os.path.join(parent, name)))]):
            if not leaf.endswith(".pyc"):
                yield os.path.relpath(os.path.join(parent, leaf), directory)


def pack_directory(directory: Path, cache: Path) -> tuple[str, Path]:
    """Pack the directory so that the same content gives the same bytes.

    Raises SourceError if there is no such directory.
    """
    if not directory.is_dir():
        raise SourceError(
            f"site_source_directory: {str(directory)!r} is not a directory on the control node; name one that is"
        )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in files(directory):
            tar.inodes.clear()  # type: ignore[attr-defined]  # A hard link is a file like any other.
            member = tar.gettarinfo(directory / name, arcname=name)
            if member is None:  # A socket.
                continue
            member.mtime, member.uid, member.gid, member.uname, member.gname = 315532800, 0, 0, "root", "root"
            member.mode = 0o755 if member.mode & 0o100 else 0o644
            if member.isreg():
                with open(directory / name, "rb") as file:
                    tar.addfile(member, file)
            else:
                tar.addfile(member)
    checksum = hashlib.sha256(buffer.getvalue()).hexdigest()
    archive = cache / f"{checksum}.tar.gz"
    if not archive.exists():
        new = archive.with_suffix(".new")
        new.write_bytes(gzip.compress(buffer.getvalue(), compresslevel=6, mtime=0))
        os.replace(new, archive)
    return checksum[:12], archive


# What is in it


@dataclass(frozen=True)
class Wanted:
    """What a site needs of its source. `modules` are named by their variables; `guessed` are variables without a value.

    The value of a guessed variable follows from another one, so a complaint about it does not quote it as if it had
    been set.
    """

    project: str
    modules: Mapping[str, str]
    guessed: Sequence[str]
    requirements: str | None
    installer: str
    python_packages: Sequence[str]
    servers: Mapping[str, Server]


def examine(tar: tarfile.TarFile, wanted: Wanted) -> tuple[str, dict[str, ServerVersion]]:
    """Check that the source has what the site needs; return the list of dependencies, and the servers to install.

    Raises SourceError with everything that is missing, one complaint per line.
    """
    names = {str(PurePosixPath(member.name)) for member in tar if not member.isdir()}
    complaints = []
    meant: list[str] = []
    project = PurePosixPath(wanted.project)
    if str(project / "manage.py") not in names:
        others = sorted(PurePosixPath(name).parent for name in names if PurePosixPath(name).name == "manage.py")
        complaints.append(_no_project(wanted.project, others))
        if len(others) > 1:
            raise SourceError(complaints[0])  # Which of them is meant decides all the rest.
        project = others[0] if others else project
    for variable, module in wanted.modules.items():
        path = _below(project, module.partition(":")[0].replace(".", "/"))
        if not _module_files(path) & names:
            find = wsgi_applications if ":" in module or "wsgi" in variable else settings_modules
            tree = Tree.of_tar(tar, read_member)
            guess, candidates = variable in wanted.guessed, find(tree, joined(str(project)))
            # It follows from the settings module, and from the right one it would be right.
            packages = {f"{settings.partition('.')[0]}/" if "." in settings else "" for settings in meant}
            if guess and any(_module_files(_below(project, f"{package}wsgi")) & names for package in packages):
                continue
            meant = candidates if variable == "site_settings_module" else meant
            complaints.append(_no_module(variable, module, path, candidates, guess))
    requirements = ""
    try:
        requirements = find_requirements(names, project, wanted)
    except SourceError as error:
        complaints.append(str(error))
    servers = {}
    for name, server in wanted.servers.items():
        try:
            servers[name] = choose_version(server, listed(tar, project, requirements, wanted, server.package))
        except UnsupportedVersionError as error:
            complaints.append(str(error))
    if complaints:
        raise SourceError("\n".join(complaints))
    return requirements, servers


def listed(
    tar: tarfile.TarFile, project: PurePosixPath, requirements: str, wanted: Wanted, package: str
) -> list[Listed]:
    """Return what the inventory, and then the project's list, ask of a package."""
    found = listed_in_inventory(wanted.python_packages, package)
    if requirements:
        found += listed_in(lambda path: read_member(tar, project / path), PurePosixPath(requirements), package)
    return found


def _below(project: PurePosixPath, name: str) -> str:
    """Return the name of a file of the project in the archive; a list may lie above the project."""
    return os.path.normpath(project / name)


def _module_files(path: str) -> set[str]:
    return {f"{path}.py", f"{path}/__init__.py"}


def _no_project(project: str, others: Sequence[PurePosixPath]) -> str:
    if not others:
        return (
            f"site_project_directory: {project!r} has no manage.py, nor has any other directory in the source; add one"
        )
    shown = ["" if str(other) == "." else str(other) for other in others]
    cure = f"set site_project_directory: {json.dumps(shown[0]) if not shown[0] else shown[0]}"
    if len(shown) > 1:
        cure = f"set it to one of {', '.join(map(repr, shown))}"
    return f"site_project_directory: {project!r} has no manage.py in the source; {cure}"


def _no_module(variable: str, module: str, path: str, candidates: Sequence[str], guessed: bool) -> str:
    missing = f"the source has neither {path}.py nor {path}/__init__.py"
    where = (
        f"{variable} is not set, and the guess from site_settings_module, {module!r}, is wrong: {missing}"
        if guessed
        else f"{variable}: {module!r} does not exist: {missing}"
    )
    if not candidates:
        return f"{where}. Set {variable} to a module of the project, or set site_project_directory"
    if len(candidates) == 1:
        return f"{where}. Set {variable}: {candidates[0]}"
    return f"{where}. Set {variable} to one of {', '.join(candidates[:CANDIDATES_SHOWN])}"


def find_requirements(names: Iterable[str], project: PurePosixPath, wanted: Wanted) -> str:
    """Return the file that lists the dependencies, relative to the project.

    Raises SourceError.
    """
    installer, requirements = wanted.installer, wanted.requirements
    readable = [name for name in REQUIREMENTS if name not in UNREADABLE[installer]]
    files = set(names)
    for name in [requirements] if requirements else readable:
        if PurePosixPath(name).name in UNREADABLE[installer]:
            raise SourceError(
                f"site_requirements: {installer} cannot read {requirements!r}; set another list, or site_installer: uv"
            )
        if _below(project, name) in files:
            return name
    others = sorted(name for name in files if _may_list_requirements(name, installer))
    shown = [os.path.relpath(name, project) for name in others if not name.startswith("../")][:CANDIDATES_SHOWN]
    what = (
        f"{requirements!r} is not in the source"
        if requirements
        else f"the source has no {', '.join(readable[:-1])} or {readable[-1]} beside manage.py"
    )
    if not shown:
        cure = "add one, or set site_requirements to the list that the project has"
    elif len(shown) == 1:
        cure = f"set site_requirements: {shown[0]}"
    else:
        cure = f"set site_requirements to one of {', '.join(shown)}"
    raise SourceError(f"site_requirements: {what}; {cure}")


def _may_list_requirements(name: str, installer: str) -> bool:
    path = PurePosixPath(name)
    if path.name in REQUIREMENTS:
        return path.name not in UNREADABLE[installer]
    return path.suffix == ".txt" and ("requirements" in path.stem or "requirements" in path.parts[:-1])


def requirements_digest(tar: tarfile.TarFile, project: PurePosixPath, name: str, installer: str) -> str:
    """Return a checksum of everything that decides which packages are installed, included lists among it.

    It is empty if packages come from the source itself, since then every change of the source may change them.
    """
    texts: dict[str, str] = {}
    waiting = [PurePosixPath(name)]
    # uv looks for its own settings, an index or constraints, here and further up.
    above = [PurePosixPath(*[".."] * depth) for depth in range(len(project.parts) + 1)] if installer == "uv" else []
    settings = [path / file for path in above for file in ("uv.toml", "pyproject.toml")]
    texts |= {str(path): text for path in settings if (text := read_member(tar, project / path)) is not None}
    while waiting:
        path = waiting.pop()
        text = read_member(tar, project / path)
        if text is None:
            return ""
        if path.name == "uv.lock":
            # Everything is pinned, except what comes from the source itself; the project "." is not installed.
            if re.search(r'source = \{ (?:editable|directory|path|virtual) = "(?!\.")', text):
                return ""
        elif path.name == "pyproject.toml":
            if re.search(r"^dynamic\s*=|^\[tool\.uv\.sources|file:", text, re.MULTILINE):
                return ""
        elif (included := included_lists(text)) is None:
            return ""
        elif str(path) not in texts:
            waiting += [path.parent / other for other in included]
        texts[str(path)] = text
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:12]


def read_member(tar: tarfile.TarFile, path: PurePosixPath) -> str | None:
    """Return the text of a file in the archive; None if there is no such file."""
    try:
        file = tar.extractfile(os.path.normpath(path))
    except KeyError:
        return None
    content = file.read() if file else b""
    # What Windows saves may begin with a mark of its encoding.
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8")
    return content.decode(encoding, errors="replace")


def included_lists(text: str) -> list[str] | None:
    """Return the lists that a list of requirements includes; None if it names packages by their place on disk."""
    included = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        option = INCLUDE.match(line)
        if option:
            included.append(option.group(1))
            continue
        wanted = re.sub(r"(^|\s)#.*", "", line)
        if re.match(r"\s*(?:-e\b|--editable|-f\b|--find-links|\.)|.*\bfile:", wanted):
            return None
        # With a slash outside of an address or of an option, it is a path.
        if not wanted.lstrip().startswith("-") and "/" in re.sub(r"[a-z+]+://\S+", "", wanted.partition(" --")[0]):
            return None
    return included


def tidy(cache: Path) -> None:
    """Keep the archives that were made last; any other can be made again."""
    ours = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})\.tar\.gz\Z")
    archives = [path for path in cache.glob("*.tar.gz") if ours.match(path.name)]
    archives.sort(key=lambda archive: archive.stat().st_mtime, reverse=True)
    for archive in archives[ARCHIVES_KEPT:]:
        archive.unlink(missing_ok=True)


def pack_source(git_url: str, git_ref: str, directory: str, cache: str) -> tuple[str, Path]:
    """Pack a repository or a directory; return the id of the source, and its archive.

    Raises SourceError if it cannot be fetched.
    """
    store = Path(cache).expanduser()
    store.mkdir(parents=True, exist_ok=True, mode=0o700)
    if git_url:
        source_id, archive = pack_commit(*fetch(git_url, git_ref, store), store)
    else:
        source_id, archive = pack_directory(Path(directory).expanduser(), store)
    os.utime(archive)
    tidy(store)
    return source_id, archive


def pack(
    *,
    git_url: str | None,
    git_ref: str,
    directory: str | None,
    cache: str,
    servers: Mapping[str, Mapping[str, Any]],
    **wanted: Any,
) -> Source:
    """Pack the source, and check that the site can be built from it. `wanted` are the fields of Wanted.

    Raises SourceError if it cannot be fetched or lacks something.
    """
    needs = Wanted(servers={name: Server(**server) for name, server in servers.items()}, **wanted)
    source_id, archive = pack_source(git_url or "", git_ref, directory or "", cache)
    with tarfile.open(archive) as tar:
        found, versions = examine(tar, needs)
        digest = requirements_digest(tar, PurePosixPath(needs.project), found, needs.installer)
    return Source(archive=str(archive), id=source_id, requirements=found, requirements_digest=digest, servers=versions)
