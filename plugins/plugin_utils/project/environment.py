# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the settings read from the environment, and what a deploy has to put there.

A value is tried: it is proposed if the settings that follow from it are right for production.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .evaluation import Evaluation
from .findings import CERTAIN, GUESS, OPTIONAL, QUESTION, Finding, Place, fill_in, key_command
from .lists import Lists
from .tree import Tree
from .values import UNKNOWN, Read, Scope, in_source, inside_release, known

__all__ = ["Proposed", "Site", "Trial", "looks_secret", "propose_environment"]

IGNORED: Final = re.compile(
    r"DJANGO_SETTINGS_MODULE|PATH|HOME|USER|PWD|SHELL|LANG|TZ|TMPDIR|VIRTUAL_ENV|PYTHON\w*|PYTEST\w*|CI|GITHUB_\w*|"
    r"HOSTNAME|RUN_MAIN|DYNO|HEROKU_\w*|WERKZEUG_\w*|SERVER_SOFTWARE|READ_DOT_ENV_FILE|DJANGO_READ_DOT_ENV_FILE"
)
SECRET: Final = re.compile(
    r"SECRET|PASSWORD|PASSWD|PASSPHRASE|TOKEN|API_?KEY|PRIVATE|CREDENTIAL|(^|_)(PASS|PWD|DSN|SALT|PEPPER|KEY|SID)$|"
    r"ACCESS_KEY|ENCRYPTION|SIGNING"
)
PUBLIC: Final = re.compile(
    r"_FILE$|_URL$|PUBLIC|_AGE$|_LENGTH$|_EXPIR|_TIMEOUT$|VALIDATORS|RESET|_HEADER$|_NAME$|_ENABLED$"
)
POSTGRES: Final = ("psycopg", "psycopg2", "psycopg2-binary", "psycopg-binary", "psycopg-c", "psycopg2cffi")
MYSQL: Final = ("mysqlclient", "pymysql", "mysql-connector-python")
OFF: Final = ("False", "false", "FALSE", "0", "off", "OFF", "no", "NO", "n", "")
EXAMPLES: Final = (
    r"\.?env[._-]?(example|sample|dist|template|default|prod|production)\w*|(example|sample)\.env|env\.\w*example"
)
ELSEWHERE: Final = re.compile(
    r"DB|DATABASE|POSTGRES|PG|MYSQL|REDIS|BROKER|CACHE|MEMCACHE|EMAIL|SMTP|MAIL|ELASTIC|SEARCH|SOLR|RABBIT|AMQP|CELERY|"
    r"SENTRY|STATSD|S3|AWS|MINIO|STATIC|MEDIA|BUCKET|LDAP|CDN|PROXY|OPENSEARCH|MONGO|KAFKA|OLLAMA|TIKA|GOTENBERG|"
    r"JAEGER|INTERNAL"
)
DOMAIN: Final = re.compile(
    r"(^|_)(DOMAIN|HOST|HOSTNAME|FQDN)(_NAME)?$|(^|_)(SITE|PUBLIC|VIRTUAL|SERVER|PRIMARY)_(DOMAIN|HOST)$"
)
ADDRESS: Final = re.compile(
    r"(^|_)(SITE|BASE|PUBLIC|ROOT|FRONTEND|BACKEND|APP|SERVER|WEB|HOST|EXTERNAL|PROJECT)_?(URL|ROOT|URI|ADDRESS)$"
)

WRITTEN: Final = re.compile(
    r"^(\w+_)?(DATA|UPLOADS?|STORAGE|CACHE|INDEX|LOGS?|LOGGING|TMP|TEMP|TRASH|EXPORTS?|BACKUPS?|SCRATCH|CONSUMPTION|"
    r"REPOS(ITORIES)?)_?(DIR|DIRECTORY|ROOT|PATH|FOLDER)$"
)
"""Settings that name a directory to write to."""


