"""What is healthy and what is not, over real sockets: redirects, several requests, the home page and its files."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import health as module
from ansible_collections.pitcrew.django.plugins.module_utils.health import HealthCheck, essential

HTML = "text/html; charset=utf-8"


@dataclass
class Page:
    """What the site returns for a URL."""

    status: int = 200
    location: str = ""
    body: str = ""
    release: str = "r2"
    content_type: str = HTML
    cut_off: bool = False
    cookie: str = ""

    def __bytes__(self) -> bytes:
        """The response on the wire."""
        if self.cut_off:
            return b""
        body = self.body.encode()
        lines = [f"HTTP/1.1 {self.status} So", f"Content-Length: {len(body)}", f"Content-Type: {self.content_type}"]
        lines += [f"X-Pitcrew-Release: {self.release}"] if self.release else []
        lines += [f"Location: {self.location}"] if self.location else []
        lines += [f"Set-Cookie: {self.cookie}"] if self.cookie else []
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass
class Site:
    """A site on a real socket: its pages by host and path, or by path where the host does not matter."""

    socket_path: Path
    public: Path
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    schemes: set[str] = field(default_factory=set)

    def respond(self, request: bytes) -> bytes:
        """Respond as a server of HTTP does."""
        lines = request.decode().splitlines()
        path = lines[0].split()[1]
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        self.requests.append(headers["Host"] + path)
        self.schemes.add(headers["X-Forwarded-Proto"])
        with_cookies = self.pages.get(f"{path} with {headers['Cookie']}") if "Cookie" in headers else None
        return bytes(with_cookies or self.pages.get(headers["Host"] + path) or self.pages.get(path) or Page(404))

    def file(self, path: str) -> None:
        """Have a file below the directory that nginx serves."""
        file = self.public / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")

    def check(self, on_disk: bool = True, static: str | None = "static", **health: Any) -> HealthCheck:
        """The check of a slot, or, without files on disk, that of the proxy."""
        options = {
            "host": "shop.test",
            "domains": ["shop.test", "www.shop.test", "*.shop.example"],
            "scheme": "https",
            "path": "/healthz/",
            "status": 200,
            "checks": [],
            "home_page": True,
            **health,
        }
        public = self.public if on_disk else None
        return HealthCheck(options, f"unix:{self.socket_path}", "http", "r2", static, public)

    def problems(self, **params: Any) -> list[str]:
        """What is wrong with the site."""
        return self.check(**params).problems(10)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site that is healthy: its health path and its home page return 200."""
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as directory,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener,
    ):
        site = Site(Path(directory) / "app.sock", tmp_path / "public", {"/": Page(), "/healthz/": Page()})
        listener.bind(str(site.socket_path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                with connection:
                    request = b""
                    while not request.endswith(b"\r\n\r\n"):
                        request += connection.recv(4096)
                    connection.sendall(site.respond(request))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield site
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_a_healthy_site(site: Site) -> None:
    check = site.check()
    assert check.problems(10) == []
    assert check.took_s is not None
    assert site.requests == ["shop.test/healthz/", "shop.test/"]
    assert site.schemes == {"https"}


# The status and the release


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (Page(500), "GET https://shop.test/healthz/ returned 500 instead of 200"),
        (
            Page(404),
            "GET https://shop.test/healthz/ returned 404 instead of 200; set site_health_path to a path that returns "
            "200, or site_health_status to 404",
        ),
        (
            Page(400),
            "GET https://shop.test/healthz/ returned 400 instead of 200; Django does so if ALLOWED_HOSTS lacks "
            "'shop.test': add it there, or correct site_domains",
        ),
        (Page(release="r1"), "GET https://shop.test/healthz/ was answered by release r1 instead of r2"),
        (
            Page(release=""),
            "GET https://shop.test/healthz/ returned a response without the header X-Pitcrew-Release, so it is not "
            "from release r2",
        ),
        # Of two things that are wrong, the status is the one that an operator can look up.
        (Page(500, release="r1"), "GET https://shop.test/healthz/ returned 500 instead of 200"),
        # A redirect by another release says nothing about this one.
        (
            Page(302, "/login/", release="r1"),
            "GET https://shop.test/healthz/ was answered by release r1 instead of r2",
        ),
    ],
)
def test_a_wrong_response(site: Site, page: Page, problem: str) -> None:
    site.pages["/healthz/"] = page
    check = site.check()
    assert check.problems(10) == [problem]
    assert check.took_s is None


