"""Validation of whole sites: patterns, ranges, relations, order, and everything that one call reports at once."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.relations import (
    OLDEST_FOR_ASGI,
    RULES,
    check_sources,
)
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.specification import read_roles
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.validation import (
    PlayVariables,
    old_ansible,
    validate,
)

ROOT = Path(__file__).resolve().parents[5]
ROLES = read_roles(ROOT / "roles")
SITE: dict[str, Any] = {
    **{name: option.default for name, option in ROLES.options.items() if not option.required},
    "site_name": "shop",
    "site_domains": ["shop.example.com"],
    "site_settings_module": "shop.settings",
    "site_git_url": "https://git.example.com/shop.git",
}
NO_COMMAND = (
    "is not a command of manage.py; write it as in loaddata shop/rates.json, or as in "
    "{command: createcachetable, once: true}"
)
NO_MIDDLEWARE = (
    "is not a module and a name in it; write it as in whitenoise.WhiteNoise, or as in "
    "{path: whitenoise.WhiteNoise, arguments: {max_age: 60}}"
)
TLS = {"site_tls_certificate": "/etc/ssl/shop.pem", "site_tls_key": "/etc/ssl/shop.key"}

# What uWSGI 2.0.30 knows for starting uWSGI, for new code in a running process, and for what the slot has.
OPTIONS_OF_THE_SLOT = [
    *("emperor", "fallback-config", "zerg", "zerg-pool", "zerg-server", "zergpool"),
    *("fs-brutal-reload", "fs-reload", "master-fifo", "touch-chain-reload", "touch-mules-reload", "touch-reload"),
    *("touch-spoolers-reload", "touch-workers-reload"),
    *("py-auto-reload", "py-autoreload", "python-auto-reload", "python-autoreload"),
    *("file", "module", "wsgi", "wsgi-file", "http-socket", "socket", "uwsgi-socket"),
    *("chdir", "daemonize", "daemonize2", "home", "master", "pyhome", "venv", "virtualenv"),
]


def complaints(**variables: Any) -> list[str]:
    found, _warning = validate(ROLES, PlayVariables({**SITE, **variables}))
    return [str(complaint) for complaint in found]


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"site_name": "Shop"},
        'site_name: "Shop" cannot name a user and a unit; begin with a lower-case letter and use at most 24 lower-case '
        "letters, digits, - and _",
    ),
    (
        {"site_secrets": {"SECRET_KEY": "<fill in: the output of openssl rand -hex 32>"}},
        "site_secrets: SECRET_KEY is still what pitcrew.django.inspect left open; fill in the output of "
        "openssl rand -hex 32",
    ),
    (
        {"site_settings": {"DATABASES": {"default": {"NAME": "<fill in: its name>"}}}},
        "site_settings: DATABASES is still what pitcrew.django.inspect left open; fill in its name",
    ),
    ({"site_name": "root"}, 'site_name: "root" is a name that hosts already use; choose another'),
    (
        {"site_services": ["postgres"]},
        'site_services[0]: "postgres" is not one of postgresql, redis; set one of them',
    ),
    (
        {"site_services": ["redis", "rabbitmq"]},
        'site_services[1]: "rabbitmq" is not one of postgresql, redis; set one of them',
    ),
    ({"site_services": "redis"}, 'site_services: "redis" is not a list; write one, as in [redis]'),
    ({"site_services": [["redis"]]}, 'site_services[0]: ["redis"] is not text; write it as text, in quotes'),
    (
        {"site_services": None},
        "site_services: null is not allowed; leave it out for its default, []",
    ),
    (
        {"site_services": ["postgresql"], "site_name": "pg_shop"},
        'site_name: "pg_shop" is a name that postgresql uses itself; choose another',
    ),
    (
        {"site_services": ["redis", "postgresql", "redis"], "site_name": "postgres"},
        'site_name: "postgres" is a name that postgresql uses itself; choose another',
    ),
    (
        {"site_settings_module": None},
        "site_settings_module: is not set, and has no default; set it, as in site_settings_module: shop.settings",
    ),
    (
        {
            "site_interface": "asgi",
            "site_server": "uwsgi",
            "site_threads": 4,
            "site_wsgi_application": "shop.wsgi:app",
            "site_wsgi_middleware": ["whitenoise.WhiteNoise"],
            "gunicorn_settings": {"worker_class": "uvicorn.workers.UvicornWorker"},
        },
        'site_interface: "asgi" needs gunicorn, and site_server is "uwsgi"; set site_server: gunicorn\n'
        'site_wsgi_application: "shop.wsgi:app" has no effect, as site_interface is "asgi"; leave it out; '
        "site_asgi_application names another application than asgi.py has\n"
        'site_wsgi_middleware: it wraps WSGI applications, and site_interface is "asgi"; leave it out; ASGI middleware '
        "belongs into the project's asgi.py\n"
        'site_threads: 4 has no effect, as site_interface is "asgi": a worker answers its requests in one event loop; '
        "leave it out; worker_connections in gunicorn_settings is how many at a time\n"
        'gunicorn_settings: worker_class: "uvicorn.workers.UvicornWorker" cannot run an application of site_interface '
        '"asgi"; leave it out; gunicorn\'s own asgi worker is used',
    ),
    (
        {"site_asgi_application": "shop.asgi:app", "gunicorn_settings": {"worker_class": "asgi"}},
        'site_asgi_application: "shop.asgi:app" has no effect, as site_interface is "wsgi"; set site_interface: asgi, '
        "or leave it out\n"
        'gunicorn_settings: worker_class: "asgi" cannot run an application of site_interface "wsgi"; set '
        "site_interface: asgi",
    ),
    (
        {"site_interface": "asgi", "gunicorn_version": "25.3.0"},
        'gunicorn_version: "25.3.0" is before 26.1.0, and site_interface is "asgi": its asgi worker leaves connections '
        "open, and takes all the time it may take to stop; leave it out, or set a later one",
    ),
    ({"site_interface": "rsgi"}, 'site_interface: "rsgi" is not one of wsgi, asgi; set one of them'),
    (
        {"site_interface": "asgi", "site_asgi_application": "shop/asgi.py", "site_drain_long": -1},
        'site_asgi_application: "shop/asgi.py" is not a module and a name in it; write it as in shop.asgi:application\n'
        "site_drain_long: -1 is below 0; set seconds, or 0 to close WebSockets and streams at once",
    ),
    (
        {"site_wsgi_application": "shop.wsgi:app()"},
        'site_wsgi_application: "shop.wsgi:app()" is not a module and a name in it; write it as in '
        "shop.wsgi:application",
    ),
    (
        {"site_python": "python3"},
        'site_python: "python3" is not an absolute path on the host; write it as in /usr/bin/python3.12',
    ),
    (
        {"site_project_directory": "/web"},
        'site_project_directory: "/web" is not a directory inside the source; write it as in web/shop, without / at '
        "either end",
    ),
    (
        {"site_shared_paths": ["data/", "../etc", "a/../b"]},
        'site_shared_paths: "../etc" is not a path inside the project; write it as in data/ or shop/local.ini\n'
        'site_shared_paths: "a/../b" is not a path inside the project; write it as in data/ or shop/local.ini',
    ),
    (
        {"site_git_ref": "--upload-pack=x"},
        'site_git_ref: "--upload-pack=x" is not a branch, tag or commit; write it as in main, v1.4 or 3f2a9c1d04ab',
    ),
    (
        {"site_trusted_proxies": ["10.0.0.0/24", "proxy.example.com"]},
        'site_trusted_proxies: "proxy.example.com" is not an IP address or a network; write it as in 10.0.0.11 or '
        "10.0.0.0/24",
    ),
    (
        {"site_request_timeout": 0},
        "site_request_timeout: 0 is below 1; set the longest that a request may take, in seconds",
    ),
    (
        {"site_request_timeout": "3601"},
        "site_request_timeout: 3601 is above 3600; set the longest that a request may take, in seconds",
    ),
    ({"site_backups_kept": 0}, "site_backups_kept: 0 is below 1; for no backups, set site_backup: false"),
    ({"site_health_status": 20}, "site_health_status: 20 is below 100; the usual status is 200"),
    (
        {"site_domains": []},
        "site_domains: [] has no full host name, which health checks need; add one, such as shop.example.com",
    ),
    (
        {"site_domains": ["*.example.com"]},
        'site_domains: ["*.example.com"] has no full host name, which health checks need; add one, such as '
        "shop.example.com",
    ),
    (
        {"site_domains": ["shop example", "straße.example"]},
        'site_domains: "shop example" is not a host name; write it as in shop.example.com or *.example.com, without '
        "scheme, port, path or white space\n"
        'site_domains: "straße.example" is an international name that has more than one ASCII form, or none; write the '
        "one that you have registered, which begins with xn--",
    ),
    (
        {"site_domains": ["shop.example.com", "192.0.2.1", "::1"], **TLS},
        'site_domains: "192.0.2.1" cannot be served over TLS: browsers do not send an address as the server name '
        "(SNI); leave it out, or leave out site_tls_certificate and site_tls_key\n"
        'site_domains: "::1" cannot be served over TLS: browsers do not send an address as the server name '
        "(SNI); leave it out, or leave out site_tls_certificate and site_tls_key",
    ),
    (
        {"site_git_url": ""},
        "site_git_url, site_source_directory: neither is set; set exactly one of them, or site_package",
    ),
    (
        {"site_git_url": "https://anna:hunter2@git.example.com/shop.git", "site_source_directory": "../shop"},
        "site_git_url, site_source_directory: both are set "
        '("https://git.example.com/shop.git" and "../shop"); set exactly one of them',
    ),
    (
        {"site_package": "shop==2.4.*"},
        'site_git_url, site_package: both are set ("https://git.example.com/shop.git" and "shop==2.4.*"); set exactly '
        "one of them",
    ),
    (
        {"site_package": "shop==2.4.*", "site_source_directory": "../shop"},
        'site_git_url, site_source_directory, site_package: all are set ("https://git.example.com/shop.git", "../shop" '
        'and "shop==2.4.*"); set exactly one of them',
    ),
    (
        {
            "site_git_url": "",
            "site_package": "-r list.txt",
        },
        'site_package: "-r list.txt" is not a requirement for pip; write it as in myshop==2.4.* or '
        "myshop @ git+https://git.example.com/myshop.git@v2.4",
    ),
    (
        {
            "site_git_url": "",
            "site_package": "shop",
            "site_project_directory": "web",
            "site_requirements": ["a.txt"],
            "site_requirements_extras": ["sql"],
            "site_requirements_groups": ["live"],
        },
        'site_project_directory: "web" would be in a source, and site_package has none; leave it out; the package '
        "brings its dependencies\n"
        'site_requirements: ["a.txt"] would be in a source, and site_package has none; leave it out; the package '
        "brings its dependencies\n"
        'site_requirements_extras: ["sql"] are for a list in a source; write site_package as in myshop[sql]==2.4.*\n'
        'site_requirements_groups: ["live"]: a package has no groups; leave them out',
    ),
    (
        {"site_python_packages": ["git+ssh://git@git.example.com/lib.git", "b @ git+https://t0ken@git.example.com/b"]},
        'site_python_packages: "b @ git+https://git.example.com/b" has a login in its URL, which everybody on the host '
        "could read; move it to site_package_logins",
    ),
    (
        {"site_requirements": 7},
        "site_requirements: 7 is neither text nor a list; write it as in requirements/production.txt or "
        "../requirements.txt, or as a list of these",
    ),
    (
        {"site_requirements": ["/srv/list.txt", "-r a.txt", "", "two\nlines"]},
        'site_requirements: "/srv/list.txt" is not in the source; write it as in requirements/production.txt or '
        "../requirements.txt, or as a list of these\n"
        'site_requirements: "-r a.txt" is an option, and not a file; write it as in requirements/production.txt or '
        "../requirements.txt, or as a list of these\n"
        'site_requirements: "" is not a file; write it as in requirements/production.txt or '
        "../requirements.txt, or as a list of these\n"
        'site_requirements: "two\\nlines" is not a file; write it as in requirements/production.txt or '
        "../requirements.txt, or as a list of these",
    ),
    (
        {"site_requirements_extras": ["a b"], "site_requirements_groups": ["--dev"]},
        'site_requirements_extras: "a b" is not the name of an extra; write it as in postgres\n'
        'site_requirements_groups: "--dev" is not the name of a group; write it as in production',
    ),
    (
        {"site_python_packages": ["--requirement=../requirements.txt", "-i https://x/", "-c pins.txt", "--no-deps"]},
        'site_python_packages: "--requirement=../requirements.txt" is an option, and not a package; set '
        "site_requirements to the list, which may lie anywhere in the source\n"
        'site_python_packages: "-i https://x/" is an option, and not a package; set site_package_index\n'
        'site_python_packages: "-c pins.txt" is an option, and not a package; include the constraints in a list of the '
        "source, with a line such as -c constraints.txt\n"
        'site_python_packages: "--no-deps" is an option, and not a package; name a package here, and put options into '
        "a list of the source",
    ),
    (
        {
            "site_package_logins": {
                "https://git.example.com": {"user": "deploy", "password": "s3cret"},
                "pypi.example.com": {"user": "deploy"},
                "a.example.com": "deploy:s3cret",
                "b.example.com": {"user": "deploy", "password": "two words"},
            }
        },
        'site_package_logins: "https://git.example.com" is not the name of a host; write it as in git.example.com\n'
        "site_package_logins: pypi.example.com: user is not a user and a password; write {user: ..., password: ...}\n"
        "site_package_logins: a.example.com: the login (not shown) is not a user and a password; write {user: ..., "
        "password: ...}\n"
        "site_package_logins: b.example.com: the password (not shown) cannot be written to a netrc file; use printable "
        "ASCII without spaces, quotes and backslashes, and no # at the beginning",
    ),
    (
        {"site_package_ssh_key": "/home/anna/.ssh/id_ed25519"},
        "site_package_ssh_key: the value (not shown) is not the text of a private key; create one with ssh-keygen -t "
        "ed25519 -N '', and set the text of its file, from a vault",
    ),
    (
        {"site_tls_certificate": "/etc/ssl/shop.pem"},
        "site_tls_key: is not set, but site_tls_certificate is; set both, or neither for a site without TLS on this "
        "host",
    ),
    (
        {"site_tls_key": "/etc/ssl/shop.key"},
        "site_tls_certificate: is not set, but site_tls_key is; set both, or neither for a site without TLS on this "
        "host",
    ),
    (
        {
            "site_environment": {
                "SITE_RELEASE": "x",
                "A-B": "x",
                "C": None,
                "D": "a\x00b",
                "E": ["x"],
                "F": 7,
                "G": True,
            }
        },
        "site_environment: SITE_RELEASE is set by the collection; it is the name of the release; leave it out\n"
        'site_environment: "A-B" is not the name of an environment variable; use letters, digits and _, and begin with '
        "a letter\n"
        "site_environment: C: null is not text; write it in quotes, or a structure as {{ value | to_json }}\n"
        r'site_environment: D: "a\u0000b" has control characters, which systemd drops; remove them'
        "\n"
        'site_environment: E: ["x"] is not text; write it in quotes, or a structure as {{ value | to_json }}',
    ),
    (
        {"site_secrets": {"DJANGO_SETTINGS_MODULE": "x", "KEY": {"hunter2": "hunter2"}}},
        "site_secrets: DJANGO_SETTINGS_MODULE is set by the collection; set site_settings_module\n"
        "site_secrets: KEY: the value (not shown) is not text; write it in quotes, or a structure as "
        "{{ value | to_json }}",
    ),
    (
        {"site_settings": {"debug": False, "INSTALLED_APPS+": "x"}},
        'site_settings: "debug" is not the name of a setting; write it in upper-case letters, as in DEBUG\n'
        "site_settings: INSTALLED_APPS+ extends a list, but its value is not a list; write it as in [value]",
    ),
    (
        {"site_settings": {"DEBUG": False}, "site_secrets": {"PYTHONPATH": "/opt/lib"}},
        "site_secrets: PYTHONPATH would hide site_settings and site_secret_settings from the process; "
        "set it in site_environment",
    ),
    (
        {
            "site_wsgi_middleware": [
                "whitenoise.WhiteNoise",
                {"path": "guard.Guard", "arguments": {"users": ["a", None], "limits": {"a": 1.5}}},
                "whitenoise",
                7,
                {"arguments": {}},
                {"path": "guard.Guard", "argument": {"a": 1}},
                {"path": "guard.Guard", "arguments": ["a"]},
                {"path": "guard.Guard", "arguments": {"max-age": 1, "class": 2, 3: 4, "since": date(2026, 1, 1)}},
            ]
        },
        f'site_wsgi_middleware[2]: "whitenoise" {NO_MIDDLEWARE}\n'
        f"site_wsgi_middleware[3]: 7 {NO_MIDDLEWARE}\n"
        f"site_wsgi_middleware[4].path: null {NO_MIDDLEWARE}\n"
        'site_wsgi_middleware[5]: "argument" is unknown here; it has path and arguments\n'
        'site_wsgi_middleware[6].arguments: ["a"] is not a mapping; write it as in {max_age: 60}\n'
        'site_wsgi_middleware[7].arguments: "max-age" is not the name of an argument; write it as in max_age\n'
        'site_wsgi_middleware[7].arguments: "class" is not the name of an argument; write it as in max_age\n'
        "site_wsgi_middleware[7].arguments: 3 is not the name of an argument; write it as in max_age\n"
        'site_wsgi_middleware[7].arguments: since: "2026-01-01" has no form in JSON; write it as text, in quotes',
    ),
    (
        {
            "site_release_commands": [
                "loaddata 'a file.json'",
                {"command": "createcachetable", "once": True},
                "",
                "loaddata 'a",
                "python manage.py rebuild",
                "./manage.py rebuild",
                "--help",
                "runserver",
                7,
                {"once": True},
                {"command": "rebuild", "twice": True},
                {"command": "rebuild", "once": "yes please"},
            ]
        },
        f'site_release_commands[2]: "" {NO_COMMAND}\n'
        'site_release_commands[3]: "loaddata \'a" has an error in its quotes (No closing quotation); close each quote '
        "that is opened\n"
        'site_release_commands[4]: "python manage.py rebuild" begins with python, which is added; write it as in '
        "loaddata shop/rates.json, or as in {command: createcachetable, once: true}\n"
        'site_release_commands[5]: "./manage.py rebuild" begins with ./manage.py, which is added; write it as in '
        "loaddata shop/rates.json, or as in {command: createcachetable, once: true}\n"
        'site_release_commands[6]: "--help" is not the name of a command; write it as in loaddata shop/rates.json, or '
        "as in {command: createcachetable, once: true}\n"
        "site_release_commands[7]: runserver does not end by itself; leave it out\n"
        f"site_release_commands[8]: 7 {NO_COMMAND}\n"
        "site_release_commands[9].command: null is not a command of manage.py; write it as in loaddata "
        "shop/rates.json\n"
        'site_release_commands[10]: "twice" is unknown here; it has command and once\n'
        'site_release_commands[11].once: "yes please" is neither true nor false; write one of the two',
    ),
    (
        {"site_first_commands": ["loaddata shop/initial.json", "createsuperuser", " "]},
        'site_first_commands[1]: "createsuperuser" would ask questions, and nobody answers; add --no-input, with its '
        "password in site_secrets\n"
        'site_first_commands[2]: " " is not a command of manage.py; write it as in loaddata shop/initial.json',
    ),
    (
        {"site_first_commands": ["loaddata shop/initial.json"], "site_migrate": False},
        "site_first_commands: they run once a deploy has migrated an empty database, and site_migrate is false; leave "
        "them out, or set site_migrate: true",
    ),
    (
        {
            "site_silenced_checks": ["security.W004", "all of them"],
            "site_settings": {"SILENCED_SYSTEM_CHECKS": []},
            "site_secrets": {"PYTHONPATH": "/opt"},
        },
        "site_secrets: PYTHONPATH would hide site_settings and site_secret_settings from the process; set it in "
        "site_environment\n"
        "site_settings: SILENCED_SYSTEM_CHECKS is set here and in site_silenced_checks; set one of them\n"
        'site_silenced_checks: "all of them" is not the name of a check; write it as in security.W004',
    ),
    (
        {"site_environment": {"PROMETHEUS_MULTIPROC_DIR": "/tmp/x"}, "site_secrets": {"prometheus_multiproc_dir": "x"}},
        "site_environment: PROMETHEUS_MULTIPROC_DIR is set by the collection, so that its exporter finds the project's "
        "metrics, too; leave it out, or set site_metrics: false\n"
        "site_secrets: prometheus_multiproc_dir is set by the collection, so that its exporter finds the project's "
        "metrics, too; leave it out, or set site_metrics: false",
    ),
    (
        {"site_plan_inputs": {"server": "uwsgi", "cpu_ms": 9, "max_request_s": 5, "cpu_mss": 1, "interface": "asgi"}},
        "site_plan_inputs: server, max_request_s and interface are not only for the plan; set site_server, "
        "site_request_timeout and site_interface instead\n"
        "site_plan_inputs: cpu_mss: there is no such input; did you mean cpu_ms?",
    ),
    ({"site_workers": 0}, "site_workers: expected a whole number from 1 to 100000, got 0"),
    ({"site_capacity_share": "1.5"}, "site_capacity_share: expected a number above 0 and at most 1, got 1.5"),
    (
        {"gunicorn_version": "27; reboot"},
        'gunicorn_version: "27; reboot" is not a version; write it as in 27.0.1',
    ),
    (
        {"gunicorn_settings": {"worker": 4, "preload": True, "of_a_newer_gunicorn": 1}},
        'gunicorn_settings: gunicorn has no setting "worker"; did you mean workers?',
    ),
    (
        {"gunicorn_settings": {"bind": "0.0.0.0:80", "two words": 1}},
        'gunicorn_settings: "two words" is not the name of a setting; write it as in max_requests\n'
        "gunicorn_settings: bind belongs to the slot, which the collection configures; leave it out",
    ),
    (
        {"uwsgi_settings": {"env": ["A=1", "B=2\nuid = root"]}},
        r'uwsgi_settings: env: "B=2\nuid = root" has a line break or another control character; remove it: what '
        "follows would be an option of its own",
    ),
    (
        {"uwsgi_settings": dict.fromkeys(OPTIONS_OF_THE_SLOT, "x")},
        f"uwsgi_settings: {', '.join(OPTIONS_OF_THE_SLOT[:-1])} and virtualenv belong to the slot, which the "
        "collection configures; leave them out; docs/servers.md says why",
    ),
    (
        {"site_health_checks": [{"path": "/shop/"}, {"path": "shop", "status": 42}]},
        'site_health_checks[1].path: "shop" is not a path on the site; write it as in /healthz/\n'
        "site_health_checks[1].status: 42 is not an HTTP status; the usual status is 200",
    ),
    (
        {"site_health_checks": [{"status": 200}, {"path": "/", "code": 200}]},
        "site_health_checks[0].path: is not set, and has no default; set it\n"
        'site_health_checks[1]: "code" is not one of its keys; they are path, status',
    ),
    (
        {"monitoring_password": "short"},
        "monitoring_password: the value (not shown) is not 16 to 200 printable ASCII characters without spaces; create "
        "one with: openssl rand -hex 16",
    ),
    (
        {"monitoring_network": "10.0.0.1/24"},
        'monitoring_network: "10.0.0.1/24" is not a network; write it as in 10.0.0.0/24',
    ),
    (
        {"monitoring_network": "8.0.0.0/8"},
        'monitoring_network: "8.0.0.0/8" is not private, and the exporters would be readable from the internet; leave '
        "it out, and set monitoring_password",
    ),
    (
        {"monitoring_network": "10.0.0.0/24", "monitoring_address": "10.0.1.11"},
        'monitoring_address: "10.0.1.11" is not in monitoring_network, "10.0.0.0/24"; set the host\'s address there, '
        "or leave it out to have it found",
    ),
    (
        {"monitoring_flags": {"grafana": ["--x"]}},
        'monitoring_flags: "grafana" is not a program; it has prometheus, alertmanager, blackbox, node, nginx '
        "and postgres",
    ),
    (
        {"monitoring_flags": {"node": "--x"}},
        'monitoring_flags: node: "--x" is not a list of flags; write them as in '
        "[--web.external-url=https://prometheus.example.com/]",
    ),
    (
        {"monitoring_flags": {"node": ["-x y"]}},
        'monitoring_flags: node: "-x y" is not a flag; write them as in '
        "[--web.external-url=https://prometheus.example.com/]",
    ),
    (
        {"monitoring_receivers": [{"email_configs": []}]},
        "monitoring_receivers[0]: has no name; give each receiver one, as in {name: operators, ...}",
    ),
    (
        {"monitoring_alertmanager": {"receivers": []}},
        "monitoring_alertmanager: receivers have a variable of their own; set monitoring_receivers",
    ),
]


@pytest.mark.parametrize(
    ("variables", "sentences"), REFUSED, ids=[" ".join(variables)[:60] for variables, _sentences in REFUSED]
)
def test_what_is_refused(variables: dict[str, Any], sentences: str) -> None:
    """These sentences are all there is."""
    assert complaints(**variables) == sentences.splitlines()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        TLS,
        {"site_domains": ["Shop.Example.com.", "*.example.com", "münchen.example", "localhost", "192.0.2.1", "[::1]"]},
        {"site_git_url": "", "site_source_directory": "../shop"},
        {"site_environment": {"PROMETHEUS_MULTIPROC_DIR": "/tmp/x"}, "site_metrics": False},
        {"site_workers": "4", "site_capacity_share": "0.5", "site_request_timeout": "20", "site_migrate": "no"},
        {"site_plan_inputs": {"cpu_ms": 9, "db_hosts": 3}},
        {"site_secrets": {"PYTHONPATH": "/opt/lib"}, "site_environment": {"_X": 1.5, "Y": "two\nlines"}},
        {"site_settings": {"INSTALLED_APPS+": ["x"], "DATABASES": {"default": {}}}},
        {"uwsgi_settings": {"touch-logreopen": "/run/x", "max-requests": None, "mule": ["a.py", "b.py"]}},
        {"site_shared_paths": ["data/", "..data", "shop/local.ini", ".env"]},
        {"site_python_packages": ["psycopg[binary]==3.2.1", "x @ https://example.com/x.whl ; python_version > '3'"]},
        {"site_system_packages": ["libpq5", "g++", "gir1.2-gtk-3.0", "nginx=1.22.1-9"]},
        {"site_git_ref": "feature/x#7", "site_release": "3f2a9c1d04ab-1f3e2c-2"},
        {"site_backends": ["[2001:db8::11]:80"]},
        {"site_health_path": "/api/v1:status/@me/?fields[]=a,b"},
        {"site_system_packages": ["libpq5=15.*"]},
    ],
    ids=str,
)
def test_what_is_not_refused(variables: dict[str, Any]) -> None:
    assert complaints(**variables) == []


@pytest.mark.parametrize("version", ["26.1.0", "26.1", "27.0.1", "30"])
def test_a_gunicorn_that_can_be_stopped(version: str) -> None:
    """It is as old as the role says that one may be."""
    assert complaints(site_interface="asgi", gunicorn_version=version) == []
    role = yaml.safe_load((ROOT / "roles/gunicorn/vars/main.yml").read_text())
    assert role["__gunicorn_requirement_of_asgi"]["oldest"] == OLDEST_FOR_ASGI


def test_everything_is_said_at_once_and_in_the_documented_order() -> None:
    """Types, patterns, relations, templates, names: each variable has its line."""
    variables = PlayVariables(
        {**SITE, "site_name": "Shop", "site_workers": "many", "site_domains": ["a b"], **TLS, "site_tls_key": "key"},
        errors={"site_git_ref": "'branch' is undefined"},
        names=["site_name", "site_heath_path", "site_motto", "site_user"],
    )
    found, warning = validate(ROLES, variables)
    assert [complaint.variable for complaint in found] == [
        "site_name",
        "site_domains",
        "site_git_ref",
        "site_workers",
        "site_tls_key",
        "site_heath_path",
        "site_user",
    ]
    assert (
        str(found[2])
        == "site_git_ref: cannot be evaluated: 'branch' is undefined; correct the template, or define what it needs"
    )
    assert "site_motto" in warning


def test_a_variable_that_no_role_of_the_play_has() -> None:
    """A host that only balances does not load the servers' roles."""
    variables = {name: value for name, value in SITE.items() if name.startswith("site_")}
    assert validate(ROLES, PlayVariables(variables)) == ([], "")


