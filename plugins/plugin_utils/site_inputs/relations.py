# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How values relate to each other, and what no pattern can express.

Each rule is a function whose parameters are the variables that it compares. It is called if all of them are usable.
"""

from __future__ import annotations

import inspect
import ipaddress
import json
import keyword
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ..project.findings import is_placeholder
from .commands import read_words
from .complaints import Complaint, listed, shown, written
from .hostnames import DomainError, hostname, is_address
from .names import nearest
from .patterns import LINE, MODULE, PATTERNS, RANGES
from .plan import PLAN_INPUTS

__all__ = [
    "GUNICORN_SETTINGS",
    "OLDEST_FOR_ASGI",
    "SOURCE_VARIABLES",
    "check_relations",
    "check_sources",
    "environment_variables",
    "rule",
    "rule_for_each",
]

Rule = Callable[..., Iterator[Complaint]]
RuleForEach = Callable[[str, Any], Iterator[Complaint]]

RULES: Final[list[Rule]] = []
RULES_FOR_EACH: Final[list[tuple[str, RuleForEach]]] = []

SOURCE_VARIABLES: Final = (
    "site_git_url",
    "site_git_ref",
    "site_source_directory",
    "site_package",
    "site_project_directory",
    "site_requirements",
    "site_requirements_extras",
    "site_requirements_groups",
    "gunicorn_version",
    "uwsgi_package",
    "uwsgi_version",
)
"""What decides on the source, which is packed once for all hosts of a play."""

MONITORING_PROGRAMS: Final = ("prometheus", "alertmanager", "blackbox", "node", "nginx", "postgres")
FLAG_CURE: Final = "write them as in [--web.external-url=https://prometheus.example.com/]"
ONE_SOURCE: Final = "set exactly one of them"
LIST_CURE: Final = "write it as in requirements/production.txt or ../requirements.txt, or as a list of these"
LOGIN: Final = r"(?!#)[\x21\x23-\x26\x28-\x5b\x5d-\x7e]+"
"""What means nothing else in a netrc file."""
OPTIONS_OF_PIP: Final[Mapping[tuple[str, ...], str]] = {
    ("-r", "--req"): "set site_requirements to the list, which may lie anywhere in the source",
    ("-c", "--constr"): "include the constraints in a list of the source, with a line such as -c constraints.txt",
    ("-i", "--index", "--extra-index", "--default-index"): "set site_package_index",
    ("-e", "--edit"): "name the package in a list of the source",
    ("--cert", "--trusted-host", "--client-cert"): "set site_ca_bundle",
    ("--group",): "set site_requirements_groups",
    ("--extra",): "set site_requirements_extras",
}
"""What is meant by an option among the packages."""
TAKEN_NAMES: Final = ("default", "pitcrew", "root", "www-data")
TAKEN_BY_SERVICES: Final[Mapping[str, tuple[str, ...]]] = {
    "postgresql": ("none", "postgres", "prometheus", "public", "template0", "template1"),
    "redis": ("redis", "server"),
}
"""Names that a service, or its exporter, has for something of its own."""
OLDEST_FOR_ASGI: Final = "26.1.0"
"""The oldest gunicorn whose asgi worker can be stopped; roles/gunicorn/vars/main.yml has the reason."""
OWN_ENVIRONMENT: Final[Mapping[str, str]] = {
    "DJANGO_SETTINGS_MODULE": "set site_settings_module",
    "SITE_RELEASE": "it is the name of the release; leave it out",
    "SITE_OVERRIDES": "set site_settings",
    "SITE_SETTINGS_MODULE": "set site_settings_module",
}
# fmt: off
GUNICORN_SETTINGS_OF_THE_SLOT: Final = (
    "bind", "chdir", "control_socket", "daemon", "group", "pidfile", "reload", "umask", "user",
    "wsgi_app",
)
GUNICORN_SETTINGS: Final = (
    "access_log_format", "accesslog", "asgi_disconnect_grace_period", "asgi_lifespan", "asgi_loop",
    "backlog", "bind", "ca_certs", "capture_output", "casefold_http_method", "cert_reqs",
    "certfile", "chdir", "check_config", "child_exit", "ciphers", "config", "control_socket",
    "control_socket_disable", "control_socket_mode", "daemon", "default_proc_name", "dirty_apps",
    "dirty_graceful_timeout", "dirty_post_fork", "dirty_threads", "dirty_timeout",
    "dirty_worker_exit", "dirty_worker_init", "dirty_workers", "disable_redirect_access_to_syslog",
    "do_handshake_on_connect", "dogstatsd_tags", "enable_backlog_metric",
    "enable_stdio_inheritance", "errorlog", "forwarded_allow_ips", "forwarder_headers",
    "graceful_timeout", "group", "header_map", "http2_cleartext", "http2_initial_window_size",
    "http2_max_concurrent_streams", "http2_max_frame_size", "http2_max_header_list_size",
    "http_parser", "http_protocols", "initgroups", "keepalive", "keyfile",
    "limit_request_field_size", "limit_request_fields", "limit_request_line", "logconfig",
    "logconfig_dict", "logconfig_json", "logger_class", "loglevel", "max_requests",
    "max_requests_jitter", "nworkers_changed", "on_dirty_starting", "on_exit", "on_reload",
    "on_starting", "paste", "permit_obsolete_folding", "permit_unconventional_http_method",
    "permit_unconventional_http_version", "pidfile", "post_fork", "post_request",
    "post_worker_init", "pre_exec", "pre_fork", "pre_request", "preload_app", "print_config",
    "proc_name", "protocol", "proxy_allow_ips", "proxy_protocol", "pythonpath", "raw_env",
    "raw_paste_global_conf", "reload", "reload_engine", "reload_extra_files", "reuse_port",
    "root_path", "secure_scheme_headers", "sendfile", "spew", "ssl_context", "ssl_version",
    "statsd_host", "statsd_prefix", "strip_header_spaces", "suppress_ragged_eofs", "syslog",
    "syslog_addr", "syslog_facility", "syslog_prefix", "threads", "timeout", "tmp_upload_dir",
    "umask", "user", "uwsgi_allow_ips", "websocket_max_message_size", "when_ready", "worker_abort",
    "worker_class", "worker_connections", "worker_exit", "worker_int", "worker_tmp_dir", "workers",
    "wsgi_app",
)
UWSGI_OPTIONS_OF_THE_SLOT: Final = (
    "chdir", "daemonize", "daemonize2", "emperor", "fallback-config", "file", "fs-brutal-reload",
    "fs-reload", "home", "http-socket", "master", "master-fifo", "module", "py-auto-reload",
    "py-autoreload", "pyhome", "python-auto-reload", "python-autoreload", "socket",
    "touch-chain-reload", "touch-mules-reload", "touch-reload", "touch-spoolers-reload",
    "touch-workers-reload", "uwsgi-socket", "venv", "virtualenv", "wsgi", "wsgi-file", "zerg",
    "zerg-pool", "zerg-server", "zergpool",
)
# fmt: on


def check_relations(values: Mapping[str, Any]) -> Iterator[Complaint]:
    """Check every rule whose variables are all usable."""
    for rule in RULES:
        names = list(inspect.signature(rule).parameters)
        if all(values.get(name) is not None for name in names):
            yield from rule(*(values[name] for name in names))
    for name, one in RULES_FOR_EACH:
        if values.get(name) is not None:
            yield from one(name, values[name])


def check_sources(by_host: Mapping[str, Mapping[str, Any]]) -> Iterator[Complaint]:
    """Compare the variables that decide on the source between the hosts of a play, which share one."""
    for name in SOURCE_VARIABLES:
        first, *others = [(host, given.get(name) or "") for host, given in by_host.items()] or [("", "")]
        other = next((other for other in others if written(other[1]) != written(first[1])), None)
        if other:
            yield Complaint(
                name,
                f"is {shown(first[1])} on {first[0]} and {shown(other[1])} on {other[0]}, but the hosts of a play get "
                "one source",
                "make them equal, or run the playbook for some of the hosts at a time, with -e site_hosts=GROUP",
            )


def rule(function: Rule) -> Rule:
    """Make a function one of the rules."""
    RULES.append(function)
    return function


def rule_for_each(*variables: str) -> Callable[[RuleForEach], RuleForEach]:
    """Make a function a rule of each of these variables: it is given the name and the value."""

    def add(function: RuleForEach) -> RuleForEach:
        RULES_FOR_EACH.extend((name, function) for name in variables)
        return function

    return add


@rule
def _name_is_free(site_name: str) -> Iterator[Complaint]:
    if site_name in TAKEN_NAMES:
        yield Complaint("site_name", f"{shown(site_name)} is a name that hosts already use", "choose another")


@rule
def _name_is_free_in_services(site_name: str, site_services: list[str]) -> Iterator[Complaint]:
    for service in dict.fromkeys(site_services):
        if site_name in TAKEN_BY_SERVICES[service] or (service == "postgresql" and site_name.startswith("pg_")):
            yield Complaint("site_name", f"{shown(site_name)} is a name that {service} uses itself", "choose another")


@rule
def _domains(site_domains: list[str]) -> Iterator[Complaint]:
    usable = []
    for domain in site_domains:
        try:
            usable.append(hostname(domain))
        except DomainError as error:
            yield Complaint("site_domains", f"{shown(domain)} {error.problem}", error.cure)
    if len(usable) == len(site_domains) and all(host.startswith("*") for host in usable):
        yield Complaint(
            "site_domains",
            f"{shown(site_domains)} has no full host name, which health checks need",
            "add one, such as shop.example.com",
        )


@rule
def _addresses_have_no_certificate(site_domains: list[str], site_tls_certificate: str) -> Iterator[Complaint]:
    if not site_tls_certificate:
        return
    for domain in site_domains:
        if is_address(domain):
            yield Complaint(
                "site_domains",
                f"{shown(domain)} cannot be served over TLS: browsers do not send an address as the server name (SNI)",
                "leave it out, or leave out site_tls_certificate and site_tls_key",
            )


@rule
def _one_source(site_git_url: str, site_source_directory: str, site_package: str) -> Iterator[Complaint]:
    sources = {
        "site_git_url": site_git_url,
        "site_source_directory": site_source_directory,
        "site_package": site_package,
    }
    given = [name for name, value in sources.items() if value]
    if len(given) > 1:
        values = listed([shown(sources[name]) for name in given])
        yield Complaint(", ".join(given), f"{'both' if len(given) == 2 else 'all'} are set ({values})", ONE_SOURCE)
    elif not given:
        yield Complaint("site_git_url, site_source_directory", "neither is set", f"{ONE_SOURCE}, or site_package")


@rule
def _package_has_no_source(
    site_package: str, site_project_directory: str, site_requirements: Any
) -> Iterator[Complaint]:
    for variable, value in {
        "site_project_directory": site_project_directory,
        "site_requirements": site_requirements,
    }.items():
        if site_package and value:
            yield Complaint(
                variable,
                f"{shown(value)} would be in a source, and site_package has none",
                "leave it out; the package brings its dependencies",
            )


@rule
def _package_has_extras(
    site_package: str, site_requirements_extras: list[str], site_requirements_groups: list[str]
) -> Iterator[Complaint]:
    if site_package and site_requirements_extras:
        yield Complaint(
            "site_requirements_extras",
            f"{shown(site_requirements_extras)} are for a list in a source",
            f"write site_package as in myshop[{site_requirements_extras[0]}]==2.4.*",
        )
    if site_package and site_requirements_groups:
        yield Complaint(
            "site_requirements_groups", f"{shown(site_requirements_groups)}: a package has no groups", "leave them out"
        )


@rule
def _requirements(site_requirements: Any) -> Iterator[Complaint]:
    if not isinstance(site_requirements, (str, list)):
        yield Complaint("site_requirements", f"{shown(site_requirements)} is neither text nor a list", LIST_CURE)
        return
    for one in [site_requirements] if isinstance(site_requirements, str) else site_requirements:
        if one == "" and one is site_requirements:
            continue
        if not isinstance(one, str) or not re.fullmatch(LINE, one):
            yield Complaint("site_requirements", f"{shown(one)} is not a file", LIST_CURE)
        elif one.startswith("-"):
            yield Complaint("site_requirements", f"{shown(one)} is an option, and not a file", LIST_CURE)
        elif one.startswith(("/", "~")):
            yield Complaint("site_requirements", f"{shown(one)} is not in the source", LIST_CURE)


@rule
def _python_packages(site_python_packages: list[str]) -> Iterator[Complaint]:
    for package in site_python_packages:
        # What else is wrong with it, its pattern tells.
        if package.startswith("-"):
            option = re.split(r"[\s=]", package)[0]
            cure = next((cure for options, cure in OPTIONS_OF_PIP.items() if option.startswith(options)), "")
            yield Complaint(
                "site_python_packages",
                f"{shown(package)} is an option, and not a package",
                cure or "name a package here, and put options into a list of the source",
            )


@rule
def _packages_have_no_login(site_package: str, site_python_packages: list[str]) -> Iterator[Complaint]:
    for variable, packages in {"site_package": [site_package], "site_python_packages": site_python_packages}.items():
        for package in packages:
            if re.search(r"https?://[^/?#\s]*@", package, re.IGNORECASE):
                yield Complaint(
                    variable,
                    f"{shown(package)} has a login in its URL, which everybody on the host could read",
                    "move it to site_package_logins",
                )


@rule
def _package_logins(site_package_logins: dict[str, Any]) -> Iterator[Complaint]:
    for host, login in site_package_logins.items():
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", str(host), re.ASCII):
            yield Complaint(
                "site_package_logins", f"{shown(host)} is not the name of a host", "write it as in git.example.com"
            )
        if not isinstance(login, dict) or set(login) != {"user", "password"}:
            found = "the login (not shown)" if not isinstance(login, dict) else listed(sorted(map(str, login))) or "{}"
            yield Complaint(
                "site_package_logins",
                f"{host}: {found} is not a user and a password",
                "write {user: ..., password: ...}",
            )
            continue
        for name, value in login.items():
            if not isinstance(value, str) or not re.fullmatch(LOGIN, value, re.ASCII):
                yield Complaint(
                    "site_package_logins",
                    f"{host}: the {name} (not shown) cannot be written to a netrc file",
                    "use printable ASCII without spaces, quotes and backslashes, and no # at the beginning",
                )


@rule
def _whole_certificate(site_tls_certificate: str, site_tls_key: str) -> Iterator[Complaint]:
    if bool(site_tls_certificate) != bool(site_tls_key):
        has, lacks = "site_tls_certificate", "site_tls_key"
        if site_tls_key:
            has, lacks = lacks, has
        yield Complaint(lacks, f"is not set, but {has} is", "set both, or neither for a site without TLS on this host")


@rule
def _health_checks(site_health_checks: list[dict[str, Any]]) -> Iterator[Complaint]:
    path, status = PATTERNS["site_health_path"], RANGES["site_health_status"]
    for number, check in enumerate(site_health_checks):
        name = f"site_health_checks[{number}]"
        if not re.fullmatch(path.pattern, check["path"], re.ASCII):
            yield Complaint(f"{name}.path", f"{shown(check['path'])} {path.problem}", path.cure)
        if not status.low <= check["status"] <= status.high:
            yield Complaint(f"{name}.status", f"{check['status']} is not an HTTP status", status.cure)


@rule
def _environment(site_environment: dict[str, Any]) -> Iterator[Complaint]:
    yield from environment_variables("site_environment", site_environment, secret=False)


@rule
def _secrets(site_secrets: dict[str, Any]) -> Iterator[Complaint]:
    yield from environment_variables("site_secrets", site_secrets, secret=True)


@rule
def _directory_of_metrics(
    site_metrics: bool, site_environment: dict[str, Any], site_secrets: dict[str, Any]
) -> Iterator[Complaint]:
    sources = {"site_environment": site_environment, "site_secrets": site_secrets} if site_metrics else {}
    for source, variables in sources.items():
        for name in variables:
            if str(name).upper() == "PROMETHEUS_MULTIPROC_DIR":
                yield Complaint(
                    source,
                    f"{name} is set by the collection, so that its exporter finds the project's metrics, too",
                    "leave it out, or set site_metrics: false",
                )


@rule
def _middleware(site_wsgi_middleware: list[Any]) -> Iterator[Complaint]:
    for number, one in enumerate(site_wsgi_middleware):
        name = f"site_wsgi_middleware[{number}]"
        if not isinstance(one, dict):
            yield from _middleware_path(name, one)
            continue
        if unknown := [part for part in one if part not in ("path", "arguments")]:
            verb = "is" if len(unknown) == 1 else "are"
            yield Complaint(
                name, f"{listed(list(map(shown, unknown)))} {verb} unknown here", "it has path and arguments"
            )
        yield from _middleware_path(f"{name}.path", one.get("path"))
        yield from _middleware_arguments(f"{name}.arguments", one.get("arguments", {}))


def _middleware_path(name: str, path: Any) -> Iterator[Complaint]:
    if not isinstance(path, str) or not re.fullmatch(MODULE, path, re.ASCII) or "." not in path:
        yield Complaint(
            name,
            f"{shown(path)} is not a module and a name in it",
            "write it as in whitenoise.WhiteNoise, or as in {path: whitenoise.WhiteNoise, arguments: {max_age: 60}}",
        )


def _middleware_arguments(name: str, arguments: Any) -> Iterator[Complaint]:
    if not isinstance(arguments, dict):
        yield Complaint(name, f"{shown(arguments)} is not a mapping", "write it as in {max_age: 60}")
        return
    for argument, value in arguments.items():
        if not isinstance(argument, str) or not argument.isidentifier() or keyword.iskeyword(argument):
            yield Complaint(name, f"{shown(argument)} is not the name of an argument", "write it as in max_age")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            yield Complaint(name, f"{argument}: {shown(value)} has no form in JSON", "write it as text, in quotes")


def environment_variables(source: str, variables: Mapping[Any, Any], secret: bool) -> Iterator[Complaint]:
    """Check names and values of environment variables."""
    for name, value in variables.items():
        if cure := OWN_ENVIRONMENT.get(name):
            yield Complaint(source, f"{name} is set by the collection", cure)
        elif not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name)):
            yield Complaint(
                source,
                f"{shown(name)} is not the name of an environment variable",
                "use letters, digits and _, and begin with a letter",
            )
        elif value is None or isinstance(value, (list, dict)):
            yield Complaint(
                source,
                f"{name}: {shown(value, secret)} is not text",
                "write it in quotes, or a structure as {{ value | to_json }}",
            )
        elif re.search(r"[\x00-\x08\x0b-\x1f\x7f]", str(value)):
            yield Complaint(
                source, f"{name}: {shown(value, secret)} has control characters, which systemd drops", "remove them"
            )


@rule
def _settings_overridden(site_settings: dict[str, Any]) -> Iterator[Complaint]:
    yield from _overrides("site_settings", site_settings)


@rule
def _secret_settings_overridden(site_secret_settings: dict[str, Any]) -> Iterator[Complaint]:
    yield from _overrides("site_secret_settings", site_secret_settings)


def _overrides(source: str, settings: Mapping[Any, Any]) -> Iterator[Complaint]:
    for name, value in settings.items():
        if not re.fullmatch(r"[A-Z_][A-Z0-9_]*\+?", str(name)):
            yield Complaint(
                source, f"{shown(name)} is not the name of a setting", "write it in upper-case letters, as in DEBUG"
            )
        elif str(name).endswith("+") and not isinstance(value, list):
            yield Complaint(source, f"{name} extends a list, but its value is not a list", "write it as in [value]")


@rule_for_each(
    "site_files", "site_environment", "site_secrets", "site_settings", "site_secret_settings", "site_processes",
    "site_schedules",
)  # fmt: skip
def _left_open(variable: str, values: Any) -> Iterator[Complaint]:
    for name, value in values.items():
        if is_placeholder(value):
            what = re.sub(r".*<fill in: (.*?)>.*", r"\1", str(value), flags=re.DOTALL)
            yield Complaint(variable, f"{name} is still what pitcrew.django.inspect left open", f"fill in {what}")


@rule
def _overrides_are_seen(
    site_settings: dict[str, Any],
    site_secret_settings: dict[str, Any],
    site_silenced_checks: list[str],
    site_secrets: dict[str, Any],
) -> Iterator[Complaint]:
    if (site_settings or site_secret_settings or site_silenced_checks) and "PYTHONPATH" in site_secrets:
        yield Complaint(
            "site_secrets",
            "PYTHONPATH would hide site_settings and site_secret_settings from the process",
            "set it in site_environment",
        )


@rule
def _silenced_checks(
    site_settings: dict[str, Any], site_secret_settings: dict[str, Any], site_silenced_checks: list[str]
) -> Iterator[Complaint]:
    for source, settings in (("site_settings", site_settings), ("site_secret_settings", site_secret_settings)):
        if site_silenced_checks and "SILENCED_SYSTEM_CHECKS" in settings:
            yield Complaint(source, "SILENCED_SYSTEM_CHECKS is set here and in site_silenced_checks", "set one of them")


@rule
def _release_commands(site_release_commands: list[Any]) -> Iterator[Complaint]:
    for number, one in enumerate(site_release_commands):
        name = f"site_release_commands[{number}]"
        if not isinstance(one, dict):
            yield from _command(name, one, "loaddata shop/rates.json, or as in {command: createcachetable, once: true}")
            continue
        if unknown := [part for part in one if part not in ("command", "once")]:
            verb = "is" if len(unknown) == 1 else "are"
            yield Complaint(name, f"{listed(list(map(shown, unknown)))} {verb} unknown here", "it has command and once")
        yield from _command(f"{name}.command", one.get("command"), "loaddata shop/rates.json")
        if not isinstance(one.get("once", False), bool):
            yield Complaint(f"{name}.once", f"{shown(one['once'])} is neither true nor false", "write one of the two")


@rule
def _first_commands(site_first_commands: list[str]) -> Iterator[Complaint]:
    for number, one in enumerate(site_first_commands):
        yield from _command(f"site_first_commands[{number}]", one, "loaddata shop/initial.json")


@rule
def _first_commands_follow_migrations(site_first_commands: list[str], site_migrate: bool) -> Iterator[Complaint]:
    if site_first_commands and not site_migrate:
        yield Complaint(
            "site_first_commands",
            "they run once a deploy has migrated an empty database, and site_migrate is false",
            "leave them out, or set site_migrate: true",
        )


def _command(name: str, text: Any, example: str) -> Iterator[Complaint]:
    cure = f"write it as in {example}"
    words, complaints = read_words(name, text) if isinstance(text, str) else ([], [])
    if complaints:
        yield from complaints
    elif not words:
        yield Complaint(name, f"{shown(text)} is not a command of manage.py", cure)
    elif re.fullmatch(r"(?:.*/)?(?:python[0-9.]*|manage\.py|django-admin)", words[0]):
        yield Complaint(name, f"{shown(text)} begins with {words[0]}, which is added", cure)
    elif not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", words[0]):
        yield Complaint(name, f"{shown(words[0])} is not the name of a command", cure)
    elif words[0] in ("runserver", "runserver_plus", "shell", "shell_plus", "dbshell", "testserver"):
        yield Complaint(name, f"{words[0]} does not end by itself", "leave it out")
    elif words[0] == "createsuperuser" and not {"--no-input", "--noinput"}.intersection(words):
        yield Complaint(
            name,
            f"{shown(text)} would ask questions, and nobody answers",
            "add --no-input, with its password in site_secrets",
        )


@rule
def _plan_inputs(site_plan_inputs: dict[str, Any]) -> Iterator[Complaint]:
    # More than the plan depends on these variables, such as which server is installed.
    variables = {name: variable for variable, name in PLAN_INPUTS.items()}
    alone = [name for name in site_plan_inputs if name in variables]
    if alone:
        verb = "is" if len(alone) == 1 else "are"
        yield Complaint(
            "site_plan_inputs",
            f"{listed(alone)} {verb} not only for the plan",
            f"set {listed([variables[name] for name in alone])} instead",
        )


@rule
def _asgi(
    site_interface: str, site_server: str, site_wsgi_middleware: list[Any], site_wsgi_application: str
) -> Iterator[Complaint]:
    if site_interface != "asgi":
        return
    if site_server == "uwsgi":
        yield Complaint(
            "site_interface", '"asgi" needs gunicorn, and site_server is "uwsgi"', "set site_server: gunicorn"
        )
    if site_wsgi_middleware:
        yield Complaint(
            "site_wsgi_middleware",
            'it wraps WSGI applications, and site_interface is "asgi"',
            "leave it out; ASGI middleware belongs into the project's asgi.py",
        )
    if site_wsgi_application:
        yield Complaint(
            "site_wsgi_application",
            f'{shown(site_wsgi_application)} has no effect, as site_interface is "asgi"',
            "leave it out; site_asgi_application names another application than asgi.py has",
        )


@rule
def _asgi_has_no_threads(site_interface: str, site_threads: int) -> Iterator[Complaint]:
    if site_interface == "asgi":
        yield Complaint(
            "site_threads",
            f'{site_threads} has no effect, as site_interface is "asgi": '
            "a worker answers its requests in one event loop",
            "leave it out; worker_connections in gunicorn_settings is how many at a time",
        )


@rule
def _asgi_application(site_interface: str, site_asgi_application: str) -> Iterator[Complaint]:
    if site_interface == "wsgi" and site_asgi_application:
        yield Complaint(
            "site_asgi_application",
            f'{shown(site_asgi_application)} has no effect, as site_interface is "wsgi"',
            "set site_interface: asgi, or leave it out",
        )


@rule
def _asgi_needs_a_recent_gunicorn(site_interface: str, gunicorn_version: str) -> Iterator[Complaint]:
    """Compare the version that the user has set; the one of the project's list is compared when the source is read."""
    numbers, oldest = (
        [*map(int, re.findall(r"\d+", one)[:3]), 0, 0][:3] for one in (gunicorn_version, OLDEST_FOR_ASGI)
    )
    if site_interface == "asgi" and gunicorn_version and numbers < oldest:
        yield Complaint(
            "gunicorn_version",
            f'{shown(gunicorn_version)} is before {OLDEST_FOR_ASGI}, and site_interface is "asgi": its asgi worker '
            "leaves connections open, and takes all the time it may take to stop",
            "leave it out, or set a later one",
        )


