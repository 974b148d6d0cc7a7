# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a site is healthy: requests that it has to answer, its home page, and the files that the home page names.

1. The health path has to return the expected status. Redirects within the site are followed: a home page that sends
   anonymous visitors to the login is healthy. Cookies are kept on the way: a page may set one, and redirect to
   itself to see it. Where a redirect is the expected answer, it is not followed.
2. Further checks, each a path and a status, work the same way.
3. The home page may return any status below 500: an API has none, and an intranet rejects anonymous visitors. If it is
   a page, the stylesheets and scripts that it names have to exist. Without an icon or an image it still works: those
   that do not exist are warnings.
4. Every response has to come from the expected release.

A slot's own socket does not serve static files: nginx does, from the slot's directory. They are looked up there.
"""

from __future__ import annotations

import http.client
import os
import posixpath
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from ansible_collections.pitcrew.django.plugins.module_utils.page_files import page_files
from ansible_collections.pitcrew.django.plugins.module_utils.site_request import (
    REDIRECTS,
    RELEASE_HEADER,
    Request,
    Response,
    send,
)

__all__ = ["HEALTH_SPEC", "HealthCheck", "essential"]

# The options of modules that depend on the site only.
HEALTH_SPEC = {
    "host": {"type": "str", "required": True},
    "domains": {"type": "list", "elements": "str", "default": []},
    "scheme": {"type": "str", "choices": ["http", "https"], "default": "https"},
    "path": {"type": "str", "default": "/"},
    "status": {"type": "int", "default": 200},
    "checks": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"path": {"type": "str", "required": True}, "status": {"type": "int", "default": 200}},
    },
    "home_page": {"type": "bool", "default": True},
}

MAX_REDIRECTS = 5
REQUEST_TIMEOUT_S = 5.0
# As long as a request may take by default: the home page may be slow, and that is no reason to refuse a release.
HOME_PAGE_TIMEOUT_S = 30.0
ALL_TIMEOUT_S = 60.0
# Characters of a URL that stay as they are: those that have a meaning in it, and what is quoted already.
SAFE = "%/:;=@&+$,!~*'()?[]"

HTTPS_CURE = (
    "set site_tls_certificate and site_tls_key, or site_scheme: https if a proxy in front of this host terminates TLS, "
    "or SECURE_SSL_REDIRECT: false in site_settings"
)
PROXY_HEADER_CURE = (
    "if the project does not see that visitors use https, set SECURE_PROXY_SSL_HEADER: [HTTP_X_FORWARDED_PROTO, https] "
    "in site_settings"
)
HOME_PAGE_CURE = "or set site_health_home_page: false"
FILES_CURE = f"add what is missing to the project's static files, {HOME_PAGE_CURE} if nginx_extra_directives serve it"
MISSING = "does not exist"
NOT_FOUND = "returned 404"


def essential(health: Mapping[str, Any]) -> dict[str, Any]:
    """Reduce the options to the request for the health path."""
    return {**health, "checks": [], "home_page": False}


@dataclass(frozen=True)
class _Check:
    """One path and its expected status; C(further) if they are from site_health_checks."""

    path: str
    status: int
    further: bool

    def cure(self, returned: int | None) -> str:
        """What to set instead; the status that was returned may be the healthy one."""
        if self.further:
            return "correct its path or status in site_health_checks"
        path = f"set site_health_path to a path that returns {self.status}"
        return f"{path}, or site_health_status to {returned}" if returned else path


@dataclass(frozen=True)
class _Visit:
    """Where a visitor arrived who followed redirects: the URLs and the last response.

    If that is a redirect which is not followed, C(obstacle) is what it does, as in I(redirects to itself). C(cure) is
    what to set then, and C(certain) whether nothing else can be wrong, such as the path.
    """

    urls: list[str]
    response: Response
    obstacle: str | None = None
    cure: str | None = None
    certain: bool = False

    @property
    def url(self) -> str:
        """The URL of the last response."""
        return self.urls[-1]

    @property
    def story(self) -> str:
        """The request, and where it was redirected to, as the beginning of a sentence."""
        return f"GET {self.urls[0]}" + (f" redirects to {_short(self.url)}, which" if len(self.urls) > 1 else "")


class _Visitor:
    """Sends the requests of one round: each URL once, all of them within a time."""

    def __init__(self, check: HealthCheck, within_s: float) -> None:
        self.check = check
        self.scheme = check.health["scheme"]
        self.deadline = time.monotonic() + within_s
        self.responses: dict[tuple[str, frozenset[str]], Response] = {}

    def get(
        self,
        host: str,
        path: str,
        timeout_s: float = REQUEST_TIMEOUT_S,
        cookies: Mapping[str, str] = MappingProxyType({}),
    ) -> Response:
        """Return the response.

        Raises OSError or http.client.HTTPException if none comes.
        """
        request = Request(self.check.address, self.check.protocol, host, self.scheme, path, cookies=cookies)
        key = (request.url, frozenset(cookies))
        if key not in self.responses:
            left_s = self.deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("there was no time left for it")
            self.responses[key] = send(replace(request, timeout=min(timeout_s, left_s)))
        return self.responses[key]

    def follow(self, path: str, most: int = MAX_REDIRECTS, timeout_s: float = REQUEST_TIMEOUT_S) -> _Visit:
        """Request a path of the site, and follow redirects within the site as long as the expected release answers.

        Raises OSError or http.client.HTTPException if a response does not come.
        """
        host = self.check.health["host"]
        visit = _Visit([f"{self.scheme}://{host}{path}"], self.get(host, path, timeout_s))
        kept: dict[str, dict[str, str]] = {host: {}}
        seen = {(visit.url, frozenset[str]())}
        while most and visit.response.redirects and not self.check.foreign(visit.response):
            kept[host].update(visit.response.cookies)
            target = _ascii(str(visit.response.location))
            try:
                target = urljoin(visit.url, target)
                parts = urlsplit(target)
                known = self.check.has(parts)
            except ValueError:
                return replace(visit, obstacle=f"redirects to {_short(target)}, which is not a URL")
            if not known:
                cure = f"add {_host(parts)} to site_domains" if self.check.lacks(parts) else None
                return replace(visit, obstacle=f"redirects to {_short(target)}, which is not on this site", cure=cure)
            if parts.scheme == "https" and self.scheme == "http":
                obstacle = f"redirects to {_short(target)}, and the site is served over http only"
                return replace(visit, obstacle=obstacle, cure=HTTPS_CURE, certain=True)
            host, path = _host(parts), request_path(parts)
            cookies = kept.setdefault(host, {})
            # On a site with TLS, nginx redirects http to https.
            url = f"{self.scheme}://{host}{path}"
            repeated = (url, frozenset(cookies)) in seen
            if repeated and url == visit.url:
                cure = PROXY_HEADER_CURE if self.scheme == "https" else None
                return replace(visit, obstacle="redirects to itself", cure=cure)
            if repeated:
                return replace(visit, obstacle=f"redirects to {_short(url)} again, in a loop")
            if len(visit.urls) > most:
                return replace(visit, obstacle=f"redirects to {_short(url)}: more than {most} redirects")
            seen.add((url, frozenset(cookies)))
            visit = _Visit([*visit.urls, url], self.get(host, path, timeout_s, dict(cookies)))
        return visit


def _host(parts: SplitResult) -> str:
    """The host name of a URL, as in the site's domains: an IPv6 address is in brackets."""
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


