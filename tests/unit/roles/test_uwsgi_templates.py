"""What uWSGI, nginx and systemd are given for a site under uWSGI, rendered by Ansible with the roles' own variables."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from test_templates import PLAN, block, lines, play_modules, play_renders, template, unit

SITES: dict[str, dict[str, Any]] = {
    "plain": {"site_workers": 2, "site_threads": 3},
    "http": {"uwsgi_protocol": "http"},
    "one": {"site_threads": 1, "site_scheme": "https", "site_metrics": False},
    "tls": {"site_tls_certificate": "/etc/ssl/shop/fullchain.pem", "site_tls_key": "/etc/ssl/shop/privkey.pem"},
    "source": {"uwsgi_package": "uwsgi"},
    "pinned": {"uwsgi_version": "2.0.30"},
    "distribution": {"uwsgi_package": "distribution"},
    "own": {
        "uwsgi_settings": {
            "processes": 5,
            "thunder-lock": False,
            "max-requests": None,
            "mule": ["a.py", "b.py"],
            "mules": 2,
            "spooler": "/var/lib/shop/spool",
            "log-5xx": True,
            "env": ["A=1", "B=2"],
        }
    },
    "cheaper": {"uwsgi_settings": {"cheaper": 1}},
    "kept": {"site_release": "r0"},
    "kept_old": {"site_release": "r_2_0_28"},
    "pinned_old": {
        "site_release": "",
        "release_id": "new",
        "release_source": {"servers": {"uwsgi": {"version": "2.0.21"}}},
    },
}
RENDERED = {
    "site": template("nginx", "site.conf.j2"),
    "unit": template("site", "slot.service.j2"),
    "ini": "{{ uwsgi_files['uwsgi.ini'] | default('') }}",
    "application": "{{ uwsgi_files['application.py'] | default('') }}",
    "plan": "{{ site_plan }}",
    "requirement": "{{ site_server_requirement }}",
    "packages": "{{ site_server_system_packages }}",
    "processes": "{{ __site_server_processes }}",
    "protocol": "{{ site_server_protocol }}",
    "server": "{{ site_candidate_server }}",
}
RELEASE = {"static": "static", "media": "media", "public": {}}
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "vars": {"site_server": "uwsgi"},
        "tasks": [
            {
                "name": "Say what the hosts are",
                "ansible.builtin.set_fact": {
                    "cacheable": True,
                    "pitcrew_capacity": {"cpus": 2, "memory_mb": 4096, "somaxconn": 256},
                    "pitcrew_site": {
                        "releases": {
                            "r1": RELEASE,
                            "r0": {**RELEASE, "server": "gunicorn"},
                            "r_2_0_28": {**RELEASE, "server": "uwsgi", "server_version": "2.0.28.post1"},
                        },
                        "nginx": {
                            "installed": True,
                            "version": 1022001,
                            "ipv6": True,
                            "tls_sites": [],
                            "default_servers": {},
                            "addresses": [],
                        },
                    },
                },
            },
            *PLAN,
            *(
                {
                    "name": f"Configure {server}",
                    "ansible.builtin.import_role": {"name": f"pitcrew.django.{server}"},
                    "when": f"site_candidate_server == '{server}'",
                }
                for server in ("gunicorn", "uwsgi")
            ),
            {
                "name": "Have the variables of nginx without doing anything",
                "ansible.builtin.import_role": {"name": "pitcrew.django.nginx", "tasks_from": "install"},
                "when": False,
            },
            {
                "name": "Render",
                "ansible.builtin.debug": {"msg": "{{ rendered | to_json | b64encode }}"},
                "vars": {"rendered": RENDERED},
            },
        ],
    }
]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Render all sites."""
    return play_renders(tmp_path_factory.mktemp("uwsgi"), PLAY, SITES)


@pytest.fixture
def render(rendered: dict[str, dict[str, Any]]) -> Callable[[str, str], Any]:
    """Give what was rendered of a site."""
    return lambda site, name: rendered[site][name]