@pytest.mark.parametrize(
    ("status", "page"), [(204, Page(204)), (404, Page(404)), (302, Page(302, "https://sso.test/"))]
)
def test_another_status_may_be_the_healthy_one(site: Site, status: int, page: Page) -> None:
    """A redirect that is expected is not followed."""
    site.pages["/healthz/"] = page
    assert site.problems(status=status) == []
    assert site.requests == ["shop.test/healthz/", "shop.test/"]


def test_an_expected_redirect_that_does_not_come(site: Site) -> None:
    assert (
        "returned 200 instead of 302; set site_health_path to a path that returns 302" in site.problems(status=302)[0]
    )
    site.pages["/healthz/"] = Page(301, "/new/")
    assert site.problems(status=302)[0].startswith(
        "GET https://shop.test/healthz/ returned 301, a redirect to /new/, instead of 302; "
    )


def test_any_release_where_none_is_expected(site: Site) -> None:
    site.pages = {"/": Page(release="r1"), "/healthz/": Page(release="")}
    check = site.check()
    check.release = None
    assert check.problems(10) == []


@pytest.mark.parametrize("path", ["/healthz/", "/"])
def test_no_response_at_all(site: Site, path: str) -> None:
    """That of the first request is the caller's matter: the server may be starting."""
    site.pages[path] = Page(cut_off=True)
    with pytest.raises(ConnectionError):
        site.problems(path=path)


# Redirects

SET_PATH = "set site_health_path to a path that returns 200"
BEGINNING = "GET https://shop.test/healthz/ redirects to"