@dataclass(frozen=True)
class Site:
    """What a site is called, for the values that follow from it."""

    name: str
    domain: str

    @property
    def state(self) -> str:
        """The directory that the site writes to, whatever its name will be."""
        return "@state@"


@dataclass
class Trial:
    """The settings of a source under any environment."""

    tree: Tree
    roots: list[str]
    module: str
    configuration: str = ""
    _results: dict[tuple[tuple[str, str], ...], tuple[Evaluation, Scope]] = field(default_factory=dict)

    def run(self, environment: Mapping[str, str]) -> tuple[Evaluation, Scope]:
        """Return the settings under an environment."""
        key = tuple(sorted(environment.items()))
        if key not in self._results:
            evaluation = Evaluation(self.tree, self.roots, environment)
            file = evaluation.file_of(self.module)
            scope = evaluation.run(file) if file else Scope("")
            if self.configuration:
                scope = evaluation.configured(scope, self.configuration)
            self._results[key] = evaluation, scope
        return self._results[key]


@dataclass
class Proposed:
    """The environment that is proposed so far, and the findings that tell why."""

    values: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    optional: dict[str, Read] = field(default_factory=dict)

    def add(
        self,
        name: str,
        value: str,
        reason: str,
        place: Place | None,
        certainty: str = CERTAIN,
        secret: bool = False,
    ) -> None:
        """Propose a variable."""
        if name in self.values:
            return
        self.values[name] = value
        variable = "site_secrets" if secret else "site_environment"
        self.findings.append(Finding(variable, {name: value}, reason, place, certainty))


def looks_secret(name: str) -> bool:
    """Whether a variable has a name as those of secrets have."""
    return bool(SECRET.search(name.upper())) and not PUBLIC.search(name.upper())


def propose_environment(trial: Trial, site: Site, lists: Lists | None, given: Mapping[str, str]) -> Proposed:
    """Return the environment that the settings need in production; what the user has set stays."""
    proposed = Proposed(dict(given))
    evaluation, _scope = trial.run(given)
    reads = _by_name(evaluation.reads)
    hints = _hints(trial.tree)
    _debug(trial, reads, proposed)
    # Without DEBUG, others may be read.
    reads = {**reads, **_by_name(trial.run(proposed.values)[0].reads)}
    _secret_key(trial, reads, proposed)
    _hosts(trial, reads, proposed, site)
    _database(trial, reads, proposed, site, lists, hints)
    _directories(trial, reads, proposed, site)
    # A variable may decide which others are read.
    for _round in range(3):
        reads = _by_name(trial.run(proposed.values)[0].reads)
        before = len(proposed.values)
        for name, read in reads.items():
            if name not in proposed.values and not IGNORED.fullmatch(name):
                _one(name, read, reads, proposed, site, hints)
        if len(proposed.values) == before:
            break
    proposed.optional = {
        name: read for name, read in reads.items() if name not in proposed.values and not IGNORED.fullmatch(name)
    }
    return proposed


def _by_name(reads: list[Read]) -> dict[str, Read]:
    """Return one read for each variable: that without a default, which the others need, before all others."""
    found: dict[str, Read] = {}
    for read in reads:
        if not isinstance(read.name, str):
            continue
        before = found.get(read.name)
        counts_more = before is not None and not before.required and not read.optional
        if before is None or (counts_more and (read.required or before.optional)):
            found[read.name] = read
    return {name: read for name, read in found.items() if name}


def _try(
    trial: Trial, proposed: Proposed, name: str, candidates: tuple[str, ...], accepts: Callable[[Scope], bool]
) -> str | None:
    """Return the first value of a variable with which the settings are right."""
    for candidate in candidates:
        _evaluation, scope = trial.run({**proposed.values, name: candidate})
        if accepts(scope):
            return candidate
    return None