Render = Callable[[str, str], Any]


def options(text: str) -> dict[str, list[str]]:
    """Give every value of each option of an ini file."""
    found: dict[str, list[str]] = {}
    for line in lines(text):
        if line != "[uwsgi]":
            name, value = line.split(" = ", 1)
            found.setdefault(name, []).append(value)
    return found


# uWSGI


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("strict", ["true"]),
        ("need-app", ["true"]),
        ("wsgi-file", ["%dapplication.py"]),
        ("socket", ["$(RUNTIME_DIRECTORY)/app.sock"]),
        ("stats", ["$(RUNTIME_DIRECTORY)/stats.sock"]),
        ("chmod-socket", ["660"]),
        ("exit-on-reload", ["true"]),
        ("die-on-term", ["true"]),
        ("py-call-uwsgi-fork-hooks", ["true"]),
        ("lazy-apps", ["false"]),
        # What the host allows: uWSGI would not start with more.
        ("listen", ["256"]),
        ("worker-reload-mercy", ["35"]),
    ],
)
def test_an_option(render: Render, name: str, values: list[str]) -> None:
    """Each once, and none of them names a slot: both have the same text."""
    assert options(render("plain", "ini"))[name] == values
    assert not re.search("blue|green", render("plain", "ini") + render("plain", "application"))


@pytest.mark.parametrize("site", ["plain", "http", "one", "tls", "source"])
def test_options_are_the_plan_s(rendered: dict[str, dict[str, Any]], site: str) -> None:
    """All of them, as uWSGI writes truth."""
    found, plan = options(rendered[site]["ini"]), rendered[site]["plan"]["uwsgi"]
    assert plan["processes"] > 0
    assert {name: found[name] for name in plan} == {name: [str(value).lower()] for name, value in plan.items()}


def test_harakiri_without_threads_only(render: Render) -> None:
    """Its timer is the worker's, and other threads would keep resetting it."""
    assert "harakiri" not in options(render("plain", "ini"))
    assert options(render("one", "ini"))["harakiri"] == ["60"]


def test_http_instead(render: Render) -> None:
    """The same socket, in the other protocol."""
    found = options(render("http", "ini"))
    assert found["http-socket"] == ["$(RUNTIME_DIRECTORY)/app.sock"]
    assert "socket" not in found
    assert render("http", "protocol") == "http"


def test_what_the_user_says_wins(render: Render) -> None:
    """It comes last, once or as often as the list is long; null leaves out what the plan has."""
    found = options(render("own", "ini"))
    assert found["processes"] == ["5"]
    assert found["thunder-lock"][-1] == "false"
    assert found["log-5xx"] == ["true"]
    assert found["env"] == ["A=1", "B=2"]
    assert "max-requests" not in found


@pytest.mark.parametrize(
    ("site", "known"),
    [("plain", True), ("pinned", True), ("distribution", False), ("kept_old", False), ("pinned_old", False)],
)
def test_options_that_a_version_is_too_old_for(render: Render, site: str, known: bool) -> None:
    """With `strict` they would end the start: by the release's own version, or the one that it is about to get."""
    assert ("max-requests-delta" in options(render(site, "ini"))) is known
    assert "max-requests" in options(render(site, "ini"))


@pytest.mark.parametrize(
    ("site", "requirement", "packages"),
    [
        ("plain", ("pyuwsgi", "", "2.0.30.post1"), []),
        ("pinned", ("pyuwsgi", "2.0.30", "2.0.30.post1"), []),
        ("source", ("uwsgi", "", "2.0.31"), ["gcc", "libc6-dev", "python3-dev"]),
        ("distribution", (None, None, None), ["uwsgi-core", "uwsgi-plugin-python3"]),
    ],
)
def test_what_is_installed(render: Render, site: str, requirement: tuple[str, ...], packages: list[str]) -> None:
    """From PyPI into the release, or by the distribution."""
    found = render(site, "requirement")
    assert tuple(found.get(name) for name in ("package", "wanted", "tested")) == requirement
    assert render(site, "packages") == packages