@pytest.mark.parametrize(
    ("location", "request_", "page"),
    [
        ("/login/?next=/", "shop.test/login/?next=/", Page()),
        ("../login/", "shop.test/login/", Page()),
        ("?page=1", "shop.test/healthz/?page=1", Page()),
        ("https://shop.test/login/#form", "shop.test/login/", Page()),
        ("https://SHOP.test:443/login/", "shop.test/login/", Page()),
        ("//www.shop.test/login/", "www.shop.test/login/", Page()),
        ("https://any.shop.example/", "any.shop.example/", Page()),
        # nginx answers http with a redirect to https.
        ("http://shop.test/login/", "shop.test/login/", Page()),
        ("http://shop.test:80/login/", "shop.test/login/", Page()),
        ("/caf\u00c3\u00a9/?q=a b", "shop.test/caf%C3%A9/?q=a%20b", Page()),
        ("https://shop.test", "shop.test/", Page()),
    ],
)
def test_a_redirect_within_the_site(site: Site, location: str, request_: str, page: Page) -> None:
    """It is followed, with the host that it names and the site's own scheme."""
    site.pages["/healthz/"] = Page(302, location)
    site.pages[request_] = page
    assert site.problems(home_page=False) == []
    assert site.requests == ["shop.test/healthz/", request_]
    assert site.schemes == {"https"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_kind_of_redirect(site: Site, status: int) -> None:
    site.pages["/healthz/"] = Page(status, "/login/")
    site.pages["/login/"] = Page()
    assert site.problems() == []


@pytest.mark.parametrize("hops", [5, 6])
def test_five_redirects_are_followed(site: Site, hops: int) -> None:
    site.pages["/healthz/"] = Page(302, "/1/")
    for hop in range(1, hops):
        site.pages[f"/{hop}/"] = Page(302, f"/{hop + 1}/")
    site.pages[f"/{hops}/"] = Page()
    found = site.problems()
    if hops == 5:
        assert found == []
    else:
        assert found == [
            f"{BEGINNING} https://shop.test/5/, which redirects to https://shop.test/6/: more than 5 redirects; "
            f"{SET_PATH}"
        ]


@pytest.mark.parametrize(
    ("location", "rest"),
    [
        (
            "https://sso.test/login",
            "https://sso.test/login, which is not on this site; add sso.test to site_domains, or "
            f"{SET_PATH}, or site_health_status to 302",
        ),
        (
            "https://shop.example/",
            "https://shop.example/, which is not on this site; add shop.example to site_domains, or ",
        ),
        ("https://shop.test.evil/", "https://shop.test.evil/, which is not on this site; add shop.test.evil to "),
        ("https://shop.test:8443/", f"https://shop.test:8443/, which is not on this site; {SET_PATH}, or "),
        ("http://shop.test:443/", f"http://shop.test:443/, which is not on this site; {SET_PATH}, or "),
        ("ftp://shop.test/", f"ftp://shop.test/, which is not on this site; {SET_PATH}, or "),
        ("mailto:a@shop.test", f"mailto:a@shop.test, which is not on this site; {SET_PATH}, or "),
        ("https://shop.test:port/", f"https://shop.test:port/, which is not a URL; {SET_PATH}, or "),
        ("https://[/", f"https://[/, which is not a URL; {SET_PATH}, or "),
        ("http:///login/", f"http:///login/, which is not on this site; {SET_PATH}, or "),
        ("https://sso.test/\x1b[2J", "https://sso.test/%1B[2J, which is not on this site; add "),
        (f"https://sso.test/?{'s' * 9000}", f"https://sso.test/?{'s' * 99}..., which is not on this site; add "),
    ],
)
def test_a_redirect_that_leaves_the_site(site: Site, location: str, rest: str) -> None:
    """The message has its target, and it is not followed."""
    site.pages["/healthz/"] = Page(302, location)
    (problem,) = site.problems()
    assert problem.startswith(f"{BEGINNING} {rest}")
    assert site.requests == ["shop.test/healthz/", "shop.test/"]


def test_a_redirect_that_leaves_the_site_later(site: Site) -> None:
    """At the end of others it cannot be what is expected."""
    site.pages |= {"/healthz/": Page(302, "/login/"), "/login/": Page(302, "https://sso.test/")}
    assert site.problems() == [
        f"{BEGINNING} https://shop.test/login/, which redirects to https://sso.test/, which is not on this site; "
        f"add sso.test to site_domains, or {SET_PATH}"
    ]


def test_a_redirect_to_https_on_a_site_without_it(site: Site) -> None:
    """Nothing listens there: the cures are those of TLS."""
    site.pages["/healthz/"] = Page(301, "https://shop.test/healthz/")
    (problem,) = site.problems(scheme="http", home_page=False)
    assert problem == (
        "GET http://shop.test/healthz/ redirects to https://shop.test/healthz/, and the site is served over http only; "
        "set site_tls_certificate and site_tls_key, or site_scheme: https if a proxy in front of this host terminates "
        "TLS, or SECURE_SSL_REDIRECT: false in site_settings"
    )
    assert site.schemes == {"http"}


@pytest.mark.parametrize("location", ["https://shop.test/healthz/", "http://shop.test/healthz/", ""])
def test_a_page_that_redirects_to_itself(site: Site, location: str) -> None:
    """With https it does not see how visitors came."""
    site.pages["/healthz/"] = Page(301, location or "/healthz/")
    (problem,) = site.problems()
    assert problem.startswith(
        "GET https://shop.test/healthz/ redirects to itself; if the project does not see that visitors use https, set "
        "SECURE_PROXY_SSL_HEADER: [HTTP_X_FORWARDED_PROTO, https] in site_settings, or set site_health_path to "
    )


def test_a_page_that_redirects_to_itself_with_a_cookie(site: Site) -> None:
    """It looks whether the visitor keeps cookies; then it is there."""
    site.pages["/healthz/"] = Page(302, "/healthz/", cookie="seen=1; Path=/; HttpOnly")
    site.pages["/healthz/ with seen=1"] = Page()
    assert site.problems() == []


def test_a_page_that_sends_visitors_to_another_one_and_back_for_a_cookie(site: Site) -> None:
    """The cookie is from the first one."""
    site.pages["/healthz/"] = Page(302, "/cookie/", cookie="seen=1")
    site.pages["/cookie/ with seen=1"] = Page(302, "/healthz/")
    site.pages["/healthz/ with seen=1"] = Page()
    assert site.problems() == []


def test_a_page_that_always_sets_a_cookie_and_redirects_to_itself(site: Site) -> None:
    """A visitor who has the cookie gets no further."""
    site.pages["/healthz/"] = Page(302, "/healthz/", cookie="seen=1")
    [problem] = site.problems()
    assert problem.startswith("GET https://shop.test/healthz/ redirects to https://shop.test/healthz/, which redirects")
    assert len(site.requests) == 3


@pytest.mark.parametrize("location", ["/en/", "https://[2001:db8::1]/en/"])
def test_a_site_whose_domain_is_an_address(site: Site, location: str) -> None:
    """That of IPv6 is in brackets in a URL, too."""
    site.pages["/healthz/"] = Page(302, location)
    site.pages["[2001:db8::1]/en/"] = Page()
    assert site.problems(host="[2001:db8::1]", domains=["[2001:db8::1]"]) == []


@pytest.mark.parametrize("said", [{"path": "/", "status": 503}, {"checks": [{"path": "/", "status": 503}]}])
def test_a_home_page_whose_error_is_expected(site: Site, said: dict[str, Any]) -> None:
    """A site that is closed for maintenance says so."""
    site.pages["/"] = Page(503)
    assert site.problems(**said) == []


def test_redirects_in_a_loop(site: Site) -> None:
    site.pages |= {"/healthz/": Page(302, "/a/"), "/a/": Page(302, "/b/"), "/b/": Page(302, "/a/")}
    assert site.problems() == [
        f"{BEGINNING} https://shop.test/b/, which redirects to https://shop.test/a/ again, in a loop; {SET_PATH}"
    ]
    assert site.requests == ["shop.test/healthz/", "shop.test/a/", "shop.test/b/", "shop.test/"]


@pytest.mark.parametrize(
    ("page", "rest"),
    [
        (Page(500), "returned 500 instead of 200"),
        (Page(403), f"returned 403 instead of 200; {SET_PATH}, or site_health_status to 403"),
        (Page(release="r1"), "was answered by release r1 instead of r2"),
    ],
)
def test_a_wrong_response_at_the_end_of_a_redirect(site: Site, page: Page, rest: str) -> None:
    """Release and status count in each response."""
    site.pages |= {"/healthz/": Page(302, "/login/"), "/login/": page}
    assert site.problems() == [f"{BEGINNING} https://shop.test/login/, which {rest}"]


def test_a_wrong_host_at_the_end_of_a_redirect(site: Site) -> None:
    """The host that Django does not know is the one of the redirect."""
    site.pages |= {"/healthz/": Page(301, "https://www.shop.test/"), "www.shop.test/": Page(400)}
    assert "Django does so if ALLOWED_HOSTS lacks 'www.shop.test'" in site.problems()[0]


# Further checks


def test_all_checks_are_requested(site: Site) -> None:
    site.pages |= {"/api/": Page(401), "/shop/": Page(302, "/shop/all/"), "/shop/all/": Page()}
    checks = [{"path": "/api/", "status": 401}, {"path": "/shop/", "status": 200}]
    assert site.problems(checks=checks, home_page=False) == []
    assert site.requests == ["shop.test/healthz/", "shop.test/api/", "shop.test/shop/", "shop.test/shop/all/"]


def test_everything_that_is_wrong_is_told_at_once(site: Site) -> None:
    site.pages |= {
        "/": Page(503),
        "/healthz/": Page(500),
        "/cut/": Page(cut_off=True),
        "/api/": Page(302, "https://a.test/"),
    }
    checks = [{"path": path, "status": 200} for path in ("/cut/", "/missing/", "/api/")]
    cure = "correct its path or status in site_health_checks"
    assert site.problems(checks=checks) == [
        "GET https://shop.test/healthz/ returned 500 instead of 200",
        "GET https://shop.test/cut/ got no response: Remote end closed connection without response",
        f"GET https://shop.test/missing/ returned 404 instead of 200; {cure}",
        "GET https://shop.test/api/ redirects to https://a.test/, which is not on this site; "
        f"add a.test to site_domains, or {cure}",
        "GET https://shop.test/ returned 503; correct the home page, or set site_health_home_page: false",
    ]


def test_a_check_within_the_time_that_is_left(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round of checks ends, however many there are."""
    now = iter([0.0, 0.0, 1.0, 2.0, 11.0, 12.0, 13.0])
    monkeypatch.setattr(module, "time", type("Clock", (), {"monotonic": staticmethod(lambda: next(now))}))
    problem = "GET https://shop.test/late/ got no response: there was no time left for it"
    assert site.problems(checks=[{"path": "/late/", "status": 200}], home_page=False) == [problem]


def test_the_essential_request_alone(site: Site) -> None:
    health = site.check(checks=[{"path": "/api/", "status": 200}]).health
    assert site.problems(**essential(health)) == []
    assert site.requests == ["shop.test/healthz/"]


# The home page


@pytest.mark.parametrize(
    "page",
    [
        Page(404),
        Page(401),
        Page(403),
        Page(302, "https://sso.test/"),
        Page(302, "/"),
        Page(301, "http://shop.test/"),
        Page(200, content_type="application/json", body='{"img": "<img src=/static/a.png>"}'),
        Page(404, body='<img src="/static/missing.png">'),
    ],
    ids=lambda page: f"{page.status} {page.location}",
)
def test_a_home_page_that_need_not_be_one(site: Site, page: Page) -> None:
    """An API has none, an intranet keeps strangers out, and a single sign-on is elsewhere."""
    site.pages["/"] = page
    assert site.problems() == []


CORRECT = "correct the home page, or set site_health_home_page: false"


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (Page(500), f"GET https://shop.test/ returned 500; {CORRECT}"),
        (Page(503), f"GET https://shop.test/ returned 503; {CORRECT}"),
        (
            Page(cut_off=True),
            f"GET https://shop.test/ got no response: Remote end closed connection without response; {CORRECT}",
        ),
        (Page(release="r1"), "GET https://shop.test/ was answered by release r1 instead of r2"),
    ],
)
def test_a_home_page_with_an_error(site: Site, page: Page, problem: str) -> None:
    """Its health path is fine: it is refused all the same, unless that is wanted."""
    site.pages["/"] = page
    assert site.problems() == [problem]
    assert site.problems(home_page=False) == []


def test_a_home_page_with_an_error_behind_a_redirect(site: Site) -> None:
    site.pages |= {"/": Page(302, "/en/"), "/en/": Page(500)}
    assert site.problems() == [
        f"GET https://shop.test/ redirects to https://shop.test/en/, which returned 500; {CORRECT}"
    ]


def test_a_home_page_that_is_the_health_path(site: Site) -> None:
    """It is requested once, and reported once."""
    assert site.problems(path="/") == []
    assert site.requests == ["shop.test/"]
    site.pages["/"] = Page(500)
    assert site.problems(path="/") == ["GET https://shop.test/ returned 500 instead of 200"]
    site.pages["/"] = Page(release="r1")
    assert site.problems(path="/") == ["GET https://shop.test/ was answered by release r1 instead of r2"]


def test_a_slow_home_page(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has more time than the health path: being slow is no reason to refuse a release."""
    given = {}
    send = module.send

    def noted(request: module.Request) -> module.Response:
        given[request.path] = round(request.timeout, 1)
        return send(request)

    monkeypatch.setattr(module, "send", noted)
    assert site.check().problems(60) == []
    assert given == {"/healthz/": 5.0, "/": 30.0}


# The files that the home page names

ADD = (
    "add what is missing to the project's static files, or set site_health_home_page: false if nginx_extra_directives "
    "serve it"
)


def page(*files: str, **params: Any) -> Page:
    """A page with a stylesheet or script, or images."""
    tags = {".css": '<link rel="stylesheet" href="{}">', ".js": '<script src="{}"></script>'}
    return Page(
        body="".join(tags.get(Path(urlsplit(file).path).suffix, '<img src="{}">').format(file) for file in files),
        **params,
    )


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("/static/app.css", "static/app.css"),
        ("/static/app.0a1b2c3d.js?v=2#top", "static/app.0a1b2c3d.js"),
        ("https://shop.test/static/app.css", "static/app.css"),
        ("//www.shop.test/static/app.css", "static/app.css"),
        ("static/app.css", "static/app.css"),
        ("/static/my%20app.css", "static/my app.css"),
        ("/static/my app.css", "static/my app.css"),
        ("/static/caf%C3%A9.css", "static/café.css"),
        ("/static/café.css", "static/café.css"),
        ("/static/a/../app.css", "static/app.css"),
        ("/static/a/%2e%2e/app.css", "static/app.css"),
        ("/static/a/..%2fapp.css", "static/app.css"),
    ],
)
def test_a_file_that_the_home_page_names(site: Site, url: str, file: str) -> None:
    """It is looked up where nginx serves it from, and nobody is asked for it."""
    site.pages["/"] = page(url)
    (problem,) = site.problems()
    assert problem.startswith("GET https://shop.test/ names ")
    assert problem.endswith(f", which does not exist; {ADD}")
    site.file(file)
    assert site.problems() == []
    assert set(site.requests) == {"shop.test/healthz/", "shop.test/"}
    assert site.problems(home_page=False) == []


