#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx
short_description: Test nginx configuration files together, and have nginx run with them
version_added: 0.1.0
description:
  - Has nginx test the files together with everything else in C(/etc/nginx) before any of them takes its place. The test
    sees a copy there, and nothing else does.
  - Installs all of them or none. If nginx does not start or reload with them, the previous files are put back.
  - A failure shows nginx's own message.
  - Only ever raises limits, since all sites of a host share them. C(server_names_hash_bucket_size), which has to be
    higher for a long host name or nginx does not start, follows from the host names in all files.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  check_mode:
    description: Tests the files if nginx is installed, and changes nothing.
    support: full
  diff_mode:
    description: Shows how the files change.
    support: full
options:
  files:
    description: The content of each file by its path below C(/etc/nginx).
    type: dict
    default: {}
  absent:
    description: Files and links below C(/etc/nginx) to remove.
    type: list
    elements: str
    default: []
  limits:
    description: Directives of C(nginx.conf), each with the least value that it needs.
    type: dict
    default: {}
  logs:
    description:
      - Log files that nginx is to write, created as the distribution creates its own. nginx alone would let everybody
        read them until they are rotated.
    type: list
    elements: path
    default: []
  user:
    description: The user that nginx runs as, who owns O(logs).
    type: str
    default: www-data
  cures:
    description:
      - What to do about an error, by a part of nginx's message. The first one that matches is shown with the message.
    type: dict
    default: {}
  state:
    description: V(tested) only has nginx test the files; with V(current), it runs with them as well.
    type: str
    choices: [current, tested]
    default: current
  reload:
    description: Whether to reload nginx even if no file changes.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Test the site's configuration
  pitcrew.django.nginx:
    files:
      conf.d/shop.conf: "{{ lookup('ansible.builtin.template', 'shop.conf.j2') }}"
    state: tested

- name: Have nginx serve the site
  pitcrew.django.nginx:
    files:
      conf.d/shop.conf: "{{ lookup('ansible.builtin.template', 'shop.conf.j2') }}"
    absent: [sites-enabled/default]
    limits:
      worker_connections: 16384
"""

RETURN = r"""
files:
  description: The files that differ, by their paths below C(/etc/nginx).
  returned: success
  type: list
  elements: str
"""

import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text, write_file
from ansible_collections.pitcrew.django.plugins.module_utils.nginx_config import HOME, Directive, raised, read
from ansible_collections.pitcrew.django.plugins.module_utils.nginx_log import end_of_log, length_of_log
from ansible_collections.pitcrew.django.plugins.module_utils.nginx_state import (
    NGINX_PROGRAM,
    default_servers,
    first_servers,
    sites,
)
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd

NGINX = HOME
UNIT = "nginx.service"
BUCKET = "server_names_hash_bucket_size"
# In a mount namespace of its own, the copy is where nginx looks for its files and where its messages say they are.
TEST = 'mount --bind "$0" "$1" && exec "$2" -t -q'
# How long nginx may take to start its workers anew once it has read its files; it tries to bind for 2.5 s.
PATIENCE_S = 10
POLL_S = 0.05

Run = Callable[[list[str]], "tuple[int, str, str]"]


class NginxError(Exception):
    """nginx does not accept the files, or does not run with them; the message has its own words."""


def bucket_size(directives: list[Directive]) -> int:
    """The server_names_hash_bucket_size that these directives need, or 0 if nginx's default of 64 bytes is enough.

    In the hash a name takes a pointer, and two bytes for its length and its letters, rounded up to a pointer's size.
    A bucket ends with another pointer (NGX_HASH_ELT_SIZE and ngx_hash_init in ngx_hash.c).
    """
    names = [name for directive in directives if directive.name == "server_name" for name in directive.arguments]
    longest = max((len(name) for name in names if not name.startswith("~")), default=0)
    least = 8 + -(-(longest + 2) // 8) * 8 + 8
    return 1 << (least - 1).bit_length() if least > 64 else 0


def emergencies(text: str) -> list[str]:
    """The errors in nginx's output that keep it from running, without the time, and each once."""
    found = re.findall(r"\[(?:emerg|alert)\] (?:\d+#\d+: )?(?:\*\d+ )?(.+)", text)
    return list(dict.fromkeys(found))


def with_cure(words: str) -> str:
    """Add to nginx's words how to find the program that has its port, if that is the error."""
    taken = re.search(r"bind\(\) to \S+:(\d+) failed \(98:", words)
    return (
        f"{words}\nFind the program that listens there, and stop it: sudo ss -ltnp 'sport = :{taken[1]}'"
        if taken
        else words
    )