def test_the_variables_of_one_role() -> None:
    """On a host that has no site: nothing of a site is missing there, and none of its names counts."""
    only = ROLES.of(["monitoring"]).requiring(["monitoring_password"])
    names = ["monitoring_intervall", "monitoring_mine", "monitoring_retention_size"]
    own = {"site_custom_variables": ["monitoring_passwords"], "monitoring_interval": 0}
    found, warning = validate(only, PlayVariables(own, names=[*names, "monitoring_passwords"]))
    assert [str(complaint) for complaint in found] == [
        "monitoring_password: is not set, and has no default; set it, as in monitoring_password: a long random text",
        "monitoring_interval: 0 is below 1; set seconds; 15 to 60 are usual",
        "monitoring_intervall: there is no such variable; did you mean monitoring_interval? If it is a variable of "
        "your own, list it in site_custom_variables",
    ]
    assert warning == ""


def test_no_role_means_all() -> None:
    assert ROLES.of([]) is ROLES


def test_names_of_one_s_own_are_read_from_the_variable() -> None:
    names = ["site_worker", "site_motto"]
    assert validate(ROLES, PlayVariables({**SITE, "site_custom_variables": names}, names=names)) == ([], "")


def test_hosts_that_differ_in_their_source() -> None:
    """They would all get the one of the first."""
    hosts = {
        "web1": {"site_git_ref": "main", "site_git_url": "https://a:b@git.example.com/x"},
        "web2": {"site_git_ref": "main", "site_git_url": "https://c:d@git.example.com/x"},
        "web3": {"site_git_ref": "next", "site_requirements": None},
    }
    found = [str(complaint) for complaint in check_sources(hosts)]
    assert found == [
        'site_git_url: is "https://git.example.com/x" on web1 and "" on web3, but the hosts of a play get one source; '
        "make them equal, or run the playbook for some of the hosts at a time, with -e site_hosts=GROUP",
        'site_git_ref: is "main" on web1 and "next" on web3, but the hosts of a play get one source; '
        "make them equal, or run the playbook for some of the hosts at a time, with -e site_hosts=GROUP",
    ]
    long = "/srv/" + 70 * "x"
    assert list(check_sources({"web1": {"site_source_directory": long}, "web2": {"site_source_directory": long + "x"}}))
    assert list(check_sources({})) == []
    assert validate(ROLES, PlayVariables(SITE, sources=hosts))[0] == list(check_sources(hosts))


