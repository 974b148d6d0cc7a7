# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source of a release, packed on the control node: the same content gives the same archive, byte for byte."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

__all__ = ["Source", "Unusable", "pack"]

# Never part of a release, where git does not say what is.
LEFT_OUT = {".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".mypy_cache"}
ARCHIVES_KEPT = 20
REQUIREMENTS = ("uv.lock", "requirements.txt", "pyproject.toml")
UNREADABLE = {"uv": (), "pip": ("uv.lock",)}
# git asks this for a login: first nobody else, for others keep what they are told.
LOGIN_HELPER = (
    "-c",
    "credential.helper=",
    "-c",
    """credential.helper=!printf 'username=%s\\npassword=%s\\n' "$PITCREW_GIT_USER" "$PITCREW_GIT_PASSWORD" #""",
)


@dataclass(frozen=True)
class Source:
    """A packed source: its archive, its id, the list of its dependencies, and a checksum of all that list says."""

    archive: str
    id: str
    requirements: str
    requirements_digest: str


class Unusable(Exception):
    """The source cannot be had or used; the message names the variable, its value and the cure."""


@dataclass(frozen=True)
class Repository:
    """An address without a login in it, and the login that stood there."""

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
    """Run git without a prompt; the result is the caller's to judge."""
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
        raise Unusable("git is not installed on the control node, which packs the source; install it") from None


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
    """Bring the mirror of the repository up to date; give it and the commit.

    Raises Unusable where the repository does not answer or has no such revision.
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
        raise Unusable(
            f"site_git_url: {shown} cannot be fetched: {complaint(result)}. The control node fetches it: "
            "give an address and a key that work there"
        )
    commit = resolve(mirror, default_branch(repository) if ref == "HEAD" else ref)
    if commit is None:
        raise Unusable(f"site_git_ref: {ref!r} is no branch, tag or commit of {shown}; push it, or name another")
    return mirror, commit


def pack_commit(mirror: Path, commit: str, cache: Path) -> tuple[str, Path]:
    archive = cache / f"{commit}.tar.gz"
    if not archive.exists():
        new = archive.with_suffix(".new")
        result = git("archive", "--format=tar.gz", f"--output={new}", commit, cwd=mirror)
        if result.returncode:
            raise Unusable(f"git archive fails: {complaint(result)}")
        os.replace(new, archive)
    return commit[:12], archive


# A directory


def files(directory: Path) -> Iterator[str]:
    """Name the files of a release, relative to the directory, in a steady order."""
    listed = git("ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=directory)
    if listed.returncode and any((parent / ".git").exists() for parent in (directory, *directory.parents)):
        raise Unusable(
            f"site_source_directory: git does not say what of {str(directory)!r} belongs to the source: "
            f"{complaint(listed)}"
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

    Raises Unusable where there is no such directory.
    """
    if not directory.is_dir():
        raise Unusable(
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


def examine(
    tar: tarfile.TarFile, project: PurePosixPath, modules: dict[str, str], requirements: str | None, installer: str
) -> str:
    """See that the source has what the site needs; give the file that lists the dependencies.

    Raises Unusable naming what is missing.
    """
    names = {str(PurePosixPath(member.name)) for member in tar if not member.isdir()}
    if str(project / "manage.py") not in names:
        others = sorted(str(PurePosixPath(name).parent) for name in names if PurePosixPath(name).name == "manage.py")
        others = ["" if other == "." else other for other in others]
        cure = f"there is one in {', '.join(map(repr, others))}" if others else "name the directory that has it"
        said = "" if project == PurePosixPath() else str(project)
        raise Unusable(f"site_project_directory: {said!r} has no manage.py in the source; {cure}")
    for variable, module in modules.items():
        path = project / module.partition(":")[0].replace(".", "/")
        if not {f"{path}.py", f"{path}/__init__.py"} & names:
            raise Unusable(
                f"{variable}: {module!r} cannot be imported, the source has neither {path}.py nor {path}/__init__.py; "
                "name a module of the project, or set site_project_directory"
            )
    wanted = [requirements] if requirements else [name for name in REQUIREMENTS if name not in UNREADABLE[installer]]
    if PurePosixPath(wanted[0]).name in UNREADABLE[installer]:
        raise Unusable(
            f"site_requirements: {requirements!r} is no list that {installer} can read; name another, or set "
            "site_installer to uv"
        )
    for name in wanted:
        if str(project / name) in names:
            return name
    raise Unusable(
        f"site_requirements: the source has no {' or '.join(wanted)} beside manage.py; name the file that lists the "
        "dependencies"
    )


def requirements_digest(tar: tarfile.TarFile, project: PurePosixPath, name: str, installer: str) -> str:
    """Give a checksum of all that decides which packages are installed, the files that a list includes with it.

    Empty where packages come out of the source itself, for then every change of it may change them.
    """
    texts: dict[str, str] = {}
    waiting = [PurePosixPath(name)]
    # uv's own settings, an index or constraints, it looks for here and further up.
    above = [PurePosixPath(*[".."] * depth) for depth in range(len(project.parts) + 1)] if installer == "uv" else []
    settings = [path / file for path in above for file in ("uv.toml", "pyproject.toml")]
    texts |= {str(path): text for path in settings if (text := read_member(tar, project / path)) is not None}
    while waiting:
        path = waiting.pop()
        text = read_member(tar, project / path)
        if text is None:
            return ""
        if path.name == "uv.lock":
            # All of it is pinned, but for what comes out of the source itself; the project "." is not installed.
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
    """Give the text of a file in the archive; None where there is no such file."""
    try:
        file = tar.extractfile(os.path.normpath(path))
    except KeyError:
        return None
    return file.read().decode(errors="replace") if file else ""


def included_lists(text: str) -> list[str] | None:
    """Give the lists that a list of requirements includes; None where it names packages by their place on disk."""
    included = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        option = re.match(r"\s*(?:-r|--requirement|-c|--constraint)[\s=]*(\S+)", line)
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


def pack(
    *,
    git_url: str | None,
    git_ref: str,
    directory: str | None,
    project: str,
    modules: dict[str, str],
    requirements: str | None,
    installer: str,
    cache: str,
) -> Source:
    """Pack the source and see that the site can be built from it.

    Raises Unusable where it cannot be had or lacks what it needs.
    """
    store = Path(cache).expanduser()
    store.mkdir(parents=True, exist_ok=True, mode=0o700)
    if git_url:
        source_id, archive = pack_commit(*fetch(git_url, git_ref, store), store)
    else:
        source_id, archive = pack_directory(Path(directory or "").expanduser(), store)
    os.utime(archive)
    tidy(store)
    with tarfile.open(archive) as tar:
        found = examine(tar, PurePosixPath(project), modules, requirements, installer)
        digest = requirements_digest(tar, PurePosixPath(project), found, installer)
    return Source(archive=str(archive), id=source_id, requirements=found, requirements_digest=digest)