class Configuration:
    """The files of nginx as they are, and as they are to be."""

    def __init__(self, params: dict[str, Any], run: Run) -> None:
        self.params = params
        self.run = run
        # New texts by their paths below /etc/nginx; None for what is to go.
        self.changes: dict[str, str | None] = {
            path: text for path, text in params["files"].items() if read_text(NGINX / path) != text
        }
        self.changes.update({path: None for path in params["absent"] if present(NGINX / path)})

    def test(self) -> list[str]:
        """Raise the limits, and have nginx test all files in a copy; return what is worth knowing about them.

        Raises NginxError if nginx does not accept it.
        """
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(directory)
            rc, out, err = self.run(["cp", "-a", f"{NGINX}/.", directory])
            if rc != 0:
                raise NginxError(err or out)
            repoint_links(copy)
            for path, text in self.changes.items():
                copy_linked_directories(copy, path)
                replace(copy / path, text)
            directives = list(read(copy))
            for name, least in {**self.params["limits"], BUCKET: bucket_size(directives)}.items():
                file = next((Path(found.file) for found in directives if found.name == name), HOME / "nginx.conf")
                # Another place than nginx's directory is not ours to write to; then nginx says what it lacks.
                if file.is_relative_to(HOME):
                    self._raise(copy, str(file.relative_to(HOME)), name, int(least))
            rc, out, err = self.run(["unshare", "--mount", "sh", "-c", TEST, directory, str(NGINX), str(NGINX_PROGRAM)])
        if rc != 0:
            raise NginxError(self._refusal(out + err))
        return re.findall(r"\[warn\] (?:\d+#\d+: )?(.+)", out + err) + self._unknown_hosts(directives)

    def _unknown_hosts(self, directives: list[Directive]) -> list[str]:
        """Which other file gets the requests for hosts that no site serves, or gets them no longer."""
        ours = {str(HOME / path) for path in self.params["files"]} | sites(directives).keys()
        others = default_servers(directives, ours)
        taken = default_servers(directives, ()).keys() - others.keys() - default_servers(read(NGINX), ()).keys()
        return [
            f"{place} is the default server of {where}, and gets the requests for hosts that no site serves"
            for where, place in others.items()
        ] + [
            f"{place} no longer gets the requests to {where} for hosts that no site serves; add default_server there "
            "if it is to get them"
            for where, place in first_servers(directives, ours).items()
            if where in taken
        ]

    def _raise(self, copy: Path, path: str, name: str, least: int) -> None:
        before = read_exactly(copy / path)
        if (after := raised(before, name, least)) != before:
            self.changes[path] = after
            copy_linked_directories(copy, path)
            replace(copy / path, after)

    def _refusal(self, words: str) -> str:
        """What nginx objects to, the line that it names, and what to do about it."""
        errors = emergencies(words) or [words.strip()]
        cure = next((cure for part, cure in self.params["cures"].items() if part and part in errors[0]), None)
        if place := re.search(rf"in {re.escape(str(HOME))}/(\S+):(\d+)", errors[0]):
            text = self.changes.get(place[1]) or read_text(NGINX / place[1]) or ""
            errors[1:1] = [f"    {line.strip()}" for line in text.splitlines()[int(place[2]) - 1 :][:1]]
            if cure is None and place[1] not in self.params["files"]:
                cure = f"{HOME / place[1]} is not a file of this collection: correct it on the host"
        return "\n".join(errors + ([f"{cure}."] if cure else []))

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Install the files; put the previous ones back if what is done with them fails."""
        # A file that somebody keeps elsewhere stays there; a link that is to go is not followed.
        places = [NGINX / path if text is None else (NGINX / path).resolve() for path, text in self.changes.items()]
        with tempfile.TemporaryDirectory() as directory:
            kept = [Path(directory) / str(number) for number in range(len(places))]
            for place, copy in zip(places, kept, strict=True):
                if present(place):
                    copy_with_owner(place, copy)
            replaced: list[tuple[Path, Path]] = []
            try:
                for place, copy, (path, text) in zip(places, kept, self.changes.items(), strict=True):
                    replace(place, text, like=None if path in self.params["files"] else copy)
                    replaced.append((place, copy))
                yield
            except BaseException:
                for place, copy in replaced:
                    put_back(copy, place)
                raise

    def diff(self) -> list[dict[str, str]]:
        """How the files change, as Ansible shows it."""
        return [
            {
                "before_header": str(NGINX / path),
                "after_header": str(NGINX / path),
                "before": read_text(NGINX / path) or "",
                "after": (text or "").encode(errors="surrogateescape").decode(errors="replace"),
            }
            for path, text in self.changes.items()
        ]


@contextmanager
def log_files(params: dict[str, Any], kept: bool) -> Iterator[None]:
    """Create the log files that are missing, since a test opens them; unless C(kept), they go again."""
    new = [path for path in map(Path, params["logs"]) if not present(path) and path.parent.is_dir()]
    for path in new:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
        shutil.chown(path, params["user"], "adm")
    try:
        yield
    except BaseException:
        kept = False
        raise
    finally:
        for path in new if not kept else []:
            path.unlink(missing_ok=True)


def present(path: Path) -> bool:
    """Whether there is a file, or a link, even one that leads nowhere."""
    return path.is_symlink() or path.exists()


def read_exactly(path: Path) -> str:
    """Return the text of a file such that it can be written as it was, whatever its encoding and its line ends."""
    return path.read_bytes().decode(errors="surrogateescape") if path.is_file() else ""


def replace(path: Path, text: str | None, like: Path | None = None) -> None:
    """Write a file that everybody may read, or with the mode and the owner of one that there is; or remove it."""
    if text is None:
        path.unlink(missing_ok=True)
    elif like is not None and like.is_file():
        status = like.stat()
        write_file(path, text, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, text, 0o644)


def copy_with_owner(path: Path, copy: Path) -> None:
    """Copy a file or a link, with its mode, its owner and the time of its last change."""
    shutil.copy2(path, copy, follow_symlinks=False)
    status = path.lstat()
    os.chown(copy, status.st_uid, status.st_gid, follow_symlinks=False)


def put_back(copy: Path, place: Path) -> None:
    """Replace a file by its copy, by one rename; or remove it if there is no copy."""
    if not present(copy):
        place.unlink(missing_ok=True)
        return
    new = place.with_name(f".{place.name}.new")
    new.unlink(missing_ok=True)
    copy_with_owner(copy, new)
    os.replace(new, place)


def repoint_links(copy: Path) -> None:
    """Have the links of a copy lead to where those of nginx's directory do; what is in there leads into the copy."""
    for directory, names, files in os.walk(copy):
        for link in (path for name in (*names, *files) if (path := Path(directory) / name).is_symlink()):
            target = os.readlink(link)
            there = os.path.normpath(link.parent / target)
            if not Path(there).is_relative_to(copy):
                original = NGINX / link.parent.relative_to(copy)
                link.unlink()
                link.symlink_to(original.resolve() / target)


