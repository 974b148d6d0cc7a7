"""What nginx, systemd and gunicorn are given, rendered by Ansible itself with the roles' own variables.

One play renders all sites at once: each is a host of a small inventory. The variables are those of the roles as a
deploy has them; only the facts of a host are made up.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]

COMMON: dict[str, Any] = {
    "site_name": "shop",
    "site_domains": ["shop.example.com"],
    "site_settings_module": "shop.settings",
    "site_release": "r1",
}
TLS = {
    "site_tls_certificate": "/etc/ssl/shop/fullchain.pem",
    "site_tls_key": "/etc/ssl/shop/privkey.pem",
}
BACKENDS = ["10.0.0.1:80", "10.0.0.2:80"]

OTHERS = {"80": "/etc/nginx/sites-enabled/old:3", "[::]:443": "/etc/nginx/conf.d/a.conf:7"}
ADDRESSES = ["10.0.0.1:80", "[::1]:443"]
SERVES = "{'static': 'static', 'media': 'media'}"
SITES: dict[str, dict[str, Any]] = {
    "plain": {},
    "tls": {**TLS, "site_domains": ["shop.example.com", "*.shop.example.com"], "nginx_acme_webroot": "/srv/acme"},
    "robin": {"site_backends": BACKENDS},
    "least": {"site_backends": BACKENDS, "site_balancing": "least_conn"},
    "hash": {"site_backends": BACKENDS, "site_balancing": "ip_hash"},
    "proxied": {"site_trusted_proxies": ["10.0.0.0/8", "192.0.2.1"], "site_scheme": "https"},
    "dash": {"site_name": "my-shop", "site_project_directory": "web/shop"},
    "without_ipv6": TLS,
    "beside_tls": {},
    "beside_others": TLS,
    "asgi": {"site_interface": "asgi", "site_drain_long": 90, "site_plan_inputs": {"worker_unique_mb": 100}},
    "asgi_balancer": {"site_interface": "asgi", "site_backends": BACKENDS},
    "unlogged": {**TLS, "nginx_access_log": False},
    "names": {"site_domains": ["*.münchen.example", "Shop.Example.com.", "shop.example.com", "::1"]},
    "bare": {"site_release": "r2"},
    "tagged": {"site_release": "r2"},
    "overridden": {
        "site_settings": {"DEBUG": False},
        "site_secret_settings": {"SECRET_KEY": "correct horse"},
        "site_environment": {"PYTHONPATH": "/opt/lib:/opt/more", "LANG": "de_DE.UTF-8"},
    },
    "served": {
        "site_services": ["postgresql", "redis"],
        "site_environment": {"CACHE_URL": "locmem://"},
        "site_secrets": {"CELERY_BROKER_URL": "amqp://broker.example.com"},
    },
    "own": {
        "site_upload_limit": "1g",
        "site_request_timeout": 90,
        "site_boot_timeout": 120,
        "site_workers": 3,
        "site_threads": 4,
        "site_wsgi_application": "config.wsgi:app",
        "site_wsgi_middleware": [
            "whitenoise.WhiteNoise",
            {"path": "shop.Guard", "arguments": {"users": ["a", 1, None]}},
        ],
        "site_metrics": False,
        "nginx_extra_directives": "add_header X-One 1;\nadd_header X-Two 2;\n",
        "gunicorn_settings": {
            "backlog": 77,
            "preload_app": False,
            "accesslog": "-",
            "access_log_format": '%(h)s "%(r)s" it\'s',
            "raw_env": ["A=1", "B=$x"],
            "certfile": None,
            "limits": {"a": 1.5},
        },
    },
}


def template(role: str, name: str) -> str:
    """Say to Ansible what to render."""
    return "{{ lookup('ansible.builtin.template', '" + str(ROOT / "roles" / role / "templates" / name) + "') }}"


# The plan, as the role computes it.
PLAN = [
    {
        "name": "Check the host, and compute the plan",
        "pitcrew.django.site_inputs": {
            "facts": "{{ ansible_facts }}",
            "server": "{{ site_candidate_server }}",
            "interface": "{{ site_candidate_interface }}",
            "home": "{{ site_state }}",
        },
        "register": "validated",
    },
    {"name": "Keep the plan", "ansible.builtin.set_fact": {"site_plan": "{{ validated.plan }}"}},
]
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Say what the hosts are",
                "ansible.builtin.set_fact": {
                    "cacheable": True,
                    "pitcrew_capacity": {"cpus": 2, "memory_mb": 4096},
                    "pitcrew_site": {
                        "release": "{{ none if inventory_hostname == 'bare' else 'r1' }}",
                        "releases": {
                            "r1": {
                                "static": "static",
                                "media": "media",
                                "public": {},
                                "interface": "{{ site_interface }}",
                            }
                        },
                        "serves": f"{{{{ none if inventory_hostname == 'bare' else {SERVES} }}}}",
                        "nginx": {
                            "installed": True,
                            "version": "{{ 1018000 if inventory_hostname == 'bare' else 1022001 }}",
                            "ipv6": "{{ inventory_hostname != 'without_ipv6' }}",
                            "tls_sites": "{{ ['blog', 'shop'] if inventory_hostname == 'beside_tls' else ['shop'] }}",
                            "addresses": f"{{{{ {ADDRESSES} if inventory_hostname == 'beside_others' else [] }}}}",
                            "default_servers": f"{{{{ {OTHERS} if inventory_hostname == 'beside_others' else {{}} }}}}",
                        },
                    },
                },
            },
            *PLAN,
            {"name": "Configure gunicorn", "ansible.builtin.import_role": {"name": "pitcrew.django.gunicorn"}},
            {
                "name": "Have the variables of nginx without doing anything",
                "ansible.builtin.import_role": {"name": "pitcrew.django.nginx", "tasks_from": "install"},
                "when": False,
            },
            {
                "name": "Render",
                "ansible.builtin.debug": {"msg": "{{ rendered | to_json | b64encode }}"},
                "vars": {
                    "rendered": {
                        "site": template("nginx", "site.conf.j2"),
                        "host": template("nginx", "host.conf.j2"),
                        "unit": template("site", "slot.service.j2"),
                        "boot": template("site", "boot.service.j2"),
                        "waiting_socket": template("site", "waiting.socket.j2"),
                        "waiting_service": template("site", "waiting.service.j2"),
                        "waiting_script": template("site", "waiting.sh.j2"),
                        "record": "{{ __site_record }}",
                        "gunicorn": "{{ gunicorn_files['gunicorn.conf.py'] }}",
                        "files": "{{ __site_server_files }}",
                        "plan": "{{ site_plan }}",
                        "health": "{{ __site_health }}",
                        "environment": "{{ site_process_environment }}",
                        "secrets": "{{ site_process_secrets }}",
                    }
                },
            },
        ],
    }
]


def play_renders(tmp: Path, play: list[dict[str, Any]], sites: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Run a play and give, by site, what it rendered."""
    collection = tmp / "collections/ansible_collections/pitcrew/django"
    collection.parent.mkdir(parents=True)
    collection.symlink_to(ROOT)
    # Where variables of the role look for files, in its own tasks.
    for directory in ("files", "templates"):
        (tmp / directory).symlink_to(ROOT / "roles/site" / directory)
    hosts = {name: {"ansible_connection": "local", **COMMON, **variables} for name, variables in sites.items()}
    (tmp / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    (tmp / "play.json").write_text(json.dumps(play))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_HOME": str(tmp / "home"),
        "ANSIBLE_COLLECTIONS_PATH": str(tmp / "collections"),
        "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml",
    }
    command = [sys.executable, "-m", "ansible", "playbook", "--inventory", "hosts.json", "play.json"]
    done = subprocess.run(command, cwd=tmp, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = re.findall(r'^ok: \[(\w+)\] => \{\s+"msg": "([\w+/=]+)"', done.stdout, re.MULTILINE)
    found = {host: json.loads(base64.b64decode(text)) for host, text in shown}
    assert found.keys() == sites.keys()
    return found


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Render all sites."""
    return play_renders(tmp_path_factory.mktemp("templates"), PLAY, SITES)


Render = Callable[[str, str], str]


@pytest.fixture
def render(rendered: dict[str, dict[str, Any]]) -> Render:
    """Give a rendered file of a site."""
    return lambda site, name: rendered[site][name]


def lines(text: str) -> list[str]:
    """Give the lines without indentation, comments and empty ones."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def block(text: str, head: str) -> list[str]:
    """Give the lines of the only block of nginx that begins with the head."""
    [found] = re.findall(rf"^( *){re.escape(head)} {{\n(.*?)^\1}}", text, re.MULTILINE | re.DOTALL)
    return lines(found[1])


def servers(text: str) -> list[list[str]]:
    """Give the lines of each server block."""
    return [lines(found) for found in re.findall(r"^server \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)]


# Every file


@pytest.mark.parametrize(
    "name", ["site", "host", "unit", "gunicorn", "waiting_socket", "waiting_service", "waiting_script"]
)
@pytest.mark.parametrize("site", SITES)
def test_every_file_says_who_manages_it(render: Render, site: str, name: str) -> None:
    """In its first line; nothing in it was left to be filled in, and nothing changes with the date."""
    text = render(site, name)
    assert text.startswith("#\n# Ansible managed\n#\n")
    assert not re.search(r"\{\{|\}\}|\{%|AnsibleUndefined|20\d\d-", text)


@pytest.mark.parametrize("name", ["site", "host"])
@pytest.mark.parametrize("site", SITES)
def test_blocks_of_nginx_are_closed(render: Render, site: str, name: str) -> None:
    """Every line is a directive, the head of a block, or its end; that of the log has several lines."""
    text = re.sub(r"\n +'[^\n]*'(?=[;\n])", "", render(site, name))
    text = re.sub(r'"[^"]*"', '""', text)
    depth = 0
    for line in lines(text):
        assert line[-1] in "{};"
        depth += line.count("{") - line.count("}")
        assert depth >= 0
    assert depth == 0


# nginx: the site


def test_a_plain_site(render: Render) -> None:
    """One server on port 80, which answers ACME challenges, too."""
    text = render("plain", "site")
    [server] = servers(text)
    assert server[:4] == ["listen 80;", "listen [::]:80;", "server_name shop.example.com;", "server_tokens off;"]
    assert "client_max_body_size 10m;" in server
    assert block(text, "location ^~ /.well-known/acme-challenge/") == ["root /var/www/html;"]
    assert not re.search(r"\bssl", text.replace("$ssl_protocol", ""))
    assert "real_ip" not in text.replace("realip", "")


def test_domains_are_written_one_way(render: Render) -> None:
    """As browsers ask for them, each once; the first full one is asked for the site's health."""
    [server] = servers(render("names", "site"))
    assert "server_name *.xn--mnchen-3ya.example shop.example.com [::1];" in server
    assert render("names", "health")["host"] == "shop.example.com"


def test_one_backend_is_the_live_slot(render: Render) -> None:
    """Through the link that a switch renames; nothing is balanced."""
    assert block(render("plain", "site"), "upstream shop") == ["server unix:/srv/shop/live/http.sock;"]


def test_what_the_application_is_told(render: Render) -> None:
    """The host and the scheme as the visitor has them; a connection of its own for each request."""
    assert block(render("plain", "site"), "location /") == [
        "proxy_pass http://shop;",
        "proxy_http_version 1.1;",
        "proxy_set_header Connection close;",
        "proxy_set_header Host $shop_host;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-Host $shop_host;",
        "proxy_set_header X-Forwarded-Proto http;",
        "proxy_set_header X-Real-IP $remote_addr;",
        "proxy_set_header X-Request-Id $request_id;",
        "proxy_set_header X-Request-Start t=$msec;",
        'proxy_set_header Forwarded "";',
        'proxy_set_header Proxy "";',
        'proxy_set_header X-Forwarded-Port "";',
        'proxy_set_header X-Forwarded-Protocol "";',
        'proxy_set_header X-Forwarded-Ssl "";',
        'proxy_set_header X-Pitcrew-Probe "";',
        "proxy_buffer_size 36k;",
        "proxy_buffers 8 16k;",
        "proxy_read_timeout 65s;",
        "proxy_hide_header X-Pitcrew-Queue;",
        "proxy_hide_header X-Pitcrew-Release;",
        "proxy_hide_header X-Pitcrew-Route;",
    ]


def test_headers_stand_in_one_place(render: Render) -> None:
    """One in a location would hide all others there, those of the site's own among them."""
    [server] = servers(render("own", "site"))
    where = [line for line in server if line.startswith(("location", "add_header"))]
    assert where[:6] == [
        "add_header X-Pitcrew-Release $shop_release always;",
        "add_header Retry-After $shop_retry_after always;",
        "add_header X-Content-Type-Options $shop_upload_type;",
        "add_header Content-Security-Policy $shop_upload_policy;",
        "location ^~ /.well-known/acme-challenge/ {",
        "location ^~ /static/ {",
    ]
    own = [line for line in where[6:] if line.startswith("add_header")]
    assert own == ["add_header X-One 1;", "add_header X-Two 2;"]


def test_the_release_is_told_to_this_host_alone(render: Render) -> None:
    """By the address that connects, which no header can pretend to be."""
    assert block(render("proxied", "site"), "map $realip_remote_addr $shop_release") == [
        "127.0.0.1 $upstream_http_x_pitcrew_release;",
        'default "";',
    ]


def test_a_site_with_a_certificate(render: Render) -> None:
    """Port 80 redirects all but ACME challenges; port 443 answers with the certificate and says https."""
    text = render("tls", "site")
    redirect, server = servers(text)
    assert redirect == [
        "listen 80;",
        "listen [::]:80;",
        "server_name shop.example.com *.shop.example.com;",
        "access_log /var/log/nginx/shop.access.log shop_json;",
        "location ^~ /.well-known/acme-challenge/ {",
        "root /srv/acme;",
        "}",
        "location / {",
        "return 301 https://$host$request_uri;",
        "}",
    ]
    assert server[:4] == [
        "listen 443 ssl;",
        "listen [::]:443 ssl;",
        "ssl_certificate /etc/ssl/shop/fullchain.pem;",
        "ssl_certificate_key /etc/ssl/shop/privkey.pem;",
    ]
    assert server[4] == "ssl_protocols TLSv1.2 TLSv1.3;"
    assert "ssl_session_cache shared:pitcrew:10m;" in server
    assert "server_name shop.example.com *.shop.example.com;" in server
    assert "proxy_set_header X-Forwarded-Proto https;" in server
    assert text.count("acme-challenge") == 1


@pytest.mark.parametrize(
    ("site", "upstream"),
    [
        ("robin", ["zone shop 64k;", "server 10.0.0.1:80;", "server 10.0.0.2:80;"]),
        ("least", ["zone shop 64k;", "least_conn;", "server 10.0.0.1:80;", "server 10.0.0.2:80;"]),
        ("hash", ["zone shop 64k;", "ip_hash;", "server 10.0.0.1:80;", "server 10.0.0.2:80;"]),
    ],
)
def test_several_backends(render: Render, site: str, upstream: list[str]) -> None:
    """Each way of balancing; files are left to the hosts behind."""
    text = render(site, "site")
    assert block(text, "upstream shop") == upstream
    assert "/static/" not in text
    assert "/media/" not in text
    assert "_expires" not in text
    assert "_upload_" not in text


def test_a_backend_that_is_slow_or_gone(render: Render) -> None:
    """Its own answer comes before the balancer loses patience, and what it was asked is asked of no other."""
    found = block(render("robin", "site"), "location /")
    assert [line for line in found if "timeout" in line or "next" in line] == [
        "proxy_connect_timeout 3s;",
        "proxy_read_timeout 70s;",
        "proxy_next_upstream error;",
    ]


def test_trusted_proxies(render: Render) -> None:
    """They are trusted to report the visitor's address and that the request came by https."""
    text = render("proxied", "site")
    [server] = servers(text)
    assert [line for line in server if "real_ip" in line] == [
        "set_real_ip_from 10.0.0.0/8;",
        "set_real_ip_from 192.0.2.1;",
        "real_ip_header X-Forwarded-For;",
        "real_ip_recursive on;",
    ]
    assert block(text, "geo $realip_remote_addr $shop_scheme") == [
        "default http;",
        "127.0.0.1 https;",
        "10.0.0.0/8 https;",
        "192.0.2.1 https;",
    ]
    assert "proxy_set_header X-Forwarded-Proto $shop_scheme;" in server
    assert "keepalive_timeout 75s;" in server
    assert "listen 80;" in server


# fmt: off
KEYS = [
    "time", "request_id", "remote_addr", "method", "scheme", "host", "path", "protocol", "status", "bytes",
    "request_length", "request_time", "upstream", "upstream_status", "upstream_connect_time", "upstream_header_time",
    "upstream_response_time", "queue", "route", "release", "tls", "referer", "user_agent",
]
# fmt: on
NUMBERS = ["time", "status", "bytes", "request_length", "request_time"]


@pytest.mark.parametrize("site", ["plain", "tls", "robin", "proxied", "dash"])
def test_the_access_log(render: Render, site: str) -> None:
    """One JSON object for each request, whatever its values: numbers are those that nginx always has."""
    text = render(site, "site")
    found = re.search(r"^log_format (\w+) escape=json((?:\n    '.*')+);", text, re.MULTILINE)
    assert found is not None
    line = "".join(re.findall(r"^    '(.*)'", found[2], re.MULTILINE))
    values = re.findall(r'"(\w+)":("?)\$(\w+)("?)[,}]', line)
    assert [key for key, *_value in values] == KEYS
    assert [key for key, before, _variable, after in values if not before and not after] == NUMBERS
    assert list(json.loads(re.sub(r"\$\w+", "1", line))) == KEYS
    name = "my-shop" if site == "dash" else "shop"
    assert all(f"access_log /var/log/nginx/{name}.access.log {found[1]};" in server for server in servers(text))
    # Query strings may have secrets in them.
    assert not re.search(r"\$(args|query_string|request|request_uri|http_referer)\b", line)


def test_no_access_log(render: Render) -> None:
    """Neither the site's nor the host's."""
    text = render("unlogged", "site")
    assert all("access_log off;" in server for server in servers(text))
    assert "log_format" not in text
    assert "proxy_set_header X-Request-Id $request_id;" in text


@pytest.mark.parametrize("scheme", ["plain", "tls", "proxied"])
def test_the_scheme_in_the_log(render: Render, scheme: str) -> None:
    """As visitors have it: where TLS ends in front of this host, by what the proxy says."""
    variable = "$shop_scheme" if scheme == "proxied" else "$scheme"
    assert f'"scheme":"{variable}"' in render(scheme, "site")


def test_who_names_a_request(render: Render) -> None:
    """A proxy in front that is trusted, with an id as proxies write it; everybody else's is replaced."""
    text = render("proxied", "site")
    assert block(text, "geo $realip_remote_addr $shop_trusted") == ["default 0;", "10.0.0.0/8 1;", "192.0.2.1 1;"]
    assert block(text, 'map "$shop_trusted $http_x_request_id" $shop_request_id') == [
        r'"~^1 (?<shop_given_id>[0-9A-Za-z._:-]{1,128})$" $shop_given_id;',
        "default $request_id;",
    ]
    assert text.count("proxy_set_header X-Request-Id $shop_request_id;") == 1
    assert text.count("uwsgi_param HTTP_X_REQUEST_ID $shop_request_id;") == 1
    assert '"request_id":"$shop_request_id"' in text


def test_visitors_who_take_their_time(render: Render) -> None:
    """They are not waited for as long as nginx would."""
    [server] = servers(render("plain", "site"))
    assert [line for line in server if "timeout" in line] == [
        "client_header_timeout 10s;",
        "client_body_timeout 20s;",
        "keepalive_timeout 10s;",
        "proxy_read_timeout 65s;",
        "uwsgi_read_timeout 65s;",
    ]


def test_static_files(render: Render) -> None:
    """Those of the live release first, then of both slots; a name with a hash is kept for good."""
    text = render("plain", "site")
    assert block(text, "location ^~ /static/") == [
        "root /srv/shop;",
        "disable_symlinks if_not_owner from=/srv/shop;",
        "try_files /live/public$uri /slots/blue/public$uri /slots/green/public$uri =404;",
        "expires $shop_expires;",
        "gzip_static on;",
        "gzip_vary on;",
    ]
    assert block(text, "map $uri $shop_expires") == [r'"~[.-][0-9a-f]{8,}\.[a-z0-9]+$" max;', "default off;"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("/static/style.55e7cbb9ba48.css", True),
        ("/static/assets/index-4f9ac2d1.js", True),
        ("/static/style.css", False),
        ("/static/jquery-3.7.1.min.js", False),
        ("/static/font.woff2", False),
        ("/static/deadbeef/style.css", False),
    ],
)
def test_names_that_are_kept_for_good(render: Render, name: str, kept: bool) -> None:
    """Those whose content cannot change."""
    pattern = re.search(r'"~(.+)" max;', render("plain", "site"))
    assert pattern is not None
    assert bool(re.search(pattern[1], name)) is kept


def test_uploads(render: Render) -> None:
    """Files of strangers are shown as what they are, and cannot act as the site."""
    text = render("plain", "site")
    assert block(text, "location ^~ /media/") == [
        "root /srv/shop/live/public;",
        "disable_symlinks if_not_owner from=/srv/shop/live/public;",
    ]
    assert block(text, "map $uri $shop_upload_type") == ["~^/media/ nosniff;", 'default "";']
    policy, default = block(text, "map $shop_upload_type $shop_upload_policy")
    assert policy.startswith("nosniff \"sandbox; default-src 'none';")
    assert default == 'default "";'


def test_a_release_that_check_mode_imagines(render: Render) -> None:
    """Nothing is known of its files: the rest is there."""
    text = render("bare", "site")
    assert "location ^~ /static/" not in text
    assert "location ^~ /media/" not in text
    assert block(text, "upstream shop") == ["server unix:/srv/shop/live/http.sock;"]


def test_a_release_that_is_not_built(render: Render) -> None:
    """With `--tags proxy` and newer code, the site goes on having the files that it has."""
    assert render("tagged", "site") == render("plain", "site")


def test_a_name_with_a_dash(render: Render) -> None:
    """Variables of nginx have none; everything else has it."""
    text = render("dash", "site")
    assert block(text, "upstream my-shop") == ["server unix:/srv/my-shop/live/http.sock;"]
    assert "proxy_pass http://my-shop;" in text
    assert set(re.findall(r"\$my[\w-]*", text)) == {
        "$my_shop_release",
        "$my_shop_expires",
        "$my_shop_host",
        "$my_shop_only_path",
        "$my_shop_only_referer",
        "$my_shop_path",
        "$my_shop_port",
        "$my_shop_referer",
        "$my_shop_retry_after",
        "$my_shop_status",
        "$my_shop_upload_policy",
        "$my_shop_upload_type",
    }


def test_what_the_site_says_of_its_own(render: Render) -> None:
    """Limits, time-outs that follow from the longest request, and further directives."""
    text = render("own", "site")
    assert "    client_max_body_size 1g;\n" in text
    assert "        proxy_read_timeout 95s;\n" in text
    assert "\n    add_header X-One 1;\n    add_header X-Two 2;\n" in text


def test_where_the_site_cannot_answer(render: Render) -> None:
    """A page that needs no file and no application, and has Retry-After."""
    text = render("plain", "site")
    assert "    error_page 502 503 504 @unavailable;\n" in text
    assert block(text, "location @unavailable")[0] == "default_type text/html;"
    assert 'return 503 "<!doctype html>' in text
    assert block(text, 'map "$status$upstream_http_retry_after" $shop_retry_after') == ["~^50[234]$ 10;", 'default "";']


TURNED_AWAY = [
    "listen 80 default_server;",
    "listen [::]:80 default_server;",
    "server_tokens off;",
    "client_header_timeout 10s;",
    "return 444;",
]


@pytest.mark.parametrize("site", ["tls", "beside_tls"])
def test_hosts_that_no_site_serves(render: Render, site: str) -> None:
    """No answer, and no certificate of another site; a known name in the handshake does not help."""
    plain, tls = servers(render(site, "host"))
    assert plain == TURNED_AWAY
    assert tls[:5] == [
        "listen 443 ssl default_server;",
        "listen [::]:443 ssl default_server;",
        "server_tokens off;",
        "client_header_timeout 10s;",
        "ssl_protocols TLSv1.2 TLSv1.3;",
    ]
    assert tls[-2:] == ["ssl_reject_handshake on;", "return 444;"]


def test_no_site_of_the_host_has_tls(render: Render) -> None:
    """Nothing listens on port 443. What the site itself had when the host was read does not count."""
    assert servers(render("plain", "host")) == [TURNED_AWAY]


def test_a_host_without_ipv6(render: Render) -> None:
    """Nothing listens on an address of it: nginx would not start."""
    text = render("without_ipv6", "host") + render("without_ipv6", "site")
    assert [line for line in lines(text) if line.startswith("listen")] == [
        "listen 80 default_server;",
        "listen 443 ssl default_server;",
        "listen 80;",
        "listen 443 ssl;",
    ]


def test_a_host_that_has_a_default_server(render: Render) -> None:
    """There can be only one for an address and port: the one that was there stays, and the file says so.

    Where others listen on an address of their own, the site does, too, or it would have no visitors there.
    """
    text = render("beside_others", "host")
    assert [line for line in lines(text) if line.startswith("listen")] == [
        "listen [::]:80 default_server;",
        "listen 10.0.0.1:80 default_server;",
        "listen 443 ssl default_server;",
        "listen [::1]:443 ssl default_server;",
    ]
    assert servers(render("beside_others", "site"))[0][:3] == ["listen 80;", "listen [::]:80;", "listen 10.0.0.1:80;"]
    assert servers(render("beside_others", "site"))[1][2] == "listen [::1]:443 ssl;"
    assert "# The default server of 80 is in /etc/nginx/sites-enabled/old.\n" in text
    assert "# The default server of [::]:443 is in /etc/nginx/conf.d/a.conf.\n" in text


def test_connections_that_last(render: Render, rendered: dict[str, dict[str, Any]]) -> None:
    """WebSockets and streams have a location of their own: with another time-out, unbuffered, and counted apart."""
    text, plan = render("asgi", "site"), rendered["asgi"]["plan"]["nginx"]
    assert "limit_conn_zone $server_name zone=shop_requests:64k;" in lines(text)
    usual, lasting = (block(text, f"location {where}") for where in ("/", "@lasting"))
    assert f"limit_conn shop_requests {plan['max_conns']};" in usual
    assert usual[:2] == ["if ($shop_lasts) {", "return 418;"]
    assert lasting[:2] == [f"limit_conn shop_lasting {plan['max_lasting']};", "proxy_buffering off;"]
    for location in (usual, lasting):
        assert "proxy_set_header Upgrade $shop_upgrade;" in location
        assert "proxy_set_header Connection $shop_connection;" in location
    assert "proxy_read_timeout 65s;" in usual
    assert "proxy_read_timeout 1h;" in lasting


def test_a_balancer_passes_upgrades_on(render: Render) -> None:
    """The hosts behind it have the limits."""
    text = render("asgi_balancer", "site")
    assert "limit_conn" not in text
    assert "proxy_set_header Upgrade $shop_upgrade;" in block(text, "location @lasting")
    assert "proxy_read_timeout 1h;" in block(text, "location @lasting")


@pytest.mark.parametrize("site", ["plain", "robin", "own"])
def test_a_wsgi_site_has_no_connections_that_last(render: Render, site: str) -> None:
    """An upgrade is never passed on to it."""
    text = render(site, "site")
    assert "proxy_set_header Connection close;" in lines(text)
    assert "upgrade" not in text.lower().replace("upgrade-insecure", "")
    assert "lasting" not in text


def test_an_asgi_slot(rendered: dict[str, dict[str, Any]]) -> None:
    """Its own module, which knows how long connections may stay; and the unit has time for that."""
    found = rendered["asgi"]
    assert json.loads(found["files"]["site_asgi.json"]) == {
        "application": "shop.asgi:application",
        "metrics": True,
        "json_logging": False,
        "drain_long": 90,
    }
    assert {"site_wsgi.py", "site_wsgi.json"}.isdisjoint(found["files"])
    [start] = unit(found["unit"])["ExecStart"]
    assert start.endswith(" site_asgi:application")
    assert unit(found["unit"])["TimeoutStopSec"] == ["112"]
    assert "\n    worker.asgi.follow(worker)\n" in found["gunicorn"]
    assert "\nworker_class = 'asgi'\n" in found["gunicorn"]
    assert 'asgi_lifespan = "off"' in found["gunicorn"]


def test_hosts_that_no_site_serves_before_nginx_1_19_4(render: Render) -> None:
    """It cannot refuse a handshake, and would not start with the order to."""
    [server] = servers(render("bare", "host"))
    assert "listen 80 default_server;" in server


# systemd


def unit(text: str) -> dict[str, list[str]]:
    """Give the settings of a unit, every value of each."""
    found: dict[str, list[str]] = {}
    for line in lines(text):
        if not line.startswith("["):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def test_the_environment_of_a_site(rendered: dict[str, dict[str, Any]]) -> None:
    """Nothing leads to overrides where there are none."""
    assert rendered["plain"]["environment"] == {
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "LANG": "C.UTF-8",
        "PATH": "/srv/shop/releases/r1/venv/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONUNBUFFERED": "1",
        "SITE_RELEASE": "r1",
    }
    assert rendered["plain"]["secrets"] == {}


def test_the_environment_of_a_site_with_overrides(rendered: dict[str, dict[str, Any]]) -> None:
    """They are found first, then what the user says; their values are among the secrets."""
    assert rendered["overridden"]["environment"] == {
        "DJANGO_SETTINGS_MODULE": "site_overrides",
        "LANG": "de_DE.UTF-8",
        "PATH": "/srv/shop/releases/r1/venv/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": "/srv/shop/releases/r1/overrides:/opt/lib:/opt/more",
        "PYTHONUNBUFFERED": "1",
        "SITE_RELEASE": "r1",
        "SITE_SETTINGS_MODULE": "shop.settings",
    }
    assert rendered["overridden"]["secrets"] == {"SITE_OVERRIDES": '{"DEBUG": false, "SECRET_KEY": "correct horse"}'}


def test_sections_of_the_unit(render: Render) -> None:
    """In the usual order, each once."""
    assert re.findall(r"^\[.*\]$", render("plain", "unit"), re.MULTILINE) == ["[Unit]", "[Service]"]
    assert re.findall(r"^\[.*\]$", render("plain", "boot"), re.MULTILINE) == ["[Unit]", "[Service]", "[Install]"]


@pytest.mark.parametrize("site", SITES)
def test_no_unit_names_a_release(rendered: dict[str, dict[str, Any]], site: str) -> None:
    """A switch to another release leaves them as they are, and systemd need not read them again."""
    assert re.findall("r1|releases/.", rendered[site]["unit"] + rendered[site]["boot"]) == []


@pytest.mark.parametrize(("site", "name"), [("plain", "shop"), ("dash", "my-shop")])
def test_how_a_site_starts_with_its_host(render: Render, site: str, name: str) -> None:
    """By its live link; one that was never live is left alone."""
    found = unit(render(site, "boot"))
    assert found["ConditionPathIsSymbolicLink"] == [f"/srv/{name}/live"]
    assert found["WantedBy"] == ["multi-user.target"]
    live = f'"$$(readlink /srv/{name}/live)"'
    assert found["ExecStart"] == [
        f"""/bin/sh -c 'exec systemctl start --no-block "{name}@$$(basename {live}).service"'"""
    ]


@pytest.mark.parametrize(
    ("site", "name", "backlog", "descriptors"),
    [("plain", "shop", "512", "3136"), ("dash", "my-shop", "512", "3136"), ("own", "shop", "77", "526")],
)
def test_where_requests_wait(render: Render, site: str, name: str, backlog: str, descriptors: str) -> None:
    """As many as at the server's own socket: a connection that is handed over takes six descriptors."""
    found = unit(render(site, "waiting_socket"))
    assert found["ListenStream"] == [f"/run/{name}-waiting.sock"]
    assert (found["SocketGroup"], found["SocketMode"], found["Backlog"]) == ([name], ["0660"], [backlog])
    found = unit(render(site, "waiting_service"))
    assert found["User"] == [name]
    assert found["LimitNOFILE"] == [descriptors]
    assert found["ExecStart"][0].endswith(f" --connections-max={backlog} /srv/{name}/slots/waiting.sock")
    assert found["ExecStartPre"] == [f"+/bin/sh /srv/{name}/slots/waiting.sh"]
    assert found["After"] == [f"{name}-boot.service {name}@blue.service {name}@green.service"]
    assert "Wants" not in found
    assert "Requires" not in found
    assert f"< /run/{name}-waiting.shut;" in render(site, "waiting_script")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Type", ["notify"]),
        ("User", ["shop"]),
        ("Group", ["shop"]),
        ("WorkingDirectory", ["/srv/shop/slots/%i/release/app"]),
        ("EnvironmentFile", ["/srv/shop/slots/%i/environment", "/srv/shop/slots/%i/secrets"]),
        ("RuntimeDirectory", ["shop-%i"]),
        ("RuntimeDirectoryMode", ["0750"]),
        ("StateDirectory", ["shop"]),
        (
            "ExecStart",
            [
                "/srv/shop/slots/%i/release/venv/bin/python -m gunicorn "
                "--config /srv/shop/slots/%i/gunicorn.conf.py site_wsgi:application"
            ],
        ),
        ("KillMode", ["mixed"]),
        ("Restart", ["always"]),
        ("OOMPolicy", ["continue"]),
        ("TimeoutStartSec", ["60"]),
        ("TimeoutStopSec", ["45"]),
        ("ProtectSystem", ["strict"]),
        ("ProtectHome", ["true"]),
        ("NoNewPrivileges", ["true"]),
        ("CapabilityBoundingSet", [""]),
        ("SystemCallFilter", ["@system-service"]),
    ],
)
def test_a_setting_of_the_unit(render: Render, name: str, values: list[str]) -> None:
    """What the site's process may do, and how it is run."""
    assert unit(render("plain", "unit"))[name] == values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WorkingDirectory", "/srv/my-shop/slots/%i/release/app/web/shop"),
        ("User", "my-shop"),
        ("RuntimeDirectory", "my-shop-%i"),
        ("StateDirectory", "my-shop"),
    ],
)
def test_a_unit_of_a_name_with_a_dash(render: Render, name: str, value: str) -> None:
    """Nothing is replaced in it; the project lies where the site says."""
    assert unit(render("dash", "unit"))[name] == [value]


