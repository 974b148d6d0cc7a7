# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect the static files of a release, also over those that the source brings, or take over those of another release.

A project may commit its STATIC_ROOT. All files of a source have the same age, so that collectstatic would take the copy
for as new as its original and keep it, and it writes a manifest that has only what it has found itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["collect", "fingerprint"]

# What these do depends on the files that are found, and on the settings below, and on nothing else.
KNOWN_STORAGES = {
    "django.contrib.staticfiles.storage.StaticFilesStorage",
    "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
    "whitenoise.storage.CompressedStaticFilesStorage",
    "whitenoise.storage.CompressedManifestStaticFilesStorage",
}
SETTINGS = (
    "DEBUG",
    "STATIC_URL",
    "FORCE_SCRIPT_NAME",
    "FILE_UPLOAD_PERMISSIONS",
    "FILE_UPLOAD_DIRECTORY_PERMISSIONS",
    "STATICFILES_STORAGE",
    "STORAGES",
    "WHITENOISE_",
)


def collect(root: Path | None, earlier: Mapping[str, str], packages: str | None) -> tuple[str, bool]:
    """Collect the static files into their directory, which is None if a storage keeps them elsewhere.

    C(earlier) has the directories of other releases by the fingerprint of what they were collected from, C(packages)
    the checksum of the packages. Return the fingerprint, empty if it cannot be told, and whether they were taken over.
    """
    from django.core.management import call_command

    if root is None:
        call_command("collectstatic", interactive=False, verbosity=0)
        return "", False
    brought = root.is_dir() and any(root.iterdir())
    mark = "" if brought else fingerprint(packages)
    there = earlier.get(mark) if mark else None
    if there and Path(there).is_dir():
        try:
            shutil.copytree(there, root, symlinks=True, dirs_exist_ok=True)
        except OSError:  # shutil.Error is one of them; what is copied so far is collected again.
            shutil.rmtree(root, ignore_errors=True)
        else:
            return mark, True
    manifest = root / _manifest_name()
    committed = _paths(manifest) if brought else {}
    if brought:
        for file in root.rglob("*"):
            if file.is_file() and not file.is_symlink():
                with suppress(OSError):
                    os.utime(file, (0, 0))  # Older than any original.
    call_command("collectstatic", interactive=False, verbosity=0)
    if committed:
        _complete(manifest, committed)
    return mark, False


def _storage() -> Any:
    from django.contrib.staticfiles.storage import staticfiles_storage

    return staticfiles_storage


def _manifest_name() -> str:
    with suppress(Exception):
        return str(_storage().manifest_name)
    return "staticfiles.json"


def _paths(manifest: Path) -> dict[str, str]:
    with suppress(OSError, ValueError, TypeError, KeyError):
        return dict(json.loads(manifest.read_text(encoding="utf-8"))["paths"])
    return {}


def _complete(manifest: Path, committed: Mapping[str, str]) -> None:
    """Add to a new manifest the entries of the committed one whose files are there and that no finder has found."""
    found = _paths(manifest)
    missing = {
        name: hashed for name, hashed in committed.items() if name not in found and (manifest.parent / hashed).is_file()
    }
    if not missing:
        return
    content = json.loads(manifest.read_text(encoding="utf-8"))
    content["paths"] = {**missing, **found}
    manifest.write_text(json.dumps(content), encoding="utf-8")


def fingerprint(packages: str | None) -> str:
    """A checksum of everything that static files are collected from; empty if that cannot be told.

    The content of all files that are found, the packages that process them, and the settings that these read. The
    environment is no part of it, nor is the source: a deploy that changes neither takes over what is collected.
    """
    try:
        from django.conf import settings
        from django.contrib.staticfiles.finders import get_finders

        storage = _storage()
        kind = storage.__class__
        if packages is None or f"{kind.__module__}.{kind.__qualname__}" not in KNOWN_STORAGES:
            return ""
        digest = hashlib.sha256(f"{packages} {kind.__module__}.{kind.__qualname__}".encode())
        for name in sorted(dir(settings)):
            if name in SETTINGS or name.startswith("WHITENOISE_"):
                value = getattr(settings, name)
                if callable(value):
                    return ""
                digest.update(json.dumps([name, _steady(value)], sort_keys=True).encode())
        for name, path in _found(get_finders()):
            digest.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:32]
    except Exception:  # A finder or a storage of another kind: it is collected as ever.
        return ""


def _found(finders: Any) -> Iterator[tuple[str, Path]]:
    """The files that collectstatic would copy, by their name below STATIC_ROOT; of several, the first counts."""
    from django.apps import apps

    seen = set()
    for finder in finders:
        for path, storage in finder.list(list(apps.get_app_config("staticfiles").ignore_patterns)):
            prefix = getattr(storage, "prefix", None)
            name = os.path.join(prefix, path) if prefix else path
            if name not in seen:
                seen.add(name)
                yield name, Path(storage.path(path))


def _steady(value: Any) -> Any:
    """A value of the settings in JSON; TypeError for what has no steady form."""
    if isinstance(value, Mapping):
        return {str(key): _steady(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_steady(one) for one in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError
