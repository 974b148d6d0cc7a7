"""Every way a switch can go, on real files and real sockets; only systemd is played.

The played systemd starts a server on the slot's socket, notes what happens in its order (`log`), and knows
a unit that it holds only as it was when it was loaded, as the real one does.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pitcrew.django.plugins.module_utils import host as host_module
from ansible_collections.pitcrew.django.plugins.module_utils import releases as releases_module
from ansible_collections.pitcrew.django.plugins.module_utils import timing as timing_module
from ansible_collections.pitcrew.django.plugins.module_utils import waiting_room as room_module
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite, Slot
from ansible_collections.pitcrew.django.plugins.module_utils.lock import DeployLock, Holder
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Unit
from ansible_collections.pitcrew.django.plugins.module_utils.waiting_room import WaitingRoom
from ansible_collections.pitcrew.django.plugins.modules import switch as module

TEMPLATES = Path(__file__).resolve().parents[4] / "roles/site/templates"
SECRET = "correct horse battery staple"
BOOT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"


def waiting_room(root: Path, run: Path) -> dict[str, str]:
    """What a deploy says of the waiting room, from the role's own templates, with another /run."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters["comment"] = "# {}".format
    said = {
        "ansible_managed": "managed",
        "site_name": "shop",
        "site_user": "shop",
        "site_root": root,
        "__site_server_backlog": 512,
        "__site_waiting_descriptors": 3136,
    }
    return {
        name: environment.from_string((TEMPLATES / file).read_text()).render(said).replace("/run/", f"{run}/")
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
class Behaviour:
    """How a release behaves once systemd has been told to start it."""

    complaint: str | None = None
    active: str = "active"
    restarts: int = 0
    listens: bool = True
    # From the seconds since its start to status and release, or to None: the connection ends without an answer.
    answer: Callable[[float], tuple[int, str | None] | None] = healthy


class Server:
    """One slot's application server, on its real socket."""

    def __init__(self, path: Path, respond: Callable[[], bytes]) -> None:
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
                connection.sendall(self.respond())

    def close(self) -> None:
        """End as a stopped process does, its runtime directory removed by systemd."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)
        self.path.unlink()


class Host:
    """Stand in for Systemd (module_utils/systemd.py): the same five methods."""

    def __init__(self, hosted: HostedSite, clock: Clock) -> None:
        self.hosted, self.clock = hosted, clock
        self.behaviours: dict[str, Behaviour] = {}
        # The units that it holds: those that run or failed, and those that others refer to.
        self.loaded: dict[str, str] = {}
        self.referred_to: set[str] = set()
        self.units: dict[str, Unit] = {}
        self.servers: dict[str, Server] = {}
        self.under_ways: list[int] = []
        self.log: list[str] = []
        self.kill_before = ""
        # What systemd complains of when the waiting room is to be opened.
        self.no_room: str | None = None
        # And what it complains of when the site is to start at boot.
        self.cannot_enable: str | None = None
        # Slots that were stopped while the live link pointed to them.
        self.outages: list[str] = []

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

    def slot(self, unit: str) -> Slot:
        """Find the slot of a unit."""
        return next(slot for slot in self.hosted.slots.values() if slot.unit == unit)

    def state(self, unit: str, active: str, restarts: int = 0) -> None:
        """Set what `show` tells."""
        self.units[unit] = Unit(unit, active, 0, restarts, "")

    # The five methods

    def show(self, unit: str) -> Unit:
        """Tell the state of a unit."""
        return self.units.get(unit, Unit(unit, "inactive", 0, 0, ""))

    def order(self, *words: str) -> str | None:
        """Do as systemctl does."""
        verb, *units = [word for word in words if word != "--no-block"]
        if units == [self.hosted.boot_unit]:
            self.note(verb)
            return {"enable": self.enable}[verb]()
        if units and "-waiting." in units[0]:
            self.note(f"{verb} the waiting room")
            return self.no_room if verb == "start" else None
        self.note(" ".join([verb, *(self.slot(unit).name for unit in units)]))
        if verb == "daemon-reload":
            held = self.loaded.keys() | self.referred_to
            self.loaded.clear()
            for unit in held:
                self.load(unit)
            return None
        [unit] = units
        return {"start": self.start, "stop": self.stop, "reset-failed": self.reset}[verb](unit)

    def outdated(self, unit: str) -> bool:
        """Tell whether a unit is held as it is no more."""
        held, self.loaded = self.loaded, dict(self.loaded)
        self.load(unit)
        known, self.loaded = self.loaded.get(unit), held
        file = self.slot(unit).unit_file
        return known != (file.read_text() if file.exists() else None)

    def journal(self, unit: str, lines: int = 25) -> str:
        """Tell the last words of a unit."""
        self.note(f"journal {self.slot(unit).name}")
        return f"the last {lines} lines of {unit}"

    def under_way(self, path: Path) -> int:
        """Tell how many requests there are, one number a question."""
        [name] = [slot.name for slot in self.hosted.slots.values() if slot.socket == path] or ["the waiting room"]
        count = self.under_ways.pop(0) if self.under_ways else 0
        self.note(f"{count} under way in {name}")
        return count

    # What the orders do

    def load(self, unit: str) -> None:
        """Read the unit, unless it is held."""
        if unit not in self.loaded and (file := self.slot(unit).unit_file).exists():
            self.loaded[unit] = file.read_text()

    def unload(self, unit: str) -> None:
        """Let go of a unit that is not in use."""
        if unit not in self.referred_to:
            self.loaded.pop(unit, None)

    def enable(self) -> str | None:
        """Make the link, unless there is a complaint."""
        if not self.hosted.boot_file.exists():
            return f"Unit file {self.hosted.boot_unit} does not exist."
        if not self.cannot_enable:
            self.hosted.boot_link.parent.mkdir(exist_ok=True)
            self.hosted.boot_link.unlink(missing_ok=True)
            self.hosted.boot_link.symlink_to(self.hosted.boot_file)
        return self.cannot_enable

    def start(self, unit: str) -> str | None:
        """Start the release that the slot links to."""
        slot, release = self.slot(unit), self.slot(unit).release
        behaviour = self.behaviours.get(release or "", Behaviour())
        self.load(unit)
        if unit not in self.loaded:
            return f"Unit {unit} not found."
        if self.show(unit).active == "failed":
            return "Start request repeated too quickly."
        if behaviour.complaint:
            self.state(unit, "failed")
            return behaviour.complaint
        self.state(unit, behaviour.active, behaviour.restarts)
        started = self.clock.now

        def respond() -> bytes:
            answer = behaviour.answer(self.clock.now - started)
            if answer is None:
                return b""
            status, named = answer
            named = release if named == "" else named
            self.log.append(f"{status} by {named} in {slot.name}")
            header = f"X-Release: {named}\r\n" if named else ""
            return f"HTTP/1.1 {status} So\r\n{header}Location: /login/\r\nContent-Length: 0\r\n\r\n".encode()

        if behaviour.listens:
            self.servers[unit] = Server(slot.socket, respond)
        return None

    def stop(self, unit: str) -> None:
        """Stop it, and write down where that was the slot that served."""
        if self.hosted.live is self.slot(unit):
            self.outages.append(unit)
        self.state(unit, "inactive")
        self.unload(unit)
        if server := self.servers.pop(unit, None):
            server.close()

    def reset(self, unit: str) -> None:
        """Forget that it failed."""
        if self.show(unit).active == "failed":
            self.state(unit, "inactive")
            self.unload(unit)


@dataclass
class Site:
    """One site on a host of its own, and what a deploy says of it."""

    root: Path
    units: Path
    waiting_room: dict[str, str]
    host: Host
    capsys: pytest.CaptureFixture[str]
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def hosted(self) -> HostedSite:
        """Where it lies."""
        return self.host.hosted

    def build(self, release: str, public: dict[str, str] | None = None) -> Path:
        """Put a finished release on disk."""
        path = self.root / "releases" / release
        (path / "app").mkdir(parents=True, exist_ok=True)
        (path / "release.json").write_text(json.dumps({"public": public or {}}))
        return path

    def run(self, release: str, check: bool = False, **said: Any) -> dict[str, Any]:
        """Run the module and give its answer."""
        self.said = {
            "name": "shop",
            "root": str(self.root),
            "release": release,
            "unit": "[Service]\nUser=shop\n",
            "boot_unit": BOOT,
            "files": {"gunicorn.conf.py": "workers = 2\n"},
            "waiting_room": self.waiting_room,
            "environment": {"DEBUG": False, "SITE_RELEASE": "fixed"},
            "secrets": {"SECRET_KEY": SECRET},
            "question": {"host": "shop.example.com", "path": "/healthz/"},
            **said,
        }
        umask = os.umask(0o022)
        os.umask(umask)
        try:
            with (
                patch_module_args({**self.said, "_ansible_check_mode": check, "_ansible_diff": True}),
                pytest.raises(SystemExit),
            ):
                module.main()
        finally:
            os.umask(umask)  # the module sets it
        answer: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return answer

    def deploy(self, release: str, public: dict[str, str] | None = None, **said: Any) -> dict[str, Any]:
        """Build and run, and forget what happened before."""
        self.build(release, public)
        self.host.log.clear()
        return self.run(release, **said)

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


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    """Give a host with the site's directory and nothing in it."""
    root, units = tmp_path / "srv/shop", tmp_path / "system"
    (root / "releases").mkdir(parents=True)
    units.mkdir()
    monkeypatch.setattr(host_module, "UNITS", units)
    # The path of a unix socket is short: shorter than those of pytest may be.
    with tempfile.TemporaryDirectory(dir="/tmp") as run:
        monkeypatch.setattr(host_module, "RUN", Path(run))
        clock = Clock()
        host = Host(HostedSite("shop", str(root)), clock)
        replace_link = module.replace_link

        def noted(link: Path, target: str) -> None:
            if link.name == "live":
                host.note(f"live {Path(target).name}")
            replace_link(link, target)

        monkeypatch.setattr(module, "replace_link", noted)
        monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(releases_module, "time", clock)
        monkeypatch.setattr(timing_module, "time", clock)
        # No power is lost here, and a busy disk takes its time.
        monkeypatch.setattr(os, "fsync", lambda _file: None)
        monkeypatch.setattr(module, "Systemd", lambda _run: host)
        hangup = signal.getsignal(signal.SIGHUP)
        yield Site(root, units, waiting_room(root, Path(run)), host, capsys)
        signal.signal(signal.SIGHUP, hangup)
        for server in host.servers.values():
            server.close()


# The first deploy


def test_the_first_release_goes_live_in_blue(site: Site) -> None:
    """It runs, starts at boot, and is the first line of the history."""
    answer = site.deploy("r1")
    assert (answer["changed"], answer["slot"], answer["release"]) == (True, "blue", "r1")
    assert answer["differences"] == ["release", "unit", "environment", "secrets", "gunicorn.conf.py"]
    assert os.readlink(site.root / "live") == "slots/blue"
    assert site.serves() == ("blue", "r1")
    assert site.at_rest()
    assert (site.root / "history").read_text() == ('{"at": "2025-06-15T15:06:40Z", "release": "r1", "slot": "blue"}\n')
    assert site.host.story == [
        "daemon-reload",
        "start blue",
        "200 by r1 in blue",
        "live blue",
        "enable",
    ]


def test_what_a_slot_holds(site: Site) -> None:
    """All the process needs, and the way to its release, its socket and its public files."""
    site.deploy("r1", public={"static": "/srv/shop/releases/r1/app/static", "up/loads": "/var/lib/shop/media"})
    slot = site.root / "slots/blue"
    assert (slot / "environment").read_text() == 'DEBUG="false"\nSITE_RELEASE="fixed"\n'
    assert (slot / "secrets").read_text() == f'SECRET_KEY="{SECRET}"\n'
    assert (slot / "gunicorn.conf.py").read_text() == "workers = 2\n"
    assert (site.units / "shop@blue.service").read_text() == "[Service]\nUser=shop\n"
    assert os.readlink(slot / "release") == str(site.root / "releases/r1")
    assert os.readlink(slot / "http.sock") == str(site.hosted.slots["blue"].socket)
    assert os.readlink(slot / "public/static") == "/srv/shop/releases/r1/app/static"
    assert os.readlink(slot / "public/up/loads") == "/var/lib/shop/media"
    assert (site.units / "shop-boot.service").read_text() == BOOT


@pytest.fixture
def hardened() -> Iterator[None]:
    """Run as a root whose own files nobody else may read."""
    old = os.umask(0o077)
    yield
    os.umask(old)


@pytest.mark.parametrize(("name", "mode"), [("environment", 0o600), ("secrets", 0o600), ("gunicorn.conf.py", 0o644)])
@pytest.mark.usefixtures("hardened")
def test_who_may_read_a_file(site: Site, name: str, mode: int) -> None:
    """Secrets are root's and the rest is the server's, whatever the umask of root."""
    site.deploy("r1")
    assert (site.root / "slots/blue" / name).stat().st_mode & 0o7777 == mode


@pytest.mark.parametrize("name", ["slots", "slots/blue", "slots/blue/public", "slots/blue/public/up"])
@pytest.mark.usefixtures("hardened")
def test_who_may_enter_a_slot(site: Site, name: str) -> None:
    """The server and nginx get through, whatever the umask of root."""
    site.deploy("r1", public={"up/loads": "/media"})
    assert (site.root / name).stat().st_mode & 0o7777 == 0o755


# Whether to switch


def test_nothing_differs_and_nothing_is_done(site: Site) -> None:
    """No order, no file, no change: also where the question or the patience are others than before."""
    site.deploy("r1")
    before = site.tree()
    answer = site.deploy("r1", question={"host": "other.example.com", "status": 204}, patience=9, boot_timeout=9)
    assert (answer["changed"], answer["differences"], answer["slot"]) == (False, [], "blue")
    assert "diff" not in answer
    assert site.host.log == []
    assert site.tree() == before


@pytest.mark.parametrize(
    ("release", "said", "differences"),
    [
        ("r2", {}, ["release"]),
        ("r1", {"unit": "[Service]\nUser=shop\nNice=5\n"}, ["unit"]),
        ("r1", {"environment": {"DEBUG": True, "SITE_RELEASE": "fixed"}}, ["environment"]),
        ("r1", {"environment": {"DEBUG": False}}, ["environment"]),
        ("r1", {"secrets": {"SECRET_KEY": "another"}}, ["secrets"]),
        ("r1", {"files": {"gunicorn.conf.py": "workers = 3\n"}}, ["gunicorn.conf.py"]),
        ("r1", {"files": {"gunicorn.conf.py": "workers = 2\n", "more": "x"}}, ["more"]),
        ("r2", {"unit": "[Service]\n", "secrets": {}}, ["release", "unit", "secrets"]),
    ],
)
def test_what_the_process_would_notice_goes_to_the_other_slot(
    site: Site, release: str, said: dict[str, Any], differences: list[str]
) -> None:
    """Each thing by itself is enough; the answer names it."""
    site.deploy("r1")
    answer = site.deploy(release, **said)
    assert (answer["changed"], answer["slot"], answer["differences"]) == (True, "green", differences)
    assert site.serves() == ("green", release)
    assert site.at_rest()
    assert site.host.outages == []


def test_slots_take_turns(site: Site) -> None:
    """Each deploy goes to the slot that idles, and the history tells them all."""
    for release in ("r1", "r2", "r3", "r1"):
        site.deploy(release)
    assert [(entry["release"], entry["slot"]) for entry in site.hosted.releases.history()] == [
        ("r1", "blue"),
        ("r2", "green"),
        ("r3", "blue"),
        ("r1", "green"),
    ]
    assert site.host.outages == []


@pytest.mark.parametrize(
    ("served", "keep", "on_disk"),
    [
        (["r1", "r2", "r3", "r4"], 2, ["r3", "r4"]),
        (["r1", "r2", "r3", "r4"], 9, ["r1", "r2", "r3", "r4"]),
        # The other slot may still be answering.
        (["r1", "r2", "r3"], 1, ["r2", "r3"]),
        # The last time that it served is what counts.
        (["r1", "r2", "r3", "r1"], 2, ["r1", "r3"]),
    ],
)
def test_the_last_releases_are_kept(site: Site, served: list[str], keep: int, on_disk: list[str]) -> None:
    """Those that served before go, and what an interrupted run left unfinished."""
    (site.root / "releases/unfinished/app").mkdir(parents=True)
    for release in served:
        site.deploy(release, keep=keep if release == served[-1] else 9)
    assert sorted(os.listdir(site.root / "releases")) == on_disk


def test_virtual_environments_that_no_release_uses_any_more_go(site: Site) -> None:
    """With the last release that had these packages, and not before."""
    found = []
    for release, packages in (("r1", "p1"), ("r2", "p1"), ("r3", "p2"), ("r4", "p2")):
        (site.root / "venvs" / packages / "venv").mkdir(parents=True, exist_ok=True)
        (site.build(release) / "venv").symlink_to(f"../../venvs/{packages}/venv")
        site.deploy(release, keep=1)
        found.append(os.listdir(site.root / "venvs"))
    assert [sorted(names) for names in found] == [["p1"], ["p1"], ["p1", "p2"], ["p2"]]


def test_a_refused_release_costs_no_other(site: Site) -> None:
    """What was kept before is kept."""
    site.deploy("r1")
    site.deploy("r2")
    site.host.behaviours["r3"] = Behaviour(answer=lambda _s: (500, ""))
    assert site.deploy("r3", keep=1)["failed"] is True
    assert sorted(os.listdir(site.root / "releases")) == ["r1", "r2"]


# In which order


def test_the_order_of_events(site: Site) -> None:
    """Healthy before the link moves, and the old one drained before it stops."""
    site.deploy("r1")
    site.deploy("r2")
    assert site.host.story == [
        "daemon-reload",
        "start green",
        "200 by r2 in green",
        "live green",
        "0 under way in blue",
        "stop blue",
    ]


def test_a_unit_that_stays_the_same_is_not_read_again(site: Site) -> None:
    """The slot had the same before, so visitors are spared the reload; and it is not written again, either."""
    site.deploy("r1")
    site.deploy("r2")
    written = (site.units / "shop@blue.service").stat()
    site.deploy("r3")
    assert site.host.story[0] == "start blue"
    after = (site.units / "shop@blue.service").stat()
    assert (after.st_ino, after.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


@pytest.mark.parametrize("held", [False, True], ids=["systemd has forgotten it", "systemd holds it"])
@pytest.mark.parametrize("killed", [False, True], ids=["", "the run before was killed"])
def test_the_candidate_starts_as_it_was_meant(
    site: Site, monkeypatch: pytest.MonkeyPatch, held: bool, killed: bool
) -> None:
    """All that the slot holds is there, and systemd has read it, when the order to start comes."""
    site.deploy("r0")
    if held:
        site.host.referred_to = {"shop@green.service"}
    site.deploy("r1")
    site.deploy("r1", unit="[Service]\nNice=4\n")
    seen = []
    if killed:
        site.host.kill_before = "daemon-reload"
        with pytest.raises(Killed):
            site.deploy("r2", unit="[Service]\nNice=5\n")
    start = site.host.start

    def spy(unit: str) -> str | None:
        slot = site.host.slot(unit)
        site.host.load(unit)
        seen.append((site.host.loaded[unit], slot.release, (slot.path / "secrets").read_text()))
        return start(unit)

    monkeypatch.setattr(site.host, "start", spy)
    site.deploy("r2", unit="[Service]\nNice=5\n")
    assert seen == [("[Service]\nNice=5\n", "r2", f'SECRET_KEY="{SECRET}"\n')]


def test_nothing_of_an_earlier_deploy_stays_in_the_slot(site: Site) -> None:
    """The idle slot is written anew."""
    site.deploy("r1", files={"gunicorn.conf.py": "", "old.conf": ""}, public={"old": "/old"})
    site.deploy("r2")
    site.deploy("r3", public={"static": "/static"})
    assert sorted(os.listdir(site.root / "slots/blue")) == [
        "deployed",
        "environment",
        "gunicorn.conf.py",
        "http.sock",
        "public",
        "release",
        "secrets",
    ]
    assert os.listdir(site.root / "slots/blue/public") == ["static"]


def test_the_old_slot_keeps_its_files(site: Site) -> None:
    """Pages of the release before still find their static files; only it does not run any more."""
    site.deploy("r1", public={"static": "/srv/shop/releases/r1/app/static"})
    site.deploy("r2")
    assert os.readlink(site.root / "slots/blue/public/static") == "/srv/shop/releases/r1/app/static"
    assert (site.units / "shop@blue.service").exists()


def test_the_old_slot_loses_its_secrets(site: Site) -> None:
    """What does not run needs none."""
    site.deploy("r1")
    site.deploy("r2")
    assert not (site.root / "slots/blue/secrets").exists()
    assert (site.root / "slots/green/secrets").exists()


def test_a_candidate_that_failed_before_is_started(site: Site) -> None:
    """Systemd refuses to start what failed too often, until it is told to forget that."""
    site.deploy("r1")
    site.host.state("shop@green.service", "failed")
    assert site.deploy("r2")["slot"] == "green"


def test_the_old_slot_answers_what_it_was_asked(site: Site) -> None:
    """It stops once nothing is under way; the seconds it took are told."""
    site.deploy("r1")
    site.host.under_ways = [3, 2, 2, 1, 0]
    answer = site.deploy("r2")
    assert site.host.story[-6:] == [
        "3 under way in blue",
        "2 under way in blue",
        "2 under way in blue",
        "1 under way in blue",
        "0 under way in blue",
        "stop blue",
    ]
    assert answer["seconds"] == {"boot": 0.0, "drain": 0.4}


def test_requests_that_never_end_do_not_hold_the_old_slot(site: Site) -> None:
    """After the drain time-out it stops all the same."""
    site.deploy("r1")
    site.host.under_ways = [1] * 100
    answer = site.deploy("r2", drain_timeout=2)
    assert answer["seconds"]["drain"] == pytest.approx(2.0, abs=0.11)
    assert site.at_rest()


def test_a_lost_connection_does_not_end_a_switch_half_way(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hang-up of ssh is ignored: what has begun is brought to its end, or undone."""
    site.deploy("r1")
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    seen = {}
    note = site.host.note

    def spy(event: str) -> None:
        seen[event] = signal.getsignal(signal.SIGHUP)
        note(event)

    monkeypatch.setattr(site.host, "note", spy)
    site.deploy("r2")
    assert seen["start green"] == signal.SIG_IGN
    assert seen["live green"] == signal.SIG_IGN
    assert seen["stop blue"] == signal.SIG_IGN


# A candidate that does not pass

REFUSALS = [
    pytest.param(
        Behaviour(complaint="Job for shop@green.service failed."),
        "it does not start: Job for shop@green.service failed.",
        id="systemd",
    ),
    pytest.param(
        Behaviour(active="failed", listens=False),
        "its processes end as soon as they have started",
        id="ends",
    ),
    pytest.param(
        Behaviour(active="activating", restarts=1, listens=False),
        "its processes end as soon as they have started",
        id="restarts",
    ),
    pytest.param(Behaviour(listens=False), "it does not answer on ", id="no socket"),
    pytest.param(Behaviour(answer=lambda _s: None), "it does not answer on ", id="no answer"),
    pytest.param(
        Behaviour(answer=lambda _s: (500, "")),
        "GET https://shop.example.com/healthz/ answers 500, a redirect to /login/ instead of 200",
        id="wrong status",
    ),
    pytest.param(
        Behaviour(answer=lambda _s: (200, "r1")),
        "GET https://shop.example.com/healthz/ is answered by release r1 instead of r2",
        id="wrong release",
    ),
    pytest.param(
        Behaviour(answer=lambda _s: (200, None)),
        "is answered by release None instead of r2",
        id="unnamed release",
    ),
]


@pytest.mark.parametrize(("behaviour", "reason"), REFUSALS)
def test_a_refused_candidate_leaves_everything_as_it_was(site: Site, behaviour: Behaviour, reason: str) -> None:
    """Links, units, slot files, boot order, history; its release never served, so it goes as well."""
    site.deploy("r1", public={"static": "/static"})
    before = site.tree()
    site.host.behaviours["r2"] = behaviour
    answer = site.deploy("r2")
    assert answer["failed"] is True
    assert "Release r2 is refused, release r1 keeps serving: " in answer["msg"]
    assert reason in answer["msg"]
    assert "The end of its journal:\nthe last 25 lines of shop@green.service" in answer["msg"]
    assert site.tree() == before
    assert site.serves() == ("blue", "r1")
    assert site.at_rest()
    assert "live green" not in site.host.log
    assert "stop blue" not in site.host.log
    assert "shop@green.service" not in site.host.loaded


def test_the_journal_is_read_before_the_slot_goes(site: Site) -> None:
    """Afterwards systemd would not know which run was the last."""
    site.deploy("r1")
    site.host.behaviours["r2"] = Behaviour(answer=lambda _s: (500, ""))
    site.deploy("r2", patience=0)
    told = [event for event in site.host.story if not event.startswith("500")]
    assert told == ["daemon-reload", "start green", "journal green", "stop green", "daemon-reload"]


@pytest.mark.parametrize(("behaviour", "reason"), REFUSALS)
def test_a_first_release_that_is_refused_leaves_nothing(site: Site, behaviour: Behaviour, reason: str) -> None:
    """Not even a link; the site is not there."""
    site.host.behaviours["r2"] = behaviour
    answer = site.deploy("r2")
    assert "Release r2 is refused, nothing serves yet: " in answer["msg"]
    assert reason.replace("green", "blue") in answer["msg"].replace("green", "blue")
    assert not os.path.lexists(site.root / "live")
    assert not os.path.lexists(site.root / "slots/blue")
    assert not os.path.lexists(site.root / "history")
    assert not os.path.lexists(site.root / "releases/r2")
    assert sorted(path.name for path in site.units.rglob("*")) == []
    assert site.host.show("shop@blue.service").stopped


def test_a_release_that_served_is_kept_when_it_is_refused(site: Site) -> None:
    """Going back to it may fail for another reason; it stays on disk, and what serves goes on."""
    site.deploy("r1")
    site.deploy("r2")
    site.host.behaviours["r1"] = Behaviour(answer=lambda _s: (500, ""))
    assert "Release r1 is refused, release r2 keeps serving" in site.deploy("r1")["msg"]
    assert (site.root / "releases/r1/release.json").exists()
    assert site.serves() == ("green", "r2")
    assert site.at_rest()


def test_the_release_that_serves_is_kept_when_its_environment_is_refused(site: Site) -> None:
    """Even where the history was lost: it is live, and the history says so again."""
    site.deploy("r1")
    before = site.tree()
    (site.root / "history").unlink()
    site.host.behaviours["r1"] = Behaviour(answer=lambda _s: (500, ""))
    answer = site.deploy("r1", environment={"DEBUG": True})
    assert "Release r1 is refused, release r1 keeps serving: " in answer["msg"]
    assert site.tree() == before
    assert site.at_rest()


def test_a_slot_that_cannot_be_written_is_refused(site: Site) -> None:
    """Whatever the reason: a sentence, and everything as it was."""
    site.deploy("r1")
    before = site.tree()
    answer = site.deploy("r2", public={"files/static": "/static", "files": "/media"})
    assert "Release r2 is refused, release r1 keeps serving: " in answer["msg"]
    assert "public/files" in answer["msg"]
    assert site.tree() == before
    assert site.at_rest()


def test_the_deploy_after_a_refused_one(site: Site) -> None:
    """It finds the slot free."""
    site.deploy("r1")
    site.host.behaviours["r2"] = Behaviour(active="failed", listens=False)
    site.deploy("r2")
    assert site.deploy("r3")["slot"] == "green"
    assert site.serves() == ("green", "r3")
    assert site.at_rest()


# How long to wait


@pytest.mark.parametrize(
    ("boots", "wrong", "slot"),
    [(0, 4.5, "green"), (0, 5.5, None), (20, 4.5, "green"), (20, 5.5, None), (59.5, 0, "green"), (61, 0, None)],
)
def test_wrong_answers_are_forgiven_for_a_while(site: Site, boots: float, wrong: float, slot: str | None) -> None:
    """Five seconds, counted from the first answer and not from the start, which may take a minute."""

    def answer(seconds: float) -> tuple[int, str | None] | None:
        if seconds < boots:
            return None
        return (503, "") if seconds < boots + wrong else (200, "")

    site.deploy("r1")
    site.host.behaviours["r2"] = Behaviour(answer=answer)
    assert site.deploy("r2", patience=5, boot_timeout=60).get("slot") == slot
    assert site.serves() == (("green", "r2") if slot else ("blue", "r1"))


@pytest.mark.parametrize(("seconds", "serving"), [(0.9, "r2"), (1.2, "r1")])
def test_patience_and_boot_time_are_the_site_s(site: Site, seconds: float, serving: str) -> None:
    """The numbers given count."""
    site.deploy("r1")
    site.host.behaviours["r2"] = Behaviour(answer=lambda now: (200, "") if now >= seconds else (503, ""))
    site.deploy("r2", patience=1, boot_timeout=60)
    assert site.serves()[1] == serving


def test_a_silent_release_is_given_its_boot_time_and_no_more(site: Site) -> None:
    """The longest wait is the one that was said."""
    site.deploy("r1")
    start = site.host.clock.now
    site.host.behaviours["r2"] = Behaviour(listens=False)
    site.deploy("r2", boot_timeout=30)
    assert site.host.clock.now - start == pytest.approx(30, abs=0.2)


def test_the_healthy_status_is_the_site_s(site: Site) -> None:
    """A site may say that its healthy answer is a redirect."""
    site.host.behaviours["r1"] = Behaviour(answer=lambda _s: (302, ""))
    assert site.deploy("r1", question={"host": "shop.example.com", "status": 302})["slot"] == "blue"


# What an earlier run left


@pytest.mark.parametrize(
    "moment",
    ["daemon-reload", "start green", "live green", "0 under way in blue", "stop blue"],
)
@pytest.mark.parametrize("then", ["r2", "r1", "r3"], ids=["again", "back", "another"])
def test_killed_at_any_moment(site: Site, moment: str, then: str) -> None:
    """The next run, whatever it wants, brings the site to rest and never stops the slot that serves."""
    site.deploy("r1")
    site.host.kill_before = moment
    with pytest.raises(Killed):
        site.deploy("r2")
    assert site.host.kill_before == ""
    live = site.hosted.live
    assert live is not None
    assert site.host.show(live.unit).running
    assert site.deploy(then)["release"] == then
    assert site.serves()[1] == then
    assert site.at_rest()
    assert site.host.outages == []


def test_a_candidate_left_running_is_settled(site: Site) -> None:
    """Nothing differs, but the idle slot runs: it is drained and stopped."""
    site.deploy("r1")
    site.deploy("r2")
    blue = site.hosted.slots["blue"]
    site.host.reset(blue.unit)
    site.host.start(blue.unit)
    site.host.under_ways = [1, 0]
    answer = site.deploy("r2")
    assert (answer["changed"], answer["differences"], answer["slot"]) == (True, [], "green")
    assert site.host.story == ["1 under way in blue", "0 under way in blue", "stop blue"]
    assert site.at_rest()


def test_a_live_slot_that_was_stopped_is_started_again(site: Site) -> None:
    """It is asked, too, and the other slot is left alone."""
    site.deploy("r1")
    site.host.order("stop", "shop@blue.service")
    site.host.outages.clear()
    answer = site.deploy("r1")
    assert (answer["changed"], answer["differences"], answer["slot"]) == (True, [], "blue")
    assert site.host.story == ["start blue", "200 by r1 in blue"]
    assert site.at_rest()


def test_a_live_slot_that_does_not_start_at_boot_does_again(site: Site) -> None:
    """An operator disabled it; nothing is restarted for that."""
    site.deploy("r1")
    site.hosted.boot_link.unlink()
    assert site.deploy("r1")["changed"] is True
    assert site.host.story == ["enable"]
    assert site.at_rest()


def test_a_live_slot_that_failed_is_started_again(site: Site) -> None:
    """Systemd has given it up, and is told to forget that."""
    site.deploy("r1")
    site.host.stop("shop@blue.service")
    site.host.state("shop@blue.service", "failed")
    assert "failed" not in site.deploy("r1")
    assert site.at_rest()


def test_an_old_slot_that_has_not_stopped_yet(site: Site) -> None:
    """It was told to, and answers what it was asked: nothing is left to do."""
    site.deploy("r1")
    site.deploy("r2")
    site.host.state("shop@blue.service", "deactivating")
    assert site.deploy("r2")["changed"] is False
    site.deploy("r3")
    assert site.host.story[0] == "stop blue"
    assert site.at_rest()


def test_what_starts_the_site_at_boot_is_as_it_is_wanted(site: Site) -> None:
    """Edited by hand, or of another version of the collection: no reason to switch."""
    site.deploy("r1")
    (site.units / "shop-boot.service").write_text("[Service]\nExecStart=/bin/false\n")
    assert site.run("r1", check=True)["changed"] is True
    answer = site.deploy("r1")
    assert (answer["changed"], answer["differences"]) == (True, [])
    assert site.host.story == ["enable"]
    assert (site.units / "shop-boot.service").read_text() == BOOT


def test_a_site_that_cannot_start_at_boot(site: Site) -> None:
    """It serves, and whoever deployed it is told what it lacks, until it does not any more."""
    site.host.cannot_enable = "Access denied"
    for _ in range(2):
        answer = site.deploy("r1")
        assert answer["failed"] is True
        assert answer["msg"].endswith("it would not start at boot: Access denied.")
        assert site.serves() == ("blue", "r1")
    site.host.cannot_enable = None
    assert site.deploy("r1")["changed"] is True
    assert site.at_rest()


def test_a_first_deploy_that_was_killed_before_the_site_starts_at_boot(site: Site) -> None:
    """The next run makes up for it."""
    site.host.kill_before = "enable"
    with pytest.raises(Killed):
        site.deploy("r1")
    assert not site.at_rest()
    assert site.deploy("r1")["changed"] is True
    assert site.host.story == ["enable"]
    assert site.at_rest()


def test_a_stopped_site_takes_a_new_release(site: Site) -> None:
    """The live slot need not run for the other one to be brought up."""
    site.deploy("r1")
    site.host.order("stop", "shop@blue.service")
    assert site.deploy("r2")["slot"] == "green"
    assert site.at_rest()


def test_a_refused_release_of_a_stopped_site(site: Site) -> None:
    """Nobody is told that the site keeps serving; how to start it is."""
    site.deploy("r1")
    site.host.order("stop", "shop@blue.service")
    site.host.behaviours["r2"] = Behaviour(answer=lambda _s: (500, ""))
    message = site.deploy("r2")["msg"]
    assert "and release r1, which is live, does not run: systemctl start shop@blue.service: " in message


def test_a_live_slot_that_does_not_come_up_again_is_named(site: Site) -> None:
    """The operator reads which release it is, and its last words."""
    site.deploy("r1")
    site.host.order("stop", "shop@blue.service")
    site.host.behaviours["r1"] = Behaviour(active="failed", listens=False)
    answer = site.deploy("r1")
    assert answer["failed"] is True
    assert "r1" in answer["msg"]
    assert "the last 25 lines of shop@blue.service" in answer["msg"]


def test_killed_before_the_history_is_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settling makes up for what the killed run did not write."""
    site.deploy("r1")
    replace_link = module.replace_link

    def killed_after(link: Path, target: str) -> None:
        replace_link(link, target)
        if link.name == "live":
            raise Killed

    monkeypatch.setattr(module, "replace_link", killed_after)
    with pytest.raises(Killed):
        site.deploy("r2")
    monkeypatch.setattr(module, "replace_link", replace_link)
    site.deploy("r2")
    assert [entry["release"] for entry in site.hosted.releases.history()] == ["r1", "r2"]


# Check mode and what it shows


def test_check_mode_on_a_bare_host(site: Site) -> None:
    """Nothing is there, nothing is made, and the release may be one that does not exist yet."""
    (site.root / "releases").rmdir()
    site.root.rmdir()
    answer = site.run("r1", check=True)
    assert (answer["changed"], answer["slot"]) == (True, "blue")
    assert answer["differences"] == ["release", "unit", "environment", "secrets", "gunicorn.conf.py"]
    assert not site.root.exists()
    assert list(site.units.iterdir()) == []
    assert site.host.log == []


@pytest.mark.parametrize(
    ("release", "said", "changed"),
    [("r1", {}, False), ("r2", {}, True), ("r1", {"secrets": {}}, True)],
)
def test_check_mode_writes_nothing(site: Site, release: str, said: dict[str, Any], changed: bool) -> None:
    """It tells what would happen, and gives no order."""
    site.deploy("r1")
    site.host.log.clear()
    before = site.tree()
    answer = site.run(release, check=True, **said)
    assert (answer["changed"], answer["slot"], "failed" in answer) == (changed, "blue", False)
    assert site.tree() == before
    assert site.host.log == []


def test_check_mode_does_not_settle(site: Site) -> None:
    """It says that there is something to do."""
    site.deploy("r1")
    site.hosted.boot_link.unlink()
    site.host.log.clear()
    assert site.run("r1", check=True)["changed"] is True
    assert not site.hosted.boots(BOOT)
    assert site.host.log == []


def diff(site: Site, release: str, **said: Any) -> dict[str, str]:
    """Give the differences as the module makes them: Ansible's own censorship of secrets comes later."""
    site.run(release, check=True, **said)
    switch = module.Switch({"files": {}, "environment": {}, "secrets": {}, **site.said}, site.host)
    return switch.diff()


def test_the_differences_that_are_shown(site: Site) -> None:
    """The live slot before, the wanted one after."""
    site.deploy("r1")
    shown = diff(site, "r2", environment={"DEBUG": True}, files={"gunicorn.conf.py": "workers = 3\n"})
    assert shown == {
        "before": (
            "release: r1\n\n--- unit\n[Service]\nUser=shop\n\n"
            '--- environment\nDEBUG="false"\nSITE_RELEASE="fixed"\n\n'
            "--- gunicorn.conf.py\nworkers = 2\n"
        ),
        "after": (
            "release: r2\n\n--- unit\n[Service]\nUser=shop\n\n"
            '--- environment\nDEBUG="true"\n\n'
            "--- gunicorn.conf.py\nworkers = 3\n"
        ),
    }


@pytest.mark.parametrize("secrets", [{"SECRET_KEY": "new horse"}, {}, {"SECRET_KEY": SECRET, "MORE": "new horse"}])
def test_secrets_are_named_and_never_shown(site: Site, secrets: dict[str, str]) -> None:
    """Neither the old value nor the new one, only that they differ."""
    site.deploy("r1")
    shown = diff(site, "r1", secrets=secrets)
    assert "secrets: differ, not shown" in shown["after"]
    assert "horse" not in json.dumps(shown)


def test_secrets_that_do_not_differ_are_not_mentioned(site: Site) -> None:
    """Neither by value nor by name."""
    site.deploy("r1")
    assert "secrets" not in json.dumps(diff(site, "r2"))


def test_no_answer_shows_a_secret(site: Site) -> None:
    """Of a switch, of a refusal, and of check mode."""
    answers = [site.run("r1", check=True), site.deploy("r1"), site.deploy("r2")]
    site.host.behaviours["r3"] = Behaviour(complaint="no")
    answers.append(site.deploy("r3", secrets={"SECRET_KEY": SECRET, "OTHER": SECRET.upper()}))
    told = json.dumps(answers).lower()
    assert "r3 is refused" in told
    assert SECRET not in told


# What is refused before anything happens


def test_a_release_that_is_not_there(site: Site) -> None:
    """The message names those that are, finished ones only; nothing is touched."""
    site.deploy("r1")
    site.build("r2")
    (site.root / "releases/r3/app").mkdir(parents=True)
    site.host.log.clear()
    before = site.tree()
    answer = site.run("r3")
    assert "site_release: 'r3' is not on this host" in answer["msg"]
    assert "has r1, r2" in answer["msg"]
    assert site.tree() == before
    assert site.host.log == []


def test_no_release_on_an_empty_host(site: Site) -> None:
    """A rollback where nothing was ever live."""
    message = site.run("")["msg"]
    assert "site_release: 'none' is not on this host" in message
    assert "has none" in message


def test_a_variable_that_cannot_be_one(site: Site) -> None:
    """Told in a sentence, and nothing is touched."""
    site.deploy("r1")
    before = site.tree()
    answer = site.run("r1", environment={"MY-NAME": "x"})
    assert "site_environment: 'MY-NAME' is not the name" in answer["msg"]
    assert site.tree() == before


@pytest.mark.parametrize("release", ["r2", "r1"], ids=["switch", "settle"])
def test_another_switch_under_way(site: Site, release: str) -> None:
    """One at a time; the second says so, and touches nothing."""
    site.deploy("r1")
    site.build("r2")
    site.hosted.boot_link.unlink()
    site.host.log.clear()
    before = site.tree()
    with (site.root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = site.run(release)
    assert answer["failed"] is True
    assert f"Another run works on the site in {site.root}; wait" in answer["msg"]
    assert site.tree() == before
    assert site.host.log == []


def test_the_lock_is_free_again(site: Site) -> None:
    """After a switch, and after a refusal."""
    site.deploy("r1")
    site.host.behaviours["r2"] = Behaviour(complaint="no")
    site.deploy("r2")
    with (site.root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_switch_that_ended_while_this_one_began(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is what is live once the lock is had."""
    site.deploy("r1")
    site.build("r2")
    lock = fcntl.flock

    def late(handle: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        module.Switch(
            {
                "files": {},
                "protocol": "http",
                "boot_timeout": 9,
                "patience": 5,
                "drain_timeout": 9,
                "keep": 5,
                "overlap": True,
            }
            | site.said
            | {"release": "r2", "question": {"host": "shop", "scheme": "http", "path": "/", "status": 200}},
            site.host,
        ).switch()
        lock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    site.deploy("r3")
    assert site.host.outages == []


def test_the_history_says_who_it_was(site: Site) -> None:
    """Whose run has the site; another run that has lost it changes nothing any more."""
    anna = Holder("anna", "laptop", "", 1_750_000_000)
    DeployLock(site.root).take(anna, 600)
    site.deploy("r1", lock=anna.token)
    assert site.hosted.releases.history()[-1]["by"] == "anna on laptop"
    site.build("r2")
    before = site.tree()
    assert "taken over by anna on laptop" in site.run("r2", lock="another")["msg"]
    assert site.tree() == before


# Without the memory for both slots


def in_the_room(site: Site) -> list[str]:
    """Name what there is of a waiting room, on disk and in front of the slots."""
    found = [path.name for path in site.units.rglob("*waiting*")]
    links = [slot.socket_link for slot in site.hosted.slots.values()]
    found += [link.parent.name for link in links if link.is_symlink() and "waiting" in os.readlink(link)]
    return found + [path.name for path in (site.root / "slots").glob("waiting*")]


def test_without_memory_for_both_the_old_slot_ends_first(site: Site) -> None:
    """Requests wait, are handed over to the new slot once it was asked, and nothing is left of the waiting room."""
    site.deploy("r1")
    site.host.under_ways = [2, 0, 3, 0]
    site.deploy("r2", overlap=False)
    assert site.serves() == ("green", "r2")
    assert site.at_rest()
    assert in_the_room(site) == []
    assert site.host.story == [
        "daemon-reload",
        "daemon-reload",
        "start the waiting room",
        "2 under way in blue",
        "0 under way in blue",
        "stop blue",
        "start green",
        "200 by r2 in green",
        "live green",
        "3 under way in the waiting room",
        "0 under way in the waiting room",
        "stop the waiting room",
        "daemon-reload",
        "0 under way in blue",
        "stop blue",
    ]


def test_those_who_wait_are_kept_from_a_slot_that_was_not_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the new slot starts, nginx is led to the waiting room, which is shut and is the one that was meant."""
    site.deploy("r1")
    site.build("r2")
    start, seen = site.host.start, {}
    monkeypatch.setattr(room_module, "UPTIME", site.root / "uptime")
    room_module.UPTIME.write_text("1000.25 3600.00\n")

    def look(unit: str) -> str | None:
        blue, room = site.hosted.slots["blue"], WaitingRoom(site.hosted, site.host)
        seen["link"] = os.readlink(blue.socket_link) == str(room.socket)
        seen["live"] = site.serves()
        seen["shut"] = room.shut.read_text()
        seen["target"] = os.readlink(room.target) == str(blue.socket)
        seen["files"] = {name: file.read_text() for name, file in room.files.items()}
        return start(unit)

    monkeypatch.setattr(site.host, "start", look)
    site.run("r2", overlap=False, boot_timeout=20, patience=5, drain_timeout=35)
    assert (seen["link"], seen["live"], seen["target"]) == (True, ("blue", "r1"), True)
    # 1000 s after the boot, and 3 x 35 + 20 + 5 + 10 s.
    assert seen["shut"] == "1140 blue green\n"
    assert seen["files"] == site.waiting_room


@pytest.fixture
def room(site: Site) -> WaitingRoom:
    """A room in which requests wait, of a run that is gone."""
    site.deploy("r1")
    site.build("r2")
    site.host.kill_before = "start green"
    with pytest.raises(Killed):
        site.run("r2", overlap=False)
    return WaitingRoom(site.hosted, site.host)


@pytest.fixture
def wait_in(tmp_path: Path) -> Callable[..., list[str]]:
    """Wait in a room as its unit does, by a real shell; give what systemd was told. Programs can be replaced."""
    directory, calls = tmp_path / "programs", tmp_path / "calls"
    directory.mkdir()
    calls.touch()

    def wait(room: WaitingRoom, **programs: str) -> list[str]:
        for name, text in {"systemctl": f'echo "$@" >> {calls}', **programs}.items():
            (directory / name).write_text(f"#!/bin/sh\n{text}\n")
            (directory / name).chmod(0o755)
        path = {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["/bin/sh", str(room.files["script"])], env=path, check=True, timeout=20, capture_output=True, text=True
        )
        assert done.stderr == ""
        return calls.read_text().splitlines()

    return wait


@pytest.mark.parametrize(
    ("live", "calls"), [("blue", ["stop shop@green.service", "start shop@blue.service"]), ("green", [])]
)
def test_a_waiting_room_that_nobody_opens(
    site: Site, room: WaitingRoom, wait_in: Callable[..., list[str]], live: str, calls: list[str]
) -> None:
    """The run is gone: whoever waits brings back the slot that is live, and is led to it."""
    room.shut.write_text(f"{room_module.uptime() - 1} blue green\n")
    if live == "green":
        module.replace_link(site.hosted.live_link, "slots/green")
    assert wait_in(room) == calls
    assert not room.shut.exists()
    assert os.readlink(room.target) == str(site.hosted.slots[live].socket)


def test_a_clock_that_is_set_opens_no_waiting_room(room: WaitingRoom, wait_in: Callable[..., list[str]]) -> None:
    """It steps a year ahead while requests wait: they do so until the run lets them out, which is no fault."""
    long_ago = time.time() - 31_536_000
    os.utime(room.shut, (long_ago, long_ago))
    assert wait_in(room, sleep=f"rm {room.shut}") == []


def test_a_refused_release_without_memory_for_both(site: Site) -> None:
    """The old slot comes up again and answers those who waited; nobody is handed to the refused one."""
    site.deploy("r1")
    (site.units / "sockets.target.wants").mkdir()
    before = site.tree()
    site.host.behaviours["r2"] = Behaviour(answer=lambda _s: (500, ""))
    answer = site.deploy("r2", overlap=False)
    assert "answers 500" in answer["msg"]
    assert "release r1 keeps serving" in answer["msg"]
    assert site.tree() == before
    assert site.at_rest()
    story = site.host.story
    asked = [event for event in story if event.startswith("200 by r1")]
    assert asked
    assert story.index("stop green") < story.index("start blue") < story.index("0 under way in the waiting room")


def test_a_refused_release_and_an_old_one_that_does_not_come_up_again(site: Site) -> None:
    """The worst there is: it is said, with the way out."""
    site.deploy("r1")
    site.host.behaviours["r2"] = Behaviour(complaint="no")
    site.host.behaviours["r1"] = Behaviour(complaint="no more")
    answer = site.deploy("r2", overlap=False)
    assert "release r1, which is live, does not run: systemctl start shop@blue.service" in answer["msg"]
    assert in_the_room(site) == []


def test_no_room_to_wait(site: Site) -> None:
    """The old slot goes on: it was not touched yet."""
    site.deploy("r1")
    (site.units / "sockets.target.wants").mkdir()
    before = site.tree()
    site.host.no_room = "Address already in use"
    answer = site.deploy("r2", overlap=False)
    assert "requests cannot wait: Address already in use" in answer["msg"]
    assert site.tree() == before
    assert site.at_rest()
    assert site.host.outages == []


@pytest.mark.parametrize(
    "moment", ["start the waiting room", "0 under way in blue", "stop blue", "start green", "live green"]
)
def test_killed_while_requests_wait(site: Site, moment: str) -> None:
    """The next run brings the site to rest, with nothing left of the waiting room."""
    site.deploy("r1")
    site.build("r2")
    site.host.log.clear()
    site.host.kill_before = moment
    with pytest.raises(Killed):
        site.run("r2", overlap=False)
    site.run("r2", overlap=False)
    assert site.serves() == ("green", "r2")
    assert site.at_rest()
    assert in_the_room(site) == []


def test_killed_before_those_who_waited_were_let_out(site: Site) -> None:
    """The new release is live already: the next run, which has nothing to switch, lets them out."""
    site.deploy("r1")
    site.build("r2")
    site.host.kill_before = "stop the waiting room"
    with pytest.raises(Killed):
        site.run("r2", overlap=False)
    assert in_the_room(site) != []
    assert site.run("r2", overlap=False)["changed"] is True
    assert site.serves() == ("green", "r2")
    assert site.at_rest()
    assert in_the_room(site) == []
    assert site.run("r2", overlap=False)["changed"] is False


def test_a_slot_that_fills_the_memory_ends_first_whatever_the_new_plan_says(site: Site) -> None:
    """It was sized to be alone."""
    site.deploy("r1", overlap=False)
    site.deploy("r2", overlap=True)
    assert "start the waiting room" in site.host.story
    site.deploy("r3", overlap=True)
    assert "start the waiting room" not in site.host.story


def test_a_history_that_cannot_be_written_keeps_nobody_waiting(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new slot serves: all who waited are answered before that is said."""
    site.deploy("r1")
    record = module.Switch.record

    def full(switch: module.Switch, slot: Slot) -> None:
        if slot.name == "green":
            raise OSError("No space left on device")
        record(switch, slot)

    monkeypatch.setattr(module.Switch, "record", full)
    answer = site.deploy("r2", overlap=False)
    assert "r2 serves, but the switch could not be finished" in answer["msg"]
    assert in_the_room(site) == []


def test_a_change_of_protocol_runs_both(site: Site) -> None:
    """What waits speaks the old one."""
    site.deploy("r1")
    blue = site.hosted.slots["blue"]
    blue.socket_link.rename(blue.path / "uwsgi.sock")
    site.deploy("r2", overlap=False)
    assert site.serves() == ("green", "r2")
    assert "start the waiting room" not in site.host.story