@pytest.mark.parametrize(("name", "value"), [("TimeoutStartSec", "120"), ("TimeoutStopSec", "105"), ("TasksMax", "82")])
def test_a_unit_follows_what_was_said(render: Render, name: str, value: str) -> None:
    """Time-outs and sizes: 1.5 times two generations of 1 + 3 (4 + 3) tasks, and 16."""
    assert unit(render("own", "unit"))[name] == [value]


@pytest.mark.parametrize(
    ("site", "loaded"),
    [
        ("plain", {"application": "shop.wsgi:application", "metrics": True, "middleware": [], "json_logging": False}),
        (
            "own",
            {
                "application": "config.wsgi:app",
                "metrics": False,
                "json_logging": False,
                "middleware": ["whitenoise.WhiteNoise", {"path": "shop.Guard", "arguments": {"users": ["a", 1, None]}}],
            },
        ),
    ],
)
def test_what_is_loaded(rendered: dict[str, dict[str, Any]], site: str, loaded: dict[str, Any]) -> None:
    """The application beside the settings or the one that was set, in the middleware that was set, by their types."""
    assert json.loads(rendered[site]["files"]["site_wsgi.json"]) == loaded
    assert ("site_metrics.py" in rendered[site]["files"]) is loaded["metrics"]
    assert ("site_metrics" in rendered[site]["gunicorn"]) is loaded["metrics"]


