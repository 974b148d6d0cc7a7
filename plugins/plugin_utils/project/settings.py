# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the settings mean for production: each rule proposes what to override, or names what a deploy would."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .environment import POSTGRES, Proposed, Site, written_directories
from .evaluation import Evaluation
from .findings import CERTAIN, GUESS, NOTE, QUESTION, Finding, fill_in, key_command
from .lists import Lists
from .tree import Tree, joined
from .values import APP, RELEASE, UNKNOWN, Scope, in_source, inside_release, known

__all__ = ["Settings", "judge_settings"]

GENERATED_KEY: Final = "django-insecure-"
HEADER: Final = ["HTTP_X_FORWARDED_PROTO", "https"]
LOCAL_HOSTS: Final = (
    "localhost", "127.0.0.1", "0.0.0.0", "[::1]", "::1", "testserver", "*", "web", "webserver", "django",
)  # fmt: skip
LOSSY: Final = ("RotatingFileHandler", "TimedRotatingFileHandler")
STDERR_LOGGING: Final[Mapping[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}

Rule = Callable[["Settings"], Iterator[Finding]]
RULES: list[Rule] = []


@dataclass(frozen=True)
class Settings:
    """The settings under the proposed environment, and what is known about their source."""

    tree: Tree
    project: str
    module: str
    site: Site
    evaluation: Evaluation
    scope: Scope
    proposed: Proposed
    lists: Lists | None

    def get(self, name: str, default: Any = None) -> Any:
        """Return a setting; the default if the project does not define it, UNKNOWN if its value cannot be told."""
        return self.scope.get(name) if self.scope.knows(name) else default

    def finding(self, variable: str, value: Any, reason: str, setting: str, certainty: str = CERTAIN) -> Finding:
        """Return a finding whose place is that of a setting."""
        if certainty == CERTAIN and setting in self.scope.conditional:
            certainty = GUESS
        return Finding(variable, value, reason, self.scope.places.get(setting), certainty)

    def path(self, value: Any) -> Any:
        """Return a path as it will be: a relative one is in the working directory, which is the project's."""
        if isinstance(value, str) and "@state@" in value:
            return value[value.index("@state@") :]
        if isinstance(value, str) and value and not value.startswith("/"):
            return f"{APP}/{joined(self.project, value)}"
        return value

    def inside_project(self, path: Any) -> str | None:
        """Return a path relative to the project; None if it is not in it."""
        name = in_source(path)
        if name is None:
            return None
        if not self.project:
            return name or None
        return name[len(self.project) + 1 :] if name.startswith(f"{self.project}/") else None


def judge_settings(settings: Settings) -> Iterator[Finding]:
    """Return what follows from all rules."""
    for rule in RULES:
        yield from rule(settings)


def rule(function: Rule) -> Rule:
    """Make a function one of the rules."""
    RULES.append(function)
    return function


@rule
def _debug(settings: Settings) -> Iterator[Finding]:
    debug = settings.get("DEBUG", False)
    if debug is True:
        yield settings.finding("site_settings", {"DEBUG": False}, "DEBUG is True in the source", "DEBUG")
    elif debug is UNKNOWN:
        reason = "DEBUG cannot be told from the source"
        yield settings.finding("site_settings", {"DEBUG": False}, reason, "DEBUG", GUESS)


@rule
def _secret_key(settings: Settings) -> Iterator[Finding]:
    key = settings.get("SECRET_KEY", "")
    value = {"SECRET_KEY": fill_in(f"the output of {key_command()}")}
    if key == UNKNOWN:
        if not any("SECRET_KEY" in name for name in settings.proposed.values):
            reason = "SECRET_KEY cannot be told from the source; leave this out if it is a secret that stays the same"
            yield settings.finding("site_secret_settings", value, reason, "SECRET_KEY", GUESS)
    else:
        given = set(settings.scope.reads.get("SECRET_KEY", ())) & set(settings.proposed.values)
        if given and key and not str(key).startswith(GENERATED_KEY):
            return
        what = "is the one that startproject made" if str(key).startswith(GENERATED_KEY) else (
            "is written in the source, for all who can read that" if key else "is not set"
        )  # fmt: skip
        yield settings.finding("site_secret_settings", value, f"SECRET_KEY {what}", "SECRET_KEY")


@rule
def _hosts(settings: Settings) -> Iterator[Finding]:
    hosts, domain = settings.get("ALLOWED_HOSTS", []), settings.site.domain
    if not isinstance(hosts, list):
        reason = "ALLOWED_HOSTS cannot be told from the source; leave this out if the domain is among them"
        yield settings.finding("site_settings", {"ALLOWED_HOSTS": [domain]}, reason, "ALLOWED_HOSTS", GUESS)
        return
    if "*" in hosts:
        reason = "ALLOWED_HOSTS allows every host; nginx passes on only those of site_domains"
        yield settings.finding("", None, reason, "ALLOWED_HOSTS", NOTE)
        return
    if any(host == domain or (str(host).startswith(".") and f".{domain}".endswith(str(host))) for host in hosts):
        return
    name = "ALLOWED_HOSTS+" if hosts else "ALLOWED_HOSTS"
    certainty = CERTAIN if known(hosts) else GUESS
    reason = "Django returns 400 for hosts that are not in ALLOWED_HOSTS"
    yield settings.finding("site_settings", {name: [domain]}, reason, "ALLOWED_HOSTS", certainty)


@rule
def _static_root(settings: Settings) -> Iterator[Finding]:
    apps = settings.get("INSTALLED_APPS", [])
    if isinstance(apps, list) and "django.contrib.staticfiles" not in apps and known(apps):
        return
    root = settings.path(settings.get("STATIC_ROOT", ""))
    if not root:
        name = "static-root" if settings.tree.has(joined(settings.project, "staticfiles")) else "staticfiles"
        reason = "STATIC_ROOT is not set; this directory is in the release, below the project's"
        yield settings.finding("site_settings", {"STATIC_ROOT": name}, reason, "STATIC_ROOT")
    elif isinstance(root, str) and not inside_release(root):
        reason = f"STATIC_ROOT is {root!r}, which is not in the release: each release has files of its own"
        yield settings.finding("site_settings", {"STATIC_ROOT": "staticfiles"}, reason, "STATIC_ROOT")
    elif inside_release(root) and in_source(root) is None and root != RELEASE:
        reason = "STATIC_ROOT is beside the source's directory; this one is in it"
        yield settings.finding("site_settings", {"STATIC_ROOT": "staticfiles"}, reason, "STATIC_ROOT")
    elif (inside := in_source(root)) is not None:
        yield from _static_root_has_sources(settings, inside)


def _static_root_has_sources(settings: Settings, name: str) -> Iterator[Finding]:
    """Look whether static files would be collected onto files of the source."""
    sources = settings.get("STATICFILES_DIRS", [])
    listed = sources if isinstance(sources, list) else []
    directories = [settings.path(one[1] if isinstance(one, list) else one) for one in listed]
    below = [one for one in settings.tree.below(name) if not posixpath.basename(one).startswith(".")]
    if any(one.endswith(("/staticfiles.json", "/admin/css/base.css")) for one in below):
        return  # What has been collected is in the source.
    if f"{APP}/{name}" in directories:
        reason = "STATIC_ROOT is also in STATICFILES_DIRS, which Django's checks refuse"
    elif below:
        reason = f"STATIC_ROOT has files of the source, such as {below[0]}, which would be mixed with collected ones"
    else:
        return
    other = "static-root" if settings.tree.has(joined(settings.project, "staticfiles")) else "staticfiles"
    yield settings.finding("site_settings", {"STATIC_ROOT": other}, reason, "STATIC_ROOT", GUESS)
    if f"{APP}/{name}" not in directories:
        # They are served today because they lie there already.
        reason = "its files are collected from there instead"
        value = {"STATICFILES_DIRS+": [f"@release@/app/{name}"]}
        yield settings.finding("site_settings", value, reason, "STATIC_ROOT", GUESS)


@rule
def _media_root(settings: Settings) -> Iterator[Finding]:
    root = settings.path(settings.get("MEDIA_ROOT", ""))
    if not root or root is UNKNOWN:
        return
    kept = f"{settings.site.state}/media"
    if not inside_release(root):
        reason = f"MEDIA_ROOT is {root!r}, where the site cannot write"
        yield settings.finding("site_settings", {"MEDIA_ROOT": kept}, reason, "MEDIA_ROOT", GUESS)
        return
    name = in_source(root)
    if name is None or settings.tree.has(name):
        what = "is beside the source in the release" if name is None else "has files of the source"
        reason = f"MEDIA_ROOT {what}: uploads are kept in the site's state directory, so that they outlive a release"
        yield settings.finding("site_settings", {"MEDIA_ROOT": kept}, reason, "MEDIA_ROOT")
    else:
        yield settings.finding(
            "", None, f"MEDIA_ROOT ({name}) is inside the release: a deploy links it to the site's state directory",
            "MEDIA_ROOT", NOTE,
        )  # fmt: skip


@rule
def _urls(settings: Settings) -> Iterator[Finding]:
    for setting in ("STATIC_URL", "MEDIA_URL"):
        url = settings.get(setting, "")
        match = re.match(r"(?:https?:)?//([^/]+)(/.*)?", url) if isinstance(url, str) else None
        if not match:
            continue
        path = match[2] or f"/{setting.partition('_')[0].lower()}/"
        if re.match(r"localhost|127\.", match[1]):
            reason = f"{setting} is {url!r}, which visitors cannot reach"
            yield settings.finding("site_settings", {setting: path}, reason, setting)
        elif match[1].partition(":")[0] != settings.site.domain:
            yield settings.finding(
                "", None, f"{setting} is on the host {match[1]}: add it to site_domains to have it served here",
                setting, QUESTION,
            )  # fmt: skip


@rule
def _databases(settings: Settings) -> Iterator[Finding]:
    databases = settings.get("DATABASES", {})
    if not isinstance(databases, dict):
        if settings.scope.knows("DATABASES"):
            yield settings.finding("", None, "DATABASES cannot be told from the source: which database is it?",
                                   "DATABASES", QUESTION)  # fmt: skip
        return
    for alias, database in databases.items():
        if not isinstance(database, dict) or not isinstance(database.get("ENGINE"), str):
            continue
        engine = database["ENGINE"].rpartition(".")[2]
        if engine in ("sqlite3", "spatialite"):
            yield from _sqlite(settings, str(alias), database, len(databases))
        elif alias == "default" and engine in ("postgresql", "postgis"):
            yield from _fixed_postgres(settings, database, len(databases))
        elif alias != "default":
            reason = f"There is a second database, {alias!r} ({engine}): it has to exist, too"
            yield settings.finding("", None, reason, "DATABASES", QUESTION)
        elif engine == "mysql":
            yield settings.finding(
                "", None, "The database is MySQL: it has to exist, and the settings have to know user and password",
                "DATABASES", QUESTION,
            )  # fmt: skip


def _sqlite(settings: Settings, alias: str, database: Mapping[str, Any], count: int) -> Iterator[Finding]:
    path = settings.path(database.get("NAME") or ":memory:")
    if not isinstance(path, str) or ":memory:" in path or path.startswith(settings.site.state) or "/@state@/" in path:
        return
    if not inside_release(path):
        if path.startswith("/") and not path.startswith(f"/var/lib/{settings.site.name}/"):
            kept = {"ENGINE": database["ENGINE"], "NAME": f"{settings.site.state}/{posixpath.basename(path)}"}
            reason = f"the SQLite file {path} is outside of the release and of the site's state directory"
            yield settings.finding("site_settings", {"DATABASES": {alias: kept}}, reason, "DATABASES", GUESS)
        return
    name, source = settings.inside_project(path), in_source(path)
    if name is not None and source is not None and not settings.tree.has(source):
        reason = f"the SQLite file of the database {alias!r} is inside the release, which the next deploy leaves behind"
        directory = posixpath.dirname(name)
        # A directory of its own may get more than this file.
        whole = directory and not settings.tree.has(posixpath.dirname(source))
        yield settings.finding("site_shared_paths", [f"{directory}/" if whole else name], reason, "DATABASES")
    elif count == 1:
        kept = {"ENGINE": database["ENGINE"], "NAME": f"{settings.site.state}/{posixpath.basename(path)}"}
        what = "the source contains the SQLite file, and" if source and settings.tree.has(source) else "the SQLite file"
        reason = f"{what} would stay in the old release: it belongs in the site's state directory"
        yield settings.finding("site_settings", {"DATABASES": {alias: kept}}, reason, "DATABASES")
    else:
        file = posixpath.basename(path)
        reason = f"the SQLite file {file} of the database {alias!r} is in the source: where shall it go?"
        yield settings.finding("", None, reason, "DATABASES", QUESTION)


def _fixed_postgres(settings: Settings, database: Mapping[str, Any], count: int) -> Iterator[Finding]:
    """Replace a database that the source fixes: the socket on the same host needs no password."""
    given = {name for name in settings.proposed.values if re.search("DATABASE|DB|POSTGRES|PG", name)}
    reads = set(settings.scope.reads.get("DATABASES", ()))
    if reads & set(settings.proposed.values) or (given & reads) or not known(database.get("NAME")):
        return
    if count > 1 or reads:
        where = f"{database.get('NAME')!r} on {database.get('HOST') or 'its socket'}"
        reason = f"The database is PostgreSQL, {where}: it has to exist, and accept the user that the settings name"
        yield settings.finding("", None, reason, "DATABASES", QUESTION)
        return
    kept = {"ENGINE": database["ENGINE"], "NAME": settings.site.name}
    reason = f"the source fixes the database ({database.get('NAME')}); this is one on the same host, over its socket"
    yield settings.finding("site_settings", {"DATABASES": {"default": kept}}, reason, "DATABASES", GUESS)
    reason = "installs the database's server on the host; leave it out if there is one"
    yield settings.finding("site_services", ["postgresql"], reason, "DATABASES", GUESS)


@rule
def _drivers(settings: Settings) -> Iterator[Finding]:
    databases = settings.get("DATABASES", {})
    default = databases.get("default") if isinstance(databases, dict) else None
    engine = str(default.get("ENGINE", "")) if isinstance(default, dict) else ""
    if settings.lists and re.search(r"postg(res|is)", engine) and not settings.lists.has(*POSTGRES):
        reason = "the database is PostgreSQL, and no driver for it is among the packages"
        yield settings.finding("site_python_packages", ["psycopg[binary]"], reason, "DATABASES")
    apps = settings.get("INSTALLED_APPS", [])
    if isinstance(apps, list) and "django.contrib.gis" in apps:
        reason = "django.contrib.gis loads GDAL and what comes with it"
        yield settings.finding("site_system_packages", ["gdal-bin"], reason, "INSTALLED_APPS")


@rule
def _logging(settings: Settings) -> Iterator[Finding]:
    config = settings.get("LOGGING", {})
    handlers = config.get("handlers") if isinstance(config, dict) else None
    for name, handler in (handlers or {}).items() if isinstance(handlers, dict) else ():
        kind = str(handler.get("class", "")) if isinstance(handler, dict) else ""
        path = settings.path(handler.get("filename")) if isinstance(handler, dict) else None
        if "File" not in kind or not isinstance(path, str):
            continue
        lossy = kind.rpartition(".")[2] in LOSSY and (
            handler.get("backupCount", 0) != 0 or kind.endswith("TimedRotatingFileHandler")
        )
        if lossy:
            own = f"each process rotates {posixpath.basename(path)}"
            reason = f"the handler {name!r} ({kind.rpartition('.')[2]}) loses lines, since {own}"
        elif inside_release(path):
            inside, source = settings.inside_project(path), in_source(path)
            directory = posixpath.dirname(inside or "")
            free = inside is not None and source is not None and not settings.tree.has(posixpath.dirname(source))
            shown = inside or posixpath.basename(path)
            reason = f"the handler {name!r} writes to {shown} inside the release, which the site cannot change"
            if free and directory:
                yield settings.finding("site_shared_paths", [f"{directory}/"], reason, "LOGGING")
                continue
        elif not path.startswith(("/dev/", f"/var/lib/{settings.site.name}/", settings.site.state)):
            reason = f"the handler {name!r} writes to {path}, where the site cannot write"
        else:
            continue
        value = {"LOGGING": dict(STDERR_LOGGING)}
        yield settings.finding("site_settings", value, f"{reason}; this writes to the journal", "LOGGING")
        return


@rule
def _written(settings: Settings) -> Iterator[Finding]:
    places = {}
    if str(settings.get("EMAIL_BACKEND", "")).endswith("filebased.EmailBackend"):
        places["EMAIL_FILE_PATH"] = settings.get("EMAIL_FILE_PATH")
    caches = settings.get("CACHES", {})
    for cache in (caches or {}).values() if isinstance(caches, dict) else ():
        if isinstance(cache, dict) and str(cache.get("BACKEND", "")).endswith("FileBasedCache"):
            places["CACHES"] = cache.get("LOCATION")
    for setting in ("WHOOSH_INDEX", "FILE_UPLOAD_TEMP_DIR"):
        places[setting] = settings.get(setting)
    for setting, value in places.items():
        path = settings.path(value)
        name = settings.inside_project(path)
        if inside_release(path) and name:
            reason = f"{setting} is {name} inside the release, where the site cannot write"
            yield settings.finding("site_shared_paths", [f"{name}/"], reason, setting)


@rule
def _directories(settings: Settings) -> Iterator[Finding]:
    """Find directories of the project's own that it would write to inside the release."""
    for name, path in written_directories(settings.tree, settings.scope, settings.path):
        inside = settings.inside_project(path)
        reason = f"{name} is {inside or posixpath.basename(path)} inside the release, where the site cannot write"
        if inside:
            yield settings.finding("site_shared_paths", [f"{inside}/"], reason, name, GUESS)
        else:
            value = {name: f"{settings.site.state}/{posixpath.basename(path)}"}
            yield settings.finding("site_settings", value, reason, name, GUESS)
            reason = f"{name} names it, and the project may expect it to exist"
            yield settings.finding("site_directories", [value[name]], reason, name, GUESS)


@rule
def _caches(settings: Settings) -> Iterator[Finding]:
    caches = settings.get("CACHES", {})
    default = caches.get("default") if isinstance(caches, dict) else None
    backend = str(default.get("BACKEND", "")) if isinstance(default, dict) else ""
    if caches and "locmem" not in backend.lower():
        named = any("REDIS" in name or "CACHE" in name for name in settings.proposed.values)
        if "redis" in backend.lower() and not named:
            reason = "the cache is Redis; it installs Redis on the host; leave it out if there is one"
            yield settings.finding("site_services", ["redis"], reason, "CACHES", GUESS)
        return
    engine = str(settings.get("SESSION_ENGINE", ""))
    what = "CACHES is LocMemCache" if caches else "CACHES is not set"
    logged_out = ", sessions among it, so visitors would be logged out at random"
    sessions = logged_out if engine.endswith("backends.cache") else ""
    reason = f"{what}: each worker process has a cache of its own{sessions}"
    shared = "Redis and Django's database cache are shared"
    yield settings.finding("", None, f"{reason}. {shared}", "CACHES", NOTE)


@rule
def _https(settings: Settings) -> Iterator[Finding]:
    header, redirects = settings.get("SECURE_PROXY_SSL_HEADER"), settings.get("SECURE_SSL_REDIRECT", False)
    if isinstance(header, list) and known(header) and header != HEADER and header:
        reason = f"SECURE_PROXY_SSL_HEADER is {header[0]}, and nginx here sends X-Forwarded-Proto"
        yield settings.finding("site_settings", {"SECURE_PROXY_SSL_HEADER": HEADER}, reason, "SECURE_PROXY_SSL_HEADER")
    elif redirects is True and not header:
        reason = "without it, SECURE_SSL_REDIRECT redirects https requests for ever: nginx sends X-Forwarded-Proto"
        yield settings.finding("site_settings", {"SECURE_PROXY_SSL_HEADER": HEADER}, reason, "SECURE_SSL_REDIRECT")
    elif not header:
        yield Finding(
            "", None, "SECURE_PROXY_SSL_HEADER is not set: with TLS, Django would take requests for http; then set "
            "site_settings: {SECURE_PROXY_SSL_HEADER: [HTTP_X_FORWARDED_PROTO, https]}", certainty=NOTE,
        )  # fmt: skip
    if redirects is True or redirects is UNKNOWN:
        variable = next((name for name in settings.scope.reads.get("SECURE_SSL_REDIRECT", ()) if "SSL" in name), "")
        also = f" (it is read from {variable})" if variable else ""
        reason = f"SECURE_SSL_REDIRECT is on{also}: leave this out once site_tls_certificate is set"
        certainty = CERTAIN if redirects is True else GUESS
        value = {"SECURE_SSL_REDIRECT": False}
        yield settings.finding("site_settings", value, reason, "SECURE_SSL_REDIRECT", certainty)


@rule
def _missing(settings: Settings) -> Iterator[Finding]:
    """Name modules and files that the settings want and the source does not have."""
    for missing in settings.evaluation.missing:
        base = missing.module.lstrip(".").replace(".", "/")
        directory = posixpath.dirname(missing.place.file) if missing.module.startswith(".") else settings.project
        path = joined(directory, f"{base}.py")
        example = _example(settings.tree, path)
        like = f"; {example} shows what belongs there" if example else ""
        if missing.optional:
            if example:
                text = f"{path} is read if it exists{like}. Nothing there is needed with site_settings and site_secrets"
                yield Finding("", None, text, missing.place, NOTE)
            continue
        inside = path[len(settings.project) + 1 :] if settings.project else path
        reason = f"the settings import {missing.module}, which is not in the source{like}"
        names = _names(settings.tree, example)
        what = f"as in {example}" + (f", which sets {', '.join(names)}" if names else "")
        content = {"content": fill_in(what if example else "its text"), "secret": True}
        yield Finding("site_files", {inside: content}, reason, missing.place, GUESS)
    for file in settings.evaluation.missing_files:
        if not file.optional and not file.path.startswith("/"):
            example = _example(settings.tree, file.path)
            like = f"; {example} shows what belongs there" if example else ""
            inside = file.path[len(settings.project) + 1 :] if settings.project else file.path
            content = {"content": fill_in(f"as in {example}" if example else "its text"), "secret": True}
            reason = f"the settings open {file.path}, which is not in the source{like}"
            yield Finding("site_files", {inside: content}, reason, file.place, GUESS)
        elif not file.optional:
            where = file.path.replace(APP, "@release@/app").replace(RELEASE, "@release@")
            yield Finding("", None, f"The settings open {where}: what is in it?", file.place, QUESTION)


def _names(tree: Tree, example: str) -> list[str]:
    """Return the first settings that an example in Python gives values."""
    names = [match[1] for _number, line in tree.lines(example) if (match := re.match(r"([A-Z][A-Z0-9_]+)\s*=", line))]
    return names[:8]


def _example(tree: Tree, path: str) -> str:
    """Return the file that is an example of another one, such as local_settings.py.example."""
    directory, base = posixpath.split(path)
    stem, extension = posixpath.splitext(base)
    words = "example|sample|template|dist|default|tmpl|tpl|prod"
    pattern = re.compile(
        rf"\.?({re.escape(stem)}[._-]?({words}){re.escape(extension)}|{re.escape(base)}[._-].*({words}).*|"
        rf"({words})[._-]{re.escape(base)})"
    )
    names = [name for name in tree.below(directory) if pattern.fullmatch(posixpath.basename(name))]
    return min(names, key=lambda name: (name.count("/"), name)) if names else ""