@rule
def _worker_class(site_interface: str, gunicorn_settings: dict[str, Any]) -> Iterator[Complaint]:
    chosen = gunicorn_settings.get("worker_class")
    if chosen is None or (chosen == "asgi") == (site_interface == "asgi"):
        return
    yield Complaint(
        "gunicorn_settings",
        f'worker_class: {shown(chosen)} cannot run an application of site_interface "{site_interface}"',
        "set site_interface: asgi" if chosen == "asgi" else "leave it out; gunicorn's own asgi worker is used",
    )


@rule
def _gunicorn_settings(gunicorn_settings: dict[str, Any]) -> Iterator[Complaint]:
    yield from _settings("gunicorn_settings", gunicorn_settings, "[a-z][a-z0-9_]*", "setting", "max_requests")
    if own := [name for name in gunicorn_settings if name in GUNICORN_SETTINGS_OF_THE_SLOT]:
        yield Complaint("gunicorn_settings", _of_the_slot(own), _leave_out(own))
    # A newer gunicorn may have others: those without a neighbour are compared with the installed one when it starts.
    free = [name for name in GUNICORN_SETTINGS if name not in GUNICORN_SETTINGS_OF_THE_SLOT]
    for name in gunicorn_settings:
        if name not in GUNICORN_SETTINGS and (near := nearest(str(name), free)):
            yield Complaint("gunicorn_settings", f"gunicorn has no setting {shown(name)}", f"did you mean {near}?")