def request_path(parts: SplitResult) -> str:
    """The path and query of a URL, as they are sent."""
    query = f"?{quote(parts.query, safe=SAFE)}" if parts.query else ""
    return quote(parts.path or "/", safe=SAFE) + query


@dataclass
class HealthCheck:
    """All requests that show whether the site at an address is healthy.

    C(health) are the options of HEALTH_SPEC. Without a release, any may answer. C(static) is the URL path of the static
    files that nginx serves, and C(public) the directory that they are served from, at the same path; without that
    directory they are requested. C(files) is how many of the files that the home page names are looked at.
    """

    health: Mapping[str, Any]
    address: str
    protocol: str
    release: str | None
    static: str | None = None
    public: Path | None = None
    files: int = 20
    took_s: float | None = field(default=None, init=False)
    """How long the health path took, if the response was the expected one."""
    warnings: list[str] = field(default_factory=list, init=False)
    """What visitors miss on the home page that is no reason to refuse a release, each as a sentence."""

    def problems(self, within_s: float = ALL_TIMEOUT_S) -> list[str]:
        """Send all requests within that time, and return what is wrong with the responses, each as a sentence.

        Raises OSError or http.client.HTTPException if the first one gets no response.
        """
        visitor = _Visitor(self, within_s)
        self.warnings = []
        began = time.monotonic()
        first = self._problem(visitor, _Check(self.health["path"], self.health["status"], further=False))
        self.took_s = None if first else time.monotonic() - began
        found = [first]
        for further in self.health["checks"]:
            try:
                found.append(self._problem(visitor, _Check(**further, further=True)))
            except (OSError, http.client.HTTPException) as error:
                found.append(f"GET {self._url(further['path'])} got no response: {_words(error)}")
        if self.health["home_page"]:
            found += self._home_page(visitor, known_to_be_bad=bool(first) and self.health["path"] == "/")
        return list(dict.fromkeys(filter(None, found)))

    def foreign(self, response: Response) -> bool:
        """Whether a release other than the expected one responded."""
        return self.release is not None and response.release != self.release

    def has(self, parts: SplitResult) -> bool:
        """Whether a URL is the site's.

        Raises ValueError if its port is not a number.
        """
        default = {"http": 80, "https": 443}.get(parts.scheme)
        known = bool(parts.hostname) and not self.lacks(parts)
        return known and default is not None and (parts.port or default) == default

    def lacks(self, parts: SplitResult) -> bool:
        """Whether a URL has a host name, but none of the site's."""
        host = _host(parts).rstrip(".")
        names = [self.health["host"], *self.health["domains"]]
        known = (host.endswith(name[1:]) if name.startswith("*.") else host == name for name in names)
        return bool(host) and not any(known)

    def _url(self, path: str) -> str:
        return f"{self.health['scheme']}://{self.health['host']}{path}"

    def _problem(self, visitor: _Visitor, check: _Check) -> str | None:
        """What is wrong with the response to a check, and the cure; or None."""
        visit = visitor.follow(check.path, 0 if check.status in REDIRECTS else MAX_REDIRECTS)
        response = visit.response
        if visit.obstacle:
            # A redirect can be the healthy response itself, but not at the end of other redirects.
            cures = [
                visit.cure,
                None if visit.certain else check.cure(response.status if len(visit.urls) == 1 else None),
            ]
            return f"{visit.story} {visit.obstacle}; {', or '.join(filter(None, cures))}"
        if self.foreign(response) and (response.status == check.status or response.redirects):
            return self._foreign_problem(visit)
        if response.status == check.status:
            return None
        target = f", a redirect to {_short(_ascii(str(response.location)))}," if response.redirects else ""
        problem = f"{visit.story} returned {response.status}{target} instead of {check.status}"
        if response.status == 400:
            host = _host(urlsplit(visit.url))
            return f"{problem}; Django does so if ALLOWED_HOSTS lacks {host!r}: add it there, or correct site_domains"
        # For an error in the application, the traceback shows the cause.
        return problem if response.status >= 500 else f"{problem}; {check.cure(response.status)}"

    def _foreign_problem(self, visit: _Visit) -> str:
        if visit.response.release is None:
            return (
                f"{visit.story} returned a response without the header {RELEASE_HEADER}, so it is not from release "
                f"{self.release}"
            )
        return f"{visit.story} was answered by release {visit.response.release} instead of {self.release}"

    def _home_page(self, visitor: _Visitor, known_to_be_bad: bool) -> Iterator[str]:
        """What is wrong with the home page and the files that it names."""
        try:
            visit = visitor.follow("/", timeout_s=HOME_PAGE_TIMEOUT_S)
        except (OSError, http.client.HTTPException) as error:
            yield f"GET {self._url('/')} got no response: {_words(error)}; correct the home page, {HOME_PAGE_CURE}"
            return
        response = visit.response
        if response.status >= 500:
            checks = [self.health, *self.health["checks"]]
            expected = {check["status"] for check in checks if check["path"] == "/"}
            if not known_to_be_bad and response.status not in expected:
                yield f"{visit.story} returned {response.status}; correct the home page, {HOME_PAGE_CURE}"
        elif self.foreign(response):
            yield self._foreign_problem(visit)
        elif 200 <= response.status < 300 and "html" in response.content_type:
            missing: dict[tuple[str, bool], list[str]] = {}
            for path, reason, code in self._missing_files(visitor, visit):
                matters = code or reason not in (MISSING, NOT_FOUND)
                missing.setdefault((reason, matters), []).append(_short(quote(path, safe=SAFE)))
            for (reason, matters), paths in missing.items():
                what = "which do not exist" if len(paths) > 1 and reason == MISSING else f"which {reason}"
                sentence = f"{visit.story} names {_listed(paths)}, {what}"
                if matters:
                    yield f"{sentence}; {FILES_CURE}"
                else:
                    self.warnings.append(sentence)

    def _missing_files(self, visitor: _Visitor, visit: _Visit) -> Iterator[tuple[str, str, bool]]:
        """Each file of the site that the page names and that cannot be had: its path, why not, and whether it is code.

        Code comes first, since it matters more.
        """
        looked_at = 0
        files = page_files(visit.response.body, visit.response.content_type, visit.url)
        for file in sorted(files, key=lambda file: not file.code):
            try:
                parts = urlsplit(file.url)
                if not self.has(parts):
                    continue
            except ValueError:
                continue
            # As nginx reads it: unquoted first, then without dots.
            path = posixpath.normpath(unquote(parts.path, errors="surrogateescape"))
            # Images may be uploads, which are not the release's. Without a path of static files, only code counts.
            if not (path.startswith(f"/{self.static}/") if self.static else file.code):
                continue
            if looked_at == self.files:
                return
            looked_at += 1
            if self.public and os.path.isfile(f"{self.public}{path}"):
                continue
            if self.public and self.static:
                yield parts.path, MISSING, file.code
                continue
            try:
                response = visitor.get(_host(parts), request_path(parts))
            except (OSError, http.client.HTTPException) as error:
                yield parts.path, f"got no response: {_words(error)}", file.code
            else:
                if response.status >= 400:
                    yield parts.path, f"returned {response.status}", file.code


def _ascii(location: str) -> str:
    """Quote what is not allowed in a URL; http.client gives the bytes of a header as Latin-1."""
    return quote(location, safe=f"{SAFE}#", encoding="latin-1")


def _short(url: str) -> str:
    """A URL in a sentence: those of a single sign-on can be as long as a page."""
    return url if len(url) <= 120 else f"{url[:117]}..."


def _listed(names: list[str]) -> str:
    """Join names as in a sentence: the first four, and how many more there are."""
    shown = names if len(names) <= 5 else [*names[:4], f"{len(names) - 4} more"]
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