def test_every_rule_asks_for_documented_variables() -> None:
    """One that asked for another would never be asked."""
    for rule in RULES:
        asked = set(rule.__code__.co_varnames[: rule.__code__.co_argcount])
        assert asked
        assert asked <= ROLES.options.keys()


@pytest.mark.parametrize(
    ("version", "refused"),
    [("2.17.14", True), ("2.18.0rc1", True), ("2.19.0", False), ("2.21.5", False), ("3.0.0", False)],
)
def test_the_oldest_ansible(version: str, refused: bool) -> None:
    assert bool(old_ansible(version)) is refused
    if refused:
        assert old_ansible(version) == (
            f"pitcrew.django needs ansible-core 2.19 or later, and this is {version}: upgrade it on the control node, "
            "for example with pipx upgrade ansible-core."
        )


def test_all_that_promise_a_version_promise_the_same() -> None:
    assert yaml.safe_load((ROOT / "meta/runtime.yml").read_text()) == {"requires_ansible": ">=2.19.0"}
    for path in ROOT.glob("roles/*/meta/main.yml"):
        assert yaml.safe_load(path.read_text())["galaxy_info"]["min_ansible_version"] == "2.19"
    assert "ansible-core 2.19 or later" in (ROOT / "README.md").read_text()


def test_the_settings_of_gunicorn() -> None:
    """They are those of the version that the collection is tested with."""
    from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.relations import GUNICORN_SETTINGS

    config = pytest.importorskip("gunicorn.config")
    assert sorted(GUNICORN_SETTINGS) == sorted(setting.name for setting in config.KNOWN_SETTINGS)