def _debug(trial: Trial, reads: Mapping[str, Read], proposed: Proposed) -> None:
    _evaluation, scope = trial.run(proposed.values)
    if scope.get("DEBUG") is False or not scope.knows("DEBUG"):
        return
    named = [name for name in reads if re.search(r"DEBUG|(^|_)(ENV|ENVIRONMENT|PRODUCTION|STAGE|DEV|MODE)$", name)]
    for name in dict.fromkeys([*scope.reads.get("DEBUG", ()), *named]):
        if name not in reads or name in proposed.values:
            continue
        candidates = OFF if "DEBUG" in name or name.endswith("DEV") else ("production", "prod", "live", "True", *OFF)
        value = _try(trial, proposed, name, candidates, lambda tried: tried.get("DEBUG") is False)
        if value is not None:
            read = reads[name]
            default = "has no default" if read.required else f"is {_shown(read.default)} by default"
            proposed.add(name, value, f"DEBUG depends on it, and it {default}", read.place)
            return


def _secret_key(trial: Trial, reads: Mapping[str, Read], proposed: Proposed) -> None:
    _evaluation, scope = trial.run(proposed.values)
    named = [name for name in reads if re.search(r"SECRET_?KEY$", name)]
    for name in dict.fromkeys([*scope.reads.get("SECRET_KEY", ()), *named]):
        if name not in reads or name in proposed.values:
            continue
        if _try(trial, proposed, name, ("k" * 50,), lambda tried: tried.get("SECRET_KEY") == "k" * 50):
            read = reads[name]
            why = "SECRET_KEY is read from it" + ("" if read.required else "; its default is no secret")
            proposed.add(name, fill_in(f"the output of {key_command()}"), why, read.place, secret=True)
            return


def _hosts(trial: Trial, reads: Mapping[str, Read], proposed: Proposed, site: Site) -> None:
    domain = site.domain
    address = f"https://{domain}"

    def allows(scope: Scope) -> bool:
        hosts = scope.get("ALLOWED_HOSTS")
        return isinstance(hosts, list) and domain in hosts

    _evaluation, scope = trial.run(proposed.values)
    base = scope.get("ALLOWED_HOSTS")
    # Through other variables, such as the address of the site, first.
    named = [name for name in reads if re.search(r"ALLOWED_HOST|(^|_)HOSTS$", name) and not ELSEWHERE.search(name)]
    named += [name for name in reads if DOMAIN.search(name) or ADDRESS.search(name)]
    if not (isinstance(base, list) and (domain in base)):
        for name in dict.fromkeys([*scope.reads.get("ALLOWED_HOSTS", ()), *named]):
            if name not in reads or name in proposed.values:
                continue
            candidates = (address, domain) if ADDRESS.search(name) else (domain, f'["{domain}"]', address)
            value = _try(trial, proposed, name, candidates, allows)
            if value is not None:
                read = reads[name]
                wide = isinstance(base, list) and "*" in base
                if wide and not read.required:
                    continue
                proposed.add(name, value, "ALLOWED_HOSTS depends on it", read.place)
                break
    for name, read in reads.items():
        if name in proposed.values or not re.search(r"CSRF_TRUSTED|CSRF_ORIGINS", name):
            continue
        value = _try(
            trial, proposed, name, (address, f'["{address}"]'),
            lambda tried: address in (tried.get("CSRF_TRUSTED_ORIGINS") or [])
            if isinstance(tried.get("CSRF_TRUSTED_ORIGINS"), list) else False,
        )  # fmt: skip
        if value is not None:
            proposed.add(name, value, "forms are accepted from these addresses", read.place)


# The database


