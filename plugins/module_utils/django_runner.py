# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a new release in one Django process, run by the release's own Python as the site's user.

Starting Django takes longer than most of its commands. So one process reads from the settings what the deploy has to
know, then checks, collects the static files and migrates, in this order: steps that can fail without leaving a trace
come before the one that changes the database.

The job arrives as JSON on standard input. The answer goes as JSON to the file descriptor that the job names: one line
at each stage, so that even a process that is killed has told how far it got. The last line counts.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.pitcrew.django.plugins.module_utils.backup import Unsaved, backup
from ansible_collections.pitcrew.django.plugins.module_utils.migrations import Refusal, compare, migrate, pending
from ansible_collections.pitcrew.django.plugins.module_utils.public_paths import public_paths


class Objection(Exception):
    """Something that would not work in production, and its cure."""


class Answer(dict[str, Any]):
    """What is known so far, and the current stage."""

    def __init__(self, handle: int) -> None:
        super().__init__(stage="start", error=None, migrations=[], backup=None)
        self.file = os.fdopen(handle, "w", encoding="utf-8")

    def reach(self, stage: str) -> None:
        """Enter a stage, and write that down."""
        self["stage"] = stage
        self.tell()

    def tell(self) -> None:
        """Write the whole answer as one line."""
        self.file.write(json.dumps(self) + "\n")
        self.file.flush()


def url_path(url: str | None) -> str | None:
    """Return the path of a static or media URL below the site's root; None if the URL is elsewhere."""
    parts = urlsplit(url or "")
    path = parts.path.strip("/")
    return path if path and not parts.netloc else None


