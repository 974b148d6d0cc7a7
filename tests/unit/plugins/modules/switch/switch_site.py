"""A host for switches: real files, a played systemd, and a server on the real socket of each slot that it starts.

What happens is noted in its order (`log`), and a run can be killed before any of it.
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pitcrew.django.plugins.module_utils import host as host_module
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite, Slot
from ansible_collections.pitcrew.django.plugins.modules import switch as module
from fake_systemd import FakeSystemd, Process

__all__ = ["BOOT", "SECRET", "Behaviour", "Clock", "Host", "Killed", "Site", "waiting_room"]

TEMPLATES = Path(__file__).resolve().parents[5] / "roles/site/templates"
SECRET = "correct horse battery staple"
BOOT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"


def waiting_room(root: Path, run: Path) -> dict[str, str]:
    """The texts of the waiting room, from the role's own templates, with another /run."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters["comment"] = "# {}".format
    params = {
        "ansible_managed": "managed",
        "site_name": "shop",
        "site_user": "shop",
        "site_root": root,
        "__site_server_backlog": 512,
        "__site_waiting_descriptors": 3136,
    }
    return {
        name: environment.from_string((TEMPLATES / file).read_text()).render(params).replace("/run/", f"{run}/")
        for name, file in (
            ("socket", "waiting.socket.j2"),
            ("service", "waiting.service.j2"),
            ("script", "waiting.sh.j2"),
        )
    }


class Killed(BaseException):
    """The process ends here: nothing more of it runs, no handler either."""


class Clock:
    """Stand in for the module's time, which passes only while it sleeps."""

    strftime = staticmethod(time.strftime)
    time = staticmethod(time.time)

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Give the seconds since some moment."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.now += seconds

    def gmtime(self) -> time.struct_time:
        """Give the same date always."""
        return time.gmtime(1750000000)


def healthy(_seconds: float) -> tuple[int, str | None]:
    """Answer 200 from the first moment on; an empty release stands for the one that runs."""
    return 200, ""


@dataclass
class Behaviour(Process):
    """How a release behaves once systemd starts it."""

    listens: bool = True
    # From the seconds since its start to status and release, or to None: the connection ends without an answer.
    answer: Callable[[float], tuple[int, str | None] | None] = healthy
    # The home page, unless it is the health path; the story does not tell of requests for it.
    home_page: tuple[int, str] = (404, "")