@pytest.mark.parametrize("site", SITES)
def test_limits_of_the_unit_are_the_plan_s(rendered: dict[str, dict[str, Any]], site: str) -> None:
    """No template does arithmetic of its own."""
    found, plan = unit(rendered[site]["unit"]), rendered[site]["plan"]["systemd"]
    assert {name: found[name] for name in ("MemoryHigh", "MemoryMax", "TasksMax", "LimitNOFILE")} == {
        "MemoryHigh": [f"{plan['memory_high_mb']}M"],
        "MemoryMax": [f"{plan['memory_max_mb']}M"],
        "TasksMax": [str(plan["tasks_max"])],
        "LimitNOFILE": [str(plan["limit_nofile"])],
    }


# gunicorn


def play_modules(monkeypatch: pytest.MonkeyPatch, modules: dict[str, dict[str, Any]]) -> None:
    """Have modules to import, with what is in them."""
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)


def settings(
    text: str, monkeypatch: pytest.MonkeyPatch, done: list[str] | None = None, known: list[str] | None = None
) -> dict[str, Any]:
    """Execute gunicorn's configuration, as gunicorn does, and note what is asked of site_errors.

    By default gunicorn knows all settings that are in it.
    """
    done = [] if done is None else done
    known = re.findall(r"^(\w+) = ", text, re.MULTILINE) if known is None else known

    class Application:
        """Gunicorn's, which loads the site's."""

        def load(self) -> None:
            """Load nothing."""

    def with_traceback(function: Callable[..., Any]) -> Callable[..., Any]:
        done.append(f"{function.__name__} has its traceback written")
        return function

    errors = {
        "keep_enabled": lambda *names: done.append(f"{' and '.join(names)} kept enabled"),
        "with_traceback": with_traceback,
    }
    gunicorn = {
        "gunicorn": {"__version__": "27.0.1"},
        "gunicorn.app": {},
        "gunicorn.app.wsgiapp": {"WSGIApplication": Application},
        "gunicorn.config": {"KNOWN_SETTINGS": [SimpleNamespace(name=name) for name in known]},
    }
    metrics = {
        "free_ordinal": len,
        "worker_begins": lambda ordinal: done.append(f"worker {ordinal} begins"),
        "worker_ended": lambda ordinal: done.append(f"worker {ordinal} ended"),
    }
    hang = {"watch": lambda _worker, seconds: done.append(f"watched for {seconds} s")}
    play_modules(monkeypatch, {"site_errors": errors, "site_metrics": metrics, "site_hang": hang, **gunicorn})
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/shop-blue")
    found: dict[str, Any] = {"__file__": "/srv/shop/slots/blue/gunicorn.conf.py"}
    exec(compile(text, "gunicorn.conf.py", "exec"), found)
    assert sys.path[-1] == "/srv/shop/slots/blue"
    return found