def _database(
    trial: Trial,
    reads: Mapping[str, Read],
    proposed: Proposed,
    site: Site,
    lists: Lists | None,
    hints: Mapping[str, tuple[str, Place]],
) -> None:
    postgres, mysql = (lists.has(*POSTGRES), lists.has(*MYSQL)) if lists else (None, None)
    for name, read in reads.items():
        is_url = read.cast in ("db", "db_url", "dj_db_url") or re.search(r"(DATABASE|DB|POSTGRES\w*)_URL$", name)
        if not is_url or name in proposed.values:
            continue
        if name != "DATABASE_URL" and not read.required and "DATABASE_URL" in reads:
            continue  # A second one, such as that of a replica.
        default = read.default if isinstance(read.default, str) else ""
        if postgres or default.startswith(("postgres", "postgis")):
            scheme = "postgis" if _is_geographic(trial, proposed) else "postgres"
            why = f"{postgres.name} is among the packages" if postgres else "its default is PostgreSQL"
            reason = (
                f"the database, and {why}: here one on the same host, over its socket. A URL with a password belongs "
                "in site_secrets"
            )
            proposed.add(name, f"{scheme}:///{site.name}", reason, read.place, GUESS)
            _service(proposed, "postgresql", "installs the database's server on the host; leave it out if there is one")
        elif mysql or default.startswith(("mysql", "maria")):
            proposed.add(name, fill_in("mysql://USER:PASSWORD@HOST/NAME"), "the database", read.place, secret=True)
        elif read.required or default.startswith("sqlite") or inside_release(default) or read.cast:
            reason = "the database; SQLite's file lies in the site's state directory"
            proposed.add(name, f"sqlite:///{site.state}/db.sqlite3", reason, read.place, GUESS)
    _database_engine(trial, reads, proposed, bool(postgres))
    _database_parts(trial, reads, proposed, site, hints)


def _database_engine(trial: Trial, reads: Mapping[str, Read], proposed: Proposed, postgres: bool) -> None:
    """Choose the engine, where the settings have to be told."""
    engine = "postgresql" if postgres else "sqlite3"
    candidates = (f"django.db.backends.{engine}", engine, *(("postgres", "pgsql") if postgres else ("sqlite",)))

    def accepts(scope: Scope) -> bool:
        return bool(_default_database(scope).get("ENGINE") == f"django.db.backends.{engine}")

    for name, read in reads.items():
        if name in proposed.values or not re.search(r"ENGINE|DB_?TYPE|DB_BACKEND|^DB$", name):
            continue
        # With a default it is asked for only where SQLite is for development, as for a URL: the driver is there.
        in_file = _default_database(trial.run(proposed.values)[1]).get("ENGINE") == "django.db.backends.sqlite3"
        if not read.required and not (postgres and in_file):
            continue
        value = _try(trial, proposed, name, candidates, accepts)
        if value is not None:
            which = "a driver of PostgreSQL" if postgres else "no driver of PostgreSQL"
            proposed.add(name, value, f"the database's engine, and {which} is among the packages", read.place, GUESS)


def _is_geographic(trial: Trial, proposed: Proposed) -> bool:
    apps = trial.run(proposed.values)[1].get("INSTALLED_APPS")
    return isinstance(apps, list) and "django.contrib.gis" in apps


def _service(proposed: Proposed, service: str, reason: str, place: Place | None = None) -> None:
    finding = Finding("site_services", [service], reason, place, GUESS)
    if finding not in proposed.findings:
        proposed.findings.append(finding)