@pytest.mark.parametrize(("site", "count"), [("own", 5 + 2 + 2 + 1), ("plain", 2), ("cheaper", "")])
def test_processes(render: Render, site: str, count: int | str) -> None:
    """Workers and what else the settings ask for; no number where uWSGI itself decides."""
    assert render(site, "processes") in (count, str(count))


# The application


class Body:
    """What a request has in its body."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self.parts = list(parts)

    def read(self, _size: int) -> bytes:
        """Give the next part; the last one is followed by nothing."""
        part = self.parts.pop(0) if self.parts else b""
        if isinstance(part, Exception):
            raise part
        return part


class Answer:
    """What a site answers; it has to be closed."""

    closed = False

    def __iter__(self) -> Iterator[bytes]:
        """Give a page in two parts."""
        return iter([b"pa", b"ge"])

    def close(self) -> None:
        """Note it."""
        self.closed = True


@pytest.fixture
def load(render: Render, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Execute a site's application.py, with a site_wsgi that has an application, and note what happens meanwhile."""

    def execute(site: str, application: Callable[..., Any], done: list[str] | None = None) -> Any:
        done = [] if done is None else done
        played = {
            "site_wsgi": {"application": application},
            "site_metrics": {"follow_uwsgi": lambda: done.append("workers followed")},
        }
        play_modules(monkeypatch, played)
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.setattr("gc.freeze", lambda: done.append("frozen"))
        found: dict[str, Any] = {"__file__": "/srv/shop/slots/blue/application.py"}
        exec(compile(render(site, "application"), "application.py", "exec"), found)
        assert sys.path[-1] == "/srv/shop/slots/blue"
        return found["application"]

    return execute


@pytest.mark.parametrize(("site", "happens"), [("plain", ["workers followed", "frozen"]), ("one", ["frozen"])])
def test_the_application_is_whole_before_it_is_shared(load: Callable[..., Any], site: str, happens: list[str]) -> None:
    """What is loaded is frozen last; workers are followed unless nothing is counted."""
    done: list[str] = []
    load(site, lambda _environ, _start: None, done)
    assert done == happens


def test_an_answer_without_a_body_to_drain(load: Callable[..., Any]) -> None:
    """It reaches uWSGI as it is, for sendfile."""
    page = Answer()
    application = load("plain", lambda _environ, _start: page)
    assert application({"wsgi.input": Body()}, None) is page


@pytest.mark.parametrize("body", [Body(b"left", b"over"), Body(b"left", OSError("gone")), Body()])
def test_a_body_is_read_to_its_end(load: Callable[..., Any], body: Body) -> None:
    """After the answer, even where the visitor has gone; what the site has read is not missed."""
    page = Answer()
    application = load("plain", lambda _environ, _start: page)
    answer = application({"CONTENT_LENGTH": "8", "wsgi.input": body}, None)
    assert next(answer) == b"pa"
    assert not page.closed
    assert b"".join(answer) == b"ge"
    assert (body.parts, page.closed) == ([], True)


# systemd


@pytest.mark.parametrize(
    ("site", "start"),
    [
        ("plain", "/srv/shop/slots/%i/release/venv/bin/python -c 'import pyuwsgi; pyuwsgi.run()'"),
        ("source", "/srv/shop/slots/%i/release/venv/bin/uwsgi --virtualenv /srv/shop/slots/%i/release/venv"),
        ("distribution", "/usr/bin/uwsgi-core --plugin python3 --virtualenv /srv/shop/slots/%i/release/venv"),
    ],
)
def test_the_unit(render: Render, site: str, start: str) -> None:
    """How it is started and stopped; the rest is the same for all servers."""
    found = unit(render(site, "unit"))
    assert found["ExecStart"] == [f"{start} --ini /srv/shop/slots/%i/uwsgi.ini"]
    assert found["KillSignal"] == ["SIGHUP"]
    assert found["KillMode"] == ["mixed"]
    assert found["Type"] == ["notify"]