def copy_linked_directories(copy: Path, path: str) -> None:
    """Give a copy the directories of a file: what is written there does not follow a link to where nginx reads."""
    for parent in reversed(Path(path).parents[:-1]):
        directory = copy / parent
        if directory.is_symlink() and not directory.resolve().is_relative_to(copy.resolve()):
            original = directory.resolve()
            directory.unlink()
            if original.is_dir():
                shutil.copytree(original, directory, ignore_dangling_symlinks=True)


@contextmanager
def exclusive() -> Iterator[None]:
    """Wait for other runs of this module: each tests, and puts back, what the one before has left."""
    try:
        place = os.open(NGINX, os.O_RDONLY)
    except FileNotFoundError:  # Check mode has not installed it.
        yield
        return
    try:
        fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


def serve(systemd: Systemd) -> None:
    """Start nginx, or have it read its files again, and wait until it has; from now on it starts with the host.

    Raises NginxError if it does not.
    """
    before, logged = set(systemd.show(UNIT).processes), length_of_log()
    objection = systemd.order("reload-or-restart", UNIT)
    if objection is not None:
        journal = systemd.journal(UNIT)
        raise NginxError(with_cure("\n".join(emergencies(journal)) or journal or objection))
    deadline = time.monotonic() + PATIENCE_S
    # systemctl returns once nginx has got the signal to reload. New workers prove that it could.
    while not set(systemd.show(UNIT).processes) - before:
        time.sleep(POLL_S)
        if time.monotonic() > deadline:
            words = emergencies(end_of_log(logged))
            raise NginxError(with_cure("\n".join(words)) or f"it has started no workers in {PATIENCE_S} s")
    if systemd.properties(UNIT, "UnitFileState")["UnitFileState"] != "enabled":
        systemd.order("enable", UNIT)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "dict", "default": {}},
            "absent": {"type": "list", "elements": "str", "default": []},
            "limits": {"type": "dict", "default": {}},
            "logs": {"type": "list", "elements": "path", "default": []},
            "user": {"type": "str", "default": "www-data"},
            "cures": {"type": "dict", "default": {}},
            "state": {"type": "str", "choices": ["current", "tested"], "default": "current"},
            "reload": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    with exclusive():
        apply(module)


def apply(module: AnsibleModule) -> None:
    """Do what the parameters say, and exit."""
    params = module.params
    configuration = Configuration(params, module.run_command)
    changed, task = False, "nginx does not accept its new configuration"
    try:
        # Check mode has not installed it.
        if not module.check_mode or NGINX_PROGRAM.exists():
            with log_files(params, kept=not module.check_mode):
                warnings = configuration.test()
            for warning in warnings:
                module.warn(f"nginx: {warning}")
        changed = params["state"] == "current" and (bool(configuration.changes) or params["reload"])
        diff = configuration.diff() if changed else []
        if changed and not module.check_mode:
            task = "nginx does not run with its new configuration"
            with configuration.installed():
                serve(Systemd(module.run_command))
    except (NginxError, OSError, LookupError) as error:
        module.fail_json(msg=f"{task}: {error}\nIts files are unchanged.")
    module.exit_json(changed=changed, files=[*configuration.changes], diff=diff)


if __name__ == "__main__":
    main()