def test_a_setting_that_gunicorn_does_not_know(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gunicorn itself would ignore it: the slot does not start."""
    known = ["accesslog", "access_log_format", "backlog", "certfile", "preload_app"]
    with pytest.raises(ValueError, match=r"^gunicorn_settings: gunicorn 27.0.1 has no setting limits, raw_env$"):
        settings(render("own", "gunicorn"), monkeypatch, known=known)
    assert "KNOWN_SETTINGS" not in render("plain", "gunicorn")


def test_where_gunicorn_listens(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the slot's own runtime directory, both sockets; nginx is in the group, and nobody else."""
    found = settings(render("plain", "gunicorn"), monkeypatch)
    assert found["bind"] == "unix:/run/shop-blue/app.sock"
    assert found["control_socket"] == "/run/shop-blue/gunicorn.ctl"
    assert found["umask"] == 0o007
    assert found["proc_name"] == "shop"


@pytest.mark.parametrize("site", sorted(SITES.keys() - {"own"}))
def test_settings_of_gunicorn_are_the_plan_s(
    rendered: dict[str, dict[str, Any]], site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, as values of the same type."""
    found, plan = settings(rendered[site]["gunicorn"], monkeypatch), rendered[site]["plan"]["gunicorn"]
    assert plan["workers"] > 0
    assert {name: (type(found[name]), found[name]) for name in plan} == {
        name: (type(value), value) for name, value in plan.items()
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # Said of the site
        ("workers", 3),
        ("threads", 4),
        ("worker_connections", 4),
        ("worker_class", "gthread"),
        ("graceful_timeout", 95),
        # Said of gunicorn
        ("backlog", 77),
        ("preload_app", False),
        ("accesslog", "-"),
        ("access_log_format", '%(h)s "%(r)s" it\'s'),
        ("raw_env", ["A=1", "B=$x"]),
        ("certfile", None),
        ("limits", {"a": 1.5}),
        # Planned
        ("keepalive", 0),
        ("reuse_port", False),
    ],
)
def test_a_setting_of_gunicorn(render: Render, monkeypatch: pytest.MonkeyPatch, name: str, value: Any) -> None:
    """Gunicorn's own names win over the plan; every kind of value arrives as it was set."""
    assert settings(render("own", "gunicorn"), monkeypatch)[name] == value


@pytest.mark.parametrize("site", ["plain", "own"])
def test_the_life_of_a_worker(render: Render, monkeypatch: pytest.MonkeyPatch, site: str) -> None:
    """What is loaded is frozen, before the fork and after; its ordinal is counted under, unless nothing is.

    It is watched for as long as nginx waits for an answer.
    """
    done: list[str] = []
    found = settings(render(site, "gunicorn"), monkeypatch, done)
    monkeypatch.setattr("gc.freeze", lambda: done.append("frozen"))
    done.clear()
    server, worker = SimpleNamespace(WORKERS={41: "a worker", 42: "another"}), SimpleNamespace()
    for name in ("pre_fork", "post_fork", "post_worker_init", "child_exit"):
        if name in found:
            found[name](*([worker] if name == "post_worker_init" else [server, worker]))
    if site == "plain":
        assert done == ["frozen", "worker 2 begins", "frozen", "watched for 65 s", "worker 2 ended"]
    else:
        assert done == ["frozen", "frozen", "watched for 95 s"]


@pytest.mark.parametrize(("site", "functions"), [("plain", ["load"]), ("own", [])])
def test_errors_of_gunicorn_itself(
    render: Render, monkeypatch: pytest.MonkeyPatch, site: str, functions: list[str]
) -> None:
    """Its loggers stay enabled before anything can use them; its main process reports why loading fails.

    Without preloading, workers load, and gunicorn writes their tracebacks itself.
    """
    done: list[str] = []
    settings(render(site, "gunicorn"), monkeypatch, done)
    assert done == [
        "gunicorn.access and gunicorn.error kept enabled",
        *(f"{function} has its traceback written" for function in functions),
    ]


def test_the_journal_keeps_every_line(render: Render) -> None:
    """Its size has a limit, not the number of lines; where they go is up to systemd."""
    text = render("plain", "unit")
    assert [line for line in lines(text) if "RateLimit" in line] == [
        "LogRateLimitIntervalSec=1",
        "LogRateLimitBurst=100000000",
    ]
    assert not re.search("StandardOutput|StandardError|LogNamespace", text)


# site.json


def test_what_other_programs_are_told(rendered: dict[str, dict[str, Any]]) -> None:
    """Of a site that has fixed most of its plan; numbers are numbers."""
    record = rendered["own"]["record"]
    plan = record.pop("plan")
    assert record == {
        "site": "shop",
        "server": "gunicorn",
        "domains": ["shop.example.com"],
        "scheme": "http",
        "health": {"host": "shop.example.com", "path": "/", "status": 200},
        "units": {"blue": "shop@blue.service", "green": "shop@green.service"},
        "certificate": None,
        "backups": None,
        "lock_expires_seconds": 1800,
    }
    assert {name: plan[name] for name in ("workers", "threads", "request_slots", "backlog")} == {
        "workers": 3,
        "threads": 4,
        "request_slots": 12,
        "backlog": 77,
    }
    assert plan["request_timeout_seconds"] == 90
    assert all(type(value) in (int, float) and value > 0 for value in plan.values())
    assert 0.01 < plan["p99_seconds"] < 10
    assert plan["memory_max_bytes"] > plan["worker_memory_bytes"] > 1 << 20


def test_other_programs_are_told_of_the_certificate(rendered: dict[str, dict[str, Any]]) -> None:
    record = rendered["tls"]["record"]
    assert (record["certificate"], record["scheme"]) == ("/etc/ssl/shop/fullchain.pem", "https")


def test_other_programs_are_told_no_secret(rendered: dict[str, dict[str, Any]]) -> None:
    """Nor a setting or a variable of the project."""
    told = json.dumps(rendered["overridden"]["record"])
    assert not any(word in told for word in ("correct horse", "SECRET_KEY", "/opt/lib", "DEBUG"))


# Services beside the site


def test_a_slot_starts_after_its_services(render: Render) -> None:
    """At boot, too; a unit of a site without services names those that it may have from elsewhere, as ever."""
    usual = "After=network-online.target postgresql.service mariadb.service redis-server.service"
    assert usual in render("plain", "unit").splitlines()
    own = f"{usual} redis-server@shop.service redis-server@shop.cache.service"
    assert own in render("served", "unit").splitlines()


def test_what_projects_read_of_their_services(rendered: dict[str, dict[str, Any]]) -> None:
    """The common names, unless the user has set them."""
    found = rendered["served"]["environment"]
    assert {name: found[name] for name in found if name.endswith("URL") or name.startswith("PG")} == {
        "CACHE_URL": "locmem://",
        "DATABASE_URL": "postgresql:///shop",
        "PGDATABASE": "shop",
        "PGHOST": "/var/run/postgresql",
        "PGPORT": "5432",
        "PGUSER": "shop",
        "REDIS_URL": "unix:///run/redis-shop/redis-server.sock",
    }
    assert rendered["served"]["secrets"]["CELERY_BROKER_URL"] == "amqp://broker.example.com"
    assert "DATABASE_URL" not in rendered["plain"]["environment"]


def test_a_plan_has_its_services(rendered: dict[str, dict[str, Any]]) -> None:
    """4096 MB: 128 for each Redis, and the defaults of a PostgreSQL that will be installed."""
    inputs = rendered["served"]["plan"]["inputs"]
    assert (inputs["redis_mb"], inputs["redis_cache_mb"], inputs["postgresql_connections"]) == (128, 128, 100)
    assert "redis_mb" not in rendered["plain"]["plan"]["inputs"]