def test_a_missing_file(site: Site) -> None:
    site.file("static/app.css")
    site.pages["/"] = page("/static/app.css", "/static/app.js")
    assert site.problems() == [f"GET https://shop.test/ names /static/app.js, which does not exist; {ADD}"]
    site.pages["/"] = page("/static/app.css", "/static/app.js", "/static/more.js")
    assert site.problems() == [
        f"GET https://shop.test/ names /static/app.js and /static/more.js, which do not exist; {ADD}"
    ]


ICON = '<link rel="icon" href="/static/favicon.ico">'


def test_a_missing_icon_or_image_is_a_warning(site: Site) -> None:
    """The page works without it; once it is there, the same check has none."""
    site.file("static/app.css")
    style = '<link rel="stylesheet" href="/static/app.css">'
    site.pages["/"] = Page(body=f'{ICON}<img src="/static/logo.svg">{style}')
    check = site.check()
    assert check.problems(10) == []
    assert check.warnings == [
        "GET https://shop.test/ names /static/favicon.ico and /static/logo.svg, which do not exist"
    ]
    site.file("static/favicon.ico")
    site.file("static/logo.svg")
    assert check.problems(10) == []
    assert check.warnings == []


def test_a_missing_stylesheet_is_refused_beside_a_missing_icon(site: Site) -> None:
    """In sentences of their own."""
    site.pages["/"] = Page(body=f'{ICON}<link rel="stylesheet" href="/static/app.css">')
    check = site.check()
    assert check.problems(10) == [f"GET https://shop.test/ names /static/app.css, which does not exist; {ADD}"]
    assert check.warnings == ["GET https://shop.test/ names /static/favicon.ico, which does not exist"]