@rule
def _uwsgi_settings(uwsgi_settings: dict[str, Any]) -> Iterator[Complaint]:
    yield from _settings("uwsgi_settings", uwsgi_settings, "[a-z][a-z0-9-]*", "option", "max-requests")
    if own := [name for name in uwsgi_settings if name in UWSGI_OPTIONS_OF_THE_SLOT]:
        yield Complaint("uwsgi_settings", _of_the_slot(own), f"{_leave_out(own)}; docs/servers.md says why")
    for name, value in uwsgi_settings.items():
        for one in value if isinstance(value, list) else [value]:
            if re.search(r"[\x00-\x1f\x7f]", str(one)):
                yield Complaint(
                    "uwsgi_settings",
                    f"{name}: {shown(one)} has a line break or another control character",
                    "remove it: what follows would be an option of its own",
                )


def _settings(variable: str, settings: Mapping[Any, Any], pattern: str, kind: str, example: str) -> Iterator[Complaint]:
    for name in settings:
        if not re.fullmatch(pattern, str(name)):
            yield Complaint(
                variable,
                f"{shown(name)} is not the name of a{'n' if kind == 'option' else ''} {kind}",
                f"write it as in {example}",
            )


def _of_the_slot(names: list[str]) -> str:
    return f"{listed(names)} {'belongs' if len(names) == 1 else 'belong'} to the slot, which the collection configures"


