# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a new release in one Django process, run by the release's own Python as the site's user.

Starting Django takes longer than most of its commands. So one process reads from the settings what the deploy has to
know, then checks, collects the static files and migrates, in this order: steps that can fail without leaving a trace
come before the one that changes the database.

The job arrives as JSON on standard input. The report goes as JSON to the file descriptor that the job names: one line
at each stage, so that even a process that is killed has reported how far it got. The last line counts.
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import os
import re
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.pitcrew.django.plugins.module_utils.backup import BackupError, backup
from ansible_collections.pitcrew.django.plugins.module_utils.log_handlers import judge
from ansible_collections.pitcrew.django.plugins.module_utils.migrations import (
    MigrationRefused,
    compare,
    migrate,
    pending,
    without_migration,
)
from ansible_collections.pitcrew.django.plugins.module_utils.public_paths import public_path_complaints

GENERATED_KEY = "django-insecure-"
"""How a SECRET_KEY begins that startproject has made: it is in the source for everybody who can read that."""
ALLOWANCE = "; or site_allow_insecure_settings: true, on a host that nobody else can reach"
NEW_KEY = "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"


class SettingsRefused(Exception):
    """The project would not work in production with its settings; the report has the complaints."""


class Report(dict[str, Any]):
    """What is known so far: the current stage, and everything that is wrong with the settings.

    Each of C(complaints) is a sentence with its cure; C(inventory) has the variables that would cure them all.
    C(warnings) are no reason to refuse a release.
    """

    def __init__(self, handle: int) -> None:
        super().__init__(
            stage="start",
            error=None,
            where="",
            checks="",
            complaints=[],
            inventory={},
            warnings=[],
            migrations=[],
            demands=[],
            recorded=None,
            backup=None,
            database="",
        )
        self.file = os.fdopen(handle, "w", encoding="utf-8")

    def enter(self, stage: str) -> None:
        """Enter a stage, and write that down."""
        self["stage"] = stage
        self.write()

    def write(self) -> None:
        """Write the whole report as one line."""
        self.file.write(json.dumps(self) + "\n")
        self.file.flush()

    def complain(self, what: str, **inventory: Any) -> None:
        """Add a complaint, and variables of the inventory that would cure it; lists and mappings are merged."""
        self["complaints"].append(what)
        for name, value in inventory.items():
            known = self["inventory"].get(name)
            if isinstance(known, dict):
                value = {**known, **value}
            elif isinstance(known, list):
                value = [*known, *value]
            self["inventory"][name] = value


def url_path(url: str | None) -> str | None:
    """Return the path of a static or media URL below the site's root; None if the URL is elsewhere."""
    parts = urlsplit(url or "")
    path = parts.path.strip("/")
    return path if path and not parts.netloc else None


