# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source of a release, packed on the control node: the same content gives the same archive, byte for byte."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urljoin, urlsplit

from .dependencies import DependencyList
from .dropped_files import dropped_results
from .server_version import Server, ServerVersion
from .source_contents import Contents, Wanted, examine

__all__ = ["Source", "SourceError", "pack", "pack_source"]

# Never part of a release, where git does not list the files.
LEFT_OUT = {".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".mypy_cache"}
ARCHIVES_KEPT = 20
CANDIDATES_SHOWN = 5
# How Git LFS begins the small file that stands for a large one.
POINTER = b"version https://git-lfs.github.com/spec/v1\n"
POINTER_SIZE = 1024
HELPER = """!printf 'username=%s\\npassword=%s\\n' "$PITCREW_GIT_USER" "$PITCREW_GIT_PASSWORD" #"""


@dataclass(frozen=True)
class Source:
    """A packed source: its archive and its id, and what was found in it.

    `requirements` are the lists of its dependencies, and `requirements_digest` is a checksum of everything that decides
    which packages are installed. `packages` tells in one line which lists were taken, and what was left out.
    `system_packages` are the distribution's that installing needs, and `compiled` the Python packages without a wheel.
    `import_roots` are directories of the source, apart from that of manage.py, from which the site's modules are
    imported. `servers` are what to install as application server, by the server's name.
    """

    archive: str
    id: str
    requirements: list[DependencyList]
    requirements_digest: str
    packages: str
    system_packages: list[str]
    compiled: list[str]
    import_roots: list[str]
    servers: dict[str, ServerVersion]
    warnings: list[str]


class SourceError(Exception):
    """The source cannot be fetched or used. Each line of the message names a variable, its value and the cure."""


@dataclass(frozen=True)
class Repository:
    """The URL of a repository without the login, and the login that was in it.

    `local` is None for the one that the inventory names; for a submodule, whether it may lie on this machine.
    """

    address: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    local: bool | None = None

    @classmethod
    def at(cls, url: str) -> Repository:
        """Take the address apart; the user of ssh is no secret, and stays."""
        found = re.match(r"(https?://)([^/?#]*)@(.*)", url, re.IGNORECASE)
        if not found:
            return cls(url)
        scheme, login, rest = found.groups()
        user, _colon, password = login.partition(":")
        return cls(scheme + rest, unquote(user), unquote(password))

    def submodule(self, url: str) -> Repository:
        """Return a repository that this one names, perhaps relative to itself; at the same origin it gets the login.

        A repository on this machine may be named by another one on this machine only.
        """
        other = Repository.at(_below_address(self.address, url) if url.startswith(("./", "../")) else url)
        same = _origin(other.address) == _origin(self.address)
        login = (self.user, self.password) if same and not other.user else (other.user, other.password)
        return Repository(other.address, *login, local=self.local or _is_local(self.address))

    def lfs(self, pointer: bytes, directory: Path) -> subprocess.CompletedProcess[bytes]:
        """Have Git LFS fetch what a pointer stands for, with the login."""
        words = ["git", *self._helper, "lfs", "smudge"]
        environment = {**_environment(), **self._login}
        return subprocess.run(words, cwd=directory, env=environment, input=pointer, capture_output=True, check=False)

    def git(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run git with the login, which is not among its arguments: all users of the machine can read these."""
        environment = {} if self.local is None else {"GIT_ALLOW_PROTOCOL": "https:http:ssh:git"}
        if self.local:
            environment["GIT_ALLOW_PROTOCOL"] += ":file"
        return git(*self._helper, *words, cwd=cwd, **environment, **self._login)

    @property
    def _helper(self) -> tuple[str, ...]:
        """What gives git the login, at the origin that it is for: a source may name others, such as that of Git LFS.

        Other helpers would store the login.
        """
        if not self.user:
            return ()
        return "-c", "credential.helper=", "-c", f"credential.{_origin(self.address)}.helper={HELPER}"

    @property
    def _login(self) -> dict[str, str]:
        return {"PITCREW_GIT_USER": self.user, "PITCREW_GIT_PASSWORD": self.password} if self.user else {}


def _origin(address: str) -> str:
    """Return the beginning of a URL, with the protocol, the host and the port."""
    return "://".join(urlsplit(address)[:2])


def _is_local(address: str) -> bool:
    """Whether git takes an address for a directory of this machine."""
    return address.startswith("file://") or not re.match(r"[a-z+]+://|[^/]+:", address, re.IGNORECASE)


def _below_address(address: str, relative: str) -> str:
    """Resolve the address of a submodule as git does: from the repository as if that were a directory."""
    if "://" in address:
        return urljoin(f"{address.rstrip('/')}/", relative)
    host, colon, path = address.rpartition(":")
    return host + colon + os.path.normpath(f"{path}/{relative}")


def _environment() -> dict[str, str]:
    return {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}


def git(*words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run git without a prompt; the caller checks the result."""
    environment = {**_environment(), **environment}
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


def mirror_of(repository: Repository, ref: str, cache: Path) -> tuple[Path, str]:
    """Bring the mirror of a repository up to date; return it, and what git has written if it cannot be fetched."""
    mirror = cache / f"{hashlib.sha256(repository.address.encode()).hexdigest()[:16]}.git"
    if not mirror.exists():
        result = repository.git("clone", "--quiet", "--mirror", "--", repository.address, str(mirror))
    elif len(ref) == 40 and resolve(mirror, ref) == ref:
        return mirror, ""
    else:
        result = repository.git("remote", "update", "--prune", cwd=mirror)
    return mirror, (complaint(result) or "git failed") if result.returncode else ""


def fetch(repository: Repository, ref: str, cache: Path) -> tuple[Path, str]:
    """Bring the mirror of the repository up to date; return it and the commit.

    Raises SourceError if the repository does not answer or has no such revision.
    """
    shown = repr(repository.address)
    mirror, failure = mirror_of(repository, ref, cache)
    if failure:
        raise SourceError(
            f"site_git_url: {shown} cannot be fetched: {failure}. The control node fetches it: "
            "set a URL that works there, with a key or a token that it accepts"
        )
    commit = resolve(mirror, default_branch(repository) if ref == "HEAD" else ref)
    if commit is None:
        raise SourceError(
            f"site_git_ref: {ref!r} is not a branch, tag or commit in {shown}; push it, or {_other_branches(mirror)}"
        )
    return mirror, commit


@dataclass(frozen=True)
class Part:
    """A commit, and where it lies in the source: the repository itself, or one of its submodules."""

    path: str
    repository: Repository
    mirror: Path
    commit: str


def with_submodules(part: Part, cache: Path) -> Iterator[Part]:
    """Fetch the submodules of a commit, and theirs, as the commit pins them.

    Raises SourceError for one that cannot be fetched.
    """
    yield part
    listed = git("ls-tree", "-r", "-z", part.commit, cwd=part.mirror).stdout.split("\0")
    gitlinks = [entry.removeprefix("160000 commit ").partition("\t") for entry in listed if entry[:6] == "160000"]
    pinned = {path: commit for commit, _tab, path in gitlinks}
    urls = _submodule_urls(part) if pinned else {}
    for path, commit in sorted(pinned.items()):
        if path not in urls:  # git itself leaves it an empty directory.
            continue
        repository = part.repository.submodule(urls[path])
        mirror, failure = mirror_of(repository, commit, cache)
        if not failure and resolve(mirror, commit) != commit:
            result = repository.git("fetch", "--quiet", "origin", commit, cwd=mirror)
            failure = complaint(result) if result.returncode else ""
        if failure:
            raise SourceError(
                f"site_git_url: the submodule {path!r}, {repository.address!r}, cannot be fetched: {failure}. The "
                "control node fetches it: push its commit, and give the control node a key or a token for it"
            )
        yield from with_submodules(Part(f"{part.path}{path}/", repository, mirror, commit), cache)


def _submodule_urls(part: Part) -> dict[str, str]:
    """Read the addresses of submodules, by their paths."""
    blob = f"{part.commit}:.gitmodules"
    listed = git("config", "--blob", blob, "--null", "--get-regexp", r"^submodule\..*\.(path|url)$", cwd=part.mirror)
    values: dict[str, dict[str, str]] = {}
    for entry in filter(None, listed.stdout.split("\0")):
        key, _newline, value = entry.partition("\n")
        name, _dot, what = key.rpartition(".")
        values.setdefault(name, {})[what] = value
    return {one["path"]: one["url"] for one in values.values() if {"path", "url"} <= set(one)}


def _other_branches(mirror: Path) -> str:
    listed = git("for-each-ref", "--sort=-committerdate", "--format=%(refname:short)", "refs/heads/", cwd=mirror)
    names = listed.stdout.split()
    if not names:
        return "name another: it has no branches"
    more = f" or {len(names) - CANDIDATES_SHOWN} more" if len(names) > CANDIDATES_SHOWN else ""
    return f"name another, such as {', '.join(names[:CANDIDATES_SHOWN])}{more}"


def pack_commit(repository: Repository, mirror: Path, commit: str, cache: Path) -> tuple[str, Path]:
    """Pack a commit with its submodules and with the content of large files.

    Raises SourceError if some of that cannot be had.
    """
    archive = cache / f"{commit}.tar.gz"
    if not archive.exists():
        new = archive.with_suffix(".new")
        try:
            _pack_parts(with_submodules(Part("", repository, mirror, commit), cache), new)
        except SourceError:
            new.unlink(missing_ok=True)
            raise
        os.replace(new, archive)
    return commit[:12], archive


def _pack_parts(parts: Iterable[Part], archive: Path) -> None:
    with (
        open(archive, "wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as whole,
    ):
        for part in parts:
            large = LargeFiles("site_git_url", part.repository, part.mirror)
            for member, content in _archived(part):
                if content and (found := large.content(member.name, member.size, content)) is not None:
                    member.size, content = len(found), io.BytesIO(found)
                whole.addfile(member, content)


def _archived(part: Part) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Give the files of a commit, with their content, under their paths in the source."""
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        words = ["archive", "--format=tar", f"--output={file.name}", f"--prefix={part.path}", part.commit]
        result = part.repository.git(*words, cwd=part.mirror)
        if result.returncode:
            raise SourceError(f"git archive failed: {complaint(result)}")
        with tarfile.open(file.name) as tar:
            for member in tar:
                yield member, tar.extractfile(member) if member.isreg() else None


# Large files


@dataclass
class LargeFiles:
    """What Git LFS keeps apart from a repository: fetched where a source has only pointers to it."""

    variable: str
    repository: Repository
    directory: Path

    def content(self, name: str, size: int, file: IO[bytes]) -> bytes | None:
        """Return the content that a file points to; None for a file that is no pointer.

        Raises SourceError if it cannot be had.
        """
        if size > POINTER_SIZE:
            return None
        pointer = file.read()
        file.seek(0)
        if not pointer.startswith(POINTER):
            return None
        result = self.repository.lfs(pointer, self.directory)
        if result.returncode == 0 and not result.stdout.startswith(POINTER):
            return result.stdout
        words = " ".join(result.stderr.decode(errors="replace").split())
        if "is not a git command" in words:
            raise SourceError(
                f"{self.variable}: {name!r} is kept by Git LFS, and the source has only a pointer to it; install "
                "git-lfs on the control node, which packs the source"
            )
        raise SourceError(
            f"{self.variable}: {name!r} is kept by Git LFS, and cannot be fetched from there: {words}. Push it "
            "with git lfs push, or give the control node a key or a token for it"
        )


# A directory


def files(directory: Path) -> Iterator[str]:
    """Name the files of a release, relative to the directory, in a steady order.

    Raises SourceError if git cannot list them, or if a submodule is empty.
    """
    listed = git("ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=directory)
    if listed.returncode and any((parent / ".git").exists() for parent in (directory, *directory.parents)):
        raise SourceError(
            f"site_source_directory: git cannot list the files in {str(directory)!r}: {complaint(listed)}"
        )
    known = sorted(name for name in listed.stdout.split("\0") if name and os.path.lexists(directory / name))
    if known:  # Neither outside a work tree, nor where git ignores the directory itself.
        for name in known:
            if (directory / name).is_dir() and not (directory / name).is_symlink():
                yield from _repository_inside(directory, name.rstrip("/"))
            else:
                yield name
        return
    for parent, names, leaves in os.walk(directory):
        names[:] = sorted(name for name in names if name not in LEFT_OUT)
        for leaf in sorted([*leaves, *(name for name in names if os.path.islink(os.path.join(parent, name)))]):
            if not leaf.endswith(".pyc"):
                yield os.path.relpath(os.path.join(parent, leaf), directory)


def _repository_inside(directory: Path, name: str) -> Iterator[str]:
    """Name the files of a submodule, or of another repository, inside a work tree."""
    if not any((directory / name).iterdir()):
        raise SourceError(
            f"site_source_directory: the submodule {name!r} is empty; fetch it in {str(directory)!r}: "
            "git submodule update --init --recursive"
        )
    for inner in files(directory / name):
        yield f"{name}/{inner}"


def pack_directory(directory: Path, cache: Path) -> tuple[str, Path]:
    """Pack the directory so that the same content gives the same bytes.

    Raises SourceError if there is no such directory, or if it lacks the content of some of its files.
    """
    if not directory.is_dir():
        raise SourceError(
            f"site_source_directory: {str(directory)!r} is not a directory on the control node; name one that is"
        )
    large = LargeFiles("site_source_directory", Repository(""), directory)
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
                    content = large.content(name, member.size, file)
                    if content is not None:
                        member.size = len(content)
                    tar.addfile(member, file if content is None else io.BytesIO(content))
            else:
                tar.addfile(member)
    return keep(buffer.getvalue(), cache)


def keep(content: bytes, cache: Path) -> tuple[str, Path]:
    """Keep an archive under the name of its content."""
    checksum = hashlib.sha256(content).hexdigest()
    archive = cache / f"{checksum}.tar.gz"
    if not archive.exists():
        new = archive.with_suffix(".new")
        new.write_bytes(gzip.compress(content, compresslevel=6, mtime=0))
        os.replace(new, archive)
    return checksum[:12], archive


def pack_nothing(requirement: str, cache: Path) -> tuple[str, Path]:
    """Pack the empty project of an application that is a package; its id comes from the requirement."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT):
        pass
    _id, archive = keep(buffer.getvalue(), cache)
    return hashlib.sha256(requirement.encode()).hexdigest()[:12], archive


def warnings_about(directory: Path) -> Iterator[str]:
    """Warn of results of a build that the directory has, but the release will not."""
    listed = git("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z", cwd=directory)
    ignored = list(filter(None, listed.stdout.split("\0")))
    found = dropped_results(directory, ignored)
    mentioned = git("grep", "--quiet", "node_modules", "--", "*.py", "*.html", cwd=directory).returncode == 0
    found += [name for name in ignored if name.endswith("node_modules/") and mentioned]
    if found:
        more = f" and {len(found) - CANDIDATES_SHOWN} more" if len(found) > CANDIDATES_SHOWN else ""
        yield (
            f"site_source_directory: git ignores {', '.join(found[:CANDIDATES_SHOWN])}{more}, so the release does not "
            "have what was built there; have it built with site_build, or commit it."
        )


def tidy(cache: Path) -> None:
    """Keep the archives that were made last; any other can be made again."""
    ours = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})\.tar\.gz\Z")
    archives = [path for path in cache.glob("*.tar.gz") if ours.match(path.name)]
    archives.sort(key=lambda archive: archive.stat().st_mtime, reverse=True)
    for archive in archives[ARCHIVES_KEPT:]:
        archive.unlink(missing_ok=True)


def pack_source(
    git_url: str | None, git_ref: str, directory: str | None, package: str | None, cache: str
) -> tuple[str, Path, list[str]]:
    """Pack a repository, a directory, or nothing for a package; return its id, its archive and what to warn of.

    Raises SourceError if it cannot be fetched.
    """
    store = Path(cache).expanduser()
    store.mkdir(parents=True, exist_ok=True, mode=0o700)
    warnings: list[str] = []
    if package:
        source_id, archive = pack_nothing(package, store)
    elif git_url:
        repository = Repository.at(git_url)
        source_id, archive = pack_commit(repository, *fetch(repository, git_ref, store), store)
    else:
        path = Path(directory or "").expanduser()
        source_id, archive = pack_directory(path, store)
        warnings += warnings_about(path)
    os.utime(archive)
    tidy(store)
    return source_id, archive, warnings


def pack(
    *,
    git_url: str | None,
    git_ref: str,
    directory: str | None,
    package: str | None,
    cache: str,
    servers: Mapping[str, Mapping[str, Any]],
    **wanted: Any,
) -> Source:
    """Pack the source, and check that the site can be built from it. `wanted` are the fields of Wanted.

    Raises SourceError if it cannot be fetched or lacks something.
    """
    needs = Wanted(package=package or "", servers={name: Server(**one) for name, one in servers.items()}, **wanted)
    source_id, archive, warnings = pack_source(git_url, git_ref, directory, package, cache)
    with tarfile.open(archive) as tar:
        found = examine(Contents(tar), needs)
    if found.complaints:
        raise SourceError("\n".join(found.complaints))
    lists = found.dependencies
    return Source(
        archive=str(archive),
        id=source_id,
        requirements=list(lists.lists) if lists else [],
        requirements_digest=found.digest,
        packages=f"Packages: {package}, set by site_package" if lists is None else lists.sentence,
        system_packages=list(found.system_packages),
        compiled=list(found.compiled),
        import_roots=list(found.import_roots),
        servers=found.servers,
        warnings=warnings,
    )