@pytest.mark.parametrize(
    ("icon", "problems", "warnings"),
    [
        (Page(404), 0, ["GET https://shop.test/ names /static/favicon.ico, which returned 404"]),
        (Page(403), 1, []),
        (Page(cut_off=True), 1, []),
    ],
)
def test_an_icon_through_the_proxy(site: Site, icon: Page, problems: int, warnings: list[str]) -> None:
    """That nginx may not read static files is no missing file."""
    site.pages |= {"/": Page(body=ICON), "/static/favicon.ico": icon}
    check = site.check(on_disk=False)
    assert len(check.problems(10)) == problems
    assert check.warnings == warnings


@pytest.mark.parametrize(
    ("number", "listed"),
    [
        (3, "/static/0.js, /static/1.js and /static/2.js"),
        (5, "/static/0.js, /static/1.js, /static/2.js, /static/3.js and /static/4.js"),
        (6, "/static/0.js, /static/1.js, /static/2.js, /static/3.js and 2 more"),
        (30, "/static/0.js, /static/1.js, /static/2.js, /static/3.js and 16 more"),
    ],
)
def test_many_missing_files(site: Site, number: int, listed: str) -> None:
    site.pages["/"] = page(*(f"/static/{each}.js" for each in range(number)))
    assert site.problems() == [f"GET https://shop.test/ names {listed}, which do not exist; {ADD}"]