def link_shared(project: Path, state: Path, shared: list[str]) -> None:
    """Link files and directories that outlive a release into it; a name that ends with a slash is a directory."""
    for name in shared:
        kept, link = state / name, project / name.rstrip("/")
        if link.exists() or link.is_symlink():
            raise Objection(f"site_shared_paths: {name!r} is in the source, too; take it out of one of the two")
        (kept if name.endswith("/") else kept.parent).mkdir(parents=True, exist_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(kept)


def link_media(media_root: Path, release: Path, state: Path) -> Path:
    """Keep uploads out of the release: a media directory inside it becomes a link to one outside all releases."""
    if media_root.resolve().is_relative_to(state):
        # nginx only follows a link that has the owner of its target, so the target has to exist before the link.
        media_root.resolve().mkdir(parents=True, exist_ok=True)
        return media_root.resolve()
    if not media_root.is_relative_to(release):
        return media_root
    kept = state / "media"
    kept.mkdir(exist_ok=True)
    if media_root.exists():
        raise Objection(
            f"MEDIA_ROOT is {str(media_root)!r}, which the source brings along. Uploads cannot live inside a "
            f"release: take that directory out of the source, or set MEDIA_ROOT to {str(kept)!r}"
        )
    media_root.parent.mkdir(parents=True, exist_ok=True)
    media_root.symlink_to(kept)
    return kept


def describe(settings: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Read from the settings what nginx and the switch have to know.

    Raises Objection if the site could not work with these settings.
    """
    from django.http.request import validate_host

    release, state = Path(job["release"]).resolve(), Path(job["state"]).resolve()
    module = os.environ.get("SITE_SETTINGS_MODULE") or os.environ["DJANGO_SETTINGS_MODULE"]
    allowed = [*settings.ALLOWED_HOSTS, *(["localhost", "127.0.0.1"] if settings.DEBUG else [])]
    for domain in job["domains"]:
        if not validate_host(domain.replace("*", "any"), allowed):
            raise Objection(
                f"site_domains: {domain!r} is not among the ALLOWED_HOSTS of {module}, which are {allowed!r}. "
                "Django would answer 400 to every visitor: add it to the settings or to the environment they read"
            )
    files = {}
    for alias, database in settings.DATABASES.items():
        path = Path(str(database.get("NAME") or ":memory:"))
        in_file = database["ENGINE"].endswith("sqlite3") and ":memory:" not in str(path)
        if in_file and path.resolve().is_relative_to(release):
            raise Objection(
                f"DATABASES[{alias!r}] is the file {str(path)!r} inside the release, which the next deploy leaves "
                f"behind. Keep it in {str(state)!r} by a setting, or name it in site_shared_paths"
            )
        if in_file:
            files[f"DATABASES[{alias!r}]"] = path
    public = {}
    static_path = url_path(settings.STATIC_URL)
    collects = "django.contrib.staticfiles" in settings.INSTALLED_APPS and job["collectstatic"]
    if collects:
        if not settings.STATIC_ROOT:
            raise Objection(
                f"STATIC_ROOT is not set in {module}, so the static files cannot be collected. Set it, for example to "
                "BASE_DIR / 'static', or say site_collectstatic: false"
            )
        if static_path:
            public[static_path] = str(Path(settings.STATIC_ROOT).absolute())
    media_path = url_path(settings.MEDIA_URL)
    if settings.MEDIA_ROOT:
        kept = link_media(Path(settings.MEDIA_ROOT).absolute(), release, state)
        if media_path:
            public[media_path] = str(kept)
    try:
        public_paths(public, [release, state])
    except ValueError as error:
        raise Objection(str(error)) from None
    for directory in map(Path, public.values()):
        for name, path in {"the source": Path.cwd(), **files}.items():
            if path.resolve().is_relative_to(directory.resolve()):
                raise Objection(
                    f"{str(directory)!r} is served to everybody, and {name} is in it: give STATIC_ROOT or MEDIA_ROOT "
                    "a directory of its own, such as BASE_DIR / 'static'"
                )
    return {
        "collects": collects,
        "public": public,
        "static": static_path if collects else None,
        "media": media_path if settings.MEDIA_ROOT else None,
    }


def migrate_guarded(job: dict[str, Any], answer: Answer) -> None:
    """Migrate the database, after a backup if one is wanted and there is something to lose."""
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder

    if connection.vendor == "unknown":
        return  # A site without a database has Django's dummy backend, which does nothing.

    def stage(name: str) -> None:
        if (
            name == "migrate"
            and job["backup"]
            and pending(connection)
            and MigrationRecorder(connection).applied_migrations()
        ):
            answer.reach("backup")
            directory = Path(job["state"]) / "backups"
            answer["backup"] = str(backup(connection, directory, Path(job["release"]).name, job["backups_kept"]))
        answer.reach(name)

    answer["migrations"] = migrate(connection, job, stage)


def build(job: dict[str, Any], answer: Answer) -> None:
    """Go through the stages of a new release; the answer always names the current one."""
    import django
    from django.core.management import call_command

    answer.reach("settings")
    link_shared(Path.cwd(), Path(job["state"]), job["shared"])
    django.setup()
    from django.conf import settings

    answer["description"] = describe(settings, job)
    answer.reach("check")
    call_command("check", deploy=True)
    if answer["description"].pop("collects"):
        answer.reach("collectstatic")
        call_command("collectstatic", interactive=False, verbosity=0)
    # A database in a file is this host's own; a shared one is migrated by the leading host.
    own = all(database["ENGINE"].endswith("sqlite3") for database in settings.DATABASES.values())
    answer["description"]["migrated"] = job["migrate"] and (own or job["leads"])
    if answer["description"]["migrated"]:
        migrate_guarded(job, answer)
    answer["stage"] = "done"


def compare_migrations(job: dict[str, Any], answer: Answer) -> None:
    """Compare the migrations of the release with the database."""
    import django
    from django.db import connection

    answer.reach("settings")
    django.setup()
    answer.reach("plan")
    found = compare(connection)
    answer |= {"unknown": found.unknown, "pending": found.pending, "stage": "done"}


def main() -> None:
    """Do the job and write the answer, whatever happens."""
    job = json.load(sys.stdin)
    sys.path.insert(0, os.getcwd())
    answer = Answer(job["answer"])
    try:
        {"build": build, "compare": compare_migrations}[job["do"]](job, answer)
    except (Objection, Refusal, Unsaved) as objection:
        cause = objection.__cause__
        if cause is not None:
            traceback.print_exception(cause)
        answer["error"] = str(objection)
    except BaseException as error:  # SystemExit too: a settings module may end the process
        traceback.print_exc()
        answer["error"] = f"{type(error).__name__}: {error}"
    answer.tell()


if __name__ == "__main__":
    main()