def _database_parts(
    trial: Trial,
    reads: Mapping[str, Read],
    proposed: Proposed,
    site: Site,
    hints: Mapping[str, tuple[str, Place]],
) -> None:
    """Propose variables for the parts of a database, found by what they change in DATABASES."""
    _evaluation, scope = trial.run(proposed.values)
    database = _default_database(scope)
    engine = str(database.get("ENGINE", "")).rpartition(".")[2]
    if engine not in ("postgresql", "postgis", "psqlextra", "sqlite3"):
        return
    in_file = engine == "sqlite3"
    values = {
        "ENGINE": str(database["ENGINE"]), "NAME": site.name, "USER": site.name, "PASSWORD": "",
        "HOST": "/run/postgresql", "PORT": "",
    }  # fmt: skip
    found = False
    marker = "54310"
    of_database = scope.reads.get("DATABASES", ())
    for name, read in reads.items():
        if name in proposed.values or not (name in of_database or re.search("DB|DATABASE|POSTGRES|PG|SQL", name)):
            continue
        _evaluation, tried = trial.run({**proposed.values, name: marker})
        for key in ("NAME", "USER", "HOST", "PASSWORD", "PORT"):
            if str(_default_database(tried).get(key)) != marker or str(database.get(key)) == marker:
                continue
            if (in_file or key in ("PASSWORD", "PORT")) and not read.required:
                break
            if in_file:
                value = f"{site.state}/db.sqlite3" if key == "NAME" else ""
                reason = f"the database's {key.lower()}; SQLite's file lies in the site's state directory"
                proposed.add(name, value, reason, read.place, GUESS, secret=key == "PASSWORD")
                break
            found = True
            what = {"NAME": "name", "USER": "user", "HOST": "host, here its socket", "PASSWORD": "password, which "
                    "its socket does not ask for", "PORT": "port"}[key]  # fmt: skip
            value = "5432" if key == "PORT" else values[key]
            proposed.add(name, value, f"the database's {what}", read.place, GUESS, secret=key == "PASSWORD")
            break
    if found:
        _service(proposed, "postgresql", "installs the database's server on the host; leave it out if there is one")


def _default_database(scope: Scope) -> dict[str, Any]:
    databases = scope.get("DATABASES")
    default = databases.get("default") if isinstance(databases, dict) else None
    return default if isinstance(default, dict) else {}


# Directories


def written_directories(tree: Tree, scope: Scope, path: Callable[[Any], Any]) -> Iterator[tuple[str, str]]:
    """Name the settings that are directories inside the release, which the project seems to write to, and these."""
    for name, value in scope.values.items():
        if not WRITTEN.search(name) or not isinstance(value, str) or name in ("MEDIA_ROOT", "STATIC_ROOT"):
            continue
        place = path(value)
        source = in_source(place)
        if inside_release(place) and not (source is not None and tree.has(source)):
            yield name, place


def _directories(trial: Trial, reads: Mapping[str, Read], proposed: Proposed, site: Site) -> None:
    """Move directories that are read from the environment to where the site can write."""
    _evaluation, scope = trial.run(proposed.values)
    for setting, path in list(written_directories(trial.tree, scope, lambda value: value)):
        for name in scope.reads.get(setting, ()):
            if name in proposed.values or name not in reads:
                continue
            target = f"{site.state}/{posixpath.basename(path)}"
            _evaluation, tried = trial.run({**proposed.values, name: target})
            if str(tried.get(setting)).endswith(target):
                reason = f"{setting} is inside the release by default, where the site cannot write"
                proposed.add(name, target, reason, reads[name].place, GUESS)
                proposed.findings.append(_made(target, name, reads[name].place))


def _made(directory: str, by: str, place: Place) -> Finding:
    return Finding(
        "site_directories", [directory], f"{by} names it, and the project may expect it to exist", place, GUESS
    )


# All others


