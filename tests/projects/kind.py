"""What a kind of project or host is, and what becomes of its first deploy: it is live, or refused with all causes."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Case", "Kind", "Live", "Refused", "Visit"]

# How a connection ends that is closed instead of answered, or whose handshake is rejected.
NO_ANSWER = (http.client.RemoteDisconnected, ConnectionResetError, ssl.SSLError)


@dataclass(frozen=True)
class Visit:
    """A request to a live site, and its answer. A status of None stands for no answer at all."""

    path: str = "/"
    status: int | None = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    # The host that the request names; by default the first of the site's domains.
    host: str = ""
    scheme: str = "http"
    # The host that the TLS handshake names; by default the same.
    sni: str = ""

    def objection(self, address: str, domain: str) -> str:
        """Send the request to the address; return what is wrong with the answer, or an empty text."""
        request = f"{self.scheme}://{self.host or domain}{self.path}"
        connection = http.client.HTTPConnection(address, timeout=30)
        try:
            connection.sock = self._connect(address, domain)
            connection.request("GET", self.path, headers={"Host": self.host or domain})
            answer = connection.getresponse()
            body = answer.read().decode(errors="replace")
        except NO_ANSWER as error:
            return "" if self.status is None else f"{request}: no answer ({error!r})"
        except (OSError, http.client.HTTPException) as error:
            return f"{request}: {error!r}"
        finally:
            connection.close()
        if answer.status != self.status:
            return f"{request}: {answer.status} instead of {self.status or 'no answer'}: {body[:500]}"
        if self.body not in body:
            return f"{request}: {self.body!r} is missing in {body[:500]!r}"
        for name, value in self.headers.items():
            if answer.headers.get_all(name) != [value]:
                return f"{request}: the header {name} is {answer.headers.get_all(name)} instead of {value!r}"
        return ""

    def _connect(self, address: str, domain: str) -> socket.socket:
        if self.scheme == "http":
            return socket.create_connection((address, 80), timeout=30)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection((address, 443), timeout=30)
        return context.wrap_socket(plain, server_hostname=self.sni or self.host or domain)


@dataclass(frozen=True)
class Live:
    """The playbook succeeds."""

    visits: tuple[Visit, ...] = (Visit(),)
    # What the site's journal contains after the visits.
    journal: tuple[str, ...] = ()
    # What the screen shows, and what it does not.
    shows: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    # Ports at which nothing listens.
    closed: tuple[int, ...] = ()
    # Whether its warnings are among the messages that are kept to be read.
    warns: bool = False


@dataclass(frozen=True)
class Refused:
    """The playbook fails, and what ran before runs on."""

    # What the refusal contains, all of it at once, and what it does not.
    shows: tuple[str, ...]
    never: tuple[str, ...] = ()
    # Whether that happens before anything is changed: no package, account, directory or lock.
    untouched: bool = False
    # Whether the release itself is good and stays on disk, since what was refused is around it.
    leaves_release: bool = False
    # Visits afterwards to what was live before.
    visits: tuple[Visit, ...] = ()


@dataclass(frozen=True)
class Kind:
    """One kind: how a project or a host differs from an ordinary one, and what is to become of its deploy.

    The project is what `django-admin startproject mysite` makes, with a requirements.txt; unless `ready` is false, it
    also has the settings that any site needs and a home page that says "at home" (startproject.py).
    """

    name: str
    expect: Live | Refused
    # Lines at the end of mysite/settings.py, mysite/urls.py and requirements.txt.
    settings: str = ""
    urls: str = ""
    requirements: str = ""
    ready: bool = True
    # What lines at the end of a file cannot express: a function that changes the finished project. Programs that it
    # puts into bin/, beside the project, are on the user's PATH.
    reshape: Callable[[Path], None] | None = None
    # Variables of the inventory besides the name, the domain, the source and the settings module.
    variables: Mapping[str, Any] = field(default_factory=dict)
    # Whether its inventory is what pitcrew.django.inspect proposes, with a key of one's own where it asks for one; the
    # variables above replace what inspect cannot know. And whether inspect asks Django, besides reading.
    inspected: bool = False
    asks_django: bool = False
    # Whether its source is a commit of a git repository, instead of a directory.
    git: bool = False
    # The servers under which it is tried, and those of them that only the long form tries.
    servers: tuple[str, ...] = ("gunicorn",)
    long: tuple[str, ...] = ()
    # A kind whose deploy comes before this one, to the same site; and whether the lines that its refusal proposes are
    # merged into the inventory.
    upon: str = ""
    merges_proposal: bool = False
    # Live kinds that have these words in common are deployed as one project, since their lines and variables do not
    # interfere. Each keeps its own visits, and is deployed alone if no other is chosen.
    together: str = ""
    # The site. By default all live ones are releases of one site, all refused ones of another one, and those that
    # leave a host untouched of a third.
    site: str = ""
    # The lab's host, and commands there: before the deploy, and after it in any case.
    host: str = "web"
    before: str = ""
    after: str = ""
    playbook: str = "deploy"

    @property
    def site_name(self) -> str:
        """The name of its site."""
        if self.site:
            return self.site
        if isinstance(self.expect, Live):
            return "live"
        return "newcomer" if self.expect.untouched else "refused"


@dataclass(frozen=True)
class Case:
    """A kind under one of its servers."""

    kind: Kind
    server: str

    @property
    def name(self) -> str:
        """Its name in tests, and that of the file with its message."""
        return self.kind.name if self.server == self.kind.servers[0] else f"{self.kind.name}-{self.server}"

    @property
    def variables(self) -> dict[str, Any]:
        """The variables of its inventory, besides where the source is and what inspect proposes."""
        usual = {"site_settings_module": "mysite.settings", "site_server": self.server}
        return {
            "site_name": self.kind.site_name,
            "site_domains": [f"{self.kind.site_name}.test"],
            **({} if self.kind.inspected else usual),
            "site_ca_bundle": "{{ lab_ca_bundle }}",
            # The tests need not wait as long as a person may.
            "site_health_patience": 1,
            "site_boot_timeout": 20,
            **self.kind.variables,
        }

    @property
    def has_message(self) -> bool:
        """Whether a person reads something of it."""
        return isinstance(self.kind.expect, Refused) or self.kind.expect.warns