class Server:
    """One slot's application server, on its real socket."""

    def __init__(self, path: Path, respond: Callable[[bytes], bytes]) -> None:
        self.path, self.respond = path, respond
        path.parent.mkdir(exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        """Answer one connection after the other."""
        while True:
            try:
                connection, _address = self.listener.accept()
            except OSError:
                return
            with connection:
                asked = b""
                while not asked.endswith(b"\r\n\r\n"):
                    asked += connection.recv(4096)
                connection.sendall(self.respond(asked))

    def close(self) -> None:
        """End as a stopped process does, its runtime directory removed by systemd."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)
        self.path.unlink()


class Host(FakeSystemd):
    """A host with one site, whose slots behave as the release does that they link to."""

    def __init__(self, hosted: HostedSite, clock: Clock) -> None:
        super().__init__(host_module.UNITS)
        self.hosted, self.clock = hosted, clock
        self.behaviours: dict[str, Behaviour] = {}
        # Of background processes, by the unit's name without the site, and by the release, or without it: rq, rq of r2.
        self.processes: dict[str, Process] = {}
        self.servers: dict[str, Server] = {}
        self.under_ways: list[int] = []
        self.waitings: list[int] = []
        self.log: list[str] = []
        self.kill_before = ""
        # What systemd complains of when the waiting room is to be opened.
        self.no_room: str | None = None
        # And what it complains of when the site is to start at boot.
        self.cannot_enable: str | None = None
        # Slots that were stopped while the live link pointed to them.
        self.outages: list[str] = []
        # The timers of schedules that run.
        self.timers: set[str] = set()

    def note(self, event: str) -> None:
        """Write down what happens, unless the process is to be killed before it."""
        if event == self.kill_before:
            self.kill_before = ""
            raise Killed
        self.log.append(event)

    @property
    def story(self) -> list[str]:
        """What happened, without the resets that go with each start and stop."""
        return [event for event in self.log if not event.startswith("reset-failed")]

    def now(self) -> float:
        """Tell the time of the site's clock."""
        return self.clock.now

    def wait_until(self, moment: float) -> None:
        """Let the time pass."""
        self.clock.now = max(self.clock.now, moment)

    def slot(self, unit: str) -> Slot:
        """Find the slot of a unit."""
        return next(slot for slot in self.hosted.slots.values() if unit.endswith(f"@{slot.name}.service"))

    def is_web(self, unit: str) -> bool:
        """Tell whether it is the unit of the slot itself, and not of a background process."""
        return unit == self.slot(unit).unit

    def name(self, unit: str) -> str:
        """Call a unit by its slot, and a background process by its name there: rq@blue."""
        return self.slot(unit).name if self.is_web(unit) else unit[len("shop-") : -len(".service")]

    def process(self, unit: str) -> Process:
        """Tell how the release behaves that the slot links to, or a background process of it."""
        release = self.slot(unit).release or ""
        if self.is_web(unit):
            return self.behaviours.get(release, Behaviour())
        name = self.name(unit).partition("@")[0]
        return self.processes.get(f"{name} of {release}") or self.processes.get(name) or Process()

    def order(self, *words: str) -> str | None:
        """Note the order, and do as systemctl does; of the waiting room it is only noted."""
        verb, *units = [word for word in words if word != "--no-block"]
        if units and "-waiting." in units[0]:
            self.note(f"{verb} the waiting room")
            return self.no_room if verb == "start" else None
        if units and "-liveness." in units[-1]:
            self.note(f"{verb} the watch")
            return super().order(*words) if verb == "enable" else None
        if units and re.search(r"^shop-(?!boot)\w+\.(timer|service)$", units[-1]):
            self.note(f"{verb} {units[-1]}")
            self.timers = {*self.timers, units[-1]} if verb == "restart" else self.timers - {units[-1]}
            return super().order(verb, units[-1]) if verb in ("enable", "disable") else None
        names = [] if units == [self.hosted.boot_unit] else [self.name(unit) for unit in units]
        asks = "--no-block" in words and not any(map(self.is_web, units))
        self.note(" ".join(["ask", *names, "to stop"] if asks else [verb, *names]))
        return super().order(*words)

    def properties_of(self, units: Iterable[str], *_names: str) -> dict[str, dict[str, str]]:
        """Tell which units of schedules run, and which are held as they are no more."""
        return {
            unit: {
                "ActiveState": "active" if unit in self.timers else "inactive",
                "NeedDaemonReload": "yes" if self.outdated(unit) else "no",
            }
            for unit in units
        }

    def journal(self, unit: str, since: float | None = None) -> str:
        """Tell the last words of a unit."""
        self.note(f"journal {self.name(unit)}")
        return f"Traceback of {unit} {'in its latest run' if since is None else 'since it was started'}"

    def under_way(self, path: Path) -> int:
        """Tell how many requests there are, one number a question."""
        [name] = [slot.name for slot in self.hosted.slots.values() if slot.socket == path] or ["the waiting room"]
        count = self.under_ways.pop(0) if self.under_ways else 0
        self.note(f"{count} under way in {name}")
        return count

    def waiting(self, path: Path) -> int:
        """Tell how many connections are not accepted yet, one number a question."""
        [name] = [slot.name for slot in self.hosted.slots.values() if slot.socket == path]
        count = self.waitings.pop(0) if self.waitings else 0
        self.note(f"{count} waiting in {name}")
        return count

    def enable(self, unit: str) -> str | None:
        """Have it started at boot, unless there is a complaint."""
        return self.cannot_enable or super().enable(unit)

    def start(self, unit: str) -> str | None:
        """Start the unit, and the server on the slot's socket."""
        slot = self.slot(unit)
        if not self.is_web(unit) and not (slot.path / "secrets").exists():
            return "Failed to load environment files: No such file or directory"
        complaint, behaviour, started = super().start(unit), self.process(unit), self.clock.now
        if not isinstance(behaviour, Behaviour):
            return complaint
        release = slot.release

        def respond(request: bytes) -> bytes:
            if request.startswith(b"GET / "):
                status, html = behaviour.home_page
                headers = f"X-Pitcrew-Release: {release}\r\nContent-Type: text/html\r\nContent-Length: {len(html)}"
                return f"HTTP/1.1 {status} So\r\n{headers}\r\n\r\n{html}".encode()
            answer = behaviour.answer(self.clock.now - started)
            if answer is None:
                return b""
            status, named = answer
            named = release if named == "" else named
            self.log.append(f"{status} by {named} in {slot.name}")
            header = f"X-Pitcrew-Release: {named}\r\n" if named else ""
            return f"HTTP/1.1 {status} So\r\n{header}Content-Length: 0\r\n\r\n".encode()

        if complaint is None and behaviour.listens:
            self.servers[unit] = Server(slot.socket, respond)
        return complaint

    def stop(self, unit: str) -> None:
        """Stop it, and write down where that was the slot that served."""
        if self.hosted.live is self.slot(unit) and self.is_web(unit):
            self.outages.append(unit)
        super().stop(unit)
        if server := self.servers.pop(unit, None):
            server.close()


@dataclass
class Site:
    """One site on a host of its own, and the options of its deploys."""

    root: Path
    units: Path
    waiting_room: dict[str, str]
    host: Host
    capsys: pytest.CaptureFixture[str]
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def hosted(self) -> HostedSite:
        """Where it lies."""
        return self.host.hosted

    def build(self, release: str, public: dict[str, str] | None = None, static: str | None = None) -> Path:
        """Put a finished release on disk."""
        path = self.root / "releases" / release
        (path / "app").mkdir(parents=True, exist_ok=True)
        (path / "release.json").write_text(json.dumps({"public": public or {}, "static": static}))
        return path

    def run(self, release: str, check: bool = False, **params: Any) -> dict[str, Any]:
        """Run the module and give its answer."""
        self.params = {
            "name": "shop",
            "root": str(self.root),
            "release": release,
            "unit": "[Service]\nUser=shop\n",
            "boot_unit": BOOT,
            "files": {"gunicorn.conf.py": "workers = 2\n"},
            "waiting_room": self.waiting_room,
            "environment": {"DEBUG": False, "SITE_RELEASE": "fixed"},
            "secrets": {"SECRET_KEY": SECRET},
            "health": {"host": "shop.example.com", "path": "/healthz/"},
            **params,
        }
        umask = os.umask(0o022)
        os.umask(umask)
        try:
            with (
                patch_module_args({**self.params, "_ansible_check_mode": check, "_ansible_diff": True}),
                pytest.raises(SystemExit),
            ):
                module.main()
        finally:
            os.umask(umask)  # the module sets it
        answer: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return answer

    def deploy(
        self, release: str, public: dict[str, str] | None = None, static: str | None = None, **params: Any
    ) -> dict[str, Any]:
        """Build and run, and forget what happened before."""
        self.build(release, public, static)
        self.host.log.clear()
        return self.run(release, **params)

    def tree(self) -> dict[str, str]:
        """Give everything on disk: each path with its mode and content, or its link's target."""
        found = {}
        for top in (self.root, self.units):
            for path in sorted(top.rglob("*")):
                if path.is_symlink():
                    found[str(path)] = f"-> {os.readlink(path)}"
                else:
                    found[str(path)] = f"{path.stat().st_mode:o} " + (path.read_text() if path.is_file() else "")
        return found

    def serves(self) -> tuple[str | None, str | None]:
        """Tell which slot serves which release."""
        live = self.hosted.live
        return (live.name, live.release) if live else (None, None)

    def at_rest(self) -> bool:
        """Tell whether the live slot alone runs and starts at boot."""
        slots = self.hosted.slots.values()
        running = [slot for slot in slots if not self.host.show(slot.unit).stopped]
        return running == [self.hosted.live] and self.hosted.boots(BOOT)

    def working(self) -> list[str]:
        """Tell which background processes run, and not only finish what they have."""
        units = [unit for unit in self.host.units if not self.host.is_web(unit)]
        return sorted(self.host.name(unit) for unit in units if not self.host.show(unit).ending)
