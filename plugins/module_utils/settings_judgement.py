# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What settings say about a site in production, and everything that would not work there, each with its cure.

A build refuses a release for what is wrong.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.pitcrew.django.plugins.module_utils.log_handlers import judge
from ansible_collections.pitcrew.django.plugins.module_utils.public_paths import public_path_complaints

__all__ = ["NEW_KEY", "Findings", "advise_health_path", "describe", "judge_settings", "link_shared"]

GENERATED_KEY = "django-insecure-"
"""How a SECRET_KEY begins that startproject has made: it is in the source for everybody who can read that."""
ALLOWANCE = "; or site_allow_insecure_settings: true, on a host that nobody else can reach"
NEW_KEY = "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"


class Findings(dict[str, Any]):
    """Everything that is wrong with a project in production.

    Each of C(complaints) is a sentence with its cure; C(inventory) has the variables that would cure them all.
    C(warnings) are no reason to refuse a release, and C(proposals) has the variables that would make them go.
    """

    def __init__(self, **more: Any) -> None:
        super().__init__(complaints=[], inventory={}, warnings=[], proposals={}, **more)

    def complain(self, what: str, **inventory: Any) -> None:
        """Add a complaint, and variables of the inventory that would cure it; lists and mappings are merged."""
        self["complaints"].append(what)
        merge(self["inventory"], inventory)

    def warn(self, what: str, **inventory: Any) -> None:
        """Add a warning, and variables of the inventory that would make it go."""
        self["warnings"].append(what)
        merge(self["proposals"], inventory)


def merge(known: dict[str, Any], more: dict[str, Any]) -> None:
    """Add variables to others; lists and mappings are merged."""
    for name, value in more.items():
        if isinstance(known.get(name), dict):
            value = {**known[name], **value}
        elif isinstance(known.get(name), list):
            value = [*known[name], *(one for one in value if one not in known[name])]
        known[name] = value


def url_path(url: str | None, domains: Iterable[str] = ()) -> str | None:
    """Return the path of a static or media URL below the root of the site; None if the URL is elsewhere."""
    parts = urlsplit(url or "")
    path = parts.path.strip("/")
    return path if path and (not parts.netloc or is_among(parts.hostname or "", domains)) else None


def is_among(host: str, domains: Iterable[str]) -> bool:
    """Whether a host is one of the site's, which may have wildcards."""
    return any(host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in domains)