def link_shared(project: Path, home: Path, shared: list[str], report: Report) -> None:
    """Link files and directories that outlive a release into it; a name that ends with a slash is a directory."""
    for name in shared:
        kept, link = home / name, project / name.rstrip("/")
        if link.exists() or link.is_symlink():
            report.complain(f"site_shared_paths: {name!r} is in the source, too; remove it from one of the two")
            continue
        (kept if name.endswith("/") else kept.parent).mkdir(parents=True, exist_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(kept)


def link_media(media_root: Path, release: Path, home: Path, report: Report) -> Path:
    """Keep uploads out of the release: a media directory inside it becomes a link to one outside all releases."""
    if media_root.resolve().is_relative_to(home):
        # nginx only follows a link that has the owner of its target, so the target has to exist before the link.
        media_root.resolve().mkdir(parents=True, exist_ok=True)
        return media_root.resolve()
    if not media_root.is_relative_to(release):
        return media_root
    kept = home / "media"
    kept.mkdir(exist_ok=True)
    if media_root.exists():
        report.complain(
            f"MEDIA_ROOT is {str(media_root)!r}, a directory that the source contains. Uploads cannot be kept inside a "
            f"release: remove that directory from the source, or set site_settings: {{MEDIA_ROOT: {kept}}}",
            site_settings={"MEDIA_ROOT": str(kept)},
        )
        return kept
    media_root.parent.mkdir(parents=True, exist_ok=True)
    media_root.symlink_to(kept)
    return kept


def variable_behind(setting: str, module: str) -> str | None:
    """Return the environment variable from which the settings take a value, None if there is no telling."""
    package = module.rpartition(".")[0]
    for name, loaded in list(sys.modules.items()):
        file = getattr(loaded, "__file__", None)
        if not file or not (name == module or (package and name.startswith(f"{package}."))):
            continue
        try:
            tree = ast.parse(Path(file).read_text(encoding="utf-8"))
        except (OSError, SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            targets = node.targets if isinstance(node, ast.Assign) else []
            if any(isinstance(target, ast.Name) and target.id == setting for target in targets):
                for part in ast.walk(node.value):
                    variable = _variable_in(part)
                    if variable:
                        return variable
    return None


def _variable_in(node: ast.AST) -> str | None:
    """Return the environment variable that an expression such as C(os.environ["X"]) or C(env.bool("X")) reads."""
    if isinstance(node, ast.Call) and node.args:
        source, key = node.func, node.args[0]
    elif isinstance(node, ast.Subscript):
        source, key = node.value, node.slice
    else:
        return None
    reads = re.fullmatch(r"(?i)[\w.]*(?:env|config)[\w.]*", ast.unparse(source))
    return key.value if reads and isinstance(key, ast.Constant) and isinstance(key.value, str) else None


def check_security(settings: Any, module: str, report: Report) -> None:
    """Complain about settings that expose the site, or a key that others can guess."""
    if settings.DEBUG:
        variable = variable_behind("DEBUG", module)
        report.complain(
            f"DEBUG is True in {module}, which shows code and settings to visitors. Set site_settings: {{DEBUG: false}}"
            + (f", or the environment variable {variable}, which it is read from" if variable else "")
            + ALLOWANCE,
            site_settings={"DEBUG": False},
        )
    try:
        key = str(settings.SECRET_KEY)
    except Exception:  # Django's own, since an empty one cannot be read.
        key = ""
    if not key or key.startswith(GENERATED_KEY):
        variable = variable_behind("SECRET_KEY", module)
        what = (
            f"begins with {GENERATED_KEY}: it is the one that startproject wrote into the source" if key else "is empty"
        )
        where = {"site_secrets": {variable: ""}} if variable else {"site_secret_settings": {"SECRET_KEY": ""}}
        name, value = next(iter(where.items()))
        report.complain(
            f"SECRET_KEY in {module} {what}, so others can forge sessions. Set {name}: "
            f"{{{next(iter(value))}: ...}} to the output of {NEW_KEY}, in a file that ansible-vault encrypts"
            + ALLOWANCE,
            **{name: {next(iter(value)): f"<the output of {NEW_KEY}>"}},
        )


def check_hosts(settings: Any, module: str, domains: list[str], report: Report, debug: bool) -> None:
    """Complain about domains that Django would reject."""
    from django.http.request import validate_host

    allowed = list(settings.ALLOWED_HOSTS)
    if debug and not allowed:
        allowed = [".localhost", "127.0.0.1", "[::1]"]
    missing = [domain for domain in domains if not validate_host(domain.replace("*", "any"), allowed)]
    if not missing:
        return
    # Django's wildcard is a leading dot. What is there already, the inventory need not repeat.
    known = list(settings.ALLOWED_HOSTS)
    wanted = list(dict.fromkeys(name[name.startswith("*") :] for name in (missing if known else domains)))
    name = "ALLOWED_HOSTS+" if known else "ALLOWED_HOSTS"
    variable = variable_behind("ALLOWED_HOSTS", module)
    report.complain(
        f"ALLOWED_HOSTS in {module} is {list(settings.ALLOWED_HOSTS)!r}, so Django would return 400 to visitors of "
        f"{', '.join(missing)}. Set site_settings: {{{name}: {json.dumps(wanted)}}}"
        + (f", or the environment variable {variable}, which it is read from" if variable else ""),
        site_settings={name: wanted},
    )


def database_files(settings: Any, release: Path, home: Path, report: Report) -> dict[str, Path]:
    """Return the databases that are files, and complain about those that the next release would not have."""
    files = {}
    for alias, database in settings.DATABASES.items():
        # The default one may be empty, for a project that has none.
        path = Path(str(database.get("NAME") or ":memory:"))
        if not database.get("ENGINE", "").endswith("sqlite3") or ":memory:" in str(path):
            continue
        files[f"DATABASES[{alias!r}]"] = path
        if not path.resolve().is_relative_to(release):
            continue
        lost = f"DATABASES[{alias!r}] is the file {str(path)!r} inside the release, which the next deploy leaves behind"
        # The name in the project; not if the source has a file there, which a link would hide.
        if path.resolve().is_relative_to(Path.cwd()) and not path.exists():
            name = str(path.resolve().relative_to(Path.cwd()))
            report.complain(f"{lost}. Set site_shared_paths: [{name}]", site_shared_paths=[name])
        else:
            kept = {"ENGINE": database["ENGINE"], "NAME": str(home / path.name)}
            report.complain(
                f"{lost}, and the source may contain it. Set its NAME to {kept['NAME']!r}, by an environment variable "
                "or in site_settings: {DATABASES: ...}",
                **({"site_settings": {"DATABASES": {alias: kept}}} if len(settings.DATABASES) == 1 else {}),
            )
    return files


def check_written_files(settings: Any, release: Path, home: Path, report: Report) -> None:
    """Complain about directories inside the release that Django would write to: the site cannot."""
    written = {}
    if getattr(settings, "EMAIL_BACKEND", "").endswith("filebased.EmailBackend"):
        written["EMAIL_FILE_PATH"] = getattr(settings, "EMAIL_FILE_PATH", None)
    for alias, cache in getattr(settings, "CACHES", {}).items():
        if cache.get("BACKEND", "").endswith("FileBasedCache"):
            written[f"CACHES[{alias!r}]"] = cache.get("LOCATION")
    for setting, location in written.items():
        path = Path(str(location)).absolute()
        if not location or not path.resolve().is_relative_to(release):
            continue
        read_only = f"{setting} is {str(path)!r} inside the release, where the site cannot write"
        if path.is_relative_to(Path.cwd()) and path != Path.cwd() and not path.exists():
            name = f"{path.relative_to(Path.cwd())}/"
            report.complain(f"{read_only}. Set site_shared_paths: [{name}]", site_shared_paths=[name])
        else:
            what = "its LOCATION" if setting.startswith("CACHES") else "it"
            report.complain(
                f"{read_only}, and the source contains it. Set {what} to {str(home / path.name)!r}, by an environment "
                "variable or in site_settings"
            )


def describe(settings: Any, job: dict[str, Any], report: Report) -> dict[str, Any]:
    """Read from the settings what nginx and the switch have to know, and complain about all that would not work."""
    release, home = Path(job["release"]).resolve(), Path(job["home"]).resolve()
    module = os.environ.get("SITE_SETTINGS_MODULE") or os.environ["DJANGO_SETTINGS_MODULE"]
    check_hosts(settings, module, job["domains"], report, settings.DEBUG and job["allow_insecure"])
    if not job["allow_insecure"]:
        check_security(settings, module, report)
    files = database_files(settings, release, home, report)
    check_written_files(settings, release, home, report)
    public = {}
    static_path = url_path(settings.STATIC_URL)
    collects = "django.contrib.staticfiles" in settings.INSTALLED_APPS and job["collectstatic"]
    if collects and not settings.STATIC_ROOT:
        # Relative to the working directory, which is the project's.
        name = "static-root" if Path("staticfiles").exists() else "staticfiles"
        report.complain(
            f"STATIC_ROOT is not set in {module}, so static files cannot be collected. Set site_settings: "
            f"{{STATIC_ROOT: {name}}}, a directory inside the release; or site_collectstatic: false",
            site_settings={"STATIC_ROOT": name},
        )
    elif collects and static_path:
        public[static_path] = str(Path(settings.STATIC_ROOT).absolute())
    media_path = url_path(settings.MEDIA_URL)
    if settings.MEDIA_ROOT:
        kept = link_media(Path(settings.MEDIA_ROOT).absolute(), release, home, report)
        if media_path:
            public[media_path] = str(kept)
    for complaint in public_path_complaints(public, [release, home]):
        report.complain(complaint)
    for directory in map(Path, public.values()):
        for name, path in {"the source": Path.cwd(), **files}.items():
            if path.resolve().is_relative_to(directory.resolve()):
                report.complain(
                    f"STATIC_ROOT, MEDIA_ROOT: {str(directory)!r} is served to everybody, and {name} is in it; set a "
                    "directory with nothing else in it, such as BASE_DIR / 'static'"
                )
    return {
        "collects": collects,
        "public": public,
        "static": static_path if collects else None,
        "media": media_path if settings.MEDIA_ROOT else None,
    }


def check_middleware(middleware: list[Any], report: Report) -> None:
    """Complain about WSGI middleware that cannot be imported, or not be called as it will be when the slot starts."""
    for one in middleware:
        path, arguments = (one, {}) if isinstance(one, str) else (one["path"], one.get("arguments") or {})
        try:
            module, _dot, name = path.rpartition(".")
            found = getattr(import_module(module), name)
        except Exception as error:
            report.complain(
                f"site_wsgi_middleware: {path!r} cannot be imported: {type(error).__name__}: {error}. Correct the "
                "path, or add the package to the project's list or to site_python_packages"
            )
            continue
        if not callable(found):
            report.complain(
                f"site_wsgi_middleware: {path!r} is {found!r}, which is not callable. Name a class or a function that "
                "takes an application and returns one"
            )
            continue
        try:
            signature = inspect.signature(found)
        except (TypeError, ValueError):
            continue  # It is not written in Python; the slot's start will tell.
        try:
            signature.bind(None, **arguments)
        except TypeError as error:
            report.complain(
                f"site_wsgi_middleware: {path!r} would be called with the application and {sorted(arguments)}, but: "
                f"{error}. Its parameters are {signature}"
            )


def check_logging(job: dict[str, Any], report: Report) -> None:
    """Complain about log handlers that lose lines, or that cannot write in production."""
    release, home = Path(job["release"]).resolve(), Path(job["home"])
    complaints, warnings = judge(release, home, job["allow_lossy"])
    for complaint in complaints:
        report.complain(complaint)
    report["warnings"] += warnings


def check(report: Report) -> None:
    """Run C(manage.py check --deploy): its errors become complaints; C(checks) of the report is what it writes."""
    from django.core import checks
    from django.core.management import call_command
    from django.core.management.base import SystemCheckError

    written = io.StringIO()
    try:
        try:
            call_command("check", deploy=True, stdout=written, stderr=written)
        finally:
            sys.stdout.write(written.getvalue())
        report["checks"] = written.getvalue()
    except SystemCheckError:
        for found in checks.run_checks(include_deployment_checks=True):
            if found.is_serious() and not found.is_silenced():
                report.complain(f"manage.py check --deploy: {' '.join(str(found).split())}")
    except Exception as error:
        if not report["complaints"]:
            raise
        print_traceback(error)
        report.complain(f"manage.py check --deploy failed: {in_words(error)}")


def advise_health_path(path: str, settings: Any, report: Report) -> None:
    """Complain if the health path would fail at the next attempt: a new project has no home page without DEBUG.

    That alone is no reason to refuse a release, since middleware may respond to paths that are not among the URLs.
    """
    from django.urls import NoReverseMatch, Resolver404, resolve, reverse

    requested = urlsplit(path).path
    try:
        resolve(requested)
    except Resolver404:
        if any("LocaleMiddleware" in name for name in settings.MIDDLEWARE):
            return  # It redirects to the language of the visitor.
        with suppress(Resolver404):
            resolve(f"{requested}/")
            return
        known = ""
        with suppress(NoReverseMatch):
            known = reverse("admin:login")
        report.complain(
            f"site_health_path: {path!r} is not among the URLs of {settings.ROOT_URLCONF}, so the health check would "
            f"get 404. Set site_health_path: {known or 'a path that returns 200'}",
            **({"site_health_path": known} if known else {}),
        )
    except Exception:  # The checks have reported what is wrong with the URLs.
        return


def migrate_guarded(job: dict[str, Any], report: Report) -> None:
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
            report.enter("backup")
            directory = Path(job["home"]) / "backups"
            report["backup"] = str(backup(connection, directory, Path(job["release"]).name, job["backups_kept"]))
        report.enter(name)

    report["migrations"] = migrate(connection, job, stage, report)


def set_up(report: Report) -> None:
    """Load the settings, then the applications."""
    import django
    from django import conf

    report.enter("settings")
    with suppress(AttributeError):  # The next stage raises it again.
        conf.settings.INSTALLED_APPS  # noqa: B018
    report.enter("apps")
    django.setup()


def build(job: dict[str, Any], report: Report) -> None:
    """Go through the stages of a new release; the report always names the current one."""
    from django.core.management import call_command

    report.enter("settings")
    link_shared(Path.cwd(), Path(job["home"]), job["shared"], report)
    set_up(report)
    from django.conf import settings

    report.enter("settings")
    report["description"] = describe(settings, job, report)
    check_middleware(job["middleware"], report)
    check_logging(job, report)
    usable = not report["complaints"]
    if usable:
        report.enter("check")
    check(report)
    if not usable:
        advise_health_path(job["health_path"], settings, report)
    if report["complaints"]:
        raise SettingsRefused
    with suppress(Exception):  # It only warns: what is wrong with the migrations, the next stages report.
        report["description"]["unmigrated"] = without_migration(Path(job["release"]) / "app")
    if report["description"].pop("collects"):
        report.enter("collectstatic")
        call_command("collectstatic", interactive=False, verbosity=0)
    # A database in a file belongs to this host; one host migrates a shared one.
    own = all(database.get("ENGINE", "").endswith("sqlite3") for database in settings.DATABASES.values())
    report["description"]["migrated"] = job["migrate"] and (own or job["migrates_shared_database"])
    if report["description"]["migrated"]:
        migrate_guarded(job, report)
    report["stage"] = "done"


def compare_migrations(job: dict[str, Any], report: Report) -> None:
    """Compare the migrations of the release with the database."""
    from django.db import connection

    set_up(report)
    report.enter("plan")
    found = compare(connection)
    report |= {"unknown": found.unknown, "pending": found.pending, "stage": "done"}


def in_words(error: BaseException) -> str:
    """Write an exception in one line, without a full stop."""
    return f"{type(error).__name__}: {' '.join(str(error).split()).rstrip('.')}"


def print_traceback(error: BaseException) -> None:
    """Print the traceback of an exception, and of those that it was raised from, without the frames of this archive."""
    root = Path(__file__).parents[5]
    archive = str(root) if root.is_file() else __file__
    chain = [traceback.TracebackException.from_exception(error)]
    for one in chain:
        one.stack[:] = [frame for frame in one.stack if not frame.filename.startswith(archive)]
        chain += [other for other in (one.__cause__, one.__context__) if other]
    sys.stderr.write("".join(chain[0].format()))


def place_in_project(error: BaseException) -> str:
    """The file of the project in which an exception was raised, relative to it; empty if it was in none."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        files.append(error.filename)
    own = [file for file in files if Path(file).is_absolute() and Path(file).is_relative_to(Path.cwd())]
    return str(Path(own[-1]).relative_to(Path.cwd())) if own else ""


def main() -> None:
    """Do the job and write the report, whatever happens."""
    job = json.load(sys.stdin)
    sys.path.insert(0, os.getcwd())
    report = Report(job["report"])
    try:
        {"build": build, "compare": compare_migrations}[job["do"]](job, report)
    except SettingsRefused:
        report["stage"] = "refused"
    except (MigrationRefused, BackupError) as refusal:
        if refusal.__cause__ is not None:
            print_traceback(refusal.__cause__)
        report["error"] = str(refusal)
        report["database"] = getattr(refusal, "database", "")
    except BaseException as error:  # SystemExit too: a settings module may end the process
        print_traceback(error)
        report["error"] = in_words(error)
        report["where"] = place_in_project(error)
    report.write()


if __name__ == "__main__":
    main()