def test_a_missing_file_of_the_page_that_visitors_are_sent_to(site: Site) -> None:
    site.pages |= {"/": Page(302, "/login/"), "/login/": page("app.css"), "/healthz/": Page()}
    assert site.problems(static="login") == [
        "GET https://shop.test/ redirects to https://shop.test/login/, which names /login/app.css, which does not "
        f"exist; {ADD}"
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.test/static/app.css",
        "//cdn.test/static/app.js",
        "/media/upload.png",
        "/jsi18n/catalog.js",
        "/staticky/app.css",
        "/static",
        "/static/",
        "/static/../secret.css",
        "/static/%2e%2e/secret.css",
        "/static/..%2fsecret.css",
        "data:image/png;base64,AAAA",
        "blob:https://shop.test/static/a.png",
        "https://shop.test:8080/static/app.css",
        "https://shop.test:port/static/app.css",
    ],
)
def test_what_is_no_static_file_of_the_site(site: Site, url: str) -> None:
    site.pages["/"] = page(url)
    assert site.problems() == []
    assert site.requests == ["shop.test/healthz/", "shop.test/"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("/static/a%00.css", "/static/a%00.css"),
        (f"/static/{300 * 'a'}.css", f"/static/{109 * 'a'}..."),
        ("/static/%ff.css", "/static/%ff.css"),
        ("/static/dir", "/static/dir"),
    ],
)
def test_a_name_that_no_file_has(site: Site, name: str, shown: str) -> None:
    """A directory is no file, and what the file system does not take does not exist."""
    (site.public / "static/dir").mkdir(parents=True)
    site.pages["/"] = Page(body=f'<link rel="stylesheet" href="{name}">')
    assert site.problems() == [f"GET https://shop.test/ names {shown}, which does not exist; {ADD}"]