def link_shared(project: Path, home: Path, shared: list[str], findings: Findings) -> None:
    """Link files and directories that outlive a release into it; a name that ends with a slash is a directory."""
    for name in shared:
        kept, link = home / name, project / name.rstrip("/")
        if link.exists() or link.is_symlink():
            findings.complain(f"site_shared_paths: {name!r} is in the source, too; remove it from one of the two")
            continue
        (kept if name.endswith("/") else kept.parent).mkdir(parents=True, exist_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(kept)


def link_media(media_root: Path, release: Path, home: Path, findings: Findings) -> Path:
    """Keep uploads out of the release: a media directory inside it becomes a link to one outside all releases."""
    if media_root.resolve().is_relative_to(home):
        # nginx only follows a link that has the owner of its target, so the target has to exist before the link.
        media_root.resolve().mkdir(parents=True, exist_ok=True)
        return media_root.resolve()
    if not media_root.is_relative_to(release):
        return media_root
    kept = home / "media"
    if not media_root.is_relative_to(release / "app"):
        findings.complain(
            f"MEDIA_ROOT is {str(media_root)!r}, beside the source, where a release has no uploads and the site cannot "
            f"write. Set site_settings: {{MEDIA_ROOT: {kept}}}",
            site_settings={"MEDIA_ROOT": str(kept)},
        )
        return kept
    if media_root.exists():
        findings.complain(
            f"MEDIA_ROOT is {str(media_root)!r}, a directory that the source contains. Uploads cannot be kept inside a "
            f"release: remove that directory from the source, or set site_settings: {{MEDIA_ROOT: {kept}}}",
            site_settings={"MEDIA_ROOT": str(kept)},
        )
        return kept
    kept.mkdir(exist_ok=True)
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


def check_security(settings: Any, module: str, findings: Findings) -> None:
    """Complain about settings that expose the site, or a key that others can guess."""
    if settings.DEBUG:
        variable = variable_behind("DEBUG", module)
        findings.complain(
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
        findings.complain(
            f"SECRET_KEY in {module} {what}, so others can forge sessions. Set {name}: "
            f"{{{next(iter(value))}: ...}} to the output of {NEW_KEY}, in a file that ansible-vault encrypts"
            + ALLOWANCE,
            **{name: {next(iter(value)): f"<the output of {NEW_KEY}>"}},
        )


def check_hosts(settings: Any, module: str, domains: list[str], findings: Findings, debug: bool) -> None:
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
    findings.complain(
        f"ALLOWED_HOSTS in {module} is {list(settings.ALLOWED_HOSTS)!r}, so Django would return 400 to visitors of "
        f"{', '.join(missing)}. Set site_settings: {{{name}: {json.dumps(wanted)}}}"
        + (f", or the environment variable {variable}, which it is read from" if variable else ""),
        site_settings={name: wanted},
    )


def database_files(settings: Any, release: Path, home: Path, findings: Findings) -> dict[str, Path]:
    """Return the databases that are files, and complain about those that the next release would not have."""
    files = {}
    # An override replaces the whole mapping, and no password of a server is shown.
    in_files = all(database.get("ENGINE", "").endswith("sqlite3") for database in settings.DATABASES.values())
    for alias, database in settings.DATABASES.items():
        # The default one may be empty, for a project that has none.
        path = Path(str(database.get("NAME") or ":memory:"))
        if not database.get("ENGINE", "").endswith("sqlite3") or ":memory:" in str(path):
            continue
        files[f"DATABASES[{alias!r}]"] = path
        if not path.resolve().is_relative_to(release):
            if not path.resolve().is_relative_to(home):
                findings.warn(
                    f"DATABASES[{alias!r}] is the file {str(path)!r}, and the site's processes can write only below "
                    f"{str(home)!r}. Set its NAME to a file there, or allow its directory: ReadWritePaths= in a "
                    "drop-in of the site's unit"
                )
            continue
        lost = f"DATABASES[{alias!r}] is the file {str(path)!r} inside the release, which the next deploy leaves behind"
        # The name in the project; not if the source has a file there, which a link would hide.
        if path.resolve().is_relative_to(Path.cwd()) and not path.exists():
            name = str(path.resolve().relative_to(Path.cwd()))
            findings.complain(f"{lost}. Set site_shared_paths: [{name}]", site_shared_paths=[name])
        else:
            findings.complain(
                f"{lost}, and the source may contain it. Set its NAME to {str(home / path.name)!r}, by an environment "
                "variable or in site_settings: {DATABASES: ...}",
                **({"site_settings": {"DATABASES": _kept_databases(settings, release, home)}} if in_files else {}),
            )
    return files


def _kept_databases(settings: Any, release: Path, home: Path) -> dict[str, dict[str, str]]:
    """The databases in files, each where it outlives a release."""
    kept = {}
    for alias, database in settings.DATABASES.items():
        path = Path(str(database.get("NAME") or ":memory:"))
        inside = ":memory:" not in str(path) and path.resolve().is_relative_to(release)
        kept[alias] = {"ENGINE": database["ENGINE"], "NAME": str(home / path.name if inside else path)}
    return kept


def check_written_files(settings: Any, release: Path, home: Path, findings: Findings) -> None:
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
            findings.complain(f"{read_only}. Set site_shared_paths: [{name}]", site_shared_paths=[name])
        else:
            what = "its LOCATION" if setting.startswith("CACHES") else "it"
            findings.complain(
                f"{read_only}, and the source contains it. Set {what} to {str(home / path.name)!r}, by an environment "
                "variable or in site_settings"
            )


def settings_module() -> str:
    """The project's own settings module, whether or not the inventory overrides some of them."""
    return os.environ.get("SITE_SETTINGS_MODULE") or os.environ["DJANGO_SETTINGS_MODULE"]


def describe(settings: Any, job: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """Read from the settings what nginx and the switch have to know, and complain about all that would not work."""
    release, home = Path(job["release"]).resolve(), Path(job["home"]).resolve()
    module, domains = settings_module(), job["domains"]
    check_hosts(settings, module, domains, findings, settings.DEBUG and job["allow_insecure"])
    if not job["allow_insecure"]:
        check_security(settings, module, findings)
    files = database_files(settings, release, home, findings)
    check_written_files(settings, release, home, findings)
    public = {}
    collects = "django.contrib.staticfiles" in settings.INSTALLED_APPS and job["collectstatic"]
    static_path = None
    if collects and are_files("staticfiles"):
        static_path = served_path("STATIC_URL", settings.STATIC_URL, domains, findings)
        if not check_static_root(settings, module, release, home, findings):
            static_path = None
        elif static_path:
            public[static_path] = str(Path(settings.STATIC_ROOT).absolute())
    media_path = None
    if settings.MEDIA_ROOT and are_files("default"):
        kept = link_media(Path(settings.MEDIA_ROOT).absolute(), release, home, findings)
        media_path = served_path("MEDIA_URL", settings.MEDIA_URL, domains, findings)
        if media_path:
            public[media_path] = str(kept)
        elif not kept.resolve().is_relative_to(home):
            findings.warn(
                f"MEDIA_ROOT is {str(kept)!r}, and the site's processes can write only below {str(home)!r}: set "
                f"site_settings: {{MEDIA_ROOT: {home / 'media'}}}, or allow it: ReadWritePaths= in a drop-in of the "
                "site's unit",
                site_settings={"MEDIA_ROOT": str(home / "media")},
            )
    for complaint in public_path_complaints(public, [release, home]):
        findings.complain(complaint)
    for directory in map(Path, public.values()):
        for name, path in {"the source": Path.cwd(), **files}.items():
            if path.resolve().is_relative_to(directory.resolve()):
                findings.complain(
                    f"STATIC_ROOT, MEDIA_ROOT: {str(directory)!r} is served to everybody, and {name} is in it; set a "
                    "directory with nothing else in it, such as BASE_DIR / 'static'"
                )
    return {"collects": collects, "public": public, "static": static_path, "media": media_path}


def served_path(setting: str, url: str | None, domains: list[str], findings: Findings) -> str | None:
    """Return the path below which the site serves files; complain, or say, where it cannot.

    A URL on one of the site's domains is served there, and on its other domains.
    """
    parts = urlsplit(url or "")
    path = url_path(url, domains)
    if path or not parts.netloc:
        return path
    if is_among(parts.hostname or "", domains):
        cured = f"{parts.scheme or 'https'}://{parts.netloc}/{setting.partition('_')[0].lower()}/"
        findings.complain(
            f"{setting} is {url!r}, the whole of a host that the site serves pages on. Set site_settings: "
            f"{{{setting}: {cured}}}",
            site_settings={setting: cured},
        )
    else:
        findings.warn(
            f"{setting} is {url!r}, on a host that is not among site_domains: this host does not serve these files, "
            "and whoever serves them has to have them. To serve them here, add that host to site_domains, or set "
            f"site_settings: {{{setting}: /{setting.partition('_')[0].lower()}/}}"
        )
    return None


def are_files(storage: str) -> bool:
    """Whether a storage, C(staticfiles) or C(default), keeps what it has in a directory, and not in a bucket."""
    try:
        from django.contrib.staticfiles.storage import staticfiles_storage
        from django.core.files.storage import FileSystemStorage, default_storage

        return isinstance(staticfiles_storage if storage == "staticfiles" else default_storage, FileSystemStorage)
    except Exception:  # Whoever uses it will raise it again.
        return True


def check_static_root(settings: Any, module: str, release: Path, home: Path, findings: Findings) -> bool:
    """Complain about a STATIC_ROOT that is not the release's own; return whether it can be collected into."""
    # A name relative to the working directory, which is the project's.
    name = "static-root" if Path("staticfiles").exists() else "staticfiles"
    cure = f"Set site_settings: {{STATIC_ROOT: {name}}}, a directory inside the release"
    if not settings.STATIC_ROOT:
        findings.complain(
            f"STATIC_ROOT is not set in {module}, so static files cannot be collected. {cure}; or "
            "site_collectstatic: false",
            site_settings={"STATIC_ROOT": name},
        )
        return False
    root = Path(settings.STATIC_ROOT).absolute()
    real = root.resolve()
    # Path.exists raises an exception for what nobody may look at.
    existing = next(parent for parent in (real, *real.parents) if os.path.exists(parent))
    if real.is_relative_to(home):
        why = "which all releases share: one that is refused would overwrite the files of the one that serves"
        if root.is_relative_to(release):
            why += ". Remove it from site_shared_paths"
            cure = "Static files are collected for each release"
    elif real.is_relative_to(Path(sys.prefix).resolve()):
        why = "among the packages, which releases share and nobody can change"
    elif real.is_relative_to(release) and not real.is_relative_to(release / "app"):
        why = "beside the source, where the site's user cannot write"
    elif not real.is_relative_to(release) and not os.access(existing, os.W_OK):
        why = f"where the site's user cannot write ({str(existing)!r} belongs to others)"
    else:
        return True
    inventory = {} if root.is_relative_to(release) and real.is_relative_to(home) else {"STATIC_ROOT": name}
    findings.complain(
        f"STATIC_ROOT is {str(root)!r}, {why}. {cure}", **({"site_settings": inventory} if inventory else {})
    )
    return False


def judge_settings(settings: Any, job: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """Judge everything that can be judged by the settings alone, and describe the release."""
    description = describe(settings, job, findings)
    check_middleware(job["middleware"], findings)
    check_logging(job, findings)
    check_caches(settings, job.get("workers") or 0, findings)
    check_proxy_header(settings, findings)
    check_uploads(settings, Path(job["home"]), findings)
    check_other_databases(settings, job, findings)
    return description


LOCAL_MEMORY = "django.core.cache.backends.locmem.LocMemCache"


def check_caches(settings: Any, workers: int, findings: Findings) -> None:
    """Warn of caches that each worker process has for itself. C(workers) is their number; 0 if it is not known."""
    caches = getattr(settings, "CACHES", {})
    local = [alias for alias, cache in caches.items() if cache.get("BACKEND") == LOCAL_MEMORY]
    processes = f"each of the {workers} worker processes" if workers else "each worker process"
    cure = (
        "Use Redis, Memcached, or Django's DatabaseCache with site_release_commands: [createcachetable]; "
        "site_services: [redis] installs Redis and sets REDIS_URL"
    )
    engine = getattr(settings, "SESSION_ENGINE", "")
    sessions = getattr(settings, "SESSION_CACHE_ALIAS", "default")
    cached = ("django.contrib.sessions.backends.cache", "django.contrib.sessions.backends.cached_db")
    if engine in cached and sessions in local:
        lost = "are lost" if engine == cached[0] else "are outdated"
        findings.warn(
            f"SESSION_ENGINE is {engine!r}, and CACHES[{sessions!r}] is LocMemCache, which {processes} has for "
            f"itself: sessions {lost} whenever another process answers. {cure}; or set site_settings: "
            "{SESSION_ENGINE: django.contrib.sessions.backends.db}",
            site_settings={"SESSION_ENGINE": "django.contrib.sessions.backends.db"},
        )
        local.remove(sessions)
    # Django's default is no decision of the project.
    if caches == {"default": {"BACKEND": LOCAL_MEMORY}} or workers == 1:
        return
    for alias in local:
        findings.warn(
            f"CACHES[{alias!r}] is LocMemCache, which {processes} has for itself: a value that one deletes or counts, "
            f"the others still have. {cure}"
        )


def check_proxy_header(settings: Any, findings: Findings) -> None:
    """Warn of a SECURE_PROXY_SSL_HEADER with which Django takes requests for what they are not."""
    header = getattr(settings, "SECURE_PROXY_SSL_HEADER", None)
    if header is None or (isinstance(header, (list, tuple)) and tuple(header) == ("HTTP_X_FORWARDED_PROTO", "https")):
        return  # Without it, the server tells Django the scheme.
    why = "nginx removes that header from requests or leaves it to visitors, who could claim anything"
    if not isinstance(header, (list, tuple)) or len(header) != 2:
        why = "Django needs the name of a header and its value"
    elif header[0] == "HTTP_X_FORWARDED_PROTO":
        why = f"nginx sets that header to https, and never to {header[1]!r}, so Django takes every request for http"
    wanted = ["HTTP_X_FORWARDED_PROTO", "https"]
    findings.warn(
        f"SECURE_PROXY_SSL_HEADER is {header!r}: {why}. Set site_settings: {{SECURE_PROXY_SSL_HEADER: "
        f"{json.dumps(wanted)}}}",
        site_settings={"SECURE_PROXY_SSL_HEADER": wanted},
    )


def check_uploads(settings: Any, home: Path, findings: Findings) -> None:
    """Warn of models with files where MEDIA_ROOT is not set: uploads would go beside the code."""
    if settings.MEDIA_ROOT:
        return
    try:
        from django.apps import apps
        from django.core.files.storage import FileSystemStorage
        from django.db.models import FileField

        fields = [
            f"{model._meta.label}.{field.name}"
            for model in apps.get_models()
            for field in model._meta.get_fields()
            if isinstance(field, FileField)
            # A storage of their own has a place of its own.
            and isinstance(field.storage, FileSystemStorage)
            and not getattr(field.storage, "_location", None)
        ]
    except Exception:  # The models are not the subject here.
        return
    if fields:
        kept = home / "media"
        url = {} if getattr(settings, "MEDIA_URL", "") not in ("", "/") else {"MEDIA_URL": "/media/"}
        wanted = {"MEDIA_ROOT": str(kept), **url}
        findings.warn(
            f"MEDIA_ROOT is not set, and {', '.join(sorted(fields)[:3])} {'keeps' if len(fields) == 1 else 'keep'} "
            f"uploads in files, which the site could write nowhere. Set site_settings: {json.dumps(wanted)}",
            site_settings=wanted,
        )


def check_other_databases(settings: Any, job: dict[str, Any], findings: Findings) -> None:
    """Warn of databases that nothing migrates: C(manage.py migrate) migrates one, the default."""
    others = [alias for alias in settings.DATABASES if alias != "default"]
    if not others or not job.get("migrate"):
        return
    words = [command["words"] for command in job.get("commands", [])]
    try:
        from django.apps import apps
        from django.db import router

        # Only what has tables of its own: a replica has those of the default database.
        unmigrated = [
            alias
            for alias in others
            if ["migrate", f"--database={alias}"] not in words
            and ["migrate", "--database", alias] not in words
            and any(
                router.allow_migrate_model(alias, model) and not router.allow_migrate_model("default", model)
                for model in apps.get_models()
                if model._meta.managed and not model._meta.proxy
            )
        ]
    except Exception:  # The models are not the subject here.
        return
    for alias in unmigrated:
        command = f"migrate --database={alias}"
        findings.warn(
            f"DATABASES[{alias!r}] has tables of its own, and a deploy migrates the default database. Set "
            f'site_release_commands: ["{command}"]',
            site_release_commands=[command],
        )


def check_middleware(middleware: list[Any], findings: Findings) -> None:
    """Complain about WSGI middleware that cannot be imported, or not be called as it will be when the slot starts."""
    for one in middleware:
        path, arguments = (one, {}) if isinstance(one, str) else (one["path"], one.get("arguments") or {})
        try:
            module, _dot, name = path.rpartition(".")
            found = getattr(import_module(module), name)
        except Exception as error:
            findings.complain(
                f"site_wsgi_middleware: {path!r} cannot be imported: {type(error).__name__}: {error}. Correct the "
                "path, or add the package to the project's list or to site_python_packages"
            )
            continue
        if not callable(found):
            findings.complain(
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
            findings.complain(
                f"site_wsgi_middleware: {path!r} would be called with the application and {sorted(arguments)}, but: "
                f"{error}. Its parameters are {signature}"
            )


def check_logging(job: dict[str, Any], findings: Findings) -> None:
    """Complain about log handlers that lose lines, or that cannot write in production."""
    release, home = Path(job["release"]).resolve(), Path(job["home"])
    complaints, warnings, shared = judge(release, home, job["allow_lossy"])
    for complaint in complaints:
        findings.complain(complaint)
    if shared:
        merge(findings["inventory"], {"site_shared_paths": shared})
    findings["warnings"] += warnings


def advise_health_path(path: str, settings: Any, findings: Findings) -> None:
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
        findings.complain(
            f"site_health_path: {path!r} is not among the URLs of {settings.ROOT_URLCONF}, so the health check would "
            f"get 404. Set site_health_path: {known or 'a path that returns 200'}",
            **({"site_health_path": known} if known else {}),
        )
    except Exception:  # The checks have reported what is wrong with the URLs.
        return