def _hints(tree: Tree) -> dict[str, tuple[str, Place]]:
    """Return the values of example files of the environment, such as .env.example."""
    found: dict[str, tuple[str, Place]] = {}
    for name in sorted(tree.names, key=lambda one: (one.count("/"), one)):
        if re.fullmatch(EXAMPLES, posixpath.basename(name)):
            for number, line in tree.lines(name):
                if match := re.match(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=\s*(.*?)\s*$", line):
                    value = re.sub(r"\s+#.*", "", match[2]).strip("'\"")
                    found.setdefault(match[1], (value, Place(name, number)))
    return found


def _one(
    name: str,
    read: Read,
    reads: Mapping[str, Read],
    proposed: Proposed,
    site: Site,
    hints: Mapping[str, tuple[str, Place]],
) -> None:
    """Propose a variable that the settings cannot do without, or whose default cannot be right."""
    needed = read.required and not read.optional
    default = str(read.default) if known(read.default) and read.default is not None else ""
    is_local = bool(re.search(r"localhost|127\.0\.0\.1|example\.(com|org|net)|your-?domain|changeme", default))
    if not needed and not (is_local and not read.optional):
        return
    reason = f"{read.setting or 'a setting'} is read from it, without a default" if needed else (
        f"by default it is {default!r}"
    )  # fmt: skip
    hint, hint_place = hints.get(name, ("", None))
    upper = name.upper()
    if re.search(r"REDIS|BROKER|CELERY_RESULT|(^|_)CACHE_(URL|LOCATION|HOST)$", upper) and not looks_secret(upper):
        _redis(name, read, needed, reason, proposed, hint or default)
        return
    if not ELSEWHERE.search(upper):
        if ADDRESS.search(upper) or (default.startswith("http") and is_local):
            path = re.sub(r"^https?://[^/]*", "", default) if default.startswith("http") else ""
            why = f"{reason}; https once site_tls_certificate is set"
            proposed.add(name, f"http://{site.domain}{path}", why, read.place, GUESS)
            return
        if DOMAIN.search(upper):
            proposed.add(name, site.domain, reason, read.place, GUESS)
            return
    if not needed:
        return
    if looks_secret(upper):
        generated = re.search(r"SECRET|SALT|PEPPER|SIGNING|ENCRYPTION|(^|_)KEY$", upper) and not re.search(
            r"AWS|API|CLIENT|ACCESS|STRIPE|CAPTCHA|OAUTH|GOOGLE|GITHUB|FACEBOOK|SOCIAL|S3|MAIL", upper
        )
        what = f"the output of {key_command()}" if generated else f"a secret, which {read.place} reads"
        proposed.add(name, fill_in(what), reason, read.place, secret=True)
    elif read.cast == "bool":
        proposed.add(name, hint or "False", reason, read.place, GUESS)
    elif hint and not re.search(r"<|\.\.\.|your|change|example", hint, re.IGNORECASE):
        proposed.add(name, hint, f"{reason}; the value is the one in {hint_place}", read.place, GUESS)
    elif re.search(r"(EMAIL|MAIL|SMTP)_?(HOST|SERVER)$", upper):
        proposed.add(name, "localhost", reason, read.place, GUESS)
    elif re.search(r"(EMAIL|MAIL|SMTP)_?PORT$", upper):
        proposed.add(name, "25", reason, read.place, GUESS)
    elif re.search(r"EMAIL|MAIL_FROM", upper) and not re.search("USER|BACKEND", upper):
        proposed.add(name, f"webmaster@{site.domain}", reason, read.place, GUESS)
    elif re.search(r"(^|_)(ENV|ENVIRONMENT|STAGE)$", upper):
        proposed.add(name, "production", reason, read.place, GUESS)
    else:
        cast = f" ({read.cast})" if read.cast and read.cast not in ("str", "get_value") else ""
        proposed.add(name, fill_in(f"what {read.place} expects{cast}"), reason, read.place, QUESTION)


def _redis(name: str, read: Read, needed: bool, reason: str, proposed: Proposed, default: str) -> None:
    upper = name.upper()
    if upper.endswith("PORT"):
        value = "6379"
    elif upper.endswith("DB"):
        value = "0"
    elif upper.endswith(("HOST", "SERVER")):
        value = "localhost"
    elif upper.endswith(("URL", "LOCATION", "BROKER", "BACKEND")):
        if re.match(r"amqp|pyamqp|memcache|locmem|db|file|dummy", default):
            if needed:
                proposed.add(name, fill_in("its URL"), reason, read.place, QUESTION)
            return
        value = "redis://localhost:6379/0"
    else:
        return
    if needed:
        proposed.add(name, value, reason, read.place, GUESS)
    why = "the settings read Redis's address; it installs Redis on the host; leave it out if there is one"
    _service(proposed, "redis", why, read.place)


def optional_findings(proposed: Proposed) -> Iterator[Finding]:
    """Name what else is read, with a default."""
    names = sorted(proposed.optional)
    if names:
        yield Finding("", None, ", ".join(names), None, OPTIONAL)


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    return "unknown" if value is UNKNOWN else repr(value)