def _leave_out(names: list[str]) -> str:
    return "leave it out" if len(names) == 1 else "leave them out"


@rule
def _monitoring_network(monitoring_network: str, monitoring_address: str) -> Iterator[Complaint]:
    if not monitoring_network:
        return
    try:
        network = ipaddress.ip_network(monitoring_network)
    except ValueError:
        yield Complaint(
            "monitoring_network", f"{shown(monitoring_network)} is not a network", "write it as in 10.0.0.0/24"
        )
        return
    if not network.is_private:
        yield Complaint(
            "monitoring_network",
            f"{shown(monitoring_network)} is not private, and the exporters would be readable from the internet",
            "leave it out, and set monitoring_password",
        )
    elif monitoring_address and not _is_within(monitoring_address, network):
        yield Complaint(
            "monitoring_address",
            f"{shown(monitoring_address)} is not in monitoring_network, {shown(monitoring_network)}",
            "set the host's address there, or leave it out to have it found",
        )


def _is_within(address: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(address) in network
    except ValueError:
        return False


@rule
def _monitoring_flags(monitoring_flags: dict[str, Any]) -> Iterator[Complaint]:
    for program, flags in monitoring_flags.items():
        if program not in MONITORING_PROGRAMS:
            yield Complaint(
                "monitoring_flags", f"{shown(program)} is not a program", f"it has {listed([*MONITORING_PROGRAMS])}"
            )
        elif not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
            yield Complaint("monitoring_flags", f"{program}: {shown(flags)} is not a list of flags", FLAG_CURE)
        else:
            for flag in flags:
                if not re.fullmatch(r"--[a-z][\x20-\x7e]*", flag):
                    yield Complaint("monitoring_flags", f"{program}: {shown(flag)} is not a flag", FLAG_CURE)


@rule
def _monitoring_receivers(monitoring_receivers: list[dict[str, Any]]) -> Iterator[Complaint]:
    for number, receiver in enumerate(monitoring_receivers):
        if not isinstance(receiver.get("name"), str) or not receiver["name"]:
            yield Complaint(
                f"monitoring_receivers[{number}]", "has no name", "give each receiver one, as in {name: operators, ...}"
            )


@rule
def _monitoring_alertmanager(monitoring_alertmanager: dict[str, Any]) -> Iterator[Complaint]:
    if "receivers" in monitoring_alertmanager:
        yield Complaint("monitoring_alertmanager", "receivers have a variable of their own", "set monitoring_receivers")