def test_the_name_of_a_file_cannot_do_anything_to_a_terminal(site: Site) -> None:
    site.pages["/"] = page("/static/\x1b[2Ja.css")
    assert site.problems() == [f"GET https://shop.test/ names /static/%1B[2Ja.css, which does not exist; {ADD}"]


def test_twenty_files_are_looked_at(site: Site) -> None:
    for number in range(20):
        site.file(f"static/{number}.css")
    names = [f"/static/{number}.css" for number in range(20)]
    site.pages["/"] = page(*names, "/static/missing.css")
    assert site.problems() == []
    site.pages["/"] = page(*names[:19], "/static/missing.css")
    assert "/static/missing.css" in site.problems()[0]


@pytest.mark.parametrize(
    ("files", "requests", "problem"),
    [
        ({"/static/app.css": Page()}, ["/static/app.css"], None),
        ({"/static/app.css": Page(302, "/login/")}, ["/static/app.css"], None),
        ({}, ["/static/app.css"], "returned 404"),
        ({"/static/app.css": Page(403)}, ["/static/app.css"], "returned 403"),
        ({"/static/app.css": Page(cut_off=True)}, ["/static/app.css"], "got no response: Remote end closed connection"),
    ],
)
def test_a_file_through_the_proxy(site: Site, files: dict[str, Page], requests: list[str], problem: str | None) -> None:
    """What nginx serves is requested there, whichever release the response names."""
    site.pages |= {"/": page("/static/app.css", "/media/upload.png"), **files}
    found = site.problems(on_disk=False)
    assert site.requests == ["shop.test/healthz/", "shop.test/", *(f"shop.test{path}" for path in requests)]
    if problem is None:
        assert found == []
    else:
        assert found[0].startswith(f"GET https://shop.test/ names /static/app.css, which {problem}")


def test_files_that_the_application_serves_itself(site: Site) -> None:
    """Without a path of static files, code is requested from it; images may be uploads, which nginx serves."""
    site.file("media/upload.css")
    site.pages["/"] = page("/assets/app.css", "/assets/app.js?v=1", "/media/upload.png", "/media/upload.css")
    site.pages["/assets/app.css"] = Page()
    assert site.problems(static=None) == [f"GET https://shop.test/ names /assets/app.js, which returned 404; {ADD}"]
    assert site.requests[2:] == ["shop.test/assets/app.css", "shop.test/assets/app.js?v=1"]


def test_how_many_files_are_looked_at(site: Site) -> None:
    site.pages["/"] = page("/static/a.css", "/static/b.css")
    check = site.check(on_disk=False)
    check.files = 1
    assert len(check.problems(10)) == 1


def test_code_is_looked_at_before_images(site: Site) -> None:
    site.pages["/"] = page("/static/a.svg", "/static/a.css")
    check = site.check(on_disk=False)
    check.files = 1
    assert [problem.split(",")[0] for problem in check.problems(10)] == ["GET https://shop.test/ names /static/a.css"]
    assert site.requests[2:] == ["shop.test/static/a.css"]
    assert site.requests[2:] == ["shop.test/static/a.css"]