def test_a_kept_release_has_its_own_server(render: Render) -> None:
    """A rollback to one that was built for gunicorn runs gunicorn, whatever the inventory says today."""
    assert (render("kept", "server"), render("kept", "requirement")["package"]) == ("gunicorn", "gunicorn")
    assert "/release/venv/bin/python -m gunicorn" in unit(render("kept", "unit"))["ExecStart"][0]
    assert unit(render("kept", "unit"))["KillSignal"] == ["SIGTERM"]
    assert "proxy_pass http://shop;" in block(render("kept", "site"), "location /")


# nginx


def test_nginx_speaks_the_protocol(render: Render) -> None:
    """The host with its port, the visitor's address and scheme, as by HTTP."""
    found = block(render("plain", "site"), "location /")
    assert found[0] == "uwsgi_pass shop;"
    assert {line for line in found if "HTTP_" in line} == {
        "uwsgi_param HTTP_HOST $shop_host;",
        "uwsgi_param HTTP_X_FORWARDED_FOR $remote_addr;",
        "uwsgi_param HTTP_X_FORWARDED_HOST $shop_host;",
        "uwsgi_param HTTP_X_FORWARDED_PROTO http;",
        "uwsgi_param HTTP_X_REAL_IP $remote_addr;",
        "uwsgi_param HTTP_X_REQUEST_ID $request_id;",
        "uwsgi_param HTTP_X_REQUEST_START t=$msec;",
        'uwsgi_param HTTP_FORWARDED "" if_not_empty;',
        'uwsgi_param HTTP_PROXY "" if_not_empty;',
        'uwsgi_param HTTP_X_FORWARDED_PORT "" if_not_empty;',
        'uwsgi_param HTTP_X_FORWARDED_PROTOCOL "" if_not_empty;',
        'uwsgi_param HTTP_X_FORWARDED_SSL "" if_not_empty;',
        'uwsgi_param HTTP_X_PITCREW_PROBE "" if_not_empty;',
        'uwsgi_param HTTP_TRANSFER_ENCODING "" if_not_empty;',
    }
    assert "uwsgi_read_timeout 65s;" in found
    assert "uwsgi_hide_header X-Pitcrew-Release;" in found
    assert "uwsgi_param UWSGI_SCHEME http;" in found
    assert block(render("plain", "site"), "upstream shop") == ["server unix:/srv/shop/live/uwsgi.sock;"]


@pytest.mark.parametrize("site", ["one", "tls"])
def test_visitors_by_https(render: Render, site: str) -> None:
    """Told in both ways, wherever TLS ends."""
    found = lines(render(site, "site"))
    assert found.count("uwsgi_param UWSGI_SCHEME https;") == 1
    assert found.count("uwsgi_param HTTP_X_FORWARDED_PROTO https;") == 1


@pytest.mark.parametrize(
    ("site", "own", "other", "line"),
    [
        ("plain", "uwsgi", "http", "proxy_pass http://unix:/srv/shop/live/http.sock;"),
        ("http", "http", "uwsgi", "uwsgi_pass unix:/srv/shop/live/uwsgi.sock;"),
        ("kept", "http", "uwsgi", "uwsgi_pass unix:/srv/shop/live/uwsgi.sock;"),
    ],
)
def test_the_other_protocol(render: Render, site: str, own: str, other: str, line: str) -> None:
    """For requests that nobody has seen yet, and for none else; a failure there ends with nginx's own page."""
    text = render(site, "site")
    assert f"    error_page 502 = @{other};\n    recursive_error_pages on;\n" in text
    assert block(text, f"location @{other}")[:5] == [
        "error_page 502 503 504 @unavailable;",
        "if ($upstream_bytes_sent != 0) {",
        "return 502;",
        "}",
        line,
    ]
    assert block(text, "upstream shop") == [f"server unix:/srv/shop/live/{own}.sock;"]
